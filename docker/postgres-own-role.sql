-- For an installation of before: there the app's role `hubbub` is the superuser that made the data directory. Afterwards that
-- one is called `postgres`, and a new `hubbub`, with the old password, owns the database and is no superuser.
--     scripts/compose exec -T postgres psql -U hubbub -d hubbub < docker/postgres-own-role.sql
-- People may go on meanwhile: all of it is one transaction. A second run changes nothing.
\set ON_ERROR_STOP on
SELECT rolsuper AS is_super FROM pg_roles WHERE rolname = 'hubbub' \gset
\if :is_super
-- A role cannot rename itself.
CREATE ROLE hubbub_upgrade SUPERUSER LOGIN;
\connect - hubbub_upgrade
BEGIN;
SET LOCAL lock_timeout = '4s';
ALTER ROLE hubbub RENAME TO postgres;
CREATE ROLE hubbub LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION;
-- The stored form of a password is not bound to its role's name.
SELECT format('ALTER ROLE hubbub PASSWORD %L', rolpassword) FROM pg_authid WHERE rolname = 'postgres' AND rolpassword IS NOT NULL \gexec
SELECT format('ALTER DATABASE %I OWNER TO hubbub', current_database()) \gexec
SELECT format('ALTER TABLE %s OWNER TO hubbub', oid::regclass)
FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f')
    AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = pg_class.oid AND deptype = 'e') \gexec
-- Sequences of a column follow their table.
SELECT format('ALTER SEQUENCE %s OWNER TO hubbub', oid::regclass)
FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind = 'S'
    AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = pg_class.oid AND deptype IN ('a', 'i', 'e')) \gexec
SELECT format('ALTER ROUTINE %s OWNER TO hubbub', oid::regprocedure)
FROM pg_proc
WHERE pronamespace = 'public'::regnamespace
    AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_proc'::regclass AND objid = pg_proc.oid AND deptype = 'e') \gexec
SELECT format('ALTER TYPE %s OWNER TO hubbub', oid::regtype)
FROM pg_type
WHERE typnamespace = 'public'::regnamespace AND typrelid = 0 AND typelem = 0
    AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_type'::regclass AND objid = pg_type.oid AND deptype = 'e') \gexec
ALTER ROLE postgres PASSWORD NULL;
COMMIT;
\connect - postgres
DROP ROLE hubbub_upgrade;
\endif
