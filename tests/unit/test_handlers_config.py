import json
from typing import Any

import pytest

from handlers import config
from tests.support.fakes import CONFIG


def changed(**fields: Any) -> str:
    return json.dumps({**CONFIG, **fields})


def test_the_parameter_is_read_whole() -> None:
    found = config.parse(json.dumps(CONFIG))
    assert found.target.port == 5432
    assert found.application_roles == ()
    assert found.limits.drain_seconds == 10


def test_numbers_written_as_floats_are_whole() -> None:
    assert config.parse(changed(limits={**CONFIG["limits"], "drain_seconds": 10.0})).limits.drain_seconds == 10


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "the config parameter is not JSON"),
        ("[]", r"config is \[\]: an object is needed"),
        (changed(extra=1), r"has unknown \['extra'\]"),
        (json.dumps({k: v for k, v in CONFIG.items() if k != "mode"}), r"config lacks \['mode'\]"),
        (changed(source={}), r"config.source lacks \['database'"),
        (changed(mode=1), "config.mode is 1: str is needed"),
        (
            changed(limits={**CONFIG["limits"], "drain_seconds": "x"}),
            "config.limits.drain_seconds is 'x': int is needed",
        ),
        (changed(limits={**CONFIG["limits"], "drain_seconds": True}), "config.limits.drain_seconds is True"),
    ],
)
def test_a_wrong_parameter_is_named_by_field(text: str, said: str) -> None:
    with pytest.raises(config.ConfigError, match=said):
        config.parse(text)
