# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A table in parts in a folder on this machine's disk. What is the same elsewhere: see `session_table`."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ttapi_pipeline.core.errors import CorruptFileError
from ttapi_pipeline.core.files import make_folders, remove_abandoned_in
from ttapi_pipeline.storage.errors import storage_error
from ttapi_pipeline.storage.session_table import (
    PARTS,
    STAYS_SECONDS,
    NewPart,
    Part,
    by_session,
    list_text,
    read_list,
    sound_parts,
    told_by_footers,
)
from ttapi_pipeline.tables.schema import DatasetSchema

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, slots=True)
class LocalSessionTable:
    """See `session_table.SessionTable`.

    Attributes:
        folder: Of the table; it need not exist.
        schema: Its columns; the first one of the key is the session.
    """

    folder: Path
    schema: DatasetSchema

    def parts(self) -> Mapping[date, Part]:
        try:
            found = read_list((self.folder / PARTS).read_bytes())
        except NotADirectoryError as error:
            raise storage_error(self.folder, error) from error
        except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            found = told_by_footers(self.schema.name, sorted(self.folder.glob("????-??-??-*.parquet")))
        except OSError as error:
            raise storage_error(self.folder / PARTS, error) from error
        return by_session(found)

    def put(
        self,
        rows: pl.DataFrame,
        part: Part,
        *,
        made_at: datetime,
        instead_of: Collection[date] = (),
        is_private: bool = False,
    ) -> Part:
        from ttapi_pipeline.storage.errors import storage_errors  # noqa: PLC0415 - Polars, for writing alone
        from ttapi_pipeline.storage.files import staged, write_file  # noqa: PLC0415 - see above

        new = NewPart.of(rows, part, self.schema, made_at=made_at)
        path = self.folder / new.part.file
        try:
            make_folders(self.folder)
        except OSError as error:
            raise storage_error(self.folder, error) from error
        with staged(path) as staging, storage_errors(path):
            new.write(staging.path)
            if is_private:
                staging.path.chmod(0o600)
            made = replace(new.part, facts=staging.commit())
        kept = {session: each for session, each in self.parts().items() if session not in instead_of}
        parts = {**kept, made.session: made}
        write_file(self.folder / PARTS, list_text(self.schema.name, parts))
        self._remove_replaced({each.file for each in parts.values()})
        return made

    def _remove_replaced(self, counted: Collection[str]) -> None:
        """Remove files that do not count any more, and what writers that died have staged."""
        with suppress(OSError):
            remove_abandoned_in(self.folder)
            for path in self.folder.glob("????-??-??-*.parquet"):
                if path.name not in counted and time.time() - path.stat().st_mtime > STAYS_SECONDS:
                    path.unlink(missing_ok=True)

    def scan(self, sessions: Collection[date] | None = None) -> pl.LazyFrame:
        import polars as pl  # noqa: PLC0415 - the list of parts needs no Polars

        paths = [self.folder / part.file for part in sound_parts(self, sessions, self._check_all)]
        # Columns that came later are null in the files from before.
        return pl.scan_parquet(
            paths, schema=self.schema.polars, missing_columns="insert", extra_columns="ignore", glob=False
        )

    def _check_all(self, parts: Sequence[Part]) -> None:
        for part in parts:
            self._check(part)

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
        try:
            return (self.folder / part.file).stat().st_size == part.facts.bytes
        except OSError:
            return False
