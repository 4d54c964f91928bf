# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The quote history: the sorted tables and the manifest of each session that was compacted. `compaction` makes them.

``<TT_DATA_DIR>/quote_history/quotes/<session>.parquet``, the same under ``trades/``, and ``<session>.json``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Final

import polars as pl

from ttapi_pipeline.core.errors import CorruptFileError
from ttapi_pipeline.core.seals import check_document, with_checksum
from ttapi_pipeline.quote_recorder.layout import history_file, is_compacted, manifest_file
from ttapi_pipeline.quote_recorder.log import LogGap, Origin, scan_log
from ttapi_pipeline.quote_recorder.schemas import TABLES, TableName
from ttapi_pipeline.storage.errors import storage_error, storage_errors
from ttapi_pipeline.storage.parquet import scan_file
from ttapi_pipeline.storage.verification import facts_of

_TIMES: Final = ("first_at", "last_at")
_KEYS_WITHOUT_CHECKSUM: Final = frozenset({"session", "origin", "data_version", "tables", "gap_seconds", "gaps"})
"""Of a manifest from before manifests had a checksum."""


@dataclass(frozen=True, slots=True)
class TableFacts:
    """One table of a compacted session.

    Attributes:
        rows: Number of rows.
        symbols: Number of symbols that have rows.
        first_at, last_at: When the first and the last row were received; None without rows.
        data_version: Hash of the content.
        bytes: Size of the file.
        xxh3_128: Hash of the file.
    """

    rows: int
    symbols: int
    first_at: datetime | None
    last_at: datetime | None
    data_version: str
    bytes: int
    xxh3_128: str


@dataclass(frozen=True, slots=True)
class SessionHistory:
    """The manifest of a compacted session.

    Attributes:
        session: The session's date.
        origin: Which server the rows come from.
        tables: Facts by table.
        gaps: The times of which something is missing.
    """

    session: date
    origin: Origin
    tables: Mapping[TableName, TableFacts]
    gaps: Sequence[LogGap]

    @property
    def data_version(self) -> str:
        """Hash of the content of both tables."""
        versions = [facts.data_version for _, facts in sorted(self.tables.items())]
        return sha256(json.dumps(versions).encode()).hexdigest()[:32]

    @property
    def gap_seconds(self) -> float:
        """The length of all gaps together."""
        return sum((gap.ended_at - gap.began_at).total_seconds() for gap in self.gaps)

    def to_json(self) -> str:
        """The content of the manifest file."""
        document = {
            "session": self.session.isoformat(),
            "origin": asdict(self.origin),
            "data_version": self.data_version,
            "tables": {
                name: asdict(facts)
                | {at: None if (value := getattr(facts, at)) is None else value.isoformat() for at in _TIMES}
                for name, facts in self.tables.items()
            },
            "gap_seconds": round(self.gap_seconds, 3),
            "gaps": [json.loads(gap.to_json()) for gap in self.gaps],
        }
        return json.dumps(with_checksum(document), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> SessionHistory:
        """Read what `to_json` wrote.

        Raises:
            ValueError, KeyError, TypeError: The text is something else, or differs from its checksum.
        """
        document = json.loads(text)
        check_document(document, keys_without=_KEYS_WITHOUT_CHECKSUM)
        tables: dict[TableName, TableFacts] = {}
        for name in TABLES:
            facts = document["tables"][name]
            times = {at: None if facts[at] is None else datetime.fromisoformat(facts[at]) for at in _TIMES}
            tables[name] = TableFacts(**{**facts, **times})
        gaps = [LogGap.from_json(json.dumps(gap)) for gap in document["gaps"]]
        return cls(date.fromisoformat(document["session"]), Origin(**document["origin"]), tables, gaps)


def read_history(data: Path, session: date) -> SessionHistory | None:
    """The manifest of a session; None when it is not compacted.

    Raises:
        CorruptFileError: The file is not a manifest.
        StorageError: It cannot be read.
    """
    path = manifest_file(data, session)
    try:
        return SessionHistory.from_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptFileError(
            f"{path} is damaged: {error!r}; remove it to have the session compacted again"
        ) from error
    except OSError as error:
        raise storage_error(path, error) from error


def scan_quote_log(data: Path, session: date, table: TableName) -> pl.LazyFrame:
    """Every row of a session that is durable now, once: from the history if the session is compacted, else the log.

    The frame holds on to the files that it was made from, so that writing, merging and compacting do not disturb it.

    Args:
        data: The data folder.
        session: The session's date. A session that was not recorded has no rows.
        table: ``quotes`` or ``trades``.

    Raises:
        CorruptFileError: A file is missing or damaged.
        StorageError: A folder cannot be read.
    """
    if not is_compacted(data, session):
        frame = scan_log(data, session, table)
        # Had it been compacted in between, its log might be gone, and the frame be without rows.
        if not is_compacted(data, session):
            return frame
    path, history = history_file(data, session, table), read_history(data, session)
    with storage_errors(path):
        if history is not None:
            with path.open("rb") as file:
                seen, written = facts_of(file).xxh3_128, history.tables[table].xxh3_128
            if seen != written:
                raise CorruptFileError(
                    f"{path} is damaged: its bytes hash to {seen[:12]}, and {written[:12]} was written; while the log "
                    f"of {session} is kept, removing {manifest_file(data, session)} has it compacted again"
                )
        return scan_file(path)
