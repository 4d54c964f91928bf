# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""In an object store, versions of estimates stay whole, and are read with the digits that count, as on a disk."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Final

import polars as pl
from polars.testing import assert_frame_equal

from ttapi_pipeline.core.declaration import Keeps
from ttapi_pipeline.core.manifest import Provenance
from ttapi_pipeline.storage.hashing import data_version
from ttapi_pipeline.storage.objects.location import ObjectPath
from ttapi_pipeline.storage.publish import publish
from ttapi_pipeline.storage.scan import scan
from ttapi_pipeline.storage.store import open_store
from ttapi_pipeline.storage.versions.by_session import last_of_sessions
from ttapi_pipeline.storage.versions.keeping import Retention
from ttapi_pipeline.storage.versions.reading import open_version, versions
from ttapi_pipeline.tables.schema import DATE, STRING, DatasetSchema, estimate, required

SCHEMA: Final = DatasetSchema(
    "ratios",
    (
        required("symbol", STRING, "Symbol"),
        required("as_of_session", DATE, "Day"),
        estimate("ratio", "Ratio"),
    ),
    key=("symbol",),
)
MONDAY: Final = date(2026, 1, 5)
STORED: Final = (1.23456789, 0.0012345678, 123_456.789)
TO_SIX_DIGITS: Final = (1.23457, 0.00123457, 123_457.0)


def ratios(day: int, ratio: float) -> pl.DataFrame:
    """The table as of a day of a week."""
    return pl.DataFrame({"symbol": ["A"], "as_of_session": [MONDAY + timedelta(days=day)], "ratio": [ratio]})


def test_versions_have_six_digits_and_what_is_stored_now_has_all(prefix: ObjectPath) -> None:
    provenance = Provenance(dataset="ratios", code_version="1", fetched_at=datetime(2026, 1, 5, 21, tzinfo=UTC))
    stored = [
        publish(
            ratios(day, ratio),
            SCHEMA,
            prefix,
            replace(provenance, fetched_at=provenance.fetched_at + timedelta(days=day)),
            retention=Retention(Keeps.LAST_OF_SESSION, newest=1),
        ).wait()
        for day, ratio in enumerate(STORED)
    ]
    now = scan(prefix, SCHEMA).collect()
    assert_frame_equal(now, ratios(2, STORED[2]), check_exact=True)
    assert data_version(now) == stored[2].data_version
    known = versions(prefix, "ratios")
    store = open_store(prefix)
    lasts = last_of_sessions(store, "ratios")
    assert len(known) == len(lasts) == len(stored)
    for day, (version, last, manifest) in enumerate(zip(known, lasts, stored, strict=True)):
        for rows in (open_version(prefix, SCHEMA, version).frame, store.open_rows(last.publication, last.file)):
            assert_frame_equal(rows.collect(), ratios(day, TO_SIX_DIGITS[day]), check_exact=True)
            assert data_version(rows) == manifest.data_version
