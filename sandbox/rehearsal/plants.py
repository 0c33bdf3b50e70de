"""What a person can have wrong with the source on purpose, to see preflight refuse: SQL by the rule that finds it."""

from collections.abc import Iterable

from sandbox.databases import ServerInfo
from sandbox.rehearsal import shop

PLANTS = {
    "no-primary-key": ("CREATE TABLE public.visits (at timestamptz, page varchar(200))",),
    "array-without-key": ("CREATE TABLE public.labels (names text[])",),
    "replica-identity-nothing": ("ALTER TABLE public.orders REPLICA IDENTITY NOTHING",),
    "unlogged-table": ("CREATE UNLOGGED TABLE public.sessions (id bigint PRIMARY KEY)",),
    "lob-too-large": (
        "CREATE TABLE public.scans (id int PRIMARY KEY, image bytea)",
        "INSERT INTO public.scans SELECT 1, decode(repeat('00', 2000000), 'hex')",
    ),
    "unbounded-varchar": (
        "CREATE TABLE public.letters (id int PRIMARY KEY, body varchar)",
        "INSERT INTO public.letters SELECT 1, repeat('x', 9000)",
    ),
    "infinite-date": (
        "CREATE TABLE public.contracts (id int PRIMARY KEY, ends date)",
        "INSERT INTO public.contracts SELECT n, 'infinity' FROM generate_series(1, 9) n",
        "ANALYZE public.contracts",
    ),
    "large-objects": ("SELECT lo_create(0)",),
    "names-differ-by-case": ('CREATE TABLE public."Orders" (id int PRIMARY KEY)',),
    "row-security": (
        "ALTER TABLE public.orders ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE public.orders FORCE ROW LEVEL SECURITY",
    ),
    "prepared-transaction": (
        "BEGIN",
        "INSERT INTO public.categories (name) VALUES ('held')",
        "PREPARE TRANSACTION 'held'",
    ),
    "wal-sender-timeout": ("ALTER SYSTEM SET wal_sender_timeout = '5s'", "SELECT pg_reload_conf()"),
}
BY_SUPERUSER = ("wal-sender-timeout", "large-objects")


def plant(server: ServerInfo, database: str, names: Iterable[str]) -> None:
    """Break a database of the default source as `names` say."""
    with server.superuser(database) as connection, connection.cursor() as cursor:
        for name in names:
            # What is carried to the target has to belong to somebody who is there.
            cursor.execute("RESET ROLE" if name in BY_SUPERUSER else f"SET ROLE {shop.OWNER}")
            for statement in PLANTS[name]:
                cursor.execute(statement)
