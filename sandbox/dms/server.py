"""DMS's API on a port of this machine: `python -m sandbox.dms.server --port N --servers FILE`."""

import argparse
import json
import signal
import sys
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from sandbox.databases.server import ServerInfo
from sandbox.dms.protocol import CONTENT_TYPE, Fault, region
from sandbox.dms.service import Service

ADDRESS = "127.0.0.1"
FAULTS_PATH = "/_sandbox/faults"
BODY_LIMIT = 4 * 2**20


class Handler(BaseHTTPRequestHandler):
    """One request: an operation of DMS at /, or a fault for a rehearsal."""

    protocol_version = "HTTP/1.1"
    # An answer goes out whole: in two pieces, clients have been seen to hang up between head and body.
    wbufsize = -1
    disable_nagle_algorithm = True
    service: Service

    def do_POST(self) -> None:
        """Answer an operation or set a fault."""
        try:
            request = self._body()
            if self.path == FAULTS_PATH:
                self._answer(200, self._fault(request))
            elif self.path == "/":
                where = region(self.headers.get("Authorization"))
                self._answer(200, self.service.answer(self.headers.get("X-Amz-Target"), where, request))
            else:
                self._answer(404, {"__type": "UnknownOperationException", "message": f"nothing at {self.path}"})
        except Fault as fault:
            self._answer(400, {"__type": fault.code, "message": str(fault)})
        except ValueError as error:
            self._answer(400, {"__type": "SerializationException", "message": str(error)})
        except Exception as error:
            self._answer(500, {"__type": "InternalFailure", "message": type(error).__name__})
            raise

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: requests are no news."""

    def _body(self) -> Any:
        length = int(self.headers.get("Content-Length") or 0)
        if length > BODY_LIMIT:
            self.close_connection = True
            raise ValueError(f"a request of {length} bytes: at most {BODY_LIMIT}")
        return json.loads(self.rfile.read(length) or b"{}")

    def _fault(self, request: Any) -> dict[str, Any]:
        if not isinstance(request, dict) or not isinstance(request.get("task"), str):
            raise ValueError("task is missing: the ARN of a replication task")
        seconds = request.get("seconds")
        if seconds is not None and (not isinstance(seconds, int | float) or seconds <= 0):
            raise ValueError(f"seconds {seconds!r} isn't valid: a number above 0")
        return self.service.inject(request["task"], str(request.get("fault")), seconds)

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", CONTENT_TYPE)
        self.send_header("Content-Length", str(len(text)))
        self.send_header("x-amzn-RequestId", str(uuid.uuid4()))
        if status >= 400:
            self.send_header("x-amzn-ErrorType", str(body["__type"]))
        self.end_headers()
        self.wfile.write(text)


class Server(ThreadingHTTPServer):
    """The HTTP server. Its threads, and the tasks', end with the process."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, port: int, servers: list[ServerInfo]) -> None:
        service = Service(servers)
        super().__init__((ADDRESS, port), type("BoundHandler", (Handler,), {"service": service}))

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report what went wrong, but not a client that hung up."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.dms.server", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help=f"port on {ADDRESS}")
    parser.add_argument("--servers", type=Path, required=True, help="JSON file: the database servers, a list")
    options = parser.parse_args(arguments)
    servers = [ServerInfo(**one) for one in json.loads(options.servers.read_text())]
    server = Server(options.port, servers)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: threading.Thread(target=server.shutdown, daemon=True).start())
    print(f"dms ready on {ADDRESS}:{server.server_address[1]}", flush=True)
    server.serve_forever(poll_interval=0.1)
    server.server_close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
