"""Every rule on real servers: what breaks it is found and named, its remedy is applied to the letter, it is quiet."""

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import psycopg2
import pytest
import yaml

from handlers.adapters import catalogue
from handlers.adapters.catalogue import Asked
from handlers.config import Side as Where
from handlers.preflight.facts import Facts, NotRead, Rights, Server
from handlers.preflight.findings import Finding, Kind, Side
from handlers.preflight.registry import BY_ID, RULES, judge
from handlers.preflight.rule import Terms
from handlers.preflight.rules import server as server_rules
from sandbox.databases import ServerInfo
from sandbox.databases.binaries import FIRST, versions
from sandbox.databases.server import SUPERUSER
from tests.support.preflight import APPLICATION, OPERATOR, REPLICATION, TERMS, Pair, copied, make_clean
from tests.support.servers import Restartable, restartable, room, started

SOURCE, TARGET = Side.SOURCE, Side.TARGET
BOTH = (SOURCE, TARGET)
VERSIONS = versions()
EXTENSION = "vector"
HAVE_IT = tuple(version for version in VERSIONS if version in FIRST.folders)
"""Versions whose binaries have that extension, as the target's have: others are tried in test_extensions."""


@dataclass(frozen=True)
class Broken:
    """A clean pair, what breaks it, and what the rule has to name then.

    `on` are the sides that are broken, `after` is run in the end on these sides, and `terms` change what is asked for.
    Before `since` roles have other rights: before 14 nobody reads every table but its owner, before 15 DMS's role is a
    superuser.
    """

    rule: str
    names: tuple[str, ...]
    sql: str = ""
    on: tuple[Side, ...] = (SOURCE,)
    after: str = ""
    terms: Callable[[Terms], Terms] = lambda terms: terms
    mend: Callable[[Pair, Finding], None] = lambda pair, finding: pair.mend(finding)
    session: Callable[[Pair], Any] | None = None
    id: str = ""
    versions: tuple[str, ...] = VERSIONS
    since: int = 0

    def on_versions(self) -> tuple[str, ...]:
        """Versions of the source on which it can be broken so."""
        return tuple(version for version in self.versions if int(version) >= self.since)


def carried(pair: Pair, finding: Finding) -> None:
    """Carry what is missing as the advice says, from the definition that broke it."""
    assert finding.remedy.text.startswith("carry the schema: python -m migrate carry")
    dump = subprocess.run(
        [
            pair.target.program("pg_dump"),
            "--schema-only",
            "--no-publications",
            "--no-subscriptions",
            "--clean",
            "--if-exists",
        ],
        env=pair.source.environment(pair.database),
        capture_output=True,
        check=True,
    ).stdout
    subprocess.run(
        [pair.target.program("psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1"],
        env=pair.target.environment(pair.database),
        input=dump,
        capture_output=True,
        check=True,
    )


def made_anew(pair: Pair, finding: Finding) -> None:
    """Make the target's database anew as the advice says, and carry the schema."""
    statements = finding.remedy.text.removeprefix("make the target's database anew: ").split("; ")
    with pair.target.superuser() as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def wider(pair: Pair, finding: Finding) -> None:
    """Give the measuring more time, as the advice says."""
    assert finding.remedy.text.startswith("call preflight with a larger lobSeconds")
    pair.lob_seconds = 20.0


def other_weights(terms: Terms) -> Terms:
    return replace(terms, weights={"writer.db.example": {"blue": 90, "green": 10}})


def weights_back(pair: Pair, finding: Finding) -> None:
    assert finding.remedy.text.startswith("set blue to 100 and green to 0")
    pair.terms = replace(pair.terms, weights=TERMS.weights)


def renamed(terms: Terms) -> Terms:
    """Call two tables alike."""
    locators = [{"schema-name": "app", "table-name": name} for name in ("orders", "customers")]
    rules = [
        {
            "rule-type": "transformation",
            "rule-target": "table",
            "rule-action": "rename",
            "object-locator": one,
            "value": "x",
        }
        for one in locators
    ]
    return replace(terms, rules=(*terms.rules, *rules))


def not_renamed(pair: Pair, finding: Finding) -> None:
    assert "replication.transformations" in finding.remedy.text
    pair.terms = replace(pair.terms, rules=TERMS.rules)


@contextmanager
def connected(server: ServerInfo, database: str, user: str, password: str, **more: Any) -> Iterator[Any]:
    connection = psycopg2.connect(
        host=server.address, port=server.port, dbname=database, user=user, password=password, **more
    )
    try:
        yield connection
    finally:
        connection.close()


@contextmanager
def open_transaction(pair: Pair) -> Iterator[None]:
    """A transaction of the application that is older than the limit."""
    with connected(pair.source, pair.database, APPLICATION, f"{APPLICATION}'s password") as session:
        with session.cursor() as cursor:
            cursor.execute("SELECT 1")
        time.sleep(1.6)
        yield


@contextmanager
def superuser(pair: Pair) -> Iterator[None]:
    with connected(pair.source, pair.database, SUPERUSER, pair.source.password, application_name="by hand"):
        yield


@contextmanager
def application(pair: Pair) -> Iterator[None]:
    password = f"{APPLICATION}'s password"
    with connected(pair.source, pair.database, APPLICATION, password, application_name="shop"):
        yield


@contextmanager
def hurried(pair: Pair) -> Iterator[None]:
    pair.lob_seconds = 1e-9
    yield


TABLE = "CREATE TABLE app.{0} (id int PRIMARY KEY{1});"
CASES = (
    # Data
    Broken("no-primary-key", ("app.audit",), "CREATE TABLE app.audit (at date);", BOTH),
    Broken(
        "no-primary-key",
        ("app.audit",),
        "CREATE TABLE app.audit (at date NOT NULL);\nCREATE UNIQUE INDEX audit_at ON app.audit (at);",
        BOTH,
        id="index",
    ),
    Broken("no-primary-key", ("app.audit",), "CREATE TABLE app.audit (at date NOT NULL UNIQUE);", BOTH, id="unique"),
    Broken("no-primary-key", ("app.Audit Log",), 'CREATE TABLE app."Audit Log" (at date);', BOTH, id="quoted"),
    Broken("deferrable-key", ("app.slow",), "CREATE TABLE app.slow (id int PRIMARY KEY DEFERRABLE);", BOTH),
    Broken("replica-identity-nothing", ("app.orders",), "ALTER TABLE app.orders REPLICA IDENTITY NOTHING;"),
    Broken("lob-key", ("app.pages.name",), "CREATE TABLE app.pages (name text PRIMARY KEY);", BOTH),
    Broken("array-without-key", ("app.tagged.tags",), "CREATE TABLE app.tagged (tags text[]);", BOTH),
    Broken(
        "lob-too-large",
        ("app.orders.note",),
        "INSERT INTO app.orders SELECT 999, 1, 1, now(), repeat('x', 600000);",
    ),
    Broken(
        "lob-too-large",
        ("app.files.body",),
        TABLE.format("files", ", body bytea")
        + "\nINSERT INTO app.files SELECT 1, decode(repeat('00', 2000000), 'hex');",
        BOTH,
        id="bytea",
        since=14,
    ),
    Broken(
        "lob-unmeasured",
        ("app.orders.note",),
        session=hurried,
        mend=wider,
    ),
    Broken(
        "unbounded-varchar",
        ("app.notes.body",),
        TABLE.format("notes", ", body varchar") + "\nINSERT INTO app.notes SELECT 1, repeat('x', 9000);",
        BOTH,
        since=14,
    ),
    Broken("numeric-unbounded", ("app.orders.rate",), "ALTER TABLE app.orders ADD rate numeric;", BOTH),
    Broken(
        "infinite-date",
        ("app.orders.placed",),
        "UPDATE app.orders SET placed = 'infinity' WHERE id > 50;\nANALYZE app.orders;",
    ),
    Broken("large-objects", ("pg_largeobject",), "SELECT lo_create(0);"),
    Broken("unlogged-table", ("app.cache",), "CREATE UNLOGGED TABLE app.cache (id int PRIMARY KEY);", BOTH),
    Broken(
        "foreign-table",
        ("app.far",),
        "CREATE FOREIGN DATA WRAPPER nothing;\nCREATE SERVER far FOREIGN DATA WRAPPER nothing;\n"
        "CREATE FOREIGN TABLE app.far (id int) SERVER far;",
        BOTH,
    ),
    Broken(
        "partitioned-parent",
        ("app.parts",),
        "CREATE TABLE app.parts (id int PRIMARY KEY) PARTITION BY RANGE (id);\n"
        "CREATE TABLE app.parts_1 PARTITION OF app.parts FOR VALUES FROM (0) TO (9);",
        BOTH,
    ),
    Broken("inheritance", ("app.child",), "CREATE TABLE app.child (PRIMARY KEY (id)) INHERITS (app.orders);", BOTH),
    Broken(
        "generated-column",
        ("app.orders.twice",),
        "ALTER TABLE app.orders ADD twice numeric(12, 2) GENERATED ALWAYS AS (total * 2) STORED;",
        BOTH,
    ),
    Broken("names-differ-by-case", ("app.orders",), TABLE.format('"Orders"', ""), BOTH),
    Broken("unselected-table", ("side.extra",), "CREATE SCHEMA side;\nCREATE TABLE side.extra (id int PRIMARY KEY);"),
    # Structure
    Broken("trigger-always", ("app.orders: touch",), "ALTER TABLE app.orders ENABLE ALWAYS TRIGGER touch;", (TARGET,)),
    Broken("trigger-always", ("app.orders: touch",), "ALTER TABLE app.orders ENABLE REPLICA TRIGGER touch;", id="back"),
    Broken(
        "rule-always",
        ("app.orders: nothing",),
        "CREATE RULE nothing AS ON DELETE TO app.orders DO INSTEAD NOTHING;\n"
        "ALTER TABLE app.orders ENABLE ALWAYS RULE nothing;",
        (TARGET,),
    ),
    Broken(
        "event-trigger",
        ("guard",),
        "CREATE FUNCTION app.guard() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';\n"
        "CREATE EVENT TRIGGER guard ON sql_drop EXECUTE FUNCTION app.guard();",
        (TARGET,),
    ),
    Broken(
        "unvalidated-constraint",
        ("app.orders: late",),
        "ALTER TABLE app.orders ADD CONSTRAINT late CHECK (id > 0) NOT VALID;",
        BOTH,
    ),
    Broken(
        "broken-index",
        ("app.broken",),
        "CREATE INDEX broken ON app.orders (total);\n"
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'app.broken'::regclass;",
    ),
    Broken(
        "coalesce-index",
        ("app.either",),
        "CREATE UNIQUE INDEX either ON app.orders (coalesce(note, ''), id);",
        BOTH,
    ),
    Broken(
        "identity-always",
        ("app.numbered.id",),
        "CREATE TABLE app.numbered (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY);",
        BOTH,
    ),
    Broken(
        "materialized-view-rights",
        ("app.totals",),
        "CREATE ROLE {0}_other;\nALTER MATERIALIZED VIEW app.totals OWNER TO {0}_other;",
        (TARGET,),
        after="ALTER MATERIALIZED VIEW app.totals OWNER TO shop_owner;\nDROP ROLE {0}_other;",
    ),
    Broken(
        "other-writers",
        ("dblink",),
        # The binaries lack it: under its name stands one that they have.
        "CREATE EXTENSION vector;\nUPDATE pg_extension SET extname = 'dblink' WHERE extname = 'vector';",
        BOTH,
        versions=HAVE_IT,
    ),
    Broken("clients", (f"{APPLICATION} from 127.0.0.1 (shop)",), session=application),
    Broken("superuser-session", ("sandbox from 127.0.0.1 (by hand)",), session=superuser),
    Broken("missing-sequence", ("app.more",), "CREATE SEQUENCE app.more START 5;", since=14),
    # Server
    Broken(
        "wal-sender-timeout",
        ("wal_sender_timeout",),
        "ALTER SYSTEM SET wal_sender_timeout = '5s';\nSELECT pg_reload_conf();\nSELECT pg_sleep(0.2);",
        after="ALTER SYSTEM RESET wal_sender_timeout;\nSELECT pg_reload_conf();",
    ),
    Broken(
        "wal-sender-timeout",
        ("wal_sender_timeout",),
        "ALTER SYSTEM SET wal_sender_timeout = '1h';\nSELECT pg_reload_conf();\nSELECT pg_sleep(0.2);",
        (TARGET,),
        after="ALTER SYSTEM RESET wal_sender_timeout;\nSELECT pg_reload_conf();",
        id="back",
    ),
    Broken(
        "slot-limit",
        ("max_slot_wal_keep_size",),
        "ALTER SYSTEM SET max_slot_wal_keep_size = '1MB';\nSELECT pg_reload_conf();\nSELECT pg_sleep(0.2);",
        after="ALTER SYSTEM RESET max_slot_wal_keep_size;\nSELECT pg_reload_conf();",
        since=13,
    ),
    Broken("leftover-slot", ("migration_failback",), "{slot} 'migration_failback', 'pgoutput');", (TARGET,)),
    Broken("other-slot", ("debezium",), "{slot} 'debezium', 'pgoutput');"),
    Broken(
        "subscription",
        ("feed",),
        "CREATE SUBSCRIPTION feed CONNECTION 'host=127.0.0.1 port=1 connect_timeout=1' PUBLICATION p "
        "WITH (connect = false, slot_name = NONE);\n"
        "UPDATE pg_subscription SET subenabled = true WHERE subname = 'feed';",
        after="ALTER SUBSCRIPTION feed DISABLE;\nDROP SUBSCRIPTION feed;",
        since=13,
    ),
    Broken(
        "prepared-transaction",
        ("it's one",),
        "BEGIN;\nINSERT INTO app.orders (id) VALUES (5000);\nPREPARE TRANSACTION 'it''s one';",
    ),
    Broken(
        "long-transaction",
        (f"{APPLICATION} (pid",),
        session=open_transaction,
        terms=lambda terms: replace(terms, longest_transaction_seconds=0),
    ),
    Broken(
        "timeouts-of-our-roles",
        (f"{REPLICATION}: idle_in_transaction_session_timeout",),
        f"ALTER ROLE {REPLICATION} SET idle_in_transaction_session_timeout = '1min';",
        after=f"ALTER ROLE {REPLICATION} RESET idle_in_transaction_session_timeout;",
    ),
    Broken(
        "timeouts-of-our-roles",
        (f"{REPLICATION}: statement_timeout",),
        "ALTER DATABASE {0} SET statement_timeout = '1min';",
        (TARGET,),
        after=f"ALTER ROLE {REPLICATION} RESET statement_timeout;",
        id="database",
    ),
    Broken(
        "sequence-exhausted",
        ("app.small_id_seq",),
        "CREATE TABLE app.small (id serial PRIMARY KEY);\nSELECT setval('app.small_id_seq', 2000000000);",
        BOTH,
        since=14,
    ),
    Broken(
        "sequence-exhausted",
        ("app.few",),
        "CREATE SEQUENCE app.few MAXVALUE 100;\nSELECT setval('app.few', 95);",
        BOTH,
        id="alone",
        since=14,
    ),
    # Roles
    Broken(
        "rights-to-fence",
        ("membership in pg_signal_backend",),
        f"REVOKE pg_signal_backend FROM {OPERATOR};",
        (TARGET,),
    ),
    Broken(
        "rights-to-fence",
        ("to close the database, which belongs to sandbox",),
        "ALTER DATABASE {0} OWNER TO sandbox;",
        after=f"REVOKE sandbox FROM {OPERATOR};",
        id="owner",
    ),
    Broken(
        "rights-to-fence",
        ("to make the schema migration_control",),
        f"REVOKE CREATE ON DATABASE {{0}} FROM {OPERATOR};\nREVOKE CREATE ON DATABASE {{0}} FROM shop_owner;",
        id="schema",
    ),
    Broken(
        "rights-to-read-log",
        (f"REPLICATION for {REPLICATION}",),
        f"ALTER ROLE {REPLICATION} NOREPLICATION;",
        after=f"ALTER ROLE {REPLICATION} REPLICATION;",
        since=15,
    ),
    Broken(
        "way-back-rights",
        (f"REPLICATION for {REPLICATION}",),
        f"ALTER ROLE {REPLICATION} NOREPLICATION;",
        (TARGET,),
        after=f"ALTER ROLE {REPLICATION} REPLICATION;",
    ),
    Broken(
        "way-back-rights",
        ("INSERT, UPDATE, DELETE on app.customers", "INSERT, UPDATE, DELETE on app.orders"),
        f"REVOKE pg_write_all_data FROM {REPLICATION};",
        after=f"GRANT pg_write_all_data TO {REPLICATION};",
        id="write",
        since=15,
    ),
    Broken(
        "rights-to-read-rows",
        ("USAGE on schema app", "SELECT on app.customers", "SELECT on app.orders"),
        f"REVOKE pg_read_all_data, pg_write_all_data FROM {REPLICATION};",
        after=f"GRANT pg_read_all_data, pg_write_all_data TO {REPLICATION};",
        since=15,
    ),
    Broken(
        "rights-to-write-rows",
        ("to set session_replication_role",),
        f"REVOKE SET ON PARAMETER session_replication_role FROM {REPLICATION};",
        (TARGET,),
    ),
    Broken(
        "rights-to-write-rows",
        ("to write to a database that is closed", "to make DMS's control schema"),
        # Of another database the role may say what it likes.
        f"ALTER ROLE {REPLICATION} IN DATABASE postgres SET default_transaction_read_only = off;\n"
        "ALTER DATABASE {0} SET default_transaction_read_only = on;\n"
        f"REVOKE CREATE ON DATABASE {{0}} FROM {REPLICATION};",
        (TARGET,),
        after=f"ALTER ROLE {REPLICATION} IN DATABASE postgres RESET ALL;",
        id="closed",
    ),
    Broken(
        "rights-to-set-sequences",
        ("UPDATE on sequence app.other",),
        f"CREATE SEQUENCE app.other;\nREVOKE pg_write_all_data FROM {OPERATOR};",
        (TARGET,),
        after=f"GRANT pg_write_all_data TO {OPERATOR};",
    ),
    Broken(
        "row-security",
        (f"all rows of app.orders for {OPERATOR}", f"all rows of app.orders for {REPLICATION}"),
        "ALTER TABLE app.orders ENABLE ROW LEVEL SECURITY;\nALTER TABLE app.orders FORCE ROW LEVEL SECURITY;",
        BOTH,
        after=f"ALTER ROLE {OPERATOR} NOBYPASSRLS;\nALTER ROLE {REPLICATION} NOBYPASSRLS;",
    ),
    Broken("missing-role", ("{0}_jobs",), "CREATE ROLE {0}_jobs LOGIN;", after="DROP ROLE {0}_jobs;"),
    Broken(
        "missing-membership",
        (f"{APPLICATION} in shop_owner",),
        f"GRANT shop_owner TO {APPLICATION};",
        after=f"REVOKE shop_owner FROM {APPLICATION};",
    ),
    Broken(
        "missing-grant",
        (f"UPDATE on TABLE app.orders to {APPLICATION}",),
        f"GRANT UPDATE ON app.orders TO {APPLICATION};",
    ),
    Broken(
        "missing-default-privilege",
        ("ALTER DEFAULT PRIVILEGES FOR ROLE shop_owner IN SCHEMA app GRANT UPDATE ON TABLES TO shop_app",),
        f"ALTER DEFAULT PRIVILEGES FOR ROLE shop_owner IN SCHEMA app GRANT UPDATE ON TABLES TO {APPLICATION};",
    ),
    Broken(
        "missing-setting",
        (f"search_path of {APPLICATION}", "work_mem of the database"),
        f"ALTER ROLE {APPLICATION} SET search_path = app, public;\nALTER DATABASE {{0}} SET work_mem = '8MB';",
        after=f"ALTER ROLE {APPLICATION} RESET search_path;",
    ),
    # Pair
    Broken("setting-differs", ("TimeZone",), "ALTER DATABASE {0} SET timezone = 'Europe/Berlin';"),
    Broken("missing-extension", (EXTENSION,), f"CREATE EXTENSION {EXTENSION};", versions=HAVE_IT),
    Broken("missing-table", ("app.extra",), TABLE.format("extra", ""), mend=carried),
    Broken("missing-table", ("app.orders.more",), "ALTER TABLE app.orders ADD more int;", mend=carried, id="column"),
    Broken(
        "missing-object",
        (
            "constraint app.orders.positive",
            "function app.late()",
            "index app.late_index",
            "policy app.orders.mine",
            "statistics app.both",
            "trigger app.orders.again",
            "type app.colour",
            "view app.late_view",
        ),
        "\n".join(
            (
                "ALTER TABLE app.orders ADD CONSTRAINT positive CHECK (id > 0);",
                "CREATE FUNCTION app.late() RETURNS int LANGUAGE sql AS 'SELECT 1';",
                "CREATE INDEX late_index ON app.orders (placed);",
                "CREATE POLICY mine ON app.orders USING (true);",
                "CREATE STATISTICS app.both ON id, total FROM app.orders;",
                "CREATE TRIGGER again BEFORE UPDATE ON app.orders FOR EACH ROW EXECUTE FUNCTION app.touch();",
                "CREATE TYPE app.colour AS ENUM ('red');",
                "CREATE VIEW app.late_view AS SELECT 1;",
            )
        ),
        mend=carried,
    ),
    Broken("merged-names", ("app.x",), terms=renamed, mend=not_renamed),
    Broken(
        "target-has-rows",
        ("app.customers", "app.orders"),
        "INSERT INTO app.customers (name) VALUES ('left');\nINSERT INTO app.orders (id, customer_id) VALUES (1, 1);",
        (TARGET,),
    ),
    Broken("writer-weights", ("writer.db.example",), terms=other_weights, mend=weights_back),
    Broken("long-ttl", ("dns.ttlSeconds",), terms=lambda terms: replace(terms, ttl_seconds=86400)),
)
ELSEWHERE = {
    "wal-level",
    "way-back-wal-level",
    "no-free-slot",
    "way-back-no-free-slot",
    "less-room",
    "older-target",
    "encoding",
    "collation",
    "collation-version",
    "older-extension",
    "abandoned-slot",
}
"""Rules that need a server, or a database, made otherwise: tested below."""


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, ServerInfo]]:
    with room() as folder, started(folder, **{one: one for one in VERSIONS}, target="18") as all_of_them:
        for server in all_of_them:
            make_clean(server, rows=True)
        yield {server.name: server for server in all_of_them}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Try every rule on one version of PostgreSQL, taken in turns, or on each where that is asked for."""
    if "case" in metafunc.fixturenames:
        every = metafunc.config.getoption("--every-version")
        picked = [
            pytest.param(case, version, id=f"{version}-{case.rule}{'-' if case.id else ''}{case.id}")
            for number, case in enumerate(CASES)
            for version in case.on_versions()
            if every or version == case.on_versions()[number % len(case.on_versions())]
        ]
        metafunc.parametrize(("case", "pair"), picked, indirect=["pair"])
    elif "pair" in metafunc.fixturenames:
        metafunc.parametrize("pair", VERSIONS, indirect=True)


@pytest.fixture
def pair(request: pytest.FixtureRequest, servers: dict[str, ServerInfo]) -> Iterator[Pair]:
    """A clean pair whose source is of any version there is, and whose target is 18."""
    with copied(servers[request.param], servers["target"]) as made:
        yield made


def filled(text: str, pair: Pair) -> str:
    slot = "SELECT pg_create_logical_replication_slot("
    return text.replace("{0}", pair.database).replace("{slot}", slot)


def test_a_clean_pair_is_clean(pair: Pair) -> None:
    verdict = pair.verdict()
    assert verdict.findings == ()
    assert verdict.not_run == ()
    assert set(verdict.passed) == BY_ID.keys()
    assert verdict.good


def test_a_rule_names_what_is_broken_and_its_remedy_mends_it(case: Broken, pair: Pair) -> None:
    with ExitStack() as stack:
        stack.callback(pair.undo, filled(case.after, pair))
        for side in case.on:
            pair.run(side, filled(case.sql, pair))
        if case.session:
            stack.enter_context(case.session(pair))
        pair.terms = case.terms(pair.terms)
        findings = pair.findings(case.rule)
        wanted = [filled(name, pair) for name in case.names]
        assert findings, f"{case.rule} finds nothing"
        for name in wanted:
            assert any(f.object.startswith(name) for f in findings), [f.object for f in findings]
        assert len({f.object for f in findings}) == len(wanted), [f.object for f in findings]
        done = set()
        for finding in findings:
            assert finding.severity is BY_ID[case.rule].severity
            assert finding.why and finding.found and finding.remedy.text
            if (finding.remedy.text, finding.remedy.side) not in done:
                done.add((finding.remedy.text, finding.remedy.side))
                case.mend(pair, finding)
        assert pair.findings(case.rule) == []


def test_every_rule_is_broken_by_a_test() -> None:
    assert {case.rule for case in CASES} | ELSEWHERE == BY_ID.keys()
    assert len(RULES) == len(BY_ID), "an id is given twice"


# Rules that need a server or a database made otherwise


def remade(pair: Pair, locale: str) -> None:
    """Make the target's database anew, empty."""
    with pair.target.superuser() as connection, connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE {pair.database}")
        cursor.execute(f"CREATE DATABASE {pair.database} TEMPLATE template0 {locale}")


@pytest.mark.parametrize(
    ("rule", "locale"),
    [("encoding", "ENCODING 'LATIN1' LOCALE 'C'"), ("collation", "LOCALE 'C'")],
)
def test_a_database_of_another_kind_is_made_anew(rule: str, locale: str, pair: Pair) -> None:
    remade(pair, locale)
    [finding] = pair.findings(rule)
    assert finding.object == rule and finding.side is TARGET
    made_anew(pair, finding)
    assert pair.findings(rule) == []


def test_an_older_target_is_refused(servers: dict[str, ServerInfo]) -> None:
    with copied(servers["18"], servers["16"]) as pair:
        [finding] = pair.findings("older-target")
        assert finding.found == "the source is 18, the target 16"
    wanted = yaml.safe_load(finding.remedy.text)["target"]["engineVersion"]
    assert wanted == "18"
    with copied(servers["18"], servers["target"]) as pair:
        assert pair.findings("older-target") == []


@pytest.mark.parametrize("version", [one for one in VERSIONS if int(one) >= 15])
def test_indexes_of_another_collation_version_are_told(version: str, servers: dict[str, ServerInfo]) -> None:
    """No locale of these binaries has a version: what the servers would say is put in their mouth."""
    with copied(servers[version], servers["target"]) as pair:
        case = pair.case()
        server = case.source.read(Server)
        old = replace(server, collation_version="153.14", collation_now="153.120")
        case = replace(case, source=Facts({**case.source.sections, Server: old}))
        [finding] = [one for one in judge(case).findings if one.rule == "collation-version"]
        assert finding.remedy.text == (
            f"REINDEX DATABASE {pair.database};\nALTER DATABASE {pair.database} REFRESH COLLATION VERSION;"
        )
        pair.run(SOURCE, finding.remedy.text)
        assert pair.findings("collation-version") == []


@pytest.mark.parametrize("version", HAVE_IT)
def test_an_older_extension_is_brought_up(version: str, servers: dict[str, ServerInfo]) -> None:
    with copied(servers[version], servers["target"]) as pair:
        for side in BOTH:
            pair.run(side, "CREATE EXTENSION vector;")
        pair.run(TARGET, "UPDATE pg_extension SET extversion = '0.8.0' WHERE extname = 'vector';")
        [finding] = pair.findings("older-extension")
        assert finding.object == "vector" and finding.remedy.text.startswith("ALTER EXTENSION vector UPDATE TO '0.8.")
        pair.mend(finding)
        assert pair.findings("older-extension") == []


def test_a_slot_that_nobody_reads_is_told(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_rules, "ABANDONED_BYTES", 1024)
    pair.run(
        SOURCE,
        filled(
            "{slot} 'forgotten', 'pgoutput');\nINSERT INTO app.orders (id) SELECT -n FROM generate_series(1, 99) n;",
            pair,
        ),
    )
    [finding] = pair.findings("abandoned-slot")
    assert finding.object == "forgotten"
    pair.mend(finding)
    assert pair.findings("abandoned-slot") == []


@pytest.fixture(scope="module")
def restarted() -> Iterator[Restartable]:
    with room() as folder, restartable(folder, source="16", target="18") as both:
        for server in both.infos:
            make_clean(server, rows=True)
        yield both


@pytest.mark.parametrize(
    ("rule", "side", "setting", "value", "then"),
    [
        ("wal-level", SOURCE, "wal_level", "replica", ""),
        ("way-back-wal-level", TARGET, "wal_level", "replica", ""),
        ("no-free-slot", SOURCE, "max_replication_slots", "1", "{slot} 'one', 'pgoutput');"),
        ("way-back-no-free-slot", TARGET, "max_replication_slots", "1", "{slot} 'one', 'pgoutput');"),
        ("less-room", TARGET, "max_connections", "90", ""),
    ],
)
def test_a_setting_that_needs_a_restart(
    rule: str, side: Side, setting: str, value: str, then: str, restarted: Restartable
) -> None:
    source, target = restarted.infos
    with copied(source, target) as pair:
        pair.run(side, f"ALTER SYSTEM SET {setting} = '{value}';")
        restarted.restart(side.value)
        pair.run(side, filled(then, pair))
        [finding] = pair.findings(rule)
        assert finding.object == setting
        assert finding.remedy.kind is Kind.RESTART and finding.remedy.side is side and finding.remedy.on_rds
        pair.run(side, finding.remedy.text)
        restarted.restart(side.value)
        assert pair.findings(rule) == []
        if then:
            pair.run(side, "SELECT pg_drop_replication_slot('one');")
        pair.run(side, f"ALTER SYSTEM RESET {setting};")
    restarted.restart(side.value)


# What can't be read is told


def test_a_role_without_rights_is_told_what_it_lacks(pair: Pair) -> None:
    """Nothing counts as passed that could not be looked at whole."""
    reads = "pg_read_all_stats" + (", pg_read_all_data" if int(pair.source.version) >= 14 else "")
    with ExitStack() as stack:
        stack.callback(pair.undo, f"GRANT {reads} TO {OPERATOR};")
        pair.run(SOURCE, f"REVOKE {reads} FROM {OPERATOR};\nREVOKE shop_owner FROM {OPERATOR};")
        stack.callback(pair.undo, f"GRANT shop_owner TO {OPERATOR};")
        verdict = pair.verdict()
        told = {one.rule: one for one in verdict.not_run}
        for rule in ("long-transaction", "prepared-transaction", "clients", "superuser-session", "no-free-slot"):
            assert told[rule].remedy == f"GRANT pg_read_all_stats TO {OPERATOR};"
            assert rule not in verdict.passed
        assert told["sequence-exhausted"].remedy.startswith("GRANT SELECT ON SEQUENCE ")
        assert {"app.orders.note"} == {one.object for one in verdict.findings if one.rule == "lob-unmeasured"}
        assert not verdict.good, "what could block and was not looked at is no pass"


def test_before_prepare_the_missing_role_of_dms_is_told(pair: Pair) -> None:
    where = Where(pair.source.address, pair.source.port, pair.database, "none", "", "")
    credentials = {"username": OPERATOR, "password": f"{OPERATOR}'s password"}
    facts = catalogue.look(where, credentials, Asked("nobody"))
    with pytest.raises(NotRead, match="there is no role nobody: run the prepare function"):
        facts.read(Rights)
