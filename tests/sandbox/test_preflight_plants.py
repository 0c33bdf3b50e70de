"""What `--plant` does to the default source is found by the rule of its name, on the real thing."""

from collections.abc import Iterator

import pytest

from handlers.adapters import catalogue
from handlers.adapters.catalogue import Asked
from handlers.config import Side as Where
from handlers.preflight import kept
from handlers.preflight.facts import Facts, Objects
from handlers.preflight.registry import BY_ID, judge
from handlers.preflight.rule import Case
from sandbox.databases import ServerInfo
from sandbox.rehearsal import shop
from sandbox.rehearsal.plants import PLANTS, plant
from tests.support.preflight import OPERATOR, REPLICATION, TERMS, configured, make_roles
from tests.support.servers import room, started

SCHEMAS = {"replication": {"tables": [{"schema": "%", "table": "%", "action": "include"}]}}


@pytest.fixture(scope="module")
def server() -> Iterator[ServerInfo]:
    with room() as folder, started(folder, source="16") as (only,):
        make_roles(only)
        shop.create(only, 300, 7, shop.new_passwords())
        yield only


def look(server: ServerInfo, asked: Asked) -> Facts:
    where = Where(server.address, server.port, shop.DATABASE, "none", "", "")
    return catalogue.look(where, {"username": OPERATOR, "password": f"{OPERATOR}'s password"}, asked)


def fired(server: ServerInfo) -> set[str]:
    facts = look(server, Asked(REPLICATION, 20.0))
    found = judge(Case(facts, facts, configured(TERMS, SCHEMAS))).blockers
    return {one.rule for one in found if one.object != "public.audit_log"}


def test_the_schema_read_alone_is_the_one_that_is_kept_and_what_changed_is_named(server: ServerInfo) -> None:
    alone = Asked(REPLICATION, only=(Objects,))
    before = kept.schema_of(look(server, alone))
    assert before == kept.schema_of(look(server, Asked(REPLICATION)))
    with server.superuser(shop.DATABASE) as connection, connection.cursor() as cursor:
        cursor.execute("ALTER TABLE public.customers ADD COLUMN nickname text")
        now = kept.schema_of(look(server, alone))
        cursor.execute("ALTER TABLE public.customers DROP COLUMN nickname")
    assert kept.changes(before, now) == "table public.customers is another"


def test_each_plant_makes_its_rule_block(server: ServerInfo) -> None:
    before = fired(server)
    assert not before & PLANTS.keys()
    plant(server, shop.DATABASE, PLANTS)
    assert fired(server) >= PLANTS.keys()
    assert PLANTS.keys() <= BY_ID.keys()
