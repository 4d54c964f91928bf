# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The nearest known words: by letters, whatever separates them."""

from __future__ import annotations

import pytest

from ttapi_pipeline.core.nearest import did_you_mean, nearest, unknown_word

SYMBOLS = ("AAPL", "BRK/A", "BRK/B", "BF/B", "IBM", "SPX", "SPY")


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("BRKB", ["BRK/B"]),
        ("brk.b", ["BRK/B"]),
        ("bfb", ["BF/B"]),
        ("APPL", ["AAPL"]),
        ("SPZ", ["SPY"]),
        ("ZZZZZ", []),
        ("", []),
    ],
)
def test_letters_count_and_separators_do_not(word: str, expected: list[str]) -> None:
    assert nearest(word, SYMBOLS) == expected


def test_the_sentence_has_as_many_as_asked_for_the_nearest_first() -> None:
    assert did_you_mean("SPYX", SYMBOLS, most=2) == " (did you mean SPY or SPX?)"
    assert did_you_mean("nothing", SYMBOLS) == ""
    assert unknown_word("color", "gren", ["red", "green"]) == (
        "there is no color 'gren' (did you mean green?); there are red, green"
    )
