"""A Python language host for the Pulumi engine, on the SDK's own language server.

The engine starts `pulumi-language-python ... ENGINE_ADDRESS`, reads a port from its output and calls it by gRPC.
Programs run in this process; plugins (policy packs, component packages) run as processes of their own.
"""

import os
import runpy
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
from pulumi.automation._server import LanguageServer
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2

VERSION = "1.0.0"
ORPHAN_SECONDS = 1.0


class LanguageHost(LanguageServer):
    """Runs `__main__.py` of the program's folder, and plugins written in Python."""

    def __init__(self, engine: str) -> None:
        super().__init__(lambda: None)
        self._engine = engine

    def Handshake(self, request: Any, context: Any) -> Any:  # noqa: ARG002
        """Answer the engine's greeting."""
        return language_pb2.LanguageHandshakeResponse()

    def Run(self, request: Any, context: Any) -> Any:
        """Run the program as `python __main__.py` would, in its own folder."""
        folder = Path(request.info.program_directory) / request.info.entry_point
        program = folder / "__main__.py" if folder.is_dir() else folder
        request.args[:] = [self._engine]
        os.chdir(program.parent)
        if str(program.parent) not in sys.path:
            sys.path.insert(0, str(program.parent))
        self.program = lambda: _run(program)
        answer = super().Run(request, context)  # type: ignore[no-untyped-call]
        # It has told every error by now, of a run error the message alone. The engine would tell it once more.
        return language_pb2.RunResponse(bail=True) if answer.error else answer

    def RunPlugin(self, request: Any, context: Any) -> Iterator[Any]:  # noqa: ARG002
        """Run a plugin and stream what it prints: its port first, on standard output."""
        folder = request.info.program_directory
        if request.kind == "analyzer" or (Path(folder) / "PulumiPolicy.yaml").exists():
            command = [sys.executable, "-u", "-m", "pulumi.policy", *request.args, folder]
        else:
            command = [sys.executable, "-u", folder, *request.args]
        env = {**os.environ, **dict(pair.split("=", 1) for pair in request.env)}
        process = subprocess.Popen(command, cwd=request.pwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        yield from _stream(process)

    def InstallDependencies(self, request: Any, context: Any) -> Iterator[Any]:  # noqa: ARG002
        """Install nothing: the virtual environment this host runs in is the program's."""
        return iter(())

    def GetPluginInfo(self, request: Any, context: Any) -> Any:  # noqa: ARG002
        """Return this host's own version."""
        return plugin_pb2.PluginInfo(version=VERSION)

    def Cancel(self, request: Any, context: Any) -> Any:  # noqa: ARG002
        """End quietly."""
        from google.protobuf.empty_pb2 import Empty  # noqa: PLC0415

        return Empty()


def _run(program: Path) -> None:
    runpy.run_path(str(program), run_name="__main__")


def _stream(process: subprocess.Popen[bytes]) -> Iterator[Any]:
    """Yield what `process` writes on both streams as it comes, then its exit code."""
    import queue  # noqa: PLC0415

    chunks: queue.Queue[Any] = queue.Queue()

    def pump(stream: Any, field: str) -> None:
        for line in iter(stream.readline, b""):
            chunks.put(language_pb2.RunPluginResponse(**{field: line}))
        chunks.put(None)

    for stream, field in ((process.stdout, "stdout"), (process.stderr, "stderr")):
        threading.Thread(target=pump, args=(stream, field), daemon=True).start()
    try:
        for _ in range(2):
            while (chunk := chunks.get()) is not None:
                yield chunk
        yield language_pb2.RunPluginResponse(exitcode=process.wait())
    finally:
        if process.poll() is None:
            process.terminate()


def serve(argv: list[str]) -> None:
    """Serve until the engine ends this process: it sends SIGINT to the group it started this in, and waits for it.

    An engine that is killed sends nothing. Then this process sees that it has another parent, and ends by itself.
    """
    engine = os.getppid()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: os._exit(0))
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(LanguageHost(argv[-1]), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    while server.wait_for_termination(ORPHAN_SECONDS):  # it returns True where the time is up
        if os.getppid() != engine:
            os._exit(0)
