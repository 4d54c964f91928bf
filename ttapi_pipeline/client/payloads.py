# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Turns bodies into rows: envelopes, rows that break their contract, and the messages of error bodies.

The fields of rows are in `models`, the requests in `client`. `mending` saves the readable fields of a row that breaks
its contract.
"""

from __future__ import annotations

import contextlib
import html
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import msgspec

from ttapi_pipeline.client.mending import mended
from ttapi_pipeline.client.models import Row, WireObject
from ttapi_pipeline.core.errors import PayloadError
from ttapi_pipeline.core.lines import shortened
from ttapi_pipeline.core.privacy import STRUCK_OUT, without_tokens

T = TypeVar("T")
R = TypeVar("R", bound=Row)

MAX_MESSAGE_CHARS: Final = 300

MOST_ROWS: Final = 100_000
MOST_OBJECTS: Final = 500_000
MOST_VALUES: Final = 2_000_000
"""The most rows, objects with lists, and values of one answer. Small values take many times their bytes once they are
read. A page of 5,000 equities has some 50,000 objects and 300,000 values, and no known answer has more."""

REPEATED_ROW: Final = "another row of the same name"
"""What is lost where a symbol or an account comes twice in an answer and the rows differ: the first one stands."""

# Neither looks beyond the next bracket: a page of brackets alone would take the square of the time.
_TAG: Final = re.compile(r"<[^<>]*>")
_TITLE: Final = re.compile(r"<title[^<>]*>([^<]*)</title>", re.IGNORECASE)
_UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_UNSEEN: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\s]+")


class Pagination(Row, frozen=True):
    """The place of a page among all pages; `page_offset` counts them from zero."""

    page_offset: int = 0
    total_pages: int = 1
    per_page: int | None = None
    total_items: int | None = None


class _Items(WireObject, Generic[T], frozen=True):
    items: list[T]


class _ListEnvelope(WireObject, Generic[T], frozen=True):
    data: _Items[T]
    pagination: Pagination | None = None


class _UnreadList(WireObject, frozen=True):
    """The envelope of a list of which nothing but the place of its rows is known."""

    data: _Items[msgspec.Raw]
    pagination: Any = None


class _SingleEnvelope(WireObject, frozen=True):
    data: msgspec.Raw


class _Named(WireObject, frozen=True):
    symbol: str


_UNREAD_LIST: Final = msgspec.json.Decoder(_UnreadList)
_SINGLE: Final = msgspec.json.Decoder(_SingleEnvelope)
_NAMED: Final = msgspec.json.Decoder(_Named)


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """The rows of one body, in its order.

    Attributes:
        rows: Rows that keep their contract, and rows that were mended: `lost_fields` says what they lost.
        rejected: (symbol, reason) of the other rows. ``row 3`` stands for a symbol that cannot be read.
        pagination: None when the body has none, which means that this is the only page.
    """

    rows: Sequence[T]
    rejected: Sequence[tuple[str, str]]
    pagination: Pagination | None

    @property
    def unread(self) -> Sequence[tuple[str, str]]:
        """The pages behind this one, as (name, reason), for an answer that is documented to have one page."""
        pages = 1 if self.pagination is None else self.pagination.total_pages
        return [(f"pages 2 to {pages}", "the answer says that there are more pages, which were not read")] * (pages > 1)


def list_decoder(row_type: type[R]) -> Callable[[bytes, str], Page[R]]:
    """A function that reads ``{"data": {"items": [...]}}``.

    The function takes the body and the name of the request, and raises PayloadError when the body is not that envelope.
    A row that breaks its contract loses the optional fields that cannot be read. A row without a field that it needs is
    set aside. Neither stops the other rows.
    """
    # Typed Any, because mypy does not accept a type that is only known at run time as a type argument.
    envelope_of: Any = _ListEnvelope
    whole: msgspec.json.Decoder[_ListEnvelope[R]] = msgspec.json.Decoder(envelope_of[row_type], strict=False)
    decoder = msgspec.json.Decoder(row_type, strict=False)

    def decode(body: bytes, subject: str) -> Page[R]:
        check_size(body, subject)
        # Nearly every body can be read in one go, which takes two thirds of the time. Only if that fails, each row is
        # read by itself, to find the ones that break their contract.
        with contextlib.suppress(*_UNREADABLE):
            page = whole.decode(body)
            _check_rows(page.data.items, subject)
            return Page(page.data.items, (), page.pagination)
        envelope = _read(_UNREAD_LIST, body, subject)
        _check_rows(envelope.data.items, subject)
        rows: list[R] = []
        rejected: list[tuple[str, str]] = []
        for number, raw in enumerate(envelope.data.items, start=1):
            try:
                rows.append(_row(decoder, raw, row_type))
            except _UNREADABLE as error:
                rejected.append((_name(raw) or f"row {number}", _reason(error)))
        pagination = envelope.pagination
        return Page(rows, rejected, mended(pagination, Pagination) if isinstance(pagination, dict) else None)

    return decode


def single_decoder(row_type: type[R]) -> Callable[[bytes, str], R]:
    """A function that reads ``{"data": {...}}``. It also raises PayloadError when the row lacks a field it needs."""
    decoder = msgspec.json.Decoder(row_type, strict=False)

    def decode(body: bytes, subject: str) -> R:
        check_size(body, subject)
        envelope = _read(_SINGLE, body, subject)
        try:
            return _row(decoder, envelope.data, row_type)
        except _UNREADABLE as error:
            raise PayloadError(f"{subject}: {_reason(error)}") from error

    return decode


def bare_decoder(row_type: type[T]) -> Callable[[bytes, str], T]:
    """A function that reads a body without an envelope. It raises PayloadError when the body breaks its contract."""
    decoder = msgspec.json.Decoder(row_type, strict=False)

    def decode(body: bytes, subject: str) -> T:
        check_size(body, subject)
        return _read(decoder, body, subject)

    return decode


def check_size(body: bytes, subject: str) -> None:
    """Refuse a body that would not fit into memory once it is read.

    Raises:
        PayloadError: It has more objects or values than any known answer.
    """
    objects = body.count(b"{") + body.count(b"[")
    if objects > MOST_OBJECTS or body.count(b",") > MOST_VALUES:
        raise PayloadError(f"{subject}: more than {MOST_OBJECTS:,} objects or {MOST_VALUES:,} values in one answer")


def lost_in(rows: Iterable[Row]) -> Counter[str]:
    """How often each field of these rows was there and could not be read, by its name on the wire."""
    return Counter(name for row in rows for name in row.lost_fields)


def error_message(body: bytes, *, secrets: Iterable[str] = (), holds_tokens: bool = False) -> str:
    """The message of an error body, in one line of at most MAX_MESSAGE_CHARS characters, without markup.

    It reads tastytrade's form (an object under ``error``), the form of RFC 6749 (a string under ``error``) and HTML. A
    server may repeat the request, so every one of `secrets` is struck out. Where an answer `holds_tokens` when all is
    well, nothing but these forms and a title is quoted: the rest may be a token that nobody knows yet.
    """
    text = body[:65_536].decode("utf-8", errors="replace")
    try:
        said = _json_message(msgspec.json.decode(body), or_whole=not holds_tokens)
    except _UNREADABLE:
        title = _TITLE.search(text)
        said = html.unescape(title[1] if title else "" if holds_tokens else _TAG.sub(" ", text))
    for secret in secrets:
        if secret:
            said = said.replace(secret, STRUCK_OUT)
    said = _UNSEEN.sub(" ", without_tokens(said)).strip()
    return f"{said[: MAX_MESSAGE_CHARS - 1]}…" if len(said) > MAX_MESSAGE_CHARS else said or "no message"


def _check_rows(rows: Sequence[object], subject: str) -> None:
    if len(rows) > MOST_ROWS:
        raise PayloadError(f"{subject}: more than {MOST_ROWS:,} rows in one answer")


def _json_message(body: object, *, or_whole: bool) -> str:
    match body:
        case {"error": {"code": code, "message": message, **rest}}:
            details = rest.get("errors")
            listed = [_detail(entry) for entry in details] if isinstance(details, list) else []
            return f"{code}: {message}" + (f" ({'; '.join(listed)})" if listed else "")
        case {"error": {"message": message}} | {"error": {"code": message}}:
            return str(message)
        case {"error": str(code), "error_description": description}:
            return f"{code}: {description}"
        case {"error": str(code)}:
            return code
        case {"error_code": str(code), **rest}:
            said = rest.get("error_description") or rest.get("error_message") or rest.get("message")
            return f"{code}: {said}" if said else code
        case _:
            return msgspec.json.encode(body).decode("utf-8", errors="replace") if or_whole else ""


def _detail(entry: object) -> str:
    match entry:
        case {"domain": domain, "reason": reason}:
            return f"{domain} {reason}"
        case {"code": code, "message": message}:
            return f"{code}: {message}"
        case _:
            return str(entry)


def _row(decoder: msgspec.json.Decoder[R], raw: msgspec.Raw, row_type: type[R]) -> R:
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError:
        return mended(msgspec.json.decode(raw), row_type)


def _read(decoder: msgspec.json.Decoder[T], body: bytes, subject: str) -> T:
    try:
        with contextlib.suppress(msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return decoder.decode(body)
        return decoder.decode(_with_quoted_numbers(body))
    except msgspec.ValidationError as error:
        raise PayloadError(f"{subject}: {_reason(error)}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        failure = PayloadError(f"{subject}: the body of {len(body)} bytes is not JSON ({error})")
        # Half a body or a gateway's page is a fault of the moment; a wrong shape would only be repeated.
        failure.retryable = True
        raise failure from error


def _with_quoted_numbers(body: bytes) -> bytes:
    """The same JSON with ``NaN``, ``Infinity`` and ``-Infinity`` as texts.

    They are no JSON, and some servers write them all the same. As texts, they cost the fields that they stand in.
    """
    if b"NaN" not in body and b"Infinity" not in body:
        return body
    try:
        return msgspec.json.encode(json.loads(body, parse_constant=str))
    except ValueError:
        return body


def _reason(error: Exception) -> str:
    return f"breaks its contract: {error}"


def _name(raw: msgspec.Raw) -> str | None:
    try:
        return shortened(_NAMED.decode(raw).symbol) or None
    except _UNREADABLE:
        return None
