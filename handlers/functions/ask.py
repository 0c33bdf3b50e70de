"""Ask people whether to switch over, and leave them what they need to answer. The machine waits for the answer."""

from contextlib import ExitStack
from typing import Any

from handlers import outlook
from handlers.clock import moment
from handlers.core.approval import commands
from handlers.core.record import Phase
from handlers.edge import handler as edge
from handlers.migration import Migration


def step(migration: Migration, event: dict[str, Any], seconds: float) -> dict[str, Any]:
    """Keep the task's `token` where the answer finds it, and tell people what is asked, forecast and evidence.

    Can be repeated: the newest token is the one that counts. Raises Refused where the fence would cost too much.
    """
    config = migration.config
    waits = config.limits.approval_seconds
    record = migration.taken(event["execution"], Phase.SWITCHING, waits=waits)
    until = migration.clock.now() + waits
    limit = min(seconds, float(config.limits.compare_seconds))
    with ExitStack() as doors:
        survey = outlook.begin(migration, record.direction, limit, doors)
        forecast = outlook.forecast(migration, record, survey, limit)
    migration.tracking.keep_question(record.owner, event["token"], until)
    region = config.state_machine_arn.split(":")[3]
    asked = {
        "execution": record.owner,
        "until": moment(until),
        **commands(config.migration_id, config.tracking_table, region),
    }
    migration.show(record, asked=asked)
    migration.notices.tell(
        f"Migration {record.migration_id} asks for approval",
        {
            "question": "switch over now? Without an answer in time the attempt is taken back",
            "forecast": forecast.to_dict(),
            "evidence": record.evidence,
            **asked,
        },
    )
    return {"outcome": "asked", "until": asked["until"]}


handler = edge(step)
