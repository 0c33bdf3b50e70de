"""The users of a PostgreSQL database, as a rotation changes them.

Users that take turns are members of the role they stand for and act as it from their first statement on. So whoever of
them makes an object, it belongs to that role, and what is granted to that role counts for both at once. The role itself
may log in until nobody's credentials are its own any more.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2

from handlers.adapters.postgres import Database
from handlers.adapters.waiting import limit_waits
from handlers.config import Side
from handlers.core import sql
from handlers.core.record import Refused
from handlers.core.rotation import LoginFailed

STATEMENT_SECONDS = 30
OWN_SETTING = "role"
"""The one setting of a user that is not its role's."""


class Accounts:
    """Users of the database at `side`. `administrator` returns who may change other users; `authority` as elsewhere."""

    def __init__(self, side: Side, administrator: Any, authority: Path) -> None:
        limit_waits()
        self._side = side
        self._administrator = administrator
        self._authority = authority

    def log_in(self, credentials: Mapping[str, Any], acts_as: str) -> None:
        """Log in, see that the user acts as `acts_as`, and look at a row. Raises LoginFailed."""
        with self._opened(credentials) as database:
            [(role,)] = database.rows("SELECT current_user")
        if role != acts_as:
            raise LoginFailed(f"{credentials['username']} logs in as {role}, not as {acts_as}")

    def change_own(self, credentials: Mapping[str, Any], password: str) -> None:
        """Have a user give itself another password. Raises LoginFailed."""
        name = str(credentials["username"])
        with self._opened(credentials) as database:
            database.rows(f"ALTER ROLE {sql.name(name)} PASSWORD {database.verifier(name, password)}")

    def take_turns(self, name: str, leaving: str, coming: Mapping[str, Any]) -> None:
        """Make ready who comes, in one transaction.

        Raises LoginFailed where the administrator can't log in, Refused where it has not the right.
        """
        who = str(coming["username"])
        user, role = sql.name(who), sql.name(name)
        with self._opened(self._administrator()) as database:
            _refuse_a_stranger(database, name, who)
            password = database.verifier(who, str(coming["password"]))
            statements = [
                f"{'ALTER' if database.has_role(who) else 'CREATE'} ROLE {user} LOGIN PASSWORD {password}",
                f"GRANT {role} TO {user}",
                *([f"ALTER ROLE {role} NOLOGIN"] if leaving != name else []),
                *(f"ALTER ROLE {user}{place} RESET ALL" for place in _places(database, who)),
                f"ALTER ROLE {user} SET {OWN_SETTING} = {role}",
                *_settings(database, name, who),
            ]
            try:
                database.run(statements)
            except psycopg2.errors.InsufficientPrivilege as error:
                why = f"{error.diag.message_primary}; grant the administrator that right"
                raise Refused(f"the administrator can't make {who} ready: {why}") from None

    @contextmanager
    def _opened(self, credentials: Mapping[str, Any]) -> Iterator[Database]:
        try:
            database = Database.connect(self._side, credentials, STATEMENT_SECONDS, self._authority)
        except (psycopg2.OperationalError, OSError) as error:
            raise LoginFailed(" ".join(str(error).split())) from None
        try:
            yield database
        finally:
            database.close()


def _refuse_a_stranger(database: Database, name: str, user: str) -> None:
    """Raise Refused where a role of the user's name is there that does not stand for `name`."""
    member = "SELECT 1 FROM pg_roles WHERE rolname = %(user)s AND NOT pg_has_role(oid, %(name)s, 'MEMBER')"
    if database.rows(member, {"user": user, "name": name}):
        raise Refused(f"role {user} is there already and is no member of {name}: rename it, or let {name} rotate alone")


def _places(database: Database, user: str) -> list[str]:
    """Return where anything is set for a user, as ALTER ROLE takes it: everywhere, or in one database."""
    found = database.rows(
        """SELECT d.datname FROM pg_db_role_setting g LEFT JOIN pg_database d ON d.oid = g.setdatabase
        WHERE g.setrole = (SELECT oid FROM pg_roles WHERE rolname = %(user)s) ORDER BY 1""",
        {"user": user},
    )
    return [_in(name) for (name,) in found]


def _in(database: str | None) -> str:
    return f" IN DATABASE {sql.name(database)}" if database else ""


def _settings(database: Database, name: str, user: str) -> list[str]:
    """Return the statements that give a user what is set for its role, here and in every database.

    A value is handed on as the server reads it: some are lists, and none is ours to quote. It counts for the rest of
    the transaction, so what follows calls nothing by a name that a search path could lead elsewhere.
    """
    found = database.rows(
        """SELECT d.datname, split_part(s, '=', 1), substr(s, strpos(s, '=') + 1)
        FROM pg_db_role_setting g CROSS JOIN unnest(g.setconfig) s LEFT JOIN pg_database d ON d.oid = g.setdatabase
        WHERE g.setrole = (SELECT oid FROM pg_roles WHERE rolname = %(name)s) ORDER BY 1, 2""",
        {"name": name},
    )
    statements = []
    for where, setting, value in found:
        if setting == OWN_SETTING:
            continue
        statements += [
            f"SELECT pg_catalog.set_config({sql.literal(setting)}, {sql.literal(value)}, true)",
            f"ALTER ROLE {sql.name(user)}{_in(where)} SET {'.'.join(map(sql.name, setting.split('.')))} FROM CURRENT",
        ]
    return statements
