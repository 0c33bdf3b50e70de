"""What equals means, and what is compared with what: without a database."""

import json
import re
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.core.comparison import Column, Table
from handlers.core.mapping import Relation
from handlers.core.samples import Key, KeyPart
from handlers.validation import plan
from handlers.validation.cells import cells_query
from handlers.validation.cells import row as row_of
from handlers.validation.equality import (
    HASHABLE,
    HASHES,
    OF_TYPE,
    SELF_TEST,
    Form,
    Method,
    common_method,
    digest_query,
    form,
)
from handlers.validation.plan import MOST_KEY, Cells, Chunk, Part, Size, chunks, pair_up, shift

ORDERS = Table("shop", "orders")
COLUMNS = (Column("id", "int8"), Column("state", "shop.order_state"), Column("tags", "_text"))
KEY = Key((KeyPart("id", "bigint"),), 100)


def orders(method: Method = Method.VALUE) -> plan.Pair:
    relation = Relation(ORDERS, COLUMNS)
    return pair_up(relation, relation, COLUMNS, (KEY, KEY), method)


@pytest.mark.parametrize(
    ("here", "there", "wanted", "strict"),
    [
        ("text", "text", Form.STRING, Form.STRING),
        ("text", "varchar", Form.STRING, Form.STRING),
        ("text (nondeterministic)", "text (nondeterministic)", Form.TEXT, Form.TEXT),
        ("bpchar", "text", Form.TEXT, Form.TEXT),
        ("int4", "int2", Form.INTEGER, Form.INTEGER),
        ("int4", "int8", Form.WIDE, Form.WIDE),
        ("int4", "numeric", Form.TEXT, Form.TEXT),
        ("numeric", "numeric", Form.NUMERIC, Form.TEXT),
        ("float4", "float8", Form.FLOAT, Form.TEXT),
        ("jsonb", "jsonb", Form.JSONB, Form.TEXT),
        ("uuid", "uuid", Form.UUID, Form.UUID),
        ("timestamptz", "timestamptz", Form.ZONED, Form.ZONED),
        ("timestamptz", "timestamp", Form.TEXT, Form.TEXT),
        ("bytea", "bytea", Form.RECORD, Form.RECORD),
        ("interval", "interval", Form.RECORD, Form.TEXT),
        ("_int4", "_int4", Form.ARRAY, Form.ARRAY),
        ("_int8", "_int8", Form.TEXT, Form.TEXT),
        ("_numeric", "_numeric", Form.ARRAY, Form.TEXT),
        ("shop.text", "shop.text", Form.TEXT, Form.TEXT),
        ("shop._mood", "shop._mood", Form.TEXT, Form.TEXT),
        ("regclass", "regclass", Form.TEXT, Form.TEXT),
        ("json", "json", Form.TEXT, Form.TEXT),
        ("tstzrange", "tstzrange", Form.RECORD, Form.RECORD),
        ("int8range", "int8range", Form.TEXT, Form.TEXT),
    ],
)
def test_a_column_is_hashed_by_value_only_where_that_says_the_same_on_both_sides(
    here: str, there: str, wanted: Form, strict: Form
) -> None:
    for a, b in ((here, there), (there, here)):
        assert form(Column("c", a), Column("c", b)) is wanted
        assert form(Column("c", a), Column("c", b), strict=True) is strict


def test_every_form_has_a_hash_and_is_in_the_self_test() -> None:
    assert set(Form) - HASHES.keys() == {Form.RECORD, Form.ARRAY}
    assert set(OF_TYPE) <= HASHABLE
    called = {name for one in HASHES.values() for name in re.findall(r"\w+(?=\()", one)}
    assert all(f"{name}(" in SELF_TEST for name in (*called, "hash_record_extended", "array_dims"))


def test_a_key_that_is_one_integer_is_hashed_with_the_rest_of_its_row() -> None:
    half = orders().old
    assert row_of(half, Method.VALUE).startswith('hashint8extended("id"::int8, coalesce(hashtextextended("state"')
    assert row_of(half, Method.VALUE).endswith('# "id"::int8)')
    assert row_of(half, Method.TEXT).startswith('hashtextextended(row("id"::text')
    alone = replace(half, fields=half.fields[:1])
    assert row_of(alone, Method.VALUE) == 'hashint8extended("id"::int8, "id"::int8)'


def test_the_digest_of_a_table_hashes_each_row_as_a_whole() -> None:
    assert digest_query(ORDERS, COLUMNS, by_value=True) == (
        'SELECT count(*), coalesce(sum(hashint8extended(0, coalesce(hashint8extended("id"::int8, "id"::int8 # 1), 1) # '
        'coalesce(hashtextextended("state"::text COLLATE "C", 2), 2) # '
        'hash_record_extended(row("tags", array_dims("tags")), 0))), 0)::text FROM ONLY "shop"."orders"'
    )
    query = digest_query(Table("s", "t"), [Column("a", "int4")], by_value=False)
    assert 'hashtextextended(row("a"::text COLLATE "C")::text, 0)' in query


def test_the_way_is_the_fastest_that_both_servers_agree_on() -> None:
    here = {Method.VALUE: "1", Method.TEXT: "2", Method.MD5: "3"}
    assert common_method(here, here) is Method.VALUE
    assert common_method(here, {**here, Method.VALUE: None}) is Method.TEXT
    assert common_method({**here, Method.VALUE: None}, {**here, Method.VALUE: None}) is Method.TEXT
    assert common_method(here, {**here, Method.VALUE: "9", Method.TEXT: "9"}) is Method.MD5
    with pytest.raises(ValueError, match="hash nothing alike"):
        common_method(here, dict.fromkeys(here, "0"))


def test_a_key_counts_only_where_both_sides_have_it() -> None:
    relation = Relation(ORDERS, COLUMNS)
    assert orders().old.by_number
    without = pair_up(relation, relation, COLUMNS, (KEY, None), Method.VALUE)
    assert not without.has_key
    other = Key((KeyPart("tags", "text[]"),), 1)
    assert not pair_up(relation, relation, COLUMNS, (KEY, other), Method.VALUE).has_key
    domain = Key((KeyPart("id", "shop.number"),), 1)
    assert not pair_up(relation, relation, COLUMNS, (KEY, domain), Method.VALUE).old.by_number
    with pytest.raises(ValueError, match=r"shop.orders lacks state, tags"):
        pair_up(relation, relation, COLUMNS[:1], (KEY, KEY), Method.VALUE)


def test_chunks_are_plain_data() -> None:
    size = Size(20_000_000, 400_000, 1.0, tuple(range(0, 20_000_001, 200_000)))
    for one in chunks(orders(), size, size):
        assert Chunk.from_dict(json.loads(json.dumps(one.to_dict()))) == one


def test_a_large_table_is_cut_by_ranges_of_an_ordered_key() -> None:
    size = Size(20_000_000, 400_000, 0.99, tuple(range(0, 20_000_001, 200_000)))
    found = chunks(orders(), size, size)
    assert len(found) == 4
    assert found[0].part.low is None
    assert found[-1].part.high is None
    assert all(a.part.high == b.part.low for a, b in pairwise(found))
    assert all(one.sides == ("old", "new") for one in found)
    assert {one.cells for one in found} == {Cells(shift=10)}


def test_a_large_table_without_order_is_cut_by_blocks_of_each_side_into_the_same_cells() -> None:
    old, new = Size(20_000_000, 400_000, 0.1), Size(19_000_000, 300_000, 0.1)
    found = chunks(orders(), old, new)
    for side, pages in (("old", 400_000), ("new", 300_000)):
        parts = [one.part for one in found if one.sides == (side,)]
        assert parts[0].first == 0
        assert parts[-1].last is None
        assert parts[-1].first is not None and parts[-1].first < pages
        assert all(a.last == b.first for a, b in pairwise(parts))
    assert {one.cells for one in found} == {Cells(modulus=plan.MOST_CELLS)}


def test_a_small_table_is_one_cell() -> None:
    [one] = chunks(orders(), Size(900, 10), Size(0, 0))
    assert one.cells == Cells()
    assert cells_query(one.pair.old, Method.VALUE, one.part, one.cells).startswith("SELECT 0 AS cell")


EVEN = tuple(range(0, 1_000_001, 10_000))


@pytest.mark.parametrize(
    ("histogram", "bits"),
    [
        (EVEN, 10),
        (tuple(one * 1_000_000_000 for one in EVEN), 40),
        ((*EVEN[:-1], 9_000_000_000_000_000_000), 10),
        # Half of the rows lie in a millionth of the room: were their ranges small, the others' would be too many.
        ((*range(0, 500_001, 10_000), *(10_000_000_000 * one for one in range(1, 51))), 29),
        ((0, MOST_KEY), 53),
        ((-MOST_KEY, MOST_KEY), 54),
    ],
)
def test_ranges_have_about_a_thousand_rows_by_the_histogram(histogram: tuple[int, ...], bits: int) -> None:
    assert shift(histogram, 1_000_000, Part()) == bits


def test_a_part_s_ranges_are_by_its_own_piece_of_the_histogram() -> None:
    histogram = (*range(0, 500_001, 10_000), *(10_000_000_000 * one for one in range(1, 51)))
    assert shift(histogram, 1_000_000, Part(high=500_000)) == 10
    assert shift(histogram, 1_000_000, Part(low=1 << 34)) == 30


@given(st.integers(-(1 << 63), MOST_KEY), st.integers(0, 62), st.integers(-(1 << 63), MOST_KEY))
def test_a_cell_s_range_has_the_rows_that_servers_put_there_and_no_other(key: int, bits: int, other: int) -> None:
    part = Cells(shift=bits).part_of(Part(), key >> bits)
    for one in (key, other):
        inside = (part.low is None or part.low <= one) and (part.high is None or one < part.high)
        assert inside is (one >> bits == key >> bits)
    assert all(limit is None or -(1 << 63) <= limit <= MOST_KEY for limit in (part.low, part.high))


def test_a_cell_s_range_stays_within_its_part() -> None:
    cells = Cells(shift=4)
    assert cells.part_of(Part(low=5, high=99), 0) == Part(low=5, high=16)
    assert cells.part_of(Part(low=5, high=99), 6) == Part(low=96, high=99)
