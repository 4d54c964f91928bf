# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The life of one request: its slot, its token, its permit, its attempts, and a log record for each attempt.

The endpoints and the meaning of answers are in `client`, one exchange over HTTP is in `transport`.
"""

from __future__ import annotations

import itertools
import logging
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar
from urllib.parse import quote

from yarl import URL

from ttapi_pipeline.client.breakers import Breakers, Permit
from ttapi_pipeline.client.limits import Rate, RateLimiter
from ttapi_pipeline.client.oauth import (
    AccessRefusedError,
    AccessToken,
    AuthGate,
    Credentials,
    GrantReply,
    TokenSource,
    TokenStore,
    refusal_code,
)
from ttapi_pipeline.client.payloads import bare_decoder, error_message
from ttapi_pipeline.client.retries import Retrier, RetryBudget, RetryPolicy, parse_retry_after, retry_after
from ttapi_pipeline.client.routes import OAUTH_TOKEN, Family, Query, Route
from ttapi_pipeline.client.slots import Load, Slots
from ttapi_pipeline.client.transport import Answer, Transport, TransportOptions
from ttapi_pipeline.core.clock import Clock
from ttapi_pipeline.core.errors import (
    ApiError,
    ApiTimeoutError,
    AuthError,
    HttpError,
    PayloadError,
    RateLimitError,
    TTError,
)
from ttapi_pipeline.core.privacy import STRUCK_OUT
from ttapi_pipeline.core.shared_state import StatePlace

T = TypeVar("T")
Decode = Callable[[bytes, str], T]

_LOGGER: Final = logging.getLogger(__name__)
# Healthy grants have been answered so for some minutes, by the certification environment and by proxies.
_PASSING_REFUSALS: Final = frozenset({400, 401, 403})

_HOLD_TOKENS: Final = frozenset({Family.OAUTH, Family.QUOTE_TOKENS})

PASSING_REFUSAL_PAUSE_SECONDS: Final = 1.0
"""Between two grants that are refused in passing, however many requests wait for a token."""

_decode_grant: Final = bare_decoder(GrantReply)


@dataclass(slots=True)
class ClientStats:
    """Counts of a client since it was made.

    Attributes:
        attempts: Requests sent, token grants and replays after a 401 included.
        retries: Attempts after the first one of a request.
        renewals: Access tokens obtained.
        throttled: Answers with status 429.
        replays: Requests sent again at once, because a kept-alive connection was stale.
        bytes_received: Size of all bodies, decompressed.
        in_flight: Slots in use now.
        most_in_flight: The most slots in use at one moment.
    """

    attempts: int = 0
    retries: int = 0
    renewals: int = 0
    throttled: int = 0
    replays: int = 0
    bytes_received: int = 0
    in_flight: int = 0
    most_in_flight: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt of a request; `deadline` is on the clock's monotonic time."""

    request_id: str
    route: Route
    number: int
    deadline: float


class Requester:
    """Sends requests within the limits, with a token, through the breaker of their family.

    Args:
        credentials: The server and the user.
        slots: The most requests in flight.
        rates: Rate by family; other families have no limit.
        run: As in `AuthGate`.
        state_dir: Where to keep refusals for the next process; None keeps them in memory.
    """

    def __init__(
        self,
        credentials: Credentials,
        *,
        slots: int,
        rates: Mapping[Family, Rate],
        retry_policy: RetryPolicy,
        transport_options: TransportOptions,
        tokens: TokenStore,
        breakers: Breakers,
        clock: Clock,
        rng: random.Random,
        run: str | None,
        state_dir: StatePlace | None,
    ) -> None:
        self.stats = ClientStats()
        self.is_simulated = False
        self._credentials = credentials
        self._breakers = breakers
        self._clock = clock
        self._slots = Slots(slots)
        self._limiters = {family: RateLimiter(rates.get(family), clock=clock) for family in Family}
        self._retrier = Retrier(retry_policy, clock, rng)
        self._transport = Transport(connections=slots, options=transport_options)
        self._gate = AuthGate(credentials, clock=clock, run=run, state_dir=state_dir)
        self._tokens = TokenSource(credentials, grant=self._grant, gate=self._gate, store=tokens, clock=clock)
        self._private: set[str] = set()
        self._ids = (f"{prefix:06x}-{number}" for prefix in (rng.getrandbits(24),) for number in itertools.count(1))

    async def open(self) -> None:
        """Make the connection pool on the running loop."""
        await self._transport.open()

    async def close(self) -> None:
        """Close every connection."""
        await self._transport.close()

    def keep_private(self, values: Iterable[str]) -> None:
        """Strike these values, such as account numbers, out of the messages of servers from here on."""
        self._private.update(values)

    async def get(
        self, route: Route, decode: Decode[T], *, query: Query = (), budget: RetryBudget | None = None, **segments: str
    ) -> T:
        """Send a GET request and decode its answer.

        Args:
            route: The endpoint.
            decode: Takes the body and the name of the request.
            query: Parameters in their order.
            budget: Retries that this request shares with others.
            segments: The variable segments of the route, not yet encoded.

        Raises:
            HttpError: The status of the last attempt, which is the first one if the status is not worth a retry.
            AuthError: The credentials were refused, now or earlier.
            RateLimitError, ApiTimeoutError, TransportError, PayloadError: The last attempt ended so.
            CircuitOpenError: The request was not sent.
        """
        url = route.url(self._credentials.base_url, query=query, **segments)
        if "account_number" in segments:
            self.keep_private([segments["account_number"]])
        request_id = next(self._ids)

        async def attempt(number: int, deadline: float) -> T:
            named = Attempt(request_id=request_id, route=route, number=number, deadline=deadline)
            return await self._attempt(named, url, decode)

        return await self._retrier.run(attempt, budget=budget)

    async def _attempt(self, attempt: Attempt, url: URL, decode: Decode[T]) -> T:
        route, breaker = attempt.route, self._breakers[attempt.route.family]
        # First, because a request that the breaker will refuse should not wait in the queue of its family.
        breaker.check(route.subject)
        await self._limiters[route.family].acquire(route.subject, deadline=attempt.deadline)
        # Before the slot, because requests that wait for the probe of their family must not block other families.
        permit = await breaker.permit(route.subject)
        try:
            async with self._slots.slot() as number:
                self.stats.in_flight = self._slots.in_flight
                self.stats.most_in_flight = max(self.stats.most_in_flight, self.stats.in_flight)
                try:
                    token = await self._tokens.current()
                    permit.confirm(route.subject)
                    # Outside of the exchange, because time lost in our own queue is no failure of the service.
                    self._seconds_left(attempt)
                    return await self._exchange(attempt, url, decode, token=token, permit=permit, number=number)
                finally:
                    self.stats.in_flight = self._slots.in_flight - 1
        finally:
            permit.release()

    async def _exchange(
        self, attempt: Attempt, url: URL, decode: Decode[T], *, token: AccessToken, permit: Permit, number: int
    ) -> T:
        self.stats.retries += attempt.number > 1
        try:
            answer = await self._send(attempt, url, token=token)
            if answer.status == 401:
                # A server that refuses a token is alive.
                permit.succeeded()
                token = await self._tokens.replacement(token)
                answer = await self._send(attempt, url, token=token)
                if answer.status == 401:
                    raise AccessRefusedError(
                        f"{attempt.route.subject}: tastytrade refuses an access token that it has just issued "
                        f"({self._message(attempt.route, answer, token)})"
                    )
            value = decode(self._checked(attempt.route, answer, token), attempt.route.subject)
        except TTError as error:
            if counts_as_failure(error):
                self._failed(error, permit, number)
                self._pause(attempt.route.family, error)
            elif isinstance(error, HttpError | PayloadError):
                permit.succeeded()
            raise
        permit.succeeded()
        self._slots.answered()
        return value

    def _failed(self, error: TTError, permit: Permit, number: int) -> None:
        """Tell the breaker of a failure, unless the server was merely asked for too much at once by others before."""
        load = self._slots.overloaded(number) if says_too_much(error) else Load.FINE
        if load is not Load.TOO_MUCH_BEFORE:
            permit.failed(error)
        if load is not Load.FINE and isinstance(error, ApiError):
            error.is_of_load = True

    async def _grant(self) -> GrantReply:
        breaker = self._breakers[Family.OAUTH]
        attempt = Attempt(
            request_id=next(self._ids),
            route=OAUTH_TOKEN,
            number=1,
            deadline=self._clock.monotonic() + self._retrier.policy.deadline_seconds,
        )
        await self._limiters[Family.OAUTH].acquire(OAUTH_TOKEN.subject, deadline=attempt.deadline)
        permit = await breaker.permit(OAUTH_TOKEN.subject)
        credentials = self._credentials
        body = {
            "grant_type": "refresh_token",
            "refresh_token": credentials.refresh_token,
            "client_secret": credentials.client_secret,
        }
        try:
            answer = await self._send(attempt, OAUTH_TOKEN.url(credentials.base_url), json=body)
            code = refusal_code(answer.body) if 400 <= answer.status < 500 else None
            if code is not None:
                permit.succeeded()
                raise self._gate.refused(code, self._message(OAUTH_TOKEN, answer))
            reply = _decode_grant(self._checked(OAUTH_TOKEN, answer), OAUTH_TOKEN.subject)
        except ApiError as error:
            if isinstance(error, HttpError) and error.status in _PASSING_REFUSALS:
                error.retryable = True
                self._limiters[Family.OAUTH].pause(PASSING_REFUSAL_PAUSE_SECONDS)
            if counts_as_failure(error):
                permit.failed(error)
                self._pause(Family.OAUTH, error)
            raise
        finally:
            permit.release()
        self.stats.renewals += 1
        return reply

    async def _send(
        self,
        attempt: Attempt,
        url: URL,
        *,
        token: AccessToken | None = None,
        json: Mapping[str, str] | None = None,
    ) -> Answer:
        headers = {} if token is None else {"Authorization": f"Bearer {token.value}"}
        started_at = self._clock.monotonic()
        seconds = self._seconds_left(attempt)
        self.stats.attempts += 1
        answer: Answer | None = None
        failure: ApiError | None = None
        try:
            answer = await self._transport.send(attempt.route, url, headers=headers, json=json, seconds=seconds)
        except ApiError as error:
            failure = error
            raise
        finally:
            self.stats.replays = self._transport.replays
            self._log(attempt, answer, failure, elapsed=self._clock.monotonic() - started_at)
        answer = replace(answer, body=self._without_secrets(answer.body, token))
        self.stats.bytes_received += len(answer.body)
        self.stats.throttled += answer.status == 429
        self.is_simulated = self.is_simulated or answer.headers.get("X-Simulated", "").lower() == "true"
        return answer

    def _seconds_left(self, attempt: Attempt) -> float:
        """The time until the deadline, above 0; ApiTimeoutError when it has passed."""
        seconds = attempt.deadline - self._clock.monotonic()
        if seconds <= 0:
            raise ApiTimeoutError(f"{attempt.route.subject}: not sent, its time was over while it waited for its turn")
        return seconds

    def _checked(self, route: Route, answer: Answer, token: AccessToken | None = None) -> bytes:
        """The body of an answer with status 2xx. Another status is raised as its error."""
        if 200 <= answer.status < 300:
            return answer.body
        is_redirect = 300 <= answer.status < 400
        message = "a redirect, which is not followed" if is_redirect else self._message(route, answer, token)
        asked = parse_retry_after(answer.headers.get("Retry-After"), now=self._clock.now())
        if answer.status == 429:
            raise RateLimitError(f"{route.subject}: throttled (HTTP 429, {message})", retry_after=asked)
        raise HttpError(answer.status, message, subject=route.subject, retry_after=asked)

    def _without_secrets(self, body: bytes, token: AccessToken | None) -> bytes:
        """The body with what we have sent struck out: a server that says it back would put it into a table or a log."""
        for secret in self._secrets(token):
            for form in {secret, secret.replace("/", "\\/"), quote(secret, safe="")}:
                body = body.replace(form.encode(), STRUCK_OUT.encode())
        return body

    def _secrets(self, token: AccessToken | None) -> Sequence[str]:
        secrets = [self._credentials.client_secret, self._credentials.refresh_token, token.value if token else ""]
        return [secret for secret in secrets if secret]

    def _message(self, route: Route, answer: Answer, token: AccessToken | None = None) -> str:
        # Once more: a text may have been written in another way in the body than it reads now.
        secrets = [*self._secrets(token), *sorted(self._private, key=len, reverse=True)]
        return error_message(answer.body, secrets=secrets, holds_tokens=route.family in _HOLD_TOKENS)

    def _pause(self, family: Family, error: TTError) -> None:
        # The server told one request to wait, and would tell the others of its family the same.
        seconds = retry_after(error)
        if seconds is not None:
            self._limiters[family].pause(seconds)

    def _log(self, attempt: Attempt, answer: Answer | None, failure: ApiError | None, *, elapsed: float) -> None:
        level = logging.DEBUG if answer is not None and answer.status < 400 else logging.INFO
        if not _LOGGER.isEnabledFor(level):
            return
        outcome = str(answer.status) if answer is not None else type(failure).__name__ if failure else "cancelled"
        size = len(answer.body) if answer is not None else 0
        _LOGGER.log(
            level,
            "%s %s: %s, attempt %d, %.0f ms, %d bytes",
            attempt.request_id,
            attempt.route.subject,
            outcome,
            attempt.number,
            elapsed * 1000,
            size,
            extra={
                "request_id": attempt.request_id,
                "method": attempt.route.method,
                "route": attempt.route.template,
                "family": attempt.route.family.value,
                "status": answer.status if answer is not None else None,
                "outcome": outcome,
                "attempt": attempt.number,
                "elapsed_ms": round(elapsed * 1000, 3),
                "bytes": size,
            },
        )


def says_too_much(error: TTError) -> bool:
    """Whether an error can mean that the server has more to do than it can: 429, 503, or no answer in time."""
    is_unavailable = isinstance(error, HttpError) and error.status == 503
    return is_unavailable or isinstance(error, RateLimitError | ApiTimeoutError)


def counts_as_failure(error: TTError) -> bool:
    """Whether a breaker counts an error: yes for faults of the service, no for wrong requests and credentials."""
    return error.retryable and not isinstance(error, AuthError)
