"""Deploy scenarios in sandboxes and write what the docs show of them: `python -m gallery [SCENARIO ...]`.

What moves a database of this machine is rehearsed under load, so that its dashboard has something to show; anything
else is deployed and left alone for a while. `docs/pictures` gets the pictures and facts, README.md and
docs/scenarios.md their tables.
"""

import argparse
import json
import re
import sys
import time
from collections.abc import Mapping
from typing import Any

from gallery import costs, dashboards, resources, tables
from sandbox import instance as instances
from sandbox import lifecycle, stack
from sandbox.errors import SandboxError
from sandbox.instance import Instance
from sandbox.lifecycle import Options
from sandbox.paths import BUILD, REPOSITORY
from sandbox.rehearsal import shop
from sandbox.rehearsal.beginning import BEGINNINGS
from sandbox.rehearsal.request import Request
from sandbox.rehearsal.run import rehearse

NAME = "sandbox-gallery"
PICTURES = REPOSITORY / "docs" / "pictures"
LOAD_SECONDS, IDLE_SECONDS = 45.0, 40.0
PERIOD_SECONDS = 2


def main(argv: list[str] | None = None) -> int:
    """Make the gallery of the scenarios named, of all by default, and return the exit status."""
    known = sorted(path.stem for path in (REPOSITORY / "examples").glob("*.yaml"))
    parser = argparse.ArgumentParser(prog="python -m gallery", description=__doc__)
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=f"one of {', '.join(known)}")
    wanted = parser.parse_args(argv).scenarios or known
    unknown = sorted(set(wanted) - set(known))
    if unknown:
        parser.error(f"no scenario {', '.join(unknown)}: write one of {', '.join(known)}")
    PICTURES.mkdir(parents=True, exist_ok=True)
    for scenario in wanted:
        print(f"{scenario}: ", end="", flush=True)
        facts = make(scenario)
        (PICTURES / f"{scenario}.json").write_text(json.dumps(facts, indent=1) + "\n")
        print(f"{facts['resources']} resources in {facts['deploy_seconds']} s, {facts['dollars_a_month']} USD a month")
    tables.write(PICTURES, [REPOSITORY / "README.md", REPOSITORY / "docs" / "scenarios.md"])
    return 0


def make(scenario: str) -> dict[str, Any]:
    """Deploy a scenario, draw its pictures, and return its facts."""
    config = f"examples/{scenario}.yaml"
    written = stack.load(config)
    begin = time.time()
    try:
        seconds = _rehearsed(config) if stack.composition(written) in BEGINNINGS else _deployed(config)
        instance = instances.need(NAME)
        found = _state(instance)
        (PICTURES / f"{scenario}.svg").write_text(resources.picture(scenario, resources.components(found)))
        _dashboards(instance, scenario, written["aws:region"], (begin, time.time()))
    finally:
        lifecycle.end(NAME)
    items = costs.estimate((r["type"], r["urn"], r.get("inputs", {})) for r in found)
    return {
        "scenario": scenario,
        "resources": sum(1 for r in found if r.get("custom") and not r["type"].startswith("pulumi:")),
        "deploy_seconds": round(seconds, 1),
        "dollars_a_month": round(costs.total(items)),
        "costs": [[item.what, item.count, item.dollars] for item in items],
    }


def _rehearsed(config: str) -> float:
    """Rehearse a migration, leave it running, and return how long its deployment took."""
    output = BUILD / "gallery"
    status = rehearse(Request(name=NAME, stack_config=config, seconds=LOAD_SECONDS, keep=True, output=output))
    if status:
        raise SandboxError(f"the rehearsal of {config} did not succeed: see {output / 'report.html'}")
    phases: Mapping[str, float] = json.loads((output / "report.json").read_text())["phases"]
    return phases["deploy"]


def _deployed(config: str) -> float:
    """Deploy a stack, let time pass, and return how long the deployment took."""
    options = Options(NAME, config, end_with_parent=True)
    instance = lifecycle.start(options, lambda _: None)
    shop.create(instance.source, 3_000, Request.seed, shop.new_passwords())
    lifecycle.declare(instance, options, shop.DATABASE, shop.APPLICATION)
    begin = time.monotonic()
    lifecycle.deploy(instance)
    seconds = time.monotonic() - begin
    time.sleep(IDLE_SECONDS)
    return seconds


def _state(instance: Instance) -> list[dict[str, Any]]:
    """Return the stack's resources as the engine keeps them, secrets encrypted."""
    found: list[dict[str, Any]] = json.loads(stack.pulumi(instance, "stack", "export"))["deployment"]["resources"]
    return found


def _dashboards(instance: Instance, scenario: str, region: str, span: tuple[float, float]) -> None:
    """Draw the dashboards of a region. A widget may show metrics of another one."""
    cloudwatch = instance.client("cloudwatch", region)
    for number, entry in enumerate(cloudwatch.list_dashboards()["DashboardEntries"]):
        body = json.loads(cloudwatch.get_dashboard(DashboardName=entry["DashboardName"])["DashboardBody"])
        values = {
            query: _values(instance.client("cloudwatch", _region(widget, region)), query, span)
            for widget in body["widgets"]
            for query in dashboards.queries(widget)
        }
        groups = [group for widget in body["widgets"] if (group := dashboards.log_group(widget))]
        logs = {group: _logged(instance.client("logs", region), group) for group in groups}
        moments = [moment for line in values.values() for moment, _ in line]
        shown = (min(moments), max(moments)) if len(set(moments)) > 1 else span
        suffix = f"-{number + 1}" if number else ""
        path = PICTURES / f"{scenario}-dashboard{suffix}.svg"
        path.write_text(dashboards.picture(body, values, logs, shown))


def _region(widget: Mapping[str, Any], default: str) -> str:
    return str(widget.get("properties", {}).get("region", default))


def _logged(logs: Any, group: str) -> list[str]:
    """Return the errors and warnings of a log group, as the dashboard's query does."""
    events = logs.filter_log_events(logGroupName=group)["events"]
    return [event["message"].strip() for event in events if re.search(r"\]E:|\]W:", event["message"])]


def _values(cloudwatch: Any, query: dashboards.Query, span: tuple[float, float]) -> list[tuple[float, float]]:
    metric = {
        "Namespace": query.namespace,
        "MetricName": query.name,
        "Dimensions": [{"Name": name, "Value": value} for name, value in query.dimensions],
    }
    stat = {"Metric": metric, "Period": PERIOD_SECONDS, "Stat": query.stat}
    answer = cloudwatch.get_metric_data(
        MetricDataQueries=[{"Id": "wanted", "MetricStat": stat}],
        StartTime=span[0],
        EndTime=span[1],
        ScanBy="TimestampAscending",
    )
    found = answer["MetricDataResults"][0] if answer["MetricDataResults"] else {"Timestamps": [], "Values": []}
    return [(at.timestamp(), value) for at, value in zip(found["Timestamps"], found["Values"], strict=True)]


if __name__ == "__main__":
    try:
        sys.exit(main())
    except SandboxError as error:
        sys.exit(f"error: {error}")
