"""All rules, and what they say of a pair."""

from handlers.preflight.facts import NotRead
from handlers.preflight.findings import Finding, NotRun, Verdict, order
from handlers.preflight.rule import Case, Rule
from handlers.preflight.rules import alike, data, keys, names, roles, schema, server, structure

RULES: tuple[Rule, ...] = (
    *(*keys.RULES, *data.RULES, *structure.RULES, *server.RULES),
    *(*roles.RULES, *alike.RULES, *schema.RULES, *names.RULES),
)
"""Every rule there is, in the order in which documents name them."""
BY_ID = {one.id: one for one in RULES}


def judge(case: Case, rules: tuple[Rule, ...] = RULES) -> Verdict:
    """Return what the rules say. A rule whose facts could not be read is told as not run, with what it did find."""
    findings: list[Finding] = []
    not_run, passed = [], []
    for one in rules:
        before = len(findings)
        try:
            for found in one.look(case):
                findings.append(
                    Finding(
                        rule=one.id,
                        severity=one.severity,
                        side=found.side or one.side,
                        object=found.object,
                        found=found.found,
                        why=one.why,
                        remedy=found.remedy,
                        excused=_excused(case, one, found.object),
                    )
                )
        except NotRead as gap:
            why, remedy = gap.unread.why, gap.unread.remedy
            not_run.append(NotRun(one.id, one.severity, one.side, gap.section, why, remedy))
        else:
            if len(findings) == before:
                passed.append(one.id)
    return Verdict(order(findings), tuple(not_run), tuple(passed))


def again(case: Case) -> Verdict:
    """Return what those rules say that count once more before the fence."""
    return judge(case, tuple(one for one in RULES if one.again))


def _excused(case: Case, rule: Rule, found: str) -> str:
    return next((one.reason for one in case.terms.excuses if one.covers(rule.id, found)), "")
