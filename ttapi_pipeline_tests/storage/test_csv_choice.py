# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""TT_CSV: which rows the CSV has, what the manifest says of them, and how a change of mind is carried out."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from ttapi_pipeline.core.csv_choice import MOST_SHEET_ROWS, CsvChoice
from ttapi_pipeline.core.errors import CorruptFileError
from ttapi_pipeline.core.manifest import Manifest, Provenance
from ttapi_pipeline.core.seals import with_checksum
from ttapi_pipeline.datasets.daily_candles.table import DAILY_CANDLES
from ttapi_pipeline.storage.incremental.pieces import Piece, Pieces
from ttapi_pipeline.storage.publish import publish
from ttapi_pipeline.storage.recent_rows import recent_rows
from ttapi_pipeline.storage.repair import check, repair
from ttapi_pipeline.storage.scan import scan
from ttapi_pipeline.storage.stored import read_manifest, read_stored, with_csv_choice
from ttapi_pipeline.tables.conform import conform

AT = datetime(2026, 11, 20, 21, tzinfo=UTC)
PROVENANCE = Provenance(dataset="daily_candles", code_version="1", fetched_at=AT)
FIRST = date(2026, 11, 2)


def candles(*symbols: str, sessions: int = 4) -> pl.DataFrame:
    rows = [
        {
            "symbol": symbol,
            "session": FIRST + timedelta(days=day),
            "close": 10.0 + day,
            "is_final": True,
            "source": "dxlink",
            "fetched_at": AT,
        }
        for symbol in symbols
        for day in range(sessions)
    ]
    return conform(pl.DataFrame(rows, schema=DAILY_CANDLES.polars), DAILY_CANDLES)


@pytest.fixture
def small_sheet(monkeypatch: pytest.MonkeyPatch) -> None:
    """A spreadsheet of five rows."""

    def five(table: pl.LazyFrame) -> tuple[pl.LazyFrame, int]:
        return recent_rows(table, most=5)

    monkeypatch.setattr("ttapi_pipeline.storage.encode.recent_rows", five)


def manifest_in(folder: Path) -> Manifest:
    manifest = read_manifest(folder, "daily_candles")
    assert manifest is not None
    return manifest


def lines(folder: Path) -> list[str]:
    rows = (line.split(",") for line in (folder / "daily_candles.csv").read_text().splitlines()[1:])
    return [",".join(row[:2]) for row in rows]


def test_recent_rows_are_whole_sessions_in_the_order_of_the_file() -> None:
    table = candles("AAPL", "KO").lazy()
    kept, rows = recent_rows(table, most=5)
    newest = [FIRST + timedelta(days=day) for day in (2, 3)]
    assert (kept.collect().select("symbol", "session").rows(), rows) == (
        [(symbol, day) for symbol in ("AAPL", "KO") for day in newest],
        4,
    )
    assert recent_rows(table, most=8)[1] == recent_rows(table)[1] == 8
    assert recent_rows(table, most=1)[1] == recent_rows(table, most=1)[0].collect().height == 0
    assert recent_rows(table.drop("session"), most=5)[1] == 8
    assert MOST_SHEET_ROWS == 2**20 - 1


@pytest.mark.usefixtures("small_sheet")
def test_the_manifest_says_how_many_rows_the_csv_has(tmp_path: Path) -> None:
    publish(candles("AAPL", "KO"), DAILY_CANDLES, tmp_path, PROVENANCE, csv_choice=CsvChoice.RECENT)
    manifest = manifest_in(tmp_path)
    assert (manifest.rows, manifest.csv_rows, manifest.csv_choice) == (8, 4, CsvChoice.RECENT)
    assert lines(tmp_path) == ["AAPL,2026-11-04", "AAPL,2026-11-05", "KO,2026-11-04", "KO,2026-11-05"]
    assert not manifest.is_csv_whole
    assert check(tmp_path, DAILY_CANDLES) == []
    assert not read_stored(tmp_path, "daily_candles").is_lagging


def test_off_takes_the_csv_of_before_away(tmp_path: Path) -> None:
    publish(candles("AAPL"), DAILY_CANDLES, tmp_path, PROVENANCE)
    publish(candles("AAPL", "KO"), DAILY_CANDLES, tmp_path, PROVENANCE, csv_choice=CsvChoice.OFF)
    assert not (tmp_path / "daily_candles.csv").exists()
    assert (manifest_in(tmp_path).csv, manifest_in(tmp_path).csv_choice) == (None, CsvChoice.OFF)
    stored = read_stored(tmp_path, "daily_candles")
    assert (stored.lost_files, stored.is_lagging) == ((), False)
    assert check(tmp_path, DAILY_CANDLES) == []


@pytest.mark.usefixtures("small_sheet")
@pytest.mark.parametrize("before", CsvChoice)
@pytest.mark.parametrize("after", CsvChoice)
def test_another_choice_makes_the_csv_anew_from_the_parquet_file(
    tmp_path: Path, before: CsvChoice, after: CsvChoice
) -> None:
    publish(candles("AAPL", "KO"), DAILY_CANDLES, tmp_path, PROVENANCE, csv_choice=before)
    parquet = (tmp_path / "daily_candles.parquet").read_bytes()
    is_other = before is not after
    assert with_csv_choice(read_stored(tmp_path, "daily_candles"), after).is_lagging is is_other
    assert bool(check(tmp_path, DAILY_CANDLES, csv_choice=after)) is is_other
    assert bool(repair(tmp_path, DAILY_CANDLES, csv_choice=after)) is is_other
    assert manifest_in(tmp_path).csv_choice is after
    found = len(lines(tmp_path)) if (tmp_path / "daily_candles.csv").exists() else None
    assert found == {CsvChoice.FULL: 8, CsvChoice.RECENT: 4, CsvChoice.OFF: None}[after]
    assert (tmp_path / "daily_candles.parquet").read_bytes() == parquet
    assert check(tmp_path, DAILY_CANDLES, csv_choice=after) == check(tmp_path, DAILY_CANDLES) == []


def test_a_csv_that_somebody_removed_before_switching_it_off_is_not_lost(tmp_path: Path) -> None:
    publish(candles("AAPL"), DAILY_CANDLES, tmp_path, PROVENANCE)
    (tmp_path / "daily_candles.csv").unlink()
    stored = read_stored(tmp_path, "daily_candles")
    assert stored.lost_files == ("daily_candles.csv",)
    assert with_csv_choice(stored, CsvChoice.OFF).lost_files == ()
    repair(tmp_path, DAILY_CANDLES, csv_choice=CsvChoice.OFF)
    assert read_stored(tmp_path, "daily_candles").lost_files == ()


@pytest.mark.usefixtures("small_sheet")
@pytest.mark.parametrize("choice", [CsvChoice.RECENT, CsvChoice.OFF])
def test_a_csv_without_every_row_does_not_take_the_place_of_a_damaged_file(tmp_path: Path, choice: CsvChoice) -> None:
    publish(candles("AAPL", "KO"), DAILY_CANDLES, tmp_path, PROVENANCE, csv_choice=choice)
    path = tmp_path / "daily_candles.parquet"
    path.write_bytes(path.read_bytes()[:-40] + b"\0" * 40)
    with pytest.raises(CorruptFileError, match="tt refresh daily_candles --force"):
        repair(tmp_path, DAILY_CANDLES)


@pytest.mark.usefixtures("small_sheet")
@pytest.mark.parametrize("choice", CsvChoice)
def test_pieces_are_copied_whatever_the_csv_has(tmp_path: Path, choice: CsvChoice) -> None:
    made: list[str] = []

    def piece(symbol: str) -> Piece:
        def rows() -> pl.DataFrame:
            made.append(symbol)
            return candles(symbol)

        return Piece(symbol, rows)

    for symbols in (["AAPL", "KO"], ["AAPL", "KO", "XOM"]):
        pieces = Pieces(DAILY_CANDLES.polars, [piece(symbol) for symbol in symbols])
        publish(pieces, DAILY_CANDLES, tmp_path, PROVENANCE, csv_choice=choice)
    assert made == ["AAPL", "KO", "XOM"]
    assert scan(tmp_path, DAILY_CANDLES).collect().equals(candles("AAPL", "KO", "XOM"))
    assert check(tmp_path, DAILY_CANDLES) == []


def test_a_manifest_from_before_the_choice_has_the_whole_csv(tmp_path: Path) -> None:
    publish(candles("AAPL"), DAILY_CANDLES, tmp_path, PROVENANCE)
    document = json.loads((tmp_path / "daily_candles.json").read_text())
    older = {key: value for key, value in document.items() if not key.startswith("csv_")}
    manifest = Manifest.from_json(json.dumps(with_checksum(older)), name="daily_candles.json")
    assert (manifest.csv_choice, manifest.csv_rows, manifest.is_csv_whole) == (CsvChoice.FULL, None, True)
