"""A verdict as an operator reads it in a terminal: what blocks first, each remedy once and to the letter."""

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from handlers.preflight.findings import Finding, Kind, NotRun, Remedy, Severity, Verdict
from handlers.preflight.registry import BY_ID

WIDTH = 100
SHOWN = 10
"""So many objects of a rule are shown; the answer's data has them all."""
LINES = 40
"""So many lines of a remedy are."""
HEADS_OF_REMEDIES = {
    Kind.SQL: "run on the {}:",
    Kind.RESTART: "run on the {}, then restart it:",
    Kind.CONFIG: "write into the stack's configuration, then pulumi up:",
    Kind.ADVICE: "do:",
}
HEADS = {Severity.BLOCK: "BLOCKS", Severity.WARN: "WARNS", Severity.INFO: "SAYS"}


def text(verdict: Verdict, title: str, plan: Sequence[str] = ()) -> str:
    """Return the whole report. `plan` are lines about what was made beside it."""
    lines = [*_head(verdict, title), *_findings(verdict), *_not_run(verdict.not_run), *plan, *_tail(verdict)]
    return "\n".join(lines)


def one_line(verdict: Verdict) -> str:
    """Return the counts."""
    counts = verdict.counts()
    parts = [
        f"{counts['block']} block",
        f"{counts['warn']} warn",
        f"{counts['info']} say something",
        f"{counts['excused']} excused",
        f"{counts['not_run']} rules could not look",
        f"{counts['passed']} passed",
    ]
    return "preflight: " + ", ".join(parts)


def _head(verdict: Verdict, title: str) -> list[str]:
    return [title, one_line(verdict)]


def _findings(verdict: Verdict) -> Iterator[str]:
    live = [one for one in verdict.findings if not one.excused]
    for (rule, severity), group in groupby(live, key=lambda one: (one.rule, one.severity)):
        yield from _rule(rule, severity, list(group))
    excused = [one for one in verdict.findings if one.excused]
    if excused:
        yield ""
        yield "EXCUSED"
        yield from _some([f"  {one.rule}: {one.object} ({one.excused})" for one in excused])


def _rule(rule: str, severity: Severity, findings: list[Finding]) -> Iterator[str]:
    known = BY_ID[rule]
    yield ""
    yield f"{HEADS[severity]} {rule}: {known.what[0].lower()}{known.what[1:]}"
    yield from textwrap.wrap(known.why, WIDTH, initial_indent="  ", subsequent_indent="  ")
    yield from _some([f"  - {one.object} ({one.side}): {one.found}" for one in findings])
    texts = merged(one.remedy for one in findings)
    for head, lines, on_rds in texts:
        yield f"  {head}"
        yield from _some([f"      {line}" for line in lines], LINES)
        if on_rds:
            yield f"    on RDS instead: {on_rds}"


def merged(remedies: Iterable[Remedy]) -> list[tuple[str, list[str], str]]:
    """Return what to do, as (where, lines, what instead on RDS): remedies of one place and kind become one.

    Pieces of configuration that differ in their last line alone are one list.
    """
    found: dict[tuple[str, tuple[str, ...], str], list[str]] = {}
    for remedy in dict.fromkeys(remedies):
        head = HEADS_OF_REMEDIES[remedy.kind].format(remedy.side)
        lines = remedy.text.splitlines()
        stem = tuple(lines[:-1]) if remedy.kind is Kind.CONFIG else ()
        found.setdefault((head, stem, remedy.on_rds), []).extend(lines[len(stem) :])
    return [(head, [*stem, *lines], on_rds) for (head, stem, on_rds), lines in found.items()]


def _some(lines: list[str], most: int = SHOWN) -> list[str]:
    return lines if len(lines) <= most else [*lines[:most], f"  and {len(lines) - most} more"]


def _not_run(missing: tuple[NotRun, ...]) -> Iterator[str]:
    for why, group in groupby(sorted(missing, key=lambda one: (one.why, one.rule)), key=lambda one: one.why):
        rules = list(group)
        yield ""
        yield f"COULD NOT LOOK {', '.join(one.rule for one in rules)}"
        yield f"  {why}"
        if rules[0].remedy:
            yield "  run:"
            yield f"      {rules[0].remedy}"


def _tail(verdict: Verdict) -> list[str]:
    if verdict.good:
        return ["", "Nothing blocks: the replication may start."]
    return [
        "",
        "The replication does not start before this is mended, or answered for by name:",
        '      preflight: {excusedRules: [{rule: ..., objects: [...], reason: "..."}]}',
    ]
