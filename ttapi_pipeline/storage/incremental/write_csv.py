# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Writing the CSV of a table in pieces from its Parquet file: stored lines are copied, the others made anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from xxhash import xxh3_64_intdigest

from ttapi_pipeline.core.manifest import FileFacts
from ttapi_pipeline.core.ordered import map_in_order
from ttapi_pipeline.storage.incremental.encoding import decode
from ttapi_pipeline.storage.incremental.hashed_file import HashedFile, Stretch
from ttapi_pipeline.storage.incremental.note import Extent, NotedPiece
from ttapi_pipeline.storage.incremental.stored_pieces import StoredPieces
from ttapi_pipeline.storage.incremental.write_parquet import WrittenParquet
from ttapi_pipeline.storage.spreadsheet import csv_header, csv_rows
from ttapi_pipeline.tables.schema import DatasetSchema

_WORKERS: Final = 2
"""Pieces whose lines are made at the same time."""


def write_csv(
    path: Path, parquet: Path, schema: DatasetSchema, known: StoredPieces, written: WrittenParquet
) -> tuple[Sequence[NotedPiece], FileFacts]:
    """Write the CSV of a Parquet file that was just written.

    Returns:
        The pieces of the file, with the extents of their lines to be noted; and size and hash of the CSV.

    Raises:
        CorruptFileError: The Parquet file has other bytes than were written.
        OSError: The file cannot be written; PolarsError: the lines cannot be made.
    """
    with parquet.open("rb") as file:

        def lines(position: int) -> bytes:
            return csv_rows(decode(file, written.pieces[position], written.groups[position], known.template))

        def found(position: int) -> bytes | Stretch:
            return known.csv(written.pieces[position].key) or lines(position)

        noted = []
        with path.open("wb") as csv, HashedFile(csv) as out:
            out.append(csv_header(schema))
            positions = range(len(written.pieces))
            for position, known_or_new in zip(positions, map_in_order(found, positions, workers=_WORKERS), strict=True):
                start, text = out.size, known_or_new
                if not out.append(text):
                    text = lines(position)
                    out.append(text)
                checksum = text.extent.checksum if isinstance(text, Stretch) else xxh3_64_intdigest(text)
                noted.append(replace(written.pieces[position], csv=Extent(start, out.size - start, checksum)))
    return noted, out.facts
