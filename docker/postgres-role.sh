#!/bin/sh
# Runs once, when Postgres makes its data directory: a role of our own for the app, which owns its database and nothing else.
# The superuser keeps no password, so that only a process inside the container becomes it.
set -eu
psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres <<'SQL'
\getenv password POSTGRES_PASSWORD
CREATE ROLE hubbub LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD :'password';
CREATE DATABASE hubbub OWNER hubbub;
REVOKE ALL ON DATABASE hubbub FROM PUBLIC;
SELECT format('ALTER ROLE %I PASSWORD NULL', current_user) \gexec
SQL
