# SPDX-License-Identifier: MIT
"""What the simulator was asked, for `GET /simulator/counters`: the judge of "fetched nothing" and "renewed once"."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_MOST_TOKENS: Final = 1_000


class Counters:
    """Counts by name, gauges with their maximum, and which access tokens came.

    Names of REST requests are route templates (``GET /option-chains/{symbol}/nested``). Other parts choose names with
    a prefix, ``dxlink.`` for the socket. Tokens are kept as the first 12 hex digits of their SHA-256.
    """

    def __init__(self) -> None:
        self._requests: Counter[str] = Counter()
        self._statuses: Counter[int] = Counter()
        self._events: Counter[str] = Counter()
        self._now: Counter[str] = Counter()
        self._most: Counter[str] = Counter()
        self._tokens: Counter[str] = Counter()

    def request(self, route: str) -> None:
        """A REST request for this route template was routed."""
        self._requests[route] += 1

    def response(self, status: int) -> None:
        """A REST request was answered with this status; a reset connection is status 0."""
        self._statuses[status] += 1

    def token(self, token: str) -> None:
        """A request carried this access token."""
        digest = hashlib.sha256(token.encode()).hexdigest()[:12]
        if digest in self._tokens or len(self._tokens) < _MOST_TOKENS:
            self._tokens[digest] += 1

    def add(self, name: str, amount: int = 1) -> None:
        """Something countable happened, such as ``oauth.granted`` or ``dxlink.subscriptions``."""
        self._events[name] += amount

    def count(self, name: str) -> int:
        """How often `add` was told, or how many requests a route template had."""
        return self._events[name] + self._requests[name]

    @contextmanager
    def gauge(self, name: str) -> Iterator[None]:
        """Something is under way for as long as the block runs, such as ``rest`` or ``dxlink.connections``."""
        self._now[name] += 1
        self._most[name] = max(self._most[name], self._now[name])
        try:
            yield
        finally:
            self._now[name] -= 1

    def reset(self) -> None:
        """Back to nothing; what is under way keeps counting as such."""
        for counter in (self._requests, self._statuses, self._events, self._tokens):
            counter.clear()
        self._most = Counter({name: value for name, value in self._now.items() if value})

    def snapshot(self) -> dict[str, object]:
        """Everything, as the control endpoint writes it."""
        return {
            "requests": dict(sorted(self._requests.items())),
            "requests-total": self._requests.total(),
            "responses": {str(status): count for status, count in sorted(self._statuses.items())},
            "in-flight": {name: {"now": self._now[name], "max": most} for name, most in sorted(self._most.items())},
            "access-tokens": dict(self._tokens),
            "events": dict(sorted(self._events.items())),
        }
