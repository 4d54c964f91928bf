# SPDX-License-Identifier: MIT
"""Turns bodies into rows: envelopes, rows that break their contract, and the messages of error bodies.

The fields of rows are in `models`, the requests in `client`.
"""

from __future__ import annotations

import contextlib
import html
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import msgspec

from ttapi_pipeline.client.models import Row
from ttapi_pipeline.core.errors import PayloadError

T = TypeVar("T")

MAX_MESSAGE_CHARS: Final = 300

_TAG: Final = re.compile(r"<[^>]*>")
_TITLE: Final = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_UNSEEN: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\s]+")


class Pagination(Row, frozen=True):
    """The place of a page among all pages; `page_offset` counts them from zero."""

    page_offset: int = 0
    total_pages: int = 1
    per_page: int | None = None
    total_items: int | None = None


class _Items(Row, Generic[T], frozen=True):
    items: list[T]


class _ListEnvelope(Row, Generic[T], frozen=True):
    data: _Items[T]
    pagination: Pagination | None = None


class _SingleEnvelope(Row, frozen=True):
    data: msgspec.Raw


class _Named(Row, frozen=True):
    symbol: str


_UNREAD_LIST: Final = msgspec.json.Decoder(_ListEnvelope[msgspec.Raw], strict=False)
_SINGLE: Final = msgspec.json.Decoder(_SingleEnvelope)
_NAMED: Final = msgspec.json.Decoder(_Named)


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """The rows of one body, in its order.

    Attributes:
        rows: Rows that keep their contract.
        rejected: (symbol, reason) of the other rows. ``row 3`` stands for a symbol that cannot be read.
        pagination: None when the body has none, which means that this is the only page.
    """

    rows: Sequence[T]
    rejected: Sequence[tuple[str, str]]
    pagination: Pagination | None


def list_decoder(row_type: type[T]) -> Callable[[bytes, str], Page[T]]:
    """A function that reads ``{"data": {"items": [...]}}``.

    The function takes the body and the name of the request, and raises PayloadError when the body is not that envelope.
    A row that breaks its contract is set aside and does not stop the others.
    """
    # Typed Any, because mypy does not accept a type that is only known at run time as a type argument.
    envelope_of: Any = _ListEnvelope
    whole: msgspec.json.Decoder[_ListEnvelope[T]] = msgspec.json.Decoder(envelope_of[row_type], strict=False)
    decoder = msgspec.json.Decoder(row_type, strict=False)

    def decode(body: bytes, subject: str) -> Page[T]:
        # Nearly every body can be read in one go, which takes two thirds of the time. Only if that fails, each row is
        # read by itself, to find the ones that break their contract.
        with contextlib.suppress(*_UNREADABLE):
            page = whole.decode(body)
            return Page(page.data.items, (), page.pagination)
        envelope = _read(_UNREAD_LIST, body, subject)
        rows: list[T] = []
        rejected: list[tuple[str, str]] = []
        for number, raw in enumerate(envelope.data.items, start=1):
            try:
                rows.append(decoder.decode(raw))
            except _UNREADABLE as error:
                rejected.append((_name(raw) or f"row {number}", _reason(error)))
        return Page(rows, rejected, envelope.pagination)

    return decode


def single_decoder(row_type: type[T]) -> Callable[[bytes, str], T]:
    """A function that reads ``{"data": {...}}``. It also raises PayloadError when the row breaks its contract."""
    decoder = msgspec.json.Decoder(row_type, strict=False)

    def decode(body: bytes, subject: str) -> T:
        envelope = _read(_SINGLE, body, subject)
        try:
            return decoder.decode(envelope.data)
        except _UNREADABLE as error:
            raise PayloadError(f"{subject}: {_reason(error)}") from error

    return decode


def bare_decoder(row_type: type[T]) -> Callable[[bytes, str], T]:
    """A function that reads a body without an envelope. It raises PayloadError when the body breaks its contract."""
    decoder = msgspec.json.Decoder(row_type, strict=False)

    def decode(body: bytes, subject: str) -> T:
        return _read(decoder, body, subject)

    return decode


def error_message(body: bytes, *, secrets: Iterable[str] = ()) -> str:
    """The message of an error body, in one line of at most MAX_MESSAGE_CHARS characters, without markup.

    It reads tastytrade's form (an object under ``error``), the form of RFC 6749 (a string under ``error``) and HTML. A
    server may repeat the request, so every one of `secrets` is struck out.
    """
    text = body[:65_536].decode("utf-8", errors="replace")
    try:
        said = _json_message(msgspec.json.decode(body))
    except _UNREADABLE:
        title = _TITLE.search(text)
        said = html.unescape(title[1] if title else _TAG.sub(" ", text))
    for secret in secrets:
        if secret:
            said = said.replace(secret, "***")
    said = _UNSEEN.sub(" ", said).strip()
    return f"{said[: MAX_MESSAGE_CHARS - 1]}…" if len(said) > MAX_MESSAGE_CHARS else said or "no message"


def _json_message(body: object) -> str:
    match body:
        case {"error": {"code": code, "message": message, **rest}}:
            details = rest.get("errors")
            said = [_detail(entry) for entry in details] if isinstance(details, list) else []
            return f"{code}: {message}" + (f" ({'; '.join(said)})" if said else "")
        case {"error": {"message": message}} | {"error": {"code": message}}:
            return str(message)
        case {"error": str(code), "error_description": description}:
            return f"{code}: {description}"
        case {"error": str(code)}:
            return code
        case _:
            return msgspec.json.encode(body).decode("utf-8", errors="replace")


def _detail(entry: object) -> str:
    match entry:
        case {"domain": domain, "reason": reason}:
            return f"{domain} {reason}"
        case {"code": code, "message": message}:
            return f"{code}: {message}"
        case _:
            return str(entry)


def _read(decoder: msgspec.json.Decoder[T], body: bytes, subject: str) -> T:
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise PayloadError(f"{subject}: {_reason(error)}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        failure = PayloadError(f"{subject}: the body of {len(body)} bytes is not JSON ({error})")
        # Half a body or a gateway's page is a fault of the moment; a wrong shape would only be repeated.
        failure.retryable = True
        raise failure from error


def _reason(error: Exception) -> str:
    return f"breaks its contract: {error}"


def _name(raw: msgspec.Raw) -> str | None:
    try:
        return _NAMED.decode(raw).symbol or None
    except _UNREADABLE:
        return None
