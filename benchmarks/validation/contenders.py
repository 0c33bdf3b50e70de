"""Those who compare, each as a process of its own: seconds, peak memory, rows found."""

import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.validation import peers
from benchmarks.validation.peers import Peers
from benchmarks.validation.stage import Stage, conninfo
from sandbox import installer
from sandbox.databases import ServerInfo
from sandbox.databases.server import SUPERUSER

RELADIFF = Path(__file__).parent / "requirements.txt"
REPOSITORY = Path(__file__).resolve().parent.parent.parent
_OURS = """
import argparse, json, os
from handlers.adapters.postgres import Database
from handlers.config import Side
from migrate import validate
parser = argparse.ArgumentParser()
validate.add_to(parser.add_subparsers())
def opened(one):
    side = Side(one["host"], one["port"], "postgres", "none", "", "")
    return Database.connect(side, {"username": one["user"], "password": one["password"]}, 600)
old, new = (opened(one) for one in json.loads(os.environ["SERVERS"]))
asked = parser.parse_args(["validate", "--json", *json.loads(os.environ["WORDS"])])
raise SystemExit(validate.run(asked, old, new))
"""
_RELADIFF = """
import json, os
import reladiff
old, new = ({"driver": "postgresql", **{k: one[k] for k in ("host", "port", "user", "password")}, "dbname": "postgres"}
    for one in json.loads(os.environ["SERVERS"]))
asked = json.loads(os.environ["WORDS"])
columns = tuple(asked["columns"])
pair = [reladiff.connect_to_table(one, asked["table"], (asked["key"],), extra_columns=columns,
    thread_count=asked["threads"]) for one in (old, new)]
found = list(reladiff.diff_tables(*pair, threaded=asked["threads"] > 1, max_threadpool_size=asked["threads"]))
print(json.dumps(len({row[0] for _, row in found})))
"""
_LIMIT = "SELECT count(*), sum(hash_record_extended(t, 0)) FROM {table} t"

Measured = dict[str, Any]


def ours(stage: Stage, table: str, *words: str) -> Measured:
    """Validate a table with the product, from its start to its report."""
    asked = ["--table", f"public.{table}", "--settle-seconds", "0", *words]
    done = _measured([sys.executable, "-c", _OURS], stage, asked, {"PYTHONPATH": str(REPOSITORY)})
    report = json.loads(done.pop("said"))
    [found] = report["tables"]
    return {
        **done,
        "verdict": found["verdict"],
        "found": len(found["differences"]),
        "unsettled": len(found["unsettled"]),
        "method": found["method"],
    }


def reladiff(stage: Stage, table: str, key: str, columns: list[str], threads: int) -> Measured:
    """Compare a table with reladiff, from its start to the last row it found."""
    asked = {"table": table, "key": key, "columns": columns, "threads": threads}
    done = _measured([str(reladiff_python()), "-c", _RELADIFF], stage, asked, {})
    found = int(done.pop("said"))
    return {**done, "found": found}


def pgcopydb(stage: Stage, found: Peers) -> Measured:
    """Compare the one table of both databases with pgcopydb, which says no more than that it differs."""
    old, new = map(conninfo, stage.both)
    with tempfile.TemporaryDirectory() as scratch:
        own = {
            "PGCOPYDB_SOURCE_PGURI": old,
            "PGCOPYDB_TARGET_PGURI": new,
            "PATH": f"{stage.new.binaries}/bin:{os.defpath}",  # it looks for pg_dump before all else
            "TMPDIR": scratch,
            "HOME": scratch,
        }
        done = _measured([*found.command("pgcopydb"), "compare", "data", "--json", "--jobs", "4"], stage, None, own)
    differ = peers.tables_that_differ(done.pop("said"))
    del done["memory_mb"]  # its parts are processes of their own
    return {**done, "found": "a table" if differ else 0}


def pg_comparator(stage: Stage, found: Peers, table: str, key: str, columns: list[str]) -> Measured:
    """Compare a table with pg_comparator, by its own functions in both servers."""
    sides = [
        f"pgsql://{SUPERUSER}@{one.address}:{one.port}/postgres/{table}?{key}:{','.join(columns)}" for one in stage.both
    ]
    passwords = {f"SIDE{number}": one.password for number, one in enumerate(stage.both, start=1)}
    own = {"PERL5LIB": found.modules(), **passwords}
    options = ["--env-pass=SIDE", "--checksum-function=ck", "--checksum-size=8", "--stats=txt"]
    script = str(found.root / "usr/bin/pg_comparator")
    done = _measured([*found.command("perl"), script, *options, *sides], stage, None, own)
    [differ] = re.findall(r"diffs found: (\d+)", done.pop("said"))
    return {**done, "found": int(differ)}


def limit(stage: Stage, table: str) -> Measured:
    """Hash all rows of both sides at once in one aggregate each: what servers need at least."""
    began = time.perf_counter()
    threads = [threading.Thread(target=_hash_all, args=(server, table)) for server in stage.both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"seconds": time.perf_counter() - began}


def _hash_all(server: ServerInfo, table: str) -> None:
    with server.superuser() as connection, connection.cursor() as cursor:
        cursor.execute("SET jit = off; SET max_parallel_workers_per_gather = 0")
        cursor.execute(_LIMIT.format(table=table))


def _measured(command: list[str], stage: Stage, words: Any, more: Mapping[str, str]) -> Measured:
    """Run a program and return its seconds, the most memory it held, in MB, and what it said."""
    servers = [
        {"host": one.address, "port": one.port, "user": SUPERUSER, "password": one.password} for one in stage.both
    ]
    env = {"PATH": os.defpath, "SERVERS": json.dumps(servers), "WORDS": json.dumps(words), **more}
    began = time.perf_counter()
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        watch = _Memory(process.pid)
        watch.start()
        said, complaint = process.communicate()
        seconds = time.perf_counter() - began
        watch.join()
    if process.returncode not in {0, 4, 8}:
        raise RuntimeError(f"{command[0]} ended with {process.returncode}: {complaint[-500:]}")
    return {"seconds": seconds, "memory_mb": watch.peak, "said": said}


class _Memory(threading.Thread):
    """Reads the high-water mark of a process until it ends."""

    def __init__(self, pid: int) -> None:
        super().__init__()
        self._status, self.peak = Path(f"/proc/{pid}/status"), 0.0

    def run(self) -> None:
        """Look ten times a second."""
        while True:
            try:
                found = re.search(r"VmHWM:\s+(\d+) kB", self._status.read_text())
            except OSError:
                return
            if not found:
                return
            self.peak = max(self.peak, int(found[1]) / 1024)
            time.sleep(0.1)


def reladiff_python() -> Path:
    """Return the Python of an environment with reladiff in it, made once: before anything is measured."""
    return installer.environment(installer.named("reladiff", RELADIFF), RELADIFF, "reladiff")
