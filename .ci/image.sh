#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
# Builds deploy/Dockerfile without Docker's engine and without a registry of images, upon a Debian that it makes of
# Debian's packages, and runs commands in what came out. Needs root, buildah and mmdebstrap; ends with 77 without them.
#   .ci/image.sh build FOLDER                    FOLDER/base.tar of an earlier build is used again
#   .ci/image.sh run FOLDER [OPTION...] COMMAND  as the image's own user; options of `buildah run`
#   .ci/image.sh size FOLDER                     of the image, in bytes
#   .ci/image.sh clean FOLDER
set -euo pipefail
cd "$(dirname "$0")/.."
action=$1
folder=$(mkdir -p "$2" && realpath "$2")
shift 2

store() { buildah --root "$folder/storage" --runroot "$folder/run" --storage-driver "${STORAGE_DRIVER:-overlay}" "$@"; }

build() {
  for program in buildah mmdebstrap; do
    command -v "$program" > /dev/null || { echo "there is no $program here: apt-get install buildah mmdebstrap" >&2; exit 77; }
  done
  [ "$(id -u)" = 0 ] || { echo "building an image in a chroot needs root" >&2; exit 77; }
  if ! [ -s "$folder/base.tar" ]; then
    mmdebstrap --quiet --variant=minbase --include=ca-certificates,python3-venv \
      --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
      --dpkgopt='path-exclude=/usr/share/man/*' bookworm "$folder/base.tar.part"
    mv "$folder/base.tar.part" "$folder/base.tar"
  fi
  base=$(store from scratch)
  store add --quiet "$base" "$folder/base.tar" / > /dev/null
  store commit --quiet --rm "$base" localhost/ttapi-base > /dev/null
  # How this machine reaches its packages: pip's settings and the certificates, mounted and in no layer.
  mounts=()
  for path in /etc/pip.conf /etc/xdg/pip /etc/ssl/certs/ca-certificates.crt; do
    [ -e "$path" ] && mounts+=(--volume "$path:$path:ro")
  done
  store build --quiet --isolation chroot --format docker --build-arg BASE=localhost/ttapi-base "${mounts[@]}" \
    --file deploy/Dockerfile --tag localhost/ttapi-pipeline . > /dev/null
  store from --name ttapi localhost/ttapi-pipeline > /dev/null
}

case $action in
  build) build ;;
  run) store run --isolation chroot "${@:1:$#-1}" ttapi -- /bin/sh /opt/ttapi/libexec/entrypoint.sh /bin/sh -euc "${*: -1}" ;;
  size) store images --json localhost/ttapi-pipeline | grep -o '"size": "[^"]*"' ;;
  clean) store rm --all > /dev/null; store rmi --all --force > /dev/null; rm -rf "$folder" ;;
esac
