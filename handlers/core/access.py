"""Who may connect to a database, and the statements that close and open it.

A fence takes the right to connect from every role but ours, for this one database. Taking it from a role alone does
nothing while PUBLIC has it, and a read-only default alone can be overridden by any session: both are taken.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from handlers.core import sql
from handlers.core.users import families

PUBLIC = ""
"""How PUBLIC is written among grantees: no role can have an empty name."""
READ_ONLY = "default_transaction_read_only"


@dataclass(frozen=True)
class Access:
    """Who holds CONNECT on `database`, and the read-only default set on it (None where none is set)."""

    database: str
    grantees: tuple[str, ...]
    read_only: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for the record."""
        return asdict(self)

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> "Access":
        """Return the access that `to_dict` wrote."""
        return cls(raw["database"], tuple(raw["grantees"]), raw["read_only"])


@dataclass(frozen=True)
class Role:
    """A login role: whether it can connect now, and whether it is a superuser, whom no revoke stops."""

    name: str
    can_connect: bool
    superuser: bool


def keepers(roles: Iterable[Role], ours: Iterable[str], application: Sequence[str]) -> tuple[str, ...]:
    """Return the roles a fence spares: ours and, where the application's roles are listed, all others as well.

    The users that take turns for a listed role are that role.
    """
    spared = set(ours)
    if application:
        shut_out = families(application)
        spared |= {role.name for role in roles if role.can_connect and role.name not in shut_out}
    return tuple(sorted(spared))


def intruders(roles: Iterable[Role], spared: Iterable[str]) -> list[str]:
    """Return the roles that could still connect though fenced. Superusers are judged by their sessions instead."""
    return sorted(
        role.name for role in roles if role.can_connect and not role.superuser and role.name not in set(spared)
    )


def close(access: Access, spared: Sequence[str]) -> list[str]:
    """Return the statements, for one transaction, that leave CONNECT to `spared` and nobody else."""
    database = sql.name(access.database)
    from_whom = ", ".join(_grantee(who) for who in sorted({PUBLIC, *access.grantees} - set(spared)))
    return [
        f"REVOKE CONNECT ON DATABASE {database} FROM {from_whom} CASCADE",
        f"GRANT CONNECT ON DATABASE {database} TO {', '.join(sql.name(role) for role in spared)}",
        f"ALTER DATABASE {database} SET {READ_ONLY} = on",
    ]


def admit(access: Access, roles: Sequence[str]) -> list[str]:
    """Return the statements that let `roles` in as well. The read-only default stays as it is."""
    return [f"GRANT CONNECT ON DATABASE {sql.name(access.database)} TO {', '.join(sql.name(role) for role in roles)}"]


def open_again(access: Access, now: Access) -> list[str]:
    """Return the statements, for one transaction, that bring `now` back to `access`, the state before the fence."""
    database = sql.name(access.database)
    statements = []
    extra = sorted(set(now.grantees) - set(access.grantees))
    if extra:
        whom = ", ".join(_grantee(who) for who in extra)
        statements.append(f"REVOKE CONNECT ON DATABASE {database} FROM {whom} CASCADE")
    if access.grantees:
        whom = ", ".join(_grantee(who) for who in sorted(access.grantees))
        statements.append(f"GRANT CONNECT ON DATABASE {database} TO {whom}")
    if access.read_only is None:
        statements.append(f"ALTER DATABASE {database} RESET {READ_ONLY}")
    else:
        statements.append(f"ALTER DATABASE {database} SET {READ_ONLY} = {sql.literal(access.read_only)}")
    return statements


def _grantee(who: str) -> str:
    return "PUBLIC" if who == PUBLIC else sql.name(who)
