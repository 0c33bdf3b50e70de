"""What a dump is, which of its lines psql may see, and which of psql's complaints matter."""

import pytest

from sandbox.errors import SandboxError
from sandbox.rehearsal.script import (
    ARCHIVE,
    GZIP,
    PLAIN,
    Complaint,
    Complaints,
    lines_for_psql,
    overlooked,
    recognise,
    remedy,
)

TAR = b"toc.dat".ljust(257, b"\0") + b"ustar\x0000"


def fed(text: str) -> str:
    return b"".join(lines_for_psql(text.encode().splitlines(keepends=True))).decode()


@pytest.mark.parametrize(
    ("head", "kind"),
    [(b"-- x\nSELECT 1;", PLAIN), (b"PGDMP\x01\x0f\x00", ARCHIVE), (TAR, ARCHIVE), (b"\x1f\x8b\x08", GZIP)],
)
def test_a_dump_is_recognised_by_its_first_bytes(head: bytes, kind: str) -> None:
    assert recognise(head) == kind


@pytest.mark.parametrize(
    ("head", "says"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"PK\x03\x04", "zip"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
        (b"\xff\xfeS\0", "UTF-16"),
        (b"SQLite format 3\0", "SQLite"),
        (b"-- MySQL dump 10.13", "MySQL"),
        (b"\x7fELF\0\0", "no dump"),
    ],
)
def test_what_is_no_dump_is_named(head: bytes, says: str) -> None:
    with pytest.raises(SandboxError, match=says):
        recognise(head)


def test_lines_about_another_server_become_blank_and_keep_the_numbering() -> None:
    text = (
        "\\restrict abc\nCREATE DATABASE x\n  ENCODING 'UTF8';\n\\connect x\nGRANT ALL ON DATABASE x TO y;\nSELECT 1;\n"
    )
    assert fed(text) == "\n\n\n\n\nSELECT 1;\n"


def test_data_is_not_touched_even_if_it_looks_like_a_command() -> None:
    data = "COPY public.t (a) FROM stdin;\n\\restrict of a carriage return\nCREATE DATABASE x;\n'\n$$\n\\.\nSELECT 1;\n"
    assert fed(data) == data


@pytest.mark.parametrize(
    "text",
    [
        "CREATE FUNCTION f() AS $body$\n\\connect x\nDROP DATABASE y;\n$body$ LANGUAGE sql;\n",
        "COMMENT ON TABLE t IS 'it''s\nCREATE DATABASE x;\n';\n",
        "/* '\nDROP DATABASE x;\n*/\n",
        "SELECT 'a--b', \"c'd\"; -- don't\nSELECT 1;\n",
        "CREATE TABLE a$b$c (d int);\nSELECT E'\\\\';\n",
    ],
)
def test_quoted_text_is_not_touched(text: str) -> None:
    assert fed(text) == text


def test_a_statement_after_quoted_text_is_still_seen() -> None:
    assert fed("SELECT 'a' || $$'$$ || \"'\" /* ' */;\nDROP DATABASE x;\n").endswith(";\n\n")


def test_a_byte_order_mark_is_removed() -> None:
    assert fed("\ufeffSELECT 1;\n") == "SELECT 1;\n"


@pytest.mark.parametrize(
    "text",
    [
        "-- PostgreSQL database dump\nSELECT 1;\n",
        "COPY t FROM stdin;\n1\n",
        "SELECT 'open;\n",
        "CREATE FUNCTION f() AS $$\nbegin\n",
    ],
)
def test_a_dump_without_its_end_is_refused(text: str) -> None:
    with pytest.raises(SandboxError, match="cut off"):
        fed(text)


def test_a_whole_dump_passes() -> None:
    text = "-- PostgreSQL database dump\nSELECT 1;\n-- PostgreSQL database dump complete\n"
    assert fed(text) == text


def test_a_dump_of_a_cluster_is_refused() -> None:
    with pytest.raises(SandboxError, match="pg_dumpall"):
        fed("--\n-- PostgreSQL database cluster dump\n--\n")


@pytest.mark.parametrize(
    ("text", "statement", "fine"),
    [
        ('role "joe" does not exist', "ALTER TABLE public.t OWNER TO joe;", True),
        ('role "joe" does not exist', "GRANT SELECT ON TABLE public.t TO joe;", True),
        ('role "joe" does not exist', "ALTER DEFAULT PRIVILEGES FOR ROLE joe GRANT ALL ON TABLES TO x;", True),
        ('role "joe" does not exist', "CREATE POLICY p ON public.t TO joe;", False),
        ('unrecognized configuration parameter "transaction_timeout"', "SET transaction_timeout = 0;", True),
        ('unrecognized configuration parameter "x.y"', "SELECT current_setting('x.y');", False),
        ('schema "public" already exists', "CREATE SCHEMA public;", True),
        ('schema "other" already exists', "CREATE SCHEMA other;", False),
        ('relation "public.t" does not exist', "DROP TABLE public.t;", True),
        ('relation "public.t" does not exist', "ALTER TABLE ONLY public.t DROP CONSTRAINT t_pkey;", True),
        ('relation "public.t" does not exist', "INSERT INTO public.t VALUES (1);", False),
        ('relation "public.t" does not exist', "", False),
    ],
)
def test_only_errors_that_cost_nothing_are_overlooked(text: str, statement: str, fine: bool) -> None:
    assert overlooked(Complaint(1, "42704", text), statement) is fine


def test_psql_is_stopped_at_the_first_error_that_matters() -> None:
    complaints = Complaints()
    heard = [
        'psql:<stdin>:3: ERROR:  42704: role "joe" does not exist',
        "LOCATION:  get_role_oid, acl.c:1",
        "psql:<stdin>:3: STATEMENT:  ALTER TABLE t OWNER TO joe;",
        "psql:<stdin>:9: NOTICE:  00000: something",
        'psql:<stdin>:9: ERROR:  42P01: relation "u" does not exist',
        "psql:<stdin>:9: STATEMENT:  INSERT INTO u VALUES (1);",
        'psql:<stdin>:10: ERROR:  42P01: relation "v" does not exist',
    ]
    assert [complaints.read(line) for line in heard] == [False] * 5 + [True] * 2
    assert complaints.fatal == Complaint(9, "42P01", 'relation "u" does not exist')
    assert [c.line for c in complaints.overlooked] == [3]


def test_an_error_without_a_statement_counts_at_the_end() -> None:
    complaints = Complaints()
    assert not complaints.read("psql:<stdin>:1: ERROR:  XX000: cache lookup failed")
    complaints.end()
    assert complaints.fatal == Complaint(1, "XX000", "cache lookup failed")


def test_an_error_of_psql_itself_stops_it() -> None:
    complaints = Complaints()
    assert complaints.read("psql:<stdin>:2: error: backslash commands are restricted; only \\unrestrict is allowed")
    assert complaints.fatal is not None and complaints.fatal.line == 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('extension "postgis" is not available', "--target-version 17); take that, or dump without what needs postgis"),
        ('could not access file "$libdir/x": No such file', "16 and 18 have the extensions plpgsql and vector only"),
        ('could not open extension control file "/a/b/hstore.control": No such file', "needs hstore"),
        ('role "joe" does not exist', "role joe"),
        ('syntax error at or near "Dear"', "Dump it with pg_dump 16"),
        ("could not extend file: No space left on device", "make room"),
        ('invalid byte sequence for encoding "UTF8": 0xff', "--encoding=UTF8"),
        ('relation "t" already exists', "empty"),
        ("something {else}", "pg_dump 16"),
    ],
)
def test_every_error_has_a_remedy(text: str, says: str) -> None:
    assert says in remedy(Complaint(1, "", text), "16")
