# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The image of `deploy/Dockerfile`, built without Docker's engine: a user without rights fills tables in a bucket."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from ttapi_pipeline_tests.support.documents import ROOT
from ttapi_pipeline_tests.support.object_store import access_to
from ttapi_pipeline_tests.support.postgres import PASSWORD, USER, Postgres
from ttapi_pipeline_tests.support.servers import free_port

PROGRAM = ROOT / ".ci" / "image.sh"
MOST_GIGABYTES = 1.4
NOT_TO_BE_HAD = 77

pytestmark = [pytest.mark.distributed, pytest.mark.timeout(1500)]


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """What `.ci/image.sh` keeps, with the image in it."""
    made = Path(tempfile.mkdtemp(prefix="image-"))
    try:
        done = subprocess.run([PROGRAM, "build", made], check=False, capture_output=True, text=True)
        if done.returncode == NOT_TO_BE_HAD:
            pytest.skip(done.stderr.strip())
        assert done.returncode == 0, done.stderr
        yield made
    finally:
        subprocess.run([PROGRAM, "clean", made], check=False, capture_output=True)


def outcome(folder: Path, command: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Of a command in the image, with options of `buildah run`."""
    return subprocess.run([PROGRAM, "run", folder, *options, command], check=False, capture_output=True, text=True)


def said(folder: Path, command: str, *options: str) -> str:
    """What a command in the image prints; it has to succeed."""
    done = outcome(folder, command, *options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def deployed(postgres: Postgres, store_url: str, tmp_path: Path) -> list[str]:
    """Options of a container as the compose file starts it: its database and bucket, and secrets from files."""
    database = "image"
    postgres.make_database(database)
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    keys = access_to(store_url)
    held = {
        "postgres_password": PASSWORD,
        "store_key": keys["AWS_ACCESS_KEY_ID"],
        "store_secret": keys["AWS_SECRET_ACCESS_KEY"],
    }
    for name, value in held.items():
        (secrets / name).write_text(f"{value}\n")
    environment: Mapping[str, str] = {
        "DAGSTER_HOME": "/srv/ttapi",
        "DAGSTER_PG_HOST": "127.0.0.1",
        "DAGSTER_PG_PORT": str(postgres.port),
        "DAGSTER_PG_DB": database,
        "DAGSTER_PG_USERNAME": USER,
        "DAGSTER_PG_PASSWORD_FILE": "/run/secrets/postgres_password",
        "DAGSTER_LOGS_BUCKET": "image",
        "AWS_ENDPOINT_URL": store_url,
        "AWS_REGION": keys["AWS_REGION"],
        "AWS_ACCESS_KEY_ID_FILE": "/run/secrets/store_key",
        "AWS_SECRET_ACCESS_KEY_FILE": "/run/secrets/store_secret",
        "TT_DATA_DIR": "s3://image/tables",
        "TT_QUOTE_LOG_DIR": "/data/quotes",
        "TT_LIST": "/data/mine.txt",
        "TT_METASTOCK_EXTRA": "none",
        "TT_HISTORY_START": "2025-01-02",
    }
    options = [word for name, value in environment.items() for word in ("--env", f"{name}={value}")]
    return [*options, "--volume", f"{secrets}:/run/secrets:ro"]


def test_it_is_small_runs_as_nobody_in_particular_and_holds_no_pip_and_no_secret(folder: Path) -> None:
    size = subprocess.run([PROGRAM, "size", folder], check=True, capture_output=True, text=True).stdout
    (gigabytes,) = re.findall(r'"size": "([\d.]+) GB"', size)
    assert float(gigabytes) < MOST_GIGABYTES
    assert said(folder, "id -u; id -g").split() == ["10001", "10001"]
    assert said(folder, "ls /opt/ttapi/bin | grep -c pip || true").strip() == "0"
    assert said(folder, "find /srv/ttapi -type f | sort").split() == [
        "/srv/ttapi/.ttapi_pipeline",
        "/srv/ttapi/dagster.yaml",
        "/srv/ttapi/workspace.yaml",
    ]
    writable = "find / -xdev -writable -not -type l -not -path '/proc/*' -not -path '/sys/*' -not -path '/dev/*'"
    assert set(said(folder, f"{writable} || true").split()) <= {
        "/data", "/var/cache/ttapi", "/tmp", "/var/tmp", "/run/lock",
    }  # fmt: skip


def test_it_fills_tables_in_a_bucket_and_records_the_run_in_postgres(
    folder: Path, deployed: list[str], postgres: Postgres
) -> None:
    said(folder, "python /opt/ttapi/libexec/make_bucket.py image; printf 'AAPL\nMSFT\n' > /data/mine.txt", *deployed)
    said(folder, "tt refresh", *deployed)
    # Nothing is left to do for another container.
    assert "all 15 datasets are fresh" in said(folder, "tt status", *deployed)
    runs = postgres.run("psql", "--csv", "--command", "select status from runs", database="image")
    assert runs.splitlines() == ["status", "SUCCESS"]

    port = free_port()
    serve = f"dagster api grpc --module-name ttapi_pipeline.definitions --host 127.0.0.1 --port {port} & "
    ask = f"python /opt/ttapi/libexec/healthy.py grpc://127.0.0.1:{port}"
    # What a shell starts in the background ignores SIGINT, and Dagster makes SIGTERM the same as SIGINT.
    wait = f"for i in $(seq 60); do {ask} 2> /dev/null && echo healthy && break; sleep 1; done; kill -9 $!"
    assert "healthy" in said(folder, serve + wait, *deployed)
    assert outcome(folder, ask, *deployed).returncode == 1


def test_a_secret_that_cannot_be_had_is_said_before_anything_runs(folder: Path, tmp_path: Path) -> None:
    file = "DAGSTER_PG_PASSWORD_FILE=/run/secrets/none"
    done = outcome(folder, "echo ran", "--env", file)
    assert done.returncode != 0
    assert done.stdout == ""
    assert "which is empty, or no file, or cannot be read by user 10001" in done.stderr
    done = outcome(folder, "echo ran", "--env", file, "--env", "DAGSTER_PG_PASSWORD=x")
    assert "are both set" in done.stderr
