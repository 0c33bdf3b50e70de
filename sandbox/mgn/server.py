"""Application Migration Service's API on a port of this machine: `python -m sandbox.mgn.server PORT`.

It initializes a region and keeps its templates. No agent can be installed and no server is replicated.
"""

import json
import secrets
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import botocore.session

from sandbox.cloud.routes import ACCOUNT
from sandbox.dms.protocol import Fault, Json, checked, region

ADDRESS = "127.0.0.1"
BODY_LIMIT = 2**20
MODEL = botocore.session.get_session().get_service_model("mgn")
INITIALIZE = "InitializeService"
KINDS = {"Replication": "rct", "Launch": "lct"}
"""The two kinds of configuration template, and how their ids begin."""


class Region:
    """One region of the account."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.initialized = False
        self.templates: dict[str, dict[str, Json]] = {kind: {} for kind in KINDS}

    def describe(self, kind: str, request: Json) -> Json:
        """Show templates, all or those asked for."""
        found = self._usable(kind)
        asked = request.get(f"{kind.lower()}ConfigurationTemplateIDs") or list(found)
        return {"items": [self._get(kind, {_id(kind): one}) for one in asked]}

    def create(self, kind: str, request: Json) -> Json:
        """Make a template. A region has one of each kind."""
        found = self._usable(kind)
        if found:
            raise Fault("ValidationException", f"A {kind.lower()} configuration template already exists.")
        name = f"{KINDS[kind]}-{secrets.token_hex(8)}0"
        arn = f"arn:aws:mgn:{self.name}:{ACCOUNT}:{kind.lower()}-configuration-template/{name}"
        found[name] = {**request, _id(kind): name, "arn": arn}
        return found[name]

    def update(self, kind: str, request: Json) -> Json:
        """Change what the request names of a template."""
        template = self._get(kind, request)
        template.update(request)
        return template

    def delete(self, kind: str, request: Json) -> Json:
        """Take a template away."""
        self._get(kind, request)
        del self.templates[kind][request[_id(kind)]]
        return {}

    def _usable(self, kind: str) -> dict[str, Json]:
        if not self.initialized:
            raise Fault("UninitializedAccountException", "Account not initialized.")
        return self.templates[kind]

    def _get(self, kind: str, request: Json) -> Json:
        found = self._usable(kind).get(request[_id(kind)])
        if found is None:
            raise Fault("ResourceNotFoundException", f"{request[_id(kind)]} not found.")
        return found


def _id(kind: str) -> str:
    return f"{kind.lower()}ConfigurationTemplateID"


OPERATIONS: dict[str, tuple[str, str]] = {
    f"{verb}{kind}ConfigurationTemplate{'s' if verb == 'Describe' else ''}": (verb.lower(), kind)
    for verb in ("Describe", "Create", "Update", "Delete")
    for kind in KINDS
}
"""Every operation that is served beside InitializeService: what is done, to which kind of template."""


class Service:
    """Every region that is asked for."""

    def __init__(self) -> None:
        self._regions: dict[str, Region] = {}
        self._lock = threading.Lock()

    def answer(self, path: str, region_name: str, body: Any) -> tuple[int, Json]:
        """Carry out the operation a path names and return status and answer. Raises Fault as the service would."""
        name = path.strip("/")
        if name not in OPERATIONS and name != INITIALIZE:
            raise Fault("UnknownOperationException", f"the sandbox's Application Migration Service has no {name}")
        model = MODEL.operation_model(name)
        with self._lock:
            where = self._regions.setdefault(region_name, Region(region_name))
            request, status = checked(model, body), int(model.http["responseCode"])
            if name == INITIALIZE:
                where.initialized = True
                return status, {}
            act, kind = OPERATIONS[name]
            return status, dict(getattr(where, act)(kind, request))


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    service: Service

    def do_POST(self) -> None:
        """Answer an operation."""
        length = int(self.headers.get("Content-Length") or 0)
        try:
            if length > BODY_LIMIT:
                self.close_connection = True
                raise Fault("ValidationException", f"a request of {length} bytes: at most {BODY_LIMIT}")
            where = region(self.headers.get("Authorization"))
            self._answer(*self.service.answer(self.path, where, json.loads(self.rfile.read(length) or b"{}")))
        except Fault as fault:
            self._answer(400, {"message": str(fault)}, fault.code)
        except ValueError as error:
            self._answer(400, {"message": str(error)}, "SerializationException")

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: requests are no news."""

    def _answer(self, status: int, body: Json, fault: str = "") -> None:
        text = b"" if status == 204 else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        if fault:
            self.send_header("x-amzn-ErrorType", fault)
        self.end_headers()
        self.wfile.write(text)


class Server(ThreadingHTTPServer):
    """The HTTP server."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__((ADDRESS, port), type("BoundHandler", (Handler,), {"service": Service()}))


def main(port: int) -> int:
    """Serve until SIGTERM or SIGINT."""
    server = Server(port)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever()
    server.server_close()
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
