# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A complete candle history as bytes, for the files of `spool` and of `ahead`: arrays of NumPy behind a seal."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import fields
from datetime import date
from typing import Final

import numpy as np

from ttapi_pipeline.core.seals import seal, unseal
from ttapi_pipeline.core.symbology import file_stem
from ttapi_pipeline.streaming.candles import CandleHistory

FORMAT: Final = 4
"""Histories of an earlier format may hold bars that cannot be, and are not read."""

_COLUMNS: Final = tuple(
    each.name for each in fields(CandleHistory) if each.name not in {"symbol", "is_snipped", "lost"}
)


def file_name(symbol: str, start: date) -> str:
    """The name of the file with the history of a symbol that was asked for from `start` on."""
    return f"{file_stem(symbol)}~{start.isoformat()}.sealed"


def encoded(history: CandleHistory, start: date) -> bytes:
    """A history that was asked for from `start` on."""
    columns = {name: getattr(history, name) for name in _COLUMNS}
    content = io.BytesIO()
    np.savez(
        content,
        allow_pickle=False,
        is_snipped=np.array(history.is_snipped),
        lost=np.array(json.dumps(dict(history.lost))),
        **columns,
    )
    return seal(content.getvalue(), by=_sealed_by(history.symbol, start))


def decoded(content: bytes, symbol: str, start: date, *, last_session: date) -> CandleHistory | None:
    """The history of a symbol that was asked for from `start` on.

    None where the bytes are damaged, cut short, of another symbol, start or format, and where the history has no bar,
    or one before `start` or after `last_session`.
    """
    unsealed = unseal(content, by=_sealed_by(symbol, start))
    if unsealed is None:
        return None
    try:
        with np.load(io.BytesIO(unsealed), allow_pickle=False) as stored:
            columns = {name: stored[name] for name in _COLUMNS}
            lost = json.loads(str(stored["lost"]))
            history = CandleHistory(symbol=symbol, is_snipped=bool(stored["is_snipped"]), lost=lost, **columns)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    sessions = history.session
    if not len(sessions) or sessions.min() < np.datetime64(start) or sessions.max() > np.datetime64(last_session):
        return None
    return history


def _sealed_by(symbol: str, start: date) -> str:
    """Also says whose history it is, so that a file under another name is not believed."""
    return f"candles {FORMAT} {symbol} {start}"
