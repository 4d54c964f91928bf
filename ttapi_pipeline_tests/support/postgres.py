# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A server of Postgres on this machine, from the system's package, with nothing in it."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ttapi_pipeline_tests.support.servers import free_port

USER = "dagster"
PASSWORD = "s3cr3t-postgres"


class Postgres:
    """A server with nothing in it, as an unprivileged user: it refuses to run as root.

    Attributes:
        port: On 127.0.0.1.
        programs: The folder of `pg_dump` and the others, of its version.
        url: Of its first database, for Dagster; SQLAlchemy 2.1 takes postgresql:// for psycopg 3.
    """

    def __init__(self, folder: Path, programs: Path, user: str | None) -> None:
        self._folder, self._user = folder, user
        self.port = free_port()
        self.programs = programs
        self.url = f"postgresql+psycopg2://{USER}:{PASSWORD}@127.0.0.1:{self.port}/postgres"

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

    def make(self) -> None:
        """Make the files of the server."""
        password = self._folder / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        self._call(
            "initdb", "--username", USER, "--pwfile", str(password), "--auth", "scram-sha-256", "--no-sync",
            "--encoding", "UTF8",
        )  # fmt: skip

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = "-c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off -c max_connections=300"
        log = str(self._folder / "log")
        self._call("pg_ctl", "start", "--wait", "--log", log, "--options", f"-c port={self.port} {options}")

    def stop(self) -> None:
        """End it at once, as a loss of power does."""
        self._call("pg_ctl", "stop", "--wait", "--mode", "immediate")

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Inside the block it accepts connections, as its kernel does that for it, and answers nothing."""
        pid = int((self._folder / "data" / "postmaster.pid").read_text().partition("\n")[0])
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def _call(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self.programs / program, *arguments, "--pgdata", self._folder / "data"],
            user=self._user,
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=60,
        )
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stderr}")


def _programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    if on_path is None:
        pytest.skip("there is no Postgres here: `apt-get install postgresql` brings it")
    return Path(on_path).parent


@contextmanager
def postgres_server() -> Iterator[Postgres]:
    """A server for the length of the block; the test is skipped where Postgres is not installed."""
    programs, user = _programs(), None
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    if os.geteuid() == 0:
        user = "postgres" if "postgres" in {each.pw_name for each in pwd.getpwall()} else "nobody"
        shutil.chown(folder, user)
    server = Postgres(folder, programs, user)
    try:
        server.make()
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A server for all tests of a session, each of which makes its own database."""
    with postgres_server() as server:
        yield server
