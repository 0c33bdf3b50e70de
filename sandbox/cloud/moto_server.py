"""Serve moto on loopback, with repairs. Runs in the emulators' environment: `python moto_server.py PORT`."""

import logging
import os
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any

os.environ.setdefault("MOTO_IAM_LOAD_MANAGED_POLICIES", "true")

import automation_repairs
import moto_repairs
import moto_service_repairs
import vpn_repairs
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple


class OneByOne:
    """A WSGI application that gets one request at a time: moto's models and serializers are not made for threads.

    What a request waits for elsewhere (a database's server, a secret) never asks moto in its turn.
    """

    def __init__(self, application: Any) -> None:
        self._application = application
        self._turn = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer a request."""
        with self._turn:
            return list(self._application(environ, start_response))


def main(port: int) -> None:
    """Serve until the process is ended."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    for repairs in (moto_repairs, moto_service_repairs, vpn_repairs, automation_repairs):
        repairs.repair()
    app = OneByOne(DomainDispatcherApplication(create_backend_app))
    run_simple("127.0.0.1", port, app, threaded=True, use_reloader=False)


if __name__ == "__main__":
    main(int(sys.argv[1]))
