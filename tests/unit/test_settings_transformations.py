"""Settings of names that change on the way."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from components import settings
from components.settings import Migration
from sandbox import stack
from tests.unit.test_settings import complaints, with_

APP = [{"schema": "app"}]


def transformed(*transformations: dict[str, Any], fail_back: bool = True, **more: Any) -> dict[str, Any]:
    replication = {"tables": APP, "transformations": list(transformations), **more}
    return with_(replication=replication, switchover={"failBack": fail_back})


@pytest.mark.parametrize(
    ("entry", "action", "value"),
    [
        ({"schema": "app", "rename": "app_v2"}, "rename", "app_v2"),
        ({"schema": "app", "table": "orders", "rename": "purchase_orders"}, "rename", "purchase_orders"),
        ({"schema": "app", "table": "orders", "column": "amt", "rename": "amount"}, "rename", "amount"),
        ({"schema": "app", "table": "Orders", "case": "lower"}, "convert-lowercase", None),
        ({"schema": "app", "table": "orders", "case": "upper"}, "convert-uppercase", None),
        ({"schema": "app", "table": "%", "prefix": "v2_"}, "add-prefix", "v2_"),
        ({"schema": "app", "table": "%", "suffix": "_2"}, "add-suffix", "_2"),
        ({"schema": "app", "table": "orders", "column": "note", "remove": True}, "remove-column", None),
    ],
)
def test_each_entry_is_one_rule_of_dms(entry: dict[str, Any], action: str, value: str | None) -> None:
    loaded = settings.load(transformed(entry))
    assert isinstance(loaded, Migration)
    assert loaded.replication.transformations[0].rule == {
        "schema": "app",
        "table": entry.get("table"),
        "column": entry.get("column"),
        "action": action,
        "value": value,
    }


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"schema": "app"}, "transformations[0]: one change each, here are none of rename, prefix"),
        ({"schema": "app", "rename": "x", "case": "lower"}, "here are rename, case of rename, prefix, suffix, case"),
        ({"schema": "app", "column": "c", "rename": "d"}, "column c has no table"),
        ({"schema": "app", "table": "t", "remove": True}, "remove is for a column"),
        ({"schema": "app", "prefix": "x"}, "prefix is for tables' names: give table, which may be %, and no column"),
        ({"schema": "app", "table": "t", "column": "c", "suffix": "x"}, "suffix is for tables' names"),
        ({"schema": "app", "table": "%", "rename": "x"}, "rename is for one name: give it without % and ["),
        ({"schema": "app", "rename": "new name"}, "transformations[0].rename is 'new name'"),
        ({"schema": "app", "table": "t", "column": "a-b", "rename": "c"}, "transformations[0].column is 'a-b'"),
        ({"schema": "app", "table": "t", "column": "c", "remove": False}, "transformations[0].remove is false"),
        ({"schema": "app", "renam": "x"}, "transformations[0].renam: there is no such key; did you mean rename?"),
    ],
)
def test_an_entry_that_is_wrong_is_named_with_its_value_and_remedy(entry: dict[str, Any], said: str) -> None:
    [line] = complaints(transformed(entry))
    assert line.startswith("replication.transformations[0]")
    assert said in line


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        (
            [{"schema": "%", "table": "%", "prefix": "x_"}],
            "replication.transformations[0].schema % takes in migration_control, which keeps its name: name the schem",
        ),
        (
            [{"schema": "shop", "rename": "x"}],
            "replication.transformations[0] changes shop, which replication.tables does not select",
        ),
        (
            [{"schema": "app", "table": "orders", "rename": "a"}, {"schema": "app", "table": "%", "prefix": "x_"}],
            "replication.transformations[1] and replication.transformations[0] both change app.%: DMS takes one each",
        ),
        (
            [{"schema": "app", "table": "a", "rename": "x"}, {"schema": "app", "table": "b", "rename": "x"}],
            "replication.transformations[1] and replication.transformations[0] may give two things one name, x",
        ),
        (
            [{"schema": "app", "table": "%", "case": "lower"}],
            "replication.transformations[0] has no way back (convert-lowercase of all that % matches forgets how the "
            "names were: name them one by one), and switchover.failBack is true: change it, or write "
            "switchover.failBack false",
        ),
    ],
)
def test_contradictions_are_named_with_their_keys(entries: list[dict[str, Any]], said: str) -> None:
    assert any(said in line for line in complaints(transformed(*entries)))


def test_an_excluded_table_has_no_name_to_change() -> None:
    tables = [*APP, {"schema": "app", "table": "tmp%", "action": "exclude"}]
    [line] = complaints(transformed({"schema": "app", "table": "tmp1", "rename": "x"}, tables=tables))
    assert "changes app.tmp1, which replication.tables does not select" in line


def test_without_fail_back_names_need_no_way_back() -> None:
    loaded = settings.load(transformed({"schema": "app", "table": "%", "case": "lower"}, fail_back=False))
    assert isinstance(loaded, Migration)
    assert loaded.switchover.fail_back is False


def test_a_sandbox_selects_the_schemas_whose_names_change_beside_its_own(tmp_path: Path) -> None:
    raw = transformed({"schema": "app", "rename": "app_v2"}, {"schema": "app", "table": "t", "rename": "u"})
    path = tmp_path / "stack.yaml"
    path.write_text(yaml.safe_dump({"config": {f"{stack.PROJECT}:{key}": value for key, value in raw.items()}}))
    stack.check(str(path))
