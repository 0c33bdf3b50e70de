import socket
import subprocess
import sys

from sandbox import ports


def test_no_port_is_given_twice() -> None:
    given = [ports.free_port() for _ in range(40)]
    assert len(set(given)) == len(given)


def test_a_port_is_kept_from_other_sandboxes_before_anything_listens_there() -> None:
    port = ports.free_port()
    program = f"from sandbox import ports; print(ports.keep({port}), ports.keep({ports.FIRST - 1}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]


def test_a_port_where_somebody_listens_on_one_of_the_addresses_is_not_free() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.9", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert ports.listens(port, "127.0.0.9") and not ports.is_free(port, "127.0.0.9")
        assert ports.is_free(port, "127.0.0.10")
