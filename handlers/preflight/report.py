"""A verdict as an operator reads it in a terminal: what blocks first, each remedy once and to the letter."""

import textwrap
from collections.abc import Iterator
from itertools import groupby

from handlers.preflight.findings import Finding, Kind, NotRun, Remedy, Severity, Verdict
from handlers.preflight.registry import BY_ID

WIDTH = 100
SHOWN = 10
"""So many objects of a rule are shown; the answer's data has them all."""
HEADS = {Severity.BLOCK: "BLOCKS", Severity.WARN: "WARNS", Severity.INFO: "SAYS"}


def text(verdict: Verdict, title: str) -> str:
    """Return the whole report."""
    return "\n".join([*_head(verdict, title), *_findings(verdict), *_not_run(verdict.not_run), *_tail(verdict)])


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
    remedies = list(dict.fromkeys(one.remedy for one in findings))
    for remedy in remedies[:SHOWN]:
        yield from _remedy(remedy)
    if len(remedies) > SHOWN:
        yield f"  and {len(remedies) - SHOWN} remedies more"


def _remedy(remedy: Remedy) -> Iterator[str]:
    heads = {
        Kind.SQL: f"  run on the {remedy.side}:",
        Kind.RESTART: f"  run on the {remedy.side}, then restart it:",
        Kind.CONFIG: "  write into the stack's configuration, then pulumi up:",
        Kind.ADVICE: "  do:",
    }
    yield heads[remedy.kind]
    yield from textwrap.indent(remedy.text, "      ").splitlines()
    if remedy.on_rds:
        yield f"    on RDS instead: {remedy.on_rds}"


def _some(lines: list[str]) -> list[str]:
    return lines if len(lines) <= SHOWN else [*lines[:SHOWN], f"  and {len(lines) - SHOWN} more"]


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
