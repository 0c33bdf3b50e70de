"""What `--plant` does to the default source is found by the rule of its name, on the real thing."""

from collections.abc import Iterator

import pytest

from handlers.adapters import catalogue
from handlers.adapters.catalogue import Asked
from handlers.config import Side as Where
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


def fired(server: ServerInfo) -> set[str]:
    where = Where(server.address, server.port, shop.DATABASE, "none", "", "")
    facts = catalogue.look(
        where, {"username": OPERATOR, "password": f"{OPERATOR}'s password"}, Asked(REPLICATION, 20.0)
    )
    found = judge(Case(facts, facts, configured(TERMS, SCHEMAS))).blockers
    return {one.rule for one in found if one.object != "public.audit_log"}


def test_each_plant_makes_its_rule_block(server: ServerInfo) -> None:
    before = fired(server)
    assert not before & PLANTS.keys()
    plant(server, shop.DATABASE, PLANTS)
    assert fired(server) >= PLANTS.keys()
    assert PLANTS.keys() <= BY_ID.keys()
