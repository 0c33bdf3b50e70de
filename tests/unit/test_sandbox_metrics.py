"""What the sandbox says of its servers in RDS's name."""

import os
from datetime import UTC, datetime

from sandbox import stack
from sandbox.databases import metrics

CLUSTER = {"DBClusterIdentifier": "shop", "Endpoint": "shop.cluster-127-0-0-3.us-east-1.rds.amazonaws.com"}
WRITER = {
    "DBInstanceIdentifier": "shop-writer",
    "Endpoint": {"Address": "shop-writer.127-0-0-3.us-east-1.rds.amazonaws.com"},
}
ELSEWHERE = {"DBInstanceIdentifier": "other", "Endpoint": {"Address": "other.abc123.us-east-1.rds.amazonaws.com"}}
REPLICATION = {"ReplicationInstanceIdentifier": "mover"}
BEING_MADE = {"DBInstanceIdentifier": "new"}
TCP = """  sl  local_address rem_address   st
   0: 0300007F:1538 00000000:0000 0A
   1: 0300007F:1538 0100007F:D431 01
   2: 0300007F:1538 0100007F:D432 01
   3: 0300007F:1538 0100007F:D433 06
   4: 0200007F:1538 0100007F:D434 01
"""


def stat(pid: int, parent: int, own: int, children: int = 0) -> str:
    return f"{pid} (a (b) c) S {parent} 0 0 0 0 0 0 0 0 0 {own} 0 {children} 0 20 0"


def test_a_process_stands_for_whatever_has_its_address_in_its_name() -> None:
    assert metrics.stands_for([CLUSTER], [WRITER, ELSEWHERE, BEING_MADE], [REPLICATION]) == {
        ("DBClusterIdentifier", "shop"): "127.0.0.3",
        ("DBInstanceIdentifier", "shop-writer"): "127.0.0.3",
        ("ReplicationInstanceIdentifier", "mover"): metrics.REPLICATION,
    }


def test_cpu_is_that_of_a_process_and_all_it_started_and_of_its_dead() -> None:
    ticks = os.sysconf("SC_CLK_TCK")
    stats = [stat(10, 1, ticks, 3 * ticks), stat(11, 10, 2 * ticks), stat(12, 11, ticks), stat(99, 1, 7 * ticks)]
    assert metrics.cpu_seconds(stats, 10) == 7.0
    assert metrics.cpu_seconds(stats, 12) == 1.0
    assert metrics.cpu_seconds(stats, 555) == 0.0


def test_connections_are_those_that_stand() -> None:
    assert metrics.connections(TCP, "127.0.0.3", 5432) == 2
    assert metrics.connections(TCP, "127.0.0.2", 5432) == 1
    assert metrics.connections(TCP, "127.0.0.3", 5433) == 0


def test_data_are_what_cloudwatch_takes() -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    assert metrics.data(("DBClusterIdentifier", "shop"), moment, {"CPUUtilization": (12.5, "Percent")}) == [
        {
            "MetricName": "CPUUtilization",
            "Dimensions": [{"Name": "DBClusterIdentifier", "Value": "shop"}],
            "Timestamp": moment,
            "Value": 12.5,
            "Unit": "Percent",
        }
    ]


def test_every_region_of_a_stack_is_reported_in() -> None:
    assert stack.regions(stack.load("dev")) == ["us-east-1"]
    assert stack.regions(stack.load("examples/payments.yaml")) == ["eu-central-1", "eu-west-1"]
    assert stack.regions({}) == ["us-east-1"]
