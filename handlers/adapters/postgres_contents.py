"""What a PostgreSQL database holds for the application: tables, sequences, materialized views."""

from handlers.adapters.postgres_session import Session
from handlers.core import sql
from handlers.core.comparison import Column, Table
from handlers.core.names import FOREIGN_SCHEMAS
from handlers.core.sequences import Sequence

USER_SCHEMAS = "n.nspname !~ '^pg_' AND n.nspname <> ALL(%(foreign)s)"
NOT_OF_AN_EXTENSION = "NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')"


class Contents(Session):
    """The application's part of a database."""

    def tables(self) -> dict[Table, list[Column]]:
        """Return every table that holds rows of the application, with its columns."""
        found = self.rows(
            f"""SELECT n.nspname, c.relname, a.attname,
            CASE WHEN t.typnamespace <> 'pg_catalog'::regnamespace THEN format('%%s.', t.typnamespace::regnamespace)
            ELSE '' END || t.typname || CASE o.collisdeterministic WHEN false THEN ' (nondeterministic)' ELSE '' END
            FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
            LEFT JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_collation o ON o.oid = a.attcollation
            WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND {USER_SCHEMAS} AND {NOT_OF_AN_EXTENSION}
            ORDER BY n.nspname, c.relname, a.attname""",  # noqa: S608 - constants only
            {"foreign": list(FOREIGN_SCHEMAS)},
        )
        tables: dict[Table, list[Column]] = {}
        for schema, table, column, type_name in found:
            columns = tables.setdefault(Table(schema, table), [])
            if column is not None:
                columns.append(Column(column, type_name))
        return tables

    def marks(self) -> dict[Table, str]:
        """Return, by table, its file and the counts of rows ever changed, the same as long as no row has changed.

        Empty where the server does not keep them exactly: before PostgreSQL 15, or with track_counts off.
        """
        found = self.rows(
            """SELECT schemaname, relname, pg_relation_filenode(relid), n_tup_ins, n_tup_upd, n_tup_del
            FROM pg_stat_all_tables WHERE current_setting('track_counts')::bool
            AND current_setting('server_version_num')::int >= 150000"""
        )
        return {Table(schema, name): "/".join(map(str, counts)) for schema, name, *counts in found}

    def sequences(self) -> list[Sequence]:
        """Return the application's sequences that have given out a value, identity columns' included."""
        found = self.rows(
            f"""SELECT n.nspname, c.relname, s.last_value, s.increment_by, s.min_value, s.max_value
            FROM pg_sequences s JOIN pg_namespace n ON n.nspname = s.schemaname
            JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = s.sequencename
            WHERE s.last_value IS NOT NULL AND {USER_SCHEMAS} AND {NOT_OF_AN_EXTENSION}""",  # noqa: S608
            {"foreign": list(FOREIGN_SCHEMAS)},
        )
        return [Sequence(*row) for row in found]

    def sequence_names(self) -> set[tuple[str, str]]:
        """Return the schema and name of every sequence, used or not."""
        return {(row[0], row[1]) for row in self.rows("SELECT schemaname, sequencename FROM pg_sequences")}

    def lacks_to_set_sequences(self) -> list[str]:
        """Return which of the application's sequences we could not set here."""
        found = self.rows(
            f"""SELECT format('%%I.%%I', n.nspname, c.relname) FROM pg_class c
            JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'S' AND {USER_SCHEMAS}
            AND {NOT_OF_AN_EXTENSION} AND NOT (has_schema_privilege(n.oid, 'USAGE')
            AND has_sequence_privilege(c.oid, 'UPDATE')) ORDER BY 1""",  # noqa: S608 - constants only
            {"foreign": list(FOREIGN_SCHEMAS)},
        )
        return [f"{self.role} may not set the sequences {', '.join(row[0] for row in found)}"] if found else []

    def refresh_materialized_views(self) -> list[str]:
        """Refresh the application's materialized views, each after those it reads from, and return their names.

        One that is filled and has a unique index stays readable meanwhile.
        """
        found = self.rows(
            f"""WITH RECURSIVE needs AS (SELECT DISTINCT r.ev_class AS view, d.refobjid AS source FROM pg_rewrite r
            JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
            AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> r.ev_class),
            depth AS (SELECT oid, 0 AS level FROM pg_class WHERE relkind IN ('m', 'v')
            UNION SELECT needs.view, level + 1 FROM depth JOIN needs ON needs.source = depth.oid)
            SELECT n.nspname, c.relname, c.relispopulated AND EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid
            AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL)
            FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE c.relkind = 'm' AND {USER_SCHEMAS} AND {NOT_OF_AN_EXTENSION}
            ORDER BY (SELECT max(level) FROM depth WHERE depth.oid = c.oid), 1, 2""",  # noqa: S608
            {"foreign": list(FOREIGN_SCHEMAS)},
        )
        for schema, view, keyed in found:
            how = "CONCURRENTLY " if keyed else ""
            self.rows(f"REFRESH MATERIALIZED VIEW {how}{sql.name(schema, view)}")
        return [f"{schema}.{view}" for schema, view, _ in found]
