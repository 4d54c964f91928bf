# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The units in `deploy/systemd`: systemd accepts them, and they hold what the documents say of them."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from importlib import import_module
from pathlib import Path

import pytest

from ttapi_pipeline.core.settings import SECRET_VARIABLES
from ttapi_pipeline_tests.support.documents import ROOT

UNITS = sorted((ROOT / "deploy" / "systemd").iterdir())
SERVICES = [path for path in UNITS if path.suffix == ".service"]
NAMES = [path.name for path in SERVICES]
BACKUP = ROOT / "deploy" / "systemd" / "ttapi-backup.service"
"""The one that runs a program of the system's."""

LEAST_EXPOSED = 6.0
"""Of systemd's ten points. What it counts most, a user of its own and no network, a user unit cannot have."""


def analyze(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """As a user with this home folder, in which `tt` is installed as `uv tool install` does it."""
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("there is no systemd-analyze here: `apt-get install systemd` brings it")
    tt = home / ".local" / "bin" / "tt"
    tt.parent.mkdir(parents=True)
    tt.write_text("#!/bin/sh\n")
    tt.chmod(0o755)
    (home / "options").mkdir()
    return subprocess.run(
        [program, "--user", *arguments],
        env={**os.environ, "HOME": str(home), "XDG_RUNTIME_DIR": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )


def lines_of(path: Path, name: str) -> list[str]:
    """The values of a key, in the order of the file."""
    return re.findall(rf"^{name}=(.*)$", path.read_text(), re.MULTILINE)


def test_there_is_a_unit_for_each_way_of_running() -> None:
    assert [path.name for path in UNITS] == [
        "ttapi-alert.service",
        "ttapi-alert.timer",
        "ttapi-backup.service",
        "ttapi-backup.timer",
        "ttapi-metrics.service",
        "ttapi-metrics.timer",
        "ttapi-refresh.service",
        "ttapi-refresh.timer",
        "ttapi-stream.service",
        "ttapi-ui.service",
    ]


def test_systemd_accepts_every_unit_without_a_warning(tmp_path: Path) -> None:
    done = analyze(tmp_path, "verify", *map(str, UNITS))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_systemd_finds_a_mistake_in_a_unit(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.service"
    wrong.write_text(SERVICES[0].read_text().replace("NoNewPrivileges=", "NoNewPriviledges="))
    assert "NoNewPriviledges" in analyze(tmp_path / "home", "verify", str(wrong)).stderr


@pytest.mark.parametrize("path", SERVICES, ids=NAMES)
def test_a_service_is_hardened(path: Path, tmp_path: Path) -> None:
    done = analyze(tmp_path, "security", "--offline=true", str(path))
    (exposure,) = re.findall(r"Overall exposure level for .*: ([\d.]+)", done.stdout)
    assert float(exposure) < LEAST_EXPOSED


@pytest.mark.parametrize("path", [path for path in SERVICES if path != BACKUP], ids=lambda path: path.name)
def test_a_service_calls_a_command_that_there_is(path: Path) -> None:
    ((program, command, *_),) = [line.split() for line in lines_of(path, "ExecStart")]
    assert program == "%h/.local/bin/tt"
    assert callable(import_module(f"ttapi_pipeline.commands.{command}").run)


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_no_secret_is_in_a_unit(path: Path) -> None:
    assert not any(f"{name}=" in path.read_text() for name in SECRET_VARIABLES)
    assert not lines_of(path, "EnvironmentFile")


@pytest.mark.parametrize(
    "path", [path for path in SERVICES if "Restart=" in path.read_text()], ids=lambda path: path.name
)
def test_what_runs_for_weeks_is_started_again_but_for_wrong_settings(path: Path) -> None:
    assert lines_of(path, "Restart") == ["on-failure"]
    assert lines_of(path, "RestartPreventExitStatus") == ["2"]
    assert lines_of(path, "WantedBy") == ["default.target"]


def test_every_timer_has_its_service() -> None:
    for path in UNITS:
        if path.suffix == ".timer":
            assert path.with_suffix(".service") in UNITS
            assert lines_of(path, "OnCalendar") or lines_of(path, "OnUnitActiveSec")
            assert lines_of(path, "WantedBy") == ["timers.target"]


def test_the_back_up_copies_the_data_folder_and_keeps_seven(tmp_path: Path) -> None:
    (command,) = lines_of(BACKUP, "ExecStart")
    program, option, script = shlex.split(command)
    # What systemd makes of its own signs; every copy gets a name of its own.
    script = script.replace("%h", str(tmp_path)).replace("%%", "%").replace("$$", "$")
    data, kept = tmp_path / "options" / "data", tmp_path / "backups"
    data.mkdir(parents=True)
    kept.mkdir()
    for number in range(8):
        (kept / f"options-2026-01-0{number}T000000Z").mkdir()
    (data / "universe.json").write_text("{}")
    subprocess.run([program, option, script], cwd=tmp_path / "options", check=True)
    names = sorted(path.name for path in kept.iterdir())
    assert names[:-1] == [f"options-2026-01-0{number}T000000Z" for number in range(2, 8)]
    assert (kept / names[-1] / "universe.json").read_text() == "{}"
