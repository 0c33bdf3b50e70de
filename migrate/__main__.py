"""The operator's command: `python -m migrate carry before-load | after-load | before-switchover | diff`, `validate`.

Reads the outputs of the stack that is selected. Progress goes to stderr, the result to stdout. Exit codes: 0 done,
1 error, 2 usage, 3 refused, nothing was changed, 4 source and target differ, 8 rows that differ do not settle.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import psycopg2

from migrate import stack, validate
from migrate.carry import Carrying, Result
from migrate.core.difference import wrong
from migrate.errors import ERROR, MISMATCH, OK, MigrateError, Refused
from migrate.programs import find
from migrate.ready import Readying
from migrate.sides import Both, opened
from migrate.stack import Stack

PLANS = {
    "before-load": (
        "make on the target: the source's roles with what is granted to them, types, tables with primary keys and "
        "unique constraints, sequences, functions, views. It must have no tables yet"
    ),
    "after-load": (
        "make on the target: secondary indexes, the other constraints, foreign keys (not looked at yet), triggers, "
        "policies, comments; then ANALYZE. What is there already is left as it is"
    ),
    "before-switchover": (
        "on the target: have foreign keys look at every row, refresh materialized views, VACUUM (ANALYZE), read "
        "indexes and tables into memory; then compare"
    ),
}
"""What a step is about to do. `diff` changes nothing."""
REPAIR = "make rows of the target equal to the source's, keeping what they were in a table of their own"
SOURCE_USER, SOURCE_PASSWORD = "MIGRATE_SOURCE_USER", "MIGRATE_SOURCE_PASSWORD"


def main(arguments: Sequence[str]) -> int:
    """Run the command and return its exit code."""
    asked = _parser().parse_args(arguments)
    try:
        found = stack.read(stack.outputs(asked.outputs), _instead())
        _agree(asked, found)
        with opened(found) as both:
            if asked.verb == "validate":
                return validate.run(asked, both.source, both.target, found.mappings())
            result = _carry(asked, both)
    except (MigrateError, ValueError, psycopg2.Error) as error:
        print(f"error: {error}", file=sys.stderr)
        return getattr(error, "code", ERROR)
    _show(result, as_json=asked.json)
    return OK if result.good else MISMATCH


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m migrate", description=(__doc__ or "").partition("\n")[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    looks = validate.add_to(verbs)
    _ask_for_outputs(looks)
    looks.add_argument("--yes", action="store_true", help="do not ask before --apply, for CI")
    carry = verbs.add_parser(
        "carry", help="carry what DMS does not: roles, definitions, indexes, constraints, triggers"
    )
    steps = carry.add_subparsers(dest="step", required=True)
    for step, plan in {**PLANS, "diff": "name every difference between source and target, change nothing"}.items():
        one = steps.add_parser(step, help=plan)
        _ask_for_outputs(one)
        one.add_argument("--json", action="store_true", help="the result as JSON")
        if step == "diff":
            continue
        one.add_argument("--yes", action="store_true", help="do not ask, for CI")
        if step == "before-switchover":
            one.add_argument("--seconds", type=float, default=600.0, help="how long reading into memory may take")
        else:
            one.add_argument("--bin", type=Path, metavar="FOLDER", help="the folder of PostgreSQL's client programs")
            one.add_argument("--jobs", type=int, default=4, help="indexes that are built at once (4)")
        if step == "before-load":
            one.add_argument(
                "--all",
                action="store_true",
                help="what after-load makes too: for secondaryIndexes beforeLoad",
            )
    return parser


def _ask_for_outputs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--outputs", type=Path, metavar="FILE", help="the stack's outputs, instead of asking pulumi")


def _instead() -> dict[str, str]:
    """Return the superuser of the source that the environment names, if it does."""
    user, password = os.environ.get(SOURCE_USER), os.environ.get(SOURCE_PASSWORD)
    if (user is None) != (password is None):
        raise MigrateError(f"set both {SOURCE_USER} and {SOURCE_PASSWORD}, or neither")
    return {"username": user, "password": password} if user and password else {}


def _agree(asked: argparse.Namespace, found: Stack) -> None:
    """Say what is about to be done, and have a person type the migration's id."""
    plan = REPAIR if asked.verb == "validate" and asked.apply else PLANS.get(getattr(asked, "step", ""))
    if plan is None:
        return
    target = found.target.side
    _tell(f"migration {found.migration_id}, target {target.host}:{target.port}/{target.database}")
    _tell(plan)
    if asked.yes:
        return
    _tell(f"type {found.migration_id} to go on: ", end="")
    if sys.stdin.readline().strip() != found.migration_id:
        raise Refused("that is not the migration's id: nothing was done; --yes answers for you")


def _carry(asked: argparse.Namespace, both: Both) -> Result:
    if asked.step == "diff":
        return Readying(both, 0.0, _tell).compared()
    if asked.step == "before-switchover":
        return Readying(both, asked.seconds, _tell).before_switchover()
    newest = max(both.major(both.source), both.major(both.target))
    carrying = Carrying(both, find(asked.bin, newest), asked.jobs, _tell)
    return carrying.before_load(everything=asked.all) if asked.step == "before-load" else carrying.after_load()


def _show(result: Result, *, as_json: bool) -> None:
    if as_json:
        shown = {
            "good": result.good,
            **result.done,
            "failed": result.failed,
            "to_do": result.to_do,
            "differences": [one.to_dict() for one in result.differences],
        }
        print(json.dumps(shown, indent=1))
        return
    for one in result.differences:
        print(f"{'note' if one.noted else 'differs'}: {one}{f' ({one.why})' if one.why else ''}")
        if one.source is not None and one.target is not None:
            print(f"    source: {one.source}\n    target: {one.target}")
        for statement in one.mend:
            print(f"    {statement};")
    for line in result.failed:
        print(f"refused by the target: {line}")
    for line in result.to_do:
        print(f"to do: {line}")
    count = len(wrong(result.differences))
    print("source and target are defined alike" if not count else f"{count} differences")


def _tell(line: str, end: str = "\n") -> None:
    print(line, file=sys.stderr, end=end, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
