# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The wire format of the REST API: envelopes, value types, query strings, pages. Rows are made in `endpoints`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final
from urllib.parse import parse_qsl

import orjson

JSON: Final = "application/json; charset=utf-8"
HTML: Final = "text/html"

Row = dict[str, Any]
"""A JSON object as it goes out: dasherized keys, decimals as strings."""

_MOST_QUERY_FIELDS: Final = 5_000


class RequestError(Exception):
    """The request gets an error envelope instead of data."""

    def __init__(
        self, status: int, code: str | int, message: str, *, errors: Sequence[Mapping[str, str]] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.errors = errors


def invalid(domain: str, reason: str) -> RequestError:
    """400 for a query parameter or a field of the body."""
    errors = [{"domain": domain, "reason": reason}]
    return RequestError(400, "validation_error", "Request validation failed", errors=errors)


def not_found(what: str) -> RequestError:
    """404. The code that the real API gives was never captured."""
    return RequestError(404, "not_found", f"Couldn't find {what}")


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete response."""

    body: bytes
    status: int = 200
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)


class Query:
    """A query string; each list comes as ``k[]=a&k[]=b``, ``k=a&k=b`` or ``k=a,b``, and ``+`` is a space."""

    def __init__(self, raw: str) -> None:
        self._values: dict[str, list[str]] = {}
        try:
            pairs = parse_qsl(raw, keep_blank_values=True, max_num_fields=_MOST_QUERY_FIELDS)
        except ValueError as error:
            raise invalid("query", "has too many fields") from error
        for name, value in pairs:
            self._values.setdefault(name.removesuffix("[]"), []).append(value)

    def strings(self, name: str) -> list[str] | None:
        """A list; None when the parameter is absent. Empty elements are dropped, order is kept."""
        values = self._values.get(name)
        return None if values is None else [part for value in values for part in value.split(",") if part]

    def text(self, name: str) -> str | None:
        """One value, the last; None when it is absent or empty."""
        values = self._values.get(name)
        return values[-1] or None if values else None

    def required(self, name: str) -> str:
        """One value; 400 without it."""
        value = self.text(name)
        if value is None:
            raise invalid(name, "is missing")
        return value

    def flag(self, name: str) -> bool | None:
        """``true`` or ``false``; None when absent."""
        match self.text(name):
            case None:
                return None
            case "true" | "True" | "1":
                return True
            case "false" | "False" | "0":
                return False
            case _:
                raise invalid(name, "is invalid")

    def integer(self, name: str, default: int, *, least: int = 0, most: int) -> int:
        """A whole number within limits."""
        text = self.text(name)
        if text is None:
            return default
        if not text.isascii() or not text.isdecimal() or len(text) > 9:
            raise invalid(name, "is invalid")
        if not least <= int(text) <= most:
            raise invalid(name, f"must be between {least} and {most}")
        return int(text)

    def day(self, name: str) -> date | None:
        """A calendar day; None when absent."""
        text = self.text(name)
        try:
            return None if text is None else date.fromisoformat(text)
        except ValueError as error:
            raise invalid(name, "is invalid") from error

    def instant(self, name: str) -> datetime | None:
        """An instant, UTC when the text has no offset; None when absent."""
        text = self.text(name)
        try:
            at = None if text is None else datetime.fromisoformat(text)
        except ValueError as error:
            raise invalid(name, "is invalid") from error
        return at.replace(tzinfo=UTC) if at is not None and at.tzinfo is None else at


@dataclass(frozen=True, slots=True)
class Call:
    """A routed request.

    Attributes:
        path: As it came, still percent-encoded.
        params: The segments that the template names, decoded.
        now: The simulated time of the answer.
        contract: The version of the API that the client asked for, such as 20251101.
    """

    path: str
    params: Mapping[str, str]
    query: Query
    host: str
    now: datetime
    contract: int
    content_type: str = ""
    body: bytes = b""

    def json(self) -> Row:
        """The body, a JSON object."""
        try:
            payload = orjson.loads(self.body)
        except orjson.JSONDecodeError as error:
            raise RequestError(400, "validation_error", "Request body is not valid JSON") from error
        if not isinstance(payload, dict):
            raise RequestError(400, "validation_error", "Request body is not a JSON object")
        return payload


def single(call: Call, data: Mapping[str, Any] | orjson.Fragment, *, status: int = 200) -> Answer:
    """``{"data": {...}, "context": ...}``."""
    return Answer(orjson.dumps({"data": data, "context": call.path}), status)


def listing(call: Call, rows: Sequence[Any] | orjson.Fragment, *, has_context: bool = True) -> Answer:
    """``{"data": {"items": [...]}, "context": ...}``; services behind the gateway have no context."""
    payload: Row = {"data": {"items": rows}}
    if has_context:
        payload["context"] = call.path
    return Answer(orjson.dumps(payload))


def page(call: Call, rows: Sequence[Any], *, per_page: int, most: int) -> Answer:
    """One page of the rows, and where it lies; `page-offset` counts pages.

    Args:
        per_page: Rows in a page when the client does not say.
        most: The largest `per-page` that is accepted.
    """
    size = call.query.integer("per-page", per_page, least=1, most=most)
    offset = call.query.integer("page-offset", 0, most=10**8)
    items = rows[offset * size : (offset + 1) * size]
    pagination = {
        "per-page": size,
        "page-offset": offset,
        "item-offset": offset * size,
        "total-items": len(rows),
        "total-pages": -(-len(rows) // size),
        "current-item-count": len(items),
        "previous-link": None,
        "next-link": None,
        "paging-link-template": None,
    }
    payload = {"data": {"items": items}, "api-version": "v1", "context": call.path, "pagination": pagination}
    return Answer(orjson.dumps(payload))


def error_answer(error: RequestError) -> Answer:
    """The error envelope."""
    content: Row = {"code": error.code, "message": error.message}
    if error.errors is not None:
        content["errors"] = error.errors
    return Answer(orjson.dumps({"error": content}), error.status)


def html_answer(status: int, title: str) -> Answer:
    """An error page in HTML, as the gateway in front of the API writes it."""
    head = f"<html>\r\n<head><title>{status} {title}</title></head>\r\n<body>\r\n"
    body = f"{head}<center><h1>{status} {title}</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
    return Answer(body.encode(), status, HTML)


def decimal(number: float | Decimal, places: int = 4) -> str:
    """Money, prices, sizes, ratios: a plain decimal with at least one digit after the point; `places` is 1 or more."""
    text = f"{number:.{places}f}".rstrip("0")
    return f"{text}0" if text.endswith(".") else text


def optional_decimal(number: float | Decimal | None, places: int = 4) -> str | None:
    """`decimal`, or None for `present` to leave out."""
    return None if number is None else decimal(number, places)


def signed(name: str, amount: float, *, places: int = 2) -> Row:
    """A non-negative amount under this name, and its direction (Credit, Debit or None) under the name's effect."""
    effect = "None" if round(amount, places) == 0 else ("Credit" if amount > 0 else "Debit")
    return {name: decimal(abs(amount), places), f"{name}-effect": effect}


def instant(at: datetime) -> str:
    """``2026-11-20T21:00:00.000+00:00``."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds")


def zulu(at: datetime) -> str:
    """``2026-11-20T21:00:00.000Z``, as the services behind the gateway write it."""
    return f"{at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


def present(row: Mapping[str, Any]) -> Row:
    """The row without the fields that are None."""
    return {name: value for name, value in row.items() if value is not None}
