import json
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.stub import ANY

from handlers import edge
from handlers.adapters.dms import Endpoints, Task
from handlers.adapters.serverless import Serverless, is_serverless
from handlers.config import Replication
from tests.unit.test_adapters_cloud import metric, stubbed, table

ARN = "arn:aws:dms:us-east-1:123456789012:replication-config:RESOURCEID"
TASK_ARN = "arn:aws:dms:us-east-1:123456789012:task:RESOURCEID"
FILTER = {"Filters": [{"Name": "replication-config-arn", "Values": [ARN]}]}
STATISTICS = "describe_replication_table_statistics"


def replications(status: str, **stats: int) -> dict[str, Any]:
    return {"Replications": [{"ReplicationConfigArn": ARN, "Status": status, "ReplicationStats": stats}]}


def test_its_state_is_read_with_all_its_tables_and_the_newest_latencies() -> None:
    dms, dms_stub = stubbed("dms")
    cloudwatch, metrics = stubbed("cloudwatch")
    dms_stub.add_response("describe_replications", replications("running", FullLoadProgressPercent=100), FILTER)
    first = {"ReplicationTableStatistics": [table("a", "Table completed")], "Marker": "more"}
    dms_stub.add_response(STATISTICS, first, {"ReplicationConfigArn": ARN})
    second = {"ReplicationTableStatistics": [table("b", "Table error")]}
    dms_stub.add_response(STATISTICS, second, {"ReplicationConfigArn": ARN, "Marker": "more"})
    source = {
        "Id": "latest",
        "MetricStat": {
            "Metric": {
                "Namespace": "AWS/DMS",
                "MetricName": "CDCLatencySource",
                "Dimensions": [{"Name": "ReplicationConfigId", "Value": "123456789012:RESOURCEID"}],
            },
            "Period": 60,
            "Stat": "Maximum",
        },
    }
    wanted = {"MetricDataQueries": [source], "StartTime": ANY, "EndTime": ANY, "ScanBy": "TimestampDescending"}
    metrics.add_response("get_metric_data", metric([3.0, 9.0]), wanted)
    metrics.add_response("get_metric_data", metric([]))
    state = Serverless(dms, cloudwatch, ARN).state(1000.0)
    assert (state.status, state.full_load_percent, state.suspended) == ("running", 100, ("s.b",))
    assert state.latency == {"CDCLatencySource": 3.0, "CDCLatencyTarget": None}


def test_one_that_never_ran_has_no_tables() -> None:
    dms, stub = stubbed("dms")
    cloudwatch, metrics = stubbed("cloudwatch")
    stub.add_response("describe_replications", {"Replications": [{"Status": "created"}]}, FILTER)
    stub.add_client_error(STATISTICS, "InvalidResourceStateFault")
    metrics.add_response("get_metric_data", metric([]))
    metrics.add_response("get_metric_data", metric([]))
    state = Serverless(dms, cloudwatch, ARN).state(1000.0)
    assert (state.status, state.full_load_percent, state.tables_errored) == ("created", 0, 0)


def test_any_other_refusal_comes_through() -> None:
    dms, stub = stubbed("dms")
    stub.add_client_error(STATISTICS, "ResourceNotFoundFault")
    with pytest.raises(ClientError, match="ResourceNotFoundFault"):
        Serverless(dms, None, ARN).counters()


def test_counters_mappings_and_stop() -> None:
    dms, stub = stubbed("dms")
    replication = Serverless(dms, None, ARN)
    stub.add_response(STATISTICS, {"ReplicationTableStatistics": [table("a", "x", 5, 4), table("b", "x", 1, 1)]})
    assert replication.counters() == {"read": 6, "applied": 5}
    rules = {"rules": [{"rule-type": "selection"}]}
    configs = {"ReplicationConfigs": [{"TableMappings": json.dumps(rules)}]}
    stub.add_response("describe_replication_configs", configs, FILTER)
    assert replication.mappings() == rules["rules"]
    stub.add_response("describe_replications", replications("running"), FILTER)
    stub.add_response("stop_replication", {}, {"ReplicationConfigArn": ARN})
    assert replication.stop() is True
    stub.add_response("describe_replications", replications("stopped"), FILTER)
    assert replication.stop() is False


def test_the_arn_tells_what_replicates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge, "client", lambda service: stubbed(service)[0])
    on_an_instance = Replication(TASK_ARN, "arn:back", "slot", "instance", "arn:instance", ("arn:source",))
    task, back, endpoints = edge.replication(on_an_instance)
    assert isinstance(task, Task) and isinstance(back, Task) and isinstance(endpoints, Endpoints)
    task, back, endpoints = edge.replication(Replication(ARN, "", "", "", "", ("arn:source", "arn:target")))
    assert isinstance(task, Serverless) and back is None and endpoints is None
    assert is_serverless(ARN) and not is_serverless(TASK_ARN) and not is_serverless("arn:task")
