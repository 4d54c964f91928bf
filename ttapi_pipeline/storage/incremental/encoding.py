# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A piece's rows as row groups of a Parquet file, and back. Which pieces need it: see `write_parquet`, `write_csv`."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import BinaryIO

import polars as pl
from xxhash import xxh3_64_intdigest

from ttapi_pipeline.core.errors import CorruptFileError
from ttapi_pipeline.storage.footer import MAGIC
from ttapi_pipeline.storage.hashing import ContentHash
from ttapi_pipeline.storage.incremental.hashed_file import Stretch
from ttapi_pipeline.storage.incremental.note import Extent, NotedPiece
from ttapi_pipeline.storage.incremental.pieces import Piece
from ttapi_pipeline.storage.incremental.row_groups import Footer, drop_page_index, encode_footer, move, read_footer
from ttapi_pipeline.storage.incremental.thrift import Value
from ttapi_pipeline.storage.parquet import COMPRESSION_LEVEL, ROW_GROUP_ROWS
from ttapi_pipeline.tables.conform import conform
from ttapi_pipeline.tables.constraints import check_keys, check_nulls
from ttapi_pipeline.tables.schema import DatasetSchema


@dataclass(frozen=True, slots=True)
class EncodedPiece:
    """A piece as row groups.

    Attributes:
        noted: Facts to note; the extent is the one in the file that `body` is from.
        body: The bytes of the groups, in memory or in the stored file.
        groups: The description of each group in the footer of that file.
        start: Where the first group is in that file; the offsets in `groups` are of that file too.
    """

    noted: NotedPiece
    body: bytes | Stretch
    groups: list[Value]
    start: int


def encode(piece: Piece, schema: DatasetSchema) -> EncodedPiece:
    """Make, check and encode a piece's rows.

    Raises:
        DataError: See `conform`, `check_nulls` and `check_keys`.
        PolarsError: The rows cannot be computed.
    """
    rows = conform(piece.read(), schema)
    check_nulls(rows, schema)
    check_keys(rows, schema)
    content = ContentHash(schema.polars)
    content.update(rows)
    body, groups = _row_groups(rows) if rows.height else (b"", list[Value]())
    key = rows.select(schema.key)
    first, last = (tuple(map(str, end.row(0))) if rows.height else () for end in (key.head(1), key.tail(1)))
    extent = Extent(len(MAGIC), len(body), xxh3_64_intdigest(body))
    noted = NotedPiece(piece.key, rows.height, content.sums, first, last, len(groups), extent)
    return EncodedPiece(noted, body, groups, len(MAGIC))


def decode(file: BinaryIO, piece: NotedPiece, groups: list[Value], template: Footer) -> pl.DataFrame:
    """The rows of a piece of an open Parquet file; `groups` is changed.

    Raises:
        CorruptFileError: The file has other bytes than were written.
    """
    body = Stretch(file, piece.parquet).read()
    if body is None:
        raise CorruptFileError(f"the Parquet file has other bytes at {piece.parquet.start} than were written")
    # The groups alone make a Parquet file of their own.
    move(groups, by=len(MAGIC) - piece.parquet.start)
    return pl.read_parquet(io.BytesIO(MAGIC + body + encode_footer(template, groups, {})))


def footer_template(schema: DatasetSchema) -> Footer:
    """The footer of a file without rows."""
    footer, _ = read_footer(_encoded_file(schema.polars.to_frame()))
    return footer


def _row_groups(rows: pl.DataFrame) -> tuple[bytes, list[Value]]:
    file = _encoded_file(rows)
    footer, end = read_footer(file)
    groups = footer.row_groups
    end = drop_page_index(groups, end=end)
    return file.getvalue()[len(MAGIC) : end], groups


def _encoded_file(rows: pl.DataFrame) -> io.BytesIO:
    file = io.BytesIO()
    rows.write_parquet(
        file,
        compression="zstd",
        compression_level=COMPRESSION_LEVEL,
        statistics=True,
        row_group_size=ROW_GROUP_ROWS,
    )
    return file
