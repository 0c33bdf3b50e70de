"""A package index of another day, on loopback: every package has been released anew since, some are yanked.

What it offers is made from the repository's own locks: each package at its locked version, small and without content,
asking for what the real one asks for; and releases that nobody has tried, which a resolver would take.
"""

import hashlib
import io
import json
import re
import subprocess
import threading
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ENTRY = re.compile(
    r"^(?P<name>[A-Za-z0-9._-]+)(?P<extras>\[[^]]+\])?==(?P<version>[^\s;]+)(?: ; (?P<marker>[^\\]+?))? \\$"
)
NEWER, WITHOUT_WHEEL, YANKED = "9999.0", "9999.1", "9999.2"
"""What came out meanwhile."""


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@dataclass
class Locked:
    """An entry of a lock, and who asked for it."""

    name: str
    extras: str
    version: str
    marker: str
    asked_by: list[str] = field(default_factory=list)


def entries(lock: Path) -> list[Locked]:
    """Return the entries of a lock that `uv pip compile` wrote with its annotations."""
    found: list[Locked] = []
    for line in lock.read_text().splitlines():
        entry = ENTRY.match(line)
        if entry:
            marker = (entry["marker"] or "").strip()
            found.append(Locked(canonical(entry["name"]), entry["extras"] or "", entry["version"], marker))
        elif line.startswith("    # via ") and found:
            said = line.removeprefix("    # via ").split(", ")
            found[-1].asked_by = [canonical(one.partition("[")[0]) for one in said if one[:1] != "-"]
    assert found, f"{lock} names nothing"
    return found


def wheel(name: str, version: str, requires: Sequence[str] = (), extras: Sequence[str] = (), tag: str = "") -> bytes:
    """Return a wheel with a module that says its version. `tag` is what it is built for, if not for everybody."""
    module, stem = name.replace("-", "_"), f"{name.replace('-', '_')}-{version}"
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Provides-Extra: {extra}" for extra in extras] + [f"Requires-Dist: {one}" for one in requires]
    kind = f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag or 'py3-none-any'}\n"
    files = {
        f"{module}_/__init__.py": f"version = {version!r}\n",
        f"{stem}.dist-info/METADATA": "\n".join(lines) + "\n",
        f"{stem}.dist-info/WHEEL": kind,
    }
    record = "".join(f"{path},,\n" for path in files)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path, text in {**files, f"{stem}.dist-info/RECORD": record}.items():
            archive.writestr(zipfile.ZipInfo(path, (2026, 1, 1, 0, 0, 0)), text)
    return packed.getvalue()


class Index:
    """What is offered, by package: file names with their bytes, those of `yanked` withdrawn since."""

    def __init__(self) -> None:
        self.files: dict[str, dict[str, bytes]] = {}
        self.yanked: set[str] = set()
        self.asked: list[str] = []
        self.url = ""

    def offer(self, name: str, file: str, content: bytes, *, yanked: bool = False) -> None:
        self.files.setdefault(canonical(name), {})[file] = content
        if yanked:
            self.yanked.add(file)

    def offer_wheel(self, name: str, version: str, content: bytes, *, tag: str = "", yanked: bool = False) -> None:
        file = f"{name.replace('-', '_')}-{version}-{tag or 'py3-none-any'}.whl"
        self.offer(name, file, content, yanked=yanked)

    def age(self, name: str) -> None:
        """Offer what has come out since: newer, newer still but without a wheel, newest but withdrawn."""
        self.offer_wheel(name, NEWER, wheel(name, NEWER))
        self.offer(name, f"{name.replace('-', '_')}-{WITHOUT_WHEEL}.tar.gz", b"no source distribution is ever opened")
        self.offer_wheel(name, YANKED, wheel(name, YANKED), yanked=True)

    def offer_lock(self, lock: Path, folder: Path) -> Path:
        """Offer what a lock names, and what has come out since. Return that lock with the hashes of what is offered.

        Every third of the locked versions has been yanked.
        """
        listed = entries(lock)
        lines = ["# of another day"]
        for number, entry in enumerate(listed):
            requires = [
                f"{one.name}{one.extras}{f' ; {one.marker}' if one.marker else ''}"
                for one in listed
                if entry.name in one.asked_by
            ]
            content = wheel(entry.name, entry.version, requires, entry.extras.strip("[]").split(","))
            self.offer_wheel(entry.name, entry.version, content, yanked=number % 3 == 0)
            self.age(entry.name)
            marker = f" ; {entry.marker}" if entry.marker else ""
            hashed = f"--hash=sha256:{hashlib.sha256(content).hexdigest()}"
            lines.append(f"{entry.name}{entry.extras}=={entry.version}{marker} {hashed}")
        written = folder / f"{lock.parent.name}-{lock.name}"
        written.write_text("\n".join(lines) + "\n")
        return written

    def page(self, name: str) -> str:
        links = []
        for file, content in self.files[name].items():
            withdrawn = ' data-yanked=""' if file in self.yanked else ""
            digest = hashlib.sha256(content).hexdigest()
            links.append(f'<a href="/files/{name}/{file}#sha256={digest}"{withdrawn}>{file}</a>')
        return "<!DOCTYPE html><html><body>" + "\n".join(links) + "</body></html>"


@contextmanager
def serving(index: Index) -> Iterator[Index]:
    """Answer for an index on a free port of loopback; `index.url` says where."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # headers and body in one packet

        def do_GET(self) -> None:
            parts = self.path.strip("/").split("/")
            index.asked.append(self.path)
            if parts[0] == "simple" and len(parts) == 2 and parts[1] in index.files:
                return self._answer(200, index.page(parts[1]).encode(), "text/html")
            if parts[0] == "files" and len(parts) == 3 and parts[2] in index.files.get(parts[1], {}):
                return self._answer(200, index.files[parts[1]][parts[2]], "application/octet-stream")
            return self._answer(404, b"", "text/plain")

        def _answer(self, status: int, body: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """Say nothing: a client that has enough goes away in the middle."""

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        index.url = f"http://127.0.0.1:{server.server_port}/simple"
        yield index
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def installed(python: Path, run: Mapping[str, str]) -> dict[str, str]:
    """Return what an environment holds, by canonical name: versions."""
    code = (
        "import json; from importlib.metadata import distributions as d; "
        "print(json.dumps({one.metadata['Name']: one.version for one in d()}))"
    )
    done = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=True, env=dict(run))
    return {canonical(name): version for name, version in json.loads(done.stdout).items()}
