"""Tables and columns whose rows DMS does not carry as they are."""

# ruff: noqa: S608 - nothing here is run: these are remedies for people, with quoted names

from collections import defaultdict
from collections.abc import Iterator

from handlers.core import mapping
from handlers.core.comparison import Column, Table, verdict
from handlers.preflight.facts import Lobs, Relations, Structure
from handlers.preflight.findings import Found, Severity, Side
from handlers.preflight.remedies import (
    MOST_LOB_KB,
    advice,
    config,
    exclude,
    excuse,
    lob_maximum,
    name,
    quoted,
    sql,
    yaml,
)
from handlers.preflight.rule import Case, rule

CUT_AT = 8000


@rule(
    "lob-too-large",
    11,
    severity=Severity.BLOCK,
    side=Side.SOURCE,
    what="A value is larger than the task carries",
    why="In limited LOB mode DMS cuts what is longer; this stack's endpoints fail the task instead.",
    again=False,
)
def lob_too_large(case: Case) -> Iterator[Found]:
    """Values above LobMaxSize."""
    lobs = case.source.read(Lobs)
    needed = lobs.needed
    for lob in lobs.all:
        limit = case.terms.lob_limit(lob.table)
        if limit is not None and lob.how == "exact" and lob.kilobytes > limit and case.terms.takes(lob.table):
            found = f"its largest value needs LobMaxSize {lob.kilobytes} KB, the task has {limit} KB"
            fits = lob.kilobytes <= MOST_LOB_KB
            own = limit != case.terms.lob_kilobytes
            remedy = config(lob_maximum(lob.table, needed[lob.table], own=own) if fits else exclude(lob.table))
            yield Found(f"{lob.table}.{lob.column}", found, remedy)


@rule(
    "lob-unmeasured",
    11,
    severity=Severity.WARN,
    side=Side.SOURCE,
    what="The largest value of a large-object column is not known",
    why="What is longer than LobMaxSize fails the task, and nobody has looked whether there is one.",
    again=False,
)
def lob_unmeasured(case: Case) -> Iterator[Found]:
    """Columns that there was no time, or no right, to measure."""
    for lob in case.source.read(Lobs).all:
        if lob.how != "exact" and case.terms.takes(lob.table):
            table, column = name(lob.table), quoted(lob.column)
            known = f"only its average of {lob.kilobytes} KB is known" if lob.how == "average" else "nothing is known"
            yield Found(
                f"{lob.table}.{lob.column}",
                known,
                advice(
                    "call preflight with a larger lobSeconds, or look: "
                    f"SELECT max(octet_length({column}::text)) FROM {table};"
                ),
            )


@rule(
    "unbounded-varchar",
    11,
    severity=Severity.BLOCK,
    side=Side.SOURCE,
    what="A varchar without a length holds more than 8000 bytes",
    why="DMS takes varchar without a length for varchar(8000) and cuts what is longer.",
    again=False,
)
def unbounded_varchar(case: Case) -> Iterator[Found]:
    """Values that DMS would cut without a word."""
    sizes = {(lob.table, lob.column): lob for lob in case.source.read(Lobs).all}
    for one, column in case.columns():
        lob = sizes.get((one.table, column.name))
        if column.base != "varchar" or column.bounded or column.array or lob is None or lob.how != "exact":
            continue
        if lob.bytes > 2 * CUT_AT:  # DMS counts two bytes a character
            yield Found(
                f"{one.table}.{column.name}",
                f"{column.type} with values of {lob.bytes // 2} characters",
                sql(Side.SOURCE, f"ALTER TABLE {name(one.table)} ALTER COLUMN {quoted(column.name)} TYPE text;"),
            )


@rule(
    "numeric-unbounded",
    12,
    severity=Severity.INFO,
    side=Side.SOURCE,
    what="A numeric column has no precision",
    why="DMS rounds such values to six decimals by default. This stack's endpoints carry them as text "
    "(MapUnboundedNumericAsString), and the comparison is exact.",
)
def numeric_unbounded(case: Case) -> Iterator[Found]:
    """Numbers that are exact only by a setting of the endpoint."""
    for one, column in case.columns():
        if column.base == "numeric" and not column.bounded and not column.array:
            found = f"{one.table}.{column.name}"
            yield Found(found, "numeric without precision", config(excuse("numeric-unbounded", found)))


@rule(
    "infinite-date",
    11,
    severity=Severity.BLOCK,
    side=Side.SOURCE,
    what="A date or timestamp is infinite",
    why="DMS writes 9999-12-31 23:59:59 or 4713-01-01 BC instead: the comparison behind the fence would refuse.",
)
def infinite_date(case: Case) -> Iterator[Found]:
    """Infinities, as far as the planner's sample shows them."""
    for one, column in case.columns():
        if column.infinite:
            table, field = name(one.table), quoted(column.name)
            yield Found(
                f"{one.table}.{column.name}",
                f"its sample of {column.type} holds infinity",
                sql(
                    Side.SOURCE,
                    f"UPDATE {table} SET {field} = '9999-12-31' WHERE {field} = 'infinity';",
                    f"UPDATE {table} SET {field} = '4713-01-01 BC' WHERE {field} = '-infinity';",
                    f"ANALYZE {table};",
                ),
            )


@rule(
    "large-objects",
    22,
    severity=Severity.BLOCK,
    side=Side.SOURCE,
    what="There are large objects (pg_largeobject)",
    why="DMS does not carry them: columns that point to them would point to nothing.",
)
def large_objects(case: Case) -> Iterator[Found]:
    """Large objects, whoever points to them."""
    count = case.source.read(Structure).large_objects
    if count:
        yield Found(
            "pg_largeobject",
            f"{count} large objects",
            config(excuse("large-objects", "pg_largeobject").replace("...", "copied in the window by pg_dump -b")),
        )


@rule(
    "unlogged-table",
    23,
    severity=Severity.BLOCK,
    side=Side.SOURCE,
    what="A table is unlogged",
    why="Its changes are in no log: DMS would carry what it held when the load began, and nothing after that.",
)
def unlogged_table(case: Case) -> Iterator[Found]:
    """Tables whose changes nobody can read."""
    for one in case.taken():
        if one.unlogged and one.kind == "r":
            remedy = sql(Side.SOURCE, f"ALTER TABLE {name(one.table)} SET LOGGED;")
            yield Found(str(one.table), "it is unlogged; where its rows do not matter, exclude it instead", remedy)


@rule(
    "foreign-table",
    15,
    severity=Severity.WARN,
    side=Side.SOURCE,
    what="A table is foreign",
    why="Its rows are elsewhere and are not carried; the target needs the same server and user mappings.",
)
def foreign_table(case: Case) -> Iterator[Found]:
    """Tables without rows of their own."""
    for one in case.source.read(Relations).all:
        if one.kind == "f" and case.terms.takes(one.table):
            yield Found(str(one.table), "it is a foreign table", config(exclude(one.table)))


@rule(
    "partitioned-parent",
    24,
    severity=Severity.WARN,
    side=Side.SOURCE,
    what="A partitioned table is selected together with its partitions",
    why="DMS lists both and may load every row twice. Partitions alone are enough. A partition that is made during the "
    "replication counts as a change of the schema: make those of the next months before.",
)
def partitioned_parent(case: Case) -> Iterator[Found]:
    """Parents beside their partitions."""
    for one in case.taken():
        if one.kind == "p":
            yield Found(
                str(one.table), "it is partitioned; its partitions are selected too", config(exclude(one.table))
            )


@rule(
    "inheritance",
    24,
    severity=Severity.WARN,
    side=Side.SOURCE,
    what="A table inherits from another",
    why="A query of the parent returns the child's rows as well, so that a full load of both carries them twice.",
)
def inheritance(case: Case) -> Iterator[Found]:
    """Children of tables that are not partitioned."""
    for one in case.taken():
        if one.inherits and not one.partition:
            found = str(one.table)
            yield Found(found, "it inherits from another table", config(excuse("inheritance", found)))


@rule(
    "generated-column",
    24,
    severity=Severity.WARN,
    side=Side.SOURCE,
    what="A column is generated",
    why="The target computes it itself and refuses a value for it: tell the task to leave it behind.",
)
def generated_column(case: Case) -> Iterator[Found]:
    """Columns that DMS must not write."""
    for one, column in case.columns():
        if column.generated and mapping.columns(one.table, [Column(column.name, column.base)], case.terms.rules):
            yield Found(
                f"{one.table}.{column.name}",
                "it is generated",
                config(
                    "replication:\n  transformations:\n    - {schema: "
                    f"{yaml(one.table.schema)}, table: {yaml(one.table.name)}, column: {yaml(column.name)}, "
                    "remove: true}"
                ),
            )


@rule(
    "names-differ-by-case",
    24,
    severity=Severity.BLOCK,
    side=Side.SOURCE,
    what="Two tables differ only in the case of their names",
    why="DMS mixes them up.",
)
def names_differ_by_case(case: Case) -> Iterator[Found]:
    """Tables that are one to DMS."""
    alike: dict[str, list[Table]] = defaultdict(list)
    for one in case.taken():
        alike[str(one.table).lower()].append(one.table)
    for tables in alike.values():
        for extra in sorted(tables)[1:]:
            others = ", ".join(str(table) for table in sorted(tables) if table != extra)
            yield Found(
                str(extra),
                f"it differs from {others} in the case of letters alone",
                sql(Side.SOURCE, f"ALTER TABLE {name(extra)} RENAME TO {quoted(extra.name.lower() + '_2')};"),
            )


@rule(
    "unselected-table",
    15,
    severity=Severity.BLOCK,
    side=Side.SOURCE,
    what="No rule of the table mappings speaks of a table",
    why="It would not be carried, and nobody has said so.",
)
def unselected_table(case: Case) -> Iterator[Found]:
    """Tables that were forgotten."""
    for one in case.source.read(Relations).all:
        if one.kind == "r" and verdict(one.table, case.terms.rules) is None:
            text = exclude(one.table).replace("exclude", "include")
            yield Found(str(one.table), "no rule includes or excludes it", config(text))


RULES = (
    lob_too_large,
    lob_unmeasured,
    unbounded_varchar,
    numeric_unbounded,
    infinite_date,
    large_objects,
    unlogged_table,
    foreign_table,
    partitioned_parent,
    inheritance,
    generated_column,
    names_differ_by_case,
    unselected_table,
)
