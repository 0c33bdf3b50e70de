"""A rehearsal from its command line to its report, with the shop and with a real application's database."""

import gzip
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

from sandbox import stack
from sandbox.instance import Instance
from tests.rehearsal.person import Ended, Run, rehearsal, report_of

DUMP = Path(__file__).parent / "data" / "synapse.sql.gz"
TABLES, ROWS = 151, 11_769
LEFT_OUT = "worker_read_write_locks%"
SLOW = 2
"""How many seconds DNS takes to follow a change."""
MENDED = """
ALTER TABLE public.cache_invalidation_stream_by_instance ADD PRIMARY KEY (stream_id);
CREATE EXTENSION vector WITH SCHEMA public;
CREATE TABLE public.embeddings (id int PRIMARY KEY, place public.vector(3));
INSERT INTO public.embeddings SELECT n, '[1,2,3]' FROM generate_series(1, 100) n;
"""
"""What the dump's owner would have to do, and a table of an extension that an administrator on RDS may create."""
NEEDED = (
    *("engine", "source_version", "target_version", "resources_created", "rows_loaded", "acknowledged_writes"),
    *("lost_writes", "duplicated_writes", "client_errors", "write_gap_seconds", "fence_to_open_seconds"),
    *("validation", "phases"),
)
PHASES = [
    *(
        "set up",
        "fill the source",
        "deploy",
        "prepare both sides",
        "preflight",
        "full load",
        "changes under load",
        "switchover",
    ),
    *("writes on green", "fail-back", "writes on blue", "verify", "destroy"),
]


def passwords(instance: Instance, *regions: str) -> set[str]:
    """Return every password and key of a running sandbox that can be asked for."""
    found = {instance.source.password, instance.target.password, instance.passphrase}
    for client in (instance.client("secretsmanager", region) for region in regions):
        for page in client.get_paginator("list_secrets").paginate():
            for secret in page["SecretList"]:
                found.add(json.loads(client.get_secret_value(SecretId=secret["ARN"])["SecretString"])["password"])
    return found


def where_shown(run: Run, ended: Ended, secrets: set[str]) -> set[str]:
    """Return everything printed or written in which one of the secrets can be read."""
    assert run.instance
    texts = {"standard output": ended.out, "standard error": ended.err}
    texts |= {path.name: path.read_text() for path in run.output.iterdir()}
    texts |= {f"logs/{path.name}": path.read_text(errors="replace") for path in run.instance.logs.iterdir()}
    assert {"report.json", "report.html", "ledger.jsonl", "logs/postgres-target.log"} <= texts.keys()
    return {place for place, text in texts.items() for secret in secrets if secret in text}


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Run, Ended, set[str]]]:
    """A short rehearsal with the shop, behind a DNS that takes its time, and the passwords there were."""
    size = ("--rows", "20000", "--seconds", "5", "--rate", "200", "--dns-propagation", str(SLOW))
    with rehearsal(tmp_path_factory.mktemp("short"), *size) as run:
        run.await_phase("switchover")
        assert run.instance
        secrets = passwords(run.instance, "us-east-1")
        yield run, run.end(), secrets


def test_a_rehearsal_loses_nothing_and_says_so(short: tuple[Run, Ended, set[str]]) -> None:
    run, ended, _ = short
    assert ended.status == 0, ended.err
    assert "Traceback" not in ended.err and ended.last_lines == []
    first, there, back, sides, took, report = ended.out.splitlines()
    assert re.fullmatch(
        r"acknowledged [\d,]+ writes, lost 0, doubled 0; compared 29 tables with .*, 0 mismatches", first
    )
    assert there.startswith("switchover: write gap ") and back.startswith("fail-back: write gap ")
    assert sides.startswith("both sides open in 0 of ")
    assert re.fullmatch(r"took \d+ s, \d+ s of it the set-up", took)
    assert report == f"report: {run.output / 'report.html'}"


def test_the_report_has_every_number(short: tuple[Run, Ended, set[str]]) -> None:
    report = report_of(short[0])
    assert [key for key in NEEDED if key not in report] == []
    assert report["engine"].startswith("pulumi 3.")
    assert report["source_version"].startswith("16") and report["target_version"].startswith("18")
    assert report["resources_created"] > 100
    assert 18_000 < report["rows_loaded"] < 22_000
    assert report["acknowledged_writes"] > 300
    assert (report["lost_writes"], report["duplicated_writes"]) == (0, 0)
    assert report["client_errors"] >= 0
    assert report["fence_to_open_seconds"] > 0 and report["write_gap_seconds"] > 0
    validation = report["validation"]
    sides = report["writable_sides"]
    assert sides["both_instants"] == 0 and sides["neither_seconds"] > 0
    assert sides["accepted"]["blue"] > 20 and sides["accepted"]["green"] > 20
    assert validation["tables"] == 29 and validation["mismatches"] == 0
    assert validation["rows"] > report["rows_loaded"]
    assert list(report["phases"]) == PHASES
    assert report["switchover"]["status"] == report["fail_back"]["status"] == "SUCCEEDED"
    assert report["fail_back"].keys() == report["switchover"].keys()
    for attempt in (report["switchover"], report["fail_back"]):
        assert attempt["fence_to_open_seconds"] > 0 and attempt["write_gap_seconds"] > 0
        assert 0 < attempt["tables_in_fence"] < 29, "what nobody wrote to is known to be equal before"
    assert "reverse" in report["switchover"]["steps"] and "reverse" not in report["fail_back"]["steps"]


def test_slow_dns_is_waited_for_before_anybody_is_shut_out(short: tuple[Run, Ended, set[str]]) -> None:
    """Who has a session goes on writing on the source until DNS has followed."""
    report = report_of(short[0])
    assert report["dns_propagation_seconds"] == SLOW
    assert f"DNS propagation {SLOW} s" in short[1].out
    for attempt in (report["switchover"], report["fail_back"]):
        flip, fence = attempt["steps"]["flip"], attempt["steps"]["fence"]
        assert flip[1] - flip[0] > SLOW
        assert flip[1] <= fence[0]


def test_the_page_loads_nothing(short: tuple[Run, Ended, set[str]]) -> None:
    text = (short[0].output / "report.html").read_text()
    addresses: list[str | None] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            addresses.extend(value for key, value in attrs if key in ("src", "href", "xlink:href", "data", "action"))

    Reader().feed(text)
    assert "No acknowledged write was lost" in text
    assert [one for one in addresses if one and not one.startswith(("#", "data:"))] == []
    assert not re.search(r"@import|url\((?!#|['\"]?data:)|<script", text)


def test_nothing_is_left_of_it(short: tuple[Run, Ended, set[str]]) -> None:
    run = short[0]
    assert run.instance, "no port could be looked at"
    assert run.left() == []


def test_no_password_is_printed_or_written(short: tuple[Run, Ended, set[str]]) -> None:
    run, ended, secrets = short
    assert len(secrets) >= 6
    assert where_shown(run, ended, secrets) == set()


@pytest.fixture(scope="module")
def dumps(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Run, Run]]:
    """Two rehearsals side by side: with the application's dump as it is, and as its owner would have to mend it.

    DMS carries neither unlogged tables nor arrays in a table without a key. The two unlogged tables are left out by
    the stack's configuration.
    """
    text = gzip.decompress(DUMP.read_bytes()).decode()
    assert text.count("CREATE UNLOGGED TABLE") == 2
    mended = text + MENDED
    config = stack.load("dev")
    config[f"{stack.PROJECT}:replication"]["tables"] += [{"schema": "public", "table": LEFT_OUT, "action": "exclude"}]
    keyless = {"rule": "no-primary-key", "reason": "nobody changes a row of these tables in a rehearsal"}
    config[f"{stack.PROJECT}:preflight"] = {"excusedRules": [keyless]}
    first, second = tmp_path_factory.mktemp("mended"), tmp_path_factory.mktemp("raw")
    (first / "mended.sql").write_text(mended)
    (first / "config.yaml").write_text(yaml.safe_dump({"config": config}))
    size = ("--seconds", "4", "--rate", "200")
    with (
        rehearsal(first, "--dump", first / "mended.sql", "--stack-config", first / "config.yaml", *size) as whole,
        rehearsal(second, "--dump", DUMP, *size) as raw,
    ):
        yield whole, raw


def test_a_real_application_s_dump_moves_whole(dumps: tuple[Run, Run]) -> None:
    run, _ = dumps
    ended = run.end()
    assert ended.status == 0, ended.out + ended.err
    report = report_of(run)
    tables, rows = TABLES + 2, ROWS + 100
    assert report["rows_loaded"] == rows
    assert (report["lost_writes"], report["duplicated_writes"]) == (0, 0) and report["acknowledged_writes"] > 200
    validation = report["validation"]
    assert f"left out by the stack's configuration: public.{LEFT_OUT}" in ended.out
    assert report["fail_back"]["status"] == "SUCCEEDED"
    assert (validation["tables"], validation["mismatches"]) == (tables - 1, 0), "the load's own more, two left out"
    assert validation["rows"] > rows
    compared = validation["by_table"]
    assert len({table["table"] for table in compared}) == tables - 2 and all(table["equal"] for table in compared)
    assert sum(table["target_rows"] for table in compared) == rows
    assert run.left() == []


def test_what_dms_can_not_carry_is_said_before_anything_is_moved(dumps: tuple[Run, Run]) -> None:
    """Preflight refuses, with the remedies, and nothing is loaded."""
    _, run = dumps
    ended = run.end()
    assert ended.status == 3 and ended.last_lines == [], ended.err
    assert "] preflight\n" in ended.err and "] full load\n" not in ended.err
    for rule in ("array-without-key", "no-primary-key", "unlogged-table"):
        assert f"\nBLOCKS {rule}: " in ended.out
    for remedy in (
        "ALTER TABLE public.cache_invalidation_stream_by_instance ADD ",
        "ALTER TABLE public.worker_read_write_locks SET LOGGED;",
    ):
        assert remedy in ended.out
    assert not (run.output / "report.html").exists()
    assert run.left() == []
