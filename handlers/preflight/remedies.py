"""Remedies as they are written: SQL with its names quoted, and pieces of a stack's configuration."""

from handlers.core.comparison import Table
from handlers.preflight.findings import Kind, Remedy, Side


def sql(side: Side, *statements: str) -> Remedy:
    """Return statements to run on a side."""
    return Remedy(Kind.SQL, "\n".join(statements), side)


def restart(side: Side, name: str, value: str, on_rds: str = "") -> Remedy:
    """Return the change of a setting that only a restart brings into force; on RDS it is one of the parameter group."""
    return Remedy(
        Kind.RESTART,
        f"ALTER SYSTEM SET {name} = '{value}';",
        side,
        on_rds or f"set {name} to {value} in the parameter group and reboot",
    )


def config(text: str) -> Remedy:
    """Return what to write into the stack's configuration."""
    return Remedy(Kind.CONFIG, text)


def advice(text: str) -> Remedy:
    """Return what to do in words, where nothing can be run as it stands."""
    return Remedy(Kind.ADVICE, text)


MOST_LOB_KB = 102400
"""The largest that DMS takes for LobMaxSize."""


TASK_LOB_KB = 64
"""The largest LobMaxSize that a whole task is told: DMS takes it 10,000 times for each column that may be so large."""


def rounded(kilobytes: int) -> int:
    """Return a LobMaxSize with room to grow: the next power of two."""
    return 1 << max(0, kilobytes - 1).bit_length()


def lob_maximum(table: Table, kilobytes: int, *, own: bool) -> str:
    """Return the configuration that lets a table's large objects be so large.

    It is the task's if that is little, unless the table has a limit of its `own`, by which the task's does not count.
    """
    wanted = min(MOST_LOB_KB, rounded(kilobytes))
    if wanted <= TASK_LOB_KB and not own:
        return f"replication:\n  lobMaximumKb: {wanted}"
    names = f"schema: {yaml(table.schema)}, table: {yaml(table.name)}"
    return f"replication:\n  tableSettings:\n    - {{{names}, lobMaximumKb: {wanted}}}"


def exclude(table: Table) -> str:
    """Return the configuration that leaves a table out of the replication."""
    return (
        f"replication:\n  tables:\n    - {{schema: {yaml(table.schema)}, table: {yaml(table.name)}, action: exclude}}"
    )


def excuse(identity: str, found: str) -> str:
    """Return the configuration that answers for a finding, but for the reason."""
    return f'preflight:\n  excusedRules:\n    - {{rule: {identity}, objects: [{yaml(found)}], reason: "..."}}'


def yaml(text: str) -> str:
    """Return a text as YAML takes it, whatever it holds."""
    return "'" + text.replace("'", "''") + "'"


def name(table: Table) -> str:
    """Return a table's name as SQL takes it, quoted only where it must be."""
    return f"{quoted(table.schema)}.{quoted(table.name)}"


def quoted(word: str) -> str:
    """Return a name as SQL takes it. Words of SQL are quoted as well, for they could be reserved."""
    plain = word.replace("_", "a").isalnum() and word.isascii() and word == word.lower() and not word[:1].isdigit()
    return word if plain and word not in RESERVED else '"' + word.replace('"', '""') + '"'


_WORDS = """
all analyse analyze and any array as asc asymmetric authorization binary both case cast check collate collation column
concurrently constraint create cross current_catalog current_date current_role current_schema current_time
current_timestamp current_user default deferrable desc distinct do else end except false fetch for foreign freeze from
full grant group having ilike in initially inner intersect into is isnull join lateral leading left like limit localtime
localtimestamp natural not notnull null offset on only or order outer overlaps placing primary references returning
right select session_user similar some symmetric system_user table tablesample then to trailing true union unique user
using variadic verbose when where window with
"""
RESERVED = frozenset(_WORDS.split())
"""Words that PostgreSQL takes for no name unless they are quoted."""
