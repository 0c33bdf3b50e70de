"""With verify-full, preflight and the operator's command know the server by the stack's own bundle."""

from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from handlers.adapters import catalogue
from handlers.adapters.catalogue import Asked
from handlers.config import Side
from handlers.preflight import facts
from migrate import sides
from migrate.errors import MigrateError
from migrate.stack import Login
from sandbox.databases import ServerInfo
from sandbox.databases.server import SUPERUSER
from tests.support.servers import room, two_servers
from tests.support.tls_front import certificate, tls_front


@pytest.fixture(scope="module")
def server() -> Iterator[ServerInfo]:
    with room() as folder, two_servers(folder) as (found, _):
        yield found


def test_a_server_is_known_by_the_bundle_alone(server: ServerInfo, tmp_path: Path) -> None:
    ours, key = certificate(tmp_path, "ours", server.address)
    theirs, _ = certificate(tmp_path, "theirs", server.address)
    with tls_front(server.address, server.port, ours, key) as port:
        side = Side(server.address, port, "postgres", "verify-full", "", "")
        credentials = {"username": SUPERUSER, "password": server.password}
        assert isinstance(catalogue.look(side, credentials, Asked("nobody"), ours).read(facts.Server), facts.Server)
        sides._connected(Login(side, SUPERUSER, server.password, (), ours), "source").close()
        for authority in (theirs, None):
            with pytest.raises(psycopg2.OperationalError, match="certificate"):
                catalogue.look(side, credentials, Asked("nobody"), authority)
            with pytest.raises(MigrateError, match="the source at .* can't be reached as .*certificate"):
                sides._connected(Login(side, SUPERUSER, server.password, (), authority), "source")
