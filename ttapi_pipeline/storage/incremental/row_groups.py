# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Parquet files put together from row groups that are encoded already. Where the groups come from: see `encoding`.

A Parquet file is a magic number, the row groups, and a footer that says where each column of each group is. Nothing
inside a row group depends on where it stands, so a group that did not change is copied as bytes, and the footer is
written anew with other offsets. No library does that: pyarrow merges footers without moving their offsets, Polars and
DuckDB encode every row again.

The footer is a Thrift struct. Only the fields named below are understood, so that whatever another version of a writer
adds is carried over. Source of the field numbers: `parquet.thrift` of the Parquet format 2.12.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final

from ttapi_pipeline.core.errors import CorruptFileError
from ttapi_pipeline.storage.footer import MAGIC, read_footer_bytes
from ttapi_pipeline.storage.incremental.thrift import (
    BINARY,
    I16,
    I64,
    LIST,
    STRUCT,
    Items,
    Struct,
    Value,
    read_struct,
    struct_bytes,
)

# FileMetaData
_SCHEMA, _NUM_ROWS, _ROW_GROUPS, _KEY_VALUES, _CREATED_BY = 2, 3, 4, 5, 6
# RowGroup
_COLUMNS, _GROUP_ROWS, _GROUP_OFFSET, _ORDINAL = 1, 3, 5, 7
# ColumnChunk
_CHUNK_OFFSET, _META_DATA, _OFFSET_INDEX, _COLUMN_INDEX = 2, 3, 4, 6
_PAGE_INDEX: Final = (4, 5, 6, 7)  # offset and length of both
# ColumnMetaData
_DATA_PAGE, _INDEX_PAGE, _DICTIONARY_PAGE, _BLOOM_FILTER = 9, 10, 11, 14


@dataclass(slots=True)
class Footer:
    """The footer of a Parquet file.

    Attributes:
        root: Its tree of fields.
        raw: Its bytes.
    """

    root: Struct
    raw: bytes

    @property
    def row_groups(self) -> list[Value]:
        """The row groups, each a Struct, in file order."""
        groups = self.root.get(_ROW_GROUPS)
        return groups.values if isinstance(groups, Items) else []

    @property
    def key_values(self) -> Mapping[bytes, bytes]:
        """The key-value pairs that its writers have added."""
        pairs = self.root.get(_KEY_VALUES)
        found = {}
        for pair in pairs.values if isinstance(pairs, Items) else ():
            key, value = (pair.get(1), pair.get(2)) if isinstance(pair, Struct) else (None, None)
            if isinstance(key, bytes) and isinstance(value, bytes):
                found[key] = value
        return found

    def is_like(self, other: Footer) -> bool:
        """Whether both describe the same columns, and one program wrote them."""
        return all(self.root.get(number) == other.root.get(number) for number in (_SCHEMA, _CREATED_BY))


def rows_of(group: Value) -> int:
    """How many rows a row group has."""
    rows = group.get(_GROUP_ROWS) if isinstance(group, Struct) else None
    if not isinstance(rows, int):
        raise CorruptFileError("a row group of the Parquet footer has no number of rows")
    return rows


def drop_page_index(groups: Iterable[Value], *, end: int) -> int:
    """Remove the page index, which says where the pages of each column are: no reader of whole row groups needs it.

    The index stands behind the row groups and holds positions itself, so it would have to be written anew.

    Args:
        groups: The row groups of one file.
        end: Where the row groups and the index end: the start of the footer.

    Returns:
        Where the row groups end without the index.
    """
    for column in _columns(groups):
        for number in (_OFFSET_INDEX, _COLUMN_INDEX):
            start = column.get(number)
            if isinstance(start, int):
                end = min(end, start)
        for number in _PAGE_INDEX:
            column.fields.pop(number, None)
    return end


def move(groups: Sequence[Value], *, by: int) -> None:
    """Add a number of bytes to every offset of row groups, which must be without a page index."""
    for group in groups:
        if isinstance(group, Struct):
            group.shift(_GROUP_OFFSET, by)
    for column in _columns(groups):
        column.shift(_CHUNK_OFFSET, by)
        described = column.get(_META_DATA)
        if isinstance(described, Struct):
            for number in (_DATA_PAGE, _INDEX_PAGE, _DICTIONARY_PAGE, _BLOOM_FILTER):
                described.shift(number, by)


def _columns(groups: Iterable[Value]) -> Iterator[Struct]:
    for group in groups:
        columns = group.get(_COLUMNS) if isinstance(group, Struct) else None
        for column in columns.values if isinstance(columns, Items) else ():
            if isinstance(column, Struct):
                yield column


def read_footer(file: BinaryIO) -> tuple[Footer, int]:
    """The footer of an open Parquet file, and where it begins: the end of the row groups and their index.

    Raises:
        CorruptFileError: The file is not a Parquet file.
        OSError: It cannot be read.
    """
    content, start = read_footer_bytes(file)
    try:
        return Footer(read_struct(content), content), start
    except (IndexError, ValueError, RecursionError) as error:
        raise CorruptFileError(f"its Parquet footer cannot be read: {error}") from error


def encode_footer(like: Footer, groups: Sequence[Value], key_values: Mapping[str, str]) -> bytes:
    """A footer for some row groups, and the bytes that end a Parquet file behind it.

    Args:
        like: Describes the columns and the program that wrote them; its own key-value pairs are kept.
        groups: In file order, with the offsets where they stand; their ordinals are changed to count from 0.
        key_values: Added to the pairs of `like`; a pair with the same key is replaced.
    """
    for ordinal, group in enumerate(groups):
        if isinstance(group, Struct) and _ORDINAL in group.fields:
            # A number of 16 bits, and optional.
            group.fields[_ORDINAL] = (I16, ordinal)
            if ordinal > 32_767:
                del group.fields[_ORDINAL]
    pairs = like.root.get(_KEY_VALUES)
    replaced = {key.encode() for key in key_values}
    kept = [
        pair
        for pair in (pairs.values if isinstance(pairs, Items) else ())
        if isinstance(pair, Struct) and pair.get(1) not in replaced
    ]
    added: list[Value] = [
        Struct({1: (BINARY, key.encode()), 2: (BINARY, value.encode())}) for key, value in key_values.items()
    ]
    fields = dict(like.root.fields)
    fields[_NUM_ROWS] = (I64, sum(rows_of(group) for group in groups))
    fields[_ROW_GROUPS] = (LIST, Items(STRUCT, list(groups)))
    fields[_KEY_VALUES] = (LIST, Items(STRUCT, [*kept, *added]))
    content = struct_bytes(Struct(dict(sorted(fields.items()))))
    return content + len(content).to_bytes(4, "little") + MAGIC
