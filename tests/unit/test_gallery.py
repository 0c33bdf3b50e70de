"""The docs' pictures and tables: what they are made of."""

import re
from typing import Any
from xml.etree import ElementTree

import pytest

from components.switchover_machine import STEPS, definition
from gallery import costs, dashboards, machine, resources, tables
from tests.support.pulumi_mocks import REPOSITORY

ROOT = "urn:pulumi:s::database-migration"
KEY = f"{ROOT}::migration:index:EncryptionKey::key"


def database(number: int) -> list[dict[str, Any]]:
    urn = f"{ROOT}::migration:index:DmsPipeline::dms-{number}"
    child = f"{ROOT}::migration:index:DmsPipeline$aws:dms/endpoint:Endpoint::dms-{number}-source"
    return [
        {"type": "migration:index:DmsPipeline", "urn": urn},
        {
            "type": "aws:dms/endpoint:Endpoint",
            "urn": child,
            "custom": True,
            "parent": urn,
            "dependencies": [f"{ROOT}::migration:index:EncryptionKey$aws:kms/key:Key::key-key"],
        },
    ]


STATE = [
    {"type": "migration:index:EncryptionKey", "urn": KEY},
    {
        "type": "aws:kms/key:Key",
        "urn": f"{ROOT}::migration:index:EncryptionKey$aws:kms/key:Key::key-key",
        "custom": True,
        "parent": KEY,
    },
    *database(1),
    *database(2),
]


def test_components_alike_share_a_box_right_of_what_they_need() -> None:
    boxes = resources.components(STATE)
    assert sorted((box.kind, sorted(box.names)) for box in boxes.values()) == [
        ("DmsPipeline", ["dms-1", "dms-2"]),
        ("EncryptionKey", ["key"]),
    ]
    [[left], [right]] = resources.columns(boxes)
    assert (boxes[left].kind, boxes[right].kind) == ("EncryptionKey", "DmsPipeline")
    drawn = resources.picture("fleet & more", boxes)
    ElementTree.fromstring(drawn)
    assert "2 x DmsPipeline" in drawn
    assert "fleet &amp; more" in drawn


def test_components_that_need_each_other_are_drawn_all_the_same() -> None:
    boxes = {
        "a": resources.Component("A", ["a"], needs={"b"}),
        "b": resources.Component("B", ["b"], needs={"a"}),
    }
    assert sorted(key for column in resources.columns(boxes) for key in column) == ["a", "b"]


def test_a_metric_is_read_with_its_options() -> None:
    widget = {
        "type": "metric",
        "properties": {
            "stat": "Maximum",
            "metrics": [
                ["AWS/RDS", "CPUUtilization", "DBInstanceIdentifier", "one", {"yAxis": "right"}],
                ["AWS/RDS", "CPUUtilization", "DBInstanceIdentifier", "two"],
                ["AWS/DMS", "CDCLatencySource", {"label": "lag", "stat": "Average"}],
                [{"expression": "m1 + m2"}],
            ],
        },
    }
    assert dashboards.queries(widget) == [
        dashboards.Query("AWS/RDS", "CPUUtilization", (("DBInstanceIdentifier", "one"),), "Maximum", "one", True),
        dashboards.Query("AWS/RDS", "CPUUtilization", (("DBInstanceIdentifier", "two"),), "Maximum", "two"),
        dashboards.Query("AWS/DMS", "CDCLatencySource", (), "Average", "lag"),
    ]


def test_a_dashboard_is_drawn_with_what_there_is() -> None:
    metric = {"properties": {"title": "Lag <s>", "metrics": [["AWS/DMS", "CDCLatencySource"]]}}
    place = {"width": 12, "height": 6}
    body = {
        "widgets": [
            {"type": "metric", "x": 0, "y": 0, **place, **metric},
            {"type": "metric", "x": 12, "y": 0, **place, "properties": {"metrics": [["AWS/RDS", "Other"]]}},
            {"type": "log", "x": 0, "y": 6, **place, "properties": {"query": "SOURCE 'tasks' | fields @message"}},
        ]
    }
    [query] = dashboards.queries(body["widgets"][0])
    assert dashboards.log_group(body["widgets"][2]) == "tasks"
    drawn = dashboards.picture(body, {query: [(10.0, 0.0), (20.0, 4.0)]}, {"tasks": ["00001]E: & so on"]}, (10.0, 20.0))
    ElementTree.fromstring(drawn)
    assert drawn.count("<polyline") == 1
    assert drawn.count("no data in a sandbox") == 1
    assert "]E: &amp; so on" in drawn
    assert "Lag &lt;s&gt;" in drawn


@pytest.mark.parametrize(("most", "end"), [(0, 1), (1, 1), (3, 5), (9, 10), (0.03, 0.05), (101, 200)])
def test_an_axis_ends_on_a_round_number(most: float, end: float) -> None:
    assert dashboards.ceiling(most) == pytest.approx(end)


def test_an_estimate_adds_up() -> None:
    items = costs.estimate(
        [
            ("aws:ec2/natGateway:NatGateway", "n", {}),
            (
                "aws:rds/instance:Instance",
                "i",
                {
                    "instanceClass": "db.t3.micro",
                    "allocatedStorage": 20,
                    "multiAz": True,
                    "manageMasterUserPassword": True,
                },
            ),
            (
                "aws:rds/cluster:Cluster",
                "c",
                {"clusterIdentifier": "c", "serverlessv2ScalingConfiguration": {"minCapacity": 0.5}},
            ),
            (
                "aws:rds/clusterInstance:ClusterInstance",
                "w",
                {"clusterIdentifier": "c", "instanceClass": "db.serverless"},
            ),
            ("aws:ec2/vpcEndpoint:VpcEndpoint", "g", {"vpcEndpointType": "Gateway"}),
            ("aws:ec2/vpcEndpoint:VpcEndpoint", "e", {"vpcEndpointType": "Interface", "subnetIds": ["a", "b"]}),
            ("aws:ec2/vpc:Vpc", "v", {}),
        ]
    )
    assert {item.what: item.dollars for item in items} == {
        "Aurora capacity": 43.8,
        "NAT gateway": 32.85,
        "RDS instance": 29.42,
        "interface endpoint": 14.6,
        "secret": 0.4,
    }
    assert items[0].what == "Aurora capacity"
    assert costs.total(items) == 121.07


def test_a_class_without_a_price_says_where_to_add_it() -> None:
    with pytest.raises(costs.UnknownPriceError, match="no price of db.x9.huge: add it to gallery/costs.py"):
        costs.estimate([("aws:rds/instance:Instance", "i", {"instanceClass": "db.x9.huge"})])


def test_the_docs_show_every_scenario_with_its_pictures() -> None:
    examples = {path.stem for path in (REPOSITORY / "examples").glob("*.yaml")}
    assert examples <= set(tables.PURPOSE)
    for name in examples:
        page = REPOSITORY / "docs" / "scenarios" / f"{name}.md"
        shown = re.findall(r"\]\(\.\./pictures/([\w-]+\.svg)\)", page.read_text())
        assert f"{name}.svg" in shown
        for picture in shown:
            ElementTree.fromstring((REPOSITORY / "docs" / "pictures" / picture).read_text())
    for document in ("README.md", "docs/scenarios.md"):
        text = (REPOSITORY / document).read_text()
        assert all(f"/{name}.md) |" in text for name in examples), document


def test_a_table_takes_the_place_of_the_one_before() -> None:
    text = f"a\n{tables.BEGIN}\nold\n{tables.END}\nb"
    assert tables.replaced(text, "new") == f"a\n{tables.BEGIN}\nnew\n{tables.END}\nb"
    with pytest.raises(ValueError):
        tables.replaced("no marks", "new")


def test_the_docs_picture_of_the_machine_is_what_its_definition_gives() -> None:
    assert machine.PATH.read_text() == machine.current(), "run: python -m gallery.machine"
    ElementTree.fromstring(machine.current())


def test_every_way_of_the_machine_is_drawn_once_from_its_outcome_to_a_state_that_is_drawn() -> None:
    states = definition({step: step for step in STEPS})["States"]
    drawn = [name for column in machine.columns(states, "Gate") for name in column]
    assert sorted(drawn) == sorted(name for name, state in states.items() if state["Type"] != "Choice")
    found = {(name, way.outcome): way.target for name in drawn for way in machine.ways(states, name)}
    assert set(found.values()) <= set(drawn)
    assert found["Gate", "ready"] == "Announce"
    assert found["Gate", "anything else"] == "Refused"
    assert found["Switch", machine.FAILURE] == "Undo"
    assert found["WaitForOldTtl", "then"] == "Switch"
    assert machine.current().count("marker-end") == len(found)
