"""How the set-up is told where packages come from, how its programs end, and what it says when it can't go on."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox import commands, index, installer
from sandbox.errors import SandboxError
from sandbox.rehearsal.console import Console
from tests.support.processes import alive, wait_until

LISTED = """\
:env:.index-url='https://one.example/simple'
global.extra-index-url='https://two.example/simple\\nhttps://three.example/simple'
global.index-url='https://global.example/simple'
global.timeout='60'
global.target='/nowhere'
install.index-url='https://install.example/simple'
install.no-binary=':all:'
install.trusted-host='one.example'
"""
"""As pip 23.2 prints it."""


def test_pip_s_own_settings_say_where_and_a_variable_counts_before_a_file() -> None:
    assert index.settings(LISTED) == {
        "index-url": "https://one.example/simple",
        "extra-index-url": "https://two.example/simple\nhttps://three.example/simple",
        "timeout": "60",
        "trusted-host": "one.example",
    }
    assert index.settings("") == {}
    assert index.settings(":env:.default-timeout='7'\nglobal.index-url=''\n") == {"timeout": "7"}


@given(st.dictionaries(st.sampled_from([*index.PIP_KEYS, "target", "constraint", "no-deps", "pre"]), st.text()))
def test_pip_is_told_of_nothing_but_where_whatever_a_person_has_set(said: dict[str, str]) -> None:
    before = {f"PIP_{key.replace('-', '_').upper()}": value for key, value in said.items()} | {"HOME": "/home/x"}
    listed = "\n".join(f":env:.{key}={value!r}" for key, value in said.items())
    after = index.for_pip(before, index.settings(listed))
    told = {name.removeprefix("PIP_").lower().replace("_", "-") for name in after if name.startswith("PIP_")}
    assert told <= {*index.PIP_KEYS, "config-file", "disable-pip-version-check", "no-input"}
    assert after["PIP_CONFIG_FILE"] == os.devnull
    assert after["HOME"] == "/home/x"


def test_uv_hears_the_same_in_its_own_words() -> None:
    options = index.settings(LISTED) | {"proxy": "proxy.example:3128", "cert": "/ca.pem", "no-index": "Yes"}
    env = index.for_uv({"PATH": "/bin", "PIP_TARGET": "/x", "UV_OFFLINE": "1"}, options)
    assert env == {
        "PATH": "/bin",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_DEFAULT_INDEX": "https://one.example/simple",
        "UV_INDEX": "https://two.example/simple https://three.example/simple",
        "UV_NO_INDEX": "1",
        "UV_INSECURE_HOST": "one.example",
        "UV_HTTP_TIMEOUT": "60",
        "SSL_CERT_FILE": "/ca.pem",
        "ALL_PROXY": "http://proxy.example:3128",
    }


def test_what_is_said_to_uv_itself_counts_before_what_is_said_to_pip() -> None:
    own = {"UV_DEFAULT_INDEX": "https://own.example", "UV_INDEX_OWN_PASSWORD": "p", "HTTPS_PROXY": "http://other:1"}
    env = index.for_uv(own, {"index-url": "https://pip.example", "proxy": "proxy.example:3128"})
    assert own.items() <= env.items()
    assert "ALL_PROXY" not in env


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_whom_pip_s_library_trusts_uv_trusts(variable: str) -> None:
    assert index.for_uv({variable: "/ca.pem"}, {})["SSL_CERT_FILE"] == "/ca.pem"


def test_a_folder_of_wheels_that_is_not_there_is_none(tmp_path: Path) -> None:
    links = f"/nowhere\n{tmp_path}\nhttps://wheels.example/"
    assert index.for_uv({}, {"find-links": links})["UV_FIND_LINKS"] == f"{tmp_path},https://wheels.example/"


def test_the_installer_needs_nothing_but_the_standard_library() -> None:
    code = (
        "import sys; before = set(sys.modules); import sandbox.installer; "
        "print(*{name.partition('.')[0] for name in set(sys.modules) - before} - sys.stdlib_module_names)"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True, cwd=installer.REPOSITORY
    )
    assert done.stdout.split() == ["sandbox"]


@pytest.mark.parametrize(
    ("said", "means"),
    [
        (
            "error: No solution found\n  cause: Because grpcio==1.85.1 has no usable wheels and you require it",
            r"^grpcio 1\.85\.1 has no build for this machine \(Python 3\.15.*\): use Python 3\.11 to 3\.14 on x86_64",
        ),
        ("error: Hash mismatch for `grpcio==1.85.1`\n\n Expected:\n", "do not trust it$"),
        ("THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE", "do not trust it$"),
        ("error: Failed to fetch: `https://x/`\n cause: dns error", "Is the package index reachable"),
        ("something nobody has thought of\n\n here", "^something nobody has thought of here$"),
    ],
)
def test_what_an_installer_says_is_explained_in_a_line(said: str, means: str) -> None:
    explained = installer.explained(said, "Python 3.15.0, riscv64, musl")
    assert re.search(means, explained)
    assert "\n" not in explained


def test_a_program_that_is_not_there_is_named() -> None:
    with pytest.raises(SandboxError, match="^/nowhere/uv can't be run: No such file or directory$"):
        commands.run(["/nowhere/uv"])


def test_both_outputs_are_returned_and_lines_are_heard_as_they_come() -> None:
    heard: list[str] = []
    code = "import sys; [print(n, file=sys.stderr) for n in range(3)]; print('x' * 200_000); sys.exit(3)"
    done = commands.run([sys.executable, "-c", code], heard=heard.append)
    assert (done.returncode, len(done.stdout), done.stderr, heard) == (3, 200_001, "0\n1\n2\n", ["0\n", "1\n", "2\n"])


STARTS_ANOTHER = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(600)'])"


@pytest.mark.parametrize("failure", [SandboxError, KeyboardInterrupt, SystemExit])
def test_whoever_gives_up_ends_all_that_run_and_what_they_started(failure: type[BaseException]) -> None:
    groups: set[int] = set()
    began = time.monotonic()
    with pytest.raises(failure), commands.side_by_side(3) as work:
        for _ in range(2):
            work.submit(commands.run, [sys.executable, "-c", STARTS_ANOTHER])
        wait_until(lambda: len(commands._running) == 2)
        groups |= commands._running
        waiting = work.submit(threading.Event().wait, 0.1)
        waiting.result()
        raise failure
    assert time.monotonic() - began < 60, "they were waited for"
    assert len(groups) == 2
    wait_until(lambda: not any(alive(group) for group in groups))
    assert commands.run(["true"]).returncode == 0, "the next one may start"


def test_after_a_failure_inside_nothing_more_is_started_outside() -> None:
    with pytest.raises(SandboxError, match="the first"), commands.side_by_side(2):
        with pytest.raises(SandboxError, match="inner"), commands.side_by_side(2):
            raise SandboxError("inner")
        with pytest.raises(SandboxError, match="the set-up is being ended"):
            commands.run(["true"])
        raise SandboxError("the first")


def test_ctrl_c_in_the_middle_of_a_start_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[int] = []

    class Interrupted(subprocess.Popen[str]):
        def __init__(self, *args: object, **options: object) -> None:
            super().__init__(*args, **options)  # type: ignore[call-overload]
            started.append(self.pid)
            signal.raise_signal(signal.SIGINT)

    handler = signal.getsignal(signal.SIGINT)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(subprocess, "Popen", Interrupted)
        commands.run([sys.executable, "-c", STARTS_ANOTHER])
    wait_until(lambda: not alive(started[0]))
    assert not commands._running
    assert signal.getsignal(signal.SIGINT) is handler


def test_one_that_takes_too_long_is_ended() -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        commands.run([sys.executable, "-c", STARTS_ANOTHER], seconds=0.5)
    assert not commands._running


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_installation_says_so_and_ends_what_it_started(number: signal.Signals, tmp_path: Path) -> None:
    started = tmp_path / "started"
    code = (
        "import sys; from sandbox import commands, installer; "
        f'program = "import time, pathlib; pathlib.Path({str(started)!r}).touch(); time.sleep(600)"; '
        "installer.environment = lambda *_, **__: commands.run([sys.executable, '-c', program]); "
        "sys.exit(installer.main([]))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=installer.REPOSITORY, stderr=subprocess.PIPE, text=True
    ) as process:
        wait_until(started.exists)
        children = [
            int(path.parent.name)
            for path in Path("/proc").glob("[0-9]*/stat")
            if path.read_text().rpartition(") ")[2].split()[1] == str(process.pid)
        ]
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (130, "interrupted: what was begun is made anew next time\n")
    assert len(children) == 1
    wait_until(lambda: not alive(children[0]))


def test_a_rehearsal_says_how_long_it_took_since_make_began(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAKE_BEGAN", str(time.time() - 100))
    console = Console(terminal=False)
    console.seconds["set up"] = 20.0
    assert console.took("set up") in {f"took {all_of_it} s, 120 s of it the set-up" for all_of_it in (100, 101)}
    assert "MAKE_BEGAN" not in os.environ
    assert Console(terminal=False).took("set up") == "took 0 s, 0 s of it the set-up"
