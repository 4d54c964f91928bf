# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Tokens for the DXLink socket."""

from __future__ import annotations

from datetime import UTC, datetime

from ttapi_pipeline.simulator.dxlink.tokens import QuoteTokens
from ttapi_pipeline_tests.support.clocks import FakeClock


def test_quote_tokens_are_forgotten_oldest_first_and_revoked_together() -> None:
    tokens = QuoteTokens(FakeClock(datetime(2026, 1, 1, tzinfo=UTC)))
    first = tokens.issue()
    assert first.token not in repr(first)
    later = [tokens.issue() for _ in range(10_000)]
    assert not tokens.is_valid(first.token)
    assert tokens.is_valid(later[0].token)
    tokens.revoke_all()
    assert not tokens.is_valid(later[-1].token)
