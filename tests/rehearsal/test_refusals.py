"""What a person sees when a rehearsal is interrupted or can't go on: one line, and nothing left running."""

import os
import resource
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.databases.binaries import FIRST, PROGRAMS
from sandbox.paths import cache_folder
from sandbox.ports import free_port
from sandbox.supervisor import SOURCE, TARGET
from tests.rehearsal.person import REPORTS, Run, rehearsal
from tests.support.servers import room, two_servers

SMALL = ("--rows", "2000", "--rate", "200")
LONG = (*SMALL, "--seconds", "600")
NOT_BEGUN, NOT_SET_UP = "] set up\n", "engine: pulumi"
BAD_CONFIG = """config:
  aws:region: us-east-1
  database-migration:environmentSuffix: dev
  database-migration:network: {nat: two, zone: 3}
  database-migration:source: {host: db.example.com, database: shop}
  database-migration:dns: {zone: db.dev.example.com}
"""


def is_set_up(run: Run) -> bool:
    return NOT_SET_UP in run.printed()


def deploys(run: Run) -> bool:
    """Say whether the engine is at work: it holds the stack's lock then."""
    return bool(run.instance and list(run.instance.folder.glob("state/.pulumi/locks/**/*.json")))


def writes(run: Run) -> bool:
    """Say whether changes are under load."""
    ledger = run.output / "ledger.jsonl"
    return "] changes under load\n" in run.printed() and ledger.exists() and ledger.stat().st_size > 50_000


def interrupted(run: Run) -> None:
    ended = run.end()
    assert ended.status == 130, ended.err
    assert ended.last_lines == ["interrupted: everything that was started has been ended"]
    assert ended.out == ""
    nothing_is_left(run)


def nothing_is_left(run: Run) -> None:
    assert run.left() == []
    assert [name for name in REPORTS if (run.output / name).exists()] == []


def complaint(run: Run) -> str:
    """Return the one line of error; there is nothing else but phases before it, and nothing left after it."""
    ended = run.end()
    assert ended.status == 1, ended.err
    [line] = ended.last_lines
    assert line == ended.err.splitlines()[-1] and line.startswith("error: "), ended.err
    assert ended.out == ""
    nothing_is_left(run)
    return line.removeprefix("error: ")


def refused(folder: Path, *args: str | Path, before: str, **options: Any) -> str:
    """Run a rehearsal that must be refused before something was said, and return its complaint."""
    with rehearsal(folder, *SMALL, *args, **options) as run:
        said = complaint(run)
        assert before not in run.printed()
        return said


@pytest.mark.parametrize(
    ("moment", "presses"),
    [(is_set_up, 1), (deploys, 1), (writes, 2)],
    ids=["set-up", "deploy", "twice-under-load"],
)
def test_ctrl_c_leaves_nothing(moment: Callable[[Run], bool], presses: int, tmp_path: Path) -> None:
    with rehearsal(tmp_path, *LONG) as run:
        run.wait_for(lambda: moment(run), "the moment")
        assert run.left(), "it runs, so there is something to be found"
        for _ in range(presses):
            run.press(signal.SIGINT)
        interrupted(run)


def test_sigterm_leaves_nothing(tmp_path: Path) -> None:
    with rehearsal(tmp_path, *LONG) as run:
        run.wait_for(lambda: deploys(run), "the deployment")
        run.process.send_signal(signal.SIGTERM)
        interrupted(run)


def test_a_killed_rehearsal_takes_everything_along(tmp_path: Path) -> None:
    """Nobody can clean up after SIGKILL but the supervisor."""
    with rehearsal(tmp_path, *LONG) as run:
        run.wait_for(lambda: deploys(run), "the deployment")
        run.process.kill()
        run.process.wait()
        run.await_nothing_left()


def test_a_second_rehearsal_spares_the_first_and_a_full_disk_under_the_ledger_is_said(tmp_path: Path) -> None:
    """A limit on the load's files stands in for the disk: it needs no rights, and the same calls fail."""
    with rehearsal(tmp_path, *LONG) as run:
        ledger = run.output / "ledger.jsonl"
        run.wait_for(lambda: writes(run), "writes")
        for folder, name, says in (
            (tmp_path / "other", run.name, f"a sandbox called {run.name} is running: use it, end it with"),
            (tmp_path, "", f"another rehearsal writes to {run.output}: name another folder with --output"),
        ):
            with rehearsal(folder, *SMALL, name=name, said="second") as second:
                ended = second.end()
                assert ended.status == 1 and len(ended.last_lines) == 1 and f"error: {says}" in ended.err
        size = ledger.stat().st_size
        run.wait_for(lambda: ledger.stat().st_size > size, "more writes")
        load = run.child("sandbox.rehearsal.load")
        assert load
        resource.prlimit(load, resource.RLIMIT_FSIZE, (size, size))
        said = complaint(run)
    assert said.startswith(f"the load ended by itself: {ledger} can't be written: ") and "make room" in said


def test_a_full_disk_under_the_databases_is_said(tmp_path: Path) -> None:
    def no_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4_000_000, 4_000_000))

    said = refused(tmp_path, before=" rows", preexec=no_room)
    assert "make room" in said and "TMPDIR" in said


def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    port = free_port(SOURCE, TARGET)
    with socket.socket() as taken:
        taken.bind((TARGET, port))
        taken.listen()
        said = refused(tmp_path, "--database-port", str(port), before="] fill the source")
    assert said == f"port {port} on {TARGET} is taken: choose another with --database-port, or none"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A cache that borrows everything from the real one but the database servers' programs, which are links to it."""
    home = tmp_path / "cache" / "database-migration"
    home.mkdir(parents=True)
    for borrowed in ("engine", "cloud", "layers"):
        (home / borrowed).symlink_to(cache_folder(borrowed))
    for inside in FIRST.folders.values():
        programs = Path(FIRST.folder.name, inside, "bin")
        (home / "postgres" / programs).mkdir(parents=True)
        for program in PROGRAMS:
            (home / "postgres" / programs / program).symlink_to(cache_folder("postgres") / programs / program)
    return home


@pytest.mark.parametrize("program", ["postgres", "initdb"])
def test_a_missing_database_program_is_said(program: str, cache: Path, tmp_path: Path) -> None:
    [path] = (cache / "postgres").glob(f"*/{FIRST.folders['18']}/bin/{program}")
    path.unlink()
    said = refused(tmp_path, before=NOT_SET_UP, environment={"XDG_CACHE_HOME": str(cache.parent)})
    assert said == f"{path} is missing or can't be run: remove {path.parents[3]} and run `make setup`"


def test_database_servers_that_can_not_be_fetched_are_said(cache: Path, tmp_path: Path) -> None:
    (cache / "postgres").rename(tmp_path / "away")
    offline = {"XDG_CACHE_HOME": str(cache.parent), "PIP_NO_INDEX": "1"}
    said = refused(tmp_path, before=NOT_SET_UP, environment=offline)
    assert said.startswith("the installer, uv, can't be fetched: "), "this cache has none"
    assert said.endswith("Is the package index reachable? It is the one that pip is told of")


@pytest.mark.parametrize(
    ("text", "name", "says"),
    [
        (BAD_CONFIG, "a.yaml", "{path}: the stack configuration can't be used: network.nat is 'two': "),
        ("a: [\n", "a.yaml", "{path} is not YAML: line 2: "),
        ("a: 1\n", "a.yaml", "{path} holds no `config:` map: write one as in Pulumi.dev.yaml"),
        ("config: {'database-migration:network': 5}\n", "a.yaml", "{path}: the stack configuration can't be used: "),
        ("config: {'database-migration:target': 5}\n", "a.yaml", "{path}: the stack configuration can't be used: "),
        (b"\xff\xfe\x00", "a.yaml", "{path} is not YAML: it is no text; name a stack's configuration"),
        (None, "a.yaml", "no stack config {path} (No such file or directory): write one of dev, staging, or a file's"),
        (None, "nowhere", "no stack config "),
    ],
    ids=["two-bad-keys", "not-yaml", "no-config", "no-map", "no-target", "no-text", "no-file", "no-stack"],
)
def test_a_wrong_configuration_is_said(text: str | bytes | None, name: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    config = str(path) if name.endswith(".yaml") else name
    said = refused(tmp_path, "--stack-config", config, before=NOT_SET_UP)
    assert said.startswith(says.format(path=path))
    if text == BAD_CONFIG:
        assert "; network.zone: there is no such key; did you mean zones?" in said


@pytest.mark.parametrize(
    ("example", "reason"),
    [
        ("fleet-orchestration", "leads to databases that are elsewhere"),
        ("rds-mysql", "makes a database and moves nothing to it"),
    ],
)
def test_a_stack_that_moves_no_database_of_this_machine_is_not_rehearsed(
    tmp_path: Path, example: str, reason: str
) -> None:
    said = refused(tmp_path, "--stack-config", f"examples/{example}.yaml", before=NOT_BEGUN)
    assert said.startswith(f"examples/{example}.yaml {reason}")
    assert "name a configuration of composition migration or application" in said


def test_a_stack_that_changes_names_is_not_rehearsed(tmp_path: Path) -> None:
    path = tmp_path / "renamed.yaml"
    renaming = "  database-migration:replication: {transformations: [{schema: app, rename: app_v2}]}\n"
    path.write_text("config:\n  aws:region: us-east-1\n" + renaming)
    said = refused(tmp_path, "--stack-config", path, before=NOT_BEGUN)
    assert said.startswith(f"{path} has replication.transformations: a rehearsal's application knows one name")


@pytest.mark.parametrize("section", ["{mode: approved}", "{mode: automatic}", "{canary: {roles: [report]}}"])
def test_a_switchover_that_needs_a_person_is_not_rehearsed(tmp_path: Path, section: str) -> None:
    path = tmp_path / "careful.yaml"
    path.write_text(f"config:\n  database-migration:switchover: {section}\n")
    said = refused(tmp_path, "--stack-config", path, before=NOT_BEGUN)
    assert said.startswith(f"{path} has a switchover.canary, or a switchover.mode other than manual: ")


@pytest.fixture(scope="module")
def archive() -> Iterator[bytes]:
    """A small database in pg_dump's custom format."""
    with room() as folder, two_servers(folder) as (server, _):
        with server.superuser() as connection, connection.cursor() as cursor:
            cursor.execute("CREATE TABLE a AS SELECT n, md5(n::text) FROM generate_series(1, 20000) n")
        command: list[str | Path] = [server.program("pg_dump"), "--format=custom"]
        yield subprocess.run(command, env=server.environment(), capture_output=True, check=True).stdout


def test_a_dump_that_is_none_is_refused_before_anything_is_started(tmp_path: Path) -> None:
    (tmp_path / "garbage").write_bytes(os.urandom(64) + bytes(64))
    for name, says in (("garbage", "is no dump"), ("absent", "does not exist"), (".", "is a folder without toc.dat")):
        said = refused(tmp_path, "--dump", tmp_path / name, before=NOT_BEGUN)
        assert said.startswith(f"{tmp_path / name} {says}") and (":" in said)


def test_an_archive_that_is_cut_off_is_said(archive: bytes, tmp_path: Path) -> None:
    (tmp_path / "cut").write_bytes(archive[:-5000])
    said = refused(tmp_path, "--dump", tmp_path / "cut", before="] deploy")
    assert said.startswith(f"{tmp_path / 'cut'} is cut off: ") and said.endswith("dump or copy it again")


def test_an_error_in_the_middle_of_a_dump_is_said(tmp_path: Path) -> None:
    path = tmp_path / "wrong.sql"
    path.write_text("CREATE TABLE a (b int);\nINSERT INTO a VALUES (1);\nINSERT INTO a VALUES ('x');\nSELECT 1;\n")
    said = refused(tmp_path, "--dump", path, before="] deploy")
    assert said.startswith(f"{path} can't be restored: line 3: invalid input syntax for type integer")
    assert "dump the whole database with pg_dump" in said
