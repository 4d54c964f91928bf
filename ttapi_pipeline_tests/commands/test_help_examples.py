# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The examples in the help of the commands do what a user who types them expects."""

from __future__ import annotations

import importlib
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import pytest

from ttapi_pipeline import cli
from ttapi_pipeline.commands import program
from ttapi_pipeline.simulator.process import SimulatorProcess
from ttapi_pipeline_tests.support.listeners import webhook
from ttapi_pipeline_tests.support.projects import environment_of_users

MODULES = {name: "import_files" if name == "import" else name for name in program.COMMANDS}
EXAMPLES: Mapping[str | None, Mapping[str, str]] = {
    None: program.EXAMPLES,
    **{name: importlib.import_module(f"ttapi_pipeline.commands.{module}").EXAMPLES for name, module in MODULES.items()},
}
LINES = [line for examples in EXAMPLES.values() for line in examples]
WITHOUT_END = [
    line
    for line in LINES
    if shlex.split(line)[1:2] in (["ui"], ["stream"], ["simulator"])
    and "--duration" not in line
    and "metastock" not in line
]
"""They run until Ctrl-C."""


@pytest.fixture
def environment(filled: Path, exchange: SimulatorProcess) -> Iterator[Mapping[str, str]]:
    """Of a user whose home has a MetaStock folder and the folder of fish, and who types in a filled project."""
    home = filled / "home"
    (home / ".config" / "fish" / "completions").mkdir(parents=True)
    files = ["simulator", "metastock", str(home / "metastock"), "--symbols", "AAPL", "KO"]
    assert cli.main([*files, "--first", "2026-01-02", "--last", "2026-01-30"]) == 0
    with webhook() as hook:
        yield {
            **environment_of_users(),
            "HOME": str(home),
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "TT_ENV": "simulator",
            "TT_API_URL": exchange.url,
            "TT_ALERT_URLS": hook.url,
            "DAGSTER_HOME": str(filled),
        }


@pytest.mark.parametrize("command", EXAMPLES)
def test_each_help_shows_two_to_four_examples_within_80_columns(
    command: str | None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        cli.main(["--help"] if command is None else [command, "--help"])
    text = capsys.readouterr().out
    assert 2 <= len(EXAMPLES[command]) <= 4
    assert all(f"\n  {line}\n      {meaning}\n" in text for line, meaning in EXAMPLES[command].items())
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize("line", [line for line in LINES if line not in WITHOUT_END])
def test_an_example_runs(line: str, filled: Path, environment: Mapping[str, str]) -> None:
    if "simulator metastock" in line:
        # It writes into a folder that is new.
        environment = {**environment, "HOME": str(filled / "other")}
    done = subprocess.run(
        ["bash", "-c", line], cwd=filled, env=environment, capture_output=True, text=True, timeout=170, check=False
    )
    assert "Traceback" not in done.stderr
    if line.startswith("tt diff") or "--as-of" in line:
        # After one refresh there is nothing to compare with, and nothing was known before it.
        assert "no earlier version" in done.stderr or "nothing was known" in done.stderr
        return
    assert done.returncode in {0, 3}, done.stdout + done.stderr
    assert "error" not in done.stderr
    if ">" not in line:
        assert done.stdout or done.stderr


@pytest.mark.parametrize("line", WITHOUT_END)
def test_an_example_without_an_end_runs_until_ctrl_c(line: str, filled: Path, environment: Mapping[str, str]) -> None:
    process = subprocess.Popen(
        shlex.split(line), cwd=filled, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        first = process.stdout.readline()
        for _ in range(10):
            process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
                break
        error = process.stderr.read() if process.stderr is not None and process.poll() is not None else ""
        assert process.poll() is not None
    finally:
        process.kill()
        process.communicate()
    if "another program has port" in error or "is taken" in error or "address already in use" in error.lower():
        pytest.skip(f"this machine uses the port of `{line}`")
    assert first, error
    assert "Traceback" not in error
