"""A user's dump is loaded whole, whichever way it was made, or refused with what to do."""

import gzip
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.databases import ServerInfo
from sandbox.errors import SandboxError
from sandbox.rehearsal import shop
from sandbox.rehearsal.dump import restore
from sandbox.rehearsal.verify import compare_all
from tests.support.servers import room, two_servers

ODD_ROWS = "\\.\n\\N\n\\restrict\n\r\\connect x\t'\"$$ ü"


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with room() as made:
        yield made


@pytest.fixture(scope="module")
def servers(folder: Path) -> Iterator[tuple[ServerInfo, ServerInfo]]:
    """A server to load into and a newer one to dump from, which holds a shop with values made to confuse."""
    with two_servers(folder) as (blue, newer):
        shop.create(newer, 2000, 1, {shop.OWNER: "x", shop.APPLICATION: "y"})
        with newer.superuser("shop") as connection, connection.cursor() as cursor:
            cursor.execute("CREATE TABLE odd (id int PRIMARY KEY, text text)")
            cursor.execute("INSERT INTO odd VALUES (1, %s), (2, NULL), (3, '')", (ODD_ROWS,))
            cursor.execute("CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $$\nSELECT '\n\\connect x\n' $$")
            cursor.execute("CREATE PUBLICATION theirs FOR TABLE odd")
        yield blue, newer


@pytest.fixture(scope="module")
def plain(servers: tuple[ServerInfo, ServerInfo], folder: Path) -> Path:
    return dumped(servers[1], folder / "plain.sql")


def dumped(server: ServerInfo, path: Path, *options: str) -> Path:
    command = [server.program("pg_dump"), *options, "--file", path]
    subprocess.run(command, env=server.environment("shop"), check=True)
    return path


def databases(server: ServerInfo) -> set[str]:
    with server.superuser() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT datname FROM pg_database")
        return {name for (name,) in cursor}


def refused(server: ServerInfo, dump: Path) -> str:
    """Return the one line with which a dump is refused; nothing may be left of it."""
    before = databases(server)
    with pytest.raises(SandboxError) as caught:
        restore(server, dump, "refused")
    said = str(caught.value)
    assert said.startswith(f"{dump} ") and "\n" not in said
    assert databases(server) == before
    return said


@pytest.mark.parametrize("form", ["plain", "plain.gz", "inserts", "create", "custom", "custom.gz", "tar", "directory"])
def test_a_dump_of_a_newer_server_is_loaded_whole(
    form: str, servers: tuple[ServerInfo, ServerInfo], plain: Path, tmp_path: Path
) -> None:
    blue, newer = servers
    dump, database = tmp_path / form, f"from {form}"
    match form:
        case "plain":
            dump = plain
        case "plain.gz":
            dump.write_bytes(gzip.compress(plain.read_bytes()))
        case "inserts":
            dumped(newer, dump, "--inserts", "--rows-per-insert=100")
        case "create":
            dumped(newer, dump, "--create", "--clean", "--if-exists")
        case "custom.gz":
            dump.write_bytes(gzip.compress(dumped(newer, tmp_path / "custom", "--format=custom").read_bytes()))
        case _:
            dumped(newer, dump, f"--format={form}")
    rows = restore(blue, dump, database)
    with newer.superuser("shop") as source, blue.superuser(database) as target:
        found = compare_all(source, target)
        assert found["mismatches"] == [] and found["rows"] == rows > 1800
        with target.cursor() as cursor:
            cursor.execute("SELECT text, f() FROM odd WHERE id = 1")
            assert cursor.fetchone() == (ODD_ROWS, "\n\\connect x\n")
    assert databases(blue) >= {database} and "shop" not in databases(blue)


def test_a_dump_may_go_into_a_database_that_is_there(servers: tuple[ServerInfo, ServerInfo], tmp_path: Path) -> None:
    blue, _ = servers
    with blue.superuser() as connection, connection.cursor() as cursor:
        cursor.execute("CREATE DATABASE there")
    (tmp_path / "a.sql").write_text("CREATE TABLE a (b int);\nINSERT INTO a VALUES (1), (2);\n")
    assert restore(blue, tmp_path / "a.sql", "there") == 2
    with pytest.raises(SandboxError, match='relation "a" already exists: load it into a database that is empty'):
        restore(blue, tmp_path / "a.sql", "there")
    assert "there" in databases(blue), "what was there before is not dropped"


def test_rights_of_unknown_roles_are_left_out_and_nothing_else(
    servers: tuple[ServerInfo, ServerInfo], tmp_path: Path
) -> None:
    blue, _ = servers
    dump = tmp_path / "roles.sql"
    start = "CREATE TABLE a (b int);\nALTER TABLE a OWNER TO nobody_here;\nGRANT SELECT ON a TO nobody_here;\n"
    dump.write_text(start + "INSERT INTO a VALUES (1);\n")
    assert restore(blue, dump, "roles") == 1
    dump.write_text(start + "CREATE POLICY p ON a TO nobody_here;\n")
    assert "line 4: " in refused(blue, dump) and "nobody_here out of the dump" in refused(blue, dump)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("CREATE EXTENSION IF NOT EXISTS postgis WITH SCHEMA public;\n", "dump without what needs postgis"),
        ("Dear Sir or Madam,\nplease find attached\n", "line 2: syntax error"),
        ("SELECT 1;\n\\! touch {folder}/owned\n", "line 2: backslash commands are restricted"),
        ("SELECT 1;\n\\copy pg_class to '{folder}/owned'\n", "backslash commands are restricted"),
        ("COPY pg_class TO STDOUT;\nCREATE TABLE a (b int);\nINSERT INTO a VALUES ('x');\n", "line 3: invalid input"),
        ("", "is empty"),
        ("-- PostgreSQL database cluster dump\n", "pg_dumpall"),
    ],
)
def test_a_dump_that_can_not_be_loaded_says_why(
    text: str, says: str, servers: tuple[ServerInfo, ServerInfo], tmp_path: Path
) -> None:
    (tmp_path / "a.sql").write_text(text.replace("{folder}", str(tmp_path)))
    assert says in refused(servers[0], tmp_path / "a.sql")
    assert not (tmp_path / "owned").exists()


def test_a_dump_that_is_cut_off_is_not_taken_for_a_whole_one(
    servers: tuple[ServerInfo, ServerInfo], plain: Path, tmp_path: Path
) -> None:
    blue, newer = servers
    text = plain.read_bytes()
    custom = dumped(newer, tmp_path / "custom", "--format=custom").read_bytes()
    in_data = text.index(b"COPY public.order_items") + 300
    pieces = {
        **{"data": text[:in_data], "before the end": text[: text.index(b"-- PostgreSQL database dump complete")]},
        **{"data.gz": gzip.compress(text)[:5000], "custom": custom[:-2000], "custom head": custom[:200]},
        "custom.gz": gzip.compress(custom)[:3000],
    }
    for name, piece in pieces.items():
        (tmp_path / name).write_bytes(piece)
        assert "is cut off" in refused(blue, tmp_path / name), name


def test_other_files_are_named_for_what_they_are(servers: tuple[ServerInfo, ServerInfo], tmp_path: Path) -> None:
    blue, _ = servers
    (tmp_path / "empty folder").mkdir()
    assert "toc.dat" in refused(blue, tmp_path / "empty folder")
    assert "does not exist" in refused(blue, tmp_path / "none")
    (tmp_path / "broken.gz").write_bytes(b"\x1f\x8b\x08\x00" + b"x" * 100)
    assert "is damaged" in refused(blue, tmp_path / "broken.gz")
    (tmp_path / "broken").write_bytes(b"PGDMP" + b"\x09" * 100)
    assert "pg_dump" in refused(blue, tmp_path / "broken")
    (tmp_path / "twice.gz").write_bytes(gzip.compress(gzip.compress(b"SELECT 1;")))
    assert "compressed twice" in refused(blue, tmp_path / "twice.gz")


def test_a_server_that_is_away_is_said(servers: tuple[ServerInfo, ServerInfo], plain: Path) -> None:
    blue, _ = servers
    with blue.superuser() as connection, connection.cursor() as cursor:
        cursor.execute("CREATE DATABASE full_up CONNECTION LIMIT 0 ALLOW_CONNECTIONS false")
    with pytest.raises(SandboxError, match="full_up"):
        restore(blue, plain, "full_up")
