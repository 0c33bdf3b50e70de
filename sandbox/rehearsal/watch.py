"""Looks at a running migration while it runs: replication lag, writer weights, what the load does."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from sandbox.instance import Instance
from sandbox.rehearsal import progress
from sandbox.rehearsal.operator import Client, Operator

EVERY_SECONDS = 0.25
LAG_WINDOW_SECONDS = 15


@dataclass
class Watch:
    """A thread that samples. `lag` holds (moment, seconds), `weights` (moment, blue, green), moments since 1970."""

    instance: Instance
    progress_file: Path
    lag: list[tuple[float, float]] = field(default_factory=list)
    weights: list[tuple[float, float, float]] = field(default_factory=list)
    buckets: list[progress.Bucket] = field(default_factory=list)
    _metric: dict[str, Any] = field(default_factory=dict)
    _zone: tuple[str, str] = ("", "")
    _stop: threading.Event = field(default_factory=threading.Event)
    _offset: int = 0

    @contextmanager
    def looking(self, operator: Operator) -> Iterator[None]:
        """Look at the task and the names that the operator's stack tells of, as long as the context lasts."""
        outputs = operator.outputs
        self._zone = (outputs["hosted_zone_id"], outputs["writer_name"])
        self._metric = {
            "Namespace": "AWS/DMS",
            "MetricName": "CDCLatencyTarget",
            "Dimensions": [{"Name": key, "Value": value} for key, value in operator.replication.dimensions().items()],
        }
        thread = threading.Thread(target=self._run, args=(operator.client,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join(timeout=10)

    def line(self) -> str:
        """Return what is going on in a line."""
        recent = [bucket for bucket in self.buckets if bucket.at > time.time() - 1.5]
        seconds = sum(bucket.seconds for bucket in recent)
        if not seconds:
            return ""
        rates = {side: 0 for bucket in recent for side in bucket.acknowledged}
        for bucket in recent:
            for side, count in bucket.acknowledged.items():
                rates[side] += count
        names = {self.instance.source.address: "blue", self.instance.target.address: "green"}
        writes = ", ".join(f"{names.get(side, side)} {count / seconds:.0f}/s" for side, count in sorted(rates.items()))
        lag = f", lag {self.lag[-1][1]:.1f} s" if self.lag else ""
        weights = f", weights blue {self.weights[-1][1]:.0f} green {self.weights[-1][2]:.0f}" if self.weights else ""
        return f"writes: {writes or 'none'}{lag}{weights}"

    def _run(self, client: Client) -> None:
        route53, cloudwatch = client("route53"), client("cloudwatch")
        while not self._stop.wait(EVERY_SECONDS):
            try:
                self._look_at_names(route53)
                self._look_at_lag(cloudwatch)
            except (BotoCoreError, ClientError, LookupError):
                continue  # a sample less; the migration itself is not watched by this
            finally:
                if self.progress_file.exists():
                    new, self._offset = progress.read(self.progress_file, self._offset)
                    self.buckets += new

    def _look_at_names(self, route53: Any) -> None:
        zone, name = self._zone
        page = route53.list_resource_record_sets(HostedZoneId=zone, StartRecordName=name, StartRecordType="CNAME")
        found = {
            r["SetIdentifier"]: float(r["Weight"])
            for r in page["ResourceRecordSets"]
            if r["Name"].rstrip(".") == name and "SetIdentifier" in r
        }
        now = (time.time(), found["blue"], found["green"])
        if not self.weights or self.weights[-1][1:] != now[1:]:
            self.weights.append(now)

    def _look_at_lag(self, cloudwatch: Any) -> None:
        now = time.time()
        answer = cloudwatch.get_metric_data(
            MetricDataQueries=[{"Id": "lag", "MetricStat": {"Metric": self._metric, "Period": 1, "Stat": "Maximum"}}],
            StartTime=now - LAG_WINDOW_SECONDS,
            EndTime=now + 1,
            ScanBy="TimestampDescending",
        )
        values = answer["MetricDataResults"][0]["Values"] if answer["MetricDataResults"] else []
        if values:
            self.lag.append((now, float(values[0])))
