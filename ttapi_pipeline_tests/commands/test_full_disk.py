# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A disk of its own that is full: a refresh says so in a sentence, and goes on once there is room."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.simulator.process import SimulatorProcess
from ttapi_pipeline.storage.layout import open_folder
from ttapi_pipeline.storage.repair import check
from ttapi_pipeline_tests.support.projects import make_project, run_tt

Resize = Callable[[int], None]
ROOMY = 1 << 16


@pytest.fixture
def resize(tmp_path: Path) -> Iterator[Resize]:
    """Gives the disk at `tmp_path` that many KiB."""

    def mount(options: str, *arguments: str) -> bool:
        command = ["mount", *arguments, "-o", options, str(tmp_path)]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    try:
        is_mounted = mount(f"size={ROOMY}k", "-t", "tmpfs", "tmpfs")
    except FileNotFoundError:
        is_mounted = False
    if not is_mounted:
        pytest.skip("this user cannot mount a disk in memory")

    def size(kibibytes: int) -> None:
        assert mount(f"remount,size={kibibytes}k")

    yield size
    subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


# Less than Dagster's databases take, room for the first tables, and for all but the last ones.
@pytest.mark.parametrize("kibibytes", [64, 1_500, 3_500])
def test_a_refresh_on_a_full_disk_says_so_and_the_next_one_goes_on(
    tmp_path: Path, resize: Resize, kibibytes: int
) -> None:
    project = make_project(tmp_path)
    used = sum(path.stat().st_size for path in project.rglob("*") if path.is_file()) // 1024
    with SimulatorProcess(seed=7) as exchange:
        variables = {"TT_ENV": "simulator", "TT_API_URL": exchange.url}
        resize(used + kibibytes)
        full = run_tt(project, "refresh", **variables)
        assert full.code == 4
        assert "free some space" in full.err
        assert "Traceback" not in full.out + full.err
        resize(ROOMY)
        assert run_tt(project, "refresh", **variables).code == 0
    folder = open_folder(str(project / "data"))
    assert [problem for each in DATASETS.values() for problem in check(folder, each.schema)] == []
