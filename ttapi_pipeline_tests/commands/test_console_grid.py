# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""`tt` on a terminal: the grid is drawn in place, nothing tears it, and the terminal is given back."""

from __future__ import annotations

import contextlib
import os
import pty
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.simulator.process import SimulatorProcess
from ttapi_pipeline_tests.support.emulator import Emulator
from ttapi_pipeline_tests.support.projects import environment_of_users, run_tt

_ENTERED, _LEFT = "\x1b[?1049h", "\x1b[?1049l"


@pytest.fixture(scope="module")
def exchange() -> Iterator[SimulatorProcess]:
    with SimulatorProcess(seed=7) as simulator:
        yield simulator


def begin(
    project: Path, *arguments: str, size: tuple[int, int], **variables: str
) -> tuple[subprocess.Popen[bytes], int]:
    """Start `tt` on a terminal of that many lines and columns; the process, and the other end of the terminal."""
    leader, follower = pty.openpty()
    termios.tcsetwinsize(follower, size)
    process = subprocess.Popen(
        [sys.executable, "-m", "ttapi_pipeline.cli", *arguments],
        cwd=project,
        env={**environment_of_users(), "TERM": "xterm", **variables},
        stdin=follower,
        stdout=follower,
        stderr=follower,
        start_new_session=True,
    )
    os.close(follower)
    return process, leader


def read(leader: int, until: str = "") -> str:
    """What is written to the terminal, up to a text or else to the end."""
    text = ""
    # At the end, Linux reports an error instead of an end of file.
    with contextlib.suppress(OSError):
        while chunk := os.read(leader, 65_536):
            text += chunk.decode()
            if until and until in text:
                return text
    return text


def test_the_first_run_is_drawn_in_place_and_ends_with_the_grid(project: Path, exchange: SimulatorProcess) -> None:
    variables = {"TT_ENV": "simulator", "TT_API_URL": exchange.url}
    process, leader = begin(project, "refresh", "accounts", size=(24, 80), **variables)
    text = read(leader)
    assert process.wait(60) == 0, text
    assert text.count(_ENTERED) == text.count(_LEFT) == 1
    drawn, printed = text.split(_ENTERED)[1].split(_LEFT)
    screen = Emulator(80, 24)
    screen.write(drawn)
    assert f"1 of {len(DATASETS)} datasets" in screen.rows[0]
    assert [row.split()[0] for row in screen.rows[3:] if row][: len(DATASETS)] == list(DATASETS)
    assert "1 refreshed" in printed.splitlines()[0]


def test_ctrl_c_gives_the_terminal_back_and_says_what_was_done(project: Path) -> None:
    # The stream's grant is not answered: whatever waits for candles is still to come when the signal does.
    arguments = ("--fault", "latency:route=/api-quote-tokens,seconds=600")
    with SimulatorProcess(seed=7, arguments=arguments) as exchange:
        process, leader = begin(project, size=(24, 80), TT_ENV="simulator", TT_API_URL=exchange.url, NO_COLOR="1")
        text = read(leader, until="4 refreshed")
        assert "\x1b[32m" not in text, "NO_COLOR"
        process.send_signal(signal.SIGINT)
        text += read(leader)
        assert process.wait(60) == 130
    assert text.count(_LEFT) == 1
    said = text.split(_LEFT)[1]
    # A dataset is refreshed once its rows are in memory; what is told here is stored.
    done = said.split("interrupted; refreshed before: ")[1].split(";")[0].split(", ")
    assert {"trading_calendar", "accounts"} <= set(done)
    assert "volatility_cone is as it was" in said
    assert "Traceback" not in said


def test_with_nothing_due_no_screen_is_taken(project: Path, exchange: SimulatorProcess) -> None:
    variables = {"TT_ENV": "simulator", "TT_API_URL": exchange.url}
    assert run_tt(project, "refresh", "accounts", **variables).code == 0
    process, leader = begin(project, "refresh", "accounts", size=(24, 80), NO_COLOR="1", **variables)
    text = read(leader)
    assert process.wait(60) == 0
    assert "\x1b" not in text
    assert "accounts           hit" in text
