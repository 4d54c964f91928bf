# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""One instrument, written by five parties."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from string import ascii_uppercase, digits
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttapi_pipeline.core.symbology import (
    OptionSymbol,
    canonical_symbol,
    file_stem,
    option_root,
    plain_decimal,
    symbol_from_file_stem,
    symbol_from_metastock,
    symbol_to_metastock,
)

ROOTS = st.from_regex(r"[A-Z][A-Z0-9]{0,5}", fullmatch=True)
STEMS = st.from_regex(r"[A-Z]{1,5}", fullmatch=True)
EQUITIES = st.builds("{}{}".format, STEMS, st.just("") | st.sampled_from([f"/{letter}" for letter in "ABCDEFGH"]))
OPTIONS = st.builds(
    OptionSymbol,
    root_symbol=ROOTS,
    expiration_date=st.dates(date(2000, 1, 1), date(2099, 12, 31)),
    option_type=st.sampled_from(["C", "P"]),
    strike=st.integers(1, 10**8 - 1).map(lambda thousandths: Decimal(thousandths) / 1000),
)


@pytest.mark.parametrize(
    ("text", "symbol"),
    [
        ("AAPL", "AAPL"),
        ("BRK.B", "BRK/B"),
        ("BRK-B", "BRK/B"),
        ("brk/b", "BRK/B"),
        (" SPX ", "SPX"),
        ("000001", "000001"),
    ],
)
def test_symbols_come_out_as_tastytrade_writes_them(text: str, symbol: str) -> None:
    assert canonical_symbol(text) == symbol


@pytest.mark.parametrize(
    "text", ["", "/ESZ6", "A B", "BTC/USD/X", "AAPL=", "A" * 17, "A/", "\u00df", "\u0131BM", "\uff21"]
)
def test_what_is_not_one_equity_symbol_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not an equity symbol"):
        canonical_symbol(text)


@given(EQUITIES)
def test_a_canonical_symbol_stays_as_it_is(symbol: str) -> None:
    assert canonical_symbol(symbol) == symbol
    assert canonical_symbol(symbol.replace("/", ".").lower()) == symbol


def test_options_of_a_share_class_are_filed_without_the_slash() -> None:
    assert option_root("BRK/B") == "BRKB"


# The table of the API's symbology: REST symbol, streamer symbol.
OPTION_TABLE: list[tuple[str, str, str, date, Literal["C", "P"], str]] = [
    ("AAPL  261218C00150000", ".AAPL261218C150", "AAPL", date(2026, 12, 18), "C", "150"),
    ("F     261218C00002020", ".F261218C2.02", "F", date(2026, 12, 18), "C", "2.02"),
    ("BRKB  261218C00500000", ".BRKB261218C500", "BRKB", date(2026, 12, 18), "C", "500"),
    ("SPXW  261204P06000000", ".SPXW261204P6000", "SPXW", date(2026, 12, 4), "P", "6000"),
    ("AAPL  261218C00012250", ".AAPL261218C12.25", "AAPL", date(2026, 12, 18), "C", "12.25"),
    ("AAPL7 261218P00012250", ".AAPL7261218P12.25", "AAPL7", date(2026, 12, 18), "P", "12.25"),
]


@pytest.mark.parametrize("row", OPTION_TABLE, ids=lambda row: str(row[1]))
def test_occ_and_streamer_symbols_name_the_same_option(
    row: tuple[str, str, str, date, Literal["C", "P"], str],
) -> None:
    occ, streamer, root, expiration, side, strike = row
    option = OptionSymbol(root, expiration, side, Decimal(strike))
    assert OptionSymbol.from_occ(occ) == OptionSymbol.from_streamer(streamer) == option
    assert (option.occ, option.streamer) == (occ, streamer)


@given(OPTIONS)
def test_every_option_survives_both_spellings(option: OptionSymbol) -> None:
    assert len(option.occ) == 21
    assert OptionSymbol.from_occ(option.occ) == option
    assert OptionSymbol.from_streamer(option.streamer) == option


@pytest.mark.parametrize(
    "text",
    ["", "AAPL", "AAPL 261218C00150000", "AAPL  261218X00150000", "AAPL  261318C00150000", "aapl  261218C00150000"],
)
def test_what_is_not_an_occ_symbol_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not an OCC option symbol|is not a date"):
        OptionSymbol.from_occ(text)


@pytest.mark.parametrize("text", ["", ".AAPL", "AAPL261218C150", ".AAPL261218C", ".AAPL261318C1", "./EW3Z26C6500:XCME"])
def test_what_is_not_an_equity_options_streamer_symbol_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not the streamer symbol|is not a date"):
        OptionSymbol.from_streamer(text)


@pytest.mark.parametrize(
    ("root", "strike"), [("AAPL", "12.2555"), ("AAPL", "100000"), ("AAPL", "-1"), ("ABCDEFG", "1")]
)
def test_what_does_not_fit_21_characters_is_refused(root: str, strike: str) -> None:
    with pytest.raises(ValueError, match="does not fit an OCC symbol"):
        _ = OptionSymbol(root, date(2026, 12, 18), "C", Decimal(strike)).occ


@pytest.mark.parametrize(
    ("number", "text"), [("150", "150"), ("1.5E+2", "150"), ("2.020", "2.02"), ("0.50", "0.5"), ("100.0", "100")]
)
def test_a_decimal_is_written_without_exponent_and_trailing_zeros(number: str, text: str) -> None:
    assert plain_decimal(Decimal(number)) == text


@pytest.mark.parametrize(
    ("ticker", "symbol"),
    [
        ("AAPL.O", "AAPL"),
        ("BRKb.N", "BRK/B"),
        ("BRKb", "BRK/B"),
        (".DJX", "DJX"),
        (".NDX", "NDX"),
        ("aapl.us", "AAPL"),
        ("brk-b.us", "BRK/B"),
        ("BRK.B", "BRK/B"),
        ("BF-B", "BF/B"),
        ("K.N", "K"),
        ("TRUE", "TRUE"),
        ("NA", "NA"),
        ("1E5", "1E5"),
        ("000001", "000001"),
    ],
)
def test_metastock_tickers_are_read_with_their_letter_case(ticker: str, symbol: str) -> None:
    assert symbol_from_metastock(ticker) == symbol


def test_exchange_suffixes_are_a_choice() -> None:
    assert symbol_from_metastock("BBDb.TO", exchange_suffixes=frozenset({"TO"})) == "BBD/B"
    with pytest.raises(ValueError, match="is listed on TO"):
        symbol_from_metastock("BBDb.TO")
    assert symbol_from_metastock("AAPL.O", exchange_suffixes=frozenset()) == "AAPL/O"


@pytest.mark.parametrize("ticker", ["", ".", "BAC_pL.N", "A B", "CL1!"])
def test_what_is_not_a_metastock_ticker_of_an_equity_is_refused(ticker: str) -> None:
    with pytest.raises(ValueError, match="is not an equity symbol"):
        symbol_from_metastock(ticker)


@given(EQUITIES, st.sampled_from(["N", "O", "OQ", "P", "Z"]))
def test_a_symbol_survives_its_reuters_spelling(symbol: str, exchange: str) -> None:
    assert symbol_from_metastock(symbol_to_metastock(symbol, exchange=exchange)) == symbol


@pytest.mark.parametrize(
    ("symbol", "stem"),
    [("AAPL", "AAPL"), ("BRK/B", "BRK%2FB"), ("PRN", "_PRN"), ("con", "_con"), ("AUX.X", "_AUX.X"), ("..", "%2E%2E")],
)
def test_file_names_are_safe(symbol: str, stem: str) -> None:
    assert file_stem(symbol) == stem


@given(
    st.text(alphabet=ascii_uppercase + digits + "./-_~%:\\ é", min_size=1, max_size=12)
    | st.sampled_from(["NUL", "com1", "LPT9.X"])
)
def test_every_symbol_survives_its_file_name(symbol: str) -> None:
    stem = file_stem(symbol)
    assert symbol_from_file_stem(stem) == symbol
    assert set(stem) <= set(ascii_uppercase + ascii_uppercase.lower() + digits + "-._%")
    assert not stem.startswith(".")
    assert not stem.endswith(".")
    assert stem.split(".")[0].upper() not in {"CON", "PRN", "AUX", "NUL", "COM1", "LPT9"}
