# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Candle symbols and their canonical form."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttapi_pipeline.simulator.dxlink.candle_symbols import parse_candle_symbol


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        # The examples of dxFeed's symbol guide and of tastyware/tastytrade #173.
        ("SPX{=1h}", "SPX{=h}"),
        ("GOOG{=1w,tho=true}", "GOOG{=w,tho=true}"),
        ("GOOG{tho=true,=1w}", "GOOG{=w,tho=true}"),
        ("AAPL{=60m}", "AAPL{=60m}"),
        ("AAPL{=d,price=last,a=m,tho=false}", "AAPL{=d}"),
        ("AAPL{=1DAY,a=session}", "AAPL{=d,a=s}"),
        ("AAPL{=d,tho=true,price=mark,a=s}", "AAPL{=d,a=s,price=mark,tho=true}"),
        ("/ESZ26:XCME{=1600t}", "/ESZ26:XCME{=1600t}"),
        (".AAPL261218C150{=h}", ".AAPL261218C150{=h}"),
        ("BTC/USD:CXTALP{=m,pl=0.5}", "BTC/USD:CXTALP{=m,pl=0.5}"),
        ("AAPL&Q{=1.50h}", "AAPL&Q{=1.5h}"),
        ("AAPL{tho=false}", "AAPL"),
        ("AAPL", "AAPL"),
    ],
)
def test_a_candle_symbol_has_one_canonical_form(text: str, canonical: str) -> None:
    assert parse_candle_symbol(text).canonical == canonical


@pytest.mark.parametrize(
    "text",
    ["", "{=d}", "AAPL{=d", "AAPL{}", "AAPL{d}", "AAPL{=d,=w}", "AAPL{=0d}", "AAPL{=-1d}", "AAPL{=5x}", "AAPL{tho=1}"],
)
def test_what_is_not_a_candle_symbol_is_named(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_candle_symbol(text)


@given(
    base=st.sampled_from(["AAPL", "BRK/B", "/ESZ26:XCME", ".SPY261218C600"]),
    period=st.integers(1, 10_000),
    unit=st.sampled_from(["t", "s", "m", "h", "d", "w", "mo", "o", "y", "v", "p", "minute", "week", "months"]),
    attributes=st.lists(
        st.sampled_from(["a=s", "a=midnight", "price=mark", "price=last", "tho=true", "tho=false", "pl=2"]),
        unique_by=lambda pair: pair.partition("=")[0],
    ),
    place=st.integers(0, 4),
)
def test_the_canonical_form_is_its_own_canonical_form_and_means_the_same(
    base: str, period: int, unit: str, attributes: list[str], place: int
) -> None:
    pairs = [*attributes[:place], f"={period}{unit}", *attributes[place:]]
    candle = parse_candle_symbol(f"{base}{{{','.join(pairs)}}}")
    assert parse_candle_symbol(candle.canonical) == candle
    assert candle.canonical.startswith(f"{base}{{=")


@given(st.text(max_size=40))
def test_any_text_is_a_candle_symbol_or_a_value_error(text: str) -> None:
    try:
        candle = parse_candle_symbol(text)
    except ValueError:
        return
    assert parse_candle_symbol(candle.canonical).canonical == candle.canonical
