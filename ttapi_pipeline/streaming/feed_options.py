# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The deadlines, sizes and delays of a feed, and the longest recovery that follows from them."""

from __future__ import annotations

from dataclasses import dataclass, field

from ttapi_pipeline.streaming.backoff import Backoff
from ttapi_pipeline.streaming.websocket import CLOSE_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedOptions:
    """How a feed behaves; times are in seconds.

    Attributes:
        symbols_per_connection: A longer list is spread over several connections.
        has_sales: Whether TimeAndSale events are subscribed, too.
        aggregation_seconds: Wanted period in which the server conflates quotes; None leaves it to the server.
        pace_seconds: Pause after each frame of subscriptions, which has 200 entries at most.
        open_seconds: Deadline for opening a link, token included, and again for each channel.
        probe_seconds: After this time without an event, a link is probed: it has the same time again to answer.
        healthy_seconds: When a link that delivered for this long is lost, it is replaced at once, and the delays start
            over. A server that ends its links every few seconds costs no more than the time of opening them.
        backoff: Delays before a link is replaced, and before a refused subscription is repeated.
    """

    symbols_per_connection: int = 2_000
    has_sales: bool = False
    aggregation_seconds: float | None = None
    pace_seconds: float = 0.1
    open_seconds: float = 30.0
    probe_seconds: float = 60.0
    healthy_seconds: float = 5.0
    backoff: Backoff = field(default_factory=Backoff)


def recovery_seconds(options: FeedOptions, *, silence_seconds: float, symbols: int) -> float:
    """The longest time from the last frame of a link that fails until its replacement delivers again.

    It holds when the token service and the server answer by then. While they do not, each further attempt takes this
    time at most.

    Args:
        options: Of the feed.
        silence_seconds: Silence after which a link is dead, see `connection.connect`.
        symbols: Number of symbols on the connection.
    """
    # A mute link, which has keepalives and no events, is given up after two probe times.
    noticed = max(silence_seconds, 2 * options.probe_seconds) + 2 * CLOSE_SECONDS
    frames = symbols / 60 + (symbols / 200 if options.has_sales else 0) + 2
    return noticed + options.backoff.most_seconds + 2 * options.open_seconds + frames * options.pace_seconds
