# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A store that is away for some seconds: who looks at something is told, and a run goes on when it is back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import polars as pl
import pytest

from ttapi_pipeline.core.errors import StorageError
from ttapi_pipeline.core.manifest import Provenance
from ttapi_pipeline.storage.objects.location import ObjectPath
from ttapi_pipeline.storage.outages import AT_ONCE, OUTAGE, outages_outlasted, patience
from ttapi_pipeline.storage.publish import publish
from ttapi_pipeline.storage.scan import open_table
from ttapi_pipeline.tables.schema import DatasetSchema

if TYPE_CHECKING:
    from ttapi_pipeline_tests.support.slow_proxy import Traffic

Make = Callable[..., pl.DataFrame]


@contextmanager
def away(traffic: Traffic, *, requests: int) -> Iterator[None]:
    """The store gives no answer until it was asked so often, and then is back."""
    traffic.reset()
    traffic.is_down = True
    is_over = threading.Event()

    def come_back() -> None:
        while len(traffic.requests) < requests and not is_over.wait(0.05):
            pass
        traffic.is_down = False

    watcher = threading.Thread(target=come_back)
    watcher.start()
    try:
        yield
    finally:
        is_over.set()
        watcher.join()


def test_a_publication_and_a_reading_of_a_run_outlast_an_outage(
    counted: Traffic, prefix: ObjectPath, marks: DatasetSchema, provenance: Provenance, marks_frame: Make
) -> None:
    asked = AT_ONCE.times + 2
    with outages_outlasted():
        with away(counted, requests=asked):
            publish(marks_frame(), marks, prefix, provenance)
        with away(counted, requests=asked):
            table = open_table(prefix, marks)
        with away(counted, requests=asked):
            rows = table.frame.collect()
    assert rows.height == marks_frame().height


def test_who_looks_at_something_is_told_at_once(counted: Traffic, prefix: ObjectPath, marks: DatasetSchema) -> None:
    counted.is_down = True
    with pytest.raises(StorageError, match="no answer from"):
        open_table(prefix, marks)
    assert len(counted.requests) == AT_ONCE.times + 1


def test_blocks_within_each_other_are_one() -> None:
    with outages_outlasted():
        with outages_outlasted():
            assert patience() is OUTAGE
        assert patience() is OUTAGE
    assert patience() is AT_ONCE
