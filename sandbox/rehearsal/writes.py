"""What the application writes: orders, counters and deletions in the shop, or in a table of its own."""

import random
import threading
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from handlers.core import sql
from sandbox.errors import SandboxError
from sandbox.rehearsal.ledger import DELETE, INSERT, UPDATE

SHOP, OWN_TABLE = "shop", "own_table"
SCHEMA = "rehearsal"
"""Schema of the table that the load brings along."""
OWN_COUNTERS = 100
SHARES = ((INSERT, 65), (UPDATE, 25), (DELETE, 10))
"""Percentages of the kinds of writes. A deletion that finds nothing to delete becomes an insert."""
SAMPLE = 500
"""Rows of each kind that are written to: few enough that writers meet on the same rows."""
KEPT_FOR_DELETION = 10_000


@dataclass(frozen=True)
class Write:
    """One transaction, BEGIN included, COMMIT not. It can be tried again as it is: its request id stays the same.

    `steps` are run one after the other with `values`; what a step returns is a value for the next. The other fields are
    those of `ledger.Record`.
    """

    id: str
    kind: str
    steps: tuple[str, ...]
    values: Mapping[str, Any]
    items: int = 0
    counters: tuple[str, ...] = ()
    of: str = ""

    def carry_out(self, cursor: Any) -> int:
        """Run the steps and return how many rows the last one touched. Raises psycopg2.Error."""
        values = dict(self.values)
        for step in self.steps:
            cursor.execute(step, values)
            if cursor.description:
                values |= zip((column.name for column in cursor.description), cursor.fetchone(), strict=True)
        return int(cursor.rowcount)


class Mode(Protocol):
    """A kind of load: which writes there are."""

    def prepare(self, cursor: Any) -> None:
        """Read what there is to write to. Raises psycopg2.Error, or SandboxError if there is nothing."""

    def insert(self, rng: random.Random, identity: str) -> Write:
        """Return an insert with this request id."""

    def update(self, rng: random.Random, identity: str) -> Write:
        """Return an increment of a counter with this request id."""

    def delete(self, identity: str, of: str) -> Write:
        """Return the deletion of what was inserted by request `of`."""


class Shop:
    """Orders with items, a payment and stock; accounts; orders taken back."""

    def __init__(self) -> None:
        self._customers: Sequence[tuple[str, int]] = ()
        self._stock: Sequence[tuple[int, int, Any]] = ()
        self._accounts: Sequence[int] = ()

    def prepare(self, cursor: Any) -> None:
        """Read some customers, accounts and products in stock."""
        cursor.execute("SELECT id::text, default_address FROM public.customers ORDER BY id LIMIT %s", (SAMPLE,))
        self._customers = cursor.fetchall()
        cursor.execute(
            """SELECT site_id, product_id, price FROM warehouse.stock JOIN public.products ON id = product_id
            ORDER BY product_id, site_id LIMIT %s""",
            (SAMPLE,),
        )
        self._stock = cursor.fetchall()
        cursor.execute("SELECT id FROM public.accounts ORDER BY id LIMIT %s", (SAMPLE,))
        self._accounts = [row[0] for row in cursor.fetchall()]
        if not (self._customers and self._stock and self._accounts):
            raise SandboxError("the shop has no customers, stock or accounts to write to: seed it first")

    def insert(self, rng: random.Random, identity: str) -> Write:
        """Return an order: its row, 1 to 3 items, a payment, and the stock each item is taken from."""
        customer, address = rng.choice(self._customers)
        # In one order everywhere, or two orders would wait for each other.
        taken = sorted(rng.sample(self._stock, min(len(self._stock), rng.randint(1, 3))))
        quantities = [rng.randint(1, 3) for _ in taken]
        total = sum(price * quantity for (_, _, price), quantity in zip(taken, quantities, strict=True))
        values: dict[str, Any] = {
            **{"request": identity, "customer": customer, "address": address, "total": total},
            **{
                "ip": f"10.{rng.randrange(256)}.{rng.randrange(256)}.1",
                "note": f"Für {rng.choice(['Zoë', '王', 'Ольга'])}",
            },
            "method": rng.choice(["card", "invoice", "direct debit"]),
        }
        items, stock = [], ""
        for line, ((site, product, price), quantity) in enumerate(zip(taken, quantities, strict=True), 1):
            items.append(f"(%(id)s, {line}, {product}, {quantity}, {price})")
            stock += (
                f"; UPDATE warehouse.stock SET quantity = quantity - {quantity}, writes = writes + 1, "  # noqa: S608
                f"last_request = %(request)s WHERE site_id = {site} AND product_id = {product}"
            )
        return Write(
            identity,
            INSERT,
            (
                """BEGIN; INSERT INTO public.orders
                (customer_id, address_number, status, total, client_ip, note, request_id, delivery)
                VALUES (%(customer)s, %(address)s, 'paid', %(total)s, %(ip)s, %(note)s, %(request)s,
                tstzrange(now(), now() + interval '2 days')) RETURNING id""",
                f"""INSERT INTO public.order_items (order_id, line, product_id, quantity, unit_price)
                VALUES {", ".join(items)};
                INSERT INTO public.payments (order_id, method, amount, request_id)
                VALUES (%(id)s, %(method)s, %(total)s, %(request)s){stock}""",  # noqa: S608 - numbers only
            ),
            values,
            items=len(taken),
            counters=tuple(f"stock {site} {product}" for site, product, _ in taken),
        )

    def update(self, rng: random.Random, identity: str) -> Write:
        """Return a booking on an account, or goods that come in."""
        if rng.random() < 0.6:
            account = rng.choice(self._accounts)
            change, key = "public.accounts SET balance = balance + 0.01", f"accounts {account}"
            where = f"id = {account}"
        else:
            site, product, _ = rng.choice(self._stock)
            change, key = "warehouse.stock SET quantity = quantity + 1", f"stock {site} {product}"
            where = f"site_id = {site} AND product_id = {product}"
        step = f"BEGIN; UPDATE {change}, writes = writes + 1, last_request = %(request)s WHERE {where}"
        return Write(identity, UPDATE, (step,), {"request": identity}, counters=(key,))

    def delete(self, identity: str, of: str) -> Write:
        """Return the deletion of an order; its items and its payment go with it."""
        step = "BEGIN; DELETE FROM public.orders WHERE request_id = %(of)s"
        return Write(identity, DELETE, (step,), {"of": of}, of=of)


class OwnTable:
    """The table `rehearsal.writes`, for a database of which nothing is known. Its first rows are counters."""

    def __init__(self) -> None:
        self._counters: Sequence[int] = ()

    def prepare(self, cursor: Any) -> None:
        """Read the counters."""
        cursor.execute(f"SELECT id FROM {SCHEMA}.writes WHERE request_id IS NULL ORDER BY id LIMIT {SAMPLE}")  # noqa: S608
        self._counters = [row[0] for row in cursor.fetchall()]
        if not self._counters:
            raise SandboxError(f"{SCHEMA}.writes has no counters: make it with create_own_table")

    def insert(self, rng: random.Random, identity: str) -> Write:
        """Return a new row."""
        step = f"BEGIN; INSERT INTO {SCHEMA}.writes (request_id, body) VALUES (%(request)s, %(body)s)"  # noqa: S608
        return Write(identity, INSERT, (step,), {"request": identity, "body": "Größe 品 " * rng.randint(1, 9)})

    def update(self, rng: random.Random, identity: str) -> Write:
        """Return an increment of a counter."""
        counter = rng.choice(self._counters)
        step = f"""BEGIN; UPDATE {SCHEMA}.writes SET writes = writes + 1, last_request = %(request)s
            WHERE id = {counter}"""  # noqa: S608
        return Write(identity, UPDATE, (step,), {"request": identity}, counters=(f"writes {counter}",))

    def delete(self, identity: str, of: str) -> Write:
        """Return the deletion of a row."""
        step = f"BEGIN; DELETE FROM {SCHEMA}.writes WHERE request_id = %(of)s"  # noqa: S608
        return Write(identity, DELETE, (step,), {"of": of}, of=of)


MODES: Mapping[str, type[Shop] | type[OwnTable]] = {SHOP: Shop, OWN_TABLE: OwnTable}


def create_own_table(connection: Any, owner: str) -> None:
    """Create `rehearsal.writes` for the role `owner`, over an autocommit superuser `connection`.

    Raises SandboxError if the database has a schema of that name.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (SCHEMA,))
        if cursor.fetchone():
            raise SandboxError(f"the database has a schema {SCHEMA}, which the rehearsal needs for itself: rename it")
        cursor.execute(
            f"""CREATE SCHEMA {SCHEMA} AUTHORIZATION {sql.name(owner)};
            CREATE TABLE {SCHEMA}.writes (
                id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                request_id uuid,
                writes bigint NOT NULL DEFAULT 0,
                last_request uuid,
                body text,
                at timestamptz NOT NULL DEFAULT now()
            );
            CREATE INDEX writes_request ON {SCHEMA}.writes (request_id);
            INSERT INTO {SCHEMA}.writes (body) SELECT 'counter' FROM generate_series(1, {OWN_COUNTERS});
            ALTER TABLE {SCHEMA}.writes OWNER TO {sql.name(owner)}"""  # noqa: S608 - quoted names and constants
        )


class Chooser:
    """Decides what to write next, and remembers what may be deleted. Safe for threads."""

    def __init__(self, mode: Mode) -> None:
        self._mode, self._lock = mode, threading.Lock()
        self._deletable: list[str] = []

    def next(self, rng: random.Random) -> Write:
        """Return a new write with a request id of its own."""
        identity = str(uuid.uuid4())
        [kind] = rng.choices([kind for kind, _ in SHARES], [share for _, share in SHARES])
        if kind == UPDATE:
            return self._mode.update(rng, identity)
        if kind == DELETE and (of := self._forget_one(rng)):
            return self._mode.delete(identity, of)
        return self._mode.insert(rng, identity)

    def acknowledged(self, write: Write) -> None:
        """Take note that a write was acknowledged: what it inserted may be deleted from now on."""
        with self._lock:
            if write.kind == INSERT and len(self._deletable) < KEPT_FOR_DELETION:
                self._deletable.append(write.id)

    def _forget_one(self, rng: random.Random) -> str:
        with self._lock:
            if not self._deletable:
                return ""
            index = rng.randrange(len(self._deletable))
            self._deletable[index], self._deletable[-1] = self._deletable[-1], self._deletable[index]
            return self._deletable.pop()
