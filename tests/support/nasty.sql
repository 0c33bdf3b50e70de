-- What a database may hold that is easily lost or changed on the way to another server. Run by a superuser.

CREATE ROLE nasty_owner NOLOGIN;
CREATE ROLE "Quoted Role" NOLOGIN;
CREATE ROLE nasty_app LOGIN PASSWORD 'nasty_app''s password' CONNECTION LIMIT 7;
CREATE ROLE nasty_reader LOGIN NOINHERIT VALID UNTIL '2037-01-02 03:04:05+00';
GRANT nasty_owner TO "Quoted Role" WITH ADMIN OPTION;
GRANT "Quoted Role" TO nasty_app;
GRANT pg_monitor TO nasty_reader;
ALTER ROLE nasty_app SET search_path TO app, "$user", public;
ALTER ROLE nasty_app SET statement_timeout TO '30s';
ALTER ROLE nasty_reader IN DATABASE nasty SET work_mem TO '12MB';
ALTER DATABASE nasty SET timezone TO 'Europe/Vienna';
GRANT CREATE ON DATABASE nasty TO nasty_owner;

CREATE SCHEMA app AUTHORIZATION nasty_owner;
CREATE SCHEMA "Big Schema";
GRANT ALL ON SCHEMA "Big Schema" TO nasty_owner WITH GRANT OPTION;
COMMENT ON SCHEMA app IS 'What''s ours';
GRANT USAGE ON SCHEMA app TO nasty_app, nasty_reader;
GRANT CREATE ON SCHEMA public TO nasty_owner;
ALTER DEFAULT PRIVILEGES FOR ROLE nasty_owner IN SCHEMA app GRANT SELECT ON TABLES TO nasty_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE nasty_owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE nasty_owner IN SCHEMA app GRANT USAGE ON SEQUENCES TO nasty_app WITH GRANT OPTION;

SET ROLE nasty_owner;

CREATE TYPE app.mood AS ENUM ('sad', 'so-so', 'it''s fine');
CREATE TYPE app.pair AS (low numeric(10, 2), high numeric(10, 2));
CREATE DOMAIN app.percent AS numeric(5, 2) DEFAULT 0 NOT NULL CONSTRAINT between_all CHECK (VALUE BETWEEN 0 AND 100);
CREATE TYPE app.float_range AS RANGE (subtype = float8, subtype_diff = float8mi);
COMMENT ON TYPE app.mood IS 'How one feels';
COMMENT ON CONSTRAINT between_all ON DOMAIN app.percent IS 'All of it';

CREATE FUNCTION app.shout(text) RETURNS text LANGUAGE sql IMMUTABLE STRICT AS $$SELECT upper($1) || '!'$$;
CREATE FUNCTION app.twice(n integer, OUT a integer, OUT b integer) LANGUAGE plpgsql COST 7 AS
$body$ BEGIN a := n; b := n * 2; END $body$;
CREATE FUNCTION app.modern(n integer DEFAULT 3) RETURNS integer LANGUAGE sql RETURN n + 1;
CREATE PROCEDURE app.do_it(INOUT n integer) LANGUAGE plpgsql SECURITY DEFINER SET search_path = app, pg_temp AS
$$ BEGIN n := n + 1; END $$;
CREATE FUNCTION app.touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE AGGREGATE app.product(numeric) (SFUNC = numeric_mul, STYPE = numeric, INITCOND = '1');
CREATE FUNCTION app.same_pair(app.pair, app.pair) RETURNS boolean LANGUAGE sql IMMUTABLE
AS 'SELECT ($1).low = ($2).low';
CREATE OPERATOR app.=~= (LEFTARG = app.pair, RIGHTARG = app.pair, FUNCTION = app.same_pair, COMMUTATOR = OPERATOR(app.=~=));
GRANT EXECUTE ON FUNCTION app.modern(integer) TO nasty_app;

CREATE SEQUENCE app.by_tens AS bigint INCREMENT 10 START 100 MINVALUE 10 MAXVALUE 99999 CACHE 5 CYCLE;
GRANT USAGE ON SEQUENCE app.by_tens TO nasty_app;

CREATE TABLE app.people (
    id bigint GENERATED ALWAYS AS IDENTITY (START WITH 5 INCREMENT BY 5) PRIMARY KEY,
    "Name" text COLLATE "C" NOT NULL,
    born date,
    mood app.mood DEFAULT 'so-so',
    share app.percent,
    span app.float_range,
    size app.pair,
    shouted text GENERATED ALWAYS AS (upper("Name")) STORED,
    tags text[] NOT NULL DEFAULT '{}',
    boss bigint REFERENCES app.people (id) ON DELETE SET NULL,
    badge text UNIQUE DEFERRABLE INITIALLY DEFERRED,
    big text,
    CONSTRAINT "is born" CHECK (born > date '1900-01-01')
) WITH (fillfactor = 80);
ALTER TABLE app.people ALTER COLUMN big SET STORAGE EXTERNAL;
ALTER TABLE app.people ALTER COLUMN born SET STATISTICS 500;
COMMENT ON TABLE app.people IS 'Everybody';
COMMENT ON COLUMN app.people."Name" IS 'As on the passport';
COMMENT ON CONSTRAINT "is born" ON app.people IS 'Checked';
CREATE INDEX people_low ON app.people (lower("Name")) WHERE born IS NOT NULL;
CREATE UNIQUE INDEX people_mood ON app.people (mood, id DESC NULLS LAST) INCLUDE (born);
CREATE INDEX people_tags ON app.people USING gin (tags);
CREATE INDEX people_expression ON app.people ((born + 1), (app.shout("Name")));
ALTER INDEX app.people_expression ALTER COLUMN 1 SET STATISTICS 300;
COMMENT ON INDEX app.people_low IS 'For finding';
CREATE STATISTICS app.people_both (dependencies, ndistinct) ON born, mood FROM app.people;
CREATE TRIGGER touch BEFORE UPDATE OF born ON app.people FOR EACH ROW WHEN (OLD.born IS DISTINCT FROM NEW.born)
EXECUTE FUNCTION app.touch();
CREATE TRIGGER asleep AFTER INSERT ON app.people FOR EACH ROW EXECUTE FUNCTION app.touch();
ALTER TABLE app.people DISABLE TRIGGER asleep;
CREATE TRIGGER always AFTER INSERT ON app.people FOR EACH ROW EXECUTE FUNCTION app.touch();
ALTER TABLE app.people ENABLE ALWAYS TRIGGER always;
CREATE TRIGGER replica AFTER DELETE ON app.people FOR EACH ROW EXECUTE FUNCTION app.touch();
ALTER TABLE app.people ENABLE REPLICA TRIGGER replica;
COMMENT ON TRIGGER touch ON app.people IS 'Touches';
GRANT SELECT, INSERT ON app.people TO nasty_app;
GRANT SELECT (id, "Name"), UPDATE ("Name") ON app.people TO nasty_reader;
GRANT ALL ON app.people TO "Quoted Role" WITH GRANT OPTION;
ALTER TABLE app.people ENABLE ROW LEVEL SECURITY;
CREATE POLICY mine ON app.people AS RESTRICTIVE FOR UPDATE TO nasty_app USING (born IS NOT NULL) WITH CHECK (id > 0);
CREATE POLICY all_seen ON app.people FOR SELECT USING (true);
COMMENT ON POLICY mine ON app.people IS 'Not yours';

CREATE TABLE app.rooms (
    room integer, during tstzrange, floor integer, CONSTRAINT floors UNIQUE (room, floor),
    EXCLUDE USING gist (during WITH &&)
);
ALTER TABLE app.rooms REPLICA IDENTITY FULL;
CREATE TABLE app.events (
    at timestamptz NOT NULL, room integer, who bigint NOT NULL, what jsonb, PRIMARY KEY (at, who),
    CONSTRAINT who_is FOREIGN KEY (who) REFERENCES app.people (id) DEFERRABLE
) PARTITION BY RANGE (at);
CREATE TABLE app.events_old PARTITION OF app.events FOR VALUES FROM (MINVALUE) TO ('2026-01-01+00');
CREATE TABLE app.events_new PARTITION OF app.events FOR VALUES FROM ('2026-01-01+00') TO ('2027-01-01+00')
PARTITION BY LIST (who);
CREATE TABLE app.events_new_1 PARTITION OF app.events_new FOR VALUES IN (5, 10);
CREATE TABLE app.events_new_rest PARTITION OF app.events_new DEFAULT;
CREATE INDEX events_who ON app.events (who);
CREATE INDEX events_only_new ON app.events_new_1 (room);
CREATE TRIGGER touch AFTER INSERT ON app.events FOR EACH ROW EXECUTE FUNCTION app.touch();
CREATE TABLE app.visits (
    id integer PRIMARY KEY, at timestamptz, who bigint, room integer,
    FOREIGN KEY (at, who) REFERENCES app.events ON UPDATE CASCADE
);
ALTER TABLE app.visits ADD CONSTRAINT visits_who_fkey FOREIGN KEY (who) REFERENCES app.people NOT VALID;
COMMENT ON CONSTRAINT visits_who_fkey ON app.visits IS 'Not looked at yet';
CREATE TABLE app.base (id serial, note text DEFAULT 'n/a');
CREATE TABLE app.child (extra integer, CHECK (extra > 0)) INHERITS (app.base);
CREATE UNLOGGED TABLE app.scratch (x integer);
CREATE TABLE public."Order" ("select" integer PRIMARY KEY, "a""b" text);
CREATE RULE no_delete AS ON DELETE TO public."Order" DO INSTEAD NOTHING;

CREATE VIEW app.names WITH (security_barrier) AS
SELECT id, "Name" AS called FROM app.people WHERE born > '1950-01-01' WITH LOCAL CHECK OPTION;
CREATE VIEW app.names_of_names AS SELECT called, count(*) OVER (ORDER BY id) AS nth FROM app.names n JOIN LATERAL
(SELECT 1 AS one) l ON true WHERE id IN (SELECT who FROM app.events) ORDER BY called;
CREATE VIEW "Big Schema"."View" AS SELECT 1 AS "One";
CREATE MATERIALIZED VIEW app.b_counts AS SELECT mood, count(*) AS n FROM app.people GROUP BY mood;
CREATE UNIQUE INDEX counts_mood ON app.b_counts (mood);
CREATE MATERIALIZED VIEW app.a_total AS SELECT sum(n) AS n FROM app.b_counts;
COMMENT ON MATERIALIZED VIEW app.b_counts IS 'Counted';
GRANT SELECT ON app.names, app.b_counts TO nasty_reader;

CREATE TEXT SEARCH DICTIONARY app.plain (TEMPLATE = simple, STOPWORDS = english);
CREATE TEXT SEARCH CONFIGURATION app.english (COPY = english);
ALTER TEXT SEARCH CONFIGURATION app.english ALTER MAPPING FOR asciiword WITH app.plain, english_stem;

RESET ROLE;
CREATE VIEW "Big Schema".of_the_superuser AS SELECT id FROM app.people;
CREATE COLLATION app.german (PROVIDER = libc, LOCALE = 'C');
CREATE FUNCTION public.ddl_seen() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN NULL; END $$;
CREATE EVENT TRIGGER watch_ddl ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION public.ddl_seen();
INSERT INTO app.people ("Name", born) SELECT 'n' || n, date '1960-01-01' + n FROM generate_series(1, 50) n;
INSERT INTO app.events SELECT timestamptz '2026-02-01 00:00+00' + n * interval '1 h', n % 3, 5 * n, '{}' FROM generate_series(1, 50) n;
REFRESH MATERIALIZED VIEW app.b_counts;
