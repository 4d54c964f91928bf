#!/bin/sh
# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
# Puts secrets of other programs from files into the environment, which is where those look for them, and runs a command.
# NAME_FILE names the file that NAME stands in. The pipeline's own, such as TT_REFRESH_TOKEN_FILE, it reads by itself.
set -eu
for name in AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY DAGSTER_PG_PASSWORD; do
  eval "file=\${${name}_FILE:-} given=\${${name}:-}"
  # shellcheck disable=SC2154 # eval sets both
  [ -n "$file" ] || continue
  if [ -n "$given" ]; then
    echo "$name and ${name}_FILE are both set; unset one of them" >&2
    exit 2
  fi
  if [ -d "$file" ] || ! [ -s "$file" ] || ! [ -r "$file" ]; then
    echo "${name}_FILE is $file, which is empty, or no file, or cannot be read by user $(id -u)" >&2
    exit 2
  fi
  # The shell takes line ends off, but for the half of one of Windows.
  value=$(tr -d '\r' < "$file")
  case $value in
    "" | *[[:space:]]*)
      echo "${name}_FILE is $file, which has to hold one word: the secret" >&2
      exit 2 ;;
  esac
  export "$name=$value"
  unset "${name}_FILE" value
done
exec "$@"
