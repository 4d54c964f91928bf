# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Servers of a test's own on loopback: ports, waiting for them, and a Redis. A Postgres: see `postgres`."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

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


@contextmanager
def redis() -> Iterator[str]:
    """The URL of a server for the length of the block; the test is skipped where Redis is not installed."""
    found = shutil.which("redis-server")
    if found is None:
        pytest.skip("no Redis: Debian's package redis-server has it")
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="redis-") as folder:
        options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", folder]
        with subprocess.Popen([found, *options], stdout=subprocess.DEVNULL) as process:
            try:
                wait_until(lambda: answers(port), seconds=_READY_SECONDS, every=0.1, what="Redis answers")
                yield f"redis://127.0.0.1:{port}/0"
            finally:
                process.terminate()
