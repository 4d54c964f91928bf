# SPDX-License-Identifier: MIT
"""The simulator as a process: its start, its announcement and its end."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from ttapi_pipeline.core.errors import ConfigError, TransportError
from ttapi_pipeline.simulator import program
from ttapi_pipeline.simulator.process import SimulatorProcess

COMMAND = [sys.executable, "-m", "ttapi_pipeline.simulator"]
DEADLINE_SECONDS = 20.0


def _about(url: str) -> Any:
    with urllib.request.urlopen(f"{url}/simulator", timeout=10) as response:
        return json.load(response)["data"]


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


def test_a_process_serves_while_its_block_runs() -> None:
    with SimulatorProcess(seed=11, arguments=["--now", "2026-11-20T15:00:00Z"]) as process:
        about = _about(process.url)
        assert about["seed"] == 11
        assert about["url"] == process.url
        # The clock starts where it was told to and runs on.
        assert datetime.fromisoformat(about["time"]) >= datetime(2026, 11, 20, 15, tzinfo=UTC)
        assert datetime.fromisoformat(about["time"]) < datetime(2026, 11, 20, 16, tzinfo=UTC)
        assert process.is_running
    process.stop()
    assert process.last_words() == ""
    with pytest.raises(OSError, match="refused"):
        _about(process.url)


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


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_exit_code_0(number: signal.Signals) -> None:
    with subprocess.Popen([*COMMAND, "--port", "0"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        assert first.startswith("tastytrade simulator on http://127.0.0.1:")
        process.send_signal(number)
        rest = process.stdout.read()
        assert process.wait(DEADLINE_SECONDS) == 0
    for word in ("simulator-client-secret", "simulator-refresh-token", "TT_API_URL", "/simulator/faults"):
        assert word in rest


def test_a_port_in_use_is_exit_code_2_and_one_sentence() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run([*COMMAND, "--port", str(port)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert str(port) in done.stderr


def test_other_addresses_than_loopback_need_to_be_allowed(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["--host", "0.0.0.0"]) == 2
    assert "--allow-remote" in capsys.readouterr().err
    assert program.main(["--host", "example.org"]) == 2


@pytest.mark.parametrize(
    "arguments", [["--port", "70000"], ["--seed", "-1"], ["--now", "today"], ["--now", "1990-01-01"], ["--nonsense"]]
)
def test_wrong_usage_is_exit_code_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        program.main(arguments)
    assert ended.value.code == 2
    assert arguments[0] in capsys.readouterr().err


def test_help_explains_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        program.main(["--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    for word in ("--host", "--port", "--seed", "--equities", "--now", "--fault", "--exit-with-parent", "drop-symbols"):
        assert word in text


def test_faults_and_more_equities_by_option() -> None:
    arguments = ["--equities", "50", "--fault", "status:route=/customers/me,count=2"]
    with (
        SimulatorProcess(arguments=arguments) as process,
        urllib.request.urlopen(f"{process.url}/simulator/faults", timeout=10) as response,
    ):
        [fault] = json.load(response)["data"]["items"]
    assert (fault["route"], fault["count"]) == ("/customers/me", 2)


def _resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _open_links(url: str) -> int:
    with urllib.request.urlopen(f"{url}/simulator/counters", timeout=10) as response:
        now = json.load(response)["data"]["in-flight"]
    return sum(int(gauge["now"]) for gauge in now.values())


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


def test_idle_half_open_and_garbage_connections_do_not_grow_it() -> None:
    beginnings = {
        "idle": b"",
        "half a request": b"GET /customers/me HTTP/1.1\r\nHost: ",
        "half a body": b"POST /oauth/token HTTP/1.1\r\nHost: x\r\nUser-Agent: x\r\nContent-Length: 1000\r\n\r\n{",
        "idle socket": UPGRADE,
        # A text frame of 60 kB that is announced and never comes, and a binary frame of rubbish.
        "half a frame": UPGRADE + b"\x81\xfe\xea\x60\x00\x00\x00\x00abc",
        "binary": UPGRADE + b"\x82\x84\x00\x00\x00\x00\xff\xfe\x00\x01" * 20,
    }

    def round_of_all(url: str) -> None:
        links = [link for beginning in beginnings.values() for link in _links(url, 40, beginning)]
        assert _about(url)
        for link in links:
            link.close()

    with SimulatorProcess() as process:
        before = _resident_mb(process.pid)
        for _ in range(6):
            round_of_all(process.url)
        # 1,440 connections came, 240 at a time, and went; the allocator keeps what it needed for a round.
        assert _wait_until(lambda: _open_links(process.url) == 0)
        assert _resident_mb(process.pid) < before + 64
        assert process.is_running


def test_the_children_of_a_process_are_its_own() -> None:
    with SimulatorProcess() as one, SimulatorProcess() as two:
        assert one.url != two.url
        assert len({one.pid, two.pid, os.getpid()}) == 3
