#!/bin/sh
# Makes the database and its roles, and leaves what is there: Postgres runs this in a new data directory, scripts/postgres-role
# in one of before. The role hubbub is the app's. With POSTGRES_OWNER_PASSWORD the role hubbub_owner owns the database and
# migrates it, and the app only reads and writes rows; without, hubbub owns it.
# The superuser keeps no password, so that only a process inside the container becomes it.
set -eu
file=${POSTGRES_OWNER_PASSWORD_FILE:-}
if [ -r "$file" ]; then POSTGRES_OWNER_PASSWORD=$(cat "$file"); fi
export POSTGRES_OWNER_PASSWORD="${POSTGRES_OWNER_PASSWORD:-}"
psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres <<'SQL'
-- Postgres logs slow and failed statements, and these hold passwords.
SET log_min_error_statement = panic; SET log_min_duration_statement = -1; SET log_statement = 'none';
\getenv password POSTGRES_PASSWORD
\getenv owner_password POSTGRES_OWNER_PASSWORD
SELECT :'owner_password' <> '' AS has_owner, EXISTS (SELECT FROM pg_roles WHERE rolname = 'hubbub') AS has_app,
    EXISTS (SELECT FROM pg_roles WHERE rolname = 'hubbub_owner') AS knows_owner,
    EXISTS (SELECT FROM pg_database WHERE datname = 'hubbub') AS has_database \gset
\if :has_app
\else
CREATE ROLE hubbub LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD :'password';
\endif
\if :has_database
\else
CREATE DATABASE hubbub OWNER hubbub;
\endif
REVOKE ALL ON DATABASE hubbub FROM PUBLIC;
SELECT format('ALTER ROLE %I PASSWORD NULL', current_user) \gexec
\if :has_owner
\connect hubbub
SET log_min_error_statement = panic; SET log_min_duration_statement = -1; SET log_statement = 'none';
BEGIN;
SET LOCAL lock_timeout = '4s';
\if :knows_owner
\else
CREATE ROLE hubbub_owner LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION;
\endif
ALTER ROLE hubbub_owner PASSWORD :'owner_password';
REASSIGN OWNED BY hubbub TO hubbub_owner;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT CONNECT ON DATABASE hubbub TO hubbub;
GRANT USAGE ON SCHEMA public TO hubbub;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO hubbub;
GRANT SELECT, USAGE ON ALL SEQUENCES IN SCHEMA public TO hubbub;
ALTER DEFAULT PRIVILEGES FOR ROLE hubbub_owner IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO hubbub;
ALTER DEFAULT PRIVILEGES FOR ROLE hubbub_owner IN SCHEMA public GRANT SELECT, USAGE ON SEQUENCES TO hubbub;
COMMIT;
\endif
SQL
