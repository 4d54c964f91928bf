# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A user's project folder, and `tt` in it: in this process, or in one of its own."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from ttapi_pipeline import cli
from ttapi_pipeline.core.places import MARKER
from ttapi_pipeline_tests.support.documents import ROOT


@dataclass(frozen=True)
class Finished:
    """What a command left: its exit code, and what it wrote."""

    code: int
    out: str
    err: str


Tt = Callable[..., Finished]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project's folder with three symbols and a MetaStock folder without files."""
    return make_project(tmp_path)


def make_project(folder: Path) -> Path:
    for name in ("dagster.yaml", MARKER):
        shutil.copy(ROOT / name, folder)
    (folder / "symbols.txt").write_text("AAPL\nMSFT\nBRK.B\n")
    (folder / "metastock").mkdir()
    return folder


SETTINGS: Mapping[str, str] = {
    "TT_LIST": "symbols.txt",
    "TT_HISTORY_START": "2025-01-02",
    "TT_METASTOCK_DIR": "metastock",
    # Whether the exchange is open while the tests run is not the question.
    "TT_TTL_QUOTES": "1d",
}
"""Of the project."""


def environment_of_users() -> Mapping[str, str]:
    """The variables of this process, without those that would be settings; and the settings of the project."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TT_", "DAGSTER"))}
    return {**kept, "PYTHONPATH": str(ROOT), **SETTINGS}


def run_tt(project: Path, *arguments: str, **variables: str) -> Finished:
    """Run the command in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "ttapi_pipeline.cli", *arguments],
        cwd=project,
        env={**environment_of_users(), **variables},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    return Finished(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def tt(project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Tt]:
    """Runs the command in this process, which saves the seconds of a new one.

    What it changes of the process comes back after the test: the current folder, variables, the level of our loggers.
    """
    ours = logging.getLogger("ttapi_pipeline")
    level = ours.level
    for name in list(os.environ):
        if name.startswith(("TT_", "DAGSTER")):
            monkeypatch.delenv(name)
    # Set and deleted, so that a value that the command sets goes away with the test.
    monkeypatch.setenv("DAGSTER_HOME", "")
    monkeypatch.delenv("DAGSTER_HOME")

    def run(*arguments: str, **variables: str) -> Finished:
        with monkeypatch.context() as patch:
            patch.chdir(project)
            for name, value in {**SETTINGS, **variables}.items():
                patch.setenv(name, value)
            capfd.readouterr()
            try:
                code = cli.main(arguments)
            except SystemExit as end:
                code = int(end.code or 0)
            return Finished(code, *capfd.readouterr())

    yield run
    ours.setLevel(level)
