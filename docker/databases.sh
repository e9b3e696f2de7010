#!/bin/sh
# PostgreSQL's image runs this once, when its volume is empty: a database for each of the two, whose owner has no right to the
# other's.
set -eu
psql --no-psqlrc --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres --set password="$POSTGRES_PASSWORD" <<'SQL'
CREATE ROLE trackscribe LOGIN PASSWORD :'password';
CREATE DATABASE trackscribe OWNER trackscribe;
REVOKE CONNECT ON DATABASE trackscribe FROM PUBLIC;
ALTER DATABASE trackscribe SET timezone TO 'UTC';
CREATE ROLE hatchet LOGIN PASSWORD :'password';
CREATE DATABASE hatchet OWNER hatchet;
REVOKE CONNECT ON DATABASE hatchet FROM PUBLIC;
ALTER DATABASE hatchet SET timezone TO 'UTC';
SQL
