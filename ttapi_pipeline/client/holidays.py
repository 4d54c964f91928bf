# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Reads the broker's holidays in the shapes in which they have been seen.

Recorded answers have one object with two lists of dates. Other answers have a list of such objects, and the published
schema has objects with dates as keys. All of them say the same. See docs/protocols/tastytrade.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any, Final

import msgspec

from ttapi_pipeline.client.models import MarketHolidays, WireObject
from ttapi_pipeline.client.payloads import bare_decoder
from ttapi_pipeline.core.errors import PayloadError

_HOLIDAYS: Final = "market-holidays"
_HALF_DAYS: Final = "market-half-days"
_DATE_KEYS: Final = ("date", "session-date", "holiday-date")


class _Envelope(WireObject, frozen=True):
    data: Any


_decode: Final = bare_decoder(_Envelope)


def decode_holidays(body: bytes, subject: str) -> MarketHolidays:
    """The holidays and half days of an answer, ascending.

    A date that cannot be read is named in `lost_fields`.

    Raises:
        PayloadError: The body is not JSON, or it has neither list: an answer without a list of holidays is not the
            answer that there are none.
    """
    data = _decode(body, subject).data
    lost: list[str] = []
    days: dict[str, set[date]] = {_HOLIDAYS: set(), _HALF_DAYS: set()}
    has_list = False
    for each in _objects(data):
        for name, found in days.items():
            if each.get(name) is not None:
                has_list = True
                found.update(_dates(each[name], name, lost))
    if not has_list:
        raise PayloadError(f"{subject}: breaks its contract: neither {_HOLIDAYS} nor {_HALF_DAYS} is in the answer")
    return MarketHolidays(
        holidays=tuple(sorted(days[_HOLIDAYS])),
        half_days=tuple(sorted(days[_HALF_DAYS])),
        lost_fields=tuple(lost),
    )


def _objects(data: object) -> Iterator[dict[str, Any]]:
    """The objects that may hold a list: `data` itself, or those that it holds as items, elements or by date."""
    match data:
        case {"items": list(items)}:
            yield from _objects(items)
        case dict():
            yield data
            # With dates as keys, the date belongs to the lists below it, so it is the day that they speak of.
            yield from (_of_day(key, value) for key, value in data.items() if _date(key) is not None)
        case list():
            for each in data:
                yield from _objects(each)


def _of_day(day: str, value: object) -> dict[str, Any]:
    """What is said of one day: the names of the lists that it is in, or what kind of day it is."""
    is_half = "half" in str(value).lower()
    return {_HALF_DAYS if is_half else _HOLIDAYS: [day]}


def _dates(value: object, name: str, lost: list[str]) -> Iterator[date]:
    match value:
        case str():
            day = _date(value)
            if day is None:
                lost.append(f"{name}[]")
            else:
                yield day
        case list():
            for each in value:
                yield from _dates(each, name, lost)
        case dict():
            dated = [key for key in value if _date(key) is not None]
            named = [value[key] for key in _DATE_KEYS if key in value]
            if not dated and not named:
                lost.append(f"{name}[]")
            yield from _dates(dated or named[:1], name, lost)
        case _:
            lost.append(f"{name}[]")


def _date(text: object) -> date | None:
    try:
        # A moment counts as its day: midnight in whatever zone is written with the day's own date.
        return msgspec.convert(text.partition("T")[0] if isinstance(text, str) else text, date)
    except msgspec.ValidationError:
        return None
