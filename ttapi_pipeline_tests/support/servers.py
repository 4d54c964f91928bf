# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A Postgres and a Redis of a test's own, on loopback, from the packages of the system. Nothing of them stays."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

_READY_SECONDS = 60.0


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def wait_until(is_so: Callable[[], bool], *, seconds: float, every: float = 0.5, what: str = "") -> float:
    """Wait until something is so; returns the seconds that it took.

    Raises:
        TimeoutError: It did not become so.
    """
    began = time.monotonic()
    while not is_so():
        if time.monotonic() - began > seconds:
            raise TimeoutError(f"not within {seconds:g} s: {what}")
        time.sleep(every)
    return time.monotonic() - began


def answers(port: int) -> bool:
    """Whether somebody listens on a port of loopback."""
    with socket.socket() as asked:
        asked.settimeout(1)
        return asked.connect_ex(("127.0.0.1", port)) == 0


class Postgres:
    """A server with an empty database, as an unprivileged user: it refuses to run as root."""

    def __init__(self, folder: Path, programs: Path, user: str | None) -> None:
        self._folder, self._programs, self._user = folder, programs, user
        self.port = free_port()
        # SQLAlchemy 2.1 takes postgresql:// for psycopg 3.
        self.url = f"postgresql+psycopg2://dagster@127.0.0.1:{self.port}/postgres"

    def make(self) -> None:
        """Make the files of the server."""
        self._run(
            "initdb", "-D", str(self._folder / "data"), "-U", "dagster", "--auth=trust", "--no-sync", "-E", "UTF8"
        )

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
        log = str(self._folder / "log")
        options += " -c max_connections=300"
        self._run("pg_ctl", "-D", str(self._folder / "data"), "-w", "-l", log, "-o", options, "start")

    def stop(self) -> None:
        """End it at once, as a loss of power does."""
        self._run("pg_ctl", "-D", str(self._folder / "data"), "-m", "immediate", "stop")

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), *arguments]
        done = subprocess.run(
            command,
            user=self._user,
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=_READY_SECONDS,
        )
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stderr}")


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A server for the length of the block; the test is skipped where Postgres is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")) or _on_path("initdb")
    if not found:
        pytest.skip("no Postgres: Debian's package postgresql has it")
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    user = None
    if os.getuid() == 0:
        names = {each.pw_name for each in pwd.getpwall()}
        user = "postgres" if "postgres" in names else "nobody"
        shutil.chown(folder, user)
    server = Postgres(folder, found[-1].parent, user)
    try:
        server.make()
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def redis() -> Iterator[str]:
    """The URL of a server for the length of the block; the test is skipped where Redis is not installed."""
    found = _on_path("redis-server")
    if not found:
        pytest.skip("no Redis: Debian's package redis-server has it")
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="redis-") as folder:
        options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", folder]
        with subprocess.Popen([str(found[0]), *options], stdout=subprocess.DEVNULL) as process:
            try:
                wait_until(lambda: answers(port), seconds=_READY_SECONDS, every=0.1, what="Redis answers")
                yield f"redis://127.0.0.1:{port}/0"
            finally:
                process.terminate()


def _on_path(program: str) -> Sequence[Path]:
    found = shutil.which(program)
    return [] if found is None else [Path(found)]
