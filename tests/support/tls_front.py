"""TLS in front of a PostgreSQL server that has none: the test servers' programs are built without it."""

import contextlib
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SSL_REQUEST = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"


def certificate(folder: Path, name: str, address: str) -> tuple[Path, Path]:
    """Make a certificate for an address that signs itself, and return it and its key."""
    made, key = folder / f"{name}.pem", folder / f"{name}-key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-days", "2"]
    command += ["-addext", f"subjectAltName=IP:{address}", "-keyout", str(key), "-out", str(made)]
    subprocess.run(command, check=True, capture_output=True)
    return made, key


@contextmanager
def tls_front(address: str, port: int, chain: Path, key: Path) -> Iterator[int]:
    """Listen beside a server, answer that TLS is there, and pass on what comes through it. Yields the port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    with socket.create_server((address, 0)) as listener:
        threading.Thread(target=_serve, args=(listener, context, (address, port)), daemon=True).start()
        yield listener.getsockname()[1]


def _serve(listener: socket.socket, context: ssl.SSLContext, server: tuple[str, int]) -> None:
    with contextlib.suppress(OSError):  # until it is closed
        while True:
            client, _ = listener.accept()
            threading.Thread(target=_pass_on, args=(client, context, server), daemon=True).start()


def _pass_on(client: socket.socket, context: ssl.SSLContext, server: tuple[str, int]) -> None:
    """Take nobody who does not ask for TLS first."""
    with contextlib.suppress(OSError), client:
        if client.recv(8, socket.MSG_WAITALL) != SSL_REQUEST:
            return
        client.sendall(b"S")
        with context.wrap_socket(client, server_side=True) as inside, socket.create_connection(server) as outside:
            back = threading.Thread(target=_copy, args=(outside, inside), daemon=True)
            back.start()
            _copy(inside, outside)
            back.join()


def _copy(one: socket.socket, other: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := one.recv(65536):
            other.sendall(data)
    with contextlib.suppress(OSError):
        other.shutdown(socket.SHUT_WR)
