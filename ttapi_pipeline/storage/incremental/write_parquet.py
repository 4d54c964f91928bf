# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Writing the Parquet file of a table in pieces: stored pieces are copied, the others encoded. The CSV: `write_csv`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Final

from xxhash import xxh3_64_intdigest

from ttapi_pipeline.core.errors import DataError
from ttapi_pipeline.core.manifest import FileFacts
from ttapi_pipeline.core.ordered import map_in_order
from ttapi_pipeline.storage.footer import MAGIC, TAIL_BYTES
from ttapi_pipeline.storage.hashing import ContentHash
from ttapi_pipeline.storage.incremental.encoding import EncodedPiece, encode
from ttapi_pipeline.storage.incremental.hashed_file import HashedFile
from ttapi_pipeline.storage.incremental.note import NotedPiece
from ttapi_pipeline.storage.incremental.pieces import Piece, Pieces
from ttapi_pipeline.storage.incremental.row_groups import encode_footer, move
from ttapi_pipeline.storage.incremental.stored_pieces import StoredPieces
from ttapi_pipeline.storage.incremental.thrift import Value
from ttapi_pipeline.tables.schema import DatasetSchema

_WORKERS: Final = 2
"""Pieces that are encoded at the same time."""


@dataclass(frozen=True, slots=True)
class WrittenParquet:
    """A Parquet file that was just written.

    Attributes:
        pieces: Its pieces that have rows.
        groups: What its footer says of the row groups of each.
        footer: XXH3-64 of its footer.
        facts: Its size and hash.
    """

    pieces: Sequence[NotedPiece]
    groups: Sequence[list[Value]]
    footer: int
    facts: FileFacts


def write_parquet(
    path: Path,
    table: Pieces,
    schema: DatasetSchema,
    known: StoredPieces,
    *,
    key_values: Callable[[ContentHash], Mapping[str, str]],
) -> WrittenParquet:
    """Write a table's Parquet file.

    Args:
        path: Where to.
        table: The rows.
        schema: What each piece is conformed to and checked by.
        known: Pieces that may be copied.
        key_values: Metadata of the footer, asked for when all rows are known.

    Raises:
        DataError: See `conform`, `check_nulls` and `check_keys`; or a piece is not in the order of the key.
        OSError: The file cannot be written; PolarsError: a piece cannot be computed.
    """
    content = ContentHash(schema.polars)
    pieces: list[NotedPiece] = []
    groups: list[list[Value]] = []
    with path.open("wb") as file, HashedFile(file) as out:

        def append(encoded: EncodedPiece) -> bool:
            noted, start = encoded.noted, out.size
            if not noted.rows:
                return True
            _check_order(pieces, noted, schema)
            if not out.append(encoded.body):
                return False
            move(encoded.groups, by=start - encoded.start)
            groups.append(encoded.groups)
            content.add(noted.rows, noted.sums)
            pieces.append(replace(noted, parquet=replace(noted.parquet, start=start), csv=None))
            return True

        def encoded(piece: Piece) -> EncodedPiece:
            return known.parquet(piece.key) or encode(piece, schema)

        out.append(MAGIC)
        for piece, found in zip(table.pieces, map_in_order(encoded, table.pieces, workers=_WORKERS), strict=True):
            if not append(found):
                append(encode(piece, schema))
        footer = encode_footer(known.template, [*chain.from_iterable(groups)], key_values(content))
        out.append(footer)
    return WrittenParquet(pieces, groups, xxh3_64_intdigest(footer[:-TAIL_BYTES]), out.facts)


def _check_order(written: Sequence[NotedPiece], piece: NotedPiece, schema: DatasetSchema) -> None:
    """DataError when the piece does not begin after the end of the last one that was written."""
    if written and written[-1].last >= piece.first:
        raise DataError(
            f"{schema.name} {', '.join(piece.first)} comes after {', '.join(written[-1].last)}, "
            f"and is not in the order of {', '.join(schema.key)}, as was promised"
        )
