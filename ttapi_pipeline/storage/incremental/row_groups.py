# SPDX-License-Identifier: MIT
"""Parquet files put together from row groups that are encoded already; their rows are `storage.incremental.pieces`'.

A Parquet file is a magic number, the row groups, and a footer that says where each column of each group is. Nothing
inside a row group depends on where it stands, so one that did not change is copied as bytes, and the footer is written
anew with other offsets. No library does that: pyarrow merges footers without moving their offsets, Polars and DuckDB
encode every row again.

The footer is a Thrift struct in the compact protocol. It is read and written here as a tree that is not understood
beyond the fields named below, so that what another version of a writer adds is carried over. Sources: the Thrift
compact protocol specification, and `parquet.thrift` of the Parquet format 2.12 for the field numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final, TypeAlias

from ttapi_pipeline.core.errors import CorruptFileError

MAGIC: Final = b"PAR1"
_TAIL_BYTES: Final = 8

Value: TypeAlias = "bool | int | bytes | Struct | Items"

_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _STRUCT = (*range(1, 11), 12)

# FileMetaData
_SCHEMA, _NUM_ROWS, _ROW_GROUPS, _KEY_VALUES, _CREATED_BY = 2, 3, 4, 5, 6
# RowGroup
_COLUMNS, _GROUP_ROWS, _GROUP_OFFSET, _ORDINAL = 1, 3, 5, 7
# ColumnChunk
_CHUNK_OFFSET, _META_DATA, _OFFSET_INDEX, _COLUMN_INDEX = 2, 3, 4, 6
_PAGE_INDEX: Final = (4, 5, 6, 7)  # where and how long, of both
# ColumnMetaData
_DATA_PAGE, _INDEX_PAGE, _DICTIONARY_PAGE, _BLOOM_FILTER = 9, 10, 11, 14


@dataclass(slots=True)
class Struct:
    """A Thrift struct: type and value of each field, by its number, in rising order."""

    fields: dict[int, tuple[int, Value]]

    def get(self, number: int) -> Value | None:
        """The value of a field; None when it is not there."""
        return self.fields[number][1] if number in self.fields else None

    def shift(self, number: int, by: int) -> None:
        """Move an offset; one that is not there, or 0 (which means unknown), stays as it is."""
        if number in self.fields:
            kind, value = self.fields[number]
            if isinstance(value, int) and value:
                self.fields[number] = (kind, value + by)


@dataclass(slots=True)
class Items:
    """A Thrift list or set, and the type of its elements."""

    kind: int
    values: list[Value]


@dataclass(slots=True)
class Footer:
    """What stands behind the row groups of a Parquet file.

    Attributes:
        root: It.
        raw: Its bytes.
    """

    root: Struct
    raw: bytes

    @property
    def row_groups(self) -> list[Value]:
        """The row groups, each a Struct, in file order."""
        groups = self.root.get(_ROW_GROUPS)
        return groups.values if isinstance(groups, Items) else []

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
    """Forget where the pages of each column are, which nothing needs that reads whole row groups.

    The page index stands behind the row groups and holds positions itself, so it would have to be written anew.

    Args:
        groups: The row groups of one file.
        end: Where what belongs to them ends.

    Returns:
        Where the row groups end without it.
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
    """Say in the footer's words that row groups without a page index stand so many bytes further on."""
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
    """The footer of an open Parquet file, and where it begins: the end of what belongs to the row groups.

    Raises:
        CorruptFileError: It is no Parquet file.
        OSError: It cannot be read.
    """
    size = file.seek(0, 2)
    if size < len(MAGIC) + _TAIL_BYTES:
        raise CorruptFileError("it is too short for a Parquet file")
    file.seek(size - _TAIL_BYTES)
    tail = file.read(_TAIL_BYTES)
    start = size - _TAIL_BYTES - int.from_bytes(tail[:4], "little")
    if tail[4:] != MAGIC or start < len(MAGIC):
        raise CorruptFileError("it does not end as a Parquet file does")
    file.seek(start)
    content = file.read(size - _TAIL_BYTES - start)
    try:
        return Footer(_Reader(content).struct(), content), start
    except (IndexError, ValueError, RecursionError) as error:
        raise CorruptFileError(f"its Parquet footer cannot be read: {error}") from error


def encode_footer(like: Footer, groups: Sequence[Value], key_values: Mapping[str, str]) -> bytes:
    """A footer for these row groups, and the bytes that end a Parquet file behind it.

    Args:
        like: Says what the columns are and who wrote them; its own key-value pairs are kept.
        groups: Moved to where they stand, in file order; their numbers are made to rise.
        key_values: Put beside the pairs that are there, or in place of those with the same key.
    """
    for ordinal, group in enumerate(groups):
        if isinstance(group, Struct) and _ORDINAL in group.fields:
            # A number of 16 bits, and optional.
            group.fields[_ORDINAL] = (_I16, ordinal)
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
        Struct({1: (_BINARY, key.encode()), 2: (_BINARY, value.encode())}) for key, value in key_values.items()
    ]
    fields = dict(like.root.fields)
    fields[_NUM_ROWS] = (_I64, sum(rows_of(group) for group in groups))
    fields[_ROW_GROUPS] = (_LIST, Items(_STRUCT, list(groups)))
    fields[_KEY_VALUES] = (_LIST, Items(_STRUCT, [*kept, *added]))
    out = bytearray()
    _write_struct(out, Struct(dict(sorted(fields.items()))))
    return bytes(out) + len(out).to_bytes(4, "little") + MAGIC


class _Reader:
    """Reads one value after the other; IndexError or ValueError where the bytes are none."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def struct(self) -> Struct:
        fields: dict[int, tuple[int, Value]] = {}
        number = 0
        while head := self._byte():
            kind, delta = head & 0x0F, head >> 4
            number = number + delta if delta else self._signed()
            # A truth value is in the type itself.
            fields[number] = (kind, kind == _TRUE if kind in (_TRUE, _FALSE) else self._value(kind))
        return Struct(fields)

    def _value(self, kind: int) -> Value:
        if kind in (_I16, _I32, _I64):
            return self._signed()
        if kind == _BINARY:
            return self._bytes(self._unsigned())
        if kind == _STRUCT:
            return self.struct()
        if kind in (_LIST, _SET):
            head = self._byte()
            kind, size = head & 0x0F, head >> 4
            size = self._unsigned() if size == 0x0F else size
            return Items(kind, [self._element(kind) for _ in range(size)])
        if kind == _DOUBLE:
            return self._bytes(8)
        if kind == _BYTE:
            return self._byte()
        raise ValueError(f"type {kind} has no place in a footer")

    def _element(self, kind: int) -> Value:
        # In a list, a truth value has a byte of its own.
        return self._byte() == _TRUE if kind in (_TRUE, _FALSE) else self._value(kind)

    def _byte(self) -> int:
        self._at += 1
        return self._content[self._at - 1]

    def _bytes(self, count: int) -> bytes:
        self._at += count
        if self._at > len(self._content):
            raise ValueError("it ends in the middle of a value")
        return self._content[self._at - count : self._at]

    def _unsigned(self) -> int:
        number = shift = 0
        while (byte := self._byte()) & 0x80:
            number |= (byte & 0x7F) << shift
            shift += 7
        return number | byte << shift

    def _signed(self) -> int:
        number = self._unsigned()
        return (number >> 1) ^ -(number & 1)


def _write_struct(out: bytearray, struct: Struct) -> None:
    above = 0
    for number, (kind, value) in struct.fields.items():
        marked = (_TRUE if value else _FALSE) if kind in (_TRUE, _FALSE) else kind
        if 0 < number - above <= 15:
            out.append((number - above) << 4 | marked)
        else:
            out.append(marked)
            _write_signed(out, number)
        above = number
        if kind not in (_TRUE, _FALSE):
            _write_value(out, kind, value)
    out.append(0)


def _write_value(out: bytearray, kind: int, value: Value) -> None:
    if isinstance(value, Struct):
        _write_struct(out, value)
    elif isinstance(value, Items):
        size = len(value.values)
        out.append(min(size, 0x0F) << 4 | value.kind)
        if size >= 0x0F:
            _write_unsigned(out, size)
        for element in value.values:
            _write_value(out, value.kind, element)
    elif isinstance(value, bytes):
        if kind == _BINARY:
            _write_unsigned(out, len(value))
        out += value
    elif isinstance(value, bool):
        out.append(_TRUE if value else _FALSE)
    elif kind == _BYTE:
        out.append(value)
    else:
        _write_signed(out, value)


def _write_unsigned(out: bytearray, number: int) -> None:
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)


def _write_signed(out: bytearray, number: int) -> None:
    _write_unsigned(out, number << 1 if number >= 0 else (-number << 1) - 1)
