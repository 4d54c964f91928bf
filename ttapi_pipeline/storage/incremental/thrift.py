# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The compact protocol of Thrift, in which the footer of a Parquet file is written; its meaning: see `row_groups`.

A struct is read and written as a tree of fields by number, without knowing any of them. Source: the Thrift compact
protocol specification.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

Value: TypeAlias = "bool | int | bytes | Struct | Items"

TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, STRUCT = (*range(1, 11), 12)
"""Types of values."""


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


def read_struct(content: bytes) -> Struct:
    """Read the struct that some bytes begin with; IndexError, ValueError or RecursionError when there is none."""
    return _Reader(content).struct()


def struct_bytes(struct: Struct) -> bytes:
    """The bytes of a struct."""
    out = bytearray()
    _write_struct(out, struct)
    return bytes(out)


class _Reader:
    """Reads one value after another; IndexError or ValueError where the bytes are not a value."""

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
            fields[number] = (kind, kind == TRUE if kind in (TRUE, FALSE) else self._value(kind))
        return Struct(fields)

    def _value(self, kind: int) -> Value:
        if kind in (I16, I32, I64):
            return self._signed()
        if kind == BINARY:
            return self._bytes(self._unsigned())
        if kind == STRUCT:
            return self.struct()
        if kind in (LIST, SET):
            head = self._byte()
            kind, size = head & 0x0F, head >> 4
            size = self._unsigned() if size == 0x0F else size
            return Items(kind, [self._element(kind) for _ in range(size)])
        if kind == DOUBLE:
            return self._bytes(8)
        if kind == BYTE:
            return self._byte()
        raise ValueError(f"type {kind} has no place in a footer")

    def _element(self, kind: int) -> Value:
        # In a list, a truth value has a byte of its own.
        return self._byte() == TRUE if kind in (TRUE, FALSE) else self._value(kind)

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
        marked = (TRUE if value else FALSE) if kind in (TRUE, FALSE) else kind
        if 0 < number - above <= 15:
            out.append((number - above) << 4 | marked)
        else:
            out.append(marked)
            _write_signed(out, number)
        above = number
        if kind not in (TRUE, FALSE):
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
        if kind == BINARY:
            _write_unsigned(out, len(value))
        out += value
    elif isinstance(value, bool):
        out.append(TRUE if value else FALSE)
    elif kind == BYTE:
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
