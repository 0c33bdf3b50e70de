"""What the operator's command decides: entries of a dump, differences, what mends them, what to read ahead."""

import pytest

from handlers.core.catalogue import Thing, without_maintain
from migrate.core import sections
from migrate.core.difference import compare, wrong
from migrate.core.warming import Relation, chosen

LISTED = """;
; Archive created at 2026-11-21 10:00:00 UTC
;
215; 1259 16400 TABLE public orders shop_owner
3401; 2606 16410 CONSTRAINT public orders orders_pkey shop_owner
3402; 0 0 INDEX ATTACH public payments_2026_pkey shop_owner
3403; 0 0 INDEX ATTACH public payments_2026_paid shop_owner
3404; 1259 16420 INDEX public orders_by_day shop_owner
3405; 2606 16430 FK CONSTRAINT public orders orders_customer_fkey shop_owner
3406; 1255 16440 FUNCTION public awsdms_intercept_ddl() postgres
3407; 3466 16450 EVENT TRIGGER - seen postgres
3408; 2620 16460 TRIGGER public orders touch shop_owner
"""


def thing(kind: str, on: str, name: str, text: str = "") -> Thing:
    return Thing(kind, on, name, text)


def numbers(listed: str) -> list[str]:
    return [line.partition(";")[0] for line in listed.splitlines()]


def test_a_list_knows_objects_by_catalog_and_row_and_leaves_out_what_dms_made() -> None:
    found = sections.entries(LISTED)
    assert [one.oid for one in found[:2]] == [(1259, 16400), (2606, 16410)]
    assert not any("awsdms" in one.what for one in found)


def test_before_the_load_come_tables_and_keys_and_the_partitions_part_of_a_key() -> None:
    pre, *post = sections.entries(LISTED)
    listed = sections.before_load([pre], post, {(2606, 16410)}, ["public payments_2026_pkey"])
    assert numbers(listed) == ["215", "3401", "3402"]


def test_after_the_load_comes_what_is_not_there_and_event_triggers_by_other_means() -> None:
    _, *post = sections.entries(LISTED)
    assert numbers(sections.after_load(post, {(2606, 16410), (2606, 16430)})) == ["3402", "3403", "3404", "3408"]


def test_what_belongs_to_a_missing_object_is_not_named_besides() -> None:
    source = [
        thing("table", "", "public.orders"),
        thing("column", "public.orders", "id", "bigint"),
        thing("owner", "TABLE public.orders", "", "shop_owner"),
        thing("comment", "COLUMN public.orders.id", "", "'x'"),
        thing("trigger", "public.baskets", "touch", "CREATE TRIGGER touch ..."),
        thing("firing", "public.baskets", "touch", "ENABLE"),
        thing("table", "", "public.baskets"),
    ]
    found = compare(source, [thing("table", "", "public.baskets")])
    assert [str(one) for one in found] == [
        "table public.orders is missing on the target",
        "trigger touch on public.baskets is missing on the target",
    ]


@pytest.mark.parametrize(
    ("here", "there", "mend"),
    [
        (
            thing("foreign key", "a", "f", "FOREIGN KEY (b) REFERENCES c(d)"),
            thing("foreign key", "a", "f", "FOREIGN KEY (b) REFERENCES c(d) NOT VALID"),
            ("ALTER TABLE a VALIDATE CONSTRAINT f",),
        ),
        (
            thing("index", "a", "s.i", "CREATE INDEX i ON a USING btree (b)"),
            thing("index", "a", "s.i", "CREATE INDEX i ON a USING btree (b) (invalid)"),
            ("REINDEX INDEX s.i",),
        ),
        (
            thing("index", "a", "s.i", "CREATE INDEX i ON a USING btree (b) STATISTICS 1 300"),
            None,
            ("CREATE INDEX i ON a USING btree (b)", "ALTER INDEX s.i ALTER COLUMN 1 SET STATISTICS 300"),
        ),
        (
            thing("grant", "TABLE a", "app", "INSERT, SELECT WITH GRANT OPTION"),
            thing("grant", "TABLE a", "app", "DELETE, INSERT"),
            ("REVOKE DELETE ON TABLE a FROM app", "GRANT SELECT ON TABLE a TO app WITH GRANT OPTION"),
        ),
        (
            thing("default privileges", "FOR ROLE o", "FUNCTIONS", "nobody"),
            None,
            ("ALTER DEFAULT PRIVILEGES FOR ROLE o REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC",),
        ),
        (
            thing("view", "", "s.v", "WITH (security_barrier=true)  SELECT 1;"),
            None,
            ("CREATE OR REPLACE VIEW s.v WITH (security_barrier=true) AS SELECT 1;",),
        ),
        (
            thing("row security", "a", "", "FORCE"),
            None,
            ("ALTER TABLE a ENABLE ROW LEVEL SECURITY", "ALTER TABLE a FORCE ROW LEVEL SECURITY"),
        ),
        (
            thing("sequence", "", "s.q", "AS bigint INCREMENT 2 MINVALUE 1 MAXVALUE 9 START 1 CACHE 1 OWNED BY s.t.c"),
            thing("sequence", "", "s.q", "AS bigint INCREMENT 1 MINVALUE 1 MAXVALUE 9 START 1 CACHE 1 OWNED BY s.t.c"),
            ("ALTER SEQUENCE s.q AS bigint INCREMENT 2 MINVALUE 1 MAXVALUE 9 START 1 CACHE 1 NO CYCLE",),
        ),
        (thing("aggregate", "", "s.product(numeric)", "..."), None, ()),
        (None, thing("column", "a", "more", "integer"), ("ALTER TABLE a DROP COLUMN more",)),
    ],
)
def test_a_difference_comes_with_what_mends_it(here: Thing | None, there: Thing | None, mend: tuple[str, ...]) -> None:
    [found] = compare([here] if here else [], [there] if there else [])
    assert found.mend == mend


def test_versions_and_triggers_held_back_are_notes() -> None:
    source = [thing("extension version", "", "vector", "0.7"), thing("firing", "a", "t", "ENABLE ALWAYS")]
    target = [thing("extension version", "", "vector", "0.8"), thing("firing", "a", "t", "ENABLE")]
    found = compare(source, target)
    assert len(found) == 2
    assert wrong(found) == []
    assert wrong(compare([thing("firing", "a", "t", "ENABLE")], [thing("firing", "a", "t", "DISABLE")]))


def test_more_roles_on_the_target_are_no_difference() -> None:
    assert compare([], [thing("role", "", "rds_helper", "NOLOGIN")]) == []


def test_columns_are_mended_before_what_needs_them() -> None:
    source = [
        thing("index", "a", "s.i", "CREATE INDEX i ON a (b)"),
        thing("not null", "a", "b"),
        thing("column", "a", "b", "int"),
    ]
    assert [one.kind for one in compare(source, [])] == ["column", "not null", "index"]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("INSERT, MAINTAIN, SELECT", "INSERT, SELECT"),
        ("MAINTAIN", ""),
        ("INSERT WITH GRANT OPTION, MAINTAIN WITH GRANT OPTION", "INSERT WITH GRANT OPTION"),
    ],
)
def test_a_privilege_that_older_servers_do_not_know_is_left_out(text: str, left: str) -> None:
    [found] = without_maintain([thing("grant", "TABLE a", "app", text)])
    assert found.text == left


def test_indexes_are_read_first_and_no_more_than_fits() -> None:
    known = [
        Relation("s.t", index=False, size=300, uses=90),
        Relation("s.unused", index=False, size=10, uses=0),
        Relation("s.rare", index=True, size=200, uses=1),
        Relation("s.often", index=True, size=400, uses=50),
        Relation("s.empty", index=True, size=0, uses=50),
        Relation("s.huge", index=True, size=4000, uses=500),
    ]
    assert [one.name for one in chosen(known, 1300)] == ["s.often", "s.rare", "s.t"]
    assert [one.name for one in chosen(known, 800)] == ["s.often", "s.rare"]


def test_quotes_that_only_one_version_writes_make_no_difference() -> None:
    """PostgreSQL 18 quotes a column called json, 16 does not."""
    here, there = Thing("column", "public.t", "json", "text"), Thing("column", "public.t", '"json"', "text")
    assert here.key == there.key
    assert Thing("index", "", "i", "(json)").meaning == Thing("index", "", "i", '("json")').meaning
    assert Thing("column", "public.t", '"Json"', "text").key != here.key
