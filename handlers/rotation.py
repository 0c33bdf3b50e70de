"""One rotation as Secrets Manager asks for it, in four calls, each of which may come twice, late, or after a crash."""

import secrets
import string
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from handlers.adapters.versions import Versions
from handlers.core import rotation as rules
from handlers.core.record import Refused
from handlers.core.rotation import CURRENT, PENDING, PREVIOUS, Call, LoginFailed, Subject
from handlers.core.users import Strategy

PASSWORD_LENGTH = 32
SPECIALS = "!#$%&*()-_=+[]{}<>:?"
"""Characters that RDS, DMS and connection strings all take."""

Fields = dict[str, Any]


class Accounts(Protocol):
    """The users of one database."""

    def log_in(self, credentials: Fields, acts_as: str) -> None:
        """Log in, see that the user acts as `acts_as`, and look at a row. Raises LoginFailed."""

    def change_own(self, credentials: Fields, password: str) -> None:
        """Have a user give itself another password. Raises LoginFailed."""

    def take_turns(self, name: str, leaving: str, coming: Fields) -> None:
        """Have the administrator make ready who comes: all that `name` may do, and last of all the password.

        Once it is not `leaving` itself, `name` logs in no more. Can be repeated. Raises LoginFailed where the
        administrator can't log in.
        """


@dataclass(frozen=True)
class Rotation:
    """One secret, whose it is, the database's users, and what else there is to see to.

    `paused` says why nothing may be rotated now, None where it may. `see_to_it` is called when a version has become
    current, perhaps more than once, with when that version was made, and returns what it found.
    """

    subject: Subject
    versions: Versions
    accounts: Accounts
    paused: Callable[[], str | None]
    see_to_it: Callable[[float], dict[str, Any]] = lambda _since: {}

    def act(self, call: str, token: str) -> dict[str, Any]:
        """Carry out one call for the version `token` and return what it came to.

        Raises Refused, with nothing changed, where the secret, the database or the migration does not allow it, and
        LoginFailed where the new password does not work.
        """
        if call not in list(Call):
            raise Refused(f"there is no step {call!r}: Secrets Manager calls {', '.join(Call)}")
        if rules.concluded(self.versions.stages(), token):
            return self._finish(token) if call == Call.FINISH else {"outcome": "current already"}
        steps = {Call.CREATE: self._create, Call.SET: self._set, Call.TEST: self._test, Call.FINISH: self._finish}
        return steps[Call(call)](token)

    def _create(self, token: str) -> dict[str, Any]:
        """Keep a new password as the pending version, unless one is kept there already."""
        current = self._current()
        if self.versions.read(PENDING, token) is not None:
            return {"outcome": "created before"}
        self._refuse_while_paused()
        self.versions.propose(token, rules.next_fields(current, self.subject, new_password()))
        return {"outcome": "created"}

    def _set(self, token: str) -> dict[str, Any]:
        """Give the database the pending password.

        The pause is looked for once there is a pending value: the gate looks for that once it has claimed the
        migration, so that one of the two always sees the other.
        """
        self._refuse_while_paused()
        current, pending = self._current(), self._pending(token)
        if self._works(pending):
            return {"outcome": "set before", "user": pending["username"]}
        if self.subject.strategy is Strategy.ALTERNATING:
            self._log_in_as(current)
            self.accounts.take_turns(self.subject.name, str(current["username"]), pending)
        else:
            self.accounts.change_own(self._what_works(current), str(pending["password"]))
        return {"outcome": "set", "user": pending["username"]}

    def _test(self, token: str) -> dict[str, Any]:
        """Log in with the pending password.

        Whoever schedules a rotation without beginning one has Secrets Manager try this step on a version that it takes
        away again: there is nothing to test in it, and perhaps nobody to log in as yet.
        """
        if self.versions.read(PENDING, token) in (None, self._current()):
            return {"outcome": "nothing to test"}
        pending = self._pending(token)
        self.accounts.log_in(pending, self.subject.name)
        return {"outcome": "tested", "user": pending["username"]}

    def _finish(self, token: str) -> dict[str, Any]:
        """Make the version current and leave nothing pending. What holds nothing is never made current."""
        if self.versions.read(CURRENT, token) is None:
            self._pending(token)
        self.versions.promote(token)
        return {"outcome": "rotated", **self.see_to_it(self.versions.made(token))}

    def _refuse_while_paused(self) -> None:
        why = self.paused()
        if why is not None:
            raise Refused(why)

    def _current(self) -> Fields:
        current = self.versions.read(CURRENT)
        if current is None:
            raise Refused("the secret has no value yet: deploy the stack before it rotates")
        rules.check_current(current, self.subject)
        return current

    def _pending(self, token: str) -> Fields:
        pending = self.versions.read(PENDING, token)
        if pending is None:
            raise Refused(f"version {token} holds nothing yet: Secrets Manager calls {Call.CREATE} first")
        rules.check_pending(self._current(), pending, self.subject)
        return pending

    def _works(self, credentials: Fields) -> bool:
        try:
            self.accounts.log_in(credentials, self.subject.name)
        except LoginFailed:
            return False
        return True

    def _log_in_as(self, current: Fields) -> None:
        """Log in with the current password: a secret that is not the database's says nothing of whom to change."""
        try:
            self.accounts.log_in(current, self.subject.name)
        except LoginFailed as failed:
            raise Refused(f"the current password does not work: {failed}") from None

    def _what_works(self, current: Fields) -> Fields:
        """Return the credentials the user can change itself with: the current ones, or those before them."""
        try:
            self.accounts.log_in(current, self.subject.name)
        except LoginFailed as failed:
            previous = self.versions.read(PREVIOUS)
            if previous is not None:
                rules.check_current(previous, self.subject)
                if self._works(previous):
                    return previous
            raise Refused(f"neither the current nor the previous password works: {failed}") from None
        return current


def new_password() -> str:
    """Return a password that every server's rules for passwords take: letters of both cases, figures and more."""
    kinds = (string.ascii_lowercase, string.ascii_uppercase, string.digits, SPECIALS)
    every = "".join(kinds)
    while True:
        password = "".join(secrets.choice(every) for _ in range(PASSWORD_LENGTH))
        if all(any(character in kind for character in password) for kind in kinds):
            return password
