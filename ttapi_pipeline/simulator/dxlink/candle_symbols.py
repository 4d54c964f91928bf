# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The grammar of DXLink candle symbols, such as ``AAPL{=5m,tho=true}``. Their bars are made in `candle_bars`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from ttapi_pipeline.core.symbology import plain_decimal

_SYMBOL: Final = re.compile(r"([^{}]+)(?:\{([^{}]*)\})?")
_PERIOD: Final = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)?([a-z]+)", re.ASCII)
_UNITS: Final = MappingProxyType(
    {
        "t": ("t", "tick", "ticks"),
        "s": ("s", "second", "seconds"),
        "m": ("m", "minute", "minutes"),
        "h": ("h", "hour", "hours"),
        "d": ("d", "day", "days"),
        "w": ("w", "week", "weeks"),
        "mo": ("mo", "month", "months"),
        "o": ("o", "optexp"),
        "y": ("y", "year", "years"),
        "v": ("v", "volume"),
        "p": ("p", "price"),
        "pm": ("pm",),
        "pr": ("pr", "renko"),
    }
)
_UNIT_OF: Final = MappingProxyType({name: unit for unit, names in _UNITS.items() for name in names})
_VALUES: Final = MappingProxyType(
    {
        "a": {"m": "m", "midnight": "m", "s": "s", "session": "s"},
        "price": {"last": "last", "bid": "bid", "ask": "ask", "mark": "mark", "s": "s", "settlement": "s"},
        "tho": {"true": "true", "false": "false"},
    }
)
_DEFAULTS: Final = frozenset({("a", "m"), ("price", "last"), ("tho", "false")})


@dataclass(frozen=True, slots=True)
class CandleSymbol:
    """A candle symbol, read.

    Attributes:
        base: The streamer symbol of the instrument, with ``&`` and an exchange code where one is named.
        period: The number of units in a bar.
        unit: ``t s m h d w mo o y v p pm pr``; ticks when the symbol names no period.
        canonical: The spelling of the symbol in the messages of the server.
        is_regular_hours: ``tho=true``, regular trading hours only.
        is_session_aligned: ``a=s``, intraday bars count from the start of the session.
        price: The price that the bar is made of, ``last`` unless the symbol says otherwise.
    """

    base: str
    period: Decimal
    unit: str
    canonical: str
    is_regular_hours: bool = False
    is_session_aligned: bool = False
    price: str = "last"


def parse_candle_symbol(text: str) -> CandleSymbol:
    """Read ``<base>{=<period><type>[,a=][,pl=][,price=][,tho=]}`` with its attributes in any order.

    The canonical form leaves out a period of 1 and every default, shortens names and sorts the attributes behind the
    period: ``SPX{=1h}`` is ``SPX{=h}``, ``GOOG{tho=true,=1w}`` is ``GOOG{=w,tho=true}``. ``{=60m}`` stays, because it
    is another aggregation than ``{=h}``.

    Raises:
        ValueError: The text is not a candle symbol.
    """
    match = _SYMBOL.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a candle symbol")
    base, inside = match[1], match[2]
    if inside is None:
        return CandleSymbol(base, Decimal(1), "t", base)
    attributes: dict[str, str] = {}
    period, unit = Decimal(1), "t"
    for pair in inside.split(","):
        key, equals, value = (part.strip() for part in pair.partition("="))
        if not equals or key in attributes:
            raise ValueError(f"{text!r}: {pair!r} is not an attribute, or is there twice")
        if key == "":
            period, unit = _period(value.lower(), text)
            value = unit if period == 1 else f"{plain_decimal(period)}{unit}"
        elif key in _VALUES:
            if value.lower() not in _VALUES[key]:
                raise ValueError(f"{text!r}: {key} is {value!r}; it accepts {', '.join(_VALUES[key])}")
            value = _VALUES[key][value.lower()]
        elif key != "pl":
            raise ValueError(f"{text!r}: {key!r} is not an attribute")
        attributes[key] = value
    kept = sorted((key, value) for key, value in attributes.items() if (key, value) not in _DEFAULTS)
    spelled = ",".join(f"{key}={value}" for key, value in kept)
    return CandleSymbol(
        base,
        period,
        unit,
        f"{base}{{{spelled}}}" if spelled else base,
        is_regular_hours=attributes.get("tho") == "true",
        is_session_aligned=attributes.get("a") == "s",
        price=attributes.get("price", "last"),
    )


def candle_or_none(text: str) -> CandleSymbol | None:
    """The candle symbol; None when the text is not one. DXLink accepts any symbol and has nothing for it."""
    try:
        return parse_candle_symbol(text)
    except ValueError:
        return None


def _period(value: str, text: str) -> tuple[Decimal, str]:
    match = _PERIOD.fullmatch(value)
    if match is None or match[2] not in _UNIT_OF:
        raise ValueError(f"{text!r}: {value!r} is not a period")
    period = Decimal(match[1] or 1)
    if period <= 0:
        raise ValueError(f"{text!r}: a period is positive")
    return period, _UNIT_OF[match[2]]
