# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What a shell offers when the tab key is pressed, asked by the scripts that `tt completion` prints."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from ttapi_pipeline.datasets.universe.table import UNIVERSE
from ttapi_pipeline_tests.support.projects import Tt, environment_of_users
from ttapi_pipeline_tests.support.stored_tables import store

ASK_BASH = """
eval "$(tt completion bash)"
COMP_LINE="$1"; COMP_POINT=${#1}; COMP_TYPE=9; COMPREPLY=()
_python_argcomplete tt "" ""
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def folder(project: Path) -> Path:
    """A project's folder with three stored symbols, and a command `tt` for shells."""
    store(project, UNIVERSE, *({"symbol": symbol} for symbol in ("AAPL", "BRK/B", "MSFT")))
    script = project / "bin" / "tt"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m ttapi_pipeline.cli "$@"\n')
    script.chmod(0o755)
    return project


def environment(folder: Path) -> dict[str, str]:
    return {**environment_of_users(), "PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "HOME": str(folder)}


def run(folder: Path, *shell: str) -> str:
    done = subprocess.run(
        shell, cwd=folder, env=environment(folder), capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stderr == ""
    return done.stdout


def ask(folder: Path, *shell: str) -> list[str]:
    return [line.partition("\t")[0].strip() for line in run(folder, *shell).splitlines() if line.strip()]


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("tt st", ["status", "stream"]),
        ("tt refresh qu", ["quotes"]),
        ("tt refresh --f", ["--force"]),
        ("tt show A", ["AAPL"]),
        ("tt show BR", ["BRK/B"]),
        ("tt show vol", ["volatility", "volatility_cone"]),
        ("tt show quotes --columns symbol,bid_", ["symbol,bid_price", "symbol,bid_size"]),
        ("tt export quotes --symbol M", ["MSFT"]),
        ("tt export quotes --format x", ["xlsx"]),
        ("tt stream M", ["MSFT"]),
        ("tt simulator --exit", ["--exit-with-parent"]),
    ],
)
def test_bash_is_offered_commands_options_datasets_columns_and_stored_symbols(
    folder: Path, typed: str, offered: list[str]
) -> None:
    assert ask(folder, "bash", "-c", ASK_BASH, "bash", typed) == offered


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish_is_offered_the_same(folder: Path) -> None:
    script = "tt completion fish | source; complete -C 'tt show BR'; complete -C 'tt sta'"
    assert ask(folder, "fish", "--no-config", "-c", script) == ["BRK/B", "status"]


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish_says_what_each_word_means(folder: Path) -> None:
    script = "tt completion fish | source; complete -C 'tt show quotes --columns bid_p'; complete -C 'tt refresh --fo'"
    done = run(folder, "fish", "--no-config", "-c", script)
    assert [line.split("\t") for line in done.splitlines()] == [
        ["bid_price", "Best bid, above zero; null without one. It may be above the ask, as the feed has it"],
        ["--force", "refresh in any case: the datasets named, or all"],
    ]


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh_at_a_terminal_completes_commands_options_datasets_and_symbols(folder: Path) -> None:
    reader, writer = pty.openpty()
    termios.tcsetwinsize(writer, (40, 200))
    shell = subprocess.Popen(
        ["zsh", "-f", "-i"],
        cwd=folder,
        env={**environment(folder), "TERM": "xterm"},
        stdin=writer,
        stdout=writer,
        stderr=writer,
        start_new_session=True,
    )
    os.close(writer)
    try:
        type_and_await(reader, 'PS1="> "; eval "$(tt completion zsh)"; print rea"d"y\n', "ready")
        for typed, shown in (
            ("tt show BR\t", "tt show BRK/B"),
            ("tt refresh --f\t", "tt refresh --force"),
            ("tt refresh quo\t", "tt refresh quotes"),
            ("tt export quotes --symbol M\t", "--symbol MSFT"),
            ("tt st\t", "status  -- show how fresh every dataset is, and why"),
        ):
            # Ctrl-U empties the line.
            type_and_await(reader, f"\x15{typed}", shown)
    finally:
        shell.kill()
        shell.wait()
        os.close(reader)


def type_and_await(terminal: int, text: str, shown: str) -> None:
    """Type into a terminal, and read it until it shows a text."""
    os.write(terminal, text.encode())
    seen = ""
    while shown not in seen:
        assert select.select([terminal], [], [], 60)[0], f"{shown!r} is not in {seen!r}"
        seen = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|\x1b[=>]|[\r\x07]", "", seen + os.read(terminal, 65_536).decode())


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh_loads_its_script_before_its_own_completions_are(folder: Path) -> None:
    script = 'eval "$(tt completion zsh)"; print -r -- ${_comps[tt]}'
    assert ask(folder, "zsh", "-f", "-c", script) == ["_python_argcomplete"]


def test_settings_that_cannot_be_read_offer_no_symbols_and_no_error(folder: Path) -> None:
    (folder / ".env").write_text("TT_LISTT=1\n")
    assert ask(folder, "bash", "-c", ASK_BASH, "bash", "tt show A") == []
    assert ask(folder, "bash", "-c", ASK_BASH, "bash", "tt show vol") == ["volatility", "volatility_cone"]


def test_the_script_of_zsh_says_first_what_it_is(tt: Tt) -> None:
    assert tt("completion", "zsh").out.startswith("#compdef tt\n(( ${+functions[compdef]} ))")
    done = tt("completion", "fsh")
    assert done.code == 2
    assert "there is no shell 'fsh' (did you mean fish?); there are bash, zsh, fish" in done.err
