"""`validate`: whether the target holds what the source holds, row by row, and the repair of what it does not."""

import argparse
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from handlers.adapters import postgres_cells
from handlers.adapters.postgres import Database
from handlers.clock import Clock
from handlers.core.mapping import Rules
from handlers.validation import repair, subjects
from handlers.validation.compare import Sides
from handlers.validation.plan import CHUNK_ROWS
from handlers.validation.result import Report, TableResult
from handlers.validation.run import Options, Subject, patience, validate
from handlers.validation.suspects import Patience, Stream

ERROR = 1
STATEMENT_SECONDS = 600.0
EVERYTHING: Rules = [
    {
        "rule-type": "selection",
        "rule-action": "include",
        "object-locator": {"schema-name": "%", "table-name": "%"},
    }
]
EXIT_CODES = "exit codes: 0 equal, 4 different, 8 unsettled (still changing), 1 error"


def add_to(subparsers: Any) -> argparse.ArgumentParser:
    """Add the verb to a command's parser and return the verb's own."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "validate",
        help="compare every row of source and target, while changes flow or after",
        description=__doc__.splitlines()[0],
        epilog=EXIT_CODES,
    )
    parser.add_argument("--table", action="append", default=[], metavar="SCHEMA.NAME", help="only this one; repeatable")
    parser.add_argument("--strict", action="store_true", help="tell 1.1 from 1.10, 0 from -0, by text: slower")
    parser.add_argument("--settle-seconds", type=float, default=10.0, help="what the target may be behind (10)")
    parser.add_argument("--rounds", type=int, default=5, help="how often a row that differs is looked at again (5)")
    parser.add_argument("--chunk-rows", type=int, default=CHUNK_ROWS, help=f"rows per statement ({CHUNK_ROWS})")
    parser.add_argument("--busy", type=float, default=1.0, help="share of the time the servers are worked (1)")
    parser.add_argument("--workers", type=int, default=0, help="parallel workers of a query (0)")
    parser.add_argument("--repair", action="store_true", help="print the statements that make the target equal")
    parser.add_argument(
        "--apply", action="store_true", help="with --repair: carry them out, keeping what they overwrite"
    )
    parser.add_argument("--json", action="store_true", help="the report as JSON")
    return parser


def run(
    asked: argparse.Namespace,
    old: Database,
    new: Database,
    rules: Rules = EVERYTHING,
    *,
    stream: Stream | None = None,
    clock: Clock | None = None,
    tell: Callable[[str], None] = print,
) -> int:
    """Validate two open databases, print the report, and repair if that was asked for. Returns the exit code.

    `rules` are those of the replication task; `stream` tells how far the target is, else it gets --settle-seconds.
    Raises ValueError for a table that is not there, and psycopg2's errors where a server refuses.
    """
    if asked.apply and not asked.repair:
        raise ValueError("--apply without --repair: say both to change the target")
    if not 0 < asked.busy <= 1:
        raise ValueError(f"--busy is {asked.busy}: give a share of the time, above 0 and up to 1")
    clock = clock or Clock()
    options = Options(asked.chunk_rows, asked.busy, asked.rounds, patience(asked.settle_seconds))
    for database in (old, new):
        postgres_cells.calm(database, STATEMENT_SECONDS, asked.workers)
    sides = Sides(old, new)
    pairs, lacking = subjects.find(old, new, rules, asked.table, strict=asked.strict)
    stream = stream or Patience(clock, asked.settle_seconds)
    results = [validate(sides, subject, stream, clock, options) for subject in pairs]
    objects = postgres_cells.large_objects(old), postgres_cells.large_objects(new)
    report = Report([*lacking, *results], asked.strict, objects)
    repaired = _repair(sides, pairs, results, carry_out=asked.apply) if asked.repair else []
    if asked.json:
        tell(json.dumps({**report.to_dict(), **({"repair": repaired} if asked.repair else {})}, indent=1))
    else:
        for line in [*report.lines(), *repaired]:
            tell(line)
    return report.exit_code


def _repair(sides: Sides, pairs: Sequence[Subject], results: Iterable[TableResult], *, carry_out: bool) -> list[str]:
    lines = []
    for subject, result in zip(pairs, results, strict=True):
        if not result.differences:
            continue
        if not subject.pair.has_key:
            lines.append(f"-- {result.table} has no primary key: repair it by loading the table again")
            continue
        made = repair.statements(sides, subject.pair, result.differences)
        lines += [f"{one};" for one in made]
        if carry_out:
            done = repair.apply(sides, subject.pair, result.differences)
            lines.append(f"-- {done} rows of {subject.pair.new.table} made equal; what they were: {repair.BACKUP}")
        if result.more:
            lines.append(f"-- more rows of {result.table} differ: validate and repair again")
    return lines
