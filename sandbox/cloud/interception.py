"""Faults from outside, in MiniStack's own process: requests that are held, refused, answered otherwise or never.

A rehearsal says by rules which requests it means. `POST /_sandbox/interception` takes {"rules": [...]} in place of
those there were, and lets go whom they held; `GET` tells how often each has struck and what it holds; and
`POST /_sandbox/interception/release` with {"rule": NUMBER} lets go of that. {"pace": 0.1} makes the state machine wait
a tenth of its time, from its next wait on.
"""

import asyncio
import json
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ministack.services import stepfunctions

CONTROL = "/_sandbox/interception"
HOLD, KILL, REFUSE, EDIT = "hold", "kill", "refuse", "edit"
LOOPBACK = "0100007F"
Message = dict[str, Any]


@dataclass
class Rule:
    """Which requests are meant, and what becomes of them.

    `where` is part of the target, method and path, `text` part of the body. The first `skip` requests are spared, the
    next `times` are not. What is `after` happens once the request was carried out, before its answer is sent.
    HOLD keeps it until it is released. KILL ends the process that sent it. REFUSE answers `status` and `answer`
    instead. EDIT replaces the first of `edit` in the answer by the second.
    """

    act: str
    where: str
    text: str = ""
    skip: int = 0
    times: int = 1
    after: bool = False
    status: int = 400
    answer: str = ""
    edit: tuple[str, str] = ("", "")
    seen: int = 0
    struck: int = 0
    holds: bool = False
    released: asyncio.Event = field(default_factory=asyncio.Event)

    def means(self, what: str, body: str) -> bool:
        """Say whether a request is to be struck, and count it."""
        if self.where not in what or self.text not in body:
            return False
        self.seen += 1
        struck = self.skip < self.seen <= self.skip + self.times
        self.struck += struck
        return struck

    async def hold(self) -> None:
        """Wait until it is released."""
        self.holds = True
        await self.released.wait()
        self.holds = False


class Intercepted:
    """An ASGI application behind rules. Without any it is the application itself."""

    def __init__(self, application: Any) -> None:
        self._application = application
        self._rules: list[Rule] = []

    async def __call__(self, scope: Message, receive: Any, send: Any) -> None:
        """Answer a request."""
        if scope["type"] != "http" or not (self._rules or scope["path"].startswith(CONTROL)):
            await self._application(scope, receive, send)
            return
        body = await _body(receive)
        if scope["path"].startswith(CONTROL):
            await _answer(send, 200, json.dumps(self._control(scope, body)))
            return
        target = dict(scope["headers"]).get(b"x-amz-target", b"").decode()
        what = f"{target} {scope['method']} {scope['path']}"
        rule = next((rule for rule in self._rules if rule.means(what, body.decode(errors="replace"))), None)
        again = _once(body, receive)
        if rule is None:
            await self._application(scope, again, send)
        else:
            await self._strike(rule, scope, again, send)

    async def _strike(self, rule: Rule, scope: Message, receive: Any, send: Any) -> None:
        if rule.act == REFUSE:
            await _answer(send, rule.status, rule.answer)
            return
        process = _caller(scope["client"][1], scope["server"][1]) if rule.act == KILL else 0
        if rule.act == KILL and not rule.after:
            os.kill(process, signal.SIGKILL)
            return
        if rule.act == HOLD and not rule.after:
            await rule.hold()
        kept: list[Message] = []

        async def keep(message: Message) -> None:
            kept.append(message)

        await self._application(scope, receive, keep)
        if rule.act == KILL:
            os.kill(process, signal.SIGKILL)
            return
        if rule.act == HOLD and rule.after:
            await rule.hold()
        for message in _edited(kept, *rule.edit) if rule.act == EDIT else kept:
            await send(message)

    def _control(self, scope: Message, body: bytes) -> list[Message]:
        asked = json.loads(body or b"{}")
        if scope["path"] == f"{CONTROL}/release":
            self._rules[asked["rule"]].released.set()
        elif "pace" in asked:
            stepfunctions._SFN_WAIT_SCALE = float(asked["pace"])
        elif "rules" in asked:
            for rule in self._rules:
                rule.released.set()
            self._rules = [Rule(**given) for given in asked["rules"]]
        return [{"struck": rule.struck, "holds": rule.holds} for rule in self._rules]


async def _body(receive: Any) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


def _once(body: bytes, receive: Any) -> Callable[[], Any]:
    """Return what gives a body that was read once more, and afterwards what else comes."""
    left: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Any:
        return left.pop() if left else await receive()

    return again


async def _answer(send: Any, status: int, text: str) -> None:
    kind = b"application/json" if text[:1] in "[{" else b"text/xml"
    headers = [(b"content-type", kind), (b"content-length", str(len(text.encode())).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})


def _edited(messages: list[Message], before: str, after: str) -> list[Message]:
    """Return an answer in which a text is another."""
    [start, *rest] = messages
    body = b"".join(message.get("body", b"") for message in rest).replace(before.encode(), after.encode())
    headers = [(name, value) for name, value in start["headers"] if name.lower() != b"content-length"]
    headers.append((b"content-length", str(len(body)).encode()))
    return [{**start, "headers": headers}, {"type": "http.response.body", "body": body}]


def _caller(port: int, server: int) -> int:
    """Return the process on this machine whose connection from a loopback port leads to one of ours."""
    ends = [f"{LOOPBACK}:{port:04X}", f"{LOOPBACK}:{server:04X}"]
    lines = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    socket = f"socket:[{next(fields[9] for fields in lines if fields[1:3] == ends)}]"
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if str(descriptor.readlink()) == socket:
                return int(descriptor.parts[2])
        except OSError:
            continue  # gone meanwhile
    raise ProcessLookupError(f"nobody on this machine has the port {port}")
