"""Rotation in a deployed stack, asked for as an operator does: refused, carried through, and what comes of it."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg2
import pytest

from sandbox import stack
from sandbox.databases import ServerInfo
from sandbox.errors import SandboxError
from sandbox.instance import Instance
from sandbox.rehearsal.carry import Carry
from sandbox.rehearsal.operator import Operator
from tests.support.sandboxes import deployed

SECONDS = 60
COUNT = "SELECT count(*) FROM customers WHERE name LIKE 'during %'"


@dataclass
class Migration:
    """A deployed stack whose replication runs."""

    instance: Instance
    operator: Operator

    @property
    def secrets(self) -> Any:
        return self.instance.client("secretsmanager")

    def arn(self, user: str) -> str:
        return str(self.operator.outputs[f"{user}_secret_arn"])

    def held(self, user: str) -> dict[str, Any]:
        """Return what a user's secret holds now."""
        found: dict[str, Any] = json.loads(self.secrets.get_secret_value(SecretId=self.arn(user))["SecretString"])
        return found

    def stages(self, user: str) -> dict[str, list[str]]:
        found: dict[str, list[str]] = self.secrets.describe_secret(SecretId=self.arn(user))["VersionIdsToStages"]
        return found

    def begin(self, user: str) -> str:
        """Ask for a rotation and return the version that it makes."""
        return str(self.secrets.rotate_secret(SecretId=self.arn(user))["VersionId"])

    def call(self, user: str, step: str, token: str) -> dict[str, Any]:
        """Call one step as Secrets Manager does, and return its answer."""
        event = {"Step": step, "SecretId": self.arn(user), "ClientRequestToken": token}
        return self.operator.invoke(self.operator.outputs["rotation_function_names"][user], event)

    def rotate(self, user: str) -> dict[str, Any]:
        """Ask for a rotation, wait until it is over, and return what the secret holds."""
        token = self.begin(user)
        self.wait(lambda: self.stages(user).get(token) == ["AWSCURRENT"], f"the rotation of {user}")
        return self.held(user)

    def wait(self, done: Any, what: str) -> None:
        until = time.monotonic() + SECONDS
        while not done():
            assert time.monotonic() < until, f"{what} did not end"
            time.sleep(0.1)

    def on(self, server: ServerInfo, statement: str) -> list[tuple[Any, ...]]:
        """Run a statement on a side as its superuser and return its rows."""
        with server.superuser("shop") as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []


@pytest.fixture(scope="module")
def migration() -> Iterator[Migration]:
    config = stack.load("dev")
    config["database-migration:switchover"] = {"bakeSeconds": 8}
    with deployed("rotation", config) as instance:
        outputs = stack.outputs(instance)
        yield Migration(instance, Operator(instance.client, outputs, lambda: None, Carry(instance, outputs)))


def test_before_the_users_are_made_a_rotation_is_refused_and_changes_nothing(migration: Migration) -> None:
    before = migration.held("application")
    token = migration.begin("application")
    migration.call("application", "createSecret", token)
    with pytest.raises(SandboxError, match="the current password does not work"):
        migration.call("application", "setSecret", token)
    assert migration.held("application") == before


def test_the_gate_refuses_while_a_rotation_is_half_done(migration: Migration) -> None:
    operator = migration.operator
    operator.prepare()
    operator.carry_definitions()
    operator.load_fully()
    said = operator.switch_over("attempt-1")
    assert said["status"] == "FAILED"
    assert "secrets whose rotation is half done" in said["record"]["reason"]
    assert migration.arn("application") in said["record"]["reason"]
    [pending] = [version for version, labels in migration.stages("application").items() if "AWSPENDING" in labels]
    migration.secrets.update_secret_version_stage(
        SecretId=migration.arn("application"), VersionStage="AWSPENDING", RemoveFromVersionId=pending
    )


def test_nobody_tests_a_password_at_a_closed_door(migration: Migration) -> None:
    token = migration.begin("application")
    migration.call("application", "createSecret", token)
    with pytest.raises(SandboxError, match="permission denied for database"):
        migration.call("application", "setSecret", token)
    migration.secrets.update_secret_version_stage(
        SecretId=migration.arn("application"), VersionStage="AWSPENDING", RemoveFromVersionId=token
    )


def test_dms_goes_on_with_its_new_password(migration: Migration) -> None:
    instance, dms = migration.instance, migration.instance.client("dms")
    task = [{"Name": "replication-task-arn", "Values": [migration.operator.outputs["replication_task_arn"]]}]

    def connected() -> bool:
        """Say whether DMS has tested every connection, and fail where one does not work."""
        found = {connection["Status"] for connection in dms.describe_connections()["Connections"]}
        assert "failed" not in found
        return found == {"successful"}

    [started] = dms.describe_replication_tasks(Filters=task)["ReplicationTasks"]
    before = migration.held("replication")
    for number in range(3):
        one = f"(SELECT id FROM customers ORDER BY id LIMIT 1 OFFSET {number})"
        migration.on(instance.source, f"UPDATE customers SET name = 'during {number}' WHERE id = {one}")
        now = migration.rotate("replication")
        assert now["username"] == before["username"]
        migration.wait(connected, "DMS's test of its connections")
    migration.wait(lambda: migration.on(instance.target, COUNT) == [(3,)], "the replication of rows")
    after = dms.describe_replication_tasks(Filters=task)["ReplicationTasks"][0]
    assert after["Status"] == "running"
    assert after["ReplicationTaskStartDate"] == started["ReplicationTaskStartDate"], "it was never stopped"
    with instance.target.session("shop", now["username"], now["password"]):
        pass
    with (
        pytest.raises(psycopg2.OperationalError, match="password authentication"),
        instance.target.session("shop", before["username"], before["password"]),
    ):
        pass


def test_no_password_changes_during_a_switchover_and_none_is_left_half_done(migration: Migration) -> None:
    said = migration.operator.switch_over("attempt-2")
    assert said["record"]["phase"] == "open", said
    for user in ("application", "replication"):
        before = migration.held(user)
        token = migration.begin(user)
        with pytest.raises(SandboxError, match="is open: its secrets rotate when it is over"):
            migration.call(user, "createSecret", token)
        assert migration.held(user) == before
        pending = migration.secrets.get_secret_value(SecretId=migration.arn(user), VersionStage="AWSPENDING")
        assert "SecretString" not in pending, "or the gate of a fail-back would refuse"
    assert migration.operator.await_end("attempt-2") == "SUCCEEDED"


def test_then_it_is_tried_again_and_the_users_take_turns(migration: Migration) -> None:
    before = migration.held("application")
    [token] = [version for version, labels in migration.stages("application").items() if "AWSPENDING" in labels]
    with pytest.raises(migration.secrets.exceptions.InvalidRequestException, match="will be reattempted"):
        migration.begin("application")
    migration.wait(lambda: migration.stages("application").get(token) == ["AWSCURRENT"], "the rotation")
    first = migration.held("application")
    assert first["username"] == f"{before['username']}_a"
    second = migration.rotate("application")
    assert second["username"] == f"{before['username']}_b"
    for held in (first, second):
        session = migration.instance.target.session("shop", held["username"], held["password"])
        with session as connection, connection.cursor() as cursor:
            cursor.execute("SELECT current_user")
            assert cursor.fetchone() == (before["username"],)


def test_a_deployment_leaves_what_was_rotated_alone(migration: Migration) -> None:
    before = {user: migration.held(user) for user in ("application", "replication")}
    stack.pulumi(migration.instance, "preview", "--refresh", "--expect-no-changes")
    stack.pulumi(migration.instance, "up", "--refresh", "--yes", "--skip-preview")
    assert {user: migration.held(user) for user in before} == before
