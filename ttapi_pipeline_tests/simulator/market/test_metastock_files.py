# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""MetaStock files of the simulator, read back by a few lines of csv that share nothing with the writer."""

from __future__ import annotations

import csv
from collections import defaultdict
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest

from ttapi_pipeline.core.errors import StorageError
from ttapi_pipeline.core.sessions import sessions_between
from ttapi_pipeline.core.universes import sp500
from ttapi_pipeline.simulator.market.market import Market
from ttapi_pipeline.simulator.market.metastock_files import (
    DEFAULT_FIRST,
    default_last,
    metastock_symbols,
    splits_of_market,
    write_metastock_files,
)

FIRST, LAST = date(2024, 12, 2), date(2025, 1, 31)
AFTER_LAST = datetime(2025, 2, 1, tzinfo=UTC)

Row = tuple[str, float, float, float, float, int]


def read_back(folder: Path) -> dict[str, set[Row]]:
    """Rows by canonical symbol; the ticker is the first value in every dialect, the date the only one of 8 digits."""
    found: dict[str, set[Row]] = defaultdict(set)
    for path in folder.rglob("*"):
        if not path.is_file():
            continue
        with path.open(encoding="utf-8-sig", newline="") as file:
            for values in csv.reader(file):
                if values[0].startswith("<"):
                    continue
                ticker = values[0].removesuffix(".US")
                if path.parent.name == "datalink":
                    ticker = ticker.rpartition(".")[0] if not ticker.startswith(".") else ticker[1:]
                    ticker = f"{ticker[:-1]}/{ticker[-1].upper()}" if ticker[-1].islower() else ticker
                at = next(n for n, text in enumerate(values) if len(text) == 8 and text.isdigit() and n > 0)
                prices = [text for text in values[at + 1 :] if text != "000000"]
                day, (open_, high, low, close) = values[at], map(float, prices[:4])
                found[ticker].add((day, open_, high, low, close, int(prices[4])))
    return dict(found)


@pytest.fixture(scope="module")
def folder(market: Market, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("metastock") / "files"
    symbols = [*metastock_symbols(market), "SPX", "SPY"]
    write_metastock_files(market, target, first=FIRST, last=LAST, symbols=symbols)
    return target


def test_what_the_files_say_is_what_the_bars_say(market: Market, folder: Path) -> None:
    found = read_back(folder)
    listed = {s for s in metastock_symbols(market) if market.instruments[s].listed_date <= LAST}
    assert set(found) == listed | {"SPX", "SPY"}
    for symbol, rows in found.items():
        bars = market.bars(symbol, first=FIRST, at=AFTER_LAST)
        days = [f"{day:%Y%m%d}" for day in bars.sessions.tolist()]
        columns = (bars.open, bars.high, bars.low, bars.close, bars.volume)
        assert rows == set(zip(days, *(column.tolist() for column in columns), strict=True))


def test_a_symbol_has_a_row_for_every_session_of_the_range(folder: Path) -> None:
    days = {f"{session:%Y%m%d}" for session in sessions_between(FIRST, LAST)}
    assert "20250109" not in days  # closed for a day of mourning
    assert {row[0] for row in read_back(folder)["AAPL"]} == days


def test_the_folder_holds_several_dialects(folder: Path) -> None:
    ric = (folder / "datalink" / "BRKb.N.txt").read_bytes().split(b"\r\n")
    assert ric[0] == b"<TICKER>,<PER>,<DTYYYYMMDD>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>"
    assert ric[1].startswith(b"BRKb.N,D,20241202,000000,")
    assert len(list((folder / "datalink").iterdir())) > 350
    assert all(path.name == path.name.lower() for path in (folder / "data").rglob("*.us.txt"))
    assert {path.name for path in (folder / "eoddata").iterdir()} == {"US_2024.txt", "US_2025.txt"}
    unsorted = next((folder / "ascii").glob("*.csv")).read_bytes()
    assert unsorted.startswith(b"\xef\xbb\xbf<Ticker>,")
    dates = [line.split(b",")[1] for line in unsorted.split()[1:]]
    assert dates != sorted(dates)
    assert len(dates) == len(set(dates)) + 1


def test_a_windows_device_name_is_escaped(market: Market, tmp_path: Path) -> None:
    write_metastock_files(market, tmp_path / "files", first=FIRST, last=LAST, symbols=["PRN"])
    assert [path.name[:4] for path in (tmp_path / "files").rglob("*.*")] == ["_PRN"]
    assert set(read_back(tmp_path / "files")) == {"PRN"}


def test_the_same_arguments_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        count = write_metastock_files(
            Market(3), tmp_path / name, first=FIRST, last=LAST, symbols=["AAPL", "BRK/B", "MSFT", "SPX"]
        )
        assert count == 4
    one, two = (
        {path.relative_to(tmp_path / name): path.read_bytes() for path in (tmp_path / name).rglob("*.*")}
        for name in ("one", "two")
    )
    assert one == two
    assert len(one) == 4


def test_files_are_as_traded_before_the_splits_that_they_are_not_adjusted_for(market: Market, tmp_path: Path) -> None:
    splits = {"AAPL": [(date(2024, 12, 16), 20.0), (date(2025, 1, 15), 0.5)]}
    symbols = ["AAPL", "MSFT"]
    write_metastock_files(market, tmp_path / "as", first=FIRST, last=LAST, symbols=symbols)
    write_metastock_files(market, tmp_path / "raw", first=FIRST, last=LAST, symbols=symbols, unadjusted=splits)
    adjusted, raw = read_back(tmp_path / "as"), read_back(tmp_path / "raw")
    assert raw["MSFT"] == adjusted["MSFT"]
    for before, after in zip(sorted(raw["AAPL"]), sorted(adjusted["AAPL"]), strict=True):
        shares = 10.0 if before[0] < "20241216" else 0.5 if before[0] < "20250115" else 1.0
        assert before[1:5] == pytest.approx([price * shares for price in after[1:5]], abs=1e-4)
        assert before[5] == pytest.approx(after[5] / shares, abs=1)


def test_files_as_traded_lack_the_splits_of_the_market(market: Market) -> None:
    split = {
        symbol: splits for symbol, splits in splits_of_market(market, sorted(market.instruments)).items() if splits
    }
    assert len(split) > 100
    symbol, ((day, ratio), *_) = next(iter(split.items()))
    assert (day, ratio) == (market.splits(symbol)[0].ex_date, market.splits(symbol)[0].ratio)


def test_about_a_twentieth_of_the_constituents_is_left_out(market: Market) -> None:
    assert 0.93 < len(metastock_symbols(market)) / len(sp500()) < 0.97
    assert metastock_symbols(market) == metastock_symbols(Market(99))


def test_an_interrupted_run_leaves_nothing_behind(market: Market, tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        assert total == 2
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_metastock_files(
            market, tmp_path / "files", first=FIRST, last=LAST, symbols=["AAPL", "MSFT"], progress=interrupt
        )
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_files_in_it_is_left_alone(market: Market, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("prices")
    with pytest.raises(StorageError, match="has files already"):
        write_metastock_files(market, tmp_path, first=FIRST, last=LAST, symbols=["AAPL"])
    assert (tmp_path / "mine.txt").read_text() == "prices"


def test_a_place_that_cannot_be_written_is_a_storage_error(market: Market, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        write_metastock_files(market, tmp_path / "file" / "folder", first=FIRST, last=LAST, symbols=["AAPL"])


def test_a_forming_bar_is_never_written(market: Market, tmp_path: Path) -> None:
    # The last day of the range is a Sunday: the file ends with the Friday before, in full.
    write_metastock_files(market, tmp_path / "files", first=FIRST, last=date(2025, 2, 2), symbols=["AAPL"])
    rows = sorted(read_back(tmp_path / "files")["AAPL"])
    assert rows[-1][0] == "20250131"
    closes = market.bars("AAPL", first=FIRST, at=AFTER_LAST).close
    assert np.isclose(rows[-1][4], closes[-1], rtol=0, atol=0)


def test_the_files_end_thirty_sessions_before_the_last_closed_one() -> None:
    # 2026-11-20 is the last closed session on that Sunday; counted back on the exchange's calendar.
    assert default_last(datetime(2026, 11, 22, tzinfo=UTC)) == date(2026, 10, 9)
    assert len(sessions_between(date(2026, 10, 9), date(2026, 11, 20))) == 31
    assert date(2000, 1, 3) == DEFAULT_FIRST
