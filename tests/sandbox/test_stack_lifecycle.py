"""The ordinary CLI on the real program: preview, up, refresh, change, policy packs, Ctrl-C, destroy."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox import lifecycle, stack
from sandbox.errors import SandboxError
from sandbox.instance import Instance
from sandbox.lifecycle import Options
from sandbox.paths import REPOSITORY, cache_folder
from tests.support.cloud import left_over
from tests.support.sandboxes import declared


@pytest.fixture(scope="module")
def own() -> Iterator[Instance]:
    """A sandbox of this module's own, beside that of the other tests: its stack is declared and not yet deployed."""
    with declared("lifecycle", "staging") as instance:
        yield instance


def pulumi(instance: Instance, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["pulumi", *args, "--non-interactive"],
        cwd=REPOSITORY,
        env={**instance.environment(), **stack.AT_ONCE},
        capture_output=True,
        text=True,
        check=False,
    )


def edit(instance: Instance, section: str, **values: Any) -> None:
    """Change keys of the stack's configuration, keeping its encryption salt."""
    whole = yaml.safe_load(instance.stack_config.read_text())
    key = f"{stack.PROJECT}:{section}"
    whole["config"][key] = {**whole["config"][key], **values}
    instance.stack_config.write_text(yaml.safe_dump(whole))


def secret_values(instance: Instance) -> list[str]:
    shown = json.loads(pulumi(instance, "stack", "export", "--show-secrets").stdout)
    found = []
    for resource in shown["deployment"]["resources"]:
        if resource["type"] == "random:index/randomPassword:RandomPassword":
            found.append(json.loads(resource["outputs"]["result"]["plaintext"]))
    return found


def inside(instance: Instance, *command: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sandbox", "exec", "--name", instance.name, "--", *command],
        cwd=REPOSITORY,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_guide_s_programs_are_there_whatever_a_person_has(own: Instance, tmp_path: Path) -> None:
    for name in ("aws", "psql", "pg_dump"):
        (tmp_path / name).write_text("#!/bin/sh\necho somebody else's\n")
        (tmp_path / name).chmod(0o755)
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "config").write_text("[profile mine]\nregion = nowhere-1\n")
    script = (
        "aws sts get-caller-identity --query Account --output text && aws lambda list-functions --query Functions && "
        "psql --version && pg_dump --version && pg_restore --version && "
        "python -m migrate carry --help && pulumi version"
    )
    mine = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "HOME": str(tmp_path), "AWS_PROFILE": "mine"}
    # the caches lie under the person's own home, which this one is not
    cache = {"XDG_CACHE_HOME": str(cache_folder().parent)}
    done = inside(own, "bash", "-ec", script, **mine, **cache)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[:2] == ["123456789012", "[]"]
    assert done.stdout.count(" (PostgreSQL) 18.") == 3
    assert "usage: migrate carry" in done.stdout or "usage: python -m migrate carry" in done.stdout
    assert "somebody else" not in done.stdout


def test_a_command_s_exit_status_is_exec_s_and_a_missing_one_is_named(own: Instance) -> None:
    assert inside(own, "sh", "-c", "exit 7").returncode == 7
    done = inside(own, "no-such-program")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: no-such-program can't be run: there is no such program on the path of a sandbox\n"


def test_a_preview_of_a_bad_configuration_fails_with_every_key(own: Instance) -> None:
    before = own.stack_config.read_text()
    edit(own, "network", nat="two", zone=3)
    try:
        done = pulumi(own, "preview")
    finally:
        own.stack_config.write_text(before)
    assert done.returncode != 0
    assert "network.nat is 'two'" in done.stdout + done.stderr
    assert "network.zone: there is no such key; did you mean zones?" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr and 'File "' not in done.stdout + done.stderr


def test_of_a_file_that_is_missing_a_preview_shows_one_sentence(own: Instance) -> None:
    before = own.stack_config.read_text()
    edit(own, "target", sslMode="verify-full", certificateBundle="nowhere.pem")
    try:
        done = pulumi(own, "preview")
    finally:
        own.stack_config.write_text(before)
    assert done.returncode != 0
    assert "certificateBundle is 'nowhere.pem', which can't be read (No such file or directory): name a" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr and 'File "' not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("region", "account", "said"),
    [
        ("eu-west-1", "123456789012", "which is of eu-west-1, but the stack is in us-east-1, where a replica"),
        ("us-east-1", "210987654321", "which is of account 210987654321, not of the stack's, 123456789012: name one"),
    ],
)
def test_a_secret_of_another_place_fails_at_the_preview(own: Instance, region: str, account: str, said: str) -> None:
    before = own.stack_config.read_text()
    edit(own, "source", operatorSecretArn=f"arn:aws:secretsmanager:{region}:{account}:secret:operator-AbCdEf")
    try:
        done = pulumi(own, "preview")
    finally:
        own.stack_config.write_text(before)
    assert done.returncode != 0
    assert said in done.stdout and "Traceback" not in done.stdout + done.stderr


def test_a_preview_of_a_value_aws_would_refuse_fails_at_the_preview(own: Instance) -> None:
    before = own.stack_config.read_text()
    edit(own, "replication", instanceClass="dms.t3.medium" + "x" * 40)
    try:
        done = pulumi(own, "preview")
    finally:
        own.stack_config.write_text(before)
    assert done.returncode != 0
    assert "replicationInstanceClass" in done.stdout + done.stderr


def test_up_deploys_and_a_preview_finds_nothing_to_do(own: Instance) -> None:
    done = pulumi(own, "up", "--yes", "--skip-preview")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\+ 1[5-9]\d created", done.stdout)
    again = pulumi(own, "up", "--yes", "--expect-no-changes")  # it previews first
    assert again.returncode == 0, again.stdout


def test_a_refresh_finds_no_drift_but_what_the_automation_writes(own: Instance) -> None:
    done = pulumi(own, "refresh", "--yes", "--skip-preview", "--diff")
    assert done.returncode == 0, done.stdout
    changed = set(re.findall(r"aws:[\w/]+:(\w+): \(update\)", done.stdout))
    assert changed <= {"Parameter"}, done.stdout[-3000:]


def test_secrets_are_encrypted_in_the_state_and_hidden_in_the_output(own: Instance) -> None:
    values = secret_values(own)
    assert len(values) == 2
    assert all(len(value) == 32 for value in values)
    state = "".join(p.read_text(errors="replace") for p in (own.folder / "state").rglob("*.json"))
    logs = "".join(p.read_text(errors="replace") for p in own.logs.glob("*.log") if p.name != "ministack.log")
    output = pulumi(own, "stack", "output", "--json").stdout
    for value in values:
        for text in (state, logs, output):
            assert value not in text
            assert json.dumps(value)[1:-1] not in text


def test_changes_in_place_and_by_replacement(own: Instance) -> None:
    edit(own, "monitoring", lagSeconds=45)
    edit(own, "target", backupRetentionDays=9)
    edit(own, "switchover", bakeSeconds=2)
    done = pulumi(own, "up", "--yes", "--skip-preview")
    assert done.returncode == 0, done.stdout
    assert re.search(r"~ \d+ updated", done.stdout), done.stdout[-800:]
    assert "replaced" not in done.stdout
    rds = own.client("rds")
    name = json.loads(pulumi(own, "stack", "output", "--json").stdout)["database_identifier"]
    assert rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]["BackupRetentionPeriod"] == 9
    edit(own, "dns", zone="db.replaced.example.com")
    done = pulumi(own, "up", "--yes", "--skip-preview")
    assert done.returncode == 0, done.stdout
    assert re.search(r"\+-[5-9] replaced", done.stdout), done.stdout[-800:]


def test_the_automation_s_weights_and_times_are_left_alone(own: Instance) -> None:
    outputs = json.loads(pulumi(own, "stack", "output", "--json").stdout)
    route53 = own.client("route53")
    zone, name = outputs["hosted_zone_id"], outputs["writer_name"]

    def records() -> list[dict[str, Any]]:
        page = route53.list_resource_record_sets(HostedZoneId=zone, StartRecordName=name)
        return [r for r in page["ResourceRecordSets"] if r["Name"].rstrip(".") == name]

    changes = [
        {"Action": "UPSERT", "ResourceRecordSet": {**r, "Weight": 100 - r["Weight"], "TTL": 1}} for r in records()
    ]
    route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})
    assert pulumi(own, "up", "--yes", "--skip-preview", "--expect-no-changes").returncode == 0
    assert {r["SetIdentifier"]: (r["Weight"], r["TTL"]) for r in records()} == {"blue": (0, 1), "green": (100, 1)}


def test_ctrl_c_is_quiet(own: Instance) -> None:
    process = subprocess.Popen(
        ["pulumi", "preview", "--non-interactive"],
        cwd=REPOSITORY,
        env=own.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    time.sleep(1.5)
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=60)
    assert "Traceback" not in printed


def test_destroy_leaves_nothing_in_the_cloud(own: Instance) -> None:
    done = pulumi(own, "destroy", "--yes", "--skip-preview")
    assert done.returncode == 0, done.stdout
    assert left_over(own) == {}
    with own.target.superuser() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_database WHERE datname = 'shop'")
        assert cursor.fetchone() == (0,)


def test_a_destroyed_stack_can_be_deployed_again(own: Instance) -> None:
    done = pulumi(own, "up", "--yes", "--skip-preview")
    assert done.returncode == 0, done.stdout[-2000:]


def test_two_sandboxes_do_not_collide(own: Instance, sandbox: Instance) -> None:
    assert own.source.port != sandbox.source.port
    mine = json.loads(pulumi(own, "stack", "output", "--json").stdout)
    theirs = json.loads(pulumi(sandbox, "stack", "output", "--json").stdout)
    assert mine["database_identifier"] != theirs["database_identifier"]
    with pytest.raises(SandboxError, match=f"a sandbox called {own.name} is running"):
        lifecycle.start(Options(own.name), print)
