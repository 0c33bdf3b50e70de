"""Extensions that PostgreSQL comes with, on servers that have them: judged, carried, and their values compared."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from handlers.adapters.postgres import Database
from handlers.config import Side as Where
from handlers.preflight.findings import Side
from handlers.validation import plan
from handlers.validation.compare import Sides, compare_chunk
from handlers.validation.result import EXIT_CODES, Verdict
from migrate.carry import Carrying
from migrate.core.difference import wrong
from migrate.programs import find
from migrate.ready import Readying
from migrate.sides import Both, opened
from migrate.stack import Login, Stack
from sandbox.databases import ServerInfo
from sandbox.databases.binaries import MORE, versions
from sandbox.databases.server import SUPERUSER
from tests.support import validation
from tests.support.preflight import APPLICATION, OPERATOR, OWNER, REPLICATION, Pair, copied, make_clean
from tests.support.servers import room, started
from tests.support.validation import validated

SOURCE, TARGET = Side.SOURCE, Side.TARGET
WITH_EXTENSIONS = [version for version in versions() if version in MORE.folders]
NEEDED = ("btree_gist", "citext", "cube", "hstore", "isn", "ltree", "pg_trgm", "pgcrypto", "seg")
TYPES = {
    "citext": ("a", "A", "b"),
    "hstore": ("a=>1", "a=>NULL", 'a=>"NULL"', "a=>1,b=>2"),
    "ltree": ("a.b", "a.c"),
    "lquery": ("*.a", "a.*"),
    "cube": ("(1,2)", "(2,1)"),
    "seg": ("1.5", "1.50", "1 .. 2"),
    "isbn": ("0-306-40615-2", "0-19-853453-1"),
}
"""Types of extensions, each with values that differ, if only to the eye."""


@pytest.fixture(scope="module", params=WITH_EXTENSIONS)
def servers(request: pytest.FixtureRequest) -> Iterator[list[ServerInfo]]:
    with room() as folder, started(folder, source=request.param, target=request.param) as both:
        for server in both:
            make_clean(server, rows=True)
        yield both


@pytest.fixture
def pair(servers: list[ServerInfo]) -> Iterator[Pair]:
    with copied(*servers) as made:
        yield made


# Preflight


@pytest.mark.parametrize("extension", ["dblink", "postgres_fdw"])
def test_an_extension_that_writes_elsewhere_is_told(extension: str, pair: Pair) -> None:
    for side in (SOURCE, TARGET):
        pair.run(side, f"CREATE EXTENSION {extension}")
    [finding] = pair.findings("other-writers")
    assert finding.object == extension
    pair.mend(finding)
    assert pair.findings("other-writers") == []


def test_a_missing_extension_is_made_where_the_source_has_it(pair: Pair) -> None:
    for side in (SOURCE, TARGET):
        pair.run(side, "CREATE SCHEMA tools")
    pair.run(SOURCE, "CREATE EXTENSION earthdistance SCHEMA tools CASCADE")
    cube, earthdistance = pair.findings("missing-extension")
    assert (cube.object, earthdistance.object) == ("cube", "earthdistance")
    for one in (earthdistance, cube):  # what it needs comes along, so either may be first
        pair.mend(one)
    assert pair.findings("missing-extension") == []
    with pair.target.superuser(pair.database) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT extname, extnamespace::regnamespace::text FROM pg_extension ORDER BY extname")
        assert cursor.fetchall()[:2] == [("cube", "tools"), ("earthdistance", "tools")]


def test_a_missing_extension_whose_schema_is_missing_is_carried_with_it(pair: Pair) -> None:
    pair.run(SOURCE, "CREATE SCHEMA tools\nCREATE EXTENSION hstore SCHEMA tools")
    [finding] = pair.findings("missing-extension")
    assert finding.found.endswith("it is not installed, and there is no schema tools that it belongs in")
    assert finding.remedy.text.startswith("carry the schema: python -m migrate carry")


def test_an_older_extension_is_brought_up_by_its_own_script(pair: Pair) -> None:
    pair.run(SOURCE, "CREATE EXTENSION hstore")
    pair.run(TARGET, "CREATE EXTENSION hstore VERSION '1.4'")
    [finding] = pair.findings("older-extension")
    pair.mend(finding)
    assert pair.findings("older-extension") == []
    with pair.target.superuser(pair.database) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT extversion > '1.4' FROM pg_extension WHERE extname = 'hstore'")
        assert cursor.fetchone() == (True,)


# Validation


@pytest.fixture
def both(pair: Pair) -> Iterator[tuple[Database, Database]]:
    """Both sides with the extensions, which lie in another schema on the target."""
    for side, schema in ((SOURCE, "public"), (TARGET, "tools")):
        made = [f"CREATE EXTENSION {name} SCHEMA {schema}" for name in NEEDED]
        pair.run(side, "\n".join(["CREATE SCHEMA IF NOT EXISTS tools", *made]))
    with validation.opened(pair.source, pair.database) as old, validation.opened(pair.target, pair.database) as new:
        yield old, new


def of(both: tuple[Database, Database], statement: str) -> None:
    """Run a statement on both sides, each with its schema of the extensions."""
    for database, schema in zip(both, ("public", "tools"), strict=True):
        database.rows("SET default_transaction_read_only = off")
        database.rows(statement.format(schema=schema))


def table_of(both: tuple[Database, Database], name: str) -> tuple[plan.Pair, plan.Size]:
    return next(found for found in validation.pairs(both, strict=True) if found[0].name.name == name)


@pytest.mark.parametrize("kind", TYPES)
def test_values_of_an_extension_s_type_are_told_apart(kind: str, both: tuple[Database, Database]) -> None:
    of(both, f"CREATE TABLE app.things (id int PRIMARY KEY, v {{schema}}.{kind}, many {{schema}}.{kind}[])")
    values = TYPES[kind]
    for number, value in enumerate(values):
        array = f"ARRAY['{value}']::{{schema}}.{kind}[]"
        of(both, f"INSERT INTO app.things VALUES ({number}, '{value}', {array}), ({number + 100}, NULL, NULL)")
    sides = Sides(*both)
    assert compare_chunk(sides, plan.whole(*table_of(both, "things"))).differing == {}
    for number, value in enumerate(values):
        other = values[(number + 1) % len(values)]
        for column, changed in (("v", f"'{other}'"), ("many", f"ARRAY['{other}']::tools.{kind}[]")):
            both[1].rows("BEGIN")
            both[1].rows(f"UPDATE app.things SET {column} = {changed} WHERE id = {number}")
            found = compare_chunk(sides, plan.whole(*table_of(both, "things")))
            both[1].rows("ROLLBACK")
            assert found.differing.keys() == {(str(number),)}, (value, other, column)


@pytest.mark.parametrize("kind", ["citext", "hstore", "isbn", "ltree"])
def test_rows_are_found_and_repaired_by_a_key_of_an_extension_s_type(
    kind: str, both: tuple[Database, Database]
) -> None:
    of(both, f"CREATE TABLE app.named (k {{schema}}.{kind} PRIMARY KEY, v text)")
    *others, changed, missing = TYPES[kind]
    extra = others[:1] if kind != "citext" else []  # its "a" would be "A" to the index
    for value in (changed, missing):
        of(both, f"INSERT INTO app.named VALUES ('{value}', 'v')")
    both[1].rows(f"UPDATE app.named SET v = 'other' WHERE k::text = '{changed}'::tools.{kind}::text")
    both[1].rows(f"DELETE FROM app.named WHERE k::text = '{missing}'::tools.{kind}::text")
    for value in extra:
        both[1].rows(f"INSERT INTO app.named VALUES ('{value}', 'v')")
    words = ("--table", "app.named")
    code, report = validated(both, *words)
    assert code == EXIT_CODES[Verdict.DIFFERENT]
    [table] = report["tables"]
    kinds = sorted(one["kind"] for one in table["differences"])
    assert kinds == sorted(["changed", "missing", *("extra" for _ in extra)])
    assert validated(both, *words, "--repair", "--apply")[0] == EXIT_CODES[Verdict.DIFFERENT]
    assert validated(both, *words)[0] == EXIT_CODES[Verdict.EQUAL]


# Carry


USED = """
CREATE TABLE app.parts (id int PRIMARY KEY, code tools.citext UNIQUE, more tools.hstore DEFAULT 'a=>1'::tools.hstore,
    path tools.ltree, secret bytea DEFAULT tools.gen_random_bytes(8), room int, during tsrange,
    EXCLUDE USING gist (room WITH =, during WITH &&));
CREATE INDEX parts_code ON app.parts USING gin ((code::text) tools.gin_trgm_ops);
CREATE INDEX parts_path ON app.parts USING gist (path);
CREATE FUNCTION app.folded(text) RETURNS tools.citext LANGUAGE sql AS 'SELECT $1::tools.citext';
CREATE VIEW app.keys AS SELECT id, tools.akeys(more) AS keys FROM app.parts;
"""


@pytest.fixture
def carried(pair: Pair) -> Iterator[tuple[Both, Carrying]]:
    """A source with extensions in a schema of their own, and a target without a schema but its own."""
    pair.run(SOURCE, "CREATE SCHEMA tools")
    pair.run(SOURCE, "\n".join(f"CREATE EXTENSION {name} SCHEMA tools" for name in NEEDED))
    pair.run(SOURCE, " ".join(USED.split("\n    ")).strip())
    pair.run(SOURCE, f"ALTER TABLE app.parts OWNER TO {OWNER}")
    pair.run(TARGET, f"ALTER ROLE {OPERATOR} CREATEROLE")
    pair.run(TARGET, f"GRANT {OWNER}, {APPLICATION} TO {OPERATOR} WITH ADMIN OPTION")
    pair.run(TARGET, "DROP SCHEMA app CASCADE")
    pair.run(TARGET, f"CREATE SCHEMA migration_control AUTHORIZATION {OPERATOR}")
    sides = (Where(one.address, one.port, pair.database, "none", "", "") for one in (pair.source, pair.target))
    logins = (SUPERUSER, pair.source.password), (OPERATOR, f"{OPERATOR}'s password")
    ours = (OPERATOR, REPLICATION, SUPERUSER)
    source, target = (Login(side, *login, ours) for side, login in zip(sides, logins, strict=True))
    with opened(Stack(pair.database, source, target)) as both:
        yield both, Carrying(both, find(Path(pair.target.binaries) / "bin", 17), 2, lambda _: None)


def test_extensions_are_carried_with_what_uses_them(carried: tuple[Both, Carrying], pair: Pair) -> None:
    _, carrying = carried
    before = carrying.before_load()
    assert (before.failed, wrong(before.differences)) == ([], [])
    after = carrying.after_load()
    assert (after.failed, wrong(after.differences)) == ([], [])
    assert pair.findings("missing-extension") == pair.findings("missing-object") == []


def test_what_reads_tables_into_memory_goes_again_unless_it_was_there(
    carried: tuple[Both, Carrying], pair: Pair
) -> None:
    both, carrying = carried
    carrying.before_load()
    warmed = "SELECT extnamespace::regnamespace::text FROM pg_extension WHERE extname = 'pg_prewarm'"
    pair.run(TARGET, "INSERT INTO app.parts (id) SELECT generate_series(1, 1000)")
    assert Readying(both, 5.0, lambda _: None).before_switchover().done["bytes_in_memory"] > 0
    assert both.target.rows(warmed) == []
    pair.run(TARGET, "CREATE EXTENSION pg_prewarm SCHEMA tools")
    assert Readying(both, 5.0, lambda _: None).before_switchover().done["bytes_in_memory"] > 0
    assert both.target.rows(warmed) == [("tools",)]


def test_where_nothing_may_read_tables_into_memory_it_is_told(carried: tuple[Both, Carrying], pair: Pair) -> None:
    both, carrying = carried
    carrying.before_load()
    pair.run(TARGET, f"ALTER DATABASE {pair.database} OWNER TO {SUPERUSER}")
    pair.run(TARGET, f"REVOKE CREATE ON DATABASE {pair.database} FROM {OPERATOR}")
    result = Readying(both, 5.0, lambda _: None).before_switchover()
    assert "bytes_in_memory" not in result.done
    [told] = result.to_do
    assert told.startswith("no pg_prewarm on the target, its first queries will read from disk: permission denied")
