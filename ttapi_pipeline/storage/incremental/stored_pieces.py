# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The pieces of the files that are stored now, to copy from. The facts that are noted about them: see `note`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from threading import Thread
from typing import BinaryIO, Final

from xxhash import xxh3_64_intdigest

from ttapi_pipeline.core.errors import CorruptFileError
from ttapi_pipeline.storage.incremental.encoding import EncodedPiece, footer_template
from ttapi_pipeline.storage.incremental.hashed_file import Stretch
from ttapi_pipeline.storage.incremental.note import Note, NotedPiece, read_note
from ttapi_pipeline.storage.incremental.row_groups import read_footer
from ttapi_pipeline.storage.incremental.thrift import Value
from ttapi_pipeline.storage.layout import DatasetFiles
from ttapi_pipeline.storage.stored import read_manifest
from ttapi_pipeline.tables.schema import DatasetSchema


class StoredPieces:
    """The pieces of the Parquet file and of the CSV that are stored; there may be none.

    The files are held open, so that a copy is made of the files that were there when the lock was taken. Pieces that
    another version of the dataset's code or of Polars made are left out.

    Args:
        files: Of the dataset.
        schema: Of the dataset.
        code_version: Of the dataset's code.
        is_trusted: Whether the note about the pieces may be used at all.
    """

    def __init__(
        self, files: DatasetFiles, schema: DatasetSchema, *, code_version: str, is_trusted: bool = True
    ) -> None:
        self._open = ExitStack()
        self._parquet: BinaryIO | None = None
        self._csv: BinaryIO | None = None
        self._pieces: Mapping[str, NotedPiece] = {}
        self._groups: Mapping[str, list[Value]] = {}
        self.template: Final = footer_template(schema)
        note = read_note(files, code_version=code_version) if is_trusted else None
        if note is None:
            return
        # Ignore the note when its files are missing or damaged.
        with suppress(OSError, CorruptFileError):
            manifest = read_manifest(files.folder, files.dataset)
            parquet = files.parquet if manifest is None else files.rows_file(manifest.write_id)
            if self._open_parquet(parquet, note):
                self._csv = self._open.enter_context(files.csv.open("rb"))

    def _open_parquet(self, path: Path, note: Note) -> bool:
        """Open the Parquet file and look up the row groups of each piece; False when the note is of another file."""
        parquet = self._open.enter_context(path.open("rb"))
        footer, _ = read_footer(parquet)
        groups = footer.row_groups
        is_noted = (
            note.write_id.encode() in footer.raw
            and note.footer == xxh3_64_intdigest(footer.raw)
            and footer.is_like(self.template)
            and len(groups) == sum(piece.groups for piece in note.pieces)
        )
        if not is_noted:
            return False
        at = 0
        grouped = {}
        for piece in note.pieces:
            grouped[piece.key] = groups[at : at + piece.groups]
            at += piece.groups
        self._parquet, self._groups = parquet, grouped
        self._pieces = {piece.key: piece for piece in note.pieces}
        return True

    def close(self) -> None:
        """Let go of the files. In a thread: the disk takes a second to free gigabytes that were replaced."""
        if self._pieces:
            Thread(target=self._open.close, daemon=True).start()
        else:
            self._open.close()

    def parquet(self, key: str) -> EncodedPiece | None:
        """A piece's row groups; None when they are not stored."""
        noted = self._pieces.get(key)
        if noted is None or self._parquet is None:
            return None
        body = Stretch(self._parquet, noted.parquet)
        return EncodedPiece(noted, body, self._groups[key], noted.parquet.start)

    def ranges_that_differ(
        self, pieces: Sequence[NotedPiece]
    ) -> tuple[Sequence[tuple[int, int]], Sequence[tuple[int, int]]] | None:
        """The rows of the stored file, and those of the file that takes its place, that are in no piece of both.

        Args:
            pieces: Of the new file.

        Returns:
            For each file, first row and number of rows; None where nothing is known of the stored file.
        """
        if self._parquet is None:
            return None
        keys = {piece.key for piece in pieces}
        stored = list(self._pieces.values())
        return _ranges(stored, but=keys), _ranges(pieces, but=self._pieces.keys())

    def csv(self, key: str) -> Stretch | None:
        """A piece's lines; None when they are not stored."""
        noted = self._pieces.get(key)
        if noted is None or noted.csv is None or self._csv is None:
            return None
        return Stretch(self._csv, noted.csv)


def _ranges(pieces: Sequence[NotedPiece], *, but: Collection[str]) -> Sequence[tuple[int, int]]:
    """First row and number of rows of the pieces without those with some keys; neighbours are one range."""
    found: list[tuple[int, int]] = []
    at = 0
    for piece in pieces:
        if piece.key not in but:
            start, count = found.pop() if found and sum(found[-1]) == at else (at, 0)
            found.append((start, count + piece.rows))
        at += piece.rows
    return found
