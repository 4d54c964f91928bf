# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Figures that fit in their cells."""

from __future__ import annotations

import pytest

from ttapi_pipeline.terminal.figures import price, quantity, seconds, signed


class TestFigures:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            (price(251.5), "251.50"),
            (price(0.12344), "0.1234"),
            (price(float("nan")), "-"),
            (signed(-0.004), "-0.00"),
            (signed(float("nan")), "-"),
            (quantity(950), "950"),
            (quantity(9_999), "9999"),
            (quantity(12_345), "12.3k"),
            (quantity(456_789), "457k"),
            (quantity(4_560_000), "4.56M"),
            (quantity(35_348_839), "35.3M"),
            (quantity(1.2e9), "1.20B"),
            (quantity(float("nan")), "-"),
            (seconds(0.94), "0s"),
            (seconds(-3), "0s"),
            (seconds(12.3), "12s"),
            (seconds(420), "7m"),
            (seconds(10_800), "3h"),
            (seconds(600_000), "6d"),
        ],
    )
    def test_figures_are_short(self, text: str, expected: str) -> None:
        assert text == expected
