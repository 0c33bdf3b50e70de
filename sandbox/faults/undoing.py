"""Faults that make an attempt go back, and faults of the way back itself."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from sandbox.faults.fault import OLD, PERSON, Fault
from sandbox.faults.stage import Attempt
from sandbox.rehearsal.shop import APPLICATION

DAMAGE = "UPDATE customers SET name = name || '!' WHERE id = (SELECT id FROM customers ORDER BY id LIMIT 1)"
MEND = "UPDATE customers SET name = rtrim(name, '!') WHERE name LIKE '%!'"
FOR_GOOD = 1_000_000
SOON = 0.02
"""The share of its waits that the state machine keeps where it is to give up."""


@contextmanager
def damaged(attempt: Attempt) -> Iterator[None]:
    """Have a row of the new side differ."""
    attempt.stage.sql(attempt.new, DAMAGE)
    yield
    attempt.stage.sql(attempt.new, MEND)


@contextmanager
def failing_undo(attempt: Attempt, times: int) -> Iterator[None]:
    """Have the old side refuse so often to be opened again: it is acted on once while it is closed, to drain it."""
    stage, old = attempt.stage, attempt.old
    stage.sql(
        old,
        "CREATE SEQUENCE migration_control.fault_acts",
        f"""CREATE FUNCTION migration_control.fault() RETURNS trigger SECURITY DEFINER LANGUAGE plpgsql AS $$ BEGIN
        IF has_database_privilege('{APPLICATION}', current_database(), 'CONNECT') THEN RETURN NULL; END IF;
        IF nextval('migration_control.fault_acts') BETWEEN 2 AND {1 + times} THEN RAISE 'a fault'; END IF;
        RETURN NULL; END $$""",
        """CREATE TRIGGER fault AFTER UPDATE ON migration_control.fence FOR EACH STATEMENT
        EXECUTE FUNCTION migration_control.fault()""",
    )
    attempt.interception.pace(SOON)
    with damaged(attempt):
        yield
    stage.sql(old, "DROP TRIGGER fault ON migration_control.fence", "DROP FUNCTION migration_control.fault")
    stage.sql(old, "DROP SEQUENCE migration_control.fault_acts")


FAULTS = (
    Fault("compare-mismatch", "a row of the new side differs", OLD, strike=damaged),
    Fault(
        "undo-fails-once",
        "the old side refuses once to be opened again",
        OLD,
        strike=partial(failing_undo, times=1),
    ),
    Fault(
        "undo-fails-for-good",
        "the old side refuses to be opened again, however often that is tried",
        PERSON,
        strike=partial(failing_undo, times=FOR_GOOD),
    ),
)
