"""The `random` provider's types, without a cloud."""

import base64
import secrets
import string
from collections.abc import Callable
from dataclasses import dataclass

from sandbox.provider.shapes import Json

SPECIALS = "!@#$%&*()-_=+[]{}<>:?"


@dataclass(frozen=True)
class RandomType:
    """A type: what it accepts and how its outputs come about. Any change makes a new one."""

    accepts: frozenset[str]
    make: Callable[[Json], tuple[str, Json]]
    secrets: frozenset[str] = frozenset()


def _text(inputs: Json) -> str:
    """Return random text of the wanted length and kinds of characters, at least as many of each as asked for."""
    kinds = {
        "lower": string.ascii_lowercase,
        "upper": string.ascii_uppercase,
        "numeric": string.digits,
        "special": inputs.get("overrideSpecial") or SPECIALS,
    }
    wanted = {kind: alphabet for kind, alphabet in kinds.items() if inputs.get(kind, True)}
    least = [secrets.choice(wanted[k]) for k in wanted for _ in range(int(inputs.get(f"min{k.capitalize()}") or 0))]
    every = "".join(wanted.values())
    rest = [secrets.choice(every) for _ in range(int(inputs["length"]) - len(least))]
    letters = least + rest
    secrets.SystemRandom().shuffle(letters)
    return "".join(letters)


def _password(inputs: Json) -> tuple[str, Json]:
    return "none", {"result": _text(inputs), "bcryptHash": ""}


def _string(inputs: Json) -> tuple[str, Json]:
    text = _text(inputs)
    return text, {"result": text}


def _id(inputs: Json) -> tuple[str, Json]:
    raw = secrets.token_bytes(int(inputs["byteLength"]))
    plain = base64.urlsafe_b64encode(raw).decode().rstrip("=")
    return plain, {"hex": raw.hex(), "dec": str(int.from_bytes(raw)), "b64Url": plain, "b64Std": plain}


_KINDS = ("lower", "upper", "numeric", "special")
_TEXT = frozenset(
    {"length", "number", "overrideSpecial", "keepers", *_KINDS, *(f"min{k.capitalize()}" for k in _KINDS)}
)
TYPES = {
    "random:index/randomPassword:RandomPassword": RandomType(_TEXT, _password, frozenset({"result", "bcryptHash"})),
    "random:index/randomString:RandomString": RandomType(_TEXT, _string),
    "random:index/randomId:RandomId": RandomType(frozenset({"byteLength", "keepers", "prefix"}), _id),
}
