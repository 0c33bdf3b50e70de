"""The table of all rules for docs/preflight.md: `python -m gallery.preflight` writes it anew."""

import sys
from pathlib import Path

from handlers.preflight.findings import Severity
from handlers.preflight.registry import RULES

PAGE = Path(__file__).resolve().parents[1] / "docs" / "preflight.md"
BEGIN, END = "<!-- rules: begin -->", "<!-- rules: end -->"
MODES = {
    1: "a fence that can be got round",
    2: "a drain judged by a metric",
    3: "two writers by weight",
    4: "a health check that leads back",
    5: "names and pools that linger",
    6: "a way back that begins too late",
    7: "sequences that lag",
    8: "a way back that lacks something",
    9: "an abort that stays half done",
    10: "tables without a key",
    11: "large objects that are cut",
    12: "numbers that are rounded",
    13: "a schema that changes on the way",
    14: "triggers and foreign keys that fire",
    15: "secondary objects that are missing",
    16: "what DMS's validation does not see",
    17: "a cold target",
    18: "other writers and readers",
    19: "slots that fill the disk",
    20: "transactions that stay open",
    21: "timeouts",
    22: "large objects (pg_largeobject)",
    23: "materialized views and unlogged tables",
    24: "columns, partitions and indexes of special kinds",
    25: "row-level security",
    26: "versions, extensions and collations",
    27: "roles, grants and defaults",
    28: "a fence by table lock",
}
"""Ways in which migrations fail, by the number rules refer to."""


def table() -> str:
    """Return the table of rules, what blocks first."""
    rows = ["| rule | | looks for | why | about |", "|---|---|---|---|---|"]
    order = list(Severity)
    for rule in sorted(RULES, key=lambda one: order.index(one.severity)):
        about = ", ".join(str(mode) for mode in rule.modes)
        again = "" if rule.again else " (once)"
        rows.append(f"| `{rule.id}` | {rule.severity}{again} | {rule.what} | {rule.why} | {about} |")
    looked_at = {mode for rule in RULES for mode in rule.modes}
    rows += ["", "| number | a migration fails by | rules |", "|---|---|---|"]
    for mode, text in MODES.items():
        names = ", ".join(f"`{rule.id}`" for rule in RULES if mode in rule.modes)
        rows.append(f"| {mode} | {text} | {names if mode in looked_at else 'none: ' + ELSEWHERE[mode]} |")
    return "\n".join(rows)


ELSEWHERE = {
    2: "the switchover drains by a row it writes itself",
    4: "the stack gives the writer's name no health check",
    13: "the schema's fingerprint is compared at the start and before the fence",
    17: "statistics are made after the load",
    28: "no fence here locks a table",
}
"""What the other failure modes are left to."""


def written(page: str) -> str:
    """Return the page with its table as it should be."""
    head, rest = page.split(BEGIN)
    return f"{head}{BEGIN}\n\n{table()}\n\n{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
    sys.stdout.write(f"{PAGE}\n")
