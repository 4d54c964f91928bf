# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Counts of the requests and events that the simulator has seen, for `GET /simulator/counters`.

Tests judge by them whether a client fetched nothing, or renewed its token once.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_MOST_TOKENS: Final = 1_000


class Counters:
    """Counts by name, gauges with their maximum, and the access tokens that came.

    Names of REST requests are route templates (``GET /option-chains/{symbol}/nested``). Names of other events begin
    with their source: ``oauth.`` or ``dxlink.``. Tokens are kept as the first 12 hex digits of their SHA-256.
    """

    def __init__(self) -> None:
        self._requests: Counter[str] = Counter()
        self._statuses: Counter[int] = Counter()
        self._events: Counter[str] = Counter()
        self._now: Counter[str] = Counter()
        self._most: Counter[str] = Counter()
        self._tokens: Counter[str] = Counter()

    def request(self, route: str) -> None:
        """Count a REST request for this route template."""
        self._requests[route] += 1

    def response(self, status: int) -> None:
        """Count a REST answer with this status; a reset connection is status 0."""
        self._statuses[status] += 1

    def token(self, token: str) -> None:
        """Count a request that carried this access token."""
        digest = hashlib.sha256(token.encode()).hexdigest()[:12]
        if digest in self._tokens or len(self._tokens) < _MOST_TOKENS:
            self._tokens[digest] += 1

    def add(self, name: str, amount: int = 1) -> None:
        """Count an event, such as ``oauth.granted`` or ``dxlink.subscriptions``."""
        self._events[name] += amount

    def count(self, name: str) -> int:
        """The number of events of this name, or of requests for this route template."""
        return self._events[name] + self._requests[name]

    @contextmanager
    def gauge(self, name: str) -> Iterator[None]:
        """Count one more of these (``rest``, ``dxlink.connections``) as under way while the block runs."""
        self._now[name] += 1
        self._most[name] = max(self._most[name], self._now[name])
        try:
            yield
        finally:
            self._now[name] -= 1

    def reset(self) -> None:
        """Set every count to 0, but for the gauges of what is under way."""
        for counter in (self._requests, self._statuses, self._events, self._tokens):
            counter.clear()
        self._most = Counter({name: value for name, value in self._now.items() if value})

    def snapshot(self) -> dict[str, object]:
        """All counts, as the control endpoint writes them."""
        return {
            "requests": dict(sorted(self._requests.items())),
            "requests-total": self._requests.total(),
            "responses": {str(status): count for status, count in sorted(self._statuses.items())},
            "in-flight": {name: {"now": self._now[name], "max": most} for name, most in sorted(self._most.items())},
            "access-tokens": dict(self._tokens),
            "events": dict(sorted(self._events.items())),
        }
