# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Tokens for the DXLink socket, which `GET /api-quote-tokens` hands out. OAuth2 access tokens are in `oauth`."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from ttapi_pipeline.core.clock import Clock

QUOTE_TOKEN_LIFETIME: Final = timedelta(hours=24)
_MOST_TOKENS: Final = 10_000


@dataclass(frozen=True, slots=True)
class QuoteToken:
    """The token that a DXLink client sends in AUTH, and the time until which it is accepted."""

    token: str = field(repr=False)
    issued_at: datetime
    expires_at: datetime


class QuoteTokens:
    """Issues and checks DXLink tokens.

    A token is accepted until its 24 hours are over or it is revoked. Beyond 10,000 tokens the oldest is forgotten, so
    that a client that asks in a loop does not use up the memory.
    """

    def __init__(self, clock: Clock, *, lifetime: timedelta = QUOTE_TOKEN_LIFETIME) -> None:
        self._clock = clock
        self._lifetime = lifetime
        self._expires_at: dict[str, datetime] = {}

    def issue(self) -> QuoteToken:
        """Make a new token; earlier ones stay valid."""
        now = self._clock.now()
        issued = QuoteToken(secrets.token_urlsafe(32), now, now + self._lifetime)
        while len(self._expires_at) >= _MOST_TOKENS:
            del self._expires_at[next(iter(self._expires_at))]
        self._expires_at[issued.token] = issued.expires_at
        return issued

    def is_valid(self, token: str) -> bool:
        """Whether AUTH accepts the token now."""
        expires_at = self._expires_at.get(token)
        return expires_at is not None and self._clock.now() < expires_at

    def revoke_all(self) -> None:
        """Refuse every token issued so far."""
        self._expires_at.clear()
