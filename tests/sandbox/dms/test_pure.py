"""The parts of the sandbox's DMS that decide: names, mappings, settings, limits, figures, latencies, faults."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.model import ServiceModel

from sandbox.databases.server import ServerInfo
from sandbox.dms import limits, mappings, metrics, preparation, protocol, sides, stream, task_settings
from sandbox.dms.catalog import Column, Table
from sandbox.dms.events import TASK_FAILED, TASK_STOPPED, Event, wants
from sandbox.dms.faults import Faults
from sandbox.dms.follower import checkpoint
from sandbox.dms.progress import NOTHING, Counts, Lag, Ledger, changes
from sandbox.dms.protocol import Fault
from sandbox.dms.run import Changes, Run, TableFigures, TableState
from sandbox.dns.names import loopback_address

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


# Names


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("127.0.0.3", "127.0.0.3"),
        ("127-0-0-2.onprem.example", "127.0.0.2"),
        ("x.cluster-127-0-0-3.us-east-1.rds.amazonaws.com", "127.0.0.3"),
        ("x.cluster-ro-127-0-1-44.us-east-1.rds.amazonaws.com", "127.0.1.44"),
        ("127-0-0-3", "127.0.0.3"),
        ("127-0-0-3-blue.example", "127.0.0.3"),
        ("127-0-0-300.example", None),
        ("x127-0-0-3.example", None),
        ("127-0-0.example", None),
        ("128-0-0-3.example", None),
        ("10.0.0.3", None),
        ("db.example.com", None),
        ("", None),
    ],
)
def test_a_name_carries_a_loopback_address_or_none(name: str, address: str | None) -> None:
    assert loopback_address(name) == address


# Mappings


def rules(*given: tuple[str, str, str]) -> tuple[mappings.Rule, ...]:
    return tuple(mappings.Rule(*one) for one in given)


TABLES = [("app", "a"), ("app", "a_log"), ("app", "axlog"), ("App", "a"), ("other", "a%"), ("app", "awsdms_ddl_audit")]


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ([("include", "app", "%")], [("app", "a"), ("app", "a_log"), ("app", "axlog")]),
        ([("include", "app", "a_log")], [("app", "a_log"), ("app", "axlog")]),
        ([("include", "app", "a[_]log")], [("app", "a_log")]),
        ([("include", "%", "a")], [("app", "a"), ("App", "a")]),
        ([("include", "APP", "%")], []),
        ([("include", "%", "%"), ("exclude", "app", "%log")], [("app", "a"), ("App", "a"), ("other", "a%")]),
        ([("exclude", "app", "a"), ("include", "app", "a%")], [("app", "a_log"), ("app", "axlog")]),
        ([("explicit", "other", "a%")], [("other", "a%")]),
        ([("include", "ap.", "%")], []),
    ],
)
def test_rules_take_tables(given: list[tuple[str, str, str]], taken: list[tuple[str, str]]) -> None:
    assert mappings.select(rules(*given), TABLES) == taken


RULE: dict[str, Any] = {
    "rule-type": "selection",
    "rule-id": "1",
    "rule-name": "one",
    "object-locator": {"schema-name": "app", "table-name": "%"},
    "rule-action": "include",
    "filters": [],
}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rule-type": "table-settings"}, "has no table-settings rules"),
        ({"load-order": "0"}, "load-order is '0', no whole number from 1 to 2147483647"),
        ({"load-order": "soon"}, "load-order is 'soon'"),
        ({"filters": [{"filter-type": "source"}]}, "has no filters"),
        ({"object-locator": {"schema-name": "app", "table-name": "v", "table-type": "view"}}, "table-type 'view'"),
        ({"object-locator": {"schema-name": "app"}}, "needs schema-name and table-name"),
        ({"rule-action": "copy"}, "'copy', not one of include, exclude, explicit"),
        ({"rule-name": ""}, "rule-name is missing"),
        ({"rule-action": "exclude"}, "at least one rule has to include"),
    ],
)
def test_rules_that_can_not_be_carried_out_are_refused_by_id(change: dict[str, Any], words: str) -> None:
    with pytest.raises(Fault) as refused:
        mappings.parse(json.dumps({"rules": [{**RULE, **change}]}))
    assert words in str(refused.value)
    assert refused.value.code == "InvalidParameterValueException"
    assert ("ruleId = 1" in str(refused.value)) is ("at least one" not in words)


SETTINGS: dict[str, Any] = {
    "rule-type": "table-settings",
    "rule-id": "2",
    "rule-name": "two",
    "object-locator": {"schema-name": "app", "table-name": "orders"},
}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"object-locator": {"schema-name": "app", "table-name": "ord%"}}, "without wildcards"),
        ({"object-locator": {"schema-name": "app"}}, "without wildcards"),
        ({"lob-settings": {"mode": "full"}}, "mode of lob-settings is 'full', not one of limited, unlimited, none"),
        ({"lob-settings": "limited"}, "mode of lob-settings is None"),
        ({"lob-settings": {"bulk-max-size": "0"}}, "bulk-max-size is '0', no whole number from 1 to 102400"),
        ({"lob-settings": {"mode": "limited"}}, "bulk-max-size is None"),
    ],
)
def test_settings_of_a_table_that_dms_would_not_take_are_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(Fault) as refused:
        mappings.parse(json.dumps({"rules": [RULE, {**SETTINGS, **change}]}))
    assert words in str(refused.value) and "ruleId = 2" in str(refused.value)


def test_limits_of_single_tables() -> None:
    def limits_of(settings: dict[str, str] | None) -> dict[tuple[str, str], int | None]:
        text = json.dumps({"rules": [RULE, SETTINGS | ({"lob-settings": settings} if settings else {})]})
        assert len(mappings.parse(text)) == 1
        return mappings.lob_limits(text)

    assert limits_of({"mode": "limited", "bulk-max-size": "4"}) == {("app", "orders"): 4}
    assert limits_of({"bulk-max-size": "4"}) == {("app", "orders"): 4}
    assert limits_of({"mode": "unlimited", "bulk-max-size": "0"}) == {("app", "orders"): None}
    assert limits_of({"mode": "none"}) == limits_of(None) == {}


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"rules": []}', '{"rules": [1]}', "null"])
def test_what_is_no_mapping_is_refused(text: str) -> None:
    with pytest.raises(Fault):
        mappings.parse(text)


def test_an_id_is_used_once() -> None:
    with pytest.raises(Fault, match="rule-id is used twice"):
        mappings.parse(json.dumps({"rules": [RULE, RULE]}))


def test_the_products_own_mappings_and_settings_are_understood() -> None:
    from components.dms_settings import table_mappings as product_mappings
    from components.dms_settings import task_settings as product_settings

    taken = mappings.parse(
        product_mappings([{"schema": "shop"}, {"schema": "shop", "table": "tmp%", "action": "exclude"}])
    )
    assert [rule.action for rule in taken] == ["include", "exclude", "include", "exclude"]
    ordered = product_mappings(
        [{"schema": "shop"}, {"schema": "shop", "table": "orders", "load_order": 2}],
        table_settings=[
            {
                "schema": "shop",
                "table": "orders",
                "lob_maximum_kb": 4096,
                "parallel_load": {"column": "id", "boundaries": ["10", "20"]},
            }
        ],
    )
    assert len(mappings.parse(ordered)) == 4 and mappings.lob_limits(ordered) == {("shop", "orders"): 4096}
    rules = json.loads(ordered)["rules"]
    assert [rule.get("load-order") for rule in rules] == [None, "2", None, None, None]
    assert rules[-1]["parallel-load"] == {"type": "ranges", "columns": ["id"], "boundaries": [["10"], ["20"]]}
    text = product_settings(lob_maximum_kb=77)
    assert task_settings.completed(text) is text
    settings = task_settings.parse(text)
    assert settings.lob_limit_kb == 77
    assert settings.control_schema == "awsdms_control"
    assert settings.status_table and settings.suspended_table and settings.history_table


# Settings


@pytest.mark.parametrize(
    ("target", "limit"),
    [
        ({}, 32),
        ({"LobMaxSize": 5}, 5),
        ({"FullLobMode": True, "LimitedSizeLobMode": False}, None),
        ({"SupportLobs": False}, 0),
    ],
)
def test_lob_modes(target: dict[str, Any], limit: int | None) -> None:
    assert task_settings.parse(json.dumps({"TargetMetadata": target})).lob_limit_kb == limit


def test_defaults_are_dms_own() -> None:
    settings = task_settings.parse("{}")
    assert (settings.preparation, settings.control_schema) == ("DROP_AND_CREATE", "public")
    assert (settings.stops_after_load, settings.fails_without_tables) == ("", True)
    again = task_settings.parse('{"LoopbackPreventionSettings": {"EnableLoopbackPrevention": true}}')
    assert (settings.prevents_loopback, again.prevents_loopback) == (False, True)


# The protocol


def test_members_are_held_against_the_model() -> None:
    model = ServiceModel(
        {
            "metadata": {"protocol": "json"},
            "operations": {},
            "shapes": {
                "S": {"type": "structure", "required": ["a"], "members": {"a": {"shape": "T"}, "m": {"shape": "M"}}},
                "T": {"type": "timestamp"},
                "M": {"type": "map", "key": {"shape": "W"}, "value": {"shape": "N"}},
                "W": {"type": "string"},
                "N": {"type": "double"},
            },
        }
    )
    shape = model.shape_for("S")
    assert list(protocol.misfits(shape, {"a": 1.5, "m": {"x": 1}}, "")) == []
    assert list(protocol.misfits(shape, {"m": {"x": "1"}, "z": 0}, "")) == [
        "a is missing",
        "m.x is no double",
        "z is unknown",
    ]
    assert list(protocol.misfits(shape, [], "")) == ["the request is no structure"]


def test_times_are_written_as_seconds() -> None:
    assert protocol.written({"at": NOW, "list": [NOW], "none": None}) == {"at": 1767323045.0, "list": [1767323045.0]}


# Ends


SERVER = ServerInfo("source", "16", "127.0.0.2", 5432, "secret-of-the-server", "/nowhere")


class Secrets:
    """Stands in for the cloud: it gives one secret."""

    def __init__(self, **fields: str) -> None:
        self._fields = fields

    def secret(self, _: str) -> dict[str, str]:
        return self._fields


def side(settings: dict[str, Any] | None = None, **endpoint: Any) -> sides.Side:
    fields = {"host": "127-0-0-2.onprem.example", "port": "5432", "username": "dms", "password": "hush"}
    body = {
        "EndpointIdentifier": "e",
        "EndpointType": "source",
        "EngineName": "postgres",
        "DatabaseName": "shop",
        "PostgreSQLSettings": {"SecretsManagerSecretId": "s", "SecretsManagerAccessRoleArn": "r", **(settings or {})},
        **endpoint,
    }
    return sides.resolve(body, Secrets(**fields), [SERVER])  # type: ignore[arg-type]


def test_an_endpoints_settings_and_attributes_are_read() -> None:
    found = side(
        {"HeartbeatEnable": True, "HeartbeatSchema": "hb", "FailTasksOnLobTruncation": True, "SlotName": "slot"},
        ExtraConnectionAttributes="mapUnboundedNumericAsString=true; other=1",
        SslMode="require",
    )
    assert found.place == ("127.0.0.2", 5432, "shop")
    assert found.login.ssl_mode == "require"
    assert (found.exact_numeric, found.fails_on_truncation) == (True, True)
    assert (found.heartbeat_schema, found.slot) == ("hb", "slot")
    plain = side()
    assert (plain.exact_numeric, plain.heartbeat_schema, plain.slot, plain.login.ssl_mode) == (False, "", "", "disable")


def test_a_login_does_not_show_its_password() -> None:
    assert "hush" not in repr(side())
    assert sides.masked(ValueError("bad hush\nhere"), "hush") == "bad *** here"


def test_an_engine_that_is_not_postgresql_is_none_of_ours() -> None:
    with pytest.raises(sides.SideError, match="the sandbox's DMS replicates between its own servers only"):
        side(EngineName="mysql")


@pytest.mark.parametrize(
    ("position", "found"),
    [
        ("4AF/B00000D0", "4AF/B00000D0"),
        ("checkpoint:V1#1#000004AF/B00000D0#0#0#*#0#0", "000004AF/B00000D0"),
        ("2026-01-02T03:04:05", None),
        ("mysql-bin-changelog.000024:373", None),
        ("", None),
    ],
)
def test_positions(position: str, found: str | None) -> None:
    assert stream.lsn(position) == found


def test_a_checkpoint_can_be_given_back_as_a_position() -> None:
    assert stream.lsn(checkpoint("4AF/B00000D0")) == "000004AF/B00000D0"


# Limits


def column(name: str, base: str, **more: Any) -> Column:
    wanted = {
        "number": 1,
        "type": base,
        "plain": base,
        "kind": "b",
        "category": "S",
        "bounded": False,
        "generated": False,
    }
    return Column(name=name, base=base, **{**wanted, **more})


def table(*columns: Column, key: tuple[str, ...] = ("id",), identified: bool = True) -> Table:
    return Table("app", "t", 1, True, identified, key, (column("id", "int4"), *columns))


@pytest.mark.parametrize(
    ("one", "lob"),
    [
        (column("c", "text"), True),
        (column("c", "varchar"), True),
        (column("c", "varchar", bounded=True), False),
        (column("c", "jsonb"), True),
        (column("c", "xml"), True),
        (column("c", "bytea"), True),
        (column("c", "_int4", category="A"), True),
        (column("c", "pair", kind="c"), True),
        (column("c", "int4"), False),
        (column("c", "numeric"), False),
        (column("c", "uuid"), False),
    ],
)
def test_what_dms_takes_for_a_large_object(one: Column, lob: bool) -> None:
    assert limits.is_lob(one) is lob


def breaches(policy: limits.Policy, *columns: Column) -> list[str]:
    found = limits.script([table(*columns)], policy, limits.Names.of("ABC", "ctl"))
    return [f"{one.column}: {one.reason}" for one in found.breaches]


def test_which_limits_can_fail_a_task() -> None:
    text, document, number = column("body", "text"), column("doc", "jsonb"), column("free", "numeric")
    cut = limits.Policy(32, fails_on_truncation=False, exact_numeric=False)
    assert breaches(cut, text, document, number) == [
        "doc: a LOB is larger than LobMaxSize 32 KB, and a part of a jsonb is none",
        "free: a value does not fit NUMERIC(28,6)",
    ]
    fail = limits.Policy(32, fails_on_truncation=True, exact_numeric=True)
    assert breaches(fail, text, document, number) == [
        "body: a LOB is larger than LobMaxSize 32 KB, and FailTasksOnLobTruncation is true",
        "doc: a LOB is larger than LobMaxSize 32 KB, and FailTasksOnLobTruncation is true",
    ]
    assert breaches(replace(fail, lob_kb=None), text, document, number) == []


def test_a_table_that_can_break_nothing_has_no_trigger_on_values() -> None:
    names = limits.Names.of("ABC", "ctl")
    policy = limits.Policy(32, fails_on_truncation=True, exact_numeric=True)
    plain = limits.script([table(key=())], policy, names)
    assert len(plain.statements) == 2  # the sequence and the function for keys, whatever the tables
    keyed = limits.script([table(column("body", "text", generated=True))], policy, names)
    assert len(keyed.statements) == 4


def test_a_missing_table_is_made_bare() -> None:
    made = preparation.creation(
        table(column("name", "varchar", plain="character varying(20)"), column("free", "numeric", plain="numeric")),
        exact_numeric=False,
    )
    shown = _flat(made)
    assert "numeric(28,6)" in shown
    assert "PRIMARY KEY" in shown
    assert "numeric(28,6)" not in _flat(preparation.creation(table(column("f", "numeric")), exact_numeric=True))


def _flat(part: Any) -> str:
    inner = getattr(part, "seq", None)
    return (
        "".join(map(_flat, inner)) if inner is not None else str(getattr(part, "string", getattr(part, "strings", "")))
    )


# Figures


ID = ("app", "t")


def counts(target: Changes, state: str = "r", source: Changes = NOTHING, *, caught_up: bool = True) -> Counts:
    return Counts({ID: source}, {ID: target}, {ID: state}, caught_up)


def test_a_table_goes_through_its_load() -> None:
    ledger = Ledger([table()], [("app", "left")], loads=True, reloaded=False, base_target={ID: Changes(5)})
    assert [figures.state for figures in ledger.figures] == [TableState.ERROR, TableState.BEFORE_LOAD]
    ledger.update(NOW, counts(Changes(5), "i"))
    assert ledger.figures[1].load_started is None
    ledger.update(NOW, counts(Changes(105), "d"))
    assert (ledger.figures[1].state, ledger.loaded) == (TableState.LOADING, False)
    later = NOW + timedelta(seconds=1)
    ledger.update(later, counts(Changes(205), "r"))
    figures = ledger.figures[1]
    assert (figures.load_rows, figures.load_started, figures.load_ended) == (200, NOW, later)
    assert (ledger.loaded, ledger.load_rows) == (True, 200)
    ledger.update(later, counts(Changes(215, 3, 1), "r", Changes(10, 3, 1)))
    assert ledger.figures[1].applied == Changes(10, 3, 1)
    assert (ledger.applied, ledger.pending) == (14, 0)


def test_a_table_in_error_stays_there() -> None:
    ledger = Ledger([table()], [], loads=True, reloaded=True)
    ledger.fail([ID])
    ledger.update(NOW, counts(Changes(9), "r"))
    assert (ledger.figures[0].state, ledger.figures[0].load_rows, ledger.loaded) == (TableState.ERROR, 0, True)
    assert ledger.figures[0].reloaded


@pytest.mark.parametrize(
    ("source", "target", "load_rows", "identified", "caught_up", "captured", "applied"),
    [
        # Everything has arrived; the source counts a row that was rolled back as well.
        (Changes(11, 2, 1), Changes(110, 2, 1), 100, True, True, Changes(10, 2, 1), Changes(10, 2, 1)),
        # Changes wait.
        (Changes(10, 5), Changes(104, 1), 100, True, False, Changes(10, 5), Changes(4, 1)),
        # The target's own application writes.
        (Changes(10), Changes(500, 50, 5), 100, True, True, Changes(10), Changes(10)),
        # A table without identity has inserts alone.
        (Changes(10, 7, 7), Changes(105), 100, False, False, Changes(10), Changes(5)),
    ],
)
def test_captured_and_applied(
    source: Changes,
    target: Changes,
    load_rows: int,
    identified: bool,
    caught_up: bool,
    captured: Changes,
    applied: Changes,
) -> None:
    found = changes(source=source, target=target, load_rows=load_rows, identified=identified, caught_up=caught_up)
    assert found == (captured, applied)


def test_progress_counts_tables_that_are_done() -> None:
    states = (TableState.COMPLETED, TableState.LOADING, TableState.BEFORE_LOAD, TableState.ERROR)
    run = Run()
    run.begin(NOW, fresh=True)
    assert run.percent() == 0
    run.tables = tuple(TableFigures("app", str(number), state) for number, state in enumerate(states))
    stats = run.stats(NOW + timedelta(seconds=2))
    assert (stats["FullLoadProgressPercent"], stats["ElapsedTimeMillis"]) == (50, 2000)
    assert [stats[f"Tables{one}"] for one in ("Loaded", "Loading", "Queued", "Errored")] == [1, 1, 1, 1]
    run.begin(NOW, fresh=False)
    assert len(run.tables) == 4
    run.begin(NOW, fresh=True)
    assert run.tables == ()


# Latency


def test_latency_is_the_time_since_the_reader_was_at_the_end() -> None:
    lag = Lag(0.0)
    assert lag.observe(1.0, 100, 100) == 0.0
    assert lag.observe(2.0, 200, 100) == 0.0  # just written
    assert lag.observe(5.0, 300, 100) == 3.0
    assert lag.observe(6.0, 400, 200) == 1.0  # what was first seen at 5 is still ahead
    assert lag.observe(7.0, 400, 400) == 0.0


def test_latency_grows_while_nothing_is_seen() -> None:
    lag = Lag(0.0)
    lag.observe(10.0, 100, 100)
    assert lag.observe(14.0, None, None) == 4.0
    assert lag.observe(15.0, 100, 100) == 0.0


# Metrics


def test_metrics_are_rates_and_come_once_a_period(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "PERIOD_SECONDS", 1.0)
    meter = metrics.Meter({"ReplicationInstanceIdentifier": "instance", "ReplicationTaskIdentifier": "task"})
    loading = metrics.Reading(True, 100, 0, 0, 0.0, 0.0)
    assert [one["MetricName"] for one in meter.data(0.0, NOW, loading)] == ["FullLoadThroughputRowsTarget"]
    assert meter.data(0.5, NOW, loading) == []
    [rate] = meter.data(2.0, NOW, replace(loading, load_rows=300))
    assert (rate["Value"], rate["Unit"]) == (100.0, "Count/Second")
    following = metrics.Reading(False, 300, 50, 7, 0.5, 1.5)
    found = {one["MetricName"]: one["Value"] for one in meter.data(4.0, NOW, following)}
    assert found == {
        "CDCThroughputRowsTarget": 25.0,
        "CDCIncomingChanges": 7.0,
        "CDCChangesMemoryTarget": 7.0,
        "CDCLatencySource": 0.5,
        "CDCLatencyTarget": 1.5,
    }


# Events


SUBSCRIPTION: dict[str, Any] = {
    "Enabled": True,
    "SourceType": "replication-task",
    "SourceIdsList": ["a"],
    "EventCategoriesList": ["failure"],
}


@pytest.mark.parametrize(
    ("change", "topic", "wanted"),
    [
        ({}, TASK_FAILED, True),
        ({}, TASK_STOPPED, False),
        ({"EventCategoriesList": []}, TASK_STOPPED, True),
        ({"SourceIdsList": ["b"]}, TASK_FAILED, False),
        ({"SourceIdsList": []}, TASK_FAILED, True),
        ({"Enabled": False}, TASK_FAILED, False),
        ({"SourceType": "replication-instance"}, TASK_FAILED, False),
    ],
)
def test_who_hears_of_an_event(change: dict[str, Any], topic: Any, wanted: bool) -> None:
    event = Event(topic, "a", "arn:aws:dms:us-east-1:123456789012:task:A", "why", NOW)
    assert wants({**SUBSCRIPTION, **change}, event) is wanted


# Faults


def test_faults_come_and_go() -> None:
    faults = Faults()
    assert faults.applies(0.0, caught_up=True)
    faults.set("stall", None, 0.0)
    assert not faults.applies(1e9, caught_up=True)
    faults.set("resume", None, 1.0)
    assert faults.applies(1.0, caught_up=False)
    faults.set("stall", 5, 1.0)
    assert not faults.applies(5.9, caught_up=False)
    assert faults.applies(6.0, caught_up=False)
    faults.set("lose-source", 2, 10.0)
    assert faults.source_lost(11.0)
    assert not faults.source_lost(12.0)
    with pytest.raises(ValueError, match="use one of stall"):
        faults.set("break", None, 0.0)


def test_a_lag_holds_lets_through_and_holds_again() -> None:
    faults = Faults()
    faults.set("lag", 3, 10.0)
    assert not faults.applies(12.9, caught_up=False)
    assert faults.applies(13.0, caught_up=False)
    assert faults.applies(14.0, caught_up=False)
    assert not faults.applies(15.0, caught_up=True)
    assert not faults.applies(17.9, caught_up=False)
    assert faults.applies(18.0, caught_up=False)
