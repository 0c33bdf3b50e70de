"""The operator's command itself: what it is asked, how it ends, and that it gives no password away."""

import json
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from handlers.config import Side
from migrate import __main__ as command
from migrate import programs, stack
from migrate.carry import Result
from migrate.core.difference import Difference
from migrate.errors import MISMATCH, OK, REFUSED, MigrateError
from migrate.stack import Login, Stack

SIDE = Side("db.example.com", 5432, "shop", "require", "", "")
SOURCE = Login(SIDE, "operator", "s:e\\cret", ("operator",))
FOUND = Stack("shop-dev", SOURCE, Login(SIDE, "master", "other", ("master",)))


def program(folder: Path, name: str, says: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{says}\n")
    path.chmod(0o755)


def test_programs_of_a_fitting_version_are_found(tmp_path: Path) -> None:
    for name in programs.NEEDED:
        program(tmp_path, name, "echo 'pg_dump (PostgreSQL) 17.4'")
    assert programs.find(tmp_path, 17).major == 17
    with pytest.raises(MigrateError, match=r"is of version 17: the newer of both databases is of version 18; .*--bin"):
        programs.find(tmp_path, 18)


def test_a_missing_program_is_named_with_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(MigrateError, match=r"pg_dump is not in .*: install PostgreSQL's client programs, version 16"):
        programs.find(tmp_path, 16)


def test_a_program_s_first_error_is_told(tmp_path: Path) -> None:
    program(tmp_path, "pg_dump", "echo 'NOTICE: x' >&2; echo 'pg_dump: error: no such' >&2; exit 1")
    found = programs.Programs({"pg_dump": str(tmp_path / "pg_dump")}, 17)
    with pytest.raises(MigrateError, match="pg_dump failed: pg_dump: error: no such"):
        found.run("pg_dump", [], {})


def test_a_password_lies_in_a_file_of_one_s_own_that_goes() -> None:
    with programs.environment(FOUND.source, "10.0.0.7") as variables:
        file = Path(variables["PGPASSFILE"])
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert file.read_text() == "*:*:*:operator:s\\:e\\\\cret\n"
        assert "PGPASSWORD" not in variables
        assert variables["PGHOSTADDR"] == "10.0.0.7"
        assert variables["PGSSLMODE"] == "require"
        assert variables["PGOPTIONS"].endswith("default_transaction_read_only=off")
    assert not file.exists()


def test_programs_verify_with_the_stack_s_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = {"certificate_bundles": {"source": "office.pem"}}
    with pytest.raises(
        MigrateError, match=r"source.certificateBundle office.pem is no file here: run this in the prog"
    ):
        stack._authority(found, "source")
    Path("office.pem").touch()
    assert stack._authority(found, "target") is stack._authority({}, "source") is None
    login = replace(SOURCE, authority=stack._authority(found, "source"))
    with programs.environment(login, None) as variables:
        assert variables["PGSSLROOTCERT"] == "office.pem"
    with programs.environment(SOURCE, None) as variables:
        assert "PGSSLROOTCERT" not in variables


def test_outputs_come_from_a_file_and_what_is_wrong_with_it_is_told(tmp_path: Path) -> None:
    file = tmp_path / "outputs.json"
    with pytest.raises(MigrateError, match="can't be read: No such file"):
        stack.outputs(file)
    file.write_text("{")
    with pytest.raises(MigrateError, match=r"outputs.json is no JSON"):
        stack.outputs(file)
    file.write_text('{"vpc_id": "vpc-1"}')
    with pytest.raises(MigrateError, match="the outputs lack config_parameter_name, state_machine_arn: name a stack"):
        stack.read(stack.outputs(file), {})


@pytest.fixture
def answered(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The command without AWS and databases: `typed` is what a person types, `result` what the step finds."""
    known: dict[str, Any] = {"typed": "", "result": Result(), "done": []}

    class Opened:
        def __enter__(self) -> None:
            return None

        def __exit__(self, *_: object) -> None:
            return None

    def carried(asked: Any, both: Any) -> Result:
        known["done"].append(asked.step)
        found: Result = known["result"]
        return found

    monkeypatch.setattr(command.stack, "outputs", lambda file: {})
    monkeypatch.setattr(command.stack, "read", lambda found, instead: FOUND)
    monkeypatch.setattr(command, "opened", lambda found: Opened())
    monkeypatch.setattr(command, "_carry", carried)
    return known


def test_a_step_that_changes_something_wants_the_migration_s_id(
    answered: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Keyboard:
        def readline(self) -> str:
            return f"{answered['typed']}\n"

    monkeypatch.setattr(command.sys, "stdin", Keyboard())
    assert command.main(["carry", "after-load"]) == REFUSED
    assert answered["done"] == []
    assert "nothing was done" in capsys.readouterr().err
    answered["typed"] = "shop-dev"
    assert command.main(["carry", "after-load"]) == OK
    assert answered["done"] == ["after-load"]


def test_a_difference_is_shown_with_its_statement_and_ends_with_four(
    answered: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    answered["result"] = Result(
        differences=[Difference("index", "index s.i on s.t", "CREATE INDEX i ON s.t (a)", None, ("CREATE INDEX i",))],
        to_do=["set the password of app on the target"],
    )
    assert command.main(["carry", "diff"]) == MISMATCH
    said = capsys.readouterr().out
    assert "differs: index s.i on s.t is missing on the target\n    CREATE INDEX i;\n" in said
    assert "to do: set the password of app on the target" in said
    assert command.main(["carry", "diff", "--json"]) == MISMATCH
    shown = json.loads(capsys.readouterr().out)
    assert (shown["good"], shown["differences"][0]["mend"]) == (False, ["CREATE INDEX i"])


def test_a_superuser_of_the_source_is_named_with_a_password_or_not_at_all(
    answered: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(command.SOURCE_USER, "postgres")
    assert command.main(["carry", "diff"]) == 1
    assert "set both MIGRATE_SOURCE_USER and MIGRATE_SOURCE_PASSWORD, or neither" in capsys.readouterr().err


def test_a_wrong_command_line_ends_with_two() -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(["carry", "everything"])
    assert ended.value.code == 2
