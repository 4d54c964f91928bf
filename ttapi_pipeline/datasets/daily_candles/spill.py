# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The histories of one refresh, in a temporary file instead of in memory: six thousand of them are two gigabytes.

Histories of a refresh that was killed are in `spool`. That folder is shared with other programs, which may empty it;
this file has no name, belongs to one process, and goes with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

import numpy as np

from ttapi_pipeline.storage.scratch import ScratchFile
from ttapi_pipeline.streaming.candles import CandleHistory

_NUMBERS: Final = tuple(
    each.name for each in fields(CandleHistory) if each.name not in {"symbol", "session", "is_snipped", "lost"}
)
_ITEM_BYTES: Final = 8
"""Of a date and of a number."""


@dataclass(frozen=True, slots=True)
class Spilled:
    """What stays in memory of a history.

    Attributes:
        symbol: Whose.
        bars: How many there are.
        start: Where they begin in the file.
        is_snipped: As of `CandleHistory`.
        lost: As of `CandleHistory`.
    """

    symbol: str
    bars: int
    start: int
    is_snipped: bool
    lost: Mapping[str, int]


class SpilledHistories:
    """Histories by symbol; each is read from the file when it is asked for, from any thread.

    Args:
        folder: Where the file is; made if it is not there. Without one, where the system has temporary files.

    Attributes:
        known: What is in memory of each, by symbol, in the order in which they came.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.known: Final[dict[str, Spilled]] = {}
        self._file: Final = ScratchFile(folder)

    def append(self, history: CandleHistory) -> None:
        """Take a history, of a symbol that has none yet.

        Raises:
            StorageError: The disk is full.
        """
        columns = (history.session.astype("datetime64[D]"), *(getattr(history, name) for name in _NUMBERS))
        content = b"".join(np.ascontiguousarray(column).tobytes() for column in columns)
        start = self._file.append(content)
        self.known[history.symbol] = Spilled(history.symbol, len(history), start, history.is_snipped, history.lost)

    def of(self, symbol: str) -> CandleHistory:
        """The history of a symbol that has one.

        Raises:
            StorageError: It cannot be read.
        """
        spilled = self.known[symbol]
        size = spilled.bars * _ITEM_BYTES
        content = self._file.read(spilled.start, size * (1 + len(_NUMBERS)))
        session = np.frombuffer(content, dtype="datetime64[D]", count=spilled.bars)
        numbers = {
            name: np.frombuffer(content, dtype=np.float64, count=spilled.bars, offset=place * size)
            for place, name in enumerate(_NUMBERS, start=1)
        }
        return CandleHistory(
            symbol=symbol, session=session, is_snipped=spilled.is_snipped, lost=spilled.lost, **numbers
        )
