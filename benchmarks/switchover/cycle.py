"""One round of the product: a switchover and a fail-back under load, and the databases alone just before each."""

import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.switchover import alone
from benchmarks.switchover.stage import Load, Stage
from handlers.core.direction import Direction
from sandbox.rehearsal import shop
from sandbox.rehearsal.ledger import Record, write_gap
from sandbox.rehearsal.verify import verify

WARM_SECONDS = 5.0
CALM_SECONDS = 4.0
"""Between two interruptions: long enough that the load has caught up, and DNS is true everywhere."""

Raw = dict[str, Any]


def run(stage: Stage, rate: float, number: int, *, settle: float = CALM_SECONDS, beside: bool = True) -> Raw:
    """Switch over and fail back once under load and return what was measured, seconds unrounded.

    `beside` measures the databases alone as well. `settle` is how long the load goes on after each attempt. `moments`
    of what is returned says when each attempt began, and the end, in seconds since 1970.
    """
    compared: dict[str, Any] = {}
    moments = {}
    with stage.load(rate) as load:
        load.go_on(WARM_SECONDS)
        steady = time.time()
        if beside:
            compared["forward"] = _alone(stage, load, Direction.FORWARD)
        moments["forward"] = time.time()
        forward = _ended(stage.operator.switch_over(f"forward-{number}"), "RUNNING")
        load.go_on(settle)
        if beside:
            compared["back"] = _alone(stage, load, Direction.BACK)
        moments["back"] = time.time()
        back = _ended(stage.operator.fail_back(f"back-{number}"), "SUCCEEDED")
        load.go_on(settle)
    moments["end"] = time.time()
    records = load.ledger.read()
    with stage.instance.source.superuser(shop.DATABASE) as connection:
        found = verify(load.ledger, connection, stage.source.mode)
    return {
        "forward": _attempt(forward, records, moments["forward"], moments["back"]),
        "back": _attempt(back, records, moments["back"], moments["end"]),
        "alone": compared,
        "moments": moments,
        "rate_reached": sum(r.acknowledged and steady - WARM_SECONDS / 2 < r.epoch < steady for r in records)
        / (WARM_SECONDS / 2),
        "acknowledged_writes": found.acknowledged_writes,
        "lost_writes": found.lost_writes,
        "duplicated_writes": found.duplicated_writes,
        "machine_load": os.getloadavg()[0],
    }


def _alone(stage: Stage, load: Load, direction: Direction) -> Raw:
    measured = alone.switch(stage, direction)
    load.go_on(CALM_SECONDS)
    return measured


def _ended(said: Mapping[str, Any], wanted: str) -> Mapping[str, Any]:
    """Return the record of an attempt that ended as wanted."""
    if said["status"] != wanted:
        raise RuntimeError(f"an attempt ended {said['status']}: {said['cause']} {said['record'].get('reason')}")
    record: Mapping[str, Any] = said["record"]
    return record


def _attempt(record: Mapping[str, Any], records: Sequence[Record], begin: float, end: float) -> Raw:
    times: Mapping[str, Sequence[float]] = record["times"]
    behind = [step for step in record["done"] if times["fence"][0] <= times[step][0] < times["open"][1]]
    gap = write_gap(records, begin, end)
    compare = record["evidence"]["compare"]
    return {
        "fence_to_open": times["open"][1] - times["fence"][0],
        "write_gap": gap.seconds if gap else None,
        "steps": {step: times[step][1] - times[step][0] for step in behind},
        "rows": compare["rows"],
        "tables_in_fence": compare["tables_in_fence"],
    }
