"""Transformation rules, pgoutput's messages and the statements made of them: no server, no network."""

import json
import struct
from dataclasses import replace
from typing import Any

import pytest
from psycopg2 import sql

from sandbox.dms import transformations
from sandbox.dms.catalog import Column, Table
from sandbox.dms.decoding import Begin, Change, Commit, Kept, Relation, decode
from sandbox.dms.mappings import parse
from sandbox.dms.protocol import Fault
from sandbox.dms.sides import SideError
from sandbox.dms.transformations import mapped
from sandbox.dms.translation import Snapshot, statement

SELECTION = {
    "rule-type": "selection",
    "rule-id": "1",
    "rule-name": "one",
    "object-locator": {"schema-name": "app", "table-name": "%"},
    "rule-action": "include",
}
RENAME = {
    "rule-type": "transformation",
    "rule-id": "2",
    "rule-name": "two",
    "rule-target": "table",
    "object-locator": {"schema-name": "app", "table-name": "orders"},
    "rule-action": "rename",
    "value": "bought",
}


def text(*rules: dict[str, Any]) -> str:
    return json.dumps({"rules": [SELECTION, *rules]})


def table(*columns: str, key: tuple[str, ...] = ("id",)) -> Table:
    made = [
        Column(name, number, "integer", "integer", "int4", "b", "N", False, False)
        for number, name in enumerate(columns, start=1)
    ]
    return Table("app", "orders", 1, True, True, key, tuple(made))


def test_selections_and_transformations_are_read_from_one_document() -> None:
    assert [rule.action for rule in parse(text(RENAME))] == ["include"]
    [rule] = transformations.parse(text(RENAME))
    assert (rule.target, rule.action, rule.value, rule.names) == ("table", "rename", "bought", ("app", "orders"))
    assert transformations.parse(text()) == ()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rule-target": "index-tablespace"}, "not rule-target 'index-tablespace'"),
        ({"rule-action": "add-column"}, "rule-action is 'add-column'; the sandbox knows add-prefix"),
        ({"rule-action": "remove-column"}, "remove-column needs the rule-target column"),
        ({"rule-target": "column"}, "object-locator needs schema-name, table-name, column-name"),
        ({"rule-target": "schema"}, "object-locator needs schema-name and nothing else"),
        ({"value": ""}, "rename needs a value"),
        ({"rule-action": "convert-lowercase"}, "convert-lowercase takes no value"),
    ],
)
def test_rules_that_can_not_be_carried_out_are_refused_by_id(change: dict[str, Any], words: str) -> None:
    with pytest.raises(Fault) as refused:
        transformations.parse(text({**RENAME, **change}))
    assert words in str(refused.value)
    assert "ruleId = 2" in str(refused.value)


def test_an_id_is_used_once_over_both_kinds() -> None:
    with pytest.raises(Fault, match="rule-id is used twice"):
        parse(text({**RENAME, "rule-id": "1"}))


def test_two_rules_for_one_table_are_none_for_dms() -> None:
    rules = transformations.parse(text(RENAME, {**RENAME, "rule-id": "3", "rule-action": "add-prefix"}))
    with pytest.raises(SideError, match="rules 2, 3 change app.orders: DMS takes one each"):
        mapped(rules, [table("id")])


# Messages


def written(value: str) -> bytes:
    return value.encode() + b"\0"


RELATION = (
    b"R"
    + struct.pack("!I", 7)
    + written("app")
    + written("orders")
    + b"d"
    + struct.pack("!h", 3)
    + b"".join(
        struct.pack("!b", flag) + written(name) + struct.pack("!Ii", 23, -1)
        for flag, name in ((1, "id"), (0, "amt"), (0, "note"))
    )
)


def row(*values: str | Kept | None) -> bytes:
    parts = [struct.pack("!h", len(values))]
    for value in values:
        if isinstance(value, str):
            parts.append(b"t" + struct.pack("!i", len(value.encode())) + value.encode())
        else:
            parts.append(b"n" if value is None else b"u")
    return b"".join(parts)


def test_messages_are_read() -> None:
    assert decode(b"B" + struct.pack("!qqI", 1, 2, 99)) == Begin(99)
    assert decode(b"C" + struct.pack("!bqqq", 0, 1, 2, 3)) == Commit(2, 3)
    assert decode(RELATION) == Relation(7, "app", "orders", ("id", "amt", "note"), frozenset({"id"}))
    assert decode(b"O" + struct.pack("!q", 1) + written("x")) is None
    change = decode(b"U" + struct.pack("!I", 7) + b"O" + row("1", None, "ö") + b"N" + row("1", "2", Kept.KEPT))
    assert change == Change("U", 7, ("1", None, "ö"), ("1", "2", Kept.KEPT), whole=True)


@pytest.mark.parametrize("data", [b"S", b"C\0", b"I" + struct.pack("!I", 7) + b"N" + struct.pack("!h", 1) + b"b"])
def test_what_nobody_asked_for_is_no_message(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"not part of what was asked for|cut off"):
        decode(data)


# Statements


def rendered(part: sql.Composable) -> str:
    """Write a statement as a connection would: psycopg2 quotes with one only."""
    if isinstance(part, sql.Composed):
        return "".join(map(rendered, part.seq))
    if isinstance(part, sql.Identifier):
        return ".".join(f'"{name}"' for name in part.strings)
    assert isinstance(part, sql.SQL)
    return part.string


def made(change: Change, *, key: tuple[str, ...] = ("id",), remove: bool = True) -> tuple[str, list[str | None]] | None:
    amount = {"schema-name": "app", "table-name": "orders", "column-name": "amt"}
    column = {**RENAME, "rule-id": "3", "rule-target": "column", "object-locator": amount, "value": "amount"}
    note = {**column, "rule-id": "4", "object-locator": {**amount, "column-name": "note"}}
    note |= {"rule-action": "remove-column", "value": ""}
    rules = transformations.parse(text(RENAME, column, *([note] if remove else [])))
    [one] = mapped(rules, [table("id", "amt", "note", key=key)])
    relation = decode(RELATION)
    assert isinstance(relation, Relation)
    if change.whole:  # REPLICA IDENTITY FULL
        relation = replace(relation, identity=frozenset(relation.columns))
    found = statement(change, relation, one)
    return (rendered(found[0]), found[1]) if found else None


WHICH = 'ctid = (SELECT ctid FROM ONLY "app"."bought" WHERE {} LIMIT 1)'


def test_changes_become_statements_under_the_target_s_names() -> None:
    assert made(Change("I", 7, new=("1", None, "x"))) == (
        'INSERT INTO "app"."bought" ("id", "amount") OVERRIDING SYSTEM VALUE VALUES (%s, %s)',
        ["1", None],
    )
    by_id = WHICH.format('"id" = %s')
    assert made(Change("U", 7, new=("1", "5", "x"))) == (
        f'UPDATE ONLY "app"."bought" SET "amount" = %s WHERE {by_id}',
        ["5", "1"],
    )
    assert made(Change("U", 7, old=("1", None, None), new=("2", "5", "x"))) == (
        f'UPDATE ONLY "app"."bought" SET "id" = %s, "amount" = %s WHERE {by_id}',
        ["2", "5", "1"],
    )
    assert made(Change("D", 7, old=("1", None, None))) == (f'DELETE FROM ONLY "app"."bought" WHERE {by_id}', ["1"])


def test_a_value_that_is_kept_or_removed_is_not_set() -> None:
    assert made(Change("U", 7, new=("1", Kept.KEPT, "x"))) is None
    found = made(Change("U", 7, new=("1", Kept.KEPT, "x")), remove=False)
    assert found is not None and '"note" = %s' in found[0] and "amount" not in found[0]


def test_a_whole_row_tells_itself_by_its_key_or_by_all_it_has() -> None:
    change = Change("U", 7, old=("1", "5", "x"), new=("1", "6", "x"), whole=True)
    assert made(change) == (
        f'UPDATE ONLY "app"."bought" SET "amount" = %s WHERE {WHICH.format(chr(34) + "id" + chr(34) + " = %s")}',
        ["6", "1"],
    )
    every = WHICH.format('"id"::text IS NOT DISTINCT FROM %s AND "amount"::text IS NOT DISTINCT FROM %s')
    assert made(change, key=()) == (
        f'UPDATE ONLY "app"."bought" SET "amount" = %s WHERE {every}',
        ["6", "1", "5"],
    )


def test_a_snapshot_tells_what_a_load_has_seen() -> None:
    seen = Snapshot.parse("100:105:101,103")
    assert [xid for xid in range(99, 107) if seen.saw(xid)] == [99, 100, 102, 104]
    assert Snapshot.parse("5:5:").saw(4) and not Snapshot.parse("5:5:").saw(5)
    later = Snapshot.parse(f"{2**32 + 3}:{2**32 + 5}:{2**32 + 4}")
    assert [later.saw(xid) for xid in (2**32 - 1, 3, 4, 5)] == [True, True, False, False]
