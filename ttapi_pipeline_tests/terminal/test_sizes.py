# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Sizes are in a unit in which they are no zero."""

from __future__ import annotations

import pytest

from ttapi_pipeline.terminal.sizes import size_in_words


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (7_321, "7.3 kB"),
        (2_050_000, "2.0 MB"),
        (8_940_000_000, "8.9 GB"),
    ],
)
def test_a_size_is_told_in_the_largest_unit_of_which_it_has_one(count: int, words: str) -> None:
    assert size_in_words(count) == words
