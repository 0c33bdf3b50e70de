"""The tables of the docs, from the facts beside the pictures."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- scenarios: written by `python -m gallery` -->", "<!-- end of scenarios -->"
PURPOSE = {
    "rds-mysql": "a MySQL database, small and cheap, watched by a function",
    "onprem-postgres-aurora": "PostgreSQL on premises to Aurora, near-zero downtime",
    "fleet-orchestration": "many databases and servers over a VPN, in phases",
    "payments": "an application with its database, from one region to another",
    "postgres-dev-to-staging": "PostgreSQL promoted to a protected RDS instance without a way to the internet",
}


def table(facts: Iterable[Mapping[str, Any]], pages: str) -> str:
    """Return the scenarios as a Markdown table; `pages` leads from the document to the folder of their pages."""
    rows = [
        f"| [{f['scenario']}]({pages}/{f['scenario']}.md) | {PURPOSE[f['scenario']]} | {f['resources']} "
        f"| {f['deploy_seconds']:.0f} s | {f['dollars_a_month']:,} |"
        for f in facts
    ]
    head = [
        "| scenario | what it is for | resources | deployed in a sandbox | USD a month, idle |",
        "|---|---|---|---|---|",
    ]
    return "\n".join([*head, *rows])


def replaced(text: str, inside: str) -> str:
    """Return `text` with what stands between the marks replaced. Raises ValueError where the marks are missing."""
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{inside}\n{END}{after}"


def write(folder: Path, documents: Sequence[Path]) -> None:
    """Write the table of all scenarios whose facts lie in `folder` into every document."""
    found = {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}
    facts = [found[scenario] for scenario in PURPOSE if scenario in found]
    for document in documents:
        pages = "docs/scenarios" if document.name == "README.md" else "scenarios"
        document.write_text(replaced(document.read_text(), table(facts, pages)))
