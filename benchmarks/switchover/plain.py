"""The plain way: once the task's lag is below a limit, the name's weights are flipped. Nobody is fenced.

It is given what helps it: a target that is open already, a time to live of 1 s, sequences set in the moment of the
flip, the source's sessions ended so that clients look the name up again, and a task that goes on until it has caught
up or failed.
"""

import time
import uuid
from typing import Any

from benchmarks.switchover.stage import Stage
from handlers.adapters.dms import Task
from handlers.adapters.route53 import NameGroup
from handlers.clock import Clock, DeadlineExceeded, wait_for
from handlers.core import access, mapping, sequences
from handlers.core.direction import Direction
from handlers.core.names import BLUE, GREEN
from handlers.migration import Door
from sandbox.rehearsal import shop
from sandbox.rehearsal.verify import verify

LAG_LIMIT_SECONDS = 60.0
TTL_SECONDS = 1
WARM_SECONDS = 6.0
METRIC_SECONDS = 6.0
"""The sandbox publishes metrics every five seconds."""
AFTER_SECONDS = 10.0
CATCH_UP_SECONDS = 60.0


def switch(stage: Stage, rate: float, lag: float) -> dict[str, Any]:
    """Switch over while the task lags by up to so many seconds, and count what came of the application's writes."""
    config, client = stage.config, stage.instance.client
    task = Task(client("dms"), client("cloudwatch"), config.replication.instance_id, config.replication.task_arn)
    names = config.dns.writer_name, config.dns.reader_name
    router = NameGroup(client("route53"), config.dns.zone_id, names)
    router.shift(dict.fromkeys(names, Direction.FORWARD.before), "ahead of a plain switchover", TTL_SECONDS)
    with stage.database(BLUE) as old, stage.database(GREEN) as new:
        with stage.load(rate) as load:
            new.database.run(access.open_again(old.database.access(), new.database.access()))
            load.go_on(WARM_SECONDS)
            if lag:
                stage.fault(config.replication.task_arn, "lag", lag)
            load.go_on(METRIC_SECONDS + 1.5 * lag)
            latency = [value for value in task.state(time.time()).latency.values() if value is not None]
            if not latency or max(latency) > LAG_LIMIT_SECONDS:
                raise RuntimeError(f"the plain way would not switch either: latencies are {latency}")
            statement = sequences.set_all(mapping.sequences(old.database.sequences(), task.mappings()))
            new.database.run([statement] if statement else [])
            router.shift(dict.fromkeys(names, Direction.FORWARD.after), "plain switchover", TTL_SECONDS)
            flipped = time.time()
            old.database.end_sessions(old.fenced_for(()))
            load.go_on(AFTER_SECONDS)
        if lag:
            stage.fault(config.replication.task_arn, "resume", None)
        caught_up = _caught_up(old, new, int(stage.operator.record().get("token", 0)))
    source = stage.instance.source.address
    late = sum(r.acknowledged and r.epoch > flipped and r.side == source for r in load.ledger.read())
    with stage.instance.target.superuser(shop.DATABASE) as connection:
        found = verify(load.ledger, connection, stage.source.mode)
    return {
        "lag_shown_seconds": round(max(latency), 1),
        "acknowledged_writes": found.acknowledged_writes,
        "lost_writes": found.lost_writes,
        "duplicated_writes": found.duplicated_writes,
        "written_to_the_source_after_the_flip": late,
        "client_errors": found.client_errors,
        "task_caught_up": caught_up,
        "task_status": task.status(),
    }


def _caught_up(old: Door, new: Door, token: int) -> bool:
    """Say whether what was written to the source last still came to the target."""
    mark = str(uuid.uuid4())
    old.database.write_token(mark, token)
    clock = Clock()
    try:
        return wait_for(
            lambda: new.database.has_token(mark),
            clock=clock,
            until=clock.now() + CATCH_UP_SECONDS,
            pause=0.1,
            what="the last change",
        )
    except DeadlineExceeded:
        return False
