# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The time of a server's clock, for `tt doctor`. Tokens do not depend on it, see `oauth`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

import aiohttp

from ttapi_pipeline.client.transport import USER_AGENT
from ttapi_pipeline.core.clock import Clock
from ttapi_pipeline.core.errors import TransportError

_SECONDS: Final = 10.0


async def server_clock_offset(url: str, *, clock: Clock) -> timedelta | None:
    """How far a server's clock is ahead of ours, by the ``Date`` of any answer (RFC 9110, 6.6.1).

    Args:
        url: Any URL of the server. Its answer may have any status; no credentials are sent.
        clock: Our clock.

    Returns:
        The offset, to within half a second plus half of the time that the answer took; None without a ``Date``.

    Raises:
        TransportError: The server did not answer.
    """
    try:
        async with aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=_SECONDS),
            headers={"User-Agent": USER_AGENT},
            cookie_jar=aiohttp.DummyCookieJar(),
        ) as session:
            asked_at = clock.now()
            async with session.head(url, allow_redirects=False) as response:
                answered_at, stated = clock.now(), response.headers.get("Date", "")
    except (TimeoutError, aiohttp.ClientError, OSError) as error:
        raise TransportError(f"no answer that would tell the server's time: {type(error).__name__}") from None
    try:
        server_at = parsedate_to_datetime(stated)
    except (ValueError, OverflowError):
        return None
    if server_at.tzinfo is None:
        server_at = server_at.replace(tzinfo=UTC)
    # The header has whole seconds, rounded down, so half a second is the best guess of the rest.
    return server_at + timedelta(milliseconds=500) - _middle(asked_at, answered_at)


def _middle(start: datetime, end: datetime) -> datetime:
    return start + (end - start) / 2
