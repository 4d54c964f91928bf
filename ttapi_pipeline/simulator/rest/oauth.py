# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""OAuth2: which grants are accepted, which access tokens are alive, which addresses are blocked."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import parse_qsl

import orjson

from ttapi_pipeline.core.clock import Clock
from ttapi_pipeline.core.environments import SIMULATOR_CLIENT_SECRET, SIMULATOR_REFRESH_TOKEN
from ttapi_pipeline.simulator.counters import Counters
from ttapi_pipeline.simulator.rest.wire import Answer, Call, RequestError

ACCESS_TOKEN_LIFETIME: Final = timedelta(seconds=900)
_MOST_TOKENS: Final = 10_000


class OAuth:
    """Grants access tokens of 900 seconds for one client secret and refresh token, which the settings know.

    Earlier access tokens stay alive after a grant, as with tastytrade.
    """

    def __init__(self, clock: Clock, counters: Counters) -> None:
        self._clock = clock
        self._counters = counters
        self._expires_at: dict[str, datetime] = {}
        self._refusals: dict[str, int] = {}
        self._blocked_until: dict[str, datetime] = {}
        self.is_revoked = False
        """Whether the refresh token counts as revoked."""

    def token(self, call: Call) -> Answer:
        """Answer `POST /oauth/token`, JSON or form: the only successful answer without an envelope."""
        fields = _fields(call)
        grant_type = fields.get("grant_type")
        if grant_type is None:
            raise _refused("invalid_request", "grant_type is missing")
        if grant_type != "refresh_token":
            raise _refused("unsupported_grant_type", f"Grant type {grant_type[:40]!r} is not supported")
        if not _equal(fields.get("client_secret"), SIMULATOR_CLIENT_SECRET):
            raise _refused("invalid_client", "Client authentication failed")
        if self.is_revoked or not _equal(fields.get("refresh_token"), SIMULATOR_REFRESH_TOKEN):
            raise _refused("invalid_grant", "Grant revoked or unknown")
        token = secrets.token_urlsafe(48)
        while len(self._expires_at) >= _MOST_TOKENS:
            del self._expires_at[next(iter(self._expires_at))]
        self._expires_at[token] = self._clock.now() + ACCESS_TOKEN_LIFETIME
        self._counters.add("oauth.granted")
        seconds = int(ACCESS_TOKEN_LIFETIME.total_seconds())
        return Answer(orjson.dumps({"access_token": token, "token_type": "Bearer", "expires_in": seconds}))

    def check(self, authorization: str | None) -> str:
        """The access token of an `Authorization` header.

        Raises:
            RequestError: 401 without a token, for an unknown token and for an expired one.
        """
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise RequestError(401, "unauthorized", "A bearer token is required")
        self._counters.token(token)
        expires_at = self._expires_at.get(token)
        if expires_at is None:
            raise RequestError(401, "unauthorized", "The access token is invalid or was revoked")
        if self._clock.now() >= expires_at:
            del self._expires_at[token]
            raise RequestError(401, "unauthorized", "The access token has expired")
        return token

    def expire(self, token: str) -> None:
        """End one access token now."""
        self._expires_at.pop(token, None)

    def revoke(self) -> None:
        """End every access token and refuse every further grant, until `forgive`."""
        self._expires_at.clear()
        self.is_revoked = True

    def refused(self, address: str) -> int:
        """Note a refused grant.

        Returns:
            How many this address has had.
        """
        self._counters.add("oauth.refused")
        self._refusals[address] = self._refusals.get(address, 0) + 1
        return self._refusals[address]

    def block(self, address: str, *, seconds: float) -> None:
        """Give an address no answer for this many seconds."""
        self._blocked_until[address] = self._clock.now() + timedelta(seconds=seconds)

    def blocked_seconds(self, address: str) -> float:
        """Seconds for which an address still gets no answer; 0 when it is not blocked."""
        until = self._blocked_until.get(address)
        return 0.0 if until is None else max(0.0, (until - self._clock.now()).total_seconds())

    def forgive(self) -> None:
        """Forget refusals, blocks and the revocation."""
        self._refusals.clear()
        self._blocked_until.clear()
        self.is_revoked = False


def _fields(call: Call) -> Mapping[str, str]:
    if call.content_type == "application/x-www-form-urlencoded":
        try:
            return dict(parse_qsl(call.body.decode(), max_num_fields=50))
        except ValueError as error:
            raise _refused("invalid_request", "The form cannot be read") from error
    return {name: value for name, value in call.json().items() if isinstance(value, str)}


def _equal(given: str | None, expected: str) -> bool:
    return given is not None and hmac.compare_digest(given.encode(), expected.encode())


def _refused(code: str, message: str) -> RequestError:
    return RequestError(400, code, message)
