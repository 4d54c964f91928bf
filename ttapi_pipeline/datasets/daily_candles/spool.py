# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Candle histories that were fetched and are not published yet, so that a run that is killed need not start again."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import fields
from datetime import date
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ttapi_pipeline.core.files import replacing
from ttapi_pipeline.core.seals import seal, unseal
from ttapi_pipeline.core.symbology import file_stem
from ttapi_pipeline.storage.errors import storage_error
from ttapi_pipeline.streaming.candles import CandleHistory

_FORMAT: Final = 4
"""Histories of an earlier format may hold bars that cannot be, and are not read."""

_TRIES: Final = 5

_COLUMNS: Final = tuple(
    each.name for each in fields(CandleHistory) if each.name not in {"symbol", "is_snipped", "lost"}
)


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
        key = json.dumps([_FORMAT, origin, session.isoformat()])
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
        columns = {name: getattr(history, name) for name in _COLUMNS}
        content = io.BytesIO()
        try:
            np.savez(
                content,
                allow_pickle=False,
                is_snipped=np.array(history.is_snipped),
                lost=np.array(json.dumps(dict(history.lost))),
                **columns,
            )
            sealed = seal(content.getvalue(), by=_sealed_by(history.symbol, start))
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
        found = (self._read(symbol, start) for symbol, start in requests.items())
        return [
            history
            for history in found
            if history is not None and _is_within(history.session, requests[history.symbol], last_session)
        ]

    def clear(self) -> None:
        """Forget everything: it is published."""
        shutil.rmtree(self._root, ignore_errors=True)

    def _read(self, symbol: str, start: date) -> CandleHistory | None:
        try:
            content = unseal(self._path(symbol, start).read_bytes(), by=_sealed_by(symbol, start))
            if content is None:
                return None
            with np.load(io.BytesIO(content), allow_pickle=False) as stored:
                columns = {name: stored[name] for name in _COLUMNS}
                lost = json.loads(str(stored["lost"]))
                return CandleHistory(symbol=symbol, is_snipped=bool(stored["is_snipped"]), lost=lost, **columns)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            # Not there: it is fetched, as is one that was damaged or cut short with the machine's power.
            return None

    def _path(self, symbol: str, start: date) -> Path:
        return self._folder / f"{file_stem(symbol)}~{start.isoformat()}.sealed"


def _sealed_by(symbol: str, start: date) -> str:
    """Also says whose history it is, so that a file under another name is not believed."""
    return f"candles {_FORMAT} {symbol} {start}"


def _is_within(sessions: NDArray[np.datetime64], first: date, last: date) -> bool:
    if not len(sessions):
        return False
    return bool(np.datetime64(first) <= sessions.min() and sessions.max() <= np.datetime64(last))
