# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Writers of the quote log: flushes that merge parts, compaction, and the removal of old logs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final

from ttapi_pipeline.core.errors import StorageError, TTError
from ttapi_pipeline.quote_recorder.compaction import compact_session, remove_old_logs
from ttapi_pipeline.quote_recorder.history import read_history
from ttapi_pipeline.quote_recorder.log import read_gaps, read_origin
from ttapi_pipeline.quote_recorder.log_writer import LogWriter
from ttapi_pipeline_tests.support.faults.writer import View, Writer
from ttapi_pipeline_tests.support.quote_log import FRIDAY, NOON, open_log, prices, quotes, sequences, trades

_MINUTES: Final = (0, 10, 20, 70, 80, 130)
"""When each flush is, after noon: the parts of an hour are merged once the next one has begun."""


def _record(folder: Path, count: int) -> None:
    """Write the first flushes."""
    with open_log(folder) as log:
        for number in range(count):
            _hand_over(log, number)
            log.write()


def _hand_over(log: LogWriter, number: int, *, has_quotes: bool = False, has_trades: bool = False) -> None:
    """Hand over what the log lacks of a flush."""
    at = NOON + timedelta(minutes=_MINUTES[number])
    if not has_quotes:
        log.add("quotes", quotes(at, "A", price=float(number)))
    if not has_trades:
        log.add("trades", trades(at, "B", number))


def _told(read: Callable[[], object]) -> str:
    try:
        return str(read())
    except TTError as error:
        return str(error)


class Flush(Writer):
    """Flushes of quotes and trades over two changes of the hour, with a gap where the recorder began."""

    name = "flush of the quote log"

    def prepare(self, folder: Path) -> None:
        _record(folder, 2)

    def run(self, folder: Path, acknowledge: Callable[[], None]) -> None:
        with open_log(folder, NOON + timedelta(minutes=15)) as log:
            # A flush that was cut short between its tables is completed.
            counts = len(prices(folder)), len(sequences(folder))
            for number in range(min(counts), len(_MINUTES)):
                _hand_over(log, number, has_quotes=number < counts[0], has_trades=number < counts[1])
                try:
                    log.write()
                except StorageError:
                    # What could not be written is pending.
                    log.write()
                acknowledge()

    def view(self, folder: Path) -> View:
        return {
            "quotes": _told(lambda: prices(folder)),
            "trades": _told(lambda: sequences(folder)),
            "origin": _told(lambda: read_origin(folder, FRIDAY)),
            "gaps": _told(lambda: bool(read_gaps(folder, FRIDAY))),
        }

    def files(self, folder: Path) -> Sequence[str]:
        # How parts are merged depends on when the log was opened.
        return [name for name in super().files(folder) if not name.endswith(".parquet")]


class Compact(Writer):
    """The history of a session, and the removal of its log."""

    name = "compaction of the quote log"

    def prepare(self, folder: Path) -> None:
        _record(folder, len(_MINUTES))

    def run(self, folder: Path, acknowledge: Callable[[], None]) -> None:
        compact_session(folder, FRIDAY, is_recorded_to_the_end=True, lock_timeout_seconds=1)
        acknowledge()
        remove_old_logs(folder, keep=0)
        acknowledge()

    def view(self, folder: Path) -> View:
        return {
            "quotes": _told(lambda: sorted(prices(folder))),
            "trades": _told(lambda: sorted(sequences(folder))),
            "history": _told(lambda: (history := read_history(folder, FRIDAY)) and history.data_version),
        }


WRITERS: Final = (Flush(), Compact())
