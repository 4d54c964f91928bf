# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Folders that mean harm (`support.hostile_files`): the good file is read, and each subject is one sentence.

At full size, each in a process of its own whose memory and time are bounded, in `make soak`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

import pytest

from ttapi_pipeline.metastock.importer import import_folder
from ttapi_pipeline.metastock.preview import preview_folder
from ttapi_pipeline_tests.support.documents import ROOT
from ttapi_pipeline_tests.support.hostile_files import (
    FULL,
    GOOD,
    KINDS,
    SMALL,
    put_good,
)
from ttapi_pipeline_tests.support.metastock import check_harmless


@pytest.fixture
def folder(good_folder: Path) -> Path:
    """A folder with one good file."""
    return good_folder


@pytest.mark.parametrize("kind", KINDS)
def test_what_lies_beside_a_good_file_costs_it_nothing(folder: Path, tmp_path: Path, kind: str) -> None:
    for seed in (1, 2):
        KINDS[kind](folder, SMALL, Random(seed))
        result = import_folder(folder, cache=tmp_path / "cache")
        check_harmless(result)
        shutil.rmtree(folder)
        folder.mkdir()
        put_good(folder)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", KINDS)
def test_any_folder_that_means_harm_costs_a_good_file_nothing(folder: Path, kind: str) -> None:
    for seed in range(40):
        KINDS[kind](folder, SMALL, Random(seed))
        check_harmless(import_folder(folder))
        preview_folder(folder)
        shutil.rmtree(folder)
        folder.mkdir()
        put_good(folder)


PROGRAM = """
import json, resource, sys, time
from pathlib import Path
from ttapi_pipeline.metastock.importer import import_folder
from ttapi_pipeline.metastock.preview import preview_folder
folder, good, cache = map(Path, sys.argv[1:])
import_folder(good)
most = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
before, begun = most(), time.monotonic()
if cache.name == "preview":
    symbols = list(preview_folder(folder).symbols)
else:
    result = import_folder(folder, cache=cache)
    symbols = result.rows_per_symbol["symbol"].to_list()
print(json.dumps({"grown": most() - before, "seconds": time.monotonic() - begun, "symbols": symbols[:100_000]}))
"""


def measured(folder: Path, tmp_path: Path, *, how: str = "import") -> dict[str, Any]:
    """Import a folder in a process of its own: by how many MB it grew, in how many seconds, and the symbols."""
    good = tmp_path / "good"
    good.mkdir(exist_ok=True)
    put_good(good)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(folder), str(good), str(tmp_path / how)],
        capture_output=True,
        text=True,
        check=True,
        timeout=1_500,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("how", ["import", "preview"])
@pytest.mark.parametrize("kind", KINDS)
def test_at_full_size_memory_and_time_are_bounded(folder: Path, tmp_path: Path, kind: str, how: str) -> None:
    KINDS[kind](folder, FULL, Random(kind))
    found = measured(folder, tmp_path, how=how)
    assert GOOD in found["symbols"]
    # docs/protocols/metastock.md, "Files that mean harm".
    assert found["grown"] < 1_000
    assert found["seconds"] < 300
