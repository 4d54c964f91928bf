# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""First fills of projects whose data lies in an object store that answers 30 ms late, several at the same time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from ttapi_pipeline.core.clock import SYSTEM_CLOCK
from ttapi_pipeline.datasets.reading import open_dataset
from ttapi_pipeline.datasets.registry import DATASETS, HISTORIES, REPORTS
from ttapi_pipeline.datasets.status import read_statuses
from ttapi_pipeline.storage.objects.location import ObjectPath
from ttapi_pipeline.storage.repair import check
from ttapi_pipeline.storage.scan import open_table
from ttapi_pipeline_tests.support.object_projects import ObjectProject
from ttapi_pipeline_tests.support.object_store import access_to, make_bucket
from ttapi_pipeline_tests.support.slow_proxy import slow_proxy


@dataclass(frozen=True)
class Size:
    """How many fills, how many of them at the same time, and how many symbols each."""

    fills: int
    at_once: int
    symbols: int


@pytest.mark.parametrize(
    "size",
    [
        Size(2, 2, 3),
        # What a fill stores takes some 0.9 GB of the server, and its program 1 GB.
        pytest.param(Size(10, 3, 503), marks=pytest.mark.soak),
    ],
    ids=str,
)
@pytest.mark.timeout(7200)
def test_every_first_fill_succeeds(store_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, size: Size) -> None:
    """Each into a prefix of its own, from a project folder of its own."""
    bucket = make_bucket(store_url)
    with slow_proxy(store_url) as traffic:
        access = access_to(traffic.url)

        def fill(number: int) -> ObjectProject:
            folder = tmp_path / str(number)
            folder.mkdir()
            project = ObjectProject.make(folder, f"s3://{bucket}/{number}", symbols=size.symbols, access=access)
            ran = project.run("tt", "refresh")
            assert ran.returncode == 0, f"fill {number} ended with {ran.returncode}:\n{ran.stdout}\n{ran.stderr}"
            return project

        with ThreadPoolExecutor(size.at_once) as threads:
            projects = list(threads.map(fill, range(size.fills)))
    for name, value in access_to(store_url).items():
        monkeypatch.setenv(name, value)
    for number, project in enumerate(projects):
        statuses = read_statuses(project.settings(), now=SYSTEM_CLOCK.now())
        assert {name for name, status in statuses.items() if not status.verdict.is_hit} == set()
        place = ObjectPath(bucket, str(number))
        for schema in (*(dataset.schema for dataset in DATASETS.values()), *REPORTS.values()):
            # Hashes every file: an object that was torn, or is another one's, has another hash.
            assert check(place, schema) == []
        bars = open_table(place, DATASETS["eod_snapshot"].schema)
        assert bars.manifest is not None
        assert bars.manifest.provenance.missing == {}
        assert bars.frame.collect()["symbol"].n_unique() == size.symbols
        # The run has made the session of every history, too.
        for history in HISTORIES.values():
            assert open_dataset(history.name, str(place)).collect()["session"].n_unique() == 1
        assert set(open_dataset("session_quality", str(place)).collect()["dataset"]) == set(DATASETS)
