# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Reads a row that breaks its contract field by field, so that one bad value costs one field and not the row.

`payloads` comes here with the few rows that the fast decoder refuses. A field that may be absent keeps its default
where its value cannot be read. An element of a list is dropped where it lacks a field that it needs. Either is named in
the row's `lost_fields`. A row that lacks a field which it needs itself cannot be mended.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from types import UnionType
from typing import Annotated, Any, Final, TypeVar, Union, get_args, get_origin

import msgspec

R = TypeVar("R", bound=msgspec.Struct)

ELEMENT: Final = "[]"
"""What follows the name of a list in the path of one of its elements: ``expirations[].strikes[]``."""


@dataclass(frozen=True, slots=True)
class _Field:
    """A field of a struct: its names here and on the wire, and what may be looked into when it cannot be read whole."""

    name: str
    wire_name: str
    type: Any
    is_required: bool
    struct: type[msgspec.Struct] | None
    element: Any


def mended(value: object, row_type: type[R]) -> R:
    """The row of a JSON value, with what could not be read in `lost_fields`, by the names of the wire.

    Args:
        value: Any JSON value, as plain Python values.
        row_type: The struct of a row; it has the field `lost_fields`.

    Raises:
        msgspec.ValidationError: The value is not an object, or lacks a field that the row needs.
    """
    lost: list[str] = []
    row = _struct(value, row_type, "", lost)
    return msgspec.structs.replace(row, lost_fields=tuple(lost))


def _struct(value: object, struct: type[R], path: str, lost: list[str]) -> R:
    if not isinstance(value, dict):
        raise msgspec.ValidationError(f"Expected `object`, got `{type(value).__name__}`{_at(path)}")
    kept: dict[str, object] = {}
    for each in _fields(struct):
        where = f"{path}.{each.wire_name}" if path else each.wire_name
        if each.wire_name not in value:
            if each.is_required:
                raise msgspec.ValidationError(f"Object missing required field `{each.wire_name}`{_at(path)}")
            continue
        try:
            kept[each.name] = _field(value[each.wire_name], each, where, lost)
        except msgspec.ValidationError:
            if each.is_required:
                raise
            lost.append(where)
    return struct(**kept)


def _field(value: object, field: _Field, where: str, lost: list[str]) -> object:
    try:
        return msgspec.convert(value, field.type, strict=False)
    except msgspec.ValidationError as error:
        if field.struct is not None and isinstance(value, dict):
            return _struct(value, field.struct, where, lost)
        if field.element is not None and isinstance(value, list):
            return tuple(_elements(value, field.element, f"{where}{ELEMENT}", lost))
        raise msgspec.ValidationError(f"{str(error).partition(' - at ')[0]}{_at(where)}") from error


def _elements(values: Sequence[object], element: Any, where: str, lost: list[str]) -> Sequence[object]:
    kept = []
    for value in values:
        inner: list[str] = []
        try:
            kept.append(_element(value, element, where, inner))
        except msgspec.ValidationError:
            # The whole element is gone, so its fields are not counted beside it.
            inner = [where]
        lost += inner
    return kept


def _element(value: object, element: Any, where: str, lost: list[str]) -> object:
    try:
        return msgspec.convert(value, element, strict=False)
    except msgspec.ValidationError:
        struct = _struct_in(element)
        if struct is None:
            raise
        return _struct(value, struct, where, lost)


@cache
def _fields(struct: type[msgspec.Struct]) -> Sequence[_Field]:
    return tuple(
        _Field(
            name=each.name,
            wire_name=each.encode_name,
            type=each.type,
            is_required=each.required,
            struct=_struct_in(each.type),
            element=next((get_args(kind)[0] for kind in _alternatives(each.type) if get_origin(kind) is tuple), None),
        )
        for each in msgspec.structs.fields(struct)
        if each.name != "lost_fields"
    )


def _struct_in(kind: Any) -> type[msgspec.Struct] | None:
    structs = (each for each in _alternatives(kind) if isinstance(each, type) and issubclass(each, msgspec.Struct))
    return next(structs, None)


def _alternatives(kind: Any) -> Sequence[Any]:
    """The types of a union, without what annotates them; the type itself when it is not a union."""
    if get_origin(kind) is Annotated:
        return _alternatives(get_args(kind)[0])
    return get_args(kind) if get_origin(kind) in {Union, UnionType} else (kind,)


def _at(path: str) -> str:
    return f" - at `$.{path}`" if path else ""
