"""A whole migration, watched: deploy, load, full load, changes, switchover, fail-back, proof, report, destroy."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any

from sandbox import lifecycle, stack
from sandbox.databases import ServerInfo
from sandbox.dms import mappings
from sandbox.errors import SandboxError
from sandbox.instance import Instance
from sandbox.lifecycle import Options
from sandbox.paths import claimed
from sandbox.rehearsal import dump, outcome
from sandbox.rehearsal.application import Application, Source
from sandbox.rehearsal.beginning import BEGINNINGS, Given, Ready
from sandbox.rehearsal.console import Console
from sandbox.rehearsal.ledger import Ledger, write_gap
from sandbox.rehearsal.operator import PreflightBlocks
from sandbox.rehearsal.picture import Series
from sandbox.rehearsal.probe import Probe
from sandbox.rehearsal.progress import progress_path
from sandbox.rehearsal.report import passed, write
from sandbox.rehearsal.request import Request
from sandbox.rehearsal.verify import compare_all, verify
from sandbox.rehearsal.watch import Watch

SHARES = {"before": 0.4, "on green": 0.4, "on blue": 0.2}
"""How much of the load's time lies before the switchover, between it and the fail-back, and after that."""
TOUCHED = {
    "shop": (
        *("public.orders", "public.order_items", "public.payments*", "public.audit_log"),
        *("public.accounts", "warehouse.stock"),
    ),
    "own_table": ("rehearsal.*",),
}
"""Tables the load writes to, by mode."""
SET_UP = "set up"
REFUSED = 3
"""Exit status where preflight keeps the replication from starting."""
NOT_REHEARSED = {
    "database": "makes a database and moves nothing to it",
    "fleet": "leads to databases that are elsewhere, and a rehearsal moves one of this machine",
}
"""Why, by composition."""


def rehearse(request: Request) -> int:
    """Run a rehearsal, write its report, and return the exit status: 0 only if nothing was lost and nothing differs.

    Where preflight blocks, its report is printed, nothing is moved, and the status is REFUSED.
    """
    lifecycle.refuse_second(request.name)
    _refuse_what_can_t_be_rehearsed(request.stack_config)
    in_use = f"another rehearsal writes to {request.output}: name another folder with --output"
    with claimed(request.output, in_use):
        for stale in ("report.json", "report.html", "ledger.jsonl", "ledger.jsonl.progress"):
            (request.output / stale).unlink(missing_ok=True)
        if request.dump:
            dump.check(request.dump)
        return _rehearse(request)


def _refuse_what_can_t_be_rehearsed(stack_config: str) -> None:
    """Raise SandboxError for a stack that moves no database of this machine, changes names, or needs a person."""
    config = stack.load(stack_config)
    if stack.transformations(config):
        raise SandboxError(
            f"{stack_config} has replication.transformations: a rehearsal's application knows one name for a table "
            "before and after; rehearse without them, or deploy with `python -m sandbox up`"
        )
    reason = NOT_REHEARSED.get(stack.composition(config))
    if reason:
        moving = " or ".join(sorted(BEGINNINGS, reverse=True))
        raise SandboxError(
            f"{stack_config} {reason}: name a configuration of composition {moving}, or deploy this one with "
            "`python -m sandbox up`"
        )
    if not stack.switches_by_hand(config):
        raise SandboxError(
            f"{stack_config} has a switchover.canary, or a switchover.mode other than manual: a rehearsal starts the "
            "switchover and answers no question; rehearse a copy without, or deploy this with `python -m sandbox up`"
        )


def _rehearse(request: Request) -> int:
    options = Options(
        request.name,
        request.stack_config,
        request.database_port,
        end_with_parent=not request.keep,
        dns_propagation=request.dns_propagation,
        source_version=request.source_version,
        target_version=request.target_version,
    )
    kept = False
    with Console() as console:
        with console.phase(SET_UP):
            instance = lifecycle.start(options, console.tell)
        try:
            try:
                report, series = Rehearsal(instance, request, options, console).run()
            except PreflightBlocks as blocks:
                console.result(str(blocks), good=False)
                return REFUSED
            try:
                if not request.keep:
                    with console.phase("destroy"):
                        stack.pulumi(instance, "destroy", "--yes", "--skip-preview")
            finally:  # what was found out is worth more than a clean end
                _write(request.output, {**report, "phases": console.seconds}, series)
            kept = request.keep
        finally:
            if not kept:
                lifecycle.end(request.name)
    good = passed(report)
    report_line = f"report: {request.output / 'report.html'}"
    console.result(f"{outcome.line(report)}\n{console.took(SET_UP)}\n{report_line}", good=good)
    if request.keep:
        print(_look_around(instance))
    return 0 if good else 1


def _write(folder: Path, report: dict[str, Any], series: Series) -> None:
    try:
        write(folder, report, series)
    except OSError as error:
        reason = error.strerror or error
        raise SandboxError(
            f"the report can't be written to {folder}: {reason}; make room there, or name another with --output"
        ) from None


class Rehearsal:
    """One rehearsal inside a running sandbox."""

    def __init__(self, instance: Instance, request: Request, options: Options, console: Console) -> None:
        self._instance = instance
        self._request = request
        self._options = options
        self._console = console
        self._ledger = Ledger(request.output / "ledger.jsonl")
        self._watch = Watch(instance, progress_path(self._ledger.path))
        self._events: list[tuple[float, str]] = []
        self._began: dict[str, float] = {}
        config = stack.load(request.stack_config)
        self._fails_back = stack.fails_back(config)
        self._begin = BEGINNINGS[stack.composition(config)]
        rules = stack.excluded(config)
        self._excluded = [mappings.Rule("exclude", rule["schema"], rule.get("table", "%")) for rule in rules]
        console.status = self._watch.line

    def run(self) -> tuple[dict[str, Any], Series]:
        """Go through all phases up to the proof and return the report and what the picture shows."""
        instance, request = self._instance, self._request
        ready = self._begin(Given(instance, request, self._options, self._console, self._phase))
        operator, source = ready.operator, ready.source
        with self._phase("preflight"):
            self._console.text(operator.preflight()["report"])
        load = Application(
            instance,
            source,
            name=operator.outputs["writer_name"],
            rate=request.rate,
            seed=request.seed,
            ledger=self._ledger.path,
        )
        with Probe(instance.source, instance.target, source) as probe, load, self._watch.looking(operator):
            attempts = self._move(ready, load)
        with self._phase("verify"):
            attempts = self._with_gaps(attempts)
            facts = self._prove(source, attempts)
        self._events.append((time.time(), "end"))
        for attempt in attempts:
            self._events += [(times[0], step) for step, times in attempt.record.get("times", {}).items()]
        report = outcome.report(
            outcome.Facts(
                engine=instance.engine,
                source_version=_version(instance.source),
                target_version=_version(instance.target),
                stack_config=request.stack_config,
                rate=request.rate,
                dns_propagation=request.dns_propagation,
                resources=ready.resources,
                rows=source.rows,
                switchover=attempts[0],
                fail_back=attempts[1] if len(attempts) > 1 else None,
                summary=load.summary,
                writable_sides=probe.verdict().to_dict(),
                left_out=[f"{rule.schema}.{rule.table}" for rule in self._excluded],
                **facts,
            )
        )
        series = Series(
            buckets=self._watch.buckets,
            sides={instance.source.address: "blue", instance.target.address: "green"},
            lag=self._watch.lag,
            weights=self._watch.weights,
            events=self._events,
            gaps=[attempt.gap for attempt in attempts if attempt.gap],
        )
        return report, series

    def _move(self, ready: Ready, load: Application) -> list[outcome.Attempt]:
        """Replicate, switch over and fail back under load; return what came of each attempt."""
        instance, seconds = self._instance, self._request.seconds

        def beat() -> None:
            load.check()
            self._console.beat()

        guarded = replace(ready.operator, beat=beat)
        with self._phase("full load"):
            guarded.load()
            guarded.carry("before-switchover")
        with self._phase("changes under load"):
            guarded.pause(seconds * SHARES["before"])
        attempts = [self._attempt("switchover", partial(guarded.switch_over, f"{instance.name}-1"))]
        switched = attempts[0].opened
        with self._phase("writes on green" if switched else "writes on blue"):
            guarded.pause(seconds * SHARES["on green"])
        if switched and self._request.fail_back and self._fails_back:
            attempts.append(self._attempt("fail-back", partial(guarded.fail_back, f"{instance.name}-2")))
            with self._phase("writes on blue" if attempts[1].opened else "writes on green"):
                guarded.pause(seconds * SHARES["on blue"])
        return attempts

    def _attempt(self, name: str, make: Callable[[], Mapping[str, Any]]) -> outcome.Attempt:
        self._began[name] = time.time()
        with self._phase(name):
            said = make()
        return outcome.Attempt(said["status"], said["cause"], said["record"])

    def _with_gaps(self, attempts: Sequence[outcome.Attempt]) -> list[outcome.Attempt]:
        """Return the attempts with the longest time without a write from the begin of each to that of the next."""
        records, begins = self._ledger.read(), [*self._began.values(), time.time()]
        spans = zip(attempts, begins, begins[1:], strict=False)
        return [replace(attempt, gap=write_gap(records, begin, end)) for attempt, begin, end in spans]

    def _prove(self, source: Source, attempts: Sequence[outcome.Attempt]) -> dict[str, Any]:
        """Hold the ledger against the side that is open, and compare what nobody wrote to."""
        instance = self._instance
        opened = instance.target if sum(attempt.opened for attempt in attempts) == 1 else instance.source
        with opened.superuser(source.database) as connection:
            verification = verify(self._ledger, connection, source.mode)
        with instance.source.superuser(source.database) as old, instance.target.superuser(source.database) as new:
            tables = compare_all(old, new, self._is_left_out)["by_table"]
        still = [t for t in tables if not any(fnmatchcase(t["table"], p) for p in TOUCHED[source.mode])]
        return {"verification": verification, "by_table": still}

    def _is_left_out(self, schema: str, table: str) -> bool:
        """Say whether the stack's configuration leaves a table out of the replication."""
        return any(rule.matches(schema, table) for rule in self._excluded)

    @contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        self._events.append((time.time(), name))
        with self._console.phase(name):
            yield


def _version(server: ServerInfo) -> str:
    with server.superuser() as connection, connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        return str(cursor.fetchone()[0])


def _look_around(instance: Instance) -> str:
    name = instance.name
    return "\n".join(
        [
            "",
            "The sandbox is left running. To look around:",
            f"  python -m sandbox exec --name {name} -- pulumi stack output",
            f"  python -m sandbox exec --name {name} -- pulumi preview --expect-no-changes",
            f"  python -m sandbox psql --name {name} source",
            f"  python -m sandbox psql --name {name} target",
            f"  python -m sandbox status --name {name}      logs: {instance.logs}",
            f"  python -m sandbox down --name {name}        ends it",
        ]
    )
