# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The simulator as a program: its options, its announcement and its exit codes."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys

import pytest

from ttapi_pipeline.simulator import program

COMMAND = [sys.executable, "-m", "ttapi_pipeline.simulator"]
DEADLINE_SECONDS = 20.0


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


def test_a_port_in_use_is_exit_code_2_and_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert program.main(["--port", str(port)]) == 2
    reason = capsys.readouterr().err
    assert reason.count("\n") == 1
    assert str(port) in reason


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
