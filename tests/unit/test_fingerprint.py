"""The fingerprint of a definition: what it takes in, and what it says has changed."""

from handlers.core.catalogue import Thing, of_selected
from handlers.core.comparison import Table
from handlers.core.fingerprint import changes, fingerprint

ORDERS, LOGS = Table("public", "orders"), Table("public", "logs")
THINGS = [
    Thing("table", "", "public.orders", "", ORDERS, (1259, 16400)),
    Thing("column", "public.orders", "id", "bigint", ORDERS),
    Thing("column", "public.orders", "note", "text", ORDERS),
    Thing("column", "public.logs", "line", "text", LOGS),
    Thing("function", "", "public.touch()", "CREATE FUNCTION ..."),
    Thing("owner", "FUNCTION public.touch()", "", "shop_owner"),
    Thing("comment", "TABLE public.orders", "", "'Orders'", ORDERS),
]


def with_(*things: Thing) -> list[Thing]:
    changed = {one.key for one in things}
    return [one for one in THINGS if one.key not in changed] + list(things)


def test_order_row_numbers_and_comments_do_not_matter() -> None:
    moved = Thing("table", "", "public.orders", "", ORDERS, (1259, 99))
    said = Thing("comment", "TABLE public.orders", "", "'All orders'", ORDERS)
    assert fingerprint(reversed(THINGS)) == fingerprint(with_(moved, said)) == fingerprint(THINGS)
    assert changes(fingerprint(THINGS), fingerprint(THINGS)) == []


def test_a_change_is_named_by_the_table_it_goes_with() -> None:
    wider = with_(Thing("column", "public.orders", "note", "varchar(9)", ORDERS))
    more = with_(Thing("column", "public.baskets", "id", "uuid", Table("public", "baskets")))
    assert changes(fingerprint(THINGS), fingerprint(wider)) == ["table public.orders was changed"]
    assert changes(fingerprint(THINGS), fingerprint(more)) == ["table public.baskets was added"]
    assert changes(fingerprint(more), fingerprint(THINGS)) == ["table public.baskets was dropped"]


def test_a_change_of_what_goes_with_no_table_is_named_by_itself() -> None:
    owned = with_(Thing("owner", "FUNCTION public.touch()", "", "somebody"))
    assert changes(fingerprint(THINGS), fingerprint(owned)) == ["FUNCTION public.touch() was changed"]
    without = [one for one in THINGS if one.kind != "function"]
    assert changes(fingerprint(THINGS), fingerprint(without)) == ["function public.touch() was dropped"]


def test_values_can_t_be_moved_from_one_field_to_another() -> None:
    one = [Thing("column", "public.a", "b", "c", ORDERS)]
    other = [Thing("column", "public.a", "", "bc", ORDERS)]
    assert fingerprint(one) != fingerprint(other)


def test_tables_that_no_rule_takes_are_left_out() -> None:
    rule = {
        "rule-type": "selection",
        "rule-action": "include",
        "object-locator": {"schema-name": "public", "table-name": "ord%"},
    }
    kept = of_selected(THINGS, iter([rule]))
    assert LOGS not in {one.table for one in kept}
    assert {one.kind for one in kept} == {"table", "column", "function", "owner", "comment"}


def test_a_fingerprint_of_another_version_is_told_from_a_change() -> None:
    assert changes("0:abc", fingerprint(THINGS)) == [
        "the definition was noted by another version of this program: note it again"
    ]


def test_a_thousand_tables_make_a_fingerprint_that_fits_into_a_record() -> None:
    many = [
        Thing("column", f"public.table_{n}", "id", "bigint", Table("public", f"table_of_something_{n}"))
        for n in range(1000)
    ]
    assert len(fingerprint(many)) < 20_000


def test_quotes_that_only_one_version_writes_make_no_difference() -> None:
    """PostgreSQL 18 quotes a column called json, 16 does not."""
    here, there = Thing("column", "public.t", "json", "text"), Thing("column", "public.t", '"json"', "text")
    assert here.key == there.key
    assert Thing("index", "", "i", "(json)").meaning == Thing("index", "", "i", '("json")').meaning
    assert Thing("column", "public.t", '"Json"', "text").key != here.key
