# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Bars in an object store: every earlier table is read from the one of now, a day after its rows have gone, too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from ttapi_pipeline.core.declaration import Keeps
from ttapi_pipeline.core.errors import ConflictError, CorruptFileError
from ttapi_pipeline.core.manifest import Manifest, Provenance
from ttapi_pipeline.storage.hashing import data_version
from ttapi_pipeline.storage.objects import bucket
from ttapi_pipeline.storage.objects.location import ObjectPath
from ttapi_pipeline.storage.objects.pruning import GRACE, removable
from ttapi_pipeline.storage.publish import publish
from ttapi_pipeline.storage.stored import read_manifest
from ttapi_pipeline.storage.versions.comparing import compare
from ttapi_pipeline.storage.versions.keeping import Retention
from ttapi_pipeline.storage.versions.reading import open_version, version_at, versions
from ttapi_pipeline.tables.schema import DATE, FLOAT, STRING, TIMESTAMP, Column, DatasetSchema

BARS = DatasetSchema(
    "bars",
    (
        Column("symbol", STRING, "Symbol", is_nullable=False),
        Column("session", DATE, "Day", is_nullable=False),
        Column("close", FLOAT, "Price"),
        Column("fetched_at", TIMESTAMP, "When", is_nullable=False),
    ),
    key=("symbol", "session"),
)
MONDAY = datetime(2026, 1, 5, 21, tzinfo=UTC)
CHANGES = Retention(Keeps.CHANGES, newest=2)

Table = Mapping[tuple[str, int], tuple[float | None, int]]
"""A close, and the hour in which it was fetched, by symbol and day."""


def rows(table: Table) -> pl.DataFrame:
    data = [
        (symbol, date(2026, 1, 5) + timedelta(days=day), close, MONDAY + timedelta(hours=hour))
        for (symbol, day), (close, hour) in table.items()
    ]
    return pl.DataFrame(data, schema=BARS.polars, orient="row").sort("symbol", "session")


def grown(days: int) -> dict[tuple[str, int], tuple[float | None, int]]:
    return {(symbol, day): (float(day), 0) for symbol in "ABCD" for day in range(days)}


def store(place: ObjectPath, table: Table, hour: int, *, replaces: str = "*", is_simulated: bool = False) -> Manifest:
    at = MONDAY + timedelta(hours=hour)
    provenance = Provenance(dataset="bars", code_version="1", fetched_at=at, is_simulated=is_simulated)
    return publish(rows(table), BARS, place, provenance, retention=CHANGES, replaces=replaces).wait()


def known(place: ObjectPath, hour: int) -> pl.DataFrame:
    version = version_at(place, "bars", MONDAY + timedelta(hours=hour, minutes=30))
    return open_version(place, BARS, version).frame.collect()


def prune_a_day_later(place: ObjectPath) -> list[str]:
    """What a publication would do that comes when nothing is young; the names that go."""
    current = read_manifest(place, "bars")
    assert current is not None
    listed = bucket.listed(place / "bars")
    newest = replace(listed[0], path=place / "bars" / "later", written_at=listed[0].written_at + 2 * GRACE)
    gone = removable([*listed, newest], current, CHANGES)
    bucket.remove(gone)
    return [path.name for path in gone]


def changes(place: ObjectPath) -> list[ObjectPath]:
    return [each.path for each in bucket.listed(place / "bars" / "changes")]


def test_each_instant_has_the_bars_that_were_known_then_when_their_rows_are_gone(prefix: ObjectPath) -> None:
    tables: list[Table] = [grown(5)]
    # A session more; one that is fetched again and revised; one that is gone, and comes back; a symbol that comes.
    tables.append({**tables[-1], **{(symbol, 5): (5.0, 1) for symbol in "ABCD"}, ("B", 4): (4.0, 1)})
    tables.append({**tables[-1], ("B", 4): (4.5, 2), ("C", 0): (0.0, 2)})
    tables.append({key: cell for key, cell in tables[-1].items() if key != ("B", 4)})
    tables.append({**tables[-1], ("B", 4): (4.5, 4), ("E", 0): (None, 4)})
    stored = [store(prefix, table, hour) for hour, table in enumerate(tables)]
    assert len(changes(prefix)) == len(tables) - 1
    replaced = {f"{each.write_id}.{ending}" for each in stored[:-1] for ending in ("parquet", "csv")}
    assert set(prune_a_day_later(prefix)) == replaced
    for hour, (table, manifest) in enumerate(zip(tables, stored, strict=True)):
        assert_frame_equal(known(prefix, hour), rows(table))
        assert data_version(known(prefix, hour)) == manifest.data_version
    # The next publication leads back through all of them.
    store(prefix, {**tables[-1], ("E", 1): (1.0, 5)}, 5)
    assert_frame_equal(known(prefix, 0), rows(tables[0]))
    first, last = versions(prefix, "bars")[0], versions(prefix, "bars")[-1]
    between = compare(prefix, BARS, first, last)
    assert data_version(between.apply(rows(tables[0]))) == last.manifest.data_version


def test_a_part_of_an_earlier_table_is_that_part(prefix: ObjectPath) -> None:
    store(prefix, grown(8), 0)
    store(prefix, {**grown(8), ("A", 8): (8.0, 1), ("B", 2): (2.5, 1)}, 1)
    prune_a_day_later(prefix)
    version = version_at(prefix, "bars", MONDAY + timedelta(minutes=30))
    frame = open_version(prefix, BARS, version).frame
    assert_frame_equal(frame.filter(symbol="B").collect(), rows(grown(8)).filter(symbol="B"))
    assert frame.select(pl.len()).collect().item() == 32


def test_a_table_that_changed_by_more_than_half_is_kept_whole(prefix: ObjectPath) -> None:
    first = store(prefix, grown(6), 0)
    store(prefix, dict.fromkeys(grown(6), (1000.0, 1)), 1)
    assert changes(prefix) == []
    assert prune_a_day_later(prefix) == [f"{first.write_id}.csv"]
    assert_frame_equal(known(prefix, 0), rows(grown(6)))


def test_what_a_writer_has_changed_that_lost_its_race_counts_for_nothing(prefix: ObjectPath) -> None:
    first = store(prefix, grown(6), 0)
    winner = {**grown(6), ("A", 6): (6.0, 1)}

    def overtaken(frame: pl.DataFrame) -> pl.DataFrame:
        """The rows, while another program publishes."""
        if read_manifest(prefix, "bars") == first:
            store(prefix, winner, 1)
        return frame

    late = rows({**grown(6), ("B", 6): (6.0, 2)}).lazy().map_batches(overtaken)
    provenance = Provenance(dataset="bars", code_version="1", fetched_at=MONDAY + timedelta(hours=2))
    with pytest.raises(ConflictError):
        publish(late, BARS, prefix, provenance, retention=CHANGES, replaces=first.write_id)
    assert len(changes(prefix)) == 2
    assert_frame_equal(known(prefix, 0), rows(grown(6)))
    prune_a_day_later(prefix)
    assert len(changes(prefix)) == 1
    assert_frame_equal(known(prefix, 0), rows(grown(6)))
    assert_frame_equal(known(prefix, 1), rows(winner))


def test_damaged_changes_are_named_and_cost_what_is_read_through_them(prefix: ObjectPath) -> None:
    for hour in range(3):
        store(prefix, {**grown(6), **{("A", 6 + more): (6.0, more) for more in range(hour)}}, hour)
    prune_a_day_later(prefix)
    oldest, _ = sorted(
        changes(prefix), key=lambda path: str(versions(prefix, "bars")[0].manifest.write_id) not in str(path)
    )
    content = bucket.read(oldest)
    assert content is not None
    bucket.write(oldest, content.content[:-1] + b"x")
    with pytest.raises(CorruptFileError, match=oldest.name):
        known(prefix, 0)
    assert_frame_equal(known(prefix, 1), rows({**grown(6), ("A", 6): (6.0, 0)}))


def test_invented_bars_are_no_knowledge_once_there_are_real_ones(prefix: ObjectPath) -> None:
    store(prefix, grown(6), 0, is_simulated=True)
    store(prefix, {**grown(6), ("A", 6): (6.0, 1)}, 1)
    assert changes(prefix) == []
