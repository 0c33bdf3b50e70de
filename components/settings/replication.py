"""Sections that say what is replicated, and by what."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from components.dms_settings import DEFAULT_LOB_MAXIMUM_KB, MOST_LOB_KB
from components.dms_transformations import TransformationRule
from components.name_patterns import is_exact
from components.settings.sections import Section, Text

CLASS = r"^dms\.[a-z0-9]+\.[a-z0-9]+$"
TARGET_NAME = r"^[A-Za-z_][A-Za-z0-9_]{0,62}$"
NAME_PART = r"^[A-Za-z0-9_]{1,62}$"
ASCII = "ASCII letters, digits and underscores"
CHANGES = {
    "rename": "rename",
    "prefix": "add-prefix",
    "suffix": "add-suffix",
    "case": "convert-{}case",
    "remove": "remove-column",
}
"""What a transformation can do, and DMS's word for it; `{}` stands for the value."""
CAPACITY_UNITS = (1, 2, 4, 8, 16, 32, 64, 128, 192, 256, 384)
"""Capacities DMS Serverless knows; a unit is 2 GB of memory."""


def _capacity(value: int) -> int:
    if value not in CAPACITY_UNITS:
        raise ValueError("not a capacity DMS Serverless knows")
    return value


Capacity = Annotated[int, AfterValidator(_capacity)]


class Table(Section):
    """Tables to replicate or leave out; `%` stands for any characters."""

    schema_name: str = Field(alias="schema", min_length=1, description="a schema name, for example public")
    table: str = Field("%", min_length=1, description="a table name, or % for all")
    action: Literal["include", "exclude"] = Field("include", description="include or exclude")
    load_order: int | None = Field(
        None,
        ge=1,
        le=2**31 - 1,
        description="a whole number from 1 to 2147483647; tables with higher ones begin to load first",
    )

    @model_validator(mode="after")
    def _order_of_what_is_loaded(self) -> Self:
        if self.load_order is not None and self.action == "exclude":
            raise ValueError("loadOrder is for tables that are loaded: leave it out, or include them")
        return self


class Transformation(Section):
    """One name that differs on the target, or a column left behind.

    What is named is what changes: a schema, a table with `table`, a column with `column`.
    """

    schema_name: str = Field(alias="schema", min_length=1, description="a schema name of the source, for example app")
    table: str | None = Field(None, min_length=1, description="a table name of the source, or % for all")
    column: str | None = Field(
        None,
        min_length=1,
        pattern=r"^[^#\\/-]+$",
        description="a column name without dashes, slashes and #, as DMS wants it",
    )
    rename: str | None = Field(None, pattern=TARGET_NAME, description=f"the name on the target, in {ASCII}, 63 at most")
    prefix: str | None = Field(
        None, pattern=TARGET_NAME, description=f"what tables' names begin with on the target, in {ASCII}"
    )
    suffix: str | None = Field(
        None, pattern=NAME_PART, description=f"what tables' names end with on the target, in {ASCII}"
    )
    case: Literal["lower", "upper"] | None = Field(None, description="lower or upper")
    remove: Literal[True] | None = Field(None, description="true, for a column that stays behind")

    @model_validator(mode="after")
    def _one_purpose(self) -> Self:
        given = [key for key in CHANGES if getattr(self, key) is not None]
        if len(given) != 1:
            raise ValueError(
                f"one change each, here are {', '.join(given) or 'none'} of {', '.join(CHANGES)}: write one"
            )
        if self.column and not self.table:
            raise ValueError(f"column {self.column} has no table: write whose column it is")
        [change] = given
        if change == "remove" and not self.column:
            raise ValueError("remove is for a column: name one, and leave tables out in replication.tables")
        if change in ("prefix", "suffix") and (self.column or not self.table):
            raise ValueError(f"{change} is for tables' names: give table, which may be %, and no column")
        names = (self.schema_name, self.table, self.column)
        if change == "rename" and not all(is_exact(name) for name in names if name):
            raise ValueError("rename is for one name: give it without % and [")
        return self

    @property
    def rule(self) -> TransformationRule:
        """The same as DMS has it."""
        [(change, value)] = [(key, value) for key in CHANGES if (value := getattr(self, key)) is not None]
        return {
            "schema": self.schema_name,
            "table": self.table,
            "column": self.column,
            "action": CHANGES[change].format(value),
            "value": value if change in ("rename", "prefix", "suffix") else None,
        }


class ParallelLoad(Section):
    """Ranges of one column that a large table's full load is split into."""

    column: str = Field(min_length=1, description="a column, best the primary key")
    boundaries: tuple[Text, ...] = Field(
        min_length=1,
        max_length=49,
        description='1 to 49 rising values of the column as text, for example ["1000", "2000"]',
    )


class TableSettings(Section):
    """What holds for one table alone, as preflight proposes it."""

    schema_name: str = Field(alias="schema", min_length=1, description="a schema name, for example public")
    table: str = Field(min_length=1, description="the name of one table, without wildcards")
    lob_maximum_kb: int | None = Field(None, ge=1, le=MOST_LOB_KB, description="KB from 1 to 102400")
    parallel_load: ParallelLoad | None = Field(None, description="a column and the boundaries of its ranges")

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.lob_maximum_kb is None and self.parallel_load is None:
            raise ValueError(f"nothing is set for table {self.table}: give lobMaximumKb, parallelLoad or both")
        return self


class ReplicationInstance(Section):
    """The DMS instance, and what holds for every task on it."""

    instance_class: str = Field("dms.r5.large", pattern=CLASS, description="a class, for example dms.r5.large")
    storage_gb: int = Field(100, ge=5, le=6144, description="GB from 5 to 6144")
    multi_az: bool = Field(False, description="true or false")
    engine_version: str | None = Field(None, pattern=r"^\d+\.\d+\.\d+$", description='a version, for example "3.5.4"')
    lob_maximum_kb: int = Field(DEFAULT_LOB_MAXIMUM_KB, ge=1, le=MOST_LOB_KB, description="KB from 1 to 102400")
    create_account_roles: bool = Field(True, description="true, or false where the account has dms-vpc-role already")


class Serverless(Section):
    """DMS Serverless: capacity that AWS provides as the load asks for it, instead of an instance."""

    minimum_capacity_units: Capacity = Field(1, description=f"one of {', '.join(map(str, CAPACITY_UNITS))}")
    maximum_capacity_units: Capacity = Field(description=f"one of {', '.join(map(str, CAPACITY_UNITS))}")


class Replication(ReplicationInstance):
    """DMS."""

    serverless: Serverless | None = Field(
        None, description="the capacity of DMS Serverless; leave it out for an instance"
    )
    tables: tuple[Table, ...] = Field(
        (Table(schema="public"),), min_length=1, description='a list of rules, for example [{"schema": "public"}]'
    )
    secondary_indexes: Literal["beforeLoad", "afterLoad"] = Field("beforeLoad", description="beforeLoad or afterLoad")
    transformations: tuple[Transformation, ...] = Field(
        (), description='a list of changes, for example [{"schema": "app", "rename": "app_v2"}]'
    )
    table_settings: tuple[TableSettings, ...] = Field(
        (), description="a list of tables with lobMaximumKb or parallelLoad; preflight's plan has it"
    )
