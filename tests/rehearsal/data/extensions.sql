-- A database that uses what PostgreSQL comes with: for `make versions`, on servers that have it.
CREATE EXTENSION btree_gist;
CREATE EXTENSION citext;
CREATE EXTENSION hstore;
CREATE EXTENSION pg_trgm;
CREATE EXTENSION pgcrypto;
CREATE TABLE public.people (email citext PRIMARY KEY, more hstore, secret bytea DEFAULT gen_random_bytes(8), born date);
CREATE INDEX people_trgm ON public.people USING gin ((email::text) gin_trgm_ops);
CREATE TABLE public.rooms (
    id int PRIMARY KEY, room int, during daterange, EXCLUDE USING gist (room WITH =, during WITH &&)
);
CREATE TABLE public.tags (k hstore PRIMARY KEY, n int);
INSERT INTO public.people
SELECT 'Name' || n || '@Example.org', hstore('a', n::text), gen_random_bytes(8), '2000-01-01'
FROM generate_series(1, 5000) n;
INSERT INTO public.rooms SELECT n, n, '[2026-01-01,2026-01-02)' FROM generate_series(1, 500) n;
INSERT INTO public.tags SELECT hstore('k', n::text), n FROM generate_series(1, 500) n;
