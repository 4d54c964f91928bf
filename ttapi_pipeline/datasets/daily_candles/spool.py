# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Candle histories that were fetched and are not published yet, so that a run that is killed need not start again."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Final

from ttapi_pipeline.core.files import replacing
from ttapi_pipeline.datasets.daily_candles.encoding import FORMAT, decoded, encoded, file_name
from ttapi_pipeline.storage.errors import storage_error
from ttapi_pipeline.streaming.candles import CandleHistory

_TRIES: Final = 5


class CandleSpool:
    """One file per complete history, for one origin and one session: it is out of date once another session has closed.

    Two instances may share it. Each can find that the other has published, and removed everything.

    Args:
        folder: Where; what is there of another origin or session is removed.
        origin: Where the candles come from.
        session: The last session whose bars are final.
        is_trusted: Whether histories that are there may be used; otherwise they are removed.

    Raises:
        StorageError: The folder cannot be written.
    """

    def __init__(self, folder: Path, *, origin: str, session: date, is_trusted: bool = True) -> None:
        self._root = folder
        key = json.dumps([FORMAT, origin, session.isoformat()])
        self._folder = folder / hashlib.sha256(key.encode()).hexdigest()[:16]
        try:
            # Another instance may be removing all of it at this moment. `put` makes the folder again.
            with suppress(FileNotFoundError, FileExistsError):
                self._folder.mkdir(parents=True, exist_ok=True)
                for other in [each for each in folder.iterdir() if each != self._folder]:
                    shutil.rmtree(other, ignore_errors=True)
                if not is_trusted:
                    for path in self._folder.iterdir():
                        path.unlink(missing_ok=True)
        except OSError as error:
            raise storage_error(folder, error) from error

    def put(self, history: CandleHistory, start: date) -> None:
        """Keep a complete history that was asked for from `start` on.

        Raises:
            StorageError: The disk is full.
        """
        target = self._path(history.symbol, start)
        sealed = encoded(history, start)
        try:
            for _ in range(_TRIES):
                with suppress(FileNotFoundError, FileExistsError):
                    self._folder.mkdir(parents=True, exist_ok=True)
                    # A history that the machine's power has cut short is fetched again, so it need not be durable. The
                    # folder, which holds thousands of files, is removed whole in the end: nobody need tidy it up.
                    with replacing(target, is_durable=False, is_tidied=False) as staging:
                        staging.write_bytes(sealed)
                    return
        except OSError as error:
            raise storage_error(target, error) from error
        # Another instance removes the folder again and again. Without the file, a killed run fetches the history again.

    def take(self, requests: Mapping[str, date], *, last_session: date) -> Sequence[CandleHistory]:
        """The histories that are there of those asked for.

        Args:
            requests: First session by streamer symbol.
            last_session: The present session. A history with a bar after it, or before the first session, is not taken.
        """
        found = (self._read(symbol, start, last_session) for symbol, start in requests.items())
        return [history for history in found if history is not None]

    def clear(self) -> None:
        """Forget everything: it is published."""
        shutil.rmtree(self._root, ignore_errors=True)

    def _read(self, symbol: str, start: date, last_session: date) -> CandleHistory | None:
        try:
            content = self._path(symbol, start).read_bytes()
        except OSError:
            return None
        # One that was damaged or cut short with the machine's power is fetched, as is one that is not there.
        return decoded(content, symbol, start, last_session=last_session)

    def _path(self, symbol: str, start: date) -> Path:
        return self._folder / file_name(symbol, start)
