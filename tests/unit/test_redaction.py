"""No secret is written: not in a log, not in a traceback, not in what an error says."""

import io
import logging
from collections.abc import Iterator

import pytest

from handlers import clients, redaction
from handlers.redaction import BLOT, cleanse, guard, hide, hide_secret, redacted

PASSWORD = "pa\"ss w/ö'rd"


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    known = set(redaction._known)
    yield
    redaction._known.clear()
    redaction._known.update(known)


@pytest.mark.parametrize(
    "text",
    [
        f"it was {PASSWORD}.",
        'a dump: {"p": "pa\\"ss w/\\u00f6\'rd"}',
        "at //u:pa%22ss%20w%2F%C3%B6%27rd@host",
        "SET x TO 'pa\"ss w/ö''rd'",
    ],
)
def test_a_known_secret_is_not_shown_however_it_is_quoted(text: str) -> None:
    hide([PASSWORD])
    assert "ss w" not in redacted(text) and "ss%20w" not in redacted(text)
    assert BLOT in redacted(text)


def test_of_two_secrets_the_longer_goes_first() -> None:
    hide(["secret", "secret-and-more"])
    assert redacted("it is secret-and-more") == f"it is {BLOT}"


def test_what_is_no_secret_of_a_secret_stays() -> None:
    hide_secret({"username": "shop_app", "host": "db.internal", "port": 5432, "password": "hunter22", "token": "t0ken"})
    assert redacted("shop_app at db.internal:5432: hunter22 t0ken") == f"shop_app at db.internal:5432: {BLOT} {BLOT}"


def test_what_is_too_short_is_left() -> None:
    hide(["", "abc"])
    assert redacted("abc of a table") == "abc of a table"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("host=h password=unknown user=u", f"host=h password={BLOT} user=u"),
        ("host=h password='un known' user=u", f"host=h password={BLOT} user=u"),
        ("ALTER ROLE a PASSWORD 'un''known' LOGIN", f"ALTER ROLE a PASSWORD {BLOT} LOGIN"),
        ('{"password": "un\\"known", "a": 1}', f'{{"password": {BLOT}, "a": 1}}'),
        ("postgresql://u:unknown@h/db", f"postgresql://u:{BLOT}@h/db"),
        ("SCRAM-SHA-256$4096:abc==$def:ghi'", f"SCRAM-SHA-256${BLOT}'"),
        ("password authentication failed for user u", "password authentication failed for user u"),
        ("arn:aws:iam::1:role/a and 12:30:00", "arn:aws:iam::1:role/a and 12:30:00"),
    ],
)
def test_what_looks_like_a_password_is_not_shown(text: str, shown: str) -> None:
    assert redacted(text) == shown


def test_nothing_of_it_is_logged_not_even_by_a_traceback() -> None:
    hide([PASSWORD])
    written = io.StringIO()
    logger = logging.Logger("unit")
    logger.addHandler(logging.StreamHandler(written))
    guard(logger)
    guard(logger)
    assert len(logger.filters) == 1
    try:
        raise ValueError(f"refused: {PASSWORD}")
    except ValueError:
        logger.exception("with %s", PASSWORD)
    assert written.getvalue().startswith(f"with {BLOT}\nTraceback")
    assert f"ValueError: refused: {BLOT}" in written.getvalue() and PASSWORD not in written.getvalue()


def test_an_error_and_what_it_came_from_lose_it_and_keep_their_types() -> None:
    hide([PASSWORD])
    try:
        try:
            raise OSError(f"inner {PASSWORD}")
        except OSError as inner:
            raise KeyError(f"outer {PASSWORD}", 5) from inner
    except KeyError as error:
        cleanse(error)
        assert error.args == (f"outer {BLOT}", 5)
        assert str(error.__cause__) == f"inner {BLOT}"


def test_a_step_that_fails_says_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    hide([PASSWORD])

    def act() -> dict[str, str]:
        raise RuntimeError(f"no connection with {PASSWORD}")

    with pytest.raises(RuntimeError, match=r"no connection with \[secret\]"):
        clients.carried_out("handlers.functions.gate", act)
    answer = clients.carried_out("handlers.functions.gate", act, {RuntimeError: "refused"})
    assert answer == {"outcome": "refused", "reason": f"no connection with {BLOT}"}
    assert "ss w" not in caplog.text
