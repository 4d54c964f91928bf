# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What became of datasets in the sessions of a week of November 2026: each state and its reason is written by hand."""

from __future__ import annotations

import json
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from ttapi_pipeline import open_dataset
from ttapi_pipeline.core.errors import StorageError
from ttapi_pipeline.core.manifest import CAUTION, Provenance
from ttapi_pipeline.datasets.quality_table import QUALITY, open_quality, update_quality
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.storage.objects.location import ObjectPath
from ttapi_pipeline.storage.publish import publish
from ttapi_pipeline.storage.session_table import session_table
from ttapi_pipeline.storage.store import open_store
from ttapi_pipeline_tests.support.desks import Desk, at

MONDAY, TUESDAY, WEDNESDAY, THURSDAY, FRIDAY = (date(2026, 11, day) for day in (16, 17, 18, 19, 20))


class QualityDesk(Desk):
    """A data folder whose logs of publications, and of failures, are all that counts."""

    def seen(self, now: datetime, name: str | None = None) -> list[tuple[Any, ...]]:
        """Day, state and reason of each session of a dataset."""
        rows = open_quality(self.folder, now=now).collect()
        rows = rows if name is None else rows.filter(dataset=name)
        return [(row["session"], row["state"], row["reason"]) for row in rows.iter_rows(named=True)]

    def fail(self, dataset: str, when: datetime, sentence: str) -> None:
        store, name = open_store(self.folder), ".state/failures.jsonl"
        told = {"at": when.isoformat(), "run_id": "1", "dataset": dataset, "error": "Error", "sentence": sentence}
        before = store.read_file(name) or b""
        store.write_file(name, before + f"{json.dumps(told)}\nno line of ours\n".encode())


@pytest.fixture(params=["disk", "objects"])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> QualityDesk:
    """On a disk, and in an object store."""
    return QualityDesk(tmp_path if request.param == "disk" else request.getfixturevalue("prefix"))


@pytest.fixture
def local(tmp_path: Path) -> QualityDesk:
    """On a disk, where a test touches files."""
    return QualityDesk(tmp_path)


def test_what_is_shown_and_forgotten_is_missing_in_a_session_in_which_nothing_came(desk: QualityDesk) -> None:
    desk.publish("symbols", at(MONDAY, 10))
    desk.publish("symbols", at(WEDNESDAY, 10), missing={"IBM": "HTTP 500", "KO": "HTTP 500", "GE": "HTTP 404"})
    desk.fail("symbols", at(TUESDAY, 11), "symbols: no answer")
    desk.fail("symbols", at(TUESDAY, 12), "symbols: HTTP 503")
    assert desk.seen(at(THURSDAY, 21)) == [
        (MONDAY, "available", ""),
        (
            TUESDAY,
            "missing",
            "nothing was published while the session lasted; 2 runs failed, the last: symbols: HTTP 503",
        ),
        (WEDNESDAY, "degraded", "3 did not come (2: HTTP 500)"),
        (THURSDAY, "pending", "nothing was published in the session yet"),
    ]


def test_the_session_of_the_present_waits_until_it_settles(desk: QualityDesk) -> None:
    desk.publish("symbols", at(MONDAY, 10))
    settles = "the session settles at 20:00 New York time"
    assert desk.seen(at(MONDAY, 11)) == [(MONDAY, "pending", settles)]
    assert desk.seen(at(MONDAY, 20)) == [(MONDAY, "available", "")]
    assert desk.seen(at(TUESDAY, 9)) == [(MONDAY, "available", "")]
    assert desk.seen(at(TUESDAY, 10))[1] == (
        TUESDAY,
        "pending",
        "nothing was published in the session yet, which settles at 20:00 New York time",
    )


def test_bars_come_later_and_what_is_computed_from_them_does_not(desk: QualityDesk) -> None:
    for name in ("daily_candles", "volatility"):
        desk.publish(name, at(MONDAY, 20.5))
        # On Wednesday at eleven: the bars of Tuesday are had then, Tuesday's volatility never was.
        desk.publish(name, at(WEDNESDAY, 11))
    assert desk.seen(at(THURSDAY, 9), "daily_candles") == [
        (MONDAY, "available", ""),
        (TUESDAY, "available", f"came in session {WEDNESDAY}"),
        (WEDNESDAY, "pending", "not fetched since the session settled; the next refresh can fetch it"),
    ]
    early = "made before the session settled, and ends with the one before"
    assert desk.seen(at(THURSDAY, 10), "volatility")[:3] == [
        (MONDAY, "available", ""),
        (TUESDAY, "missing", "nothing was published while the session lasted"),
        (WEDNESDAY, "degraded", early),
    ]
    assert desk.seen(at(WEDNESDAY, 21), "volatility")[2] == (WEDNESDAY, "pending", "not made since it settled")


def test_what_stays_fresh_for_a_week_need_not_be_published_in_each_session(desk: QualityDesk) -> None:
    desk.publish("expiration_series", at(MONDAY))
    of_monday = f"of session {MONDAY}, which stays fresh for 7d"
    week = desk.seen(at(date(2026, 11, 25), 9))
    assert [(day, state) for day, state, _ in week] == [
        *((day, "available") for day in (MONDAY, TUESDAY, WEDNESDAY, THURSDAY, FRIDAY)),
        (date(2026, 11, 23), "missing"),
        (date(2026, 11, 24), "pending"),
    ]
    assert {reason for _, state, reason in week[1:5]} == {of_monday}


def test_a_doubt_degrades_and_private_subjects_are_counted_alone(desk: QualityDesk) -> None:
    desk.publish("trading_calendar", at(MONDAY), statistics={f"{CAUTION}2026-12-24": "the broker says otherwise"})
    desk.publish("accounts", at(MONDAY), missing={"5WT00001": "no balance of 5WT00001"})
    desk.fail("accounts", at(TUESDAY, 11), "accounts: 5WT00001 is gone")
    assert desk.seen(at(MONDAY, 21), "trading_calendar") == [(MONDAY, "degraded", "1 to look at")]
    told = desk.seen(at(WEDNESDAY, 10), "accounts")
    assert told[:2] == [
        (MONDAY, "degraded", "1 did not come"),
        (TUESDAY, "missing", "nothing was published while the session lasted; 1 run failed"),
    ]


def test_sessions_that_are_over_are_stored_once_and_those_whose_bars_came_later_again(local: QualityDesk) -> None:
    now, table = at(WEDNESDAY, 10), session_table(local.folder, QUALITY)

    def update(now: datetime) -> list[date]:
        return [part.session for part in update_quality(local.folder, now=now, ttl_of=lambda dataset: dataset.ttl)]

    for name in ("symbols", "daily_candles"):
        local.publish(name, at(MONDAY, 10))
    assert update(at(MONDAY, 22)) == [], "Monday lasts until Tuesday opens"
    assert update(now) == [MONDAY, TUESDAY]
    before = dict(table.parts())
    assert dict(before[TUESDAY].counts) == {"available": 0, "degraded": 0, "pending": 1, "missing": 1}
    assert update(now) == []
    local.publish("daily_candles", at(WEDNESDAY, 11))
    assert local.seen(at(WEDNESDAY, 12), "daily_candles")[0] == (MONDAY, "available", f"came in session {WEDNESDAY}")
    assert update(at(WEDNESDAY, 12)) == [MONDAY, TUESDAY]
    assert dict(table.parts()[TUESDAY].counts)["pending"] == 0
    # Settled sessions are read from there: the logs are not asked any more.
    stored = local.seen(at(WEDNESDAY, 12))
    for log in local.path.glob("*/publications.jsonl"):
        lines = log.read_text().splitlines()
        log.write_text("\n".join([lines[0], lines[-1]]) + "\n")
    assert local.seen(at(WEDNESDAY, 12)) == stored
    assert update(at(WEDNESDAY, 12)) == []


def test_in_an_object_store_sessions_that_are_over_are_stored_once_and_those_whose_bars_came_later_again(
    prefix: ObjectPath,
) -> None:
    desk, now = QualityDesk(prefix), at(WEDNESDAY, 10)

    def update(now: datetime) -> list[date]:
        return [part.session for part in update_quality(prefix, now=now, ttl_of=lambda dataset: dataset.ttl)]

    for name in ("symbols", "daily_candles"):
        desk.publish(name, at(MONDAY, 10))
    assert update(now) == [MONDAY, TUESDAY]
    assert dict(session_table(prefix, QUALITY).parts()[TUESDAY].counts)["pending"] == 1
    assert update(now) == []
    desk.publish("daily_candles", at(WEDNESDAY, 11))
    assert update(at(WEDNESDAY, 12)) == [MONDAY, TUESDAY]
    assert dict(session_table(prefix, QUALITY).parts()[TUESDAY].counts)["pending"] == 0


def test_a_session_that_is_stored_says_what_was_decided_without_it(desk: QualityDesk) -> None:
    desk.publish("symbols", at(MONDAY, 10))
    desk.publish("accounts", at(TUESDAY, 10))
    desk.publish("daily_candles", at(TUESDAY, 21))
    now = at(THURSDAY, 12)
    live = desk.seen(now)
    update_quality(desk.folder, now=now, ttl_of=lambda dataset: dataset.ttl)
    assert desk.seen(now) == live
    assert len(live) == 4 + 3 + 3


def test_invented_publications_are_nothing_once_there_are_real_ones(desk: QualityDesk) -> None:
    desk.publish("symbols", at(MONDAY), is_simulated=True)
    desk.publish("symbols", at(TUESDAY))
    assert desk.seen(at(TUESDAY, 21), "symbols") == [(TUESDAY, "available", "")]


def test_the_table_is_opened_by_its_name(desk: QualityDesk) -> None:
    with pytest.raises(StorageError, match="nothing was published"):
        open_dataset("session_quality", str(desk.folder))
    desk.publish("symbols", at(MONDAY))
    rows = open_dataset("session_quality", str(desk.folder))
    assert isinstance(rows, pl.LazyFrame)
    assert rows.collect_schema() == QUALITY.polars
    assert rows.collect().row(0)[:3] == (MONDAY, "symbols", "available")


def test_a_table_of_an_earlier_version_of_the_program_counts_from_its_manifest_on(local: QualityDesk) -> None:
    schema = DATASETS["symbols"].schema
    provenance = Provenance(dataset="symbols", code_version="1", fetched_at=at(MONDAY))
    publish(schema.polars.to_frame(), schema, local.folder, provenance).wait()
    assert local.seen(at(MONDAY, 21)) == [(MONDAY, "available", "")]
