"""Serve moto on loopback, with repairs. Runs in the emulators' environment: `python moto_server.py PORT`."""

import logging
import os
import sys

os.environ.setdefault("MOTO_IAM_LOAD_MANAGED_POLICIES", "true")

import automation_repairs
import moto_repairs
import moto_service_repairs
import vpn_repairs
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple


def main(port: int) -> None:
    """Serve until the process is ended."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    for repairs in (moto_repairs, moto_service_repairs, vpn_repairs, automation_repairs):
        repairs.repair()
    app = DomainDispatcherApplication(create_backend_app)
    run_simple("127.0.0.1", port, app, threaded=True, use_reloader=False)


if __name__ == "__main__":
    main(int(sys.argv[1]))
