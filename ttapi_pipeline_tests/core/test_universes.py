# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The packaged S&P 500 and lists in text files."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from ttapi_pipeline.core.errors import InvalidFormatError, InvalidValueError, StorageError
from ttapi_pipeline.core.extra_symbols import extra_symbols
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.core.symbology import canonical_symbol
from ttapi_pipeline.core.universes import (
    SP500_AS_OF,
    likely_symbol,
    lists_of,
    read_symbol_file,
    sp500,
    sp500_former,
)
from ttapi_pipeline.core.variables import extra


def test_the_sp500_has_its_503_share_classes_once_each() -> None:
    symbols = [member.symbol for member in sp500()]
    assert len(symbols) == len(set(symbols)) == 503
    assert symbols == sorted(symbols)
    assert {"AAPL", "BRK/B", "BF/B", "GOOG", "GOOGL"} <= set(symbols)


def test_each_constituent_is_spelled_as_tastytrade_spells_it_and_was_added_before_the_list_was_made() -> None:
    for member in sp500():
        assert canonical_symbol(member.symbol) == member.symbol
        assert member.name
        assert member.added_date <= SP500_AS_OF


def test_former_constituents_left_after_they_joined_and_by_the_day_of_the_list() -> None:
    former = sp500_former()
    assert len(former) == 383
    for stay in former:
        assert canonical_symbol(stay.symbol) == stay.symbol
        assert (stay.added_date or date.min) < stay.removed_date <= SP500_AS_OF
    assert sum(stay.added_date is None for stay in former) == 242
    # The source has 1976-07-01 where it does not know: the company of ACAS was founded in 1986.
    assert date(1976, 7, 1) not in {stay.added_date for stay in former} | {member.added_date for member in sp500()}


def test_the_members_of_a_day_are_about_500_from_2015_on() -> None:
    for day, members in ((date(2015, 6, 30), 497), (date(2020, 1, 2), 505), (date(2024, 1, 2), 502)):
        now = [each.symbol for each in sp500() if each.added_date <= day]
        then = [each.symbol for each in sp500_former() if (each.added_date or day) <= day < each.removed_date]
        assert len(now) + len(then) == members


def test_a_file_has_one_symbol_per_line_in_any_spelling(tmp_path: Path) -> None:
    file = tmp_path / "mine.txt"
    file.write_bytes(b"\xef\xbb\xbf# my list\r\nspy\r\n\r\nBRK.B  # Berkshire\r\nBRK-B\r\nAAPL")
    assert read_symbol_file(file) == ("SPY", "BRK/B", "AAPL")


def test_a_line_that_is_not_one_symbol_is_named_by_its_number(tmp_path: Path) -> None:
    file = tmp_path / "mine.txt"
    file.write_text("SPY\nAAPL, MSFT\n")
    with pytest.raises(
        InvalidFormatError, match=r"mine\.txt, line 2: 'AAPL, MSFT' is not an equity symbol; the file has"
    ):
        read_symbol_file(file)


def test_a_file_without_a_symbol_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "mine.txt"
    file.write_text("# nothing yet\n")
    with pytest.raises(InvalidFormatError, match="names no symbol"):
        read_symbol_file(file)


def test_a_file_that_cannot_be_read_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"TT_LIST: .*absent\.txt cannot be read: No such file"):
        read_symbol_file(tmp_path / "absent.txt")
    (tmp_path / "binary.txt").write_bytes(b"SPY\n\xff\xfe")
    with pytest.raises(InvalidFormatError, match=r"TT_LIST: .*binary\.txt, line 2: no UTF-8 text"):
        read_symbol_file(tmp_path / "binary.txt")


def test_several_lists_are_named_between_commas(tmp_path: Path) -> None:
    assert lists_of("2") == ("2",)
    assert lists_of(" 2, mine.txt ,2,") == ("2", "mine.txt")
    (tmp_path / "mine, and yours.txt").touch()
    assert lists_of("mine, and yours.txt", tmp_path) == ("mine, and yours.txt",)


@pytest.mark.parametrize(("written", "meant"), [("BRKB", "BRK/B"), ("BFB", "BF/B"), ("SPXX", "SPX"), ("MSFTT", "MSFT")])
def test_the_symbol_that_was_probably_meant_is_found(written: str, meant: str) -> None:
    assert likely_symbol(written) == f" (did you mean {meant}?)"


def test_nothing_is_meant_by_a_symbol_of_a_list_and_by_one_that_is_like_none() -> None:
    assert likely_symbol("AAPL") == likely_symbol("QZXJVWY") == ""


def test_a_line_with_a_space_for_the_slash_is_told_the_symbol(tmp_path: Path) -> None:
    file = tmp_path / "mine.txt"
    file.write_text("BRK B\n")
    with pytest.raises(InvalidFormatError, match=r"line 1: 'BRK B' is not an equity symbol \(did you mean BRK/B\?\)"):
        read_symbol_file(file)


@pytest.mark.parametrize(
    ("text", "value"),
    [("ALL", "all"), ("None", "none"), ("slv, gld,GLD", "GLD,SLV"), ("brk.b", "BRK/B"), ("brk-b,bf/b", "BF/B,BRK/B")],
)
def test_extra_symbols_are_all_none_or_symbols_in_any_spelling(text: str, value: str) -> None:
    assert extra(text) == value


def test_extra_symbols_may_come_from_files_beside_symbols(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("slv\nbrk.b\n")
    value = extra(f"gld,{tmp_path / 'mine.txt'}")
    assert extra_symbols(value) == frozenset({"GLD", "SLV", "BRK/B"})
    assert (extra_symbols("all"), extra_symbols("none")) == (None, frozenset())


@pytest.mark.parametrize("text", [",", "all,GLD", "GLD,none", "GLD SLV", "nowhere.txt"])
def test_a_choice_of_extra_symbols_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InvalidValueError, match="TT_METASTOCK_EXTRA"):
        Settings.from_values({"TT_METASTOCK_EXTRA": text})


def test_a_file_of_extra_symbols_that_is_not_there_is_named() -> None:
    with pytest.raises(InvalidValueError, match=r"TT_METASTOCK_EXTRA.*there is no file 'my\.txt'"):
        Settings.from_values({"TT_METASTOCK_EXTRA": "GLD,my.txt"})


def test_a_path_of_extra_symbols_is_relative_to_the_file_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("SLV\n")
    (tmp_path / ".env").write_text("TT_METASTOCK_EXTRA=mine.txt,GLD\n")
    settings = Settings.load({}, dotenv=tmp_path / ".env", folder=tmp_path)
    assert settings.metastock_extra == f"{tmp_path / 'mine.txt'},GLD"
