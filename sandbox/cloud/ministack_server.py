"""Serve MiniStack on loopback, with repairs. Runs in the emulators' environment: `python ministack_server.py PORT`."""

import os
import sys


def main(port: int) -> None:
    """Serve until the process is ended."""
    os.environ["GATEWAY_PORT"] = str(port)
    os.environ["BIND_HOST"] = "127.0.0.1"
    # MiniStack reads the environment when it is imported.
    import ministack_repairs  # noqa: PLC0415
    import route53_repairs  # noqa: PLC0415
    import secret_repairs  # noqa: PLC0415
    from interception import Intercepted  # noqa: PLC0415
    from ministack import app  # noqa: PLC0415

    for repairs in (ministack_repairs, route53_repairs, secret_repairs):
        repairs.repair()
    app.app = Intercepted(app.app)
    sys.argv = ["ministack"]
    app.main()


if __name__ == "__main__":
    main(int(sys.argv[1]))
