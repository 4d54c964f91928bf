# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A server of Postgres on this machine, from the system's package, with nothing in it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

USER = "dagster"
PASSWORD = "s3cr3t-postgres"


@dataclass(frozen=True)
class Postgres:
    """A running server.

    Attributes:
        port: On 127.0.0.1.
        programs: The folder of `pg_dump` and the others, of its version.
    """

    port: int
    programs: Path

    def environment(self, database: str) -> dict[str, str]:
        """The variables of a program that uses a database."""
        return {
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.port),
            "PGUSER": USER,
            "PGPASSWORD": PASSWORD,
            "PGDATABASE": database,
        }

    def run(self, program: str, *arguments: str, database: str = "postgres") -> str:
        """What one of its programs prints."""
        environment = {**os.environ, **self.environment(database)}
        done = subprocess.run(
            [self.programs / program, *arguments], env=environment, check=True, capture_output=True, text=True
        )
        return done.stdout

    def make_database(self, name: str) -> None:
        """An empty one."""
        self.run("createdb", name)


def free_port() -> int:
    """A port of 127.0.0.1 that nothing listened to a moment ago."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("postgres")
    if on_path is None:
        pytest.skip("there is no Postgres here: `apt-get install postgresql` brings it")
    return Path(on_path).parent


def _runuser() -> str:
    """The program, which is among those of the system's administrator: they are not on every path."""
    return shutil.which("runuser", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") or "runuser"


@contextmanager
def postgres_server() -> Iterator[Postgres]:
    """A server, for the length of the block. As root it runs as the user `postgres`, as Postgres demands."""
    programs, port = _programs(), free_port()
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    as_other = [_runuser(), "-u", "postgres", "--"] if os.geteuid() == 0 else []
    if as_other:
        shutil.chown(folder, "postgres", "postgres")
    password = folder / "password"
    password.write_text(PASSWORD)
    password.chmod(0o644)
    cluster = folder / "cluster"

    def call(*command: str | Path) -> None:
        subprocess.run([*as_other, *command], check=True, stdout=subprocess.DEVNULL, cwd=folder)

    try:
        call(
            programs / "initdb", "--pgdata", cluster, "--username", USER, "--pwfile", password,
            "--auth", "scram-sha-256", "--no-sync", "--encoding", "UTF8",
        )  # fmt: skip
        options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories= -c fsync=off"
        call(programs / "pg_ctl", "start", "--wait", "--pgdata", cluster, "--log", folder / "log", "--options", options)
        try:
            yield Postgres(port, programs)
        finally:
            call(programs / "pg_ctl", "stop", "--wait", "--mode", "fast", "--pgdata", cluster)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A server for all tests of a session, each of which makes its own database."""
    with postgres_server() as server:
        yield server
