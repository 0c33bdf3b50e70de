"""Sandboxes of a test's own, with a stack."""

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from sandbox import instance as instances
from sandbox import lifecycle, stack
from sandbox.instance import Instance
from sandbox.lifecycle import Options
from sandbox.rehearsal import shop


@contextmanager
def declared(
    purpose: str,
    config: str | Mapping[str, Any] = stack.DEFAULT_CONFIG,
    rows: int = 500,
    passwords: Mapping[str, str] | None = None,
) -> Iterator[Instance]:
    """Start a sandbox, fill its source with the shop, declare a stack that nobody has deployed yet, and end it all.

    `config` is a stack's configuration, or names one as `Options` does. `passwords` are those of the shop's roles.
    """
    with tempfile.TemporaryDirectory() as folder:
        if not isinstance(config, str):
            path = Path(folder) / "config.yaml"
            path.write_text(yaml.safe_dump({"config": dict(config)}))
            config = str(path)
        options = Options(f"sandbox-{purpose}-{os.getpid()}", config, end_with_parent=True)
        instance = lifecycle.start(options, print)
        try:
            shop.create(instance.source, rows, 7, passwords or shop.new_passwords())
            lifecycle.declare(instance, options, shop.DATABASE, shop.APPLICATION)
            yield instance
        finally:
            instances.stop(options.name)


@contextmanager
def deployed(
    purpose: str,
    config: str | Mapping[str, Any] = stack.DEFAULT_CONFIG,
    rows: int = 500,
    passwords: Mapping[str, str] | None = None,
) -> Iterator[Instance]:
    """As `declared`, and the stack is deployed."""
    with declared(purpose, config, rows, passwords) as instance:
        lifecycle.deploy(instance)
        yield instance
