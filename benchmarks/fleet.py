"""A fleet's stack at several sizes: how long a preview, a deployment, a preview of no change and a destruction take.

`python -m benchmarks.fleet [SIZES...]` (default 1 10 50) deploys the example fleet with that many databases into one
sandbox, one size after the other, each from nothing, and prints seconds. Engine, program and provider stand-in are
what is measured: the emulators answer at once, where AWS would take minutes to make a replication instance.
"""

import copy
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

from sandbox import instance as instances
from sandbox import lifecycle, stack
from sandbox.instance import Instance
from sandbox.lifecycle import Options
from sandbox.rehearsal import shop

EXAMPLE = "examples/fleet-orchestration.yaml"
DATABASES = f"{stack.PROJECT}:databases"
ROWS = 100


def fleet(config: dict[str, Any], size: int) -> dict[str, Any]:
    """Return a fleet's configuration with as many databases, each like the first."""
    first = config[DATABASES][0]
    many = []
    for number in range(1, size + 1):
        one = copy.deepcopy(first)
        one["name"] = f"database-{number}"
        for side in ("source", "target"):
            one[side]["host"] = f"database-{number}.{side}.example"
        many.append(one)
    return {**config, DATABASES: many}


def timed(act: Callable[[], object]) -> float:
    """Return the seconds something takes."""
    began = time.perf_counter()
    act()
    return round(time.perf_counter() - began, 2)


def measure(instance: Instance, config: dict[str, Any], size: int) -> dict[str, Any]:
    """Return what a fleet of a size takes."""
    stack.write_config(instance, fleet(config, size))
    quiet = ("--yes", "--skip-preview", "--suppress-outputs")
    found: dict[str, Any] = {
        "databases": size,
        "first_preview_seconds": timed(lambda: stack.pulumi(instance, "preview")),
        "deploy_seconds": timed(lambda: stack.pulumi(instance, "up", *quiet)),
        "resources": sum(stack.resources(instance).values()),
        "preview_seconds": timed(lambda: stack.pulumi(instance, "preview", "--expect-no-changes")),
    }
    found["destroy_seconds"] = timed(lambda: stack.pulumi(instance, "destroy", *quiet))
    return found


def main(sizes: list[int]) -> None:
    """Start a sandbox, measure every size, print."""
    name = f"sandbox-fleet-benchmark-{os.getpid()}"
    options = Options(name, EXAMPLE, end_with_parent=True)
    instance = lifecycle.start(options, lambda line: print(line, file=sys.stderr))
    try:
        shop.create(instance.source, ROWS, 7, shop.new_passwords())
        lifecycle.declare(instance, options, shop.DATABASE, shop.APPLICATION)
        config = stack.load(str(instance.stack_config))
        print(
            json.dumps({"benchmark": "fleet", "sizes": [measure(instance, config, size) for size in sizes]}, indent=1)
        )
    finally:
        instances.stop(name)


if __name__ == "__main__":
    main([int(size) for size in sys.argv[1:]] or [1, 10, 50])
