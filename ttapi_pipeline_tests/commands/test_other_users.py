# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A folder of one user, used by another one who may not write it, or not even look into it. Only root can try that."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from ttapi_pipeline_tests.support.documents import ROOT
from ttapi_pipeline_tests.support.projects import Finished, environment_of_users

OTHER = 65_534
"""The user `nobody`."""

NOBODY = "http://127.0.0.1:9"

ALLOW = "Permission denied; give this user the right to read and write there"


@dataclass(frozen=True)
class OtherUser:
    """Another user in a project's folder.

    Attributes:
        python: An interpreter that this user may run.
        folder: The project's, which belongs to root.
        home: A folder that the user may write.
    """

    python: str
    folder: Path
    home: Path

    def tt(self, line: str, **variables: str) -> Finished:
        """Run a command; no traceback is printed by any."""
        done = as_other(
            [self.python, "-m", "ttapi_pipeline.cli", *line.split()],
            self.folder,
            {"HOME": str(self.home), "TMPDIR": str(self.home), "TT_ENV": "simulator", "TT_API_URL": NOBODY} | variables,
        )
        assert "Traceback" not in done.stdout + done.stderr, done.stderr
        return Finished(done.returncode, done.stdout, done.stderr)


def as_other(command: Sequence[str], folder: Path, variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    packages = [str(ROOT), *(path for path in sys.path if path.endswith("site-packages"))]
    return subprocess.run(
        command,
        cwd=folder,
        env={**environment_of_users(), "PYTHONPATH": ":".join(packages), "PYTHONDONTWRITEBYTECODE": "1", **variables},
        user=OTHER,
        group=OTHER,
        extra_groups=[],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def python_for_others() -> str | None:
    """An interpreter that another user may run with our packages: the present one, or that of the system."""
    for each in (sys.executable, f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"):
        try:
            if as_other([each, "-c", "import dagster, polars, ttapi_pipeline"], Path("/"), {}).returncode == 0:
                return each
        except OSError:
            continue
    return None


@pytest.fixture(scope="module")
def python() -> str:
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("only root can be another user")
    found = python_for_others()
    if found is None:
        pytest.skip("no interpreter with our packages that another user may run")
    return found


@pytest.fixture
def other(python: str, first: tuple[Path, Finished]) -> Iterator[OtherUser]:
    """In a copy of a filled project's folder, which everybody may read."""
    root = Path(tempfile.mkdtemp())
    root.chmod(0o755)
    home = root / "home"
    home.mkdir()
    os.chown(home, OTHER, OTHER)
    folder = root / "project"
    shutil.copytree(first[0], folder)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    yield OtherUser(python, folder, home)
    shutil.rmtree(root)


@pytest.mark.parametrize(
    "line",
    [
        "status",
        "refresh",
        "show AAPL",
        "show volatility --rows 3",
        "show symbols_history",
        "history symbols",
        "quality",
        "where",
        "export quotes --output HOME/quotes.csv",
        "export --format duckdb --output HOME/views.duckdb",
    ],
)
def test_what_may_be_read_is_shown_and_exported(other: OtherUser, line: str) -> None:
    done = other.tt(line.replace("HOME", str(other.home)))
    assert done.code == 0, done.err
    assert "error" not in done.err
    assert len(list(other.home.iterdir())) == ("export" in line)


def test_a_dataset_that_has_not_changed_has_no_difference_to_show(other: OtherUser) -> None:
    done = other.tt("diff symbols")
    assert (done.code, done.out) == (4, "")
    assert "symbols has no earlier version with other rows" in done.err


@pytest.mark.parametrize(
    "line", ["refresh accounts --force", "stream AAPL", "ui --port 21218", "show AAPL --plot", "init sub"]
)
def test_what_would_be_written_is_refused_in_one_sentence(other: OtherUser, line: str) -> None:
    done = other.tt(line)
    assert done.code in {2, 4}
    assert done.out == ""
    assert done.err.startswith(f"error: {other.folder}")
    assert done.err.count("\n") == 1
    assert "Permission denied; " in done.err or "cannot be written by this user; " in done.err


def test_the_doctor_says_what_is_not_allowed_and_goes_on(other: OtherUser) -> None:
    (rows,) = (other.folder / "data" / "quotes").glob("*.parquet")
    rows.chmod(0o600)
    done = other.tt("doctor")
    assert done.code == 4
    bad = {line.split(":")[0].removeprefix("bad  "): line for line in done.out.splitlines() if line.startswith("bad")}
    assert {"instance", "storage", "runs", "history"} <= set(bad)
    assert f"{rows}: Permission denied; give this user the right to read" in bad["history"]
    assert "ok   permissions: " in done.out


def test_settings_that_may_not_be_read_are_those_of_somebody_else(other: OtherUser) -> None:
    (other.folder / ".env").write_text("TT_CLIENT_SECRET=x\n")
    (other.folder / ".env").chmod(0o600)
    done = other.tt("status")
    assert (done.code, done.out) == (2, "")
    assert (
        f"{other.folder / '.env'}: this user may not read the settings of this folder; work in one of your" in done.err
    )


@pytest.mark.parametrize(
    "line",
    [
        "status",
        "refresh",
        "show AAPL",
        "show quotes",
        "history quotes",
        "diff quotes",
        "quality",
        "export quotes --output /nowhere.csv",
        "export --format duckdb --output /nowhere.duckdb",
        "stream AAPL",
    ],
)
def test_data_that_may_not_be_read_is_named(other: OtherUser, line: str) -> None:
    (other.folder / "data").chmod(0o700)
    done = other.tt(line)
    assert (done.code, done.out) == (4, "")
    assert done.err.startswith(f"error: {other.folder / 'data'}/")
    assert ALLOW in done.err


def test_the_doctor_looks_at_what_it_may(other: OtherUser) -> None:
    (other.folder / "data").chmod(0o700)
    done = other.tt("doctor")
    assert done.code == 4
    assert f"bad  storage: {other.folder / 'data'}: {ALLOW}" in done.out
    assert "ok   alerts: " in done.out


@pytest.mark.parametrize(
    ("name", "mode", "words"),
    [
        ("home", 0o700, "and this user may not read that folder; give this user the right to read and write there"),
        ("home/below", 0o700, "and this user may not look into that folder; give this user the right"),
        ("home", 0o755, "where Dagster keeps its runs, cannot be written by this user; give this user the right"),
    ],
)
def test_an_instance_of_somebody_else_is_named_before_anything_is_fetched(
    other: OtherUser, name: str, mode: int, words: str
) -> None:
    for path in (other.folder / "data", *(other.folder / "data").rglob("*")):
        os.chown(path, OTHER, OTHER)
    home = other.folder / name
    (other.folder / "home").mkdir(mode=mode)
    for line in ("refresh accounts --force", "ui --port 21219"):
        done = other.tt(line, DAGSTER_HOME=str(home))
        assert (done.code, done.out) == (2, "")
        assert str(home) in done.err
        assert words in done.err
    (said,) = [line for line in other.tt("doctor", DAGSTER_HOME=str(home)).out.splitlines() if "bad  instance" in line]
    assert words in said
    # What can be said without looking into files, the grid says.
    is_told = words in " ".join(other.tt("status", DAGSTER_HOME=str(home)).out.split())
    assert is_told == (mode == 0o700)
