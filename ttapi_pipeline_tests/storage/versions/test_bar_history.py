# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Tables of bars keep what each publication changed, and every earlier table is read from the one of now."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from ttapi_pipeline.core.declaration import Keeps
from ttapi_pipeline.core.errors import CorruptFileError, StorageError
from ttapi_pipeline.core.manifest import Manifest, Provenance
from ttapi_pipeline.storage.hashing import data_version
from ttapi_pipeline.storage.incremental.pieces import Piece, Pieces
from ttapi_pipeline.storage.publish import publish
from ttapi_pipeline.storage.repair import repair
from ttapi_pipeline.storage.scan import scan
from ttapi_pipeline.storage.versions import restoring, row_changes
from ttapi_pipeline.storage.versions.comparing import compare
from ttapi_pipeline.storage.versions.difference import difference
from ttapi_pipeline.storage.versions.keeping import Retention
from ttapi_pipeline.storage.versions.reading import open_version, version_at, versions
from ttapi_pipeline.storage.versions.steps import steps_of
from ttapi_pipeline.tables.schema import COUNT, DATE, FLOAT, STRING, TIMESTAMP, Column, DatasetSchema
from ttapi_pipeline_tests.support.examples import examples
from ttapi_pipeline_tests.support.flips import flip_bit

BARS = DatasetSchema(
    "bars",
    (
        Column("symbol", STRING, "Symbol", is_nullable=False),
        Column("session", DATE, "Day"),
        Column("close", FLOAT, "Price"),
        Column("fetched_at", TIMESTAMP, "When", is_nullable=False),
    ),
    key=("symbol", "session"),
)
NO_DAY = 6
"""Stands for a row without a day: a key may have nulls."""
MONDAY = datetime(2026, 1, 5, 21, tzinfo=UTC)
FIRST = date(2026, 1, 5)
CHANGES = Retention(Keeps.CHANGES, newest=2)

Cell = tuple[float | None, int]
"""A close, and the hour in which it was fetched."""
Table = Mapping[tuple[str, int], Cell]
"""By symbol and day."""


def rows(table: Table) -> pl.DataFrame:
    """The table as a frame."""
    data = [
        (symbol, None if day == NO_DAY else FIRST + timedelta(days=day), close, MONDAY + timedelta(hours=hour))
        for (symbol, day), (close, hour) in table.items()
    ]
    return pl.DataFrame(data, schema=BARS.polars, orient="row").sort("symbol", "session")


def pieces(table: Table) -> Pieces:
    """The table in a piece per symbol, known by its rows."""

    def piece(symbol: str) -> Piece:
        frame = rows({key: cell for key, cell in table.items() if key[0] == symbol})
        return Piece(frame.write_csv(), lambda: frame)

    return Pieces(BARS.polars, [piece(symbol) for symbol in sorted({symbol for symbol, _ in table})])


def store(
    folder: Path, table: pl.DataFrame | Pieces, hour: int, *, schema: DatasetSchema = BARS, is_simulated: bool = False
) -> Manifest:
    """Publish a table that was fetched in an hour, by a run that took no time."""
    at = MONDAY + timedelta(hours=hour)
    provenance = Provenance(dataset="bars", code_version="1", fetched_at=at, is_simulated=is_simulated)
    return publish(table, schema, folder, provenance, retention=CHANGES).wait()


def known(folder: Path, hour: int) -> pl.DataFrame:
    """The table as it was known in the middle of an hour."""
    version = version_at(folder, "bars", MONDAY + timedelta(hours=hour, minutes=30))
    return open_version(folder, BARS, version).frame.collect()


def grown(days: int, *, symbols: str = "ABCD", hour: int = 0) -> dict[tuple[str, int], Cell]:
    """Some days of some symbols, fetched in an hour."""
    return {(symbol, day): (float(day), hour) for symbol in symbols for day in range(days)}


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_changes, "_BATCH_ROWS", 3)
    monkeypatch.setattr(restoring, "_BATCH_ROWS", 3)


def test_each_instant_has_the_bars_that_were_known_then_with_the_times_of_then(tmp_path: Path) -> None:
    tables: list[dict[tuple[str, int], Cell]] = [grown(5)]
    # A session more; one that is fetched again and revised; one that is gone, and comes back; a symbol that comes.
    tables.append(tables[-1] | {(symbol, 5): (5.0, 1) for symbol in "ABCD"} | {("B", 4): (4.0, 1)})
    tables.append(tables[-1] | {("B", 4): (4.5, 2), ("C", 0): (0.0, 2)})
    tables.append({key: cell for key, cell in tables[-1].items() if key != ("B", 4)})
    tables.append(tables[-1] | {("B", 4): (4.5, 4), ("E", 0): (None, 4)})
    stored = [store(tmp_path, rows(table), hour) for hour, table in enumerate(tables)]
    for hour, (table, manifest) in enumerate(zip(tables, stored, strict=True)):
        assert_frame_equal(known(tmp_path, hour), rows(table))
        assert data_version(known(tmp_path, hour)) == manifest.data_version
        assert known(tmp_path, hour).filter(pl.col("fetched_at") > MONDAY + timedelta(hours=hour)).is_empty()
    assert len(steps_of(tmp_path, "bars")) == len(tables) - 1
    own = tmp_path / "bars" / f"{stored[-1].write_id}.parquet"
    assert {path.name for path in (tmp_path / "bars").iterdir()} == {own.name, "changes", "publications.jsonl"}
    # It takes no room.
    assert own.samefile(tmp_path / "bars.parquet")


def test_a_publication_keeps_the_rows_that_it_changes_and_no_others(tmp_path: Path) -> None:
    table = grown(20)
    store(tmp_path, rows(table), 0)
    store(tmp_path, rows(table | {("A", 20): (20.0, 1), ("B", 3): (3.5, 1), ("C", 3): (3.0, 1)}), 1)
    (step,) = steps_of(tmp_path, "bars")
    kept = pl.read_parquet(step.path)
    assert kept.rows() == [
        ("new", "A", FIRST + timedelta(days=20), None, None),
        ("changed", "B", FIRST + timedelta(days=3), 3.0, MONDAY),
        ("fetched", "C", FIRST + timedelta(days=3), None, MONDAY),
    ]


cells = st.tuples(st.sampled_from([None, 1.0, 2.0]), st.just(0))
edits = st.dictionaries(
    st.tuples(st.sampled_from("ABCDE"), st.integers(0, 6)),
    st.sampled_from([None, 1.0, 2.0, "gone", "fetched"]),
    max_size=8,
)


@settings(max_examples=examples(50))
@given(
    start=st.dictionaries(st.tuples(st.sampled_from("ABCDE"), st.integers(0, 6)), cells),
    steps=st.lists(edits),
    data=st.data(),
)
def test_whatever_becomes_of_the_rows_every_version_is_read_as_it_was(
    start: Table, steps: list[dict[tuple[str, int], float | str | None]], data: st.DataObject
) -> None:
    table = dict(start)
    tables = [dict(table)]
    for hour, edit in enumerate(steps, 1):
        for key, value in edit.items():
            if value == "gone":
                table.pop(key, None)
            elif value == "fetched":
                table[key] = (table.get(key, (9.0, 0))[0], hour)
            else:
                table[key] = (value if isinstance(value, float) else None, hour)
        tables.append(dict(table))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for hour, each in enumerate(tables):
            # Pieces have keys without nulls.
            can_be_pieces = all(day != NO_DAY for _, day in each)
            store(folder, pieces(each) if can_be_pieces and data.draw(st.booleans()) else rows(each), hour)
        for hour, each in enumerate(tables):
            assert_frame_equal(known(folder, hour), rows(each))


@settings(max_examples=examples(50))
@given(start=st.integers(0, 6), count=st.integers(1, 9), symbol=st.sampled_from("ABX"))
def test_a_part_of_an_earlier_table_is_that_part(start: int, count: int, symbol: str) -> None:
    table = grown(8)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store(folder, rows(table), 0)
        store(folder, rows(table | {("A", 8): (8.0, 1), ("B", 2): (2.5, 1), ("D", 7): (7.0, 1)}), 1)
        version = version_at(folder, "bars", MONDAY + timedelta(minutes=30))
        frame, whole = open_version(folder, BARS, version).frame, rows(table)
        chosen = pl.col("symbol") == symbol, pl.col("session") >= FIRST + timedelta(days=start)
        assert_frame_equal(frame.filter(*chosen).collect(), whole.filter(*chosen))
        assert_frame_equal(frame.filter(pl.col("close") > start).collect(), whole.filter(pl.col("close") > start))
        assert_frame_equal(frame.head(count).collect(), whole.head(count))
        assert_frame_equal(frame.slice(start, count).collect(), whole.slice(start, count))
        assert_frame_equal(frame.select("close").collect(), whole.select("close"))
        assert frame.select(pl.len()).collect().item() == whole.height


@settings(max_examples=examples(50))
@given(st.lists(edits, min_size=1, max_size=3), st.data())
def test_the_difference_of_two_versions_applied_to_the_first_gives_the_second(
    steps: list[dict[tuple[str, int], float | str | None]], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder, table = Path(name), grown(6)
        store(folder, rows(table), 0)
        for hour, edit in enumerate(steps, 1):
            table |= {key: (value, hour) for key, value in edit.items() if not isinstance(value, str)}
            table = {key: cell for key, cell in table.items() if edit.get(key) != "gone"}
            store(folder, rows(table), hour)
        found = versions(folder, "bars")
        first, second = data.draw(st.sampled_from(found)), data.draw(st.sampled_from(found))
        frames = [open_version(folder, BARS, each).frame.collect() for each in (first, second)]
        between = compare(folder, BARS, first, second)
        assert data_version(between.apply(frames[0])) == second.manifest.data_version
        plain = difference(frames[0].lazy(), frames[1].lazy(), BARS.key)
        for part in ("new", "gone", "before", "after"):
            assert_frame_equal(getattr(between, part), getattr(plain, part))


def test_a_table_that_changed_by_more_than_half_is_kept_whole(tmp_path: Path) -> None:
    table = grown(6)
    first = store(tmp_path, rows(table), 0)
    store(tmp_path, rows(dict.fromkeys(table, (1000.0, 1))), 1)
    assert (tmp_path / "bars" / f"{first.write_id}.parquet").exists()
    assert steps_of(tmp_path, "bars") == []
    store(tmp_path, rows(dict.fromkeys(table, (1000.0, 1)) | {("A", 9): (9.0, 2)}), 2)
    assert_frame_equal(known(tmp_path, 0), rows(table))
    assert_frame_equal(known(tmp_path, 1), rows(dict.fromkeys(table, (1000.0, 1))))


def test_a_split_restates_the_past_of_a_symbol_and_what_was_known_before_stays(tmp_path: Path) -> None:
    before = grown(6)
    after = {
        (symbol, day): (close if symbol != "B" else (close or 0) / 2, hour)
        for (symbol, day), (close, hour) in before.items()
    }
    after |= {(symbol, 7): (7.0, 1) for symbol in "ABCD"}
    store(tmp_path, rows(before), 0)
    store(tmp_path, rows(after), 1)
    (step,) = steps_of(tmp_path, "bars")
    # The close of the first day is 0, and half of it is no change.
    assert pl.read_parquet(step.path)["change"].to_list() == ["new", *["changed"] * 5, *["new"] * 3]
    assert_frame_equal(known(tmp_path, 0), rows(before))
    assert_frame_equal(known(tmp_path, 1), rows(after))


def test_a_table_with_other_columns_is_kept_whole_with_the_columns_of_then(tmp_path: Path) -> None:
    table = grown(6)
    store(tmp_path, rows(table), 0)
    wider = replace(BARS, columns=(*BARS.columns[:3], Column("volume", COUNT, "Shares"), BARS.columns[3]))
    frame = rows(table).with_columns(volume=pl.lit(5))
    store(tmp_path, frame, 1, schema=wider)
    store(
        tmp_path, pl.concat([frame, rows({("A", 9): (9.0, 2)}).with_columns(volume=5)], how="diagonal"), 2, schema=wider
    )
    assert known(tmp_path, 0).columns == ["symbol", "session", "close", "fetched_at"]
    assert_frame_equal(known(tmp_path, 0), rows(table))
    assert known(tmp_path, 1)["volume"].to_list() == [5] * len(table)


def test_what_a_damaged_table_was_is_a_gap_with_a_name_and_the_history_goes_on(tmp_path: Path) -> None:
    table = grown(6)
    store(tmp_path, rows(table), 0)
    store(tmp_path, rows(table | {("A", 6): (6.0, 1)}), 1)
    flip_bit(tmp_path / "bars.parquet", 100, 3)
    store(tmp_path, rows(table | {("A", 6): (6.0, 2)}), 2)
    store(tmp_path, rows(table | {("A", 6): (6.0, 2), ("A", 7): (7.0, 3)}), 3)
    assert_frame_equal(known(tmp_path, 2), rows(table | {("A", 6): (6.0, 2)}))
    for hour in (0, 1):
        with pytest.raises(StorageError, match=r"rows of bars of .* are not kept; the next after it is of .*T23:00"):
            known(tmp_path, hour)


def test_a_table_that_was_mended_from_its_csv_loses_no_history(tmp_path: Path) -> None:
    table = grown(6)
    store(tmp_path, rows(table), 0)
    store(tmp_path, rows(table | {("A", 6): (6.0, 1)}), 1)
    flip_bit(tmp_path / "bars.parquet", 100, 3)
    repair(tmp_path, BARS)
    assert_frame_equal(known(tmp_path, 0), rows(table))
    store(tmp_path, rows(table | {("A", 6): (6.0, 1), ("A", 7): (7.0, 2)}), 2)
    assert_frame_equal(known(tmp_path, 0), rows(table))
    assert_frame_equal(known(tmp_path, 1), rows(table | {("A", 6): (6.0, 1)}))


def test_a_damaged_change_is_named_and_versions_after_it_are_not_touched(tmp_path: Path) -> None:
    tables = [grown(6), grown(6) | {("A", 6): (6.0, 1)}, grown(6) | {("A", 6): (6.5, 2)}]
    stored = [store(tmp_path, rows(table), hour) for hour, table in enumerate(tables)]
    (step,) = (each for each in steps_of(tmp_path, "bars") if each.before == stored[0].write_id)
    flip_bit(step.path, 100, 3)
    with pytest.raises(CorruptFileError, match=f"{step.path.name} is damaged"):
        known(tmp_path, 0)
    assert_frame_equal(known(tmp_path, 1), rows(tables[1]))


def test_changes_to_a_table_that_never_came_are_no_history_and_go_with_the_next_publication(tmp_path: Path) -> None:
    tables = [grown(6), grown(6) | {("A", 6): (6.0, 1)}]
    store(tmp_path, rows(tables[0]), 0)
    stored = [(path, path.read_bytes()) for path in tmp_path.iterdir() if path.is_file()]
    store(tmp_path, rows(tables[0] | {("B", 1): (99.0, 1)}), 1)
    (stray,) = steps_of(tmp_path, "bars")
    # A writer that died after it had stored the changes, and before it stored the table.
    for path, content in stored:
        path.write_bytes(content)
    log = tmp_path / "bars" / "publications.jsonl"
    log.write_bytes(log.read_bytes().splitlines(keepends=True)[0])
    assert_frame_equal(known(tmp_path, 0), rows(tables[0]))
    store(tmp_path, rows(tables[1]), 1)
    assert stray.path.exists() is False
    assert_frame_equal(known(tmp_path, 0), rows(tables[0]))
    assert_frame_equal(known(tmp_path, 1), rows(tables[1]))


def test_a_table_whose_manifest_was_not_written_leads_back_to_those_before(tmp_path: Path) -> None:
    tables = [grown(6), grown(6) | {("A", 6): (6.0, 1)}, grown(6) | {("A", 6): (7.0, 2)}]
    store(tmp_path, rows(tables[0]), 0)
    files = [tmp_path / "bars.json", tmp_path / "bars.csv", tmp_path / "bars" / "publications.jsonl"]
    before = [path.read_bytes() for path in files]
    store(tmp_path, rows(tables[1]), 1)
    # A writer that died between the Parquet file and the manifest.
    for path, content in zip(files, before, strict=True):
        path.write_bytes(content)
    assert_frame_equal(known(tmp_path, 0), rows(tables[0]))
    store(tmp_path, rows(tables[2]), 2)
    assert_frame_equal(known(tmp_path, 0), rows(tables[0]))
    assert_frame_equal(known(tmp_path, 2), rows(tables[2]))


def test_invented_bars_that_real_ones_replace_are_not_kept(tmp_path: Path) -> None:
    store(tmp_path, rows(grown(6)), 0, is_simulated=True)
    store(tmp_path, rows(grown(7)), 1)
    assert steps_of(tmp_path, "bars") == []
    assert [each.file is None for each in versions(tmp_path, "bars")] == [True, False]


def test_a_copy_of_the_folder_answers_as_the_folder_does(tmp_path: Path) -> None:
    tables = [grown(6), grown(6) | {("A", 6): (6.0, 1)}]
    for hour, table in enumerate(tables):
        store(tmp_path / "data", rows(table), hour)
    shutil.copytree(tmp_path / "data", tmp_path / "copy")
    shutil.rmtree(tmp_path / "data")
    for hour, table in enumerate(tables):
        assert_frame_equal(known(tmp_path / "copy", hour), rows(table))


def test_a_later_publication_does_not_disturb_a_version_that_was_looked_up_or_opened(tmp_path: Path) -> None:
    tables = [grown(6), grown(6) | {("A", 6): (6.0, 1)}, grown(6) | {("A", 6): (7.0, 2)}]
    for hour, table in enumerate(tables[:2]):
        store(tmp_path, rows(table), hour)
    found = [version_at(tmp_path, "bars", MONDAY + timedelta(hours=hour, minutes=30)) for hour in range(2)]
    opened = [open_version(tmp_path, BARS, each).frame for each in found]
    store(tmp_path, rows(tables[2]), 2)
    for frame, version, table in zip(opened, found, tables, strict=False):
        assert_frame_equal(frame.collect(), rows(table))
        assert_frame_equal(open_version(tmp_path, BARS, version).frame.collect(), rows(table))
    assert_frame_equal(scan(tmp_path, BARS).collect(), rows(tables[2]))
