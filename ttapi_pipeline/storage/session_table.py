# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A table in parts, one Parquet file per session, that grows by a session at a time.

In the data folder, in a folder of the table's name:

- ``<session>-<id>.parquet``: the rows of a session. A file never changes; a session whose rows are made again gets
  another one, and the one before stays for an hour, for frames that were opened and not collected yet.
- ``parts.json``: the files that count, with the size and hash of each. It is replaced as a whole, and names files that
  are there. Each Parquet footer repeats what it says, so that a list that is lost or damaged is made from the footers.

Put here: parts on a local disk. Not here: what the rows are made from; see `datasets.history_updates`. A table that is
replaced as a whole: see `publish`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from ttapi_pipeline.core.errors import CorruptFileError, DataError, StorageError
from ttapi_pipeline.core.files import make_folders, remove_abandoned_in
from ttapi_pipeline.core.manifest import FileFacts
from ttapi_pipeline.core.seals import check_document, with_checksum
from ttapi_pipeline.storage.errors import storage_error
from ttapi_pipeline.tables.schema import DatasetSchema

if TYPE_CHECKING:
    import polars as pl

PARTS: Final = "parts.json"
"""The list of the files that count."""

_STAYS_SECONDS: Final = 3600.0
"""How long a file that was replaced stays."""

_ATTEMPTS: Final = 5


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


@dataclass(frozen=True, slots=True)
class SessionTable:
    """A table in parts.

    Attributes:
        folder: Of the table; it need not exist.
        schema: Its columns; the first one of the key is the session.
    """

    folder: Path
    schema: DatasetSchema

    @classmethod
    def of(cls, data_folder: Path, schema: DatasetSchema) -> SessionTable:
        """The table in a data folder."""
        return cls(data_folder / schema.name, schema)

    def parts(self) -> Mapping[date, Part]:
        """The parts by session, ascending; none where nothing was made yet.

        Raises:
            StorageError: The folder cannot be read, or a later version of the program wrote the list.
        """
        try:
            text = (self.folder / PARTS).read_bytes()
            document = json.loads(text)
            check_document(document, keys_without=())
            found = [Part.from_document(each) for each in document["parts"]]
        except NotADirectoryError as error:
            raise storage_error(self.folder, error) from error
        except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            found = self._told_by_footers()
        except OSError as error:
            raise storage_error(self.folder / PARTS, error) from error
        return {part.session: part for part in sorted(found, key=lambda part: part.session)}

    def _told_by_footers(self) -> list[Part]:
        from ttapi_pipeline.storage.files import file_facts  # noqa: PLC0415 - for a lost list alone

        newest: dict[date, tuple[str, Part]] = {}
        for path in sorted(self.folder.glob("????-??-??-*.parquet")):
            document = _footer_document(path)
            if document is None or document.get("table") != self.schema.name:
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

    def put(
        self,
        rows: pl.DataFrame,
        part: Part,
        *,
        made_at: datetime,
        instead_of: Collection[date] = (),
        is_private: bool = False,
    ) -> Part:
        """Store the rows of a session in place of those that it had. The caller holds the table's lock.

        Args:
            rows: In any order, in the columns of the schema; `conform` says what they may look like.
            part: What they are; name, size and hash of the file, number and hash of the rows are found out here.
            made_at: Now, aware UTC: of two files of a session, the later one counts where the list is lost.
            instead_of: Sessions whose rows no longer count.
            is_private: Whether nobody but the user may read the file.

        Returns:
            The part as it is stored.

        Raises:
            DataError, MissingColumnError: The rows are not of this table; what is stored is as it was.
            StorageError: The files cannot be written.
        """
        from ttapi_pipeline.storage.files import staged, write_file  # noqa: PLC0415 - for writing alone
        from ttapi_pipeline.storage.footer import FOOTER_KEY  # noqa: PLC0415 - see above
        from ttapi_pipeline.storage.hashing import data_version  # noqa: PLC0415 - see above
        from ttapi_pipeline.storage.parquet import COMPRESSION_LEVEL  # noqa: PLC0415 - see above

        ordered = _checked(rows, self.schema)
        name = f"{part.session.isoformat()}-{uuid4().hex[:8]}.parquet"
        made = replace(part, file=name, rows=ordered.height, data_version=data_version(ordered))
        told = {**made.to_document(), "table": self.schema.name, "made_at": made_at.astimezone(UTC).isoformat()}
        try:
            make_folders(self.folder)
        except OSError as error:
            raise storage_error(self.folder, error) from error
        with staged(self.folder / name) as staging, _writing(self.folder / name):
            ordered.write_parquet(
                staging.path,
                compression="zstd",
                compression_level=COMPRESSION_LEVEL,
                metadata={FOOTER_KEY: json.dumps(with_checksum(told))},
            )
            if is_private:
                staging.path.chmod(0o600)
            made = replace(made, facts=staging.commit())
        kept = {session: each for session, each in self.parts().items() if session not in instead_of}
        parts = {**kept, made.session: made}
        listed = [parts[session].to_document() for session in sorted(parts)]
        write_file(self.folder / PARTS, json.dumps(with_checksum({"table": self.schema.name, "parts": listed})) + "\n")
        self._remove_replaced({each.file for each in parts.values()})
        return made

    def _remove_replaced(self, counted: Collection[str]) -> None:
        """Remove files that do not count any more, and what writers that died have staged."""
        with suppress(OSError):
            remove_abandoned_in(self.folder)
            for path in self.folder.glob("????-??-??-*.parquet"):
                if path.name not in counted and time.time() - path.stat().st_mtime > _STAYS_SECONDS:
                    path.unlink(missing_ok=True)

    def scan(self, sessions: Collection[date] | None = None) -> pl.LazyFrame:
        """The rows, by session and then by the rest of the key, with the columns of now.

        Args:
            sessions: Which ones; all by default.

        Raises:
            StorageError: None of them is stored, or they cannot be read.
            CorruptFileError: A file is damaged; the message names it.
        """
        import polars as pl  # noqa: PLC0415 - the list of parts needs no Polars

        paths = [self.folder / part.file for part in self._sound_parts(sessions)]
        # Columns that came later are null in the files from before.
        return pl.scan_parquet(
            paths, schema=self.schema.polars, missing_columns="insert", extra_columns="ignore", glob=False
        )

    def _sound_parts(self, sessions: Collection[date] | None) -> Sequence[Part]:
        """The parts of these sessions, whose files are there and as they were written; errors as of `scan`."""
        gone = FileNotFoundError()
        for _ in range(_ATTEMPTS):
            parts = [part for session, part in self.parts().items() if sessions is None or session in sessions]
            if not parts:
                raise StorageError(f"{self.folder}: nothing is stored of the sessions that were asked for")
            try:
                for part in parts:
                    self._check(part)
                return parts
            except FileNotFoundError as error:
                # Another process has replaced a file, and removed it, since the list was read.
                gone = error
        raise StorageError(
            f"{gone.filename} is gone; the next refresh of what it is made from makes it again, if those rows are kept"
        )

    def _check(self, part: Part) -> None:
        """Compare a file with what was written; a file is read once per process.

        Raises:
            FileNotFoundError: It is not there.
            CorruptFileError: It has other bytes.
            StorageError: It cannot be read.
        """
        from ttapi_pipeline.storage.verification import facts_of  # noqa: PLC0415 - the list of parts needs no hash

        path = self.folder / part.file
        try:
            with path.open("rb") as file:
                seen = facts_of(file)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise storage_error(path, error) from error
        if seen != part.facts:
            raise CorruptFileError(
                f"{path} is damaged: it has XXH3-128 {seen.xxh3_128}, and {part.facts.xxh3_128} was written; delete "
                "it, and the next refresh makes it again from the rows that are kept"
            )

    def is_there(self, part: Part) -> bool:
        """Whether the file of a part is there with the size that was written."""
        try:
            return (self.folder / part.file).stat().st_size == part.facts.bytes
        except OSError:
            return False


def _checked(rows: pl.DataFrame, schema: DatasetSchema) -> pl.DataFrame:
    from ttapi_pipeline.tables.conform import conform  # noqa: PLC0415 - Polars, for writing alone
    from ttapi_pipeline.tables.constraints import check_keys, check_nulls  # noqa: PLC0415 - see above

    ordered = conform(rows, schema).sort(schema.sort_by, nulls_last=False)
    check_nulls(ordered, schema)
    check_keys(ordered, schema)
    return ordered


def _writing(path: Path) -> Any:
    from ttapi_pipeline.storage.errors import storage_errors  # noqa: PLC0415 - Polars, for writing alone

    return storage_errors(path, of_polars=lambda error: DataError(f"{path.name} cannot be made: {error}"))


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
