"""Sequences, comparison, names, readiness, SQL, waiting: what decides, without a database."""

from typing import Any

import pytest

from handlers.clock import Clock, DeadlineExceeded, wait_for
from handlers.config import Limits
from handlers.core import names, readiness, sql
from handlers.core.comparison import Digest, Table, differences, selected
from handlers.core.readiness import Observation, TaskState
from handlers.core.sequences import Sequence, advanced, behind, set_all

UP = Sequence("public", "a", 100, 1, 1, 1000)
DOWN = Sequence("public", "b", -100, -5, -1000, -1)
LIMITS = Limits(30, 60, 10, 60, 120, 0, 86400, 300)
HEALTHY = TaskState("running", 100, 0, (), {"CDCLatencySource": 1.0, "CDCLatencyTarget": 2.0})


# Sequences


@pytest.mark.parametrize(
    ("sequence", "value"),
    [
        (UP, 132),
        (DOWN, -260),
        (Sequence("p", "near", 990, 1, 1, 1000), 1000),
        (Sequence("p", "low", -900, -5, -1000, -1), -1000),
        (Sequence("p", "wide", 10, 10, 1, 10_000), 330),
    ],
)
def test_sequences_go_ahead_by_a_gap_within_their_bounds(sequence: Sequence, value: int) -> None:
    assert advanced(sequence) == value


def test_all_sequences_are_set_in_one_statement() -> None:
    quoted = Sequence("my schema", "it's", 1, 1, 1, 99)
    assert set_all([UP, quoted]) == (
        'SELECT setval(\'"my schema"."it\'\'s"\'::regclass, 33, true), setval(\'"public"."a"\'::regclass, 132, true)'
    )
    assert set_all([]) is None


def test_a_sequence_is_behind_if_it_is_missing_or_has_not_passed_the_source() -> None:
    assert behind([UP, DOWN], [UP, DOWN]) == []
    assert behind([UP, DOWN], []) == ["public.a", "public.b"]
    assert behind([UP], [Sequence("public", "a", 99, 1, 1, 1000)]) == ["public.a"]
    assert behind([DOWN], [Sequence("public", "b", -99, -5, -1000, -1)]) == ["public.b"]


# Comparison


def test_differences_say_what_differs() -> None:
    a, b, c, d = (Table("s", name) for name in "abcd")
    same = Digest(1, "7")
    source = {a: same, b: Digest(3, "1"), c: Digest(2, "1"), d: None}
    target = {a: same, b: Digest(2, "1"), c: Digest(2, "9"), d: same}
    assert differences(source, target) == [
        "s.b has 3 rows on the source, 2 on the target",
        "s.c has the same 2 rows by number, not by content",
        "s.d is missing on the source",
    ]
    assert differences({a: same}, {a: None}) == ["s.a is missing on the target"]
    assert differences({a: same}, {a: None}, ("target", "source")) == ["s.a is missing on the source"]
    assert differences(target, target) == []


def rule(schema: str, table: str, action: str = "include") -> dict[str, Any]:
    locator = {"schema-name": schema, "table-name": table}
    return {"rule-type": "selection", "rule-action": action, "object-locator": locator}


@pytest.mark.parametrize(
    ("rules", "taken"),
    [
        ([rule("public", "%")], True),
        ([rule("pub%", "ord_rs")], True),
        ([rule("%", "%"), rule("public", "ord%", "exclude")], False),
        ([rule("public", "orders", "exclude"), rule("%", "%")], False),
        ([rule("public", "orders", "explicit")], True),
        ([rule("public", "Orders")], False),
        ([rule("public", "o*")], False),
        ([rule("public", "o[r]ders")], True),
        ([rule("other", "%")], False),
        ([{"rule-type": "transformation"}], False),
        ([], False),
    ],
)
def test_selection_follows_dms_s_rules(rules: list[dict[str, Any]], taken: bool) -> None:
    assert selected(Table("public", "orders"), rules) is taken


def test_wildcards_in_brackets_are_literal() -> None:
    assert selected(Table("public", "a%b"), [rule("public", "a[%]b")])
    assert not selected(Table("public", "axb"), [rule("public", "a[%]b")])


# Names


def record_set(side: str | None, weight: int = 0, ttl: int = 60, name: str = "writer.db.example.") -> dict[str, Any]:
    sided = {"SetIdentifier": side, "Weight": weight} if side else {}
    return {"Name": name, "Type": "CNAME", "TTL": ttl, "ResourceRecords": [{"Value": "x"}], **sided}


BOTH = [record_set("blue", 100), record_set("green", 0, 30), record_set("blue", 1, name="other.db.example.")]


def test_weighted_records_are_found_by_name_whatever_its_dot_and_case() -> None:
    found = names.weighted(BOTH, "Writer.db.example")
    assert names.weights(found) == {"blue": 100, "green": 0}
    assert names.ttl(found) == 60


@pytest.mark.parametrize("records", [[], BOTH[:1], [*BOTH, record_set("red")], [record_set(None)]])
def test_anything_but_one_blue_and_one_green_is_refused(records: list[dict[str, Any]]) -> None:
    with pytest.raises(names.NamesError, match="not blue and green: deploy the stack again"):
        names.weighted(records, "writer.db.example")


def test_a_shift_changes_weight_and_ttl_of_both_in_one_batch_and_keeps_the_rest() -> None:
    changes = names.shift(names.weighted(BOTH, "writer.db.example"), {"blue": 0, "green": 100}, 1)
    assert changes == [
        {"Action": "UPSERT", "ResourceRecordSet": {**BOTH[0], "Weight": 0, "TTL": 1}},
        {"Action": "UPSERT", "ResourceRecordSet": {**BOTH[1], "Weight": 100, "TTL": 1}},
    ]


# Readiness


def test_nothing_speaks_against_a_healthy_migration() -> None:
    assert readiness.reasons_against(Observation(HEALTHY, 0.1), LIMITS) == []


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (
            Observation(TaskState("stopped", 100, 0), 0.1),
            "the replication task is stopped: resume it, after `migrate carry after-load`",
        ),
        (Observation(TaskState("running", 40, 0), None), "the full load is at 40 %: wait"),  # no probe was sent
        (Observation(TaskState("running", 100, 2), 0.1), "tables in error or suspended: 2"),
        (Observation(TaskState("running", 100, 1, ("s.t",)), 0.1), "tables in error or suspended: s.t"),
        (
            Observation(TaskState("running", 100, 0, (), {"CDCLatencyTarget": 31.0, "CDCLatencySource": None}), 0.1),
            "CDCLatencyTarget is 31 s, above 30 s",
        ),
        (Observation(HEALTHY, None), "a probe row did not get through in 30 s"),
        (Observation(HEALTHY, 0.1, exceptions=3), "DMS logged 3 apply exceptions"),
        (Observation(HEALTHY, 0.1, prepared=("x",)), "prepared transactions on the open side: commit or roll back x"),
        (Observation(HEALTHY, 0.1, long_transactions=("bob",)), "transactions over 60 s on the open side: end bob"),
        (Observation(HEALTHY, 0.1, superuser_sessions=("root",)), "superuser sessions on the open side"),
        (Observation(HEALTHY, 0.1, new_open_to=("app",)), "roles that can connect to the closed side already"),
        (Observation(HEALTHY, 0.1, unselected_tables=("s.t",)), "tables that no rule selects: include"),
        (
            Observation(HEALTHY, 0.1, missing_tables=("s.t",)),
            "tables or columns missing on the closed side: carry the schema for s.t",
        ),
        (Observation(HEALTHY, 0.1, missing_sequences=("s.q",)), "sequences missing on the closed side"),
        (
            Observation(HEALTHY, 0.1, missing_roles=("app",)),
            "roles of the open side missing on the closed one: create app",
        ),
    ],
)
def test_each_obstacle_is_told_with_its_remedy(seen: Observation, said: str) -> None:
    reasons = readiness.reasons_against(seen, LIMITS)
    assert len(reasons) == 1
    assert reasons[0].startswith(said)


# SQL and waiting


def test_quoting() -> None:
    assert sql.name("a", 'b"c') == '"a"."b""c"'
    assert sql.literal("it's") == "'it''s'"
    assert sql.literal("a\\b") == "E'a\\\\b'"


class Steps(Clock):
    """A clock that moves only when somebody sleeps."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


def test_waiting_looks_at_least_once_and_ends_at_the_deadline() -> None:
    clock = Steps()
    assert wait_for(lambda: "there", clock=clock, until=-1, pause=1, what="it") == "there"
    seen = iter([None, 0, "late"])
    assert wait_for(lambda: next(seen), clock=clock, until=10, pause=1, what="it") == "late"
    with pytest.raises(DeadlineExceeded, match="the moon did not happen in time"):
        wait_for(lambda: None, clock=clock, until=clock.now() + 3, pause=1, what="the moon")
    assert clock.now() == 5.0


def test_the_real_clock_moves() -> None:
    clock = Clock()
    before = clock.now()
    clock.sleep(0.001)
    assert clock.now() > before
