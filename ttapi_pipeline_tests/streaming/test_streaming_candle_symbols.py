# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Candle symbols are compared in the form that a server echoes."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttapi_pipeline.streaming.candle_symbols import (
    PERIOD_TYPES,
    CandleSymbol,
    canonical_candle_symbol,
    daily_candle_symbol,
)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        # From docs/protocols/dxlink.md, "Candle symbols".
        ("SPX{=1h}", "SPX{=h}"),
        ("GOOG{=1w,tho=true}", "GOOG{=w,tho=true}"),
        ("AAPL{=d}", "AAPL{=d}"),
        ("AAPL{=5m}", "AAPL{=5m}"),
        ("AAPL{=60m}", "AAPL{=60m}"),
        ("/ESZ26:XCME{=1600t}", "/ESZ26:XCME{=1600t}"),
        (".AAPL261218C150{=h}", ".AAPL261218C150{=h}"),
        ("BTC/USD:CXTALP{=m}", "BTC/USD:CXTALP{=m}"),
        # By its rules: names shortened, defaults dropped, attributes sorted.
        ("BRK/B{=1d,tho=false,price=last,a=m}", "BRK/B{=d}"),
        ("AAPL&Q{=1.50d,tho=true,a=session}", "AAPL&Q{=1.5d,a=s,tho=true}"),
        ("AAPL{=1mo,price=settlement,pl=0.5,a=midnight}", "AAPL{=mo,pl=0.5,price=s}"),
        ("AAPL{=d,zz=new}", "AAPL{=d,zz=new}"),
    ],
)
def test_a_candle_symbol_has_one_canonical_form(text: str, canonical: str) -> None:
    assert canonical_candle_symbol(text) == canonical
    assert canonical_candle_symbol(canonical) == canonical


@pytest.mark.parametrize(
    "text",
    ["AAPL", "", "{=d}", "AAPL{}", "AAPL{=}", "AAPL{=x}", "AAPL{=0d}", "AAPL{=-1d}", "AAPL{=d,}", "AAPL{=d,tho}",
     "AAPL{=d,tho=true,tho=true}", "AAPL{=d}{=d}", "A{B{=d}", "AAPL{=d} "],
)  # fmt: skip
def test_what_is_no_candle_symbol_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"candle|attribute"):
        canonical_candle_symbol(text)


def test_daily_candles_are_asked_for_with_all_trading_hours() -> None:
    assert daily_candle_symbol("BRK/B") == "BRK/B{=d}"
    with pytest.raises(ValueError, match="candle symbol"):
        daily_candle_symbol("A{B")


@given(
    base=st.text(alphabet="ABCXYZ/.:&019", min_size=1, max_size=12),
    period_type=st.sampled_from(sorted(PERIOD_TYPES)),
    period=st.integers(1, 10**6).map(lambda tenths: Decimal(tenths) / 10),
    attributes=st.dictionaries(
        st.sampled_from(["a", "pl", "price", "tho"]), st.sampled_from(["s", "x", "1.5", "true"])
    ),
)
def test_writing_and_reading_gives_the_same_symbol(
    base: str, period_type: str, period: Decimal, attributes: dict[str, str]
) -> None:
    symbol = CandleSymbol(base, period_type, period, tuple(sorted(attributes.items())))
    assert CandleSymbol.parse(str(symbol)) == symbol
