"""Which requests of the functions are struck, and how: the rules of `sandbox/cloud/interception.py`, from outside."""

import http.client
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

CONTROL = "/_sandbox/interception"
ASK_SECONDS = 10.0
POLL_SECONDS = 0.05
THROTTLED = (
    '<ErrorResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><Error><Type>Sender</Type>'
    "<Code>{code}</Code><Message>{message}</Message></Error><RequestId>sandbox</RequestId></ErrorResponse>"
)


@dataclass(frozen=True)
class Rule:
    """A rule as `sandbox/cloud/interception.py` explains it."""

    act: str
    where: str
    text: str = ""
    skip: int = 0
    times: int = 1
    after: bool = False
    status: int = 400
    answer: str = ""
    edit: tuple[str, str] = ("", "")


def stored(event: str, act: str, *, after: bool, skip: int = 0) -> Rule:
    """Return the rule that strikes when an event of the migration's record is stored, before or after that."""
    return Rule(act, "TransactWriteItems", f'"S": "{event}"', skip=skip, after=after)


def changed(code: str, message: str, times: int, text: str = "") -> Rule:
    """Return the rule that refuses changes of names, whose batch holds `text`, so many times."""
    return Rule(
        "refuse",
        "POST /2013-04-01/hostedzone/",
        text,
        times=times,
        answer=THROTTLED.format(code=code, message=message),
    )


def pending(times: int, skip: int = 0) -> Rule:
    """Return the rule that has so many looks at a change find it on its way, after the first `skip`."""
    return Rule("edit", "GET /2013-04-01/change/", skip=skip, times=times, edit=("INSYNC", "PENDING"))


class Interception:
    """The rules in force in a sandbox's MiniStack. Use as a context manager: leaving it, none is left."""

    def __init__(self, port: int, rules: Sequence[Rule]) -> None:
        self._port, self._rules = port, rules

    def __enter__(self) -> "Interception":
        self._ask("POST", "", {"rules": [asdict(rule) for rule in self._rules]})
        return self

    def __exit__(self, *_: object) -> None:
        self._ask("POST", "", {"rules": []})
        self.pace(1.0)

    def await_held(self, over: Callable[[], bool]) -> bool:
        """Wait until the first rule holds a request, and say whether it did before all was `over`."""
        while not self._ask("GET", "", {})[0]["holds"]:
            if over():
                return False
            time.sleep(POLL_SECONDS)
        return True

    def release(self) -> None:
        """Let go of what the first rule holds."""
        self._ask("POST", "/release", {"rule": 0})

    def pace(self, pace: float) -> None:
        """Make the state machine wait this share of its time."""
        self._ask("POST", "", {"pace": pace})

    def unstruck(self) -> list[Rule]:
        """Return the rules that have struck nobody: a fault that did not happen."""
        said = self._ask("GET", "", {})
        return [rule for rule, state in zip(self._rules, said, strict=True) if not state["struck"]]

    def _ask(self, method: str, path: str, body: Mapping[str, Any]) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=ASK_SECONDS)
        try:
            connection.request(method, f"{CONTROL}{path}", json.dumps(body))
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()
