"""Who may connect to a PostgreSQL database, who is connected, and the roles they connect as."""

from collections.abc import Sequence

import psycopg2

from handlers.adapters.postgres_session import Session
from handlers.core import sql
from handlers.core.access import Access, Role

OF_AWS = ("rdsadmin",)
"""Superusers that RDS itself works with: nobody else can end their sessions, and they write nothing of ours."""


class Admission(Session):
    """The part of a database that a fence closes and opens."""

    def access(self) -> Access:
        """Return who holds CONNECT here and the read-only default of this database."""
        grantees = self.rows(
            """SELECT DISTINCT coalesce(r.rolname, '') FROM pg_database d,
            aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a LEFT JOIN pg_roles r ON r.oid = a.grantee
            WHERE d.datname = current_database() AND a.privilege_type = 'CONNECT'"""
        )
        setting = self.rows(
            """SELECT split_part(s, '=', 2) FROM pg_db_role_setting r, unnest(r.setconfig) s
            WHERE r.setrole = 0 AND r.setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
            AND split_part(s, '=', 1) = 'default_transaction_read_only'"""
        )
        read_only = setting[0][0] if setting else None
        return Access(self.name, tuple(sorted(row[0] for row in grantees)), read_only)

    def login_roles(self) -> list[Role]:
        """Return every role that can log in, with whether it can connect to this database."""
        found = self.rows(
            """SELECT rolname, has_database_privilege(oid, current_database(), 'CONNECT'), rolsuper FROM pg_roles
            WHERE rolcanlogin ORDER BY rolname"""
        )
        return [Role(*row) for row in found]

    def sessions(self, spared: Sequence[str], *, superusers_only: bool = False) -> list[str]:
        """Return who is connected here but not spared, as `role from address (application)`."""
        found = self.rows(
            """SELECT a.usename, coalesce(host(a.client_addr), 'a local socket'), a.application_name
            FROM pg_stat_activity a JOIN pg_roles r ON r.oid = a.usesysid
            WHERE a.datname = current_database() AND a.backend_type = 'client backend' AND a.pid <> pg_backend_pid()
            AND a.usename <> ALL(%(spared)s) AND (r.rolsuper OR NOT %(superusers_only)s)""",
            {"spared": [*spared, *OF_AWS], "superusers_only": superusers_only},
        )
        return sorted({f"{user} from {address} ({name})" for user, address, name in found})

    def end_sessions(self, spared: Sequence[str]) -> int:
        """End every session here that is not spared and return how many there were."""
        found = self.rows(
            """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
            AND usename <> ALL(%(spared)s)""",
            {"spared": [*spared, *OF_AWS]},
        )
        return len(found)

    def prepared_transactions(self) -> list[str]:
        """Return the global ids of transactions prepared here: they can still commit after every session has ended."""
        found = self.rows("SELECT gid FROM pg_prepared_xacts WHERE database = current_database() ORDER BY gid")
        return [row[0] for row in found]

    def long_transactions(self, seconds: float) -> list[str]:
        """Return who has held a transaction open for more than `seconds`."""
        found = self.rows(
            """SELECT format('%%s (pid %%s, %%s s)', usename, pid, extract(epoch FROM now() - xact_start)::int)
            FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'
            AND pid <> pg_backend_pid() AND xact_start < now() - make_interval(secs => %(seconds)s)
            ORDER BY xact_start""",
            {"seconds": seconds},
        )
        return [row[0] for row in found]

    def make_role(self, role: str, password: str) -> None:
        """Make a login role, or give it the password."""
        verb = "ALTER" if self.has_role(role) else "CREATE"
        self.rows(f"{verb} ROLE {sql.name(role)} LOGIN PASSWORD {self.verifier(role, password)}")

    def verifier(self, role: str, password: str) -> str:
        """Return a password as the server keeps it, a literal: what is sent is SCRAM's, and no log holds a password."""
        return sql.literal(psycopg2.extensions.encrypt_password(password, role, self._connection, "scram-sha-256"))

    def has_role(self, role: str) -> bool:
        """Say whether there is such a role, one that logs in or another."""
        return bool(self.rows("SELECT 1 FROM pg_roles WHERE rolname = %(role)s", {"role": role}))

    def grant_role(self, group: str, member: str) -> None:
        """Make `member` a member of `group`, where there is such a group."""
        if self.has_role(group):
            self.rows(f"GRANT {sql.name(group)} TO {sql.name(member)}")

    def allow_schemas(self, role: str) -> None:
        """Let `role` make schemas here: DMS keeps its control tables in one of its own."""
        self.rows(f"GRANT CREATE ON DATABASE {sql.name(self.name)} TO {sql.name(role)}")

    def allow_writes(self, role: str) -> None:
        """Let `role` write in spite of the read-only default of a closed database."""
        where = sql.name(self.name)
        self.rows(f"ALTER ROLE {sql.name(role)} IN DATABASE {where} SET default_transaction_read_only = off")
