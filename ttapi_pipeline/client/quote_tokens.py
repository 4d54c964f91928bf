# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Reads the answer with the token of the feed. An answer without one, or without a way to the feed, is of no use."""

from __future__ import annotations

from typing import Any, Final

from ttapi_pipeline.client.models import QuoteToken, Row
from ttapi_pipeline.client.payloads import single_decoder
from ttapi_pipeline.core.errors import PayloadError
from ttapi_pipeline.core.hosts import public_part, websocket_fault


class _Body(Row, frozen=True):
    """Both are needed, so that no mending may leave one out: `decode_quote_token` looks at them."""

    token: Any = None
    dxlink_url: Any = None
    level: str | None = None


_decode: Final = single_decoder(_Body)


def decode_quote_token(body: bytes, subject: str) -> QuoteToken:
    """The token and the URL of its server.

    Raises:
        PayloadError: The answer has no token, or no URL of a WebSocket. The message holds neither token nor password.
    """
    answer = _decode(body, subject)
    token, url = _text(answer.token, "token", subject), _text(answer.dxlink_url, "dxlink-url", subject)
    fault = websocket_fault(url)
    if fault is not None:
        raise _no_feed(subject, f"dxlink-url in the answer, {public_part(url)[:80]}, is no WebSocket URL: {fault}")
    return QuoteToken(token=token, url=url, level=answer.level)


def _text(value: object, name: str, subject: str) -> str:
    if isinstance(value, str) and value.strip():
        return value.strip()
    seen = "is not there" if value is None else "is blank" if isinstance(value, str) else "is not a text"
    raise _no_feed(subject, f"{name} {seen} in the answer")


def _no_feed(subject: str, why: str) -> PayloadError:
    return PayloadError(f"{subject}: {why}, so that the feed cannot be opened; try again later")
