"""What is made of a verdict: kept, held against what is there at the start and at the gate, told to people."""

import json
from dataclasses import replace
from typing import Any

import pytest

from components.dms_settings import table_mappings
from components.settings import Migration, SettingsError, load
from components.settings.preflight import IDS
from compositions import parts
from gallery import preflight as document
from handlers.core.comparison import Table
from handlers.core.record import Phase, Record, Refused
from handlers.functions import gate, observe, preflight, start
from handlers.preflight import facts, kept, plan, report
from handlers.preflight.excuse import Excuse
from handlers.preflight.facts import Facts, Unread
from handlers.preflight.findings import Severity
from handlers.preflight.kept import MOST_BYTES, Basis, Kept, packed, unpacked, unpacked_basis
from handlers.preflight.registry import RULES, judge
from handlers.preflight.rule import Case, Terms
from sandbox.dms import mappings
from tests.support.facts import ORDERS, SERVER, clean_facts, with_settings
from tests.support.fakes import World
from tests.support.pulumi_mocks import stack_config

EVENT = {"execution": "run-1"}
KEYLESS = facts.Relations((facts.Relation(ORDERS),))
OTHER_SCHEMA = facts.Objects({"table public.orders": "ff", "view public.new": "00"})


def call(world: World, function: Any, **event: Any) -> dict[str, Any]:
    answer: dict[str, Any] = function.step(world.migration(), {**EVENT, **event}, 600.0)
    return answer


def before_start() -> World:
    world = World()
    world.task.found = replace(world.task.found, status="ready")
    return world


def both(world: World, *sections: Any) -> None:
    world.facts = dict.fromkeys(("old", "new"), clean_facts(*sections))


# The function


def test_a_clean_pair_is_good_and_is_kept() -> None:
    world = before_start()
    answer = call(world, preflight)
    assert answer["outcome"] == "good" and answer["findings"] == [] and answer["not_run"] == []
    assert len(answer["passed"]) == len(RULES)
    assert world.tracking.kept and world.tracking.kept.blockers == ()
    json.dumps(answer)


def test_what_blocks_is_said_with_its_remedy_and_kept() -> None:
    world = before_start()
    both(world, KEYLESS)
    answer = call(world, preflight)
    assert answer["outcome"] == "blocked"
    assert "BLOCKS no-primary-key" in answer["report"]
    assert "ALTER TABLE public.orders ADD COLUMN migration_key" in answer["report"]
    assert world.tracking.kept and world.tracking.kept.blockers == ("no-primary-key: public.orders",)
    json.dumps(answer)


def test_an_excuse_is_for_the_objects_it_names() -> None:
    world = before_start()
    other = facts.Relation(Table("public", "log"))
    world.facts = dict.fromkeys(("old", "new"), clean_facts(facts.Relations((facts.Relation(ORDERS), other))))
    world.config["preflight"]["excuses"] = [
        {"rule": "no-primary-key", "reason": "only appended to", "objects": ["public.l*"]}
    ]
    answer = call(world, preflight)
    assert answer["counts"]["excused"] == 1
    assert [f["object"] for f in answer["findings"] if f["rule"] == "no-primary-key"] == ["public.orders", "public.log"]
    assert "no-primary-key: public.log (only appended to)" in answer["report"]
    assert answer["outcome"] == "blocked"


def test_dms_s_own_session_is_no_stranger_s_though_its_role_is_a_superuser() -> None:
    """Before 15 it has to be one for the way back."""
    world = before_start()
    both(world, facts.Clients((facts.Client("dms", "10.0.0.9", "awsdms", superuser=True),)))
    assert call(world, preflight)["outcome"] == "good"
    both(world, facts.Clients((facts.Client("postgres", "10.0.0.9", "psql", superuser=True),)))
    assert [one["rule"] for one in call(world, preflight)["findings"]][:1] == ["superuser-session"]


def test_what_could_not_be_read_is_no_pass() -> None:
    world = before_start()
    both(world)
    hidden = Unread("operator may not look", "GRANT pg_read_all_stats TO operator;")
    sections = {**world.facts["old"].sections, facts.Clients: hidden}
    world.facts["old"] = Facts(sections)
    answer = call(world, preflight)
    assert answer["outcome"] == "blocked"
    assert "COULD NOT LOOK clients, superuser-session" in answer["report"]
    assert "GRANT pg_read_all_stats TO operator;" in answer["report"]
    assert world.tracking.kept and world.tracking.kept.blockers == (
        "superuser-session: not run, operator may not look",
    )


# Start


def test_start_wants_a_preflight() -> None:
    world = before_start()
    with pytest.raises(Refused, match="no preflight was made: call the preflight function"):
        call(world, start)
    assert world.task.status() == "ready"


def test_start_starts_what_preflight_found_good() -> None:
    world = before_start()
    call(world, preflight)
    assert call(world, start)["outcome"] == "started"
    assert world.task.status() == "running"
    assert world.tracking.started and world.tracking.started.objects["table public.orders"] == "a1"


def test_start_refuses_what_preflight_found_bad_and_says_what() -> None:
    world = before_start()
    both(world, KEYLESS)
    call(world, preflight)
    with pytest.raises(Refused, match="found what blocks: no-primary-key: public.orders"):
        call(world, start)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda w: w.clock.sleep(25 * 3600), "is 25 h old, allowed are 24 h"),
        (lambda w: both(w, OTHER_SCHEMA), "table public.orders is another, view public.new was added"),
        (lambda w: both(w, replace(SERVER, identity="1")), "the last preflight was of another pair of databases"),
        (lambda w: setattr(w.task, "schema", "public"), "table mappings, task settings or excuses have changed"),
        (
            lambda w: w.config["preflight"].update(excuses=[{"rule": "lob-key", "reason": "ok", "objects": []}]),
            "table mappings, task settings or excuses have changed",
        ),
    ],
)
def test_start_refuses_a_preflight_of_something_else(change: Any, said: str) -> None:
    world = before_start()
    call(world, preflight)
    change(world)
    with pytest.raises(Refused) as refused:
        call(world, start)
    assert said in str(refused.value)
    assert world.task.status() == "ready"


def test_start_refuses_what_has_run_and_what_has_switched() -> None:
    world = World()
    with pytest.raises(Refused, match="the replication is running: it was started before"):
        call(world, start)
    world.tracking.record = Record("migration-unit", phase=Phase.OPEN)
    with pytest.raises(Refused, match="its replication was started long ago"):
        call(world, start)


# The gate


def test_the_gate_looks_once_more() -> None:
    world = World()
    both(world, KEYLESS)
    answer = call(world, gate)
    assert answer["outcome"] == "refused"
    assert "preflight no-primary-key: public.orders" in answer["reason"]
    assert "ALTER TABLE public.orders ADD COLUMN" in answer["reason"]


def test_the_gate_refuses_a_schema_that_changed_since_the_start_and_says_what() -> None:
    world = before_start()
    call(world, preflight)
    call(world, start)
    both(world, OTHER_SCHEMA)
    answer = call(world, gate)
    assert answer["outcome"] == "refused"
    assert "replication was started with: index public.orders_pkey was dropped" in answer["reason"]
    assert "table public.orders is another" in answer["reason"]


def test_a_change_that_was_carried_is_accepted_by_another_preflight() -> None:
    world = before_start()
    call(world, preflight)
    call(world, start)
    both(world, OTHER_SCHEMA, facts.Relations((facts.Relation(ORDERS, key=("id",), bytes=8192),)))
    answer = call(world, preflight)
    assert answer["outcome"] == "good", "rows on the target are what the replication is for"
    assert "the replication was started" in answer["report"]
    assert call(world, gate)["outcome"] == "ready"
    world.tracking.record = Record("migration-unit")
    world.task.found = replace(world.task.found, status="ready")
    with pytest.raises(Refused, match="was made while an earlier replication ran: call it again"):
        call(world, start)


def test_the_observer_tells_a_change_of_the_schema_once_and_the_carried_one_no_more() -> None:
    world = before_start()
    call(world, preflight)
    call(world, start)
    world.task.found = replace(world.task.found, status="running")
    assert call(world, observe) == {"outcome": "ready", "reasons": []}
    both(world, OTHER_SCHEMA)
    assert call(world, observe)["outcome"] == "ready", "it looks every ten minutes"
    for _ in range(2):
        world.clock.sleep(601)
        answer = call(world, observe)
        assert answer["outcome"] == "replicating"
        assert "replication was started with: index public.orders_pkey was dropped" in answer["reasons"][0]
        assert world.notices.told == ["Migration migration-unit: the source's schema has changed"]
    call(world, preflight)
    world.clock.sleep(601)
    assert call(world, observe) == {"outcome": "ready", "reasons": []}


def test_a_source_out_of_reach_is_looked_at_another_time() -> None:
    world = before_start()
    call(world, preflight)
    call(world, start)
    world.task.found = replace(world.task.found, status="running")
    world.facts["old"] = facts.Facts({})
    assert call(world, observe)["outcome"] == "ready"
    assert world.tracking.watched == (0.0, "")


def test_the_gate_asks_nothing_again_that_the_replication_itself_brings_about() -> None:
    world = World()
    slots = facts.Stream(tuple(facts.Slot(f"slot_{n}", True, True, 0) for n in range(10)), senders=10)
    world.facts["old"] = clean_facts(slots)
    assert call(world, gate)["outcome"] == "ready"
    world = World()
    world.facts["new"] = clean_facts(slots)
    assert "way-back-no-free-slot" in call(world, gate)["reason"]


# Kept


def test_a_preflight_too_large_for_an_item_loses_its_report_first_and_then_the_names() -> None:
    names = {f"table app.{kept._hash(n)}": kept._hash(str(n))[:8] for n in range(3000)}
    found = Kept(1.0, Basis("p", "s", "h", names), ("a: b",), {"x": [kept._hash(n) for n in range(20000)]})
    small = unpacked(packed(found))
    assert len(packed(found)) <= MOST_BYTES
    assert small.report == {} and small.basis.objects == names and small.blockers == ("a: b",)
    names = {f"table app.{kept._hash(n)}": kept._hash(str(n))[:8] for n in range(40000)}
    huge = unpacked_basis(packed(Basis("p", "s", "h", names)))
    assert huge.objects == {} and huge.schema == "h"
    assert kept.changes(huge, Basis("p", "s", "other", names)) == "there are too many objects to say what"


# Rules and words


def case(old: Facts, new: Facts | None = None, **terms: Any) -> Case:
    return Case(old, new or clean_facts(), replace(TERMS, **terms))


TERMS = Terms(
    rules=(
        {
            "rule-type": "selection",
            "rule-action": "include",
            "object-locator": {"schema-name": "%", "table-name": "%"},
        },
    ),
    lob_kilobytes=1024,
    slot="back",
    longest_transaction_seconds=60,
    ttl_seconds=60,
    weights={},
)


def test_without_a_way_back_nothing_is_asked_for_it() -> None:
    target = with_settings(wal_level="replica")
    assert [f.rule for f in judge(case(clean_facts(), target)).findings] == ["way-back-wal-level"]
    assert judge(case(clean_facts(), target, slot="")).findings == ()


def test_full_lob_mode_has_no_limit() -> None:
    large = clean_facts(facts.Lobs((facts.Lob(ORDERS, "note", 9_000_000),)))
    [finding] = judge(case(large)).findings
    assert "{schema: 'public', table: 'orders', lobMaximumKb: 16384}" in finding.remedy.text
    assert judge(case(large, lob_kilobytes=None)).findings == ()
    too_large = clean_facts(facts.Lobs((facts.Lob(ORDERS, "note", 200 << 20),)))
    [finding] = judge(case(too_large)).findings
    assert "action: exclude" in finding.remedy.text


def test_every_rule_says_what_and_why_and_has_a_failure_mode() -> None:
    for rule in RULES:
        assert rule.what and rule.why.endswith(".") and rule.modes and rule.look.__doc__
        assert not rule.what.endswith(".")
        assert all(1 <= mode <= 28 for mode in rule.modes)
    assert len({rule.id for rule in RULES}) == len(RULES) == len(IDS)
    assert {rule.id for rule in RULES} == IDS


def test_the_report_puts_what_blocks_first_and_each_remedy_once() -> None:
    relations = facts.Relations(tuple(facts.Relation(Table("public", f"t{n}")) for n in range(30)))
    target = clean_facts(replace(SERVER, settings={**SERVER.settings, "TimeZone": "Europe/Berlin"}))
    verdict = judge(case(clean_facts(relations), target))
    text = report.text(verdict, "title")
    assert text.startswith("title\npreflight: ")
    assert text.index("BLOCKS no-primary-key") < text.index("WARNS setting-differs")
    assert text.count("carry the schema: python -m migrate carry before-load") == 1
    assert "and 20 more" in text
    assert all(finding.severity is not Severity.INFO for finding in verdict.blockers)


def test_an_excuse_without_objects_is_for_all() -> None:
    excuse = Excuse("no-primary-key", "reason")
    assert excuse.covers("no-primary-key", "any") and not excuse.covers("lob-key", "any")


def test_an_excuse_for_a_rule_that_is_none_is_refused() -> None:
    own = "database-migration:"
    stack = {key.removeprefix(own): value for key, value in stack_config("dev").items() if key.startswith(own)}
    raw = stack | {"preflight": {"excusedRules": [{"rule": "no-primary-kay", "reason": "only appended to"}]}}
    with pytest.raises(SettingsError, match="no-primary-kay: there is no such rule; did you mean no-primary-key?"):
        load(raw)
    found = load(raw | {"preflight": {"excusedRules": [{"rule": "no-primary-key", "reason": "only appended to"}]}})
    assert isinstance(found, Migration) and found.preflight.excused_rules[0].objects == ()
    with pytest.raises(SettingsError, match="reason"):
        load(raw | {"preflight": {"excusedRules": [{"rule": "no-primary-key", "reason": ""}]}})


def test_the_document_has_every_rule_as_it_is() -> None:
    page = document.PAGE.read_text()
    assert page == document.written(page), "run python -m gallery.preflight"
    assert set(document.MODES) == {mode for rule in RULES for mode in rule.modes} | document.ELSEWHERE.keys()


# The plan


def test_the_plan_is_configuration_that_the_stack_takes() -> None:
    big = facts.Relation(
        Table("public", "big"), key=("id",), rows=10**8, bytes=80 << 30, bounds=tuple(str(n * 100) for n in range(101))
    )
    relations = facts.Relations(
        (
            facts.Relation(ORDERS, key=("id",), rows=10, bytes=8192),
            big,
            facts.Relation(Table("public", "far"), kind="f"),
        )
    )
    fields = facts.Fields(
        (
            facts.Field(ORDERS, "id", "bigint", "int8"),
            facts.Field(ORDERS, "twice", "bigint", "int8", generated="s"),
            facts.Field(big.table, "note", "text", "text"),
        )
    )
    lobs = facts.Lobs((facts.Lob(big.table, "note", 3_000_000),))
    made = plan.plan(case(clean_facts(relations, fields, lobs)))
    assert [load.table for load in made.loads] == ["public.big", "public.orders"]
    assert made.loads[0].ranges == ("1200", "2500", "3800", "5000", "6200", "7500", "8800")
    assert made.loads[0].lob_kilobytes == 2930 and made.missing == ()
    assert made.carry == {"index": 1, "table": 1} and made.sequences == ("public.ids",)
    own = "database-migration:"
    stack = {key.removeprefix(own): value for key, value in stack_config("dev").items() if key.startswith(own)}
    config = load(stack | {"replication": dict(made.replication)})
    assert isinstance(config, Migration)
    assert config.replication.lob_maximum_kb == 1024
    assert [(one.table, one.lob_maximum_kb) for one in config.replication.table_settings] == [("big", 4096)]
    rules = json.loads(
        table_mappings(
            parts.table_rules(config.replication.tables),
            parts.transformation_rules(config.replication.transformations),
            parts.table_settings(config.replication.table_settings),
        )
    )["rules"]
    settled = replace(TERMS, rules=tuple(rules), lob_kilobytes=config.replication.lob_maximum_kb)
    found = {one.rule for one in judge(replace(case(clean_facts(relations, fields, lobs)), terms=settled)).findings}
    assert not found & {"generated-column", "lob-too-large", "foreign-table", "unselected-table"}
    assert mappings.select(mappings.parse(json.dumps({"rules": rules})), [("public", "far"), ("public", "big")]) == [
        ("public", "big")
    ]


def test_the_plan_says_which_tables_begin_to_load_first_where_not_all_can() -> None:
    names = ["a_b", *(f"t{number}" for number in range(plan.STREAMS))]
    sizes = {name: number << 20 for number, name in enumerate(names, start=1)}
    relations = [facts.Relation(Table("public", name), key=("id",), bytes=size) for name, size in sizes.items()]

    def orders(*more: facts.Relation) -> dict[str, int]:
        made = plan.plan(case(clean_facts(facts.Relations((*relations, *more)))))
        return {one["table"]: one["loadOrder"] for one in made.replication["tables"] if "loadOrder" in one}

    found = orders()
    assert sorted(found, key=lambda name: -found[name]) == [*reversed(names)] and min(found.values()) == 1
    assert plan.plan(case(clean_facts(facts.Relations(tuple(relations[1:]))))).replication["tables"] == [
        {"schema": "public"}
    ]
    # As a pattern a_b would be aXb as well: in brackets it is itself alone.
    assert "a[_]b" in orders(facts.Relation(Table("public", "aXb"), key=("id",)))


def test_small_large_objects_are_the_whole_tasks() -> None:
    relations = facts.Relations(tuple(facts.Relation(Table("public", name), key=("id",)) for name in ("a", "b", "c")))
    lobs = [facts.Lob(Table("public", name), "note", size) for name, size in (("a", 40_000), ("b", 70_000), ("b", 9))]
    small = replace(TERMS, lob_kilobytes=32)
    found = replace(case(clean_facts(relations, facts.Lobs(tuple(lobs)))), terms=small)
    made = plan.plan(found).replication
    assert made["lobMaximumKb"] == 64
    assert made["tableSettings"] == [{"schema": "public", "table": "b", "lobMaximumKb": 128}]
    remedies = [one.remedy.text for one in judge(found).findings if one.rule == "lob-too-large"]
    assert remedies == [
        "replication:\n  lobMaximumKb: 64",
        "replication:\n  tableSettings:\n    - {schema: 'public', table: 'b', lobMaximumKb: 128}",
    ]


def test_a_table_s_own_limit_is_what_is_raised() -> None:
    locator = {"schema-name": ORDERS.schema, "table-name": ORDERS.name}
    own = {"rule-type": "table-settings", "object-locator": locator}
    lobs = {"lob-settings": {"mode": "limited", "bulk-max-size": "8"}}
    terms = replace(TERMS, lob_kilobytes=1024, rules=(*TERMS.rules, own | lobs))
    found = replace(case(clean_facts(facts.Lobs((facts.Lob(ORDERS, "note", 40_000),)))), terms=terms)
    [finding] = judge(found).findings
    assert finding.found == "its largest value needs LobMaxSize 40 KB, the task has 8 KB"
    assert "tableSettings" in finding.remedy.text and "lobMaximumKb: 64" in finding.remedy.text


def test_what_nobody_could_read_is_missing_from_the_plan_by_name() -> None:
    sections = {**clean_facts().sections, facts.Objects: Unread("no right")}
    made = plan.plan(case(Facts(sections)))
    assert made.carry == {} and made.missing == ("objects: no right",)
