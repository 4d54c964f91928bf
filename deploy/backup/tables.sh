#!/bin/sh
# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
# The tables in an object store to a folder and back: tables.sh save FOLDER, tables.sh restore FOLDER
# Needs rclone, TT_DATA_DIR=s3://bucket/prefix, and the variables AWS_... of the pipeline, the two of the key also as
# AWS_..._FILE. What is saved while tables are refreshed is whole: rows never change and stay for a day after they were
# replaced, so the manifests that name them are copied before them. Back it goes the other way round.
set -eu
umask 077
for name in AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY; do
  eval "file=\${${name}_FILE:-}"
  if [ -n "$file" ]; then
    export "$name=$(cat "$file")"
  fi
done
if [ -n "${AWS_CA_BUNDLE:-}" ]; then
  export RCLONE_CA_CERT="$AWS_CA_BUNDLE"
  unset AWS_CA_BUNDLE # rclone wants it by its own name alone
fi
export RCLONE_CONFIG_STORE_TYPE=s3 RCLONE_CONFIG_STORE_PROVIDER=Other RCLONE_CONFIG_STORE_ENV_AUTH=true
export RCLONE_CONFIG_STORE_ENDPOINT="${AWS_ENDPOINT_URL:-https://s3.${AWS_REGION:-us-east-1}.amazonaws.com}"
export RCLONE_CONFIG_STORE_REGION="${AWS_REGION:-us-east-1}" RCLONE_CONFIG_STORE_NO_CHECK_BUCKET=true
prefix="store:${TT_DATA_DIR#s3://}"
copy() { rclone copy --config /dev/null --stats-one-line --stats-log-level NOTICE --checksum --transfers 8 "$@"; }
if [ "$1" = save ] && [ -e "$2" ]; then
  echo "$2 is there already" >&2
  exit 2
fi
case "$1" in
  save)
    copy --include '/*.json' "$prefix" "$2.part"
    copy --exclude '/*.json' "$prefix" "$2.part"
    mv "$2.part" "$2"
    ;;
  restore)
    copy --exclude '/*.json' "$2" "$prefix"
    copy --include '/*.json' "$2" "$prefix"
    ;;
  *)
    echo "tables.sh save FOLDER, or tables.sh restore FOLDER" >&2
    exit 2
    ;;
esac
