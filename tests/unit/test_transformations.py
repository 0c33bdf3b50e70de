"""Names that change on the way: DMS's rules, the rules that take them back, and what the functions read out of both."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components import DmsPipeline
from components.checks import ArgumentError
from components.dms_mirror import mirrored, obstacles
from components.dms_settings import ParallelLoad, TableRule, TableSettings, table_mappings
from components.dms_transformations import TransformationRule
from components.name_patterns import covers, is_exact, overlap
from handlers.core import mapping
from handlers.core.comparison import Column, Table, selected
from handlers.core.sequences import Sequence
from tests.support.pulumi_mocks import deploy
from tests.unit.test_component_dms import ARGS

APP: list[TableRule] = [{"schema": "app"}]
SCHEMA: TransformationRule = {"schema": "app", "action": "rename", "value": "app_v2"}
ORDERS: TransformationRule = {"schema": "app", "table": "orders", "action": "rename", "value": "purchase_orders"}
AMOUNT: TransformationRule = {
    "schema": "app",
    "table": "orders",
    "column": "amt",
    "action": "rename",
    "value": "amount",
}
NOTE: TransformationRule = {"schema": "app", "table": "orders", "column": "note", "action": "remove-column"}
PREFIX: TransformationRule = {"schema": "app", "table": "%", "action": "add-prefix", "value": "v2_"}
LOWER: TransformationRule = {"schema": "app", "table": "%", "action": "convert-lowercase"}
ALL = [NOTE, AMOUNT, ORDERS, SCHEMA]


def rules(*transformations: TransformationRule, tables: list[TableRule] | None = None) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(table_mappings(tables or APP, transformations))["rules"]
    return found


# Patterns


@pytest.mark.parametrize(
    ("one", "other", "meet"),
    [
        ("app", "app", True),
        ("app", "App", False),
        ("%", "", True),
        ("a%", "%b", True),
        ("a%c", "b%", False),
        ("a_c", "abc", True),
        ("a[_]c", "abc", True),
        ("%x%", "%y%", True),
        ("abc", "ab", False),
        ("ab%", "a", False),
    ],
)
def test_patterns_meet_where_a_name_matches_both(one: str, other: str, meet: bool) -> None:
    assert overlap(one, other) is overlap(other, one) is meet


def test_a_pattern_covers_all_itself_and_the_names_it_matches() -> None:
    assert covers("%", "a%") and covers("a%", "a%") and covers("a%", "ab")
    assert not covers("a%", "%") and not covers("a%", "ab%")
    assert is_exact("order_items") and not is_exact("order%") and not is_exact("order[_]items")


# DMS's documents


def test_rules_are_dms_s_own_in_one_order_with_ids_of_their_own() -> None:
    found = rules(*ALL)
    assert found == rules(*reversed(ALL))
    assert [rule["rule-id"] for rule in found] == ["1", "2", "3", "4", "5", "6", "7"]
    assert found[3:] == [
        {
            "rule-type": "transformation",
            "rule-id": "4",
            "rule-name": "rename-4",
            "rule-target": "schema",
            "object-locator": {"schema-name": "app"},
            "rule-action": "rename",
            "value": "app_v2",
        },
        {
            "rule-type": "transformation",
            "rule-id": "5",
            "rule-name": "rename-5",
            "rule-target": "table",
            "object-locator": {"schema-name": "app", "table-name": "orders"},
            "rule-action": "rename",
            "value": "purchase_orders",
        },
        {
            "rule-type": "transformation",
            "rule-id": "6",
            "rule-name": "rename-6",
            "rule-target": "column",
            "object-locator": {"schema-name": "app", "table-name": "orders", "column-name": "amt"},
            "rule-action": "rename",
            "value": "amount",
        },
        {
            "rule-type": "transformation",
            "rule-id": "7",
            "rule-name": "remove-column-7",
            "rule-target": "column",
            "object-locator": {"schema-name": "app", "table-name": "orders", "column-name": "note"},
            "rule-action": "remove-column",
        },
    ]


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"schema": "app", "action": "shout"}, r"transformations\[0\].action is 'shout': write one of"),
        ({"schema": "app", "action": "rename"}, "value is None with rename: write one"),
        ({**LOWER, "value": "x"}, "value is 'x' with convert-lowercase: leave it out"),
        ({"schema": "app", "table": "t", "action": "remove-column"}, "column is missing"),
        ({**NOTE, "table": None}, "table is missing: write whose column note is"),
    ],
)
def test_a_rule_dms_would_not_take_is_refused(rule: TransformationRule, said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        table_mappings(APP, [rule])


# The way back


def test_the_way_back_finds_the_new_names_and_gives_the_old_ones() -> None:
    tables, back, _ = mirrored([*APP, {"schema": "app", "table": "tmp%", "action": "exclude"}], ALL)
    assert tables == [
        {"schema": "app_v2", "table": "%", "action": "include"},
        {"schema": "app_v2", "table": "tmp%", "action": "exclude"},
    ]
    found = [(r["schema"], r.get("table"), r.get("column"), r["action"], r.get("value")) for r in back]
    assert found == [
        ("app_v2", "purchase_orders", "amount", "rename", "amt"),
        ("app_v2", "purchase_orders", None, "rename", "orders"),
        ("app_v2", None, None, "rename", "app"),
    ]


def test_what_holds_for_one_table_holds_under_its_new_name_on_the_way_back() -> None:
    load: ParallelLoad = {"column": "id", "boundaries": ["10"]}
    settings: list[TableSettings] = [
        {"schema": "app", "table": "orders", "lob_maximum_kb": 2048, "parallel_load": load},
        {"schema": "app", "table": "notes", "lob_maximum_kb": None, "parallel_load": load},
    ]
    _, _, back = mirrored(APP, ALL, settings)
    assert back == [{"schema": "app_v2", "table": "purchase_orders", "lob_maximum_kb": 2048}]


@pytest.mark.parametrize(
    ("settings", "tables", "said"),
    [
        ([{"schema": "app", "table": "t", "lob_maximum_kb": 0}], APP, r"table_settings\[0\].lob_maximum_kb is 0"),
        (
            [{"schema": "app", "table": "t", "lob_maximum_kb": 9}] * 2,
            APP,
            r"table_settings\[1\]: table app.t is there twice",
        ),
        ([{"schema": "ap", "table": "t", "lob_maximum_kb": 9}], APP, "table ap.t is not replicated: include it"),
        (
            [{"schema": "app", "table": "tmp", "lob_maximum_kb": 9}],
            [*APP, {"schema": "app", "table": "tm%", "action": "exclude"}],
            "table app.tmp is not replicated",
        ),
    ],
)
def test_settings_of_a_table_that_would_do_nothing_are_refused(
    settings: list[TableSettings], tables: list[TableRule], said: str
) -> None:
    with pytest.raises(ArgumentError, match=said):
        table_mappings(tables, table_settings=settings)


def test_a_table_whose_new_name_leaves_the_selection_is_selected_by_it() -> None:
    tables, *_ = mirrored([{"schema": "app", "table": "ord%"}], [ORDERS])
    assert [table["table"] for table in tables] == ["ord%", "purchase_orders"]
    tables, *_ = mirrored([{"schema": "%", "table": "ord%"}], [SCHEMA, ORDERS])
    assert [(table["schema"], table["table"]) for table in tables] == [("%", "ord%"), ("app_v2", "purchase_orders")]


def test_a_prefix_of_many_tables_is_taken_off_again() -> None:
    tables, back, _ = mirrored([*APP, {"schema": "app", "table": "tmp%", "action": "exclude"}], [PREFIX])
    assert [table["table"] for table in tables] == ["v2_%", "v2_tmp%"]
    assert back == [{"schema": "app", "table": "v2_%", "column": None, "action": "remove-prefix", "value": "v2_"}]


def test_a_case_that_is_converted_of_one_name_is_renamed_back() -> None:
    _, back, _ = mirrored([{"schema": "APP"}], [{"schema": "APP", "action": "convert-lowercase"}])
    assert [(r["schema"], r["action"], r["value"]) for r in back] == [("app", "rename", "APP")]
    assert mirrored(APP, [{"schema": "app", "action": "convert-lowercase"}])[1] == []


@pytest.mark.parametrize(
    ("transformations", "exclude", "said"),
    [
        ([LOWER], "none", "convert-lowercase of all that % matches forgets how the names were"),
        ([{**PREFIX, "action": "remove-prefix"}], "none", "remove-prefix of all that % matches forgets"),
        ([{**PREFIX, "schema": "a%"}, SCHEMA], "none", "matches names that other transformations change"),
        ([ORDERS], "purchase%", "the new name app.purchase_orders is excluded as app.purchase%: choose another"),
    ],
)
def test_what_has_no_way_back_is_told_by_number(
    transformations: list[TransformationRule], exclude: str, said: str
) -> None:
    tables: list[TableRule] = [*APP, {"schema": "app", "table": exclude, "action": "exclude"}]
    [(number, why)] = obstacles(tables, transformations)
    assert (number, said in why) == (0, True)
    with pytest.raises(ArgumentError, match=r"transformations\[0\] has no way back"):
        mirrored(tables, transformations)


def test_the_pipeline_gives_each_task_its_own_direction() -> None:
    recorder = deploy(lambda: DmsPipeline("dms", {**ARGS, "tables": APP, "transformations": ALL}))
    forward, failback = recorder.named("dms-forward").inputs, recorder.named("dms-failback").inputs
    assert forward["tableMappings"] == table_mappings(APP, ALL)
    assert failback["tableMappings"] == table_mappings(*mirrored(APP, ALL))


def test_without_a_way_back_the_pipeline_is_refused_or_carries_nothing_back() -> None:
    args = {**ARGS, "tables": APP, "transformations": [LOWER]}
    with pytest.raises(ArgumentError, match="no way back"):
        deploy(lambda: DmsPipeline("dms", args))  # type: ignore[arg-type]
    recorder = deploy(lambda: DmsPipeline("dms", {**args, "fail_back": False}))  # type: ignore[typeddict-item]
    found = json.loads(recorder.named("dms-failback").inputs["tableMappings"])["rules"]
    assert {rule["object-locator"]["schema-name"] for rule in found} == {"migration_control"}


NAMES = st.sampled_from(["app", "orders", "items", "a_b", "Mixed", "id", "amt"])
ANY_RULE = st.one_of(
    st.builds(lambda s: {"schema": s, "action": "rename", "value": f"{s}_new"}, NAMES),
    st.builds(lambda s, t: {"schema": s, "table": t, "action": "rename", "value": f"{t}_new"}, NAMES, NAMES),
    st.builds(
        lambda s, t: {"schema": s, "table": t, "action": "add-prefix", "value": "x_"}, NAMES, NAMES | st.just("%")
    ),
    st.builds(
        lambda s, t: {"schema": s, "table": t, "action": "add-suffix", "value": "_x"}, NAMES, NAMES | st.just("%")
    ),
    st.builds(lambda s, t: {"schema": s, "table": t, "action": "convert-uppercase"}, NAMES, NAMES),
    st.builds(
        lambda s, t, c: {"schema": s, "table": t, "column": c, "action": "rename", "value": f"{c}_new"},
        *(NAMES, NAMES, NAMES),
    ),
)


def levels(rule: TransformationRule) -> tuple[str | None, ...]:
    return (rule["schema"], rule.get("table"), rule.get("column"))


@given(
    st.lists(ANY_RULE, max_size=6),
    st.lists(st.tuples(NAMES | st.just("%"), NAMES | st.just("%")), min_size=1, max_size=3),
    NAMES,
    NAMES,
)
def test_whatever_has_a_way_back_comes_home(
    transformations: list[TransformationRule], chosen: list[tuple[str, str]], schema: str, name: str
) -> None:
    """The functions' own reading of both tasks' rules: there and back is where it began, selected both times."""
    taken: list[TransformationRule] = []
    for rule in transformations:  # one for each object, as the settings see to
        if not any(
            [part is None for part in levels(rule)] == [part is None for part in levels(other)]
            and all(overlap(a, b) for a, b in zip(levels(rule), levels(other), strict=True) if a and b)
            for other in taken
        ):
            taken.append(rule)
    tables: list[TableRule] = [{"schema": s, "table": t} for s, t in chosen]
    if list(obstacles(tables, taken)):
        return
    there, back = rules(*taken, tables=tables), json.loads(table_mappings(*mirrored(tables, taken)))["rules"]
    source = Table(schema, name)
    if not selected(source, there):
        return
    target = mapping.table(source, there)
    assert selected(target, back)
    assert mapping.table(target, back) == source
    found = mapping.columns(source, [Column("amt", "int8"), Column("id", "int8")], there)
    assert [new for _, new in mapping.columns(target, [new for _, new in found], back)] == [old for old, _ in found]


# What the functions read


def columns(*names: str) -> list[Column]:
    return [Column(name, "int8") for name in names]


def test_tables_columns_and_sequences_are_known_by_the_target_s_names() -> None:
    found = rules(*ALL)
    orders = Table("app", "orders")
    assert mapping.table(orders, found) == Table("app_v2", "purchase_orders")
    assert mapping.table(Table("app", "items"), found) == Table("app_v2", "items")
    assert mapping.table(Table("other", "orders"), found) == Table("other", "orders")
    pairs = mapping.columns(orders, columns("amt", "id", "note"), found)
    assert [(old.name, new.name) for old, new in pairs] == [("amt", "amount"), ("id", "id")]
    [moved] = mapping.sequences([Sequence("app", "orders_id_seq", 7, 1, 1, 9)], found)
    assert (moved.schema, moved.name, moved.last_value) == ("app_v2", "orders_id_seq", 7)


def test_an_action_the_stack_never_writes_stops_the_switchover() -> None:
    odd = {
        "rule-type": "transformation",
        "rule-id": "9",
        "rule-target": "table",
        "object-locator": {"schema-name": "%", "table-name": "%"},
        "rule-action": "replace-prefix",
    }
    with pytest.raises(mapping.UnknownRule, match="rule 9 of the replication task is replace-prefix"):
        mapping.table(Table("app", "orders"), [odd])


def test_both_sides_are_compared_column_by_column_in_the_source_s_order() -> None:
    source = {Table("app", "orders"): columns("amt", "id", "note"), Table("app", "gone"): columns("id")}
    target = {
        Table("app_v2", "purchase_orders"): columns("amount", "id", "new"),
        Table("app", "orders"): columns("id"),  # the source's name: nothing comes here
        Table("app", "extra"): columns("id"),
    }
    first = {"schema": "app", "table": "orders", "column": "id", "action": "rename", "value": "a_first"}
    here, there = mapping.sides(source, target, rules(ORDERS, SCHEMA, AMOUNT, NOTE, first))  # type: ignore[arg-type]
    orders = Table("app", "orders")
    assert set(here) == set(source)
    assert set(there) == {orders}  # `extra` lies in a schema that is renamed: whatever is there came from elsewhere
    assert here[orders].table == orders
    assert there[orders].table == Table("app_v2", "purchase_orders")
    assert [column.name for column in here[orders].columns] == ["amt", "id"]
    assert [column.name for column in there[orders].columns] == ["amount", "a_first"]


def test_a_table_that_only_the_target_has_is_seen_where_it_keeps_its_name() -> None:
    target = {Table("app", "extra"): columns("id"), Table("app", "purchase_orders"): columns("id")}
    here, there = mapping.sides({Table("app", "orders"): columns("id")}, target, rules(ORDERS))
    assert set(here) == {Table("app", "orders")}
    assert set(there) == {Table("app", "orders"), Table("app", "extra")}


def test_what_the_target_lacks_is_told_by_its_own_names() -> None:
    source = {Table("app", "orders"): columns("amt", "id", "note"), Table("app", "items"): columns("id")}
    target = {Table("app_v2", "purchase_orders"): columns("amt", "id")}
    assert mapping.missing(source, target, rules(*ALL)) == ["app_v2.purchase_orders.amount", "app_v2.items"]


def test_names_that_are_given_twice_are_found_in_real_tables() -> None:
    wild: TransformationRule = {"schema": "app", "table": "a_b", "action": "rename", "value": "one"}
    source = {Table("app", "a_b"): columns("id"), Table("app", "axb"): columns("id")}
    assert mapping.merged(source, rules(wild)) == ["app.one"]
    assert mapping.merged({Table("app", "orders"): columns("amt", "amount")}, rules(AMOUNT)) == ["app.orders.amount"]
    assert mapping.merged(source, rules()) == []
