# SPDX-License-Identifier: MIT
"""The deadlines, sizes and delays of a feed, and how long its recovery takes with them."""

from __future__ import annotations

from dataclasses import dataclass, field

from ttapi_pipeline.streaming.backoff import Backoff
from ttapi_pipeline.streaming.connection import CLOSE_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedOptions:
    """How a feed behaves; times are in seconds.

    Attributes:
        symbols_per_connection: A longer list is spread over several connections.
        has_sales: Whether TimeAndSale events are subscribed, too.
        aggregation_seconds: Wanted conflation of quotes at the server; up to the server when None.
        pace_seconds: Pause after each frame of subscriptions, of 200 entries at most.
        open_seconds: Deadline of opening a link, token included, and again of each channel.
        probe_seconds: After so long without an event, a link has to answer a subscription, and has as long again.
        healthy_seconds: A link that delivered for so long starts the delays over when it is lost.
        backoff: Delays before a link is replaced, and before a refused subscription is repeated.
    """

    symbols_per_connection: int = 2_000
    has_sales: bool = False
    aggregation_seconds: float | None = None
    pace_seconds: float = 0.1
    open_seconds: float = 30.0
    probe_seconds: float = 60.0
    healthy_seconds: float = 30.0
    backoff: Backoff = field(default_factory=Backoff)


def recovery_seconds(options: FeedOptions, *, silence_seconds: float, symbols: int) -> float:
    """The longest time from the last frame of a link that fails until its replacement delivers again.

    It holds when the token service and the server answer by then; while they do not, each attempt after another one
    takes this time at most.

    Args:
        options: Of the feed.
        silence_seconds: Of the links that are opened.
        symbols: On the connection.
    """
    # A link without events, but with keepalives, is given up after two probe times.
    noticed = max(silence_seconds, 2 * options.probe_seconds) + 2 * CLOSE_SECONDS
    frames = symbols / 60 + (symbols / 200 if options.has_sales else 0) + 2
    return noticed + options.backoff.most_seconds + 2 * options.open_seconds + frames * options.pace_seconds
