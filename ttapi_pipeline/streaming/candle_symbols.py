# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""DXLink's names for candle series, such as ``AAPL{=5m,tho=true}``; instrument names are in `core.symbology`.

A server echoes a candle symbol in its canonical form (``AAPL{=1d}`` comes back as ``AAPL{=d}``), so both sides of a
comparison are made canonical first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from ttapi_pipeline.core.symbology import plain_decimal

PERIOD_TYPES: Final = frozenset({"t", "s", "m", "h", "d", "w", "mo", "o", "y", "v", "p", "pm", "pr"})
"""Ticks, seconds, minutes, hours, days, weeks, months, option months, years, volume, price, momentum, renko."""

MOST_CHARS: Final = 200
"""Of the name of a series. Longer ones are nobody's, and are not remembered."""

_SYMBOL: Final = re.compile(r"([^{}]+)\{=([^{}]*)\}", re.ASCII)
_PERIOD: Final = re.compile(r"(\d+(?:\.\d+)?)?([a-z]+)", re.ASCII)
_ATTRIBUTE: Final = re.compile(r"([a-z]+)=([^=]+)", re.ASCII)
_SHORT: Final[Mapping[tuple[str, str], str]] = MappingProxyType(
    {("a", "session"): "s", ("a", "midnight"): "m", ("price", "settlement"): "s"}
)
_DEFAULTS: Final = frozenset({("a", "m"), ("price", "last"), ("tho", "false")})


@dataclass(frozen=True, slots=True)
class CandleSymbol:
    """One candle series; `str()` of it is the canonical form.

    Attributes:
        base: The instrument's streamer symbol, with its exchange if it names one (``AAPL&Q``).
        period_type: One of PERIOD_TYPES.
        period: Number of ticks, seconds, days and so on in one candle.
        attributes: Names and values of the other wishes, in their short forms, without defaults, sorted.
    """

    base: str
    period_type: str
    period: Decimal = Decimal(1)
    attributes: tuple[tuple[str, str], ...] = field(default=())

    @classmethod
    def parse(cls, text: str) -> CandleSymbol:
        """Read a candle symbol in any of its forms.

        Attributes that are not known are kept, since a server may know them.

        Raises:
            ValueError: The text is not a candle symbol.
        """
        match = _SYMBOL.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is not a candle symbol, such as AAPL{{=d}}")
        period_text, *attribute_texts = match[2].split(",")
        period = _PERIOD.fullmatch(period_text)
        if period is None or period[2] not in PERIOD_TYPES or (period[1] and Decimal(period[1]) == 0):
            raise ValueError(f"{text!r}: {period_text!r} is not a candle period, such as d or 5m")
        attributes: dict[str, str] = {}
        for attribute_text in attribute_texts:
            attribute = _ATTRIBUTE.fullmatch(attribute_text)
            if attribute is None or attribute[1] in attributes:
                raise ValueError(f"{text!r}: {attribute_text!r} is not an attribute, or is there twice")
            attributes[attribute[1]] = _SHORT.get((attribute[1], attribute[2]), attribute[2])
        return cls(
            match[1], period[2], Decimal(period[1] or 1), tuple(sorted(set(attributes.items()).difference(_DEFAULTS)))
        )

    def __str__(self) -> str:
        period = "" if self.period == 1 else plain_decimal(self.period)
        attributes = "".join(f",{name}={value}" for name, value in self.attributes)
        return f"{self.base}{{={period}{self.period_type}{attributes}}}"


def canonical_candle_symbol(text: str) -> str:
    """The form that a server echoes.

    Raises:
        ValueError: The text is not a candle symbol.
    """
    return str(CandleSymbol.parse(text))


def canonical_or_none(text: object) -> str | None:
    """The canonical name of a candle series; None for what is not the name of one."""
    return _canonical_text(text) if isinstance(text, str) and len(text) <= MOST_CHARS else None


@lru_cache(maxsize=65_536)
def _canonical_text(text: str) -> str | None:
    try:
        return canonical_candle_symbol(text)
    except ValueError:
        return None


def daily_candle_symbol(symbol: str) -> str:
    """The canonical name of an instrument's daily candles, all trading hours: ``AAPL`` gives ``AAPL{=d}``.

    It has no ``tho=true`` (regular trading hours only), which would cut the history of US equities off at 2018.

    Raises:
        ValueError: The text cannot be an instrument's symbol.
    """
    return canonical_candle_symbol(f"{symbol}{{=d}}")
