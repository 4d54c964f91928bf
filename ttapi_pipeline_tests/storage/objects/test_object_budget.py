# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The room that earlier versions take in an object store, and making room when it is more than TT_KEEP_BYTES allows."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest

from ttapi_pipeline.core.declaration import Keeps
from ttapi_pipeline.core.manifest import Manifest, Provenance
from ttapi_pipeline.storage.objects import bucket
from ttapi_pipeline.storage.objects.bucket import ObjectFacts
from ttapi_pipeline.storage.objects.location import ObjectPath
from ttapi_pipeline.storage.objects.pruning import GRACE, beyond_budget
from ttapi_pipeline.storage.objects.usage import listed_by_dataset
from ttapi_pipeline.storage.publish import publish
from ttapi_pipeline.storage.store import open_store
from ttapi_pipeline.storage.versions.keeping import Retention
from ttapi_pipeline.tables.schema import DatasetSchema

Make = Callable[..., pl.DataFrame]
LAST = Retention(Keeps.LAST_OF_SESSION, newest=20)


Store = Callable[[int, Retention], Manifest]


@pytest.fixture
def store(prefix: ObjectPath, marks: DatasetSchema, provenance: Provenance, marks_frame: Make) -> Store:
    """Publish a table that was fetched so many hours after 21:30 in UTC on a Monday, which is after the close."""

    def publish_at(hour: int, retention: Retention) -> Manifest:
        fetched = replace(provenance, fetched_at=provenance.fetched_at + timedelta(hours=hour))
        return publish(marks_frame(close=float(hour)), marks, prefix, fetched, retention=retention).wait()

    return publish_at


@pytest.fixture
def published(store: Store) -> list[Manifest]:
    """Three tables on Monday, and two on Tuesday."""
    return [store(hour, LAST) for hour in (0, 1, 2, 24, 25)]


def aged(prefix: ObjectPath) -> Mapping[str, Sequence[ObjectFacts]]:
    """What is there, as a listing that comes days later tells it: each written half an hour after the one before."""
    listed = bucket.listed(prefix / "marks")
    newest = replace(listed[0], path=prefix / "marks" / "later", bytes=0, written_at=listed[0].written_at + 9 * GRACE)
    return {"marks": [*listed, newest]}


def test_the_room_that_versions_take_is_told_by_a_listing(prefix: ObjectPath, published: list[Manifest]) -> None:
    (found,) = open_store(prefix).usage()
    assert (found.dataset, found.versions, found.sessions) == ("marks", 5, 2)
    rows = [each.parquet.bytes + (each.csv.bytes if each.csv else 0) for each in published[:-1]]
    log = sum(each.bytes for each in bucket.listed(prefix / "marks" / "log"))
    assert found.bytes == sum(rows) + log
    assert open_store(prefix).damaged_versions() == []
    bucket.write(prefix / f"marks/{published[0].write_id}.parquet", b"PAR1")
    (sentence,) = open_store(prefix).damaged_versions()
    assert published[0].write_id in sentence


def test_room_is_made_by_what_is_not_the_last_of_its_session_oldest_first(
    prefix: ObjectPath, published: list[Manifest]
) -> None:
    by_dataset, current = aged(prefix), published[-1]

    def gone(most_bytes: int) -> tuple[list[str], int]:
        paths, excess = beyond_budget(by_dataset, "marks", current, replace(LAST, most_bytes=most_bytes))
        return [path.name for path in paths if path.name.endswith(".parquet")], excess

    taken = open_store(prefix).usage()[0].bytes
    assert gone(taken) == ([], 0)
    paths, excess = gone(0)
    # The third of Monday is its last, and the last of Tuesday is stored now.
    assert sorted(paths) == sorted(f"{published[number].write_id}.parquet" for number in (0, 1, 3))
    assert excess > 0
    some, excess = gone(taken - 1)
    assert (len(some) <= 1, excess <= 0) == (True, True)


def test_what_was_replaced_within_a_day_stays_and_a_line_of_the_log_says_so(
    prefix: ObjectPath, store: Store, published: list[Manifest], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        store(26, replace(LAST, most_bytes=1))
    assert "MB more than TT_KEEP_BYTES allows" in caplog.text
    there = {each.path.name for each in listed_by_dataset(prefix)["marks"]}
    assert {f"{each.write_id}.parquet" for each in published} <= there
