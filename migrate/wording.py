"""The source's views in the target's words: what two servers call the same query differs by their version."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from handlers.adapters.postgres import Database
from handlers.core import sql
from handlers.core.catalogue import Thing

VIEWS = ("view", "materialized view")
ANSWER = "migration.definition"
_OPTIONS = re.compile(r"WITH \([^)]*\) ")
# What it made is taken back by the exception, with what event triggers have done; variables keep their values.
_BODY = f"""DECLARE found text := '';
BEGIN
    BEGIN
        EXECUTE %(made)s;
        found := pg_get_viewdef('pg_temp.migration_said'::regclass);
        RAISE 'enough';
    EXCEPTION WHEN OTHERS THEN
        PERFORM set_config('{ANSWER}', found, false);
    END;
END"""


def as_target_says(target: Database, here: Iterable[Thing], there: Sequence[Thing]) -> list[Thing]:
    """Return the source's things, its views as the target's server writes them, where it can be asked.

    Before 16 servers name the table with every column of a view, from there on only where it has several.
    """
    texts = {one.key: one.text for one in there if one.kind in VIEWS}
    return [
        replace(one, text=_said(target, one.text)) if texts.get(one.key, one.text) != one.text else one for one in here
    ]


def _said(target: Database, text: str) -> str:
    """Return a view's definition as this server writes it, or as it is where it can't be made here."""
    options = _OPTIONS.match(text)
    head = options[0] if options else ""
    made = f"CREATE TEMPORARY VIEW migration_said AS {text.removeprefix(head).strip().rstrip(';')}"
    body = _BODY % {"made": sql.literal(made)}
    target.rows(f"DO {sql.literal(body)}")
    [(found,)] = target.rows(f"SELECT current_setting('{ANSWER}')")
    return f"{head}{found}" if found else text
