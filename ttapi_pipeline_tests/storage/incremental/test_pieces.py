# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Tables in pieces: which bytes are copied, and that the files do not show it."""

from __future__ import annotations

import errno
import os
import random
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttapi_pipeline.core.errors import DataError, StorageError
from ttapi_pipeline.core.manifest import Manifest, Provenance
from ttapi_pipeline.storage.hashing import data_version
from ttapi_pipeline.storage.incremental import encoding, hashed_file
from ttapi_pipeline.storage.incremental.pieces import Piece, Pieces
from ttapi_pipeline.storage.incremental.row_groups import read_footer
from ttapi_pipeline.storage.publish import publish
from ttapi_pipeline.storage.repair import check
from ttapi_pipeline.storage.scan import read_csv_back, scan
from ttapi_pipeline.tables.dtypes import UTC_DATETIME
from ttapi_pipeline.tables.schema import DATE, FLOAT, STRING, TIMESTAMP, Column, DatasetSchema
from ttapi_pipeline_tests.support.examples import examples
from ttapi_pipeline_tests.support.flips import flip_any_bit

SCHEMA = DatasetSchema(
    "bars",
    (
        Column("symbol", STRING, "Symbol", is_nullable=False),
        Column("session", DATE, "Day", is_nullable=False),
        Column("close", FLOAT, "Price"),
        Column("note", STRING, "Text that a spreadsheet might run"),
        Column("fetched_at", TIMESTAMP, "When", is_nullable=False),
    ),
    key=("symbol", "session"),
)
NOW = datetime(2026, 11, 21, tzinfo=UTC)
DAY = date(2026, 1, 5)
NOTES = (None, "", "=1+1", "'-x", "a,b", 'say "yes"', "żółw\r\n", "plain")

Table = Mapping[str, Sequence[float]]


@pytest.fixture(autouse=True)
def small_row_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding, "ROW_GROUP_ROWS", 3)


def rows(symbol: str, closes: Sequence[float]) -> pl.DataFrame:
    days = [DAY + timedelta(days=at) for at in range(len(closes))]
    notes = [NOTES[int(close * 10) % len(NOTES)] for close in closes]
    data = {"symbol": [symbol] * len(days), "session": days, "close": closes, "note": notes}
    return pl.DataFrame(data, schema_overrides={"close": pl.Float64, "note": pl.String}).with_columns(
        fetched_at=pl.lit(NOW, UTC_DATETIME)
    )


class Counted:
    """A table of one piece per symbol, which notes whose rows were made."""

    def __init__(self, table: Table) -> None:
        self.made: list[str] = []
        self._table = table

    def pieces(self) -> Pieces:
        ordered = sorted(self._table.items())
        return Pieces(SCHEMA.polars, [self._piece(symbol, closes) for symbol, closes in ordered])

    def _piece(self, symbol: str, closes: Sequence[float]) -> Piece:
        def read() -> pl.DataFrame:
            self.made.append(symbol)
            return rows(symbol, closes)

        return Piece(f"{symbol} {list(closes)}", read)


def store(folder: Path, table: Table, *, code_version: str = "1") -> tuple[list[str], Manifest]:
    """Publish a table; returns the symbols whose rows were made, sorted, and the manifest."""
    counted = Counted(table)
    provenance = Provenance(dataset="bars", code_version=code_version, fetched_at=NOW)
    manifest = publish(counted.pieces(), SCHEMA, folder, provenance).wait()
    return sorted(counted.made), manifest


def row_group_bytes(folder: Path) -> bytes:
    with (folder / "bars.parquet").open("rb") as file:
        _, end = read_footer(file)
        file.seek(0)
        return file.read(end)


def test_only_pieces_that_changed_are_made(tmp_path: Path) -> None:
    table = {"A": [1.0, 2.0], "B": [3.0] * 7, "C": [0.5]}
    assert store(tmp_path, table)[0] == ["A", "B", "C"]
    assert store(tmp_path, table)[0] == []
    assert store(tmp_path, {**table, "B": [4.0] * 8})[0] == ["B"]
    assert store(tmp_path, {"0": [1.0], **table, "B": [4.0] * 8})[0] == ["0"]
    del table["A"]
    assert store(tmp_path, {**table, "B": [4.0] * 8})[0] == []
    assert check(tmp_path, SCHEMA) == []


TABLES = st.dictionaries(
    st.sampled_from(["A", "AA", "B", "BRK/B", "Ż"]), st.lists(st.integers(1, 9).map(lambda n: n / 10), max_size=8)
)


@settings(max_examples=examples(50))
@given(states=st.lists(TABLES, min_size=1, max_size=5))
def test_any_sequence_of_increments_gives_the_bytes_of_a_full_rebuild(states: list[Table]) -> None:
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        grown, rebuilt = Path(one), Path(other)
        incremental = [store(grown, state)[1] for state in states][-1]
        made, full = store(rebuilt, states[-1])
        assert made == sorted(states[-1])
        assert row_group_bytes(grown) == row_group_bytes(rebuilt)
        assert (grown / "bars.csv").read_bytes() == (rebuilt / "bars.csv").read_bytes()
        assert (incremental.data_version, incremental.rows, incremental.csv) == (full.data_version, full.rows, full.csv)
        expected = pl.concat(
            [SCHEMA.polars.to_frame(), *(rows(symbol, closes) for symbol, closes in sorted(states[-1].items()))]
        )
        assert scan(grown, SCHEMA).collect().equals(expected)
        assert read_csv_back(grown, SCHEMA).equals(expected)
        assert full.data_version == data_version(expected)


def test_it_is_what_publishing_the_same_rows_at_once_gives(tmp_path: Path) -> None:
    table = Counted({"A": [1.0, 2.0], "B": [3.0] * 7})
    provenance = Provenance(dataset="bars", code_version="1", fetched_at=NOW)
    in_pieces = publish(table.pieces(), SCHEMA, tmp_path / "pieces", provenance).wait()
    at_once = publish(table.pieces().lazy(), SCHEMA, tmp_path / "whole", provenance).wait()
    assert (in_pieces.data_version, in_pieces.rows, in_pieces.schema) == (
        at_once.data_version,
        at_once.rows,
        at_once.schema,
    )
    assert (tmp_path / "pieces" / "bars.csv").read_bytes() == (tmp_path / "whole" / "bars.csv").read_bytes()
    assert scan(tmp_path / "pieces", SCHEMA).collect().equals(scan(tmp_path / "whole", SCHEMA).collect())


def test_three_readers_see_the_same_rows_after_copying(tmp_path: Path) -> None:
    table = {symbol: [close / 8 for close in range(20)] for symbol in "ABCDEF"}
    store(tmp_path, table)
    table["A"], table["D"] = [2.5], [7.25] * 30
    assert store(tmp_path, table)[0] == ["A", "D"]
    expected = pl.concat([rows(symbol, closes) for symbol, closes in sorted(table.items())])
    path = tmp_path / "bars.parquet"
    assert pl.read_parquet(path).equals(expected)
    assert pl.scan_parquet(path).filter(pl.col("symbol") == "E").collect().equals(rows("E", table["E"]))
    arrow = pq.ParquetFile(path)
    assert pl.DataFrame(arrow.read()).equals(expected)
    # 1 + 3 x 20 / 3 rounded up + 30 / 3 + ... : every piece begins a row group.
    assert arrow.metadata.num_row_groups == 1 + 4 * 7 + 10
    arrow.close()
    with duckdb.connect() as connection:
        count, total, last = connection.execute(
            f"SELECT count(*), sum(close), max(session) FROM read_parquet('{path}') WHERE symbol > 'A'"
        ).fetchall()[0]
    # Four pieces of 0 + 1/8 + ... + 19/8, and 30 times 7.25.
    assert (count, total, last) == (4 * 20 + 30, 4 * 23.75 + 217.5, DAY + timedelta(days=29))


@pytest.mark.parametrize(
    ("name", "line", "made"), [("bars.parquet", "", ["A"]), ("bars.csv", "A,2026", []), ("bars.csv", "B,2026", [])]
)
def test_bytes_that_somebody_changed_are_not_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, line: str, made: list[str]
) -> None:
    # Of several blocks some have been copied when the damage is found.
    monkeypatch.setattr(hashed_file, "_BLOCK_BYTES", 64)
    table = {"A": [1.0, 2.0], "B": [3.0] * 7, "C": [4.0]}
    store(tmp_path, table)
    whole, groups = (tmp_path / "bars.csv").read_bytes(), row_group_bytes(tmp_path)
    path = tmp_path / name
    content = bytearray(path.read_bytes())
    # In Parquet behind the magic number, where the first piece is.
    content[content.rindex(line.encode()) if line else 10] ^= 0xFF
    path.write_bytes(bytes(content))
    assert store(tmp_path, table)[0] == made
    assert (tmp_path / "bars.csv").read_bytes() == whole
    assert row_group_bytes(tmp_path) == groups
    assert check(tmp_path, SCHEMA) == []


def test_lines_that_somebody_cut_off_are_not_copied(tmp_path: Path) -> None:
    table = {"A": [1.0, 2.0], "B": [3.0] * 7}
    store(tmp_path, table)
    whole = (tmp_path / "bars.csv").read_bytes()
    (tmp_path / "bars.csv").write_bytes(whole[:-9])
    assert store(tmp_path, table)[0] == []
    assert (tmp_path / "bars.csv").read_bytes() == whole
    assert check(tmp_path, SCHEMA) == []


def test_what_cannot_be_read_is_not_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = {"A": [1.0, 2.0], "B": [3.0] * 7}
    store(tmp_path, table)
    groups = row_group_bytes(tmp_path)

    def refuse(*_: object) -> int:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "preadv", refuse)
    assert store(tmp_path, table)[0] == ["A", "B"]
    assert row_group_bytes(tmp_path) == groups
    assert check(tmp_path, SCHEMA) == []


def test_a_disk_that_is_full_while_copying_is_an_error_and_the_old_table_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # More blocks than are read ahead.
    monkeypatch.setattr(hashed_file, "_BLOCK_BYTES", 16)
    table = {"A": [1.0, 2.0], "B": [3.0] * 7}
    store(tmp_path, table)
    before = (tmp_path / "bars.parquet").read_bytes()

    def full(_: object, content: bytes | memoryview) -> None:
        if isinstance(content, memoryview):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(hashed_file.HashedFile, "_write", full)
    with pytest.raises(StorageError, match="free some space"):
        store(tmp_path, table)
    assert (tmp_path / "bars.parquet").read_bytes() == before


def test_what_another_version_of_the_code_made_is_not_copied(tmp_path: Path) -> None:
    table = {"A": [1.0], "B": [3.0]}
    store(tmp_path, table)
    assert store(tmp_path, table, code_version="2")[0] == ["A", "B"]


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"made_by": 1}'])
def test_a_lost_or_damaged_note_costs_time_and_nothing_else(tmp_path: Path, damage: str) -> None:
    table = {"A": [1.0], "B": [3.0]}
    store(tmp_path, table)
    (note,) = (tmp_path / ".state" / "pieces").iterdir()
    if damage:
        note.write_text(damage)
    else:
        note.unlink()
    assert store(tmp_path, table)[0] == ["A", "B"]
    assert store(tmp_path, table)[0] == []


@settings(max_examples=examples(60))
@given(chance=st.randoms(use_true_random=False), name=st.sampled_from(["note", "bars.parquet", "bars.csv"]))
def test_one_bit_of_a_note_or_of_a_stored_file_changes_nothing_of_the_next_publication(
    chance: random.Random, name: str
) -> None:
    table = {"A": [0.1, 0.2], "B": [0.3] * 7, "C": [0.5]}
    changed = {**table, "B": [0.4] * 8}
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        grown, rebuilt = Path(one), Path(other)
        store(grown, table)
        flip_any_bit(grown / ".state" / "pieces" / "bars.json" if name == "note" else grown / name, chance)
        manifest, full = store(grown, changed)[1], store(rebuilt, changed)[1]
        assert row_group_bytes(grown) == row_group_bytes(rebuilt)
        assert (grown / "bars.csv").read_bytes() == (rebuilt / "bars.csv").read_bytes()
        assert (manifest.data_version, manifest.rows, manifest.csv) == (full.data_version, full.rows, full.csv)
        assert check(grown, SCHEMA) == []


def test_a_forced_publication_copies_nothing(tmp_path: Path) -> None:
    table = Counted({"A": [1.0], "B": [3.0]})
    provenance = Provenance(dataset="bars", code_version="1", fetched_at=NOW)
    for _ in range(2):
        publish(table.pieces(), SCHEMA, tmp_path, provenance, is_note_trusted=False).wait()
    assert sorted(table.made) == ["A", "A", "B", "B"]


def test_a_note_of_another_file_is_not_believed(tmp_path: Path) -> None:
    table = {"A": [1.0], "B": [3.0]}
    store(tmp_path, table)
    (note,) = (tmp_path / ".state" / "pieces").iterdir()
    old = note.read_text()
    store(tmp_path, {"A": [2.0], "B": [3.0]})
    note.write_text(old)
    assert store(tmp_path, table)[0] == ["A", "B"]


def test_a_table_stored_at_once_is_followed_by_one_in_pieces(tmp_path: Path) -> None:
    table = {"A": [1.0], "B": [3.0]}
    store(tmp_path, table)
    publish(rows("Z", [1.0]), SCHEMA, tmp_path, Provenance(dataset="bars", code_version="1", fetched_at=NOW)).wait()
    assert store(tmp_path, table)[0] == ["A", "B"]
    assert scan(tmp_path, SCHEMA).select("symbol").collect().to_series().to_list() == ["A", "B"]


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (rows("B", [1.0]), rows("A", [1.0]), "bars A, 2026-01-05 comes after B, 2026-01-05"),
        (rows("A", [1.0]), rows("A", [2.0]), "is not in the order"),
        (rows("A", [1.0]), rows("B", [1.0, 2.0]).reverse(), "is not in the order of symbol, session"),
        (rows("A", [1.0]), rows("B", [1.0]).with_columns(symbol=pl.lit(None, pl.String)), "symbol is null"),
    ],
)
def test_rows_out_of_order_are_refused_and_the_old_table_stays(
    tmp_path: Path, first: pl.DataFrame, second: pl.DataFrame, message: str
) -> None:
    store(tmp_path, {"A": [9.0]})
    table = Pieces(SCHEMA.polars, [Piece("1", lambda: first), Piece("2", lambda: second)])
    with pytest.raises(DataError, match=message):
        publish(table, SCHEMA, tmp_path, Provenance(dataset="bars", code_version="1", fetched_at=NOW))
    assert scan(tmp_path, SCHEMA).select("close").collect().item() == 9.0
    assert check(tmp_path, SCHEMA) == []
    assert store(tmp_path, {"A": [9.0]})[0] == []


def test_what_the_disk_says_once_is_heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store(tmp_path, {"A": [1.0]})
    before = (tmp_path / "bars.parquet").read_bytes()
    told: list[int] = []

    def sync(descriptor: int) -> None:
        told.append(descriptor)
        if len(told) == 1:
            raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(hashed_file, "_SYNCED_BYTES", 1)
    monkeypatch.setattr(os, "fsync", sync)
    with pytest.raises(StorageError, match="Input/output error"):
        store(tmp_path, {"A": [2.0], "B": [3.0]})
    assert (tmp_path / "bars.parquet").read_bytes() == before


def test_no_rows_make_an_empty_table(tmp_path: Path) -> None:
    tables: list[Table] = [{}, {"A": []}, {"A": [1.0]}, {}]
    for table in tables:
        _, manifest = store(tmp_path, table)
        assert manifest.rows == scan(tmp_path, SCHEMA).collect().height == sum(map(len, table.values()))
        assert check(tmp_path, SCHEMA) == []


def test_the_csv_may_be_written_in_the_background(tmp_path: Path) -> None:
    provenance = Provenance(dataset="bars", code_version="1", fetched_at=NOW)
    with ThreadPoolExecutor(max_workers=1) as executor:
        table = Counted({"A": [1.0, 2.0], "B": [3.0] * 7})
        published = publish(table.pieces(), SCHEMA, tmp_path, provenance, executor=executor)
        assert published.wait().csv is not None
    assert check(tmp_path, SCHEMA) == []
