# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The OAuth2 refresh grant: when to renew an access token, by a single request, and when not to ask the broker.

The request is sent by `requester`. Repeated refusals make the broker block the address for about eight hours. So two
refusals close the gate, and a file keeps it closed for the next process too.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import math
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Any, Final

import msgspec

from ttapi_pipeline.client.state_files import change_state, forget_state, read_state
from ttapi_pipeline.core.clock import Clock
from ttapi_pipeline.core.errors import AuthError, TTError
from ttapi_pipeline.core.shared_state import StatePlace, state_file

GATE_FILE: Final = "auth.json"
REFUSALS_UNTIL_CLOSED: Final = 2
BLOCK: Final = timedelta(hours=8)
RENEW_AHEAD_SECONDS: Final = 60.0
DEFAULT_LIFETIME_SECONDS: Final = 900.0

REMEMBERED_SECONDS: Final = 900.0
"""For how long the other clients of a process take a refusal as their own. The steps of a run follow each other within
minutes."""

INVALID_GRANT: Final = "invalid_grant"
INVALID_CLIENT: Final = "invalid_client"

_WHAT_TO_DO: Final = (
    "create a new grant under OAuth Applications at my.tastytrade.com and set TT_CLIENT_SECRET and TT_REFRESH_TOKEN"
)
_WHAT_IS_WRONG: Final = {
    INVALID_GRANT: ("refused the refresh token", _WHAT_TO_DO),
    INVALID_CLIENT: (
        "has refused the client secret",
        "create a new secret for the application under OAuth Applications at my.tastytrade.com, set TT_CLIENT_SECRET",
    ),
}
"""By the error code of RFC 6749, section 5.2: which of the two credentials is wrong, and the way out.

No other code and no other body closes the gate: a server, or a proxy before it, says them of healthy credentials too.
"""


@dataclass(frozen=True, slots=True)
class Credentials:
    """The secrets that a grant needs, and the server that they are for."""

    base_url: str
    client_secret: str = field(repr=False)
    refresh_token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A token, and when to renew it, on the clock's monotonic scale, so that a wrong time of day does no harm."""

    value: str = field(repr=False)
    renew_at: float


class TokenStore:
    """Access tokens of one process by credentials, so that clients that follow each other share one.

    Nothing is ever written to disk. Refusals are shared as well: each step of a run has its own client, and the steps
    would ask one after the other.
    """

    def __init__(self) -> None:
        self._tokens: dict[Credentials, AccessToken] = {}
        self._refusals: dict[Credentials, _Refusal] = {}

    def get(self, credentials: Credentials) -> AccessToken | None:
        """The latest token of these credentials."""
        return self._tokens.get(credentials)

    def put(self, credentials: Credentials, token: AccessToken) -> None:
        """Keep a new token."""
        self._tokens[credentials] = token

    def refusal(self, credentials: Credentials, *, source: TokenSource, now: float) -> AuthError | None:
        """A refusal of these credentials that another source has met within REMEMBERED_SECONDS."""
        refusal = self._refusals.get(credentials)
        if refusal is None or refusal.source is source or now >= refusal.at + REMEMBERED_SECONDS:
            return None
        return refusal.error

    def refused(self, credentials: Credentials, error: AuthError, *, source: TokenSource, now: float) -> None:
        """Keep a refusal; `now` is the clock's monotonic time."""
        self._refusals[credentials] = _Refusal(error, source, now)

    def __repr__(self) -> str:
        return f"TokenStore({len(self._tokens)} tokens)"


@dataclass(frozen=True, slots=True)
class _Refusal:
    error: AuthError
    source: TokenSource
    at: float


class GrantReply(msgspec.Struct, frozen=True):
    """The flat body of a granted ``POST /oauth/token``."""

    # What may stand in a header (RFC 6749, A.12); the longest tokens that are known have some thousand characters.
    access_token: Annotated[str, msgspec.Meta(pattern="^[!-~]+$", max_length=16_384)]
    # Whatever the server says there, the token beside it is good.
    expires_in: Any = None

    @property
    def lifetime_seconds(self) -> float:
        """How long the token lives; DEFAULT_LIFETIME_SECONDS when the answer does not say so in a positive number."""
        try:
            seconds = float(self.expires_in)
        except (TypeError, ValueError, OverflowError):
            return DEFAULT_LIFETIME_SECONDS
        return seconds if math.isfinite(seconds) and seconds > 0 else DEFAULT_LIFETIME_SECONDS

    def __repr__(self) -> str:
        return f"GrantReply(expires_in={self.lifetime_seconds})"


class AccessRefusedError(AuthError):
    """The server refused an access token that it had just issued, for one request.

    A new token may be revoked before it is used, so one such refusal does not end a collection. Several in a row do.
    """


def refusal_code(body: bytes) -> str | None:
    """The code by which a body refuses the credentials for good; None when it says anything else.

    The code stands under ``error`` (a text as in RFC 6749, or an object with ``code``) or under ``error_code``.
    """
    try:
        said = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    match said:
        case {"error": {"code": str(code)}} | {"error": str(code)} | {"error_code": str(code)}:
            return code if code in _WHAT_IS_WRONG else None
        case _:
            return None


class _GateState(msgspec.Struct, frozen=True):
    salt: str
    credentials: str
    refusals: int
    message: str
    retry_at: datetime | None = None
    code: str = ""
    run: str | None = None


class AuthGate:
    """Counts refused grants of one set of credentials, across processes, and closes after too many.

    Args:
        run: The run that is at work. The steps of a run may be processes of their own, and would be refused one by one:
            the first refusal is that of all of them.
        state_dir: Where to keep the count; None keeps it in this object only.
    """

    def __init__(
        self, credentials: Credentials, *, clock: Clock, state_dir: StatePlace | None, run: str | None = None
    ) -> None:
        self._credentials = credentials
        self._clock = clock
        self._run = run
        self._file = None if state_dir is None else state_file(state_dir, GATE_FILE)
        self._state: _GateState | None = None

    def check(self) -> None:
        """Raise AuthError, with the time of the next try, while the gate is closed."""
        state = self._load()
        if state is None:
            return
        if self._is_of_this_run(state):
            raise _refusal(state)
        if state.retry_at is None or self._clock.now() >= state.retry_at:
            return
        _, way_out = _WHAT_IS_WRONG[state.code]
        raise AuthError(
            f"tastytrade has refused these credentials {state.refusals} times ({state.message}); they are "
            f"not tried again before {state.retry_at:%Y-%m-%d %H:%M} UTC, because repeated refusals block the address. "
            f"To go on at once, {way_out}",
            retry_at=state.retry_at,
        )

    def refused(self, code: str, message: str) -> AuthError:
        """Count a refusal.

        Args:
            code: INVALID_GRANT or INVALID_CLIENT.
            message: The server's message, without secrets.

        Returns:
            The error to raise for it.
        """
        known = self._state

        def counted(left: _GateState | None) -> _GateState:
            before = self._of_these_credentials(left or known)
            refusals = 1 if before is None else before.refusals + (not self._is_of_this_run(before))
            retry_at = self._clock.now() + BLOCK if refusals >= REFUSALS_UNTIL_CLOSED else None
            salt = secrets.token_hex(16)
            self._state = _GateState(salt, self._digest(salt), refusals, message, retry_at, code, self._run)
            return self._state

        if self._file is None or not change_state(self._file, _GateState, counted):
            return _refusal(counted(None))
        return _refusal(self._state or counted(None))

    def granted(self) -> None:
        """Forget earlier refusals."""
        if self._load() is not None:
            self._state = None
            if self._file is not None:
                forget_state(self._file)

    def _is_of_this_run(self, state: _GateState) -> bool:
        return self._run is not None and state.run == self._run

    def _load(self) -> _GateState | None:
        state = self._state if self._file is None else read_state(self._file, _GateState) or self._state
        return self._of_these_credentials(state)

    def _of_these_credentials(self, state: _GateState | None) -> _GateState | None:
        if state is None or state.code not in _WHAT_IS_WRONG:
            return None
        # The count belongs to the credentials, so new credentials start at zero.
        return state if hmac.compare_digest(state.credentials, self._digest(state.salt)) else None

    def _digest(self, salt: str) -> str:
        parts = (salt, self._credentials.base_url, self._credentials.client_secret, self._credentials.refresh_token)
        return hashlib.blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()


def _refusal(state: _GateState) -> AuthError:
    what, way_out = _WHAT_IS_WRONG[state.code]
    return AuthError(f"tastytrade {what} ({state.message}): {way_out}", retry_at=state.retry_at)


class TokenSource:
    """Hands out the current access token and renews it under one lock.

    Args:
        grant: Sends the grant once, and raises AuthError when it is refused. Other errors are retried together with the
            request that needs the token.
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
        """A token that stays valid for a while.

        Raises:
            AuthError: The grant was refused, or may not be tried yet.
            ApiError: The grant could not be obtained.
        """
        token = self._store.get(self._credentials)
        if token is not None and self._clock.monotonic() < token.renew_at:
            return token
        return await self._renew(instead_of=token)

    async def replacement(self, refused: AccessToken) -> AccessToken:
        """A token in place of one that the server has refused. It is renewed unless another request has renewed it.

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
                # It failed while we waited for the lock. A hundred waiting requests must not ask one after the other.
                raise self._failure.with_traceback(None)
            asked_at = self._clock.monotonic()
            known = self._store.refusal(self._credentials, source=self, now=asked_at)
            if known is not None:
                raise known.with_traceback(None)
            try:
                self._gate.check()
                reply = await self._grant()
            except TTError as error:
                self._failure = error
                if isinstance(error, AuthError):
                    self._store.refused(self._credentials, error, source=self, now=asked_at)
                raise
            self._gate.granted()
            # Otherwise a token that lives for a minute or less would be renewed for every request.
            lifetime = reply.lifetime_seconds
            ahead = min(RENEW_AHEAD_SECONDS, lifetime / 2)
            token = AccessToken(reply.access_token, renew_at=asked_at + lifetime - ahead)
            self._store.put(self._credentials, token)
            return token
