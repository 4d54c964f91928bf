# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A table in parts, one Parquet file per session, that grows by a session at a time.

In the data folder, in a folder of the table's name:

- ``<session>-<id>.parquet``: the rows of a session. A file never changes; a session whose rows are made again gets
  another one, and the one before stays for an hour, for frames that were opened and not collected yet.
- ``parts.json``: the files that count, with the size and hash of each. It is replaced as a whole, and names files that
  are there. Each Parquet footer repeats what it says, so that a list that is lost or damaged is made from the footers.

Put here: what is the same wherever the files are. Not here: what the rows are made from; see
`datasets.history_updates`. A table that is replaced as a whole: see `publish`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol
from uuid import uuid4

from ttapi_pipeline.core.errors import CorruptFileError, DataError, StorageError
from ttapi_pipeline.core.manifest import FileFacts
from ttapi_pipeline.core.seals import check_document, with_checksum
from ttapi_pipeline.storage.layout import Folder
from ttapi_pipeline.storage.store import open_store
from ttapi_pipeline.tables.schema import DatasetSchema

if TYPE_CHECKING:
    import polars as pl

PARTS: Final = "parts.json"
"""The list of the files that count."""

STAYS_SECONDS: Final = 3600.0
"""How long a file that was replaced stays."""

_ATTEMPTS: Final = 5
"""How often a reader begins again, because a file was replaced and removed meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The rows of one session.

    Attributes:
        session: Which one.
        file: Name of the Parquet file.
        facts: Its size and hash.
        rows: How many there are.
        data_version: Hash of the rows.
        code_version: Of the code that made them.
        made_from: Write id of the publication that they were made from; empty where they come from no single one.
        known_at: When that publication was known, or when the rows were made; aware UTC.
        is_simulated: Whether they are invented.
        counts: What was counted while they were made, for those who look at the table.
    """

    session: date
    file: str
    facts: FileFacts
    rows: int
    data_version: str
    code_version: str
    made_from: str
    known_at: datetime
    is_simulated: bool
    counts: Mapping[str, int] = field(default_factory=dict)

    def to_document(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "session": self.session.isoformat(),
            "file": self.file,
            "bytes": self.facts.bytes,
            "xxh3_128": self.facts.xxh3_128,
            "rows": self.rows,
            "data_version": self.data_version,
            "code_version": self.code_version,
            "made_from": self.made_from,
            "known_at": self.known_at.astimezone(UTC).isoformat(),
            "is_simulated": self.is_simulated,
            "counts": dict(self.counts),
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Part:
        """The inverse of `to_document`; KeyError, TypeError or ValueError for any other document."""
        return cls(
            session=date.fromisoformat(document["session"]),
            file=document["file"],
            facts=FileFacts(bytes=document["bytes"], xxh3_128=document["xxh3_128"]),
            rows=document["rows"],
            data_version=document["data_version"],
            code_version=document["code_version"],
            made_from=document["made_from"],
            known_at=datetime.fromisoformat(document["known_at"]).astimezone(UTC),
            is_simulated=document["is_simulated"],
            counts=dict(document["counts"]),
        )


class SessionTable(Protocol):
    """A table in parts; it need not exist."""

    @property
    def folder(self) -> Folder:
        """Of the table."""

    @property
    def schema(self) -> DatasetSchema:
        """Its columns; the first one of the key is the session."""

    def parts(self) -> Mapping[date, Part]:
        """The parts by session, ascending; none where nothing was made yet.

        Raises:
            StorageError: The list cannot be read, or a later version of the program wrote it.
        """

    def put(
        self,
        rows: pl.DataFrame,
        part: Part,
        *,
        made_at: datetime,
        instead_of: Collection[date] = (),
        is_private: bool = False,
    ) -> Part:
        """Store the rows of a session in place of those that it had. On a disk, the caller holds the table's lock.

        Args:
            rows: In any order, in the columns of the schema; `conform` says what they may look like.
            part: What they are; name, size and hash of the file, number and hash of the rows are found out here.
            made_at: Now, aware UTC: of two files of a session, the later one counts where the list is lost.
            instead_of: Sessions whose rows no longer count.
            is_private: Whether nobody but the user may read the file. In an object store, the rights of the bucket say
                who may.

        Returns:
            The part as it is stored.

        Raises:
            DataError, MissingColumnError: The rows are not of this table; what is stored is as it was.
            StorageError: The files cannot be written.
        """

    def scan(self, sessions: Collection[date] | None = None) -> pl.LazyFrame:
        """The rows, by session and then by the rest of the key, with the columns of now.

        Args:
            sessions: Which ones; all by default.

        Raises:
            StorageError: None of them is stored, or they cannot be read.
            CorruptFileError: A file is damaged; the message names it.
        """

    def is_there(self, part: Part) -> bool:
        """Whether the file of a part is there with the size that was written."""


def session_table(folder: Folder, schema: DatasetSchema) -> SessionTable:
    """The table in a data folder."""
    return open_store(folder).session_table(schema)


def read_list(text: bytes) -> list[Part]:
    """The parts of a list.

    Raises:
        ValueError, KeyError, TypeError, AttributeError, RecursionError: It is damaged.
        StorageError: A later version of the program wrote it.
    """
    document = json.loads(text)
    check_document(document, keys_without=())
    return [Part.from_document(each) for each in document["parts"]]


def list_text(name: str, parts: Mapping[date, Part]) -> str:
    """The inverse of `read_list`, for the table of a name."""
    listed = [parts[session].to_document() for session in sorted(parts)]
    return json.dumps(with_checksum({"table": name, "parts": listed})) + "\n"


def by_session(parts: Iterable[Part]) -> Mapping[date, Part]:
    """The parts by session, ascending."""
    return {part.session: part for part in sorted(parts, key=lambda part: part.session)}


def told_by_footers(table: str, paths: Iterable[Path]) -> list[Part]:
    """The newest part of each session, as the footers of these files tell them; files of others are left out."""
    from ttapi_pipeline.storage.files import file_facts  # noqa: PLC0415 - for a lost list alone

    newest: dict[date, tuple[str, Part]] = {}
    for path in paths:
        document = _footer_document(path)
        if document is None or document.get("table") != table:
            continue
        try:
            facts = file_facts(path)
            part = Part.from_document({**document, "bytes": facts.bytes, "xxh3_128": facts.xxh3_128})
        except (OSError, ValueError, KeyError, TypeError):
            continue
        made_at = str(document.get("made_at", ""))
        if part.file == path.name and made_at >= newest.get(part.session, ("", part))[0]:
            newest[part.session] = (made_at, part)
    return [part for _, part in newest.values()]


def sound_parts(
    table: SessionTable, sessions: Collection[date] | None, check: Callable[[Sequence[Part]], None]
) -> Sequence[Part]:
    """The parts of these sessions; errors as of a table's `scan`.

    Args:
        table: Whose.
        sessions: Which ones; None for all.
        check: Raises CorruptFileError for files that are not as they were written, and FileNotFoundError with the name
            of one that is not there.
    """
    gone = FileNotFoundError()
    for _ in range(_ATTEMPTS):
        parts = [part for session, part in table.parts().items() if sessions is None or session in sessions]
        if not parts:
            raise StorageError(f"{table.folder}: nothing is stored of the sessions that were asked for")
        try:
            check(parts)
            return parts
        except FileNotFoundError as error:
            # Another process has replaced a file, and removed it, since the list was read.
            gone = error
    raise StorageError(
        f"{gone.filename} is gone; the next refresh of what it is made from makes it again, if those rows are kept"
    )


@dataclass(frozen=True, slots=True)
class NewPart:
    """The rows of a session on their way to storage.

    Attributes:
        rows: Sorted, in the types of the schema.
        part: What they are; the facts of the file are not known yet.
        footer: What the footer of the file says.
    """

    rows: pl.DataFrame
    part: Part
    footer: Mapping[str, str]

    @classmethod
    def of(cls, rows: pl.DataFrame, part: Part, schema: DatasetSchema, *, made_at: datetime) -> NewPart:
        """Arguments and errors as of a table's `put`."""
        from ttapi_pipeline.storage.footer import FOOTER_KEY  # noqa: PLC0415 - for writing alone
        from ttapi_pipeline.storage.hashing import data_version  # noqa: PLC0415 - see above

        ordered = _checked(rows, schema)
        name = f"{part.session.isoformat()}-{uuid4().hex[:8]}.parquet"
        made = replace(part, file=name, rows=ordered.height, data_version=data_version(ordered))
        told = {**made.to_document(), "table": schema.name, "made_at": made_at.astimezone(UTC).isoformat()}
        return cls(ordered, made, {FOOTER_KEY: json.dumps(with_checksum(told))})

    def write(self, path: Path) -> None:
        """Write the file; errors of the system and of Polars become ours."""
        from ttapi_pipeline.storage.errors import storage_errors  # noqa: PLC0415 - Polars, for writing alone
        from ttapi_pipeline.storage.parquet import COMPRESSION_LEVEL  # noqa: PLC0415 - see above

        name = self.part.file
        with storage_errors(path.parent / name, of_polars=lambda error: DataError(f"{name} cannot be made: {error}")):
            self.rows.write_parquet(
                path, compression="zstd", compression_level=COMPRESSION_LEVEL, metadata=dict(self.footer)
            )


def _checked(rows: pl.DataFrame, schema: DatasetSchema) -> pl.DataFrame:
    from ttapi_pipeline.tables.conform import conform  # noqa: PLC0415 - Polars, for writing alone
    from ttapi_pipeline.tables.constraints import check_keys, check_nulls  # noqa: PLC0415 - see above

    ordered = conform(rows, schema).sort(schema.sort_by, nulls_last=False)
    check_nulls(ordered, schema)
    check_keys(ordered, schema)
    return ordered


def _footer_document(path: Path) -> Mapping[str, Any] | None:
    """What the footer of a file says; None for a file that is not ours, or damaged."""
    from ttapi_pipeline.storage.verification import footer_facts  # noqa: PLC0415 - for a lost list alone

    try:
        with path.open("rb") as file:
            document = footer_facts(file)
        check_document(document, keys_without=())
    except (OSError, ValueError, TypeError, AttributeError, CorruptFileError):
        return None
    return document
