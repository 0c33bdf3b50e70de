"""The users of a MySQL or MariaDB server, as a rotation changes them.

Nothing here has an owner, so users that take turns need no role: each gets what is granted to the account they stand
for, anew at every turn. Views and routines go on as the account that defined them, which may be locked.
"""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pymysql

from handlers.adapters import mysql
from handlers.config import Side
from handlers.core.checks import Unreachable
from handlers.core.record import Refused
from handlers.core.rotation import LoginFailed

NO_RIGHTS = "GRANT USAGE ON *.* "
"""What the server says of every account. MariaDB tells its password's hash there."""
OPTIONS = (" WITH GRANT OPTION", " WITH ADMIN OPTION")
"""What may follow whom something is granted to, and is handed on. All else belongs to the one account."""
TLS = {"": "NONE", "ANY": "SSL", "X509": "X509"}
"""What an account asks of a connection, by mysql.user's word for it."""

Account = tuple[str, str]


class Accounts:
    """Users of the database at `side`. `administrator` returns who may change other users; `authority` as elsewhere."""

    def __init__(self, side: Side, administrator: Any, authority: Path) -> None:
        self._side = side
        self._administrator = administrator
        self._authority = authority

    def log_in(self, credentials: Mapping[str, Any], acts_as: str) -> None:  # noqa: ARG002 - each acts as itself
        """Log in and look at a row. Raises LoginFailed."""
        with self._opened(credentials) as cursor:
            cursor.execute("SELECT 1")

    def change_own(self, credentials: Mapping[str, Any], password: str) -> None:
        """Have a user give itself another password. Raises LoginFailed."""
        with self._opened(credentials) as cursor:
            # MariaDB's ALTER USER wants the right to make users, be it for oneself; its SET PASSWORD wants a hash.
            how = "PASSWORD(%s)" if _is_mariadb(cursor) else "%s"
            cursor.execute(f"SET PASSWORD = {how}", (password,))

    def take_turns(self, name: str, leaving: str, coming: Mapping[str, Any]) -> None:
        """Make ready who comes: an account of its own, locked until it has every right. The password is last.

        Each statement counts at once here: what a crash leaves half done is done again. Raises LoginFailed where the
        administrator can't log in, Refused where there is no account of this name, or more than one.
        """
        with self._opened(self._administrator()) as cursor:
            cursor.execute("SET SESSION sql_mode = ''")  # so that names come in backticks
            host, tls = _only(cursor, name)
            role, theirs = (name, host), (str(coming["username"]), host)
            granted = _grants(cursor, role)
            cursor.execute(
                "CREATE USER IF NOT EXISTS %s@%s IDENTIFIED BY %s ACCOUNT LOCK", (*theirs, secrets.token_urlsafe(32))
            )
            # Were the account somebody else's, it would keep nothing that it could do before.
            cursor.execute("REVOKE ALL PRIVILEGES, GRANT OPTION FROM %s@%s", theirs)
            for statement in granted:
                cursor.execute(handed_on(statement, role, theirs))
            if any(is_role(statement) for statement in granted) and not _is_mariadb(cursor):
                cursor.execute("SET DEFAULT ROLE ALL TO %s@%s", theirs)
            if leaving != name:
                cursor.execute("ALTER USER %s@%s ACCOUNT LOCK", role)
            password = str(coming["password"])
            cursor.execute(f"ALTER USER %s@%s IDENTIFIED BY %s REQUIRE {tls} ACCOUNT UNLOCK", (*theirs, password))

    @contextmanager
    def _opened(self, credentials: Mapping[str, Any]) -> Iterator[Any]:
        try:
            connection = mysql.connect(self._side, credentials, self._authority)
        except Unreachable as error:
            raise LoginFailed(str(error)) from None
        try:
            with connection.cursor(pymysql.cursors.Cursor) as cursor:
                yield cursor
        finally:
            connection.close()


def handed_on(statement: str, giver: Account, taker: Account) -> str:
    """Return what one account was granted, as SHOW GRANTS says it, for another. Raises Refused where it is unclear.

    MariaDB puts the account's password and limits behind it: those stay behind.
    """
    word = " FOR " if statement.startswith("SET DEFAULT ROLE") else " TO "
    head, found, tail = statement.rpartition(f"{word}{_named(giver)}")
    if not found:
        raise Refused(f"the server words a right of {giver[0]} in a way that can't be handed on: let it rotate alone")
    option = next((option for option in OPTIONS if option.strip() in tail), "")
    return f"{head}{word}{_named(taker)}{option}"


def is_role(statement: str) -> bool:
    """Say whether a line of SHOW GRANTS grants a role."""
    return statement.startswith("GRANT `")


def _named(account: Account) -> str:
    return "@".join("`" + part.replace("`", "``") + "`" for part in account)


def _only(cursor: Any, name: str) -> tuple[str, str]:
    """Return from which hosts the account of this name logs in, and the TLS it asks for. Raises Refused."""
    cursor.execute("SELECT Host, ssl_type FROM mysql.user WHERE User = %s", (name,))
    found = cursor.fetchall()
    if len(found) != 1:
        hosts = ", ".join(str(row[0]) for row in found) or "no host"
        raise Refused(f"accounts take turns for one account of a name, and {name} has {hosts}: let it rotate alone")
    [(host, tls)] = found
    if _text(tls) not in TLS:
        raise Refused(f"{name} asks for a certificate of its own, which no other account has: let it rotate alone")
    return _text(host), TLS[_text(tls)]


def _grants(cursor: Any, account: Account) -> list[str]:
    cursor.execute("SHOW GRANTS FOR %s@%s", account)
    found = [str(row[0]) for row in cursor.fetchall()]
    return [statement for statement in found if not statement.startswith(NO_RIGHTS)]


def _is_mariadb(cursor: Any) -> bool:
    cursor.execute("SELECT VERSION()")
    return "mariadb" in str(cursor.fetchone()[0]).lower()


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
