"""Both databases of a migration, open, and described in terms that can be compared."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import psycopg2

from handlers.adapters import postgres_ddl
from handlers.adapters.postgres import Database
from handlers.core import sql
from handlers.core.catalogue import Thing, without_maintain
from migrate import roles
from migrate.core.mending import privileges
from migrate.errors import MigrateError
from migrate.programs import first_error
from migrate.stack import Login, Stack
from migrate.wording import as_target_says

STATEMENT_SECONDS = 7 * 86400.0
"""Indexes of large tables take hours: an operator who waits too long ends the command."""
KNOWS_MAINTAIN = 17


@dataclass(frozen=True)
class Both:
    """Source and target, each with the login it was opened by."""

    source: Database
    target: Database
    source_login: Login
    target_login: Login

    @property
    def ours(self) -> tuple[str, ...]:
        """Roles of the migration on either side."""
        return tuple(sorted({*self.source_login.ours, *self.target_login.ours}))

    def major(self, database: Database) -> int:
        """Return the major version of one of both."""
        return database.version // 10000

    def described(self) -> tuple[list[Thing], list[Thing]]:
        """Return what both are made of. What a superuser owns on the source is the administrator's on the target."""
        called = self.target_login.side.database
        here, there = (
            _merged([*postgres_ddl.describe(side, self.ours), *roles.describe(side, self.ours, called)])
            for side in (self.source, self.target)
        )
        owner = self.target.rows("SELECT quote_ident(current_user)")[0][0]
        mighty = set(roles.superusers(self.source)) | {_bare(name) for name in self.source_login.ours}
        here = [adopted for one in here if (adopted := _adopted(one, mighty, owner)) is not None]
        # What the administrator owns may be a superuser's there as well, where the target has a database of its own.
        others = set(roles.superusers(self.target))
        there = [adopted for one in there if (adopted := _adopted(one, others, owner)) is not None]
        if min(self.major(self.source), self.major(self.target)) < KNOWS_MAINTAIN:
            here, there = without_maintain(here), without_maintain(there)
        return as_target_says(self.target, here, there), there


@contextmanager
def opened(stack: Stack) -> Iterator[Both]:
    """Open both databases. Raises MigrateError where one can't be reached."""
    source = _connected(stack.source, "source")
    try:
        target = _connected(stack.target, "target")
        try:
            yield Both(source, target, stack.source, stack.target)
        finally:
            target.close()
    finally:
        source.close()


def _connected(login: Login, which: str) -> Database:
    credentials = {"username": login.username, "password": login.password}
    try:
        return Database.connect(login.side, credentials, STATEMENT_SECONDS, login.authority)
    except psycopg2.OperationalError as error:
        where = f"{login.side.host}:{login.side.port}"
        raise MigrateError(
            f"the {which} at {where} can't be reached as {login.username}: {first_error(str(error))}; run this where "
            "both databases can be reached, after the prepare function"
        ) from None


def _adopted(one: Thing, mighty: set[str], owner: str) -> Thing | None:
    """Return a thing as it is where `owner` stands for these roles, None for what is theirs alone."""
    if one.kind == "owner" and one.text in mighty:
        return replace(one, text=owner)
    if one.kind in ("grant", "column grant") and one.name in {*mighty, owner}:
        return None
    if one.kind == "default privileges":
        role, within, schema = one.on.removeprefix("FOR ROLE ").partition(" IN SCHEMA ")
        return replace(one, on=f"FOR ROLE {owner}{within}{schema}") if role in mighty else one
    return one


def _merged(things: Iterable[Thing]) -> list[Thing]:
    """Return the things with privileges that come from two places put together."""
    found: dict[tuple[str, str, str], Thing] = {}
    for one in things:
        known = found.get(one.key)
        if known is not None and one.kind == "grant":
            one = replace(one, text=", ".join(sorted(privileges(known.text) | privileges(one.text))))  # noqa: PLW2901
        found[one.key] = one
    return list(found.values())


def _bare(role: str) -> str:
    """Return a role's name as quote_ident gives it, of one that needs no quotes, else with them."""
    plain = role.replace("_", "").isalnum() and role == role.lower() and not role[:1].isdigit()
    return role if plain else sql.name(role)
