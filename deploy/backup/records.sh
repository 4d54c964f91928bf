#!/bin/sh
# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
# Dagster's records in Postgres to a file and back, at any time: records.sh save FILE, records.sh restore FILE
# Needs pg_dump and pg_restore of the server's version or newer, PGHOST, PGUSER, PGDATABASE, and PGPASSWORD or
# PGPASSWORD_FILE. To restore, stop what uses the database.
set -eu
umask 077
if [ -n "${PGPASSWORD_FILE:-}" ]; then
  PGPASSWORD=$(cat "$PGPASSWORD_FILE")
  export PGPASSWORD
fi
if [ "$1" = save ] && [ -e "$2" ]; then
  echo "$2 is there already" >&2
  exit 2
fi
case "$1" in
  save)
    pg_dump --format=custom --file="$2.part"
    mv "$2.part" "$2"
    ;;
  restore) pg_restore --clean --if-exists --no-owner --exit-on-error --single-transaction --dbname="$PGDATABASE" "$2" ;;
  *)
    echo "records.sh save FILE, or records.sh restore FILE" >&2
    exit 2
    ;;
esac
