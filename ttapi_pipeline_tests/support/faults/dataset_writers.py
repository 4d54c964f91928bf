# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Writers of what datasets keep between runs: the spool of candles, what was read of MetaStock files, small notes."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from shutil import copytree
from typing import Final

import polars as pl
import pytest

from ttapi_pipeline.client.state_files import change_state, read_state
from ttapi_pipeline.core.manifest import Provenance
from ttapi_pipeline.core.seals import unseal
from ttapi_pipeline.core.shared_state import LocalStateFile
from ttapi_pipeline.datasets.daily_candles.spool import CandleSpool
from ttapi_pipeline.datasets.daily_candles.table import DAILY_CANDLES
from ttapi_pipeline.datasets.eod_snapshot.build import build_eod_snapshot
from ttapi_pipeline.datasets.eod_snapshot.options import SnapshotOptions
from ttapi_pipeline.datasets.eod_snapshot.table import EOD_SNAPSHOT
from ttapi_pipeline.datasets.trading_calendar.table import TRADING_CALENDAR
from ttapi_pipeline.datasets.verification import verify_stored
from ttapi_pipeline.metastock import limits
from ttapi_pipeline.metastock.importer import import_folder
from ttapi_pipeline.plots.files import SOFTWARE, put_chart
from ttapi_pipeline.storage.files import write_file
from ttapi_pipeline.storage.layout import make_folder
from ttapi_pipeline.storage.publish import publish
from ttapi_pipeline.storage.repair import check, repair
from ttapi_pipeline.streaming.candles import CandleHistory
from ttapi_pipeline.tables.conform import conform
from ttapi_pipeline_tests.support.candles import history
from ttapi_pipeline_tests.support.faults.storage_writers import table_view
from ttapi_pipeline_tests.support.faults.writer import DROPPED, View, Writer

_START: Final = date(2026, 1, 2)
_SESSION: Final = date(2026, 11, 20)
_NOW: Final = datetime(2026, 11, 21, tzinfo=UTC)
_SYMBOLS: Final = ("AAA", "BBB", "CCC")


def _history(symbol: str) -> CandleHistory:
    days = (date(2026, 1, 5) + timedelta(days=day) for day in range(59))
    return history(symbol, {day: 1.0 + at + len(symbol) for at, day in enumerate(days)}, is_snipped=True)


class Spool(Writer):
    """Histories that are spooled, taken, published in one file, and forgotten."""

    name = "candle spool"

    def prepare(self, folder: Path) -> None:
        # Out of date: a session has closed since.
        CandleSpool(folder / "candles", origin="here", session=_START).put(_history("OLD"), _START)

    def run(self, folder: Path, acknowledge: Callable[[], None]) -> None:
        if (folder / "bars").exists():
            CandleSpool(folder / "candles", origin="here", session=_SESSION).clear()
            return
        spool = CandleSpool(folder / "candles", origin="here", session=_SESSION)
        taken = {each.symbol: each for each in spool.take(dict.fromkeys(_SYMBOLS, _START), last_session=_SESSION)}
        for symbol in _SYMBOLS:
            if symbol not in taken:
                spool.put(_history(symbol), _START)
                taken[symbol] = _history(symbol)
        write_file(folder / "bars", _text([taken[symbol] for symbol in _SYMBOLS]))
        acknowledge()
        spool.clear()

    def view(self, folder: Path) -> View:
        with tempfile.TemporaryDirectory() as other:
            # Opening a spool removes what is out of date.
            if (folder / "candles").exists():
                copytree(folder / "candles", Path(other, "candles"))
            spool = CandleSpool(Path(other, "candles"), origin="here", session=_SESSION)
            taken = spool.take(dict.fromkeys(_SYMBOLS, _START), last_session=_SESSION)
        is_sound = all(_text([each]) == _text([_history(each.symbol)]) for each in taken)
        bars = folder / "bars"
        return {
            "histories": "sound" if is_sound else "unsound",
            "bars": sha256(bars.read_bytes()).hexdigest()[:12] if bars.exists() else "none",
        }


def _text(histories: Sequence[CandleHistory]) -> str:
    return "".join(f"{each.symbol} {each.session} {each.close} {each.lost}\n" for each in histories)


class Import(Writer):
    """An import of MetaStock files, one of which has changed and one is new since they were read and kept."""

    name = "import of MetaStock files"

    def prepare(self, folder: Path) -> None:
        files = folder / "files"
        files.mkdir()
        for symbol in _SYMBOLS:
            (files / f"{symbol}.txt").write_text(_file_text(symbol, 40))
        import_folder(files, cache=folder / "cache")
        for symbol in ("BBB", "DDD"):
            (files / f"{symbol}.txt").write_text(_file_text(symbol, 50))

    def run(self, folder: Path, acknowledge: Callable[[], None]) -> None:
        import_folder(folder / "files", cache=folder / "cache")
        acknowledge()

    def view(self, folder: Path) -> View:
        with tempfile.TemporaryDirectory() as other:
            # To import is to write.
            if (folder / "cache").exists():
                copytree(folder / "cache", Path(other, "cache"))
            bars = import_folder(folder / "files", cache=Path(other, "cache")).bars.collect()
        return {"bars": sha256(bars.write_csv().encode()).hexdigest()[:12]}

    def files(self, folder: Path) -> Sequence[str]:
        # The number of a batch and the digits after it are another one in each run.
        return sorted({Path(name).name for name in super().files(folder)})


def _file_text(symbol: str, days: int) -> str:
    sessions = pl.date_range(pl.date(2020, 1, 1), pl.date(2020, 12, 31), eager=True).dt.strftime("%Y%m%d").head(days)
    return "".join(f"{symbol},{day},10,11,9,{10 + at % 7 / 10},100\n" for at, day in enumerate(sessions))


def _candles() -> pl.DataFrame:
    """Of one symbol, from the fifth day of its file on, with the file's closes, and for a month longer."""
    days = pl.DataFrame({"session": pl.date_range(date(2020, 1, 1), date(2020, 3, 10), eager=True)})
    close = 10 + pl.col("at") % 7 / 10
    values = dict.fromkeys(("open", "high", "low", "close"), close) | {"volume": pl.lit(100.0)}
    missing = dict.fromkeys(("vwap", "trade_count", "implied_volatility"), pl.lit(None))
    rows = days.with_row_index("at").filter(pl.col("at") > 4)
    frame = rows.select(
        "session",
        symbol=pl.lit("AAA"),
        is_final=True,
        source=pl.lit("dxlink"),
        fetched_at=pl.lit(_NOW),
        **values,
        **missing,
    )
    return conform(frame, DAILY_CANDLES)


class Snapshot(Writer):
    """The snapshot of MetaStock files and candles, in pieces, with all that is kept of it for the next time.

    In small batches and ranges, so that there are many moments in between.
    """

    name = "end-of-day snapshot"
    is_repaired = True

    def prepare(self, folder: Path) -> None:
        files = folder / "files"
        files.mkdir()
        for symbol in _SYMBOLS:
            (files / f"{symbol}.txt").write_text(_file_text(symbol, 40))
        self.run(folder, lambda: None)
        for symbol in ("BBB", "DDD"):
            (files / f"{symbol}.txt").write_text(_file_text(symbol, 50))

    def run(self, folder: Path, acknowledge: Callable[[], None]) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(limits, "BATCH_BYTES", 1_000)
            patch.setattr(limits, "RANGE_ROWS", 60)
            built = build_eod_snapshot(
                folder / "files",
                _candles().lazy(),
                TRADING_CALENDAR.polars.to_frame().lazy(),
                metastock_version="",
                options=SnapshotOptions(cache=folder / ".state" / "metastock"),
            )
            provenance = Provenance(dataset="eod_snapshot", code_version="1", fetched_at=_NOW)
            publish(built.frame, EOD_SNAPSHOT, folder, provenance, lock_timeout_seconds=1).wait()
        acknowledge()

    def view(self, folder: Path) -> View:
        return table_view(folder, EOD_SNAPSHOT)

    def files(self, folder: Path) -> Sequence[str]:
        return sorted({Path(name).name for name in super().files(folder)})

    def repair(self, folder: Path) -> Sequence[str]:
        return [str(problem) for problem in repair(folder, EOD_SNAPSHOT)]

    def problems(self, folder: Path) -> Sequence[str]:
        return [str(problem) for problem in check(folder, EOD_SNAPSHOT)]


@dataclass(frozen=True)
class _State:
    value: int


class Notes(Writer):
    """The small files that programs can do without: the state of a breaker, and which tables were hashed when."""

    name = "notes"
    guesses = ("note",)
    is_silent = True

    def prepare(self, folder: Path) -> None:
        change_state(_state_file(folder), _State, lambda _: _State(1))
        (folder / "universe.csv").write_text("large enough")
        verify_stored(folder, now=datetime(2026, 11, 20, tzinfo=UTC), budget_bytes=1)

    def run(self, folder: Path, acknowledge: Callable[[], None]) -> None:
        change_state(_state_file(folder), _State, lambda _: _State(2))
        verify_stored(folder, now=_NOW, budget_bytes=1)
        acknowledge()

    def view(self, folder: Path) -> View:
        return {
            "state": str(read_state(_state_file(folder), _State)),
            "note": _note(folder / ".state" / "verified.json"),
        }


def _state_file(folder: Path) -> LocalStateFile:
    return LocalStateFile(folder / ".state" / "breaker.json")


def _note(path: Path) -> str:
    if not path.exists():
        return "none"
    content = unseal(path.read_bytes(), by="verified 1")
    return DROPPED if content is None else sha256(content).hexdigest()[:12]


class Charts(Writer):
    """A chart in the place of an earlier one."""

    name = "charts"

    def prepare(self, folder: Path) -> None:
        self._put(folder, "earlier")

    def run(self, folder: Path, acknowledge: Callable[[], None]) -> None:
        self._put(folder, "new")
        acknowledge()

    def view(self, folder: Path) -> View:
        return {"chart": sha256((folder / "plots" / "cone.png").read_bytes()).hexdigest()[:12]}

    @staticmethod
    def _put(folder: Path, text: str) -> None:
        make_folder(folder / "plots")
        mark = f"Software\0{SOFTWARE}".encode()
        put_chart(folder / "plots" / "cone.png", b"\x89PNG\r\n\x1a\n" + mark + text.encode() * 9_999)


WRITERS: Final = (Spool(), Import(), Snapshot(), Notes(), Charts())
