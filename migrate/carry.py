"""Carries what DMS does not: roles, definitions, secondary indexes, foreign keys, triggers. In three steps around the
load, each of which can be repeated, and a comparison that has the last word.
"""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg2

from handlers.core import sql
from handlers.core.catalogue import Thing
from migrate import roles
from migrate.core import sections
from migrate.core.difference import HELD_BACK, Difference, compare, wrong
from migrate.core.sections import Oid
from migrate.errors import Refused
from migrate.programs import Programs, environment, first_error
from migrate.sides import Both

ATTRIBUTES = ("role attribute", "setting")
RIGHTS = ("owner", "grant", "column grant", "default privileges")
SAID = ("comment",)
DUMP = (
    *("--format=custom", "--schema-only", "--no-owner", "--no-privileges", "--no-comments", "--no-publications"),
    *("--no-subscriptions", "--no-security-labels", "--no-tablespaces", "--lock-wait-timeout=60s"),
    *("--exclude-schema=migration_control", "--exclude-schema=awsdms_control"),
)
RESTORE = ("--no-owner", "--no-privileges", "--exit-on-error")
NOT_VALID_ON_PARTITIONED = 18
"""Before it, a partitioned table takes no foreign key that is yet to be looked at."""

Tell = Callable[[str], None]


@dataclass
class Result:
    """What a step did. `failed` are statements that were refused, each with the reason; `to_do` is left to a person."""

    done: dict[str, Any] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    to_do: list[str] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Say whether everything is as it should be."""
        return not self.failed and not wrong(self.differences)


@dataclass
class Carrying:
    """A carry between two open databases. `jobs` is how many indexes are built at once."""

    both: Both
    programs: Programs
    jobs: int
    tell: Tell
    result: Result = field(default_factory=Result)

    # The steps

    def before_load(self, *, everything: bool = False) -> Result:
        """Make roles, types, tables with their keys, functions and views on a target that has none of them.

        `everything` makes the rest as well, for a replication that does not stop after its load.
        """
        self.refuse_unfit()
        here, there = self.both.described()
        self._roles(here, there)
        with self._dump() as dump:
            pre, post = self._list(dump, "pre-data"), self._list(dump, "post-data")
            keys, attached = self._keys()
            chosen = sections.before_load(pre, post, keys, attached)
            self.tell(f"restoring {chosen.count(chr(10))} entries: all that rows need")
            self._restore(dump, chosen, "--single-transaction")
        self._rights()
        self._mend(ATTRIBUTES)
        self.result.done["entries"] = chosen.count("\n")
        if everything:
            self._rest()
        return self._judged(after=everything)

    def after_load(self) -> Result:
        """Make the rest, once rows are loaded: indexes, foreign keys, triggers; then ANALYZE."""
        self._rest()
        self.tell("ANALYZE")
        self._try(["ANALYZE"])
        return self._judged(after=True)

    def _rest(self) -> None:
        """Make what is not there yet."""
        here, there = self.both.described()
        known = {one.key for one in there}
        with self._dump() as dump:
            post = self._list(dump, "post-data")
            mine = {one.oid for one in here if one.kind == "foreign key" or self._fires_for_replicas(one, here)}
            chosen = sections.after_load(post, mine | {one.oid for one in here if one.key in known and any(one.oid)})
            self.tell(
                f"making {chosen.count(chr(10))} indexes, constraints, triggers and policies, {self.jobs} at once"
            )
            self._restore(dump, chosen, f"--jobs={self.jobs}")
        self._foreign_keys(here, known)
        self._held_back(here)
        self._rights()
        self._mend(SAID)
        self._event_triggers()
        self.result.done["entries"] = self.result.done.get("entries", 0) + chosen.count("\n")

    # What is looked at first

    def refuse_unfit(self) -> None:
        """Raise Refused where the target is not empty, or lacks an extension."""
        both = self.both
        there = both.target.tables()
        if there:
            named = ", ".join(str(table) for table in sorted(there)[:5])
            raise Refused(
                f"the target has {len(there)} tables already ({named}): `carry diff` says how they differ; empty the "
                "target, or go on with `carry after-load`"
            )
        offered = dict(both.target.rows("SELECT name, default_version FROM pg_available_extensions"))
        wanted = dict(both.source.rows("SELECT extname, extversion FROM pg_extension"))
        lacking = sorted(wanted.keys() - offered.keys())
        if lacking:
            raise Refused(f"the target offers no extension {', '.join(lacking)}: do without on the source first")
        self.result.to_do += [
            f"extension {name} is {version} on the source and will be {offered[name]} on the target: read its notes"
            for name, version in sorted(wanted.items())
            if offered[name] != version
        ]

    # Roles and rights

    def _roles(self, here: Iterable[Thing], there: Iterable[Thing]) -> None:
        """Make the roles, and let the administrator act for each: who makes a role does not yet own what it owns."""
        both = self.both
        found = compare(here, there, ["role"])
        self.tell(f"making {len(found)} roles")
        self._try(statement for one in found for statement in one.mend)
        [(me,)] = both.target.rows("SELECT current_user")
        names = {one.name for one in here if one.kind == "role"}
        self._try(f"GRANT {name} TO {sql.name(me)}" for name in sorted(names))
        self._mend(["membership"])
        known = roles.verifiers(both.source, both.ours)
        self._try((f"ALTER ROLE {name} PASSWORD {sql.literal(text)}" for name, text in known.items()), secret=True)
        logins = {one.name for one in here if one.kind == "role" and one.text.startswith("LOGIN")}
        self.result.to_do += [f"set the password of {name} on the target" for name in sorted(logins - known.keys())]

    def _rights(self) -> None:
        """Give everything its owner and its grants. Who gets something has to be allowed to make it, for a moment."""
        for schema, role in roles.guests(self.both.source, self.both.ours):
            self._try([f"GRANT CREATE ON SCHEMA {schema} TO {role}"])
        self._mend(("owner",))
        self._mend(RIGHTS)

    def _mend(self, kinds: Sequence[str]) -> None:
        here, there = self.both.described()
        self._try(statement for one in compare(here, there, kinds) if not one.noted for statement in one.mend)

    # The dump

    @contextmanager
    def _dump(self) -> Iterator[Path]:
        self.tell("reading the source's definitions")
        with tempfile.TemporaryDirectory(prefix="carry-") as folder:
            dump = Path(folder) / "definitions"
            with self._at(self.both.source_login, self.both.source.address) as variables:
                self.programs.run("pg_dump", [*DUMP, f"--file={dump}"], variables)
            yield dump

    def _list(self, dump: Path, section: str) -> list[sections.Entry]:
        return sections.entries(self.programs.run("pg_restore", ["--list", f"--section={section}", dump], {}))

    def _restore(self, dump: Path, chosen: str, how: str) -> None:
        listed = dump.with_name("chosen")
        listed.write_text(chosen, encoding="utf-8")
        with self._at(self.both.target_login, self.both.target.address) as variables:
            database = f"--dbname={self.both.target_login.side.database}"
            self.programs.run("pg_restore", [*RESTORE, how, f"--use-list={listed}", database, dump], variables)

    def _at(self, login: Any, address: str | None) -> Any:
        return environment(login, address)

    def _keys(self) -> tuple[set[Oid], list[str]]:
        """Return the constraints and indexes by which DMS finds rows, and what a list calls their parts.

        Where the target's version knows no other way, a partitioned table's foreign keys are among them: while it is
        empty they are true.
        """
        too = self.both.major(self.both.target) < NOT_VALID_ON_PARTITIONED
        found = self.both.source.rows(_KEYS, {"partitioned": too})
        return {(catalog, oid) for catalog, oid, _ in found}, [name for _, _, name in found if name]

    # Foreign keys and triggers

    def _foreign_keys(self, here: Iterable[Thing], known: set[tuple[str, str, str]]) -> None:
        """Make the foreign keys without looking at the rows: while changes are missing they may not be true yet."""
        for one in here:
            if one.kind == "foreign key" and one.key not in known:
                text = one.text.removesuffix(" NOT VALID")
                self._try([f"ALTER TABLE {one.on} ADD CONSTRAINT {one.name} {text} NOT VALID"])

    def _fires_for_replicas(self, one: Thing, here: Iterable[Thing]) -> bool:
        if one.kind != "trigger":
            return False
        return any(f.kind == "firing" and f.key[1:] == one.key[1:] and f.text in HELD_BACK for f in here)

    def _held_back(self, here: Sequence[Thing]) -> None:
        """Make the triggers that fire for replicated rows so that they do not: on the source they have fired."""
        parts = {one.name for one in here if one.kind == "table" and "PARTITION OF" in one.text}
        firing = [one for one in here if one.kind == "firing" and one.text in HELD_BACK]
        for one in sorted(firing, key=lambda one: one.on in parts):  # a partition gets its table's by itself
            there = self.both.target.rows(
                "SELECT 1 FROM pg_trigger WHERE tgrelid = to_regclass(%(on)s) AND quote_ident(tgname) = %(name)s",
                {"on": one.on, "name": one.name},
            )
            made = [] if there else [t.text for t in here if t.kind == "trigger" and t.key[1:] == one.key[1:]]
            state = f"ALTER TABLE {one.on} {HELD_BACK[one.text]} TRIGGER {one.name}"
            self._try(["; ".join(["BEGIN", *made, state, "COMMIT"])])
            self.result.to_do.append(f"when the migration is over: ALTER TABLE {one.on} {one.text} TRIGGER {one.name}")

    def _event_triggers(self) -> None:
        here, there = self.both.described()
        self._try(statement for one in compare(here, there, ["event trigger"]) for statement in one.mend)

    # Doing

    def _try(self, statements: Iterable[str], *, secret: bool = False) -> None:
        """Run statements one by one; those that are refused are noted, the others hold."""
        for statement in statements:
            try:
                self.both.target.rows(statement)
            except psycopg2.Error as error:
                self.both.target.rows("ROLLBACK")
                said = "a password" if secret else statement
                self.result.failed.append(f"{said}: {first_error(str(error))}")

    def _judged(self, *, after: bool) -> Result:
        """Compare, leaving out what is not to be there yet."""
        found = compare(*self.both.described())
        self.result.differences = [one for one in found if not _unseen(one) and (after or not _later(one))]
        return self.result


LATER = frozenset(
    {
        *("index", "statistics", "foreign key", "rule", "trigger", "firing", "policy", "row security"),
        *("replica identity", "comment", "event trigger"),
    }
)
"""Kinds that `before_load` leaves to `after_load`, or makes only in part."""
_KEYS = """
SELECT 'pg_constraint'::regclass::oid, o.oid,
CASE WHEN x.relispartition THEN format('%%s %%s', n.nspname, x.relname) END
FROM pg_constraint o JOIN pg_class c ON c.oid = o.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_class x ON x.oid = o.conindid
WHERE o.contype IN ('p', 'u') OR o.contype = 'f' AND c.relkind = 'p' AND o.conparentid = 0 AND %(partitioned)s
UNION ALL SELECT 'pg_class'::regclass::oid, x.oid,
CASE WHEN x.relispartition THEN format('%%s %%s', n.nspname, x.relname) END
FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_namespace n ON n.oid = x.relnamespace
WHERE i.indisunique AND i.indpred IS NULL AND i.indexprs IS NULL
AND NOT EXISTS (SELECT FROM pg_constraint o WHERE o.conrelid = i.indrelid AND o.contype IN ('p', 'u'))"""


def _unseen(one: Difference) -> bool:
    """Say whether a foreign key is there whose rows are yet to be looked at."""
    return one.kind == "foreign key" and one.target == f"{one.source} NOT VALID"


def _later(one: Difference) -> bool:
    """Say whether a difference is `after_load`'s: a view may need a key, and excluding constraints are slow to load."""
    excluding = one.kind == "constraint" and (one.source or "").startswith("EXCLUDE")
    return one.kind in LATER or excluding or (one.kind.endswith("view") and one.target is not None)
