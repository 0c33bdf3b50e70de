"""Whether two tables hold the same rows: a count and a sum of row hashes, computed by both servers in one scan each.

How a row is hashed: `handlers.validation.equality`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass(frozen=True)
class Column:
    """A column: its name, and its type's internal name (`_int4` is an array of int4).

    A type that is not PostgreSQL's own has its schema before it, and text that equals by other rules than its bytes is
    `text (nondeterministic)`.
    """

    name: str
    type_name: str


@dataclass(frozen=True, order=True)
class Table:
    """A table that holds rows itself: an ordinary one or a partition without partitions."""

    schema: str
    name: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True)
class Digest:
    """Number of rows and the sum of their hashes. A sum, not an exclusive or: there duplicates would cancel out."""

    rows: int
    hash: str


def selected(table: Table, rules: Iterable[Mapping[str, object]]) -> bool:
    """Say whether DMS's selection rules take `table`: included by one, excluded by none."""
    return verdict(table, rules) is True


def verdict(table: Table, rules: Iterable[Mapping[str, object]]) -> bool | None:
    """Return whether DMS's selection rules include `table` (True), exclude it (False), or do not speak of it (None)."""
    taken = None
    for rule in rules:
        if rule.get("rule-type") != "selection":
            continue
        locator = rule["object-locator"]
        assert isinstance(locator, Mapping)  # noqa: S101 - the shape of DMS's own documents
        if like(table.schema, str(locator["schema-name"])) and like(table.name, str(locator["table-name"])):
            if rule["rule-action"] == "exclude":
                return False
            taken = taken or rule["rule-action"] in ("include", "explicit") or None
    return taken


def differences(
    old: Mapping[Table, Digest | None],
    new: Mapping[Table, Digest | None],
    called: tuple[str, str] = ("source", "target"),
) -> list[str]:
    """Return, for every table that differs, a line that says how. None stands for a table that is not there.

    `called` is what the two sides are called.
    """
    lines = []
    for table in sorted({*old, *new}):
        here, there = old.get(table), new.get(table)
        if here == there:
            continue
        if here is None or there is None:
            lines.append(f"{table} is missing on the {called[0] if here is None else called[1]}")
        elif here.rows != there.rows:
            lines.append(f"{table} has {here.rows} rows on the {called[0]}, {there.rows} on the {called[1]}")
        else:
            lines.append(f"{table} has the same {here.rows} rows by number, not by content")
    return lines


def like(text: str, pattern: str) -> bool:
    """Match DMS's wildcards: `%` for any characters, `_` for one, both literal in brackets."""
    shell, escaped = "", False
    for character in pattern:
        if character == "[":
            escaped, shell = True, shell + "["
        elif character == "]":
            escaped, shell = False, shell + "]"
        elif escaped:
            shell += character
        else:
            shell += {"%": "*", "_": "?", "*": "[*]", "?": "[?]"}.get(character, character)
    return fnmatchcase(text, shell)
