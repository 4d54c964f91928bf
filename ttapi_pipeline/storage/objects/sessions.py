# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A table in parts in an object store. What is the same elsewhere: see `storage.session_table`.

There is no lock. The list of parts is replaced in place of the very one that was read, so that of two writers none
loses a session; of two that make the same session, the later one's file counts.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from ttapi_pipeline.core.errors import CorruptFileError, StorageError
from ttapi_pipeline.storage.files import file_facts, temporary_folder
from ttapi_pipeline.storage.objects import bucket
from ttapi_pipeline.storage.objects.bucket import ObjectFacts
from ttapi_pipeline.storage.objects.location import ObjectPath
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

_STAYS: Final = timedelta(seconds=STAYS_SECONDS)


@dataclass(slots=True)
class ObjectSessionTable:
    """See `storage.session_table.SessionTable`. What is there is listed once: open a table for every look.

    Attributes:
        folder: Of the table.
        schema: Its columns; the first one of the key is the session.
    """

    folder: ObjectPath
    schema: DatasetSchema
    _listed: Mapping[str, ObjectFacts] | None = field(default=None, repr=False)

    def parts(self) -> Mapping[date, Part]:
        found = bucket.read(self.folder / PARTS)
        return by_session(self._parts_in(None if found is None else found.content))

    def _parts_in(self, text: bytes | None) -> list[Part]:
        if text is None and not self._files():
            return []
        try:
            return read_list(text or b"")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return self._told_by_footers()

    def _told_by_footers(self) -> list[Part]:
        """Every file is read for it, which only a lost list is worth."""
        with temporary_folder() as folder:
            paths = [folder / name for name in sorted(self._files())]
            bucket.at_once(lambda path: bucket.download(self.folder / path.name, path), paths)
            return told_by_footers(self.schema.name, [path for path in paths if path.exists()])

    def put(
        self,
        rows: pl.DataFrame,
        part: Part,
        *,
        made_at: datetime,
        instead_of: Collection[date] = (),
        is_private: bool = False,  # noqa: ARG002 - the rights of the bucket say who may read
    ) -> Part:
        new = NewPart.of(rows, part, self.schema, made_at=made_at)
        with temporary_folder() as folder:
            path = folder / new.part.file
            new.write(path)
            made = replace(new.part, facts=file_facts(path))
            bucket.write(self.folder / made.file, path)
        counted: set[str] = set()

        def with_this(text: bytes | None) -> bytes:
            self._listed = None
            kept = [each for each in self._parts_in(text) if each.session not in instead_of]
            parts = {**by_session(kept), made.session: made}
            counted.clear()
            counted.update(each.file for each in parts.values())
            return list_text(self.schema.name, parts).encode()

        bucket.change(self.folder / PARTS, with_this)
        self._listed = None
        self._remove_replaced(counted)
        return made

    def _remove_replaced(self, counted: Collection[str]) -> None:
        """Remove files that do not count any more; one that is young may be about to count."""
        files = self._files()
        now = max((each.written_at for each in files.values()), default=None)
        with suppress(StorageError):
            bucket.remove(
                [
                    each.path
                    for name, each in files.items()
                    if name not in counted and now is not None and now - each.written_at > _STAYS
                ]
            )

    def scan(self, sessions: Collection[date] | None = None) -> pl.LazyFrame:
        import polars as pl  # noqa: PLC0415 - the list of parts needs no Polars

        paths = [str(self.folder / part.file) for part in sound_parts(self, sessions, self._check)]
        # Columns that came later are null in the files from before.
        return pl.scan_parquet(
            paths,
            schema=self.schema.polars,
            missing_columns="insert",
            extra_columns="ignore",
            glob=False,
            storage_options=bucket.reading_options(self.folder),
            credential_provider=None,
        )

    def _check(self, parts: Sequence[Part]) -> None:
        """Compare the sizes of files with those that were written; errors as of `sound_parts`."""
        self._listed = None
        files = self._files()
        gone = next((part.file for part in parts if part.file not in files), None)
        if gone is not None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self.folder / gone))
        for part in parts:
            if files[part.file].bytes != part.facts.bytes:
                raise CorruptFileError(
                    f"{self.folder / part.file} is damaged: it has {files[part.file].bytes} bytes, and "
                    f"{part.facts.bytes} were written; delete it, and the next refresh makes it again from the rows "
                    "that are kept"
                )

    def is_there(self, part: Part) -> bool:
        found = self._files().get(part.file)
        return found is not None and found.bytes == part.facts.bytes

    def _files(self) -> Mapping[str, ObjectFacts]:
        """The Parquet files of the table, by name; listed once until something is written."""
        if self._listed is None:
            listed = bucket.listed_beside(self.folder)
            self._listed = {each.path.name: each for each in listed if each.path.name.endswith(".parquet")}
        return self._listed
