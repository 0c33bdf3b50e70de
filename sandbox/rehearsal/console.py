"""What a person sees while a rehearsal runs: phases with their times, and what the load does."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from rich.console import Console as RichConsole
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from handlers.redaction import redacted

QUIET_SECONDS = 5.0
"""Without a terminal, a phase that takes long says so this often."""


class Console:
    """Prints phases: live on a terminal, plain lines elsewhere. `status` is asked for the line under the phases."""

    def __init__(self, status: Callable[[], str] = lambda: "", terminal: bool | None = None) -> None:
        self._rich = RichConsole(stderr=True, highlight=False, force_terminal=terminal)
        self._live: Live | None = None
        self._before = _before()
        self._began = time.monotonic() - self._before
        self._phase: tuple[str, float] | None = None
        self._done: list[tuple[str, float]] = []
        self._note = ""
        self._said = 0.0
        self.status = status
        self.seconds: dict[str, float] = {}

    def __enter__(self) -> "Console":
        if self._rich.is_terminal:
            self._live = Live(get_renderable=self._render, console=self._rich, refresh_per_second=8, transient=True)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None
            for name, seconds in self._done:
                self._line(f"{name:<22} {seconds:6.1f} s")

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time a phase and show it."""
        began = time.monotonic()
        self._phase, self._note = (name, began), ""
        if self._live is None:
            self._line(f"[{began - self._began:6.1f} s] {name}")
        self._said = time.monotonic()
        try:
            yield
        finally:
            seconds = time.monotonic() - began
            self.seconds[name] = round(self.seconds.get(name, 0.0) + seconds, 2)
            self._done.append((name, seconds))
            self._phase = None

    def tell(self, line: str) -> None:
        """Show a line of progress: as the phase's note on a terminal, printed elsewhere."""
        self._note = redacted(line)
        if self._live is None:
            self._line(f"           {line}")

    def took(self, setup: str) -> str:
        """Say how long all of it took, since `make` began where it did, and how much of that was the phase `setup`."""
        before = self._before + self.seconds.get(setup, 0.0)
        return f"took {time.monotonic() - self._began:.0f} s, {before:.0f} s of it the set-up"

    def text(self, lines: str) -> None:
        """Print lines above the phases, to stay."""
        if self._live is None:
            for line in lines.splitlines():
                self._line(f"           {line}")
        else:
            self._live.console.print(Text(lines))

    def beat(self) -> None:
        """Without a terminal, say now and then what the load does."""
        now = time.monotonic()
        if self._live is None and now - self._said > QUIET_SECONDS and self.status():
            self._said = now
            self._line(f"           {self.status()}")

    def result(self, line: str, *, good: bool) -> None:
        """Print the outcome on standard output."""
        RichConsole(highlight=False, markup=False).print(
            redacted(line), style="bold green" if good else "bold red", soft_wrap=True
        )

    def _line(self, text: str) -> None:
        sys.stderr.write(f"{redacted(text)}\n")  # in one go: the set-up tells from several threads
        sys.stderr.flush()

    def _render(self) -> Any:
        grid = Table.grid(padding=(0, 1))
        for name, seconds in self._done:
            grid.add_row(Text("✓", style="green"), name, f"{seconds:.1f} s")
        if self._phase:
            name, began = self._phase
            grid.add_row(Spinner("dots"), Text(name, style="bold"), f"{time.monotonic() - began:.1f} s")
            if self._note:
                grid.add_row("", Text(self._note[:100], style="dim"), "")
        if self.status():
            grid.add_row("", Text(self.status(), style="cyan"), "")
        return grid


def _before() -> float:
    """Return how many seconds ago `make` began, which says so in a variable; 0 where it was not make."""
    try:
        return max(0.0, time.time() - float(os.environ.pop("MAKE_BEGAN")))
    except (KeyError, ValueError):
        return 0.0
