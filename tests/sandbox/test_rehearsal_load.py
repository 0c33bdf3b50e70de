"""The application against real servers: it follows a switchover by DNS alone, and is honest about what it was told."""

import json
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import psycopg2
import pytest
from psycopg2.extensions import set_wait_callback

from sandbox.databases import Server, ServerInfo
from sandbox.ports import free_port
from sandbox.processes import Processes
from sandbox.rehearsal import client, dump, shop
from sandbox.rehearsal.ledger import Ledger, write_gap
from sandbox.rehearsal.progress import progress_path, read
from sandbox.rehearsal.resolver import NameFailure, Resolver
from sandbox.rehearsal.verify import Verification, verify
from sandbox.rehearsal.writes import create_own_table
from tests.support.servers import room

BLUE, GREEN, PROXY = "127.0.0.56", "127.0.0.57", "127.0.0.58"
PASSWORDS = {shop.OWNER: "owner's", shop.APPLICATION: "application's secret"}
REPOSITORY = Path(__file__).resolve().parents[2]


class Nameserver(threading.Thread):
    """Answers every name ending in `writer.test` with one address, behind an alias."""

    def __init__(self, address: str, ttl: int = 1) -> None:
        super().__init__()
        self.address, self.ttl, self.questions, self.whole = address, ttl, 0, True
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = int(self.socket.getsockname()[1])

    def run(self) -> None:
        while True:
            wire, peer = self.socket.recvfrom(4096)
            if wire == b"end":
                return
            question = dns.message.from_wire(wire)
            self.questions += 1
            self.socket.sendto(self._answer(question).to_wire(), peer)

    def _answer(self, question: dns.message.Message) -> dns.message.Message:
        answer, name = dns.message.make_response(question), question.question[0].name.to_text()
        if "loop" in name:
            answer.answer.append(dns.rrset.from_text(name, 9, "IN", "CNAME", f"x{self.questions}.loop.test."))
        elif name == "target.test.":
            answer.answer.append(dns.rrset.from_text(name, self.ttl, "IN", "A", self.address))
        elif name.endswith("writer.test."):
            answer.answer.append(dns.rrset.from_text(name, 60, "IN", "CNAME", "target.test."))
            if self.whole:
                answer.answer.append(dns.rrset.from_text("target.test.", self.ttl, "IN", "A", self.address))
        elif name != "empty.test.":
            answer.set_rcode(dns.rcode.NXDOMAIN)
        return answer

    def __enter__(self) -> "Nameserver":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.sendto(b"end", self.socket.getsockname())
        self.join()
        self.socket.close()


@pytest.fixture
def names() -> Iterator[Nameserver]:
    with Nameserver(BLUE) as server:
        yield server


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[ServerInfo, ServerInfo]]:
    port = free_port(BLUE, GREEN, PROXY)
    with room() as folder, Processes(folder / "logs") as processes:
        blue, green = Server("blue", "16", BLUE, port, folder), Server("green", "18", GREEN, port, folder)
        blue.start(processes)
        green.start(processes)
        shop.create(blue.info, 2000, 1, PASSWORDS)
        shop.create(green.info, 1, 1, PASSWORDS)  # for its roles
        with green.info.superuser() as connection, connection.cursor() as cursor:
            cursor.execute("DROP DATABASE shop")
        with blue.info.superuser("shop") as connection:
            create_own_table(connection, shop.APPLICATION)
        yield blue.info, green.info


@pytest.fixture
def blue(servers: tuple[ServerInfo, ServerInfo]) -> Iterator[ServerInfo]:
    """The source, with counters at 0 as the load expects them."""
    with servers[0].superuser("shop") as connection, connection.cursor() as cursor:
        cursor.execute("UPDATE accounts SET writes = 0; UPDATE warehouse.stock SET writes = 0")
        cursor.execute("UPDATE rehearsal.writes SET writes = 0")
    yield servers[0]
    unfence(servers[0])


@contextmanager
def running(server: ServerInfo, names: Nameserver, ledger: Path, **settings: Any) -> Iterator[subprocess.Popen[str]]:
    told = {
        **{"name": "writer.test", "port": server.port, "resolver": ["127.0.0.1", names.port], "database": "shop"},
        **{"user": shop.APPLICATION, "password": PASSWORDS[shop.APPLICATION], "rate": 150, "seconds": 30},
        **{"ledger": str(ledger), "seed": 1, "mode": "shop", **settings},
    }
    with subprocess.Popen(
        [sys.executable, "-m", "sandbox.rehearsal.load"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
    ) as process:
        assert process.stdin is not None
        process.stdin.write(json.dumps(told))
        process.stdin.close()
        process.stdin = None
        try:
            yield process
        finally:
            process.kill()


def await_writes(ledger: Path, number: int, seconds: float = 15.0) -> None:
    until = time.monotonic() + seconds
    while not ledger.exists() or ledger.read_bytes().count(b"\n") < number:
        assert time.monotonic() < until, f"fewer than {number} writes in {seconds} s"
        time.sleep(0.02)


def summary(process: subprocess.Popen[str], seconds: float = 15.0) -> dict[str, Any]:
    said, complaints = process.communicate(timeout=seconds)
    assert (process.returncode, complaints) == (0, "")
    assert said.count("\n") == 1
    found: dict[str, Any] = json.loads(said)
    return found


def verified(server: ServerInfo, ledger: Path, mode: str = "shop") -> Verification:
    with server.superuser("shop") as connection:
        return verify(Ledger(ledger), connection, mode)


def fence(server: ServerInfo) -> None:
    with server.superuser() as connection, connection.cursor() as cursor:
        cursor.execute(f"REVOKE CONNECT ON DATABASE shop FROM PUBLIC, {shop.APPLICATION}")
        gone = False
        while not gone:
            cursor.execute(
                "SELECT count(pg_terminate_backend(pid)) = 0 FROM pg_stat_activity WHERE usename = %s",
                (shop.APPLICATION,),
            )
            [gone] = cursor.fetchone()


def unfence(server: ServerInfo) -> None:
    with server.superuser() as connection, connection.cursor() as cursor:
        cursor.execute("GRANT CONNECT ON DATABASE shop TO PUBLIC")


@pytest.mark.parametrize("mode", ["shop", "own_table"])
def test_every_acknowledged_write_is_there(mode: str, blue: ServerInfo, names: Nameserver, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    with running(blue, names, ledger, mode=mode, seconds=1.5) as process:
        told = summary(process)
    records = Ledger(ledger).read()
    assert {record.kind for record in records} == {"insert", "update", "delete"}
    assert told["acknowledged"] == len(records) and told["sides"] == {BLUE: len(records)}
    assert 60 <= len(records) <= 260, "the rate is 150 per second"
    found = verified(blue, ledger, mode)
    assert (found.lost_writes, found.duplicated_writes, found.lost, found.duplicated) == (0, 0, [], [])
    assert found.acknowledged_writes == len(records) and found.client_errors == 0
    assert sum(sum(bucket.acknowledged.values()) for bucket in read(progress_path(ledger))[0]) == len(records)
    if mode == "shop":
        with blue.superuser("shop") as connection, connection.cursor() as cursor:
            ids = [record.id for record in records if record.kind == "insert"]
            cursor.execute(
                "SELECT count(*) FROM audit_log WHERE action = 'INSERT' AND request_id::text = ANY (%s)", (ids,)
            )
            assert cursor.fetchone() == (len(ids),), "the trigger ran"


def test_it_follows_the_name_to_another_server_and_nothing_is_lost(
    servers: tuple[ServerInfo, ServerInfo], blue: ServerInfo, names: Nameserver, tmp_path: Path
) -> None:
    green, ledger = servers[1], tmp_path / "ledger"
    with running(blue, names, ledger) as process:
        await_writes(ledger, 150)
        fenced = time.time()
        fence(blue)
        time.sleep(0.1)  # what was acknowledged just now is written down by then
        at_fence = len(Ledger(ledger).read())
        script = tmp_path / "shop.sql"
        command = [blue.program("pg_dump"), "--file", script]
        subprocess.run(command, env=blue.environment("shop"), check=True)
        time.sleep(0.3)
        assert len(Ledger(ledger).read()) == at_fence, "nothing is acknowledged by a fenced server"
        dump.restore(green, script, "shop")
        opened = time.time()
        names.address = GREEN
        await_writes(ledger, at_fence + 150)
        process.send_signal(signal.SIGTERM)
        told = summary(process)
    records = Ledger(ledger).read()
    found = verified(green, ledger)
    assert (found.lost_writes, found.duplicated_writes) == (0, 0), found
    assert told["acknowledged"] == found.acknowledged_writes and set(told["sides"]) == {BLUE, GREEN}
    assert found.errors_by_class["connect: permission denied"] > 0, "it was kept out"
    assert found.errors_by_class.keys() & {"connection lost", "admin shutdown"}, "its sessions were ended"
    assert told["errors"] == found.errors_by_class
    gap = write_gap(records)
    assert gap is not None and gap.start < fenced + 0.2 and gap.end >= opened
    assert opened - fenced - 0.2 < gap.seconds < opened - fenced + 2.0
    assert [r.side for r in records] == sorted(r.side for r in records), "first blue, then green, never back"
    buckets, _ = read(progress_path(ledger))
    assert {bucket.address for bucket in buckets} >= {BLUE, GREEN}
    assert any(not bucket.acknowledged and bucket.errors for bucket in buckets)
    unfence(blue)
    blues = verified(blue, ledger)
    assert blues.lost_writes >= 150, "the side that was left lacks what came after"


def test_a_signal_ends_it_cleanly(blue: ServerInfo, names: Nameserver, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    with running(blue, names, ledger, workers=3) as process:
        await_writes(ledger, 20)
        with blue.superuser() as connection, connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'rehearsal-load'")
            assert cursor.fetchone() == (3,), "one connection for each worker"
        process.send_signal(signal.SIGINT)
        told = summary(process)
    assert told["acknowledged"] == len(Ledger(ledger).read())
    assert told["unfinished"] <= 3, "a write just taken up, one for each worker at most"
    time.sleep(0.2)
    with blue.superuser() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'rehearsal-load'")
        assert cursor.fetchone() == (0,)


def test_a_kill_loses_nothing_that_was_counted(blue: ServerInfo, names: Nameserver, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    with running(blue, names, ledger, workers=4) as process:
        await_writes(ledger, 100)
        process.kill()
        process.wait()
    found = verified(blue, ledger)
    counted = sum(sum(bucket.acknowledged.values()) for bucket in read(progress_path(ledger))[0])
    assert found.acknowledged_writes >= max(100, counted) and found.lost_writes == 0
    # What four workers had just committed and could not write down may be there beyond the ledger.
    assert found.duplicated_writes <= 4 * 3


def test_a_read_only_database_is_waited_out(blue: ServerInfo, names: Nameserver, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    with running(blue, names, ledger, rate=80) as process:
        await_writes(ledger, 20)
        with blue.superuser() as connection, connection.cursor() as cursor:
            cursor.execute("ALTER DATABASE shop SET default_transaction_read_only = on")
            cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'shop_app'")
            time.sleep(0.5)
            before = len(Ledger(ledger).read())
            cursor.execute("ALTER DATABASE shop RESET default_transaction_read_only")
        await_writes(ledger, before + 40)
        process.send_signal(signal.SIGTERM)
        told = summary(process)
    assert told["errors"]["read only sql transaction"] > 0
    found = verified(blue, ledger)
    assert (found.lost_writes, found.duplicated_writes) == (0, 0), found


class Proxy(threading.Thread):
    """Passes bytes on, and breaks every connection at a COMMIT once a few have passed: before it or after it."""

    def __init__(self, server: ServerInfo) -> None:
        super().__init__()
        self.server, self.commits, self.broken = server, 0, 0
        self.listener = socket.create_server((PROXY, server.port))
        self.pipes: list[threading.Thread] = []

    def run(self) -> None:
        while True:
            client_side, _ = self.listener.accept()
            if client_side.getpeername()[0] == "127.0.0.99":
                client_side.close()
                return
            server_side = socket.create_connection((self.server.address, self.server.port))
            pipe = threading.Thread(target=self._pass_on, args=(client_side, server_side))
            pipe.start()
            self.pipes.append(pipe)

    def _pass_on(self, client_side: socket.socket, server_side: socket.socket) -> None:
        back = threading.Thread(target=_copy, args=(server_side, client_side))
        back.start()
        while data := _received(client_side):
            if b"COMMIT\0" in data:
                self.commits += 1
                if self.commits % 10 == 0:
                    self.broken += 1
                    if self.broken % 2:
                        client_side.shutdown(socket.SHUT_RDWR)  # the answer never arrives
                        server_side.sendall(data)
                        time.sleep(0.1)
                    break
            server_side.sendall(data)
        _shut(client_side)
        _shut(server_side)
        back.join()
        client_side.close()
        server_side.close()

    def __enter__(self) -> "Proxy":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        with socket.create_connection(self.listener.getsockname(), source_address=("127.0.0.99", 0)):
            self.join()
        self.listener.close()
        for pipe in self.pipes:
            pipe.join()


def _received(side: socket.socket) -> bytes:
    try:
        return side.recv(65536)
    except OSError:
        return b""


def _copy(source: socket.socket, sink: socket.socket) -> None:
    while data := _received(source):
        try:
            sink.sendall(data)
        except OSError:
            break
    _shut(sink)


def _shut(side: socket.socket) -> None:
    try:
        side.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


def test_a_write_of_unknown_fate_is_recorded_as_such_and_never_repeated(
    blue: ServerInfo, names: Nameserver, tmp_path: Path
) -> None:
    ledger, names.address = tmp_path / "ledger", PROXY
    with Proxy(blue) as proxy, running(blue, names, ledger, workers=3) as process:
        await_writes(ledger, 150)
        process.send_signal(signal.SIGTERM)
        told = summary(process)
    records = Ledger(ledger).read()
    ambiguous = [record for record in records if not record.acknowledged]
    assert len(ambiguous) == told["ambiguous"] == proxy.broken >= 10
    assert len({record.id for record in records}) == len(records), "no request id is used twice"
    found = verified(blue, ledger)
    assert (found.lost_writes, found.duplicated_writes) == (0, 0), found
    assert found.ambiguous_writes == len(ambiguous)
    inserts = [record.id for record in ambiguous if record.kind == "insert"]
    with blue.superuser("shop") as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM orders WHERE request_id::text = ANY (%s)", (inserts,))
        [there] = cursor.fetchone()
    assert 0 < there < len(inserts), "some were carried out, some were not"


def test_a_load_that_can_not_begin_says_why_in_one_line(blue: ServerInfo, names: Nameserver, tmp_path: Path) -> None:
    with running(blue, names, tmp_path / "ledger", mode="own_table", user="nobody", password="hidden") as process:
        process.send_signal(0)
        time.sleep(1.0)
        assert process.poll() is None, "it goes on trying for a while"
        process.send_signal(signal.SIGTERM)
        assert summary(process)["acknowledged"] == 0
    with blue.superuser("shop") as connection, connection.cursor() as cursor:
        cursor.execute(
            """ALTER TABLE rehearsal.writes RENAME TO elsewhere;
            CREATE VIEW rehearsal.writes AS SELECT * FROM rehearsal.elsewhere WHERE false;
            GRANT ALL ON rehearsal.writes TO shop_app"""
        )
        try:
            with running(blue, names, tmp_path / "ledger", mode="own_table") as process:
                said, complaint = process.communicate(timeout=10)
        finally:
            cursor.execute("DROP VIEW rehearsal.writes; ALTER TABLE rehearsal.elsewhere RENAME TO writes")
    assert process.returncode == 1 and said == "" and complaint.count("\n") == 1
    assert "create_own_table" in complaint


def test_a_ledger_that_can_not_be_written_ends_the_load(blue: ServerInfo, names: Nameserver) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "ledger").symlink_to("/dev/full")
        with running(blue, names, Path(folder) / "ledger") as process:
            said, complaint = process.communicate(timeout=10)
    assert process.returncode == 1 and said == "" and "No space left" in complaint and complaint.count("\n") == 1


def test_the_resolver_follows_aliases_and_honours_the_ttl(names: Nameserver) -> None:
    now = 0.0
    names.ttl = 5
    resolver = Resolver("writer.test", "127.0.0.1", names.port, lambda: now)
    assert resolver.address() == BLUE
    names.address = GREEN
    now = 4.9
    assert (resolver.address(), names.questions) == (BLUE, 1)
    now = 5.0
    assert (resolver.address(), names.questions) == (GREEN, 2)
    names.whole = False  # the alias and its target in two answers
    now = 10.0
    assert (resolver.address(), names.questions) == (GREEN, 4)
    names.ttl = 0
    now = 15.0
    resolver.address()
    resolver.address()
    assert names.questions == 8, "a TTL of 0 is not kept at all"


@pytest.mark.parametrize(
    ("name", "says"), [("no.test", "NXDOMAIN"), ("empty.test", "no address"), ("loop.test", "alias")]
)
def test_a_name_without_address_is_a_failure(name: str, says: str, names: Nameserver) -> None:
    with pytest.raises(NameFailure, match=says):
        Resolver(name, "127.0.0.1", names.port).address()


def test_a_silent_server_does_not_hold_the_application(blue: ServerInfo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "CONNECT_SECONDS", 0.3)
    monkeypatch.setattr(client, "STATEMENT_SECONDS", -0.7)  # the client waits a second longer
    client.limit_waiting()
    try:
        with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(client.TimedOut):
            psycopg2.connect(host="127.0.0.1", port=silent.getsockname()[1], user="x", password="x", dbname="x")
        with blue.superuser() as connection, connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            with pytest.raises(client.TimedOut):
                cursor.execute("SELECT pg_sleep(30)")
    finally:
        set_wait_callback(None)


def test_the_server_is_told_the_limit_too(blue: ServerInfo) -> None:
    connection = client.connect(
        address=blue.address,
        port=blue.port,
        database="shop",
        user=shop.APPLICATION,
        password=PASSWORDS[shop.APPLICATION],
    )
    try:
        with connection.cursor() as cursor:
            cursor.execute("SHOW statement_timeout")
            assert cursor.fetchone() == ("5s",)
    finally:
        connection.close()
