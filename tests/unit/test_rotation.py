"""A rotation on a secret and a database in memory: what it refuses, and what is left of it wherever it is killed."""

import json
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from handlers.adapters.cloud import Secrets
from handlers.adapters.versions import Versions
from handlers.core.record import Phase, Record, Refused, Step
from handlers.core.rotation import CURRENT, PENDING, Call, LoginFailed, Subject, paused
from handlers.core.users import Strategy, families, family, following
from handlers.functions import rotate as rotate_function
from handlers.rotation import PASSWORD_LENGTH, SPECIALS, Rotation, new_password
from tests.support.fakes import Killed, Watcher
from tests.support.rotating import ARN, MADE, FakeAccounts, FakeSecret, rotate

PLACE = {"engine": "postgres", "host": "db.example.com", "port": 5432, "dbname": "shop"}
FIRST = {**PLACE, "username": "app", "password": "first"}
STRATEGIES = list(Strategy)


def app() -> FakeAccounts:
    return FakeAccounts({"app": "first"})


def rotation(secret: FakeSecret, accounts: FakeAccounts, strategy: str = "alternating", **doors: Any) -> Rotation:
    doors = {"paused": lambda: None, **doors}
    return Rotation(Subject("app", Strategy(strategy), PLACE), secret.versions, accounts, **doors)


def works(secret: FakeSecret, accounts: FakeAccounts, label: str = CURRENT) -> bool:
    fields = secret.fields(label)
    try:
        accounts.log_in(fields or {"username": "", "password": ""}, "app")
    except LoginFailed:
        return False
    return True


@pytest.fixture
def secret() -> FakeSecret:
    return FakeSecret(FIRST)


@pytest.fixture
def accounts() -> FakeAccounts:
    return app()


def test_two_users_take_turns_and_the_role_they_stand_for_steps_back(
    secret: FakeSecret, accounts: FakeAccounts
) -> None:
    seen = []
    for _ in range(4):
        before = secret.fields()
        rotate(rotation(secret, accounts), secret)
        seen.append(str((secret.fields() or {})["username"]))
        assert works(secret, accounts)
        accounts.log_in(before or {}, "app")  # who has not read the secret anew goes on
    assert seen == ["app_a", "app_b", "app_a", "app_b"]
    assert accounts.passwords["app"] is None, "nobody's credentials are its own any more"


def test_a_single_user_keeps_its_name(secret: FakeSecret, accounts: FakeAccounts) -> None:
    for _ in range(2):
        rotate(rotation(secret, accounts, "single"), secret)
        assert (secret.fields() or {})["username"] == "app"
        assert works(secret, accounts)
    assert list(accounts.passwords) == ["app"]


def test_nothing_but_user_and_password_changes(accounts: FakeAccounts) -> None:
    secret = FakeSecret({**FIRST, "sslmode": "require"})
    rotate(rotation(secret, accounts), secret)
    kept = {name: value for name, value in (secret.fields() or {}).items() if name not in ("username", "password")}
    assert kept == {**PLACE, "sslmode": "require"}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_call_can_come_twice(secret: FakeSecret, accounts: FakeAccounts, strategy: str) -> None:
    token, made = secret.begin(), rotation(secret, accounts, strategy)
    for call in Call:
        made.act(call, token)
        again = made.act(call, token)
        assert again["outcome"] in ("created before", "set before", "tested", "rotated")
    assert works(secret, accounts)
    for call in list(Call)[:3]:
        assert made.act(call, token) == {"outcome": "current already"}


def run(secret: FakeSecret, accounts: FakeAccounts, strategy: str, watcher: Watcher, token: str) -> None:
    """Rotate with every call on secret and database watched."""
    watched = rotation(secret, watcher.wrap(accounts, "accounts"), strategy)
    watched = replace(watched, versions=Versions(watcher.wrap(secret, "secret"), ARN))
    for call in Call:
        watched.act(call, token)


@pytest.mark.parametrize("when", ["kill_before", "kill_after"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_wherever_it_is_killed_it_goes_on(strategy: str, when: str) -> None:
    """Before and after every call, with a user who has not rotated yet and with one who has."""
    for rotated in (False, True):
        counted = Watcher()
        run(secret := FakeSecret(FIRST), app(), strategy, counted, secret.begin())
        for number in range(len(counted.calls)):
            secret, accounts = FakeSecret(FIRST), app()
            if rotated:
                rotate(rotation(secret, accounts, strategy), secret)
            token, watcher = secret.begin(), Watcher(**{when: number})
            with suppress(Killed):  # a call that fails is not survived by another
                run(secret, accounts, strategy, watcher, token)
            labels = (CURRENT,) if strategy == Strategy.ALTERNATING else (CURRENT, PENDING)
            assert any(works(secret, accounts, label) for label in labels), watcher.calls
            rotate(rotation(secret, accounts, strategy), secret, token)
            assert works(secret, accounts), watcher.calls
            assert secret.versions.stages().holder(PENDING) is None
            assert secret.versions.stages().holder(CURRENT) == token
        assert len(counted.calls) > 20


def test_a_rotation_that_is_off_or_has_no_such_version_is_refused(secret: FakeSecret, accounts: FakeAccounts) -> None:
    token = secret.begin()
    for call in Call:
        with pytest.raises(Refused, match="no version elsewhere"):
            rotation(secret, accounts).act(call, "elsewhere")
    with pytest.raises(Refused, match="no step 'delete'"):
        rotation(secret, accounts).act("delete", token)
    secret.enabled = False
    with pytest.raises(Refused, match="switched off"):
        rotation(secret, accounts).act(Call.CREATE, token)


def test_a_token_that_was_overtaken_comes_too_late(secret: FakeSecret, accounts: FakeAccounts) -> None:
    made = rotation(secret, accounts)
    old = secret.begin()
    rotate(made, secret, old)
    rotate(made, secret)
    before = secret.fields()
    for call in Call:
        with pytest.raises(Refused, match="overtaken"):
            made.act(call, old)
    assert secret.fields() == before


def test_steps_out_of_order_change_nothing(secret: FakeSecret, accounts: FakeAccounts) -> None:
    token = secret.begin()
    for call in (Call.SET, Call.FINISH):
        with pytest.raises(Refused, match="holds nothing yet"):
            rotation(secret, accounts).act(call, token)
    assert secret.fields() == FIRST, "an empty version is never made current"


def test_a_secret_without_a_value_is_refused(accounts: FakeAccounts) -> None:
    secret = FakeSecret(None)
    with pytest.raises(Refused, match="no value yet"):
        rotation(secret, accounts).act(Call.CREATE, secret.begin())
    assert secret.fields(PENDING) is None


def test_the_trial_of_a_schedule_tests_nothing_and_is_no_error(secret: FakeSecret) -> None:
    accounts = app()
    accounts.passwords = {}
    token = secret.begin()
    for held in (None, json.dumps(FIRST)):
        secret.values[token] = held
        assert rotation(secret, accounts).act(Call.TEST, token) == {"outcome": "nothing to test"}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_user_that_is_not_there_yet_is_refused(secret: FakeSecret, strategy: str) -> None:
    accounts = app()
    accounts.passwords = {}
    with pytest.raises(Refused, match="password"):
        rotate(rotation(secret, accounts, strategy), secret)
    assert accounts.passwords == {}
    assert secret.fields() == FIRST


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_wrong_password_in_current_changes_nothing(accounts: FakeAccounts, strategy: str) -> None:
    secret = FakeSecret({**FIRST, "password": "wrong"})
    with pytest.raises(Refused, match=r"password (does not )?works?"):
        rotate(rotation(secret, accounts, strategy), secret)
    assert accounts.passwords == {"app": "first"}


def test_a_single_user_comes_back_by_the_previous_password(secret: FakeSecret, accounts: FakeAccounts) -> None:
    made = rotation(secret, accounts, "single")
    rotate(made, secret)
    accounts.passwords["app"] = "first"  # restored from a backup
    rotate(made, secret)
    assert works(secret, accounts)


@pytest.mark.parametrize(
    ("field", "value"),
    [("host", "db.evil.example"), ("port", 6432), ("dbname", "other"), ("engine", "mysql"), ("username", "postgres")],
)
def test_nobody_is_led_to_another_user_or_another_host(accounts: FakeAccounts, field: str, value: Any) -> None:
    """Whoever may write the secret: the value is refused before anything is sent anywhere."""
    secret = FakeSecret({**FIRST, field: value})
    with pytest.raises(Refused, match=f"the secret's {field} is {value}"):
        rotation(secret, accounts).act(Call.CREATE, secret.begin())
    honest = FakeSecret(FIRST)
    token = honest.begin()
    honest.put_secret_value(ARN, token, json.dumps({**FIRST, "username": "app_a", field: value}), [PENDING])
    watched = Watcher()
    made = replace(rotation(honest, accounts), accounts=watched.wrap(accounts, "accounts"))
    for call in (Call.SET, Call.TEST, Call.FINISH):
        with pytest.raises(Refused, match="differs in"):
            made.act(call, token)
    assert watched.calls == []


def test_a_pending_version_for_whom_it_is_not_the_turn_of_is_refused(
    secret: FakeSecret, accounts: FakeAccounts
) -> None:
    token = secret.begin()
    secret.put_secret_value(ARN, token, json.dumps({**FIRST, "username": "app_b"}), [PENDING])
    with pytest.raises(Refused, match="differs in username"):
        rotation(secret, accounts).act(Call.SET, token)


def test_a_secret_that_lacks_a_field_is_refused_by_name(accounts: FakeAccounts) -> None:
    secret = FakeSecret({name: value for name, value in FIRST.items() if name != "host"})
    with pytest.raises(Refused, match="lacks host"):
        rotation(secret, accounts).act(Call.CREATE, secret.begin())
    secret.values["first"] = "no JSON"
    with pytest.raises(Refused, match="no JSON object"):
        rotation(secret, accounts).act(Call.CREATE, str(secret.versions.stages().holder(PENDING)))


def test_while_a_switchover_is_open_nothing_rotates(secret: FakeSecret, accounts: FakeAccounts) -> None:
    open_now = rotation(secret, accounts, paused=lambda: "migration unit is switching")
    token = secret.begin()
    with pytest.raises(Refused, match="switching"):
        open_now.act(Call.CREATE, token)
    assert secret.fields(PENDING) is None, "so the gate finds nothing half done"
    rotation(secret, accounts).act(Call.CREATE, token)
    with pytest.raises(Refused, match="switching"):
        open_now.act(Call.SET, token)
    assert accounts.passwords == {"app": "first"}
    rotate(rotation(secret, accounts), secret, token)
    assert works(secret, accounts), "it goes on when the switchover is over"


@pytest.mark.parametrize(
    ("record", "free"),
    [
        (Record("m"), True),
        (Record("m", Phase.UNDONE), True),
        (Record("m", Phase.COMPLETED), True),
        (Record("m", Phase.FAILED_BACK, done=(Step.SETTLE,)), True),
        (Record("m", Phase.FAILED_BACK), False),
        (Record("m", Phase.SWITCHING), False),
        (Record("m", Phase.UNDOING), False),
        (Record("m", Phase.OPEN), False),
        (Record("m", Phase.NEEDS_A_PERSON), False),
    ],
)
def test_rotation_waits_for_the_end_of_an_attempt(record: Record, free: bool) -> None:
    assert (paused(record) is None) is free


def test_what_has_to_be_seen_to_is_done_again_with_every_finish(secret: FakeSecret, accounts: FakeAccounts) -> None:
    seen: list[int] = []

    def see_to_it(since: float) -> dict[str, Any]:
        assert since == MADE.timestamp()
        seen.append(1)
        if len(seen) == 1:
            raise TimeoutError("DMS does not answer")
        return {"connections": "tested by DMS"}

    made, token = rotation(secret, accounts, "single", see_to_it=see_to_it), secret.begin()
    with pytest.raises(TimeoutError):
        rotate(made, secret, token)
    assert made.act(Call.FINISH, token) == {"outcome": "rotated", "connections": "tested by DMS"}


def test_only_a_value_that_is_not_current_is_half_a_rotation(secret: FakeSecret, accounts: FakeAccounts) -> None:
    secrets, made = Secrets(lambda region: secret if region == "us-east-1" else None), rotation(secret, accounts)
    seen = []
    for act in (
        lambda: None,
        lambda: secret.begin("token"),
        lambda: made.act(Call.CREATE, "token"),
        lambda: made.act(Call.SET, "token"),
        lambda: secret.update_secret_version_stage(ARN, CURRENT, "token", "first"),
        lambda: made.act(Call.FINISH, "token"),
    ):
        act()
        seen.append(secrets.half_rotated(ARN))
    assert seen == [False, False, True, True, False, False]


def test_a_function_rotates_no_secret_but_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {
        **{"secret_arn": ARN, "username": "app", "users": "alternating", "administrator_secret_arn": "arn:master"},
        **{"engine": "postgres", "host": "db.example.com", "port": 5432, "database": "shop", "ssl_mode": "require"},
        **{"migration_id": "unit", "tracking_table": "tracking"},
        **{"instance_arn": "", "endpoint_arns": [], "replication_arns": []},
    }
    monkeypatch.setenv("ROTATION", json.dumps(known))
    event = {"SecretId": f"{ARN}-other", "ClientRequestToken": "token", "Step": "createSecret"}
    with pytest.raises(Refused, match="this function rotates .*, not .*-other"):
        rotate_function.handler(event, None)


def test_a_password_has_every_kind_of_character() -> None:
    for _ in range(50):
        password = new_password()
        assert len(password) == PASSWORD_LENGTH
        assert any(c.islower() for c in password)
        assert any(c.isupper() for c in password)
        assert any(c.isdigit() for c in password)
        assert any(c in SPECIALS for c in password)
        assert not set(password) & set("/@\"' \\`")
    assert new_password() != new_password()


def test_the_users_of_a_name() -> None:
    assert family("app") == ("app", "app_a", "app_b")
    assert families(["app", "jobs"]) >= {"app_a", "jobs_b"}
    assert following("app", "somebody", Strategy.SINGLE) == "app"
