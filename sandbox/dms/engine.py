"""The tasks and serverless replications of one region at work."""

import threading

from sandbox.dms import events
from sandbox.dms.plan import CDC, Plan
from sandbox.dms.region import Region
from sandbox.dms.replication import Replication
from sandbox.dms.sides import Sessions, SideError, resolve
from sandbox.dms.store import Record

ACTIVE = ("starting", "running")


class Engine:
    """Starts, stops and removes tasks, and tries endpoints."""

    def __init__(self, region: Region) -> None:
        self._region = region
        self._replications: dict[str, Replication] = {}

    def start(self, record: Record, kind: str, position: str) -> None:
        """Start a task in the background."""
        self._of(record).start(kind, position)

    def stop(self, record: Record) -> None:
        """Stop a task in the background."""
        self._of(record).halt()

    def remove(self, record: Record) -> None:
        """Take down all that a task has made, in the background, and drop its record."""
        threading.Thread(target=self._remove, args=(record,), daemon=True).start()

    def test(self, endpoint: Record) -> str:
        """Log in as an endpoint's user and return why that failed, nothing where it did not."""
        try:
            side = resolve(endpoint.body, self._region.cloud, self._region.servers)
            with Sessions("awsdms_test").user(side) as session:
                session.rows("SELECT 1")
        except SideError as error:
            return str(error)
        self.announce()
        return ""

    def announce(self) -> None:
        """Publish, in the background, what tasks for changes alone may be asked for once they start."""
        threading.Thread(target=self._announce, daemon=True).start()

    def inject(self, arn: str, fault: str, seconds: float | None) -> dict[str, object]:
        """Make something go wrong with a task and return what is wrong with it now.

        Raises Fault where there is no such task, ValueError for an unknown fault.
        """
        record = self._region.store.mover(arn)
        return {"task": arn, **self._of(record).inject(fault, seconds)}

    def _announce(self) -> None:
        for record in self._region.store.movers():
            if record.body["MigrationType"] == CDC and not record.run.ever:
                self._of(record).announce()

    def _remove(self, record: Record) -> None:
        replication = self._replications.pop(record.arn, None)
        problems = replication.remove() if replication else []
        if problems:
            self._region.tell(events.TASK_LITTERED, record, "; ".join(problems))
        self._region.store.remove(record)
        self._region.tell(events.TASK_DELETED, record)

    def _of(self, record: Record) -> Replication:
        with self._region.store.lock:
            if record.arn not in self._replications:
                self._replications[record.arn] = Replication(
                    self._region, record, lambda: self._running_besides(record), self.announce
                )
            return self._replications[record.arn]

    def _running_besides(self, record: Record) -> list[Plan]:
        store = self._region.store
        return [
            replication.plan
            for other in store.movers()
            if other is not record and store.status(other) in ACTIVE
            for replication in [self._replications.get(other.arn)]
            if replication is not None and replication.plan is not None
        ]
