"""What every key of every composition answers to values it can't use: in our words, on one line, with the remedy."""

import copy
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated, Any, get_args, get_origin

import pytest
from pydantic.fields import FieldInfo

from components import settings
from components.settings import COMPOSITIONS, SettingsError
from components.settings.sections import Section
from components.settings.wording import SECRET
from tests.unit.test_settings import DATABASE, LEAST
from tests.unit.test_settings_application import example
from tests.unit.test_settings_fleet import LEAST as FLEET

Path = tuple[str | int, ...]
BASES: dict[str, dict[str, Any]] = {
    "application": example(),
    "database": DATABASE,
    "fleet": FLEET,
    "migration": {"composition": "migration", **LEAST},
}
PYDANTIC = re.compile(
    r"Input|should|Extra|permitted|Value error|Assertion|unable|valid |instance of|constraint|Field required|"
    r"\b(None|True|False|str|int|dict|tuple|NoneType)\b"
)
PATTERN = re.compile(r"[\^\\$]|\[a-z|\[A-Z|\[0-9|\(\?|\]\+|\]\*|\{\d")
WRONG: dict[str, Any] = {
    "a map": {"unheardof": []},
    "a list": [[]],
    "text": "no such thing!",
    "two lines": "one\ntwo",
    "empty": "",
    "too long": "x" * 300,
    "a number": 10**12,
    "below": -1,
    "a fraction": 0.125,
    "a truth": True,
    "null": None,
}


def bare(annotation: Any) -> Any:
    """Return an annotation without descriptions and without None."""
    if get_origin(annotation) is Annotated:
        return bare(get_args(annotation)[0])
    if type(None) in get_args(annotation):
        return bare(next(each for each in get_args(annotation) if each is not type(None)))
    return annotation


def fields(section: type[Section], where: Path = ()) -> Iterator[tuple[Path, FieldInfo]]:
    """Yield every field below a section; of lists, the first element stands for all."""
    for name, field in section.model_fields.items():
        place = (*where, field.alias or name)
        yield place, field
        inner = bare(field.annotation)
        if get_origin(inner) is tuple:
            inner, place = bare(get_args(inner)[0]), (*place, 0)
        if isinstance(inner, type) and issubclass(inner, Section):
            yield from fields(inner, place)


PLACES = [
    (composition, where, field)
    for composition, root in COMPOSITIONS.items()
    for where, field in fields(root)
    if where != ("composition",)
]


def dotted(where: Path) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in where).lstrip(".")


def with_(composition: str, where: Path, value: Any) -> dict[str, Any]:
    """Return a good configuration with one value changed, made room for where nobody wrote its section."""
    changed: Any = copy.deepcopy(BASES[composition])
    here = changed
    for part, then in pairwise(where):
        empty: Any = [{}] if isinstance(then, int) else {}
        if isinstance(part, str) and not here.get(part):
            here[part] = empty
        here = here[part]
    here[where[-1]] = value
    return dict(changed)


def problems(raw: dict[str, Any], **told: Any) -> tuple[str, ...]:
    try:
        settings.load(raw, **told)
    except SettingsError as error:
        return error.problems
    return ()


def as_written(value: Any) -> str:
    match value:
        case None | True:
            return {None: "null", True: "true"}[value]
        case str() if len(value) > 120:
            return f"'{'x' * 120}…' (300 characters)"
        case str():
            return repr(value)
        case {}:
            return "a map of unheardof"
        case [[]]:
            return "a list of 1"
        case _:
            return str(value)


ALIKE = {"a truth": ("1",), "null": ("missing",)}
REMEDY = re.compile(
    r"[:;] (write|lower|raise|change|choose|name|add|leave) \S|did you mean \w+\?$|known are \w|leave it out|: add it$"
)
"""What a line says to do, of one key or of several that contradict each other."""


def check_style(line: str) -> None:
    """Assert what holds for every line a person is told."""
    assert line == line.strip() and len(line.splitlines()) == 1
    assert not PYDANTIC.search(line), line
    assert not PATTERN.search(line.replace("\\n", "")), line
    assert REMEDY.search(line), line


@pytest.mark.parametrize(
    ("composition", "where", "field"),
    PLACES,
    ids=[f"{composition}-{dotted(where)}" for composition, where, _ in PLACES],
)
def test_every_key_says_what_is_wrong_with_every_kind_of_value(composition: str, where: Path, field: FieldInfo) -> None:
    told = set()
    for kind, value in WRONG.items():
        lines = problems(with_(composition, where, value))
        for line in lines:
            check_style(line)
        here = dotted(where)
        if any(line.startswith((f"{here} ", f"{here}:", f"{here}.", f"{here}[")) for line in lines):
            told.add(kind)
        # A truth counts as 1 where a number is wanted, and null as not given, in what several keys say together.
        hidden = str(where[-1]).endswith("SecretArn") or where == ("application", "environment")
        shown = (SECRET,) if hidden else (as_written(value), *ALIKE.get(kind, ()))
        for line in lines:
            if line.startswith(f"{here} is ") and ": write " in line and ", but " not in line:
                assert line.startswith(tuple(f"{here} is {one}" for one in shown)), (line, shown)
    assert told >= {"a map", "a number"} or told >= {"a map", "text"}, told
    assert "null" in told or not field.is_required(), told


@pytest.mark.parametrize("composition", sorted(BASES))
def test_a_key_that_is_nearly_right_is_guessed(composition: str) -> None:
    for where in (where for name, where, _ in PLACES if name == composition):
        typed = (*where[:-1], f"{where[-1]}x")
        [line] = [one for one in problems(with_(composition, typed, "s3cret")) if one.startswith(f"{dotted(typed)}: ")]
        check_style(line)
        assert line == f"{dotted(typed)}: there is no such key; did you mean {where[-1]}?"


def test_numbers_out_of_range_are_told_the_range() -> None:
    ranged = 0
    for composition, where, field in PLACES:
        limits = [getattr(one, name) for one in field.metadata for name in ("ge", "le") if hasattr(one, name)]
        for limit, beyond in zip(limits, (-1, 1), strict=False):
            value = int(limit) + beyond if beyond > 0 else int(limit) - 1
            line = next(one for one in problems(with_(composition, where, value)) if one.startswith(dotted(where)))
            assert line.startswith(f"{dotted(where)} is {value}: write "), line
            assert all(str(each).removesuffix(".0") in line for each in limits), (line, limits)
            ranged += 1
    assert ranged > 100


def test_truths_are_told_both() -> None:
    for composition, where, field in PLACES:
        if bare(field.annotation) is bool:
            [line] = [one for one in problems(with_(composition, where, "yess")) if one.startswith(dotted(where))]
            assert line.startswith(f"{dotted(where)} is 'yess': write true") and "false" in line


def test_everything_that_is_wrong_is_told_at_once() -> None:
    raw = with_("migration", ("network",), {"nat": "two", "zones": 99, "zone": 1})
    raw["target"] = {"port": 1, "instance": {"storageGb": "much"}, "parameters": {"Max Connections": "1", "x": 5}}
    raw["source"] = {
        **raw["source"],
        "operatorSecretArn": "hunter2",
        "port": None,
        "applicationRoles": ["ok", "Not"],
    }
    assert problems(raw) == (
        "network.nat is 'two': write none, one or per_zone",
        "network.zone: there is no such key; did you mean zones?",
        "network.zones is 99: write a number of availability zones from 2 to 6",
        "source.applicationRoles[1] is 'Not': write a role in small letters, digits and underscores, 63 at most, for "
        "example app",
        "source.operatorSecretArn is [secret], no ARN: write the ARN of the secret with username and password of the "
        "role that may fence",
        "source.port is null: write a port from 1 to 65535, or leave it out",
        "target.instance.storageGb is 'much', not a whole number: write GB from 20 to 65536",
        "target.parameters has the key 'Max Connections': write the engine's name of a setting, for example "
        "max_connections",
        "target.parameters.x is 5, not text: write text, in quotes",
        "target.port is 1: write a port from 1150 to 65535",
    )


@pytest.mark.parametrize("value", [["a"], {"a": 1}, 5, None, "x" * 999, "two\nlines"])
def test_whatever_composition_is_it_is_a_sentence(value: Any) -> None:
    [line] = problems({"composition": value})
    check_style(line)
    assert line.startswith("composition is ")


def test_what_is_encrypted_in_the_configuration_is_not_shown() -> None:
    raw = with_("migration", ("dns", "zone"), "hunter2")
    raw["target"] = {"port": "hunter2"}
    [dns, target] = problems(raw, secrets={"dns", "target"})
    assert dns == "dns.zone is [secret]: write a DNS zone of two labels or more, for example db.example.com"
    assert target == "target.port is [secret], not a whole number: write a port from 1150 to 65535"


@pytest.mark.parametrize("value", [{"username": "app", "password": "hunter2"}, ["hunter2"], "hunter2", 12345, "arn"])
def test_a_secret_in_the_place_of_its_arn_is_not_shown(value: Any) -> None:
    [line] = problems(with_("migration", ("source", "operatorSecretArn"), value))
    assert line.startswith("source.operatorSecretArn is [secret]")
    assert "hunter2" not in line and "12345" not in line


def test_the_password_in_a_connection_string_is_not_shown() -> None:
    for password in ("hunter2", "hunt/er@2", "hunter2" * 50):
        [line] = problems(with_("migration", ("source", "host"), f"postgres://app:{password}@db.example.com/shop"))
        assert line.startswith("source.host is 'postgres://[secret]@db.example.com/shop': write a host name")


def test_variables_of_the_application_are_not_shown() -> None:
    [line] = problems(with_("application", ("application", "environment"), "TOKEN=hunter2"))
    assert line.startswith("application.environment is [secret], not a map: write a map of variables to text")
    found = problems(with_("application", ("application", "environment"), {"TOKEN": 12345, "lower": "hunter2"}))
    assert found == (
        "application.environment has the key 'lower': write a variable in capitals, digits and underscores, for "
        "example LOG_LEVEL",
        "application.environment.TOKEN is [secret], not text: write text, in quotes",
    )


def test_keys_that_need_it_are_written_as_pulumi_s_path_has_them() -> None:
    [line] = problems(with_("migration", ("tags",), {"cost center\n": 5}))
    assert line == 'tags["cost center\\n"] is 5, not text: write text, in quotes'


@pytest.mark.parametrize(
    ("where", "said"),
    [
        (("replication", "tables"), "a map with schema, and where wanted action, loadOrder, table"),
        (("preflight", "census", "managed"), "an application name, for example shop-dns"),
        (("monitoring", "emails"), "a mail address, for example oncall@example.com"),
        (("network", "onPremisesCidrs"), "an IPv4 block with its length, for example 192.168.0.0/16"),
        (("network", "interfaceEndpoints"), "a service as its endpoint is named, for example secretsmanager"),
    ],
)
def test_an_element_of_a_list_is_told_what_one_is(where: Path, said: str) -> None:
    [line] = problems(with_("migration", where, [""]))
    assert line.startswith(f"{dotted(where)}[0] is ''") and line.endswith(f": write {said}"), line


@pytest.mark.parametrize("block", ["10.0.0.5/16", "10.0.0.0", "10.0.0.0/255.255.0.0", "10.0.0/16", "::/0"])
def test_a_block_is_written_as_aws_has_it(block: str) -> None:
    [line] = problems(with_("migration", ("network", "onPremisesCidrs"), [block]))
    assert line.startswith(f"network.onPremisesCidrs[0] is '{block}', "), line
