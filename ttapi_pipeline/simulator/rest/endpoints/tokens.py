# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Tokens for a client: `/oauth/token` for REST, `/api-quote-tokens` for DXLink, and `/sessions/validate`.

Tokens are checked in `oauth` and in `dxlink.tokens`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ttapi_pipeline.simulator.dxlink.tokens import QuoteTokens
from ttapi_pipeline.simulator.rest.oauth import OAuth
from ttapi_pipeline.simulator.rest.router import Route
from ttapi_pipeline.simulator.rest.wire import Answer, Call, single, zulu

_DXLINK_PATH: Final = "/realtime"


class TokenRoutes:
    """Grants of access tokens and DXLink tokens."""

    def __init__(self, *, oauth: OAuth, tokens: QuoteTokens) -> None:
        self._oauth = oauth
        self._tokens = tokens

    def routes(self) -> Sequence[Route]:
        """All routes of this module."""
        return (
            Route("POST", "/oauth/token", self._oauth.token, is_open=True),
            Route("GET", "/api-quote-tokens", self._quote_token),
            Route("POST", "/sessions/validate", self._validate),
        )

    def _quote_token(self, call: Call) -> Answer:
        issued = self._tokens.issue()
        data = {
            "token": issued.token,
            "dxlink-url": dxlink_url(call),
            "level": "api",
            "issued-at": zulu(issued.issued_at),
            "expires-at": zulu(issued.expires_at),
        }
        return single(call, data)

    def _validate(self, call: Call) -> Answer:
        data = {"email": "desk@example.org", "username": "desk", "external-id": "U0000000001", "id": 1}
        return single(call, data)


def dxlink_url(call: Call) -> str:
    """The URL of the DXLink socket as this client reaches it.

    It is made from the Host header, so that it is right in a container or behind a forwarded port.
    """
    return f"ws://{call.host}{_DXLINK_PATH}"
