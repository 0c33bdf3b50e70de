"""What makes the target ready to be opened: foreign keys proved, views refreshed, statistics taken, memory filled."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

import psycopg2

from handlers.core.names import CONTROL_SCHEMA
from migrate.carry import Result, Tell
from migrate.core import warming
from migrate.core.difference import compare
from migrate.core.warming import Relation
from migrate.programs import first_error
from migrate.sides import Both

EXTENSION = "pg_prewarm"
RETRIES, PAUSE_SECONDS = 3, 5.0
"""A foreign key may be untrue for a moment while DMS applies a batch table by table."""


@dataclass
class Readying:
    """The last look at the target. `seconds` bounds the reading into memory."""

    both: Both
    seconds: float
    tell: Tell
    result: Result = field(default_factory=Result)

    def before_switchover(self) -> Result:
        """Do all of it, then compare."""
        self._prove_foreign_keys()
        self.tell("refreshing materialized views")
        self.result.done["refreshed"] = self.both.target.refresh_materialized_views()
        self.tell("VACUUM (ANALYZE)")
        self.both.target.rows("VACUUM (ANALYZE)")
        self._warm()
        return self.compared()

    def compared(self) -> Result:
        """Compare both databases."""
        self.result.differences = compare(*self.both.described())
        return self.result

    def _prove_foreign_keys(self) -> None:
        """Have every foreign key that the source has looked at look at the target's rows."""
        here, there = self.both.described()
        found = [one for one in compare(here, there, ["foreign key"]) if one.target == f"{one.source} NOT VALID"]
        for number, one in enumerate(found, start=1):
            self.tell(f"{one.what} ({number} of {len(found)})")
            refused = self._patiently(one.mend[0])
            if refused:
                self.result.failed.append(f"{one.mend[0]}: {refused}")
        self.result.done["foreign_keys_proved"] = len(found) - len(self.result.failed)

    def _patiently(self, statement: str) -> str:
        """Run a statement until the rows it wants are there; return why they are not."""
        for left in reversed(range(RETRIES)):
            try:
                self.both.target.rows(statement)
                return ""
            except psycopg2.errors.ForeignKeyViolation as error:
                if not left:
                    return first_error(str(error))
            time.sleep(PAUSE_SECONDS)
        return ""

    def _warm(self) -> None:
        """Read what the source uses most into the target's memory, for as long as it may take."""
        target = self.both.target
        schema, ours = self._prewarm()
        if not schema:
            return
        [(buffers,)] = target.rows(
            "SELECT setting::bigint * current_setting('block_size')::int FROM pg_settings WHERE name = 'shared_buffers'"
        )
        wanted = warming.chosen(self._relations(), int(buffers))
        until, read = time.monotonic() + self.seconds, 0
        try:
            for one in wanted:
                if time.monotonic() >= until:
                    break
                self.tell(f"reading {one.name} into memory")
                target.rows(f"SELECT {schema}.{EXTENSION}(%(name)s::regclass)", {"name": one.name})
                read += one.size
        finally:
            if ours:
                target.rows(f"DROP EXTENSION {EXTENSION}")
        self.result.done["bytes_in_memory"] = read

    def _prewarm(self) -> tuple[str, bool]:
        """Return the schema of the extension, none where it can't be had, and whether it is here for us alone."""
        target = self.both.target
        found = target.rows(
            "SELECT quote_ident(n.nspname) FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace "
            "WHERE e.extname = %(name)s",
            {"name": EXTENSION},
        )
        if found:
            return found[0][0], False
        try:
            target.rows(f"CREATE EXTENSION {EXTENSION} SCHEMA {CONTROL_SCHEMA}")
        except (psycopg2.errors.FeatureNotSupported, psycopg2.errors.InsufficientPrivilege) as error:
            why = first_error(str(error))
            self.result.to_do.append(f"no {EXTENSION} on the target, its first queries will read from disk: {why}")
            return "", False
        return CONTROL_SCHEMA, True

    def _relations(self) -> Iterable[Relation]:
        used = dict(self.both.source.rows(_USES))
        for name, kind, size in self.both.target.rows(_SIZES):
            yield Relation(name, kind == "i", int(size), int(used.get(name, 0)))


_USES = """SELECT quote_ident(schemaname) || '.' || quote_ident(indexrelname), idx_scan FROM pg_stat_user_indexes
UNION ALL SELECT quote_ident(schemaname) || '.' || quote_ident(relname), seq_scan + coalesce(idx_scan, 0)
FROM pg_stat_user_tables"""
_SIZES = """SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname), c.relkind, pg_relation_size(c.oid)
FROM pg_class c JOIN pg_namespace n
ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'i', 'm') AND n.nspname !~ '^pg_' AND n.nspname <> ALL(
ARRAY['information_schema', 'migration_control', 'awsdms_control'])"""
