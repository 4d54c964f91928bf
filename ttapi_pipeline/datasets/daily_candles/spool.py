# SPDX-License-Identifier: MIT
"""Candle histories that were fetched and are not published yet, so that a run that is killed need not start again."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import date
from pathlib import Path
from typing import Final

import numpy as np

from ttapi_pipeline.core.files import replacing
from ttapi_pipeline.core.symbology import file_stem
from ttapi_pipeline.storage.errors import storage_error
from ttapi_pipeline.streaming.candles import CandleHistory

_FORMAT: Final = 1
_COLUMNS: Final = tuple(each.name for each in fields(CandleHistory) if each.name not in {"symbol", "is_snipped"})


class CandleSpool:
    """One file per complete history, for one origin and one session: it is out of date once another session has closed.

    Args:
        folder: Where; what is there of another origin or session is removed.
        origin: Where the candles come from.
        session: The last session whose bars are final.

    Raises:
        StorageError: The folder cannot be written.
    """

    def __init__(self, folder: Path, *, origin: str, session: date) -> None:
        self._root = folder
        key = json.dumps([_FORMAT, origin, session.isoformat()])
        self._folder = folder / hashlib.sha256(key.encode()).hexdigest()[:16]
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            for other in folder.iterdir():
                if other != self._folder:
                    shutil.rmtree(other)
        except OSError as error:
            raise storage_error(folder, error) from error

    def put(self, history: CandleHistory, start: date) -> None:
        """Keep a complete history that was asked for from `start` on.

        Raises:
            StorageError: The disk is full.
        """
        target = self._path(history.symbol, start)
        columns = {name: getattr(history, name) for name in _COLUMNS}
        try:
            # A history that the machine's power has cut short is fetched again, so it need not be durable.
            with replacing(target, is_durable=False) as staging, staging.open("wb") as file:
                np.savez(file, allow_pickle=False, is_snipped=np.array(history.is_snipped), **columns)
        except OSError as error:
            raise storage_error(target, error) from error

    def take(self, requests: Mapping[str, date]) -> Sequence[CandleHistory]:
        """The histories that are there of those asked for: first session by streamer symbol."""
        found = (self._read(symbol, start) for symbol, start in requests.items())
        return [history for history in found if history is not None]

    def clear(self) -> None:
        """Forget everything: it is published."""
        shutil.rmtree(self._root, ignore_errors=True)

    def _read(self, symbol: str, start: date) -> CandleHistory | None:
        try:
            with self._path(symbol, start).open("rb") as file, np.load(file, allow_pickle=False) as stored:
                columns = {name: stored[name] for name in _COLUMNS}
                return CandleHistory(symbol=symbol, is_snipped=bool(stored["is_snipped"]), **columns)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            # Not there, or cut short with the machine's power: it is fetched.
            return None

    def _path(self, symbol: str, start: date) -> Path:
        return self._folder / f"{file_stem(symbol)}~{start.isoformat()}.npz"
