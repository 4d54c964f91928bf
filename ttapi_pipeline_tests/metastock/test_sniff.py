# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttapi_pipeline.core.errors import InvalidFormatError
from ttapi_pipeline.metastock.layout import Layout
from ttapi_pipeline.metastock.sniff import sniff_file, sniff_lines
from ttapi_pipeline.metastock.text import decode, split_row


def layout_of(*lines: str) -> Layout:
    layout = sniff_lines(lines, is_plain=True).layout
    assert layout is not None
    return layout


def test_field_names_ignore_case_and_brackets() -> None:
    columns = layout_of('<DaTe>,"Open",[HIGH],low, Close ', "20260102,1,2,1,2").columns
    assert columns == ("date", "open", "high", "low", "close")


def test_files_of_one_form_share_one_layout() -> None:
    header = "<TICKER>,<DTYYYYMMDD>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>"
    layouts = {layout_of(header, f"{ticker},20260102,1,2,1,2,5") for ticker in ("A", "TRUE", "1E5", "000001")}
    assert len(layouts) == 1


def test_a_ticker_that_is_a_field_name_makes_no_header() -> None:
    assert not layout_of("LOW,20260102,1,2,1,2,5").has_header
    assert layout_of("TICKER,DATE,LOW,CLOSE", "LOW,20260102,1,2").has_header


def test_the_first_trade_is_the_open_where_both_are_named() -> None:
    columns = layout_of("TICKER,DATE,FIRST,CLOSE,OPEN,LAST", "A,20260102,1,2,3,4").columns
    assert columns == ("ticker", "date", "open", "close", "", "")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", " "])
def test_the_delimiter_is_the_one_that_finds_the_fields(delimiter: str) -> None:
    layout = layout_of(delimiter.join(["DATE", "OPEN", "CLOSE"]), delimiter.join(["20260102", "1", "2"]))
    assert layout.delimiter == delimiter
    assert layout.is_plain is (delimiter != " ")


def test_a_decimal_comma_is_never_guessed_between_commas() -> None:
    assert layout_of("DATE;CLOSE", "20260102;1,5").decimal_comma
    assert not layout_of("DATE,CLOSE", "20260102,1,5").decimal_comma
    assert not layout_of("DATE;CLOSE", "20260102;1,500.5").decimal_comma


@pytest.mark.parametrize(
    ("row", "columns"),
    [
        ("20260102,1,2,1,2", ("date", "open", "high", "low", "close")),
        ("A,20260102,1,2,1,2,", ("ticker", "date", "open", "high", "low", "close", "volume")),
        ("A,260102,1,2,1,2,5", ("ticker", "date", "open", "high", "low", "close", "volume")),
        (
            "A,D,20260102,000000,1,2,1,2,5,0",
            ("ticker", "period", "date", "time", "open", "high", "low", "close", "volume", "open_interest"),
        ),
        (
            "A,D,20260102,1,2,1,2,5,0",
            ("ticker", "period", "date", *("open", "high", "low", "close"), "volume", "open_interest"),
        ),
        ("A,D,20260102,2", ("ticker", "period", "date", "close")),
    ],
)
def test_columns_without_a_header_follow_the_date(row: str, columns: tuple[str, ...]) -> None:
    assert layout_of(row).columns == columns


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["TICKER,OPEN,CLOSE", "A,1,2"], "names no date"),
        (["TICKER,DATE,OPEN", "A,20260102,1"], "names no close"),
        (["# Notes", "What this folder is for."], "neither a header nor rows"),
        (["A,20260102,1,2,3,4,5,6,7,8,9,10"], "neither a header nor rows"),
        (["A,B,C,D,E,F,G"], "neither a header nor rows"),
    ],
)
def test_what_is_no_metastock_text_is_said_in_words(lines: list[str], message: str) -> None:
    with pytest.raises(InvalidFormatError, match=message):
        sniff_lines(lines)


def test_blank_lines_are_no_layout() -> None:
    assert sniff_lines(["", "  "]).layout is None


def test_binary_content_is_refused() -> None:
    with pytest.raises(InvalidFormatError, match="binary"):
        decode(b"\x01\x00\x02\x03MASTER\x05\x06", code_page="cp1250")


def test_a_byte_that_the_code_page_does_not_know_costs_one_letter() -> None:
    assert decode(b"Mied\x9f \x81", code_page="cp1250") == ("Miedź �", False)


def test_quotes_hold_a_delimiter_and_an_open_one_is_a_letter() -> None:
    assert split_row('A,"Apple, Inc.", 5', ",") == ["A", "Apple, Inc.", "5"]
    assert split_row('A"B,5', ",") == ['A"B', "5"]


def test_a_long_file_is_judged_by_whole_lines_and_its_last_byte(tmp_path: Path) -> None:
    path = tmp_path / "long.txt"
    lines = ["TICKER,NAME,DATE,CLOSE", *["ŻÓŁ,Ż,20260102,5"] * 2000]
    path.write_text("\n".join(lines))
    layout = sniff_file(path, code_page="cp1250").layout
    assert layout is not None
    assert layout.is_plain
    path.write_text("\n".join(lines) + "\x1a")
    layout = sniff_file(path, code_page="cp1250").layout
    assert layout is not None
    assert not layout.is_plain


@given(st.lists(st.text(alphabet='A1,;\t "<>.-DATECLOSE\r', max_size=40), max_size=6))
def test_any_text_is_a_layout_or_an_invalid_format(lines: list[str]) -> None:
    try:
        sniffed = sniff_lines(lines)
    except InvalidFormatError:
        return
    if sniffed.layout is not None:
        hash(sniffed.layout)
        assert {"date", "close"} <= set(sniffed.layout.columns)
