# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The content of a session's quote log, for readers: its rows, its gaps and its origin. `log_writer` writes it.

The log has two tables: ``quotes``, a row per flush and symbol that has changed since the flush before, and ``trades``,
every sale. Each is divided into parts by the hour (UTC) of receipt, see `storage.append_table`. Beside them lie
``gaps.jsonl``, the times of which something is missing, and ``origin.json``, which server the rows come from.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Final

import polars as pl

from ttapi_pipeline.core.errors import CorruptFileError
from ttapi_pipeline.quote_recorder.layout import log_folder
from ttapi_pipeline.quote_recorder.schemas import TABLES, TableName
from ttapi_pipeline.storage.append_table import scan_parts
from ttapi_pipeline.storage.errors import storage_error

GAPS_FILE: Final = "gaps.jsonl"
ORIGIN_FILE: Final = "origin.json"


@dataclass(frozen=True, slots=True)
class LogGap:
    """A time of which something is missing from the log. A gap of a running feed is a `streaming.feed_health.FeedGap`.

    Attributes:
        began_at, ended_at: Aware UTC.
        reason: Why, in words.
        symbols: How many symbols it is about; None for all.
    """

    began_at: datetime
    ended_at: datetime
    reason: str
    symbols: int | None = None

    def to_json(self) -> str:
        """One line, without its end."""
        facts = asdict(self) | {"began_at": self.began_at.isoformat(), "ended_at": self.ended_at.isoformat()}
        return json.dumps(facts | {"seconds": round((self.ended_at - self.began_at).total_seconds(), 3)})

    @classmethod
    def from_json(cls, line: str) -> LogGap:
        """Read what `to_json` wrote.

        Raises:
            ValueError, KeyError, TypeError: The line is something else.
        """
        facts = json.loads(line)
        began_at, ended_at = (datetime.fromisoformat(facts[name]) for name in ("began_at", "ended_at"))
        return cls(began_at, ended_at, facts["reason"], facts["symbols"])


@dataclass(frozen=True, slots=True)
class Origin:
    """Which server the rows come from. Simulated rows never share a log with real ones."""

    name: str
    is_simulated: bool


def scan_log(data: Path, session: date, table: TableName) -> pl.LazyFrame:
    """The rows of a session's log that are durable now, each once, in the order of receipt.

    No rows where there is no log. `history.scan_quote_log` also reads sessions that are compacted.

    Raises:
        CorruptFileError: A part is missing or damaged.
        StorageError: The folder cannot be read.
    """
    return scan_parts(log_folder(data, session) / table, TABLES[table])


def read_gaps(data: Path, session: date) -> Sequence[LogGap]:
    """The gaps of a session's log, in the order in which they were recorded.

    Raises:
        CorruptFileError: `LogWriter` did not write the file like this.
        StorageError: It cannot be read.
    """
    path = log_folder(data, session) / GAPS_FILE
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        return [LogGap.from_json(line) for line in lines]
    except FileNotFoundError:
        return []
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptFileError(f"{path} is damaged: {error!r}; remove it to go on without") from error
    except OSError as error:
        raise storage_error(path, error) from error


def read_origin(data: Path, session: date) -> Origin | None:
    """The origin of a session's log; None where there is no log.

    Raises:
        CorruptFileError: `LogWriter` did not write the file like this.
        StorageError: It cannot be read.
    """
    path = log_folder(data, session) / ORIGIN_FILE
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        return Origin(facts["name"], facts["is_simulated"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptFileError(f"{path} is damaged: {error!r}; remove {path.parent}") from error
    except OSError as error:
        raise storage_error(path, error) from error
