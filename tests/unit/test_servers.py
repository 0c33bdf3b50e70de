"""Application Migration Service set up by the operator's function: the core, and the whole of it on a stand-in."""

import json
import threading
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from handlers.adapters.servers import Servers
from handlers.core import servers as core
from handlers.core.servers import Change, Refused
from handlers.functions import servers
from sandbox.mgn.server import Server
from sandbox.ports import free_port

REPLICATION: dict[str, Any] = {
    "stagingAreaSubnetId": "subnet-1",
    "associateDefaultSecurityGroup": False,
    "replicationServersSecurityGroupsIDs": ["sg-1"],
    "replicationServerInstanceType": "t3.small",
    "useDedicatedReplicationServer": False,
    "defaultLargeStagingDiskType": "GP3",
    "ebsEncryption": "DEFAULT",
    "bandwidthThrottling": 0,
    "dataPlaneRouting": "PRIVATE_IP",
    "createPublicIP": False,
    "stagingAreaTags": {"Environment": "unit"},
}
LAUNCH: dict[str, Any] = {"launchDisposition": "STOPPED", "copyTags": True}
SETTINGS = {"replication": REPLICATION, "launch": LAUNCH}


@pytest.fixture
def mgn() -> Iterator[Any]:
    port = free_port()
    server = Server(port)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    client = boto3.client(
        "mgn",
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name="eu-central-1",
        aws_access_key_id="unit",
        aws_secret_access_key="unit",
    )
    try:
        yield client
    finally:
        client.close()
        server.shutdown()
        server.server_close()
        thread.join()


def test_an_account_is_set_up_once_and_then_left_alone(mgn: Any) -> None:
    first = servers.step(Servers(mgn), SETTINGS)
    assert (first["outcome"], first["replication"]["act"], first["launch"]["act"]) == ("applied", "create", "create")
    [template] = mgn.describe_replication_configuration_templates()["items"]
    assert {key: template[key] for key in REPLICATION} == REPLICATION
    again = servers.step(Servers(mgn), SETTINGS)
    assert again == {
        "outcome": "nothing to do",
        "replication": {"act": "keep", "fields": []},
        "launch": {"act": "keep", "fields": []},
    }


def test_only_what_differs_is_changed(mgn: Any) -> None:
    servers.step(Servers(mgn), SETTINGS)
    wanted = {**SETTINGS, "replication": {**REPLICATION, "bandwidthThrottling": 50}}
    answer = servers.step(Servers(mgn), wanted)
    assert answer["replication"] == {"act": "update", "fields": ["bandwidthThrottling"]}
    assert answer["launch"]["act"] == "keep"
    [template] = mgn.describe_replication_configuration_templates()["items"]
    assert (template["bandwidthThrottling"], template["stagingAreaSubnetId"]) == (50, "subnet-1")


def test_an_account_with_several_templates_is_left_to_a_person() -> None:
    several = [{"replicationConfigurationTemplateID": f"rct-{n}"} for n in range(2)]
    with pytest.raises(Refused, match="the account has 2 replication templates: delete all but the one to keep"):
        core.plan("replication", REPLICATION, several)


def test_plans() -> None:
    assert core.plan("launch", LAUNCH, []) == Change("create", "", LAUNCH)
    found = {"launchConfigurationTemplateID": "lct-1", **LAUNCH, "bootMode": "UEFI"}
    assert core.plan("launch", LAUNCH, [found]) == Change("keep", "lct-1", {})


@pytest.mark.parametrize("text", ["no json", "[]", '{"replication": {}}', '{"replication": {}, "launch": 1}'])
def test_settings_that_are_not_the_stack_s_are_refused(text: str) -> None:
    with pytest.raises(Refused, match="deploy the stack again"):
        core.settings(text)


class Pages:
    """A service that answers in pages."""

    def describe_launch_configuration_templates(self, nextToken: str = "") -> dict[str, Any]:
        return {"items": [2]} if nextToken else {"items": [1], "nextToken": "x"}


def test_every_page_is_read() -> None:
    assert Servers(Pages()).templates("launch") == [1, 2]


def test_the_stand_in_refuses_what_the_service_refuses(mgn: Any) -> None:
    with pytest.raises(ClientError, match="UninitializedAccountException"):
        mgn.describe_replication_configuration_templates()
    mgn.initialize_service()
    mgn.create_launch_configuration_template(**LAUNCH)
    with pytest.raises(ClientError, match="already exists"):
        mgn.create_launch_configuration_template(**LAUNCH)
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        mgn.update_launch_configuration_template(launchConfigurationTemplateID="lct-11111111111111111", copyTags=True)
    with pytest.raises(ClientError, match="launchDisposition is 'LATER'"):
        mgn.update_launch_configuration_template(
            launchConfigurationTemplateID="lct-11111111111111111", launchDisposition="LATER"
        )
    with pytest.raises(ClientError, match="has no DescribeSourceServers"):
        mgn.describe_source_servers()
    [template] = mgn.describe_launch_configuration_templates()["items"]
    mgn.delete_launch_configuration_template(launchConfigurationTemplateID=template["launchConfigurationTemplateID"])
    assert mgn.describe_launch_configuration_templates()["items"] == []


class Ssm:
    def __init__(self, text: str) -> None:
        self.text = text

    def get_parameter(self, *, Name: str) -> dict[str, Any]:
        assert Name == "/servers"
        return {"Parameter": {"Value": self.text}}


def test_the_handler_answers_refusals_and_lets_failures_through(mgn: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(servers.SETTINGS_PARAMETER, "/servers")
    clients = {"mgn": mgn, "ssm": Ssm(json.dumps(SETTINGS))}
    monkeypatch.setattr(servers, "client", clients.__getitem__)
    assert servers.handler({}, None)["outcome"] == "applied"
    clients["ssm"] = Ssm("{}")
    assert servers.handler({}, None)["outcome"] == "refused"
    clients["ssm"] = Ssm(json.dumps({**SETTINGS, "launch": {"bootMode": "FLOPPY"}}))
    with pytest.raises(ClientError):
        servers.handler({}, None)
