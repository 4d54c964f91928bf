# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A simulator in a process of its own: its start, its end, and how it bears bad connections."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from ttapi_pipeline.core.errors import ConfigError, TransportError
from ttapi_pipeline.simulator.process import SimulatorProcess
from ttapi_pipeline_tests.support.simulator import SimulatorControl

DEADLINE_SECONDS = 20.0


@pytest.fixture(scope="module")
def running() -> Iterator[SimulatorProcess]:
    """A child with an option of every kind."""
    arguments = ["--now", "2026-11-20T15:00:00Z", "--equities", "50", "--fault", "status:route=/customers/me,count=2"]
    with SimulatorProcess(seed=11, arguments=arguments) as process:
        yield process


def _wait_until(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _is_gone(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    try:
        # A zombie has ended; its parent, here the init process, is to fetch it.
        return status.read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_a_child_serves_what_its_options_say(running: SimulatorProcess) -> None:
    about = SimulatorControl(running.url).call("GET", "")
    assert about["seed"] == 11
    assert about["url"] == running.url
    # The clock starts where it was told to and runs on.
    assert datetime.fromisoformat(about["time"]) >= datetime(2026, 11, 20, 15, tzinfo=UTC)
    assert datetime.fromisoformat(about["time"]) < datetime(2026, 11, 20, 16, tzinfo=UTC)
    assert running.is_running


def test_faults_and_more_equities_by_option(running: SimulatorProcess) -> None:
    [fault] = SimulatorControl(running.url).call("GET", "/faults")["items"]
    assert (fault["route"], fault["count"]) == ("/customers/me", 2)


def test_a_block_ends_the_child_that_it_started_and_no_other(running: SimulatorProcess) -> None:
    with SimulatorProcess() as process:
        assert process.url != running.url
        assert len({process.pid, running.pid, os.getpid()}) == 3
    process.stop()
    assert process.last_words() == ""
    with pytest.raises(OSError, match="refused"):
        SimulatorControl(process.url).call("GET", "")
    assert running.is_running


def test_options_that_are_refused_raise_with_the_reason() -> None:
    with pytest.raises(ConfigError, match="explosion"):
        SimulatorProcess(arguments=["--fault", "explosion"])


def test_a_process_that_is_not_ready_in_time_is_ended() -> None:
    with pytest.raises(TransportError, match="not ready"):
        SimulatorProcess(ready_seconds=0.001)


def test_the_child_ends_when_its_parent_is_killed() -> None:
    code = (
        "from ttapi_pipeline.simulator.process import SimulatorProcess; import time\n"
        "p = SimulatorProcess(); print(p.pid, flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert not _is_gone(child)
        parent.send_signal(signal.SIGKILL)
    assert _wait_until(lambda: _is_gone(child))


def _resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _open_links(control: SimulatorControl) -> int:
    return sum(int(gauge["now"]) for gauge in control.counters()["in-flight"].values())


def _links(url: str, count: int, beginning: bytes) -> list[socket.socket]:
    address = urlsplit(url)
    links = [socket.create_connection((str(address.hostname), address.port or 80), timeout=10) for _ in range(count)]
    for link in links:
        link.sendall(beginning)
    return links


UPGRADE = (
    b"GET /realtime HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def test_idle_half_open_and_garbage_connections_do_not_grow_it(running: SimulatorProcess) -> None:
    control = SimulatorControl(running.url)
    beginnings = {
        "idle": b"",
        "half a request": b"GET /customers/me HTTP/1.1\r\nHost: ",
        "half a body": b"POST /oauth/token HTTP/1.1\r\nHost: x\r\nUser-Agent: x\r\nContent-Length: 1000\r\n\r\n{",
        "idle socket": UPGRADE,
        # A text frame of 60 kB that is announced and never comes, and a binary frame of rubbish.
        "half a frame": UPGRADE + b"\x81\xfe\xea\x60\x00\x00\x00\x00abc",
        "binary": UPGRADE + b"\x82\x84\x00\x00\x00\x00\xff\xfe\x00\x01" * 20,
    }

    before = _resident_mb(running.pid)
    for _ in range(6):
        links = [link for beginning in beginnings.values() for link in _links(running.url, 40, beginning)]
        assert control.call("GET", "")
        for link in links:
            link.close()
    # 1,440 connections came, 240 at a time, and went; the allocator keeps what it needed for a round.
    assert _wait_until(lambda: _open_links(control) == 0)
    assert _resident_mb(running.pid) < before + 64
    assert running.is_running
