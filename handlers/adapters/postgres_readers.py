"""What a canary asks of PostgreSQL: whether roles only read, and rows drawn by their keys."""

from collections.abc import Sequence

from handlers.adapters.postgres_session import Session
from handlers.core import sql
from handlers.core.comparison import Column, Table
from handlers.core.names import FOREIGN_SCHEMAS
from handlers.core.samples import Key, KeyPart, draw_query, hashes_query

FEW = 5
"""So many tables are named of those a role may write to."""


class Readers(Session):
    """The canary's part of a database."""

    def lacks_to_only_read(self, roles: Sequence[str]) -> list[str]:
        """Return why these roles can't be let in as readers: not there, too mighty, or able to write somewhere.

        What a role could make itself into counts as well, with any role it is a member of.
        """
        found = self.rows(
            """SELECT wanted.role, coalesce(r.rolcanlogin, false),
            coalesce(r.rolsuper OR r.rolcreaterole OR r.rolreplication, false),
            ARRAY(SELECT format('%%I.%%I', n.nspname, c.relname) FROM pg_class c
                JOIN pg_namespace n ON n.oid = c.relnamespace
                WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
                AND c.relkind IN ('r', 'p', 'v', 'f', 'S')
                AND EXISTS (SELECT FROM pg_roles m WHERE pg_has_role(r.oid, m.oid, 'MEMBER') AND (m.oid = c.relowner
                OR CASE c.relkind WHEN 'S' THEN has_sequence_privilege(m.oid, c.oid, 'USAGE, UPDATE')
                ELSE has_table_privilege(m.oid, c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
                OR has_any_column_privilege(m.oid, c.oid, 'INSERT, UPDATE') END)) ORDER BY 1)
            FROM unnest(%(roles)s::text[]) AS wanted (role) LEFT JOIN pg_roles r ON r.rolname = wanted.role
            ORDER BY 1""",
            {"roles": list(roles)},
        )
        problems = []
        for role, logs_in, mighty, writes in found:
            if not logs_in:
                problems.append(f"role {role} can't log in on the closed side: carry the source's roles")
            elif mighty:
                problems.append(f"{role} is a superuser, makes roles or replicates: name a role that only reads")
            elif writes:
                named = ", ".join(writes[:FEW]) + (f" and {len(writes) - FEW} more" if len(writes) > FEW else "")
                problems.append(f"{role} may write to {named}: revoke that, or take it out of switchover.canary.roles")
        return problems

    def end_sessions_of(self, roles: Sequence[str]) -> int:
        """End the sessions of these roles here and return how many there were."""
        found = self.rows(
            """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND usename = ANY(%(roles)s)""",
            {"roles": list(roles)},
        )
        return len(found)

    def keys(self) -> dict[Table, Key]:
        """Return the primary key of every table of the application that has one."""
        found = self.rows(
            """SELECT n.nspname, c.relname, pg_relation_size(c.oid) / current_setting('block_size')::int,
            a.attname, format_type(a.atttypid, a.atttypmod), s.nspname, o.oprname,
            s.nspname = 'pg_catalog' AND l.collisdeterministic IS NOT false
            FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
            CROSS JOIN unnest(i.indkey) WITH ORDINALITY AS k (attnum, place)
            JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
            JOIN pg_opclass f ON f.oid = i.indclass[k.place - 1]
            JOIN pg_amop m ON m.amopfamily = f.opcfamily AND m.amopstrategy = 3
                AND (m.amoplefttype, m.amoprighttype) = (f.opcintype, f.opcintype)
            JOIN pg_operator o ON o.oid = m.amopopr JOIN pg_namespace s ON s.oid = o.oprnamespace
            LEFT JOIN pg_collation l ON l.oid = a.attcollation
            WHERE i.indisprimary AND k.place <= i.indnkeyatts AND n.nspname !~ '^pg_' AND n.nspname <> ALL(%(foreign)s)
            ORDER BY n.nspname, c.relname, k.place""",
            {"foreign": list(FOREIGN_SCHEMAS)},
        )
        columns: dict[Table, list[KeyPart]] = {}
        pages = {}
        for schema, name, size, column, kind, place, operator, exact in found:
            equals = operator if place == "pg_catalog" else f"OPERATOR({sql.name(place)}.{operator})"
            columns.setdefault(Table(schema, name), []).append(KeyPart(column, kind, equals, exact))
            pages[Table(schema, name)] = int(size)
        return {table: Key(tuple(of), pages[table]) for table, of in columns.items()}

    def draw(self, table: Table, key: Key, rows: int) -> list[tuple[str, ...]]:
        """Return the keys, as text, of `rows` rows at most, drawn by chance."""
        return self.rows(draw_query(table, key, rows))

    def hashes(
        self,
        table: Table,
        key: Key,
        wanted: Sequence[tuple[str, ...]],
        columns: Sequence[Column],
        *,
        by_value: bool,
    ) -> dict[int, str]:
        """Return, by place in `wanted`, the hash of every row there is."""
        args = {f"key{number}": [row[number] for row in wanted] for number in range(len(key.columns))}
        found = self.rows(hashes_query(table, key, columns, by_value=by_value), args)
        return {int(place) - 1: one for place, one in found}
