# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What is struck out of a server's message, and what stays."""

from __future__ import annotations

import pytest

from ttapi_pipeline.core.privacy import without_tokens


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl expired", "Bearer *** expired"),
        ("token=canary-quote-token-4711", "***"),
        ("no account 5WT12345 for you", "no account *** for you"),
        ("(5WZ00001)", "(***)"),
    ],
)
def test_what_looks_like_a_token_or_an_account_number_is_struck_out(said: str, shown: str) -> None:
    assert without_tokens(said) == shown


@pytest.mark.parametrize(
    "said",
    [
        "validation_error: symbols is too long (max 50)",
        "not_found: Couldn't find Instruments::Equity for NOPE",
        ".SPXW261218C5000 expired on 2026-12-18 at 2026-12-18T21:00:00Z",
        "Your subscription rate is too high: 6700 per minute, request 1234567890",
        "the-gateway-of-this-very-long-name is down",
        "SPX 4.5%, AAPL 189.95, 50000000 shares",
    ],
)
def test_what_people_say_stays(said: str) -> None:
    assert without_tokens(said) == said
