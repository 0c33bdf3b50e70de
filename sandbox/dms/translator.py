"""A carrier of our own, for tasks that change names: PostgreSQL's own subscription applies a row where it came from.

The source's part is the same: publications, and a slot of pgoutput. What it says is applied by a thread here.
"""

from sandbox.dms import carriers, watch
from sandbox.dms.applier import Applier, Progress
from sandbox.dms.plan import Plan, Work
from sandbox.dms.sides import Session, Sessions
from sandbox.dms.stream import END_SECONDS


class Translator:
    """Applies one task's rows under the target's names."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._progress: Progress | None = None
        self._applier: Applier | None = None
        self._lost = False

    def open(self, plan: Plan, work: Work, *, filtered: bool, start: str | None) -> None:
        """Make the origin that remembers how far the target is."""
        with self._sessions.superuser(plan.target) as superuser:
            superuser.rows("SELECT pg_replication_origin_create(%s)", (plan.names.base,))
            if start:
                superuser.rows("SELECT pg_replication_origin_advance(%s, %s)", (plan.names.base, start))
        self._progress = Progress(work.mapped, loads=plan.loads, filtered=filtered)
        self._lost = False

    def exists(self, plan: Plan) -> bool:
        """Look for the origin."""
        with self._sessions.superuser(plan.target) as superuser:
            known = superuser.rows("SELECT pg_replication_origin_oid(%s)", (plan.names.base,)) != [(None,)]
        return known and self._progress is not None

    def look(self, plan: Plan, work: Work, user: Session) -> watch.Subscription:  # noqa: ARG002
        """Return what the thread has come to."""
        breach = watch.breach(user, plan.limit_names)
        progress = self._progress
        if progress is None:
            return watch.Subscription()
        return watch.Subscription(True, progress.working, progress.errors, dict(progress.states), breach)

    def switch(self, plan: Plan, *, on: bool) -> None:
        """Start a thread, or end it and what it was about."""
        if self._applier is not None:
            self._applier.stop(END_SECONDS)
            self._applier = None
        if on and not self._lost and self._progress is not None:
            self._applier = Applier(plan, self._sessions, self._progress)
            self._applier.start()

    def aim(self, plan: Plan, *, lost: bool, enabled: bool) -> None:
        """Begin anew with the plan's login, or with nothing."""
        self._lost = lost
        self.switch(plan, on=enabled)

    def close(self, plan: Plan) -> int | None:
        """End the thread and drop the origin."""
        self.switch(plan, on=False)
        self._progress = None
        with self._sessions.superuser(plan.target) as superuser:
            superuser.rows(
                "SELECT pg_replication_origin_drop(roname) FROM pg_replication_origin WHERE roname = %s",
                (plan.names.base,),
            )
        return None


def choose(plan: Plan, sessions: Sessions) -> carriers.Carrier:
    """Return what carries a task: PostgreSQL's own way wherever it can."""
    return Translator(sessions) if plan.transformations else carriers.Native(sessions)
