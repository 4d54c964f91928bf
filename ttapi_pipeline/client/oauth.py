# SPDX-License-Identifier: MIT
"""The OAuth2 refresh grant: when a token is renewed, who renews it, and when the broker must be left alone.

Sending the request is the business of `client`. Repeated refusals make the broker block the address for about eight
hours, so two of them close the gate, on disk too: the next process does not knock either.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec

from ttapi_pipeline.client.state_files import forget_state, read_state, write_state
from ttapi_pipeline.core.clock import Clock
from ttapi_pipeline.core.errors import AuthError, TTError

STATE_FILE: Final = "auth.json"
REFUSALS_UNTIL_CLOSED: Final = 2
BLOCK: Final = timedelta(hours=8)
RENEW_AHEAD_SECONDS: Final = 60.0
DEFAULT_LIFETIME_SECONDS: Final = 900.0

_WHAT_TO_DO: Final = (
    "create a new grant under OAuth Applications at my.tastytrade.com and set TT_CLIENT_SECRET and TT_REFRESH_TOKEN"
)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the grant needs, and where it is good."""

    base_url: str
    client_secret: str = field(repr=False)
    refresh_token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A token, and when to renew it on the clock's monotonic time (a wrong wall clock does no harm)."""

    value: str = field(repr=False)
    renew_at: float


class TokenStore:
    """Access tokens of one process, so that clients that follow each other share one.

    Keyed by the credentials; nothing is ever written to disk.
    """

    def __init__(self) -> None:
        self._tokens: dict[Credentials, AccessToken] = {}

    def get(self, credentials: Credentials) -> AccessToken | None:
        """The latest token of these credentials."""
        return self._tokens.get(credentials)

    def put(self, credentials: Credentials, token: AccessToken) -> None:
        """Keep a new token."""
        self._tokens[credentials] = token

    def __repr__(self) -> str:
        return f"TokenStore({len(self._tokens)} tokens)"


class GrantReply(msgspec.Struct, frozen=True):
    """The flat body of a granted ``POST /oauth/token``."""

    access_token: str
    expires_in: float = DEFAULT_LIFETIME_SECONDS

    def __repr__(self) -> str:
        return f"GrantReply(expires_in={self.expires_in})"


class AccessRefusedError(AuthError):
    """The server refused an access token that it had just issued, for one request.

    A second token may have been ended between its issue and its use, so one such refusal is not the end of a
    collection; several in a row are.
    """


class _GateState(msgspec.Struct, frozen=True):
    salt: str
    credentials: str
    refusals: int
    message: str
    retry_at: datetime | None = None


class AuthGate:
    """Counts refused grants of one set of credentials, across processes, and says when not to try.

    Args:
        state_dir: Where the count is kept; None keeps it in this object only.
    """

    def __init__(self, credentials: Credentials, *, clock: Clock, state_dir: Path | None) -> None:
        self._credentials = credentials
        self._clock = clock
        self._file = None if state_dir is None else state_dir / STATE_FILE
        self._state: _GateState | None = None

    def check(self) -> None:
        """Raise AuthError, with the time of the next try, while the gate is closed."""
        state = self._load()
        if state is None or state.retry_at is None or self._clock.now() >= state.retry_at:
            return
        raise AuthError(
            f"tastytrade has refused these credentials {state.refusals} times ({state.message}); they are not tried "
            f"again before {state.retry_at:%Y-%m-%d %H:%M} UTC, because repeated refusals block the address. To go on "
            f"at once, {_WHAT_TO_DO}",
            retry_at=state.retry_at,
        )

    def refused(self, message: str) -> AuthError:
        """Count a refusal; the error to raise for it."""
        before = self._load()
        refusals = 1 if before is None else before.refusals + 1
        retry_at = self._clock.now() + BLOCK if refusals >= REFUSALS_UNTIL_CLOSED else None
        salt = secrets.token_hex(16)
        self._state = _GateState(salt, self._digest(salt), refusals, message, retry_at)
        if self._file is not None:
            write_state(self._file, self._state)
        return AuthError(f"tastytrade refused the refresh token ({message}): {_WHAT_TO_DO}", retry_at=retry_at)

    def granted(self) -> None:
        """Forget earlier refusals."""
        if self._load() is not None:
            self._state = None
            if self._file is not None:
                forget_state(self._file)

    def _load(self) -> _GateState | None:
        state = self._state if self._file is None else read_state(self._file, _GateState) or self._state
        # The count belongs to the credentials: new ones start afresh.
        return state if state is not None and hmac.compare_digest(state.credentials, self._digest(state.salt)) else None

    def _digest(self, salt: str) -> str:
        parts = (salt, self._credentials.base_url, self._credentials.client_secret, self._credentials.refresh_token)
        return hashlib.blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()


class TokenSource:
    """Hands out the current access token and renews it under one lock.

    Args:
        grant: Sends the grant once; raises AuthError when it is refused. Whoever wants a token repeats the rest.
    """

    def __init__(
        self,
        credentials: Credentials,
        *,
        grant: Callable[[], Awaitable[GrantReply]],
        gate: AuthGate,
        store: TokenStore,
        clock: Clock,
    ) -> None:
        self._credentials = credentials
        self._grant = grant
        self._gate = gate
        self._store = store
        self._clock = clock
        self._lock = asyncio.Lock()
        self._failure: TTError | None = None

    async def current(self) -> AccessToken:
        """A token that is good for a while yet.

        Raises:
            AuthError: The grant was refused, or may not be tried yet.
            ApiError: The grant could not be obtained.
        """
        token = self._store.get(self._credentials)
        if token is not None and self._clock.monotonic() < token.renew_at:
            return token
        return await self._renew(instead_of=token)

    async def replacement(self, refused: AccessToken) -> AccessToken:
        """A token other than one that the server has refused; renews only when nobody else has.

        Raises:
            AuthError: The grant was refused, or may not be tried yet.
            ApiError: The grant could not be obtained.
        """
        token = self._store.get(self._credentials)
        if token is not None and token != refused:
            return token
        return await self._renew(instead_of=refused)

    async def _renew(self, *, instead_of: AccessToken | None) -> AccessToken:
        before = self._failure
        async with self._lock:
            token = self._store.get(self._credentials)
            if token is not None and token != instead_of:
                return token
            if self._failure is not None and self._failure is not before:
                # It failed while we waited for the lock: a hundred waiters must not knock one after the other.
                raise self._failure.with_traceback(None)
            try:
                self._gate.check()
                asked_at = self._clock.monotonic()
                reply = await self._grant()
            except TTError as error:
                self._failure = error
                raise
            self._gate.granted()
            # A token that lives for less than twice the margin would otherwise be renewed for every request.
            ahead = min(RENEW_AHEAD_SECONDS, reply.expires_in / 2)
            token = AccessToken(reply.access_token, renew_at=asked_at + reply.expires_in - ahead)
            self._store.put(self._credentials, token)
            return token
