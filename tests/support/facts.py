"""Facts of a database of which no rule has anything to say."""

from dataclasses import replace
from typing import Any

from handlers.core.comparison import Table
from handlers.preflight import facts
from handlers.preflight.facts import Facts

ORDERS = Table("public", "orders")
SETTINGS = {
    "wal_level": "logical",
    "max_replication_slots": "10",
    "max_wal_senders": "10",
    "wal_sender_timeout": "60000",
    "max_connections": "100",
    "max_prepared_transactions": "0",
    "max_locks_per_transaction": "64",
    "TimeZone": "UTC",
}
SERVER = facts.Server(
    version=160004,
    database="shop",
    identity="7000000000000000001",
    owner="operator",
    encoding="UTF8",
    collation="C.UTF-8",
    character_type="C.UTF-8",
    provider="c",
    collation_version="",
    collation_now="",
    bytes=1 << 30,
    rds=False,
    settings=SETTINGS,
)
SECTIONS = (
    SERVER,
    facts.Relations((facts.Relation(ORDERS, key=("id",)),)),
    facts.Fields((facts.Field(ORDERS, "id", "bigint", "int8"),)),
    facts.Counters((facts.Counter("public", "ids", 100, 1, 1, 10**9),)),
    facts.Structure(),
    facts.Objects({"table public.orders": "a1", "index public.orders_pkey": "b2"}),
    facts.Extensions({"plpgsql": "1.0"}, {"plpgsql": "1.0"}),
    facts.Stream(),
    facts.Clients(()),
    facts.Roles((facts.Role("app"), facts.Role("operator"), facts.Role("dms", replication=True))),
    facts.Rights("operator", "dms"),
    facts.Lobs(()),
)


def clean_facts(*sections: Any) -> Facts:
    """Return them, with other sections where some are given."""
    return Facts({type(one): one for one in (*SECTIONS, *sections)})


def with_settings(**settings: str) -> Facts:
    """Return them with other settings of the server."""
    return clean_facts(replace(SERVER, settings={**SETTINGS, **settings}))
