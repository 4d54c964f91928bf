# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What a shell offers when the tab key is pressed, asked by the scripts that `tt completion` prints."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
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


def ask(folder: Path, *shell: str) -> list[str]:
    done = subprocess.run(
        shell,
        cwd=folder,
        env={**environment_of_users(), "PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert done.stderr == ""
    return [line.partition("\t")[0].strip() for line in done.stdout.splitlines() if line.strip()]


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
