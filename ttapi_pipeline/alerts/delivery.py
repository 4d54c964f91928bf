# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Sends one message to one place by Apprise. Nothing that it returns or logs has the URL in it, or a part of it.

What is sent again, and when: see `outbox`.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from importlib.util import find_spec
from types import TracebackType
from typing import Final
from urllib.parse import unquote

from ttapi_pipeline.alerts.wording import Message
from ttapi_pipeline.core.errors import ConfigError
from ttapi_pipeline.core.lines import shortened
from ttapi_pipeline.core.privacy import STRUCK_OUT, without_tokens

_SHORTEST_PART: Final = 3
"""Shorter pieces of a URL say nothing, and are parts of other words."""

_ONE_AT_A_TIME: Final = threading.Lock()
"""Apprise has one logger for all that it sends."""


@dataclass(frozen=True, slots=True)
class Destination:
    """One place where messages go.

    Attributes:
        name: Its number among the URLs of the setting, and its scheme: ``1 (json)``.
        url: A secret.
    """

    name: str
    url: str = field(repr=False)


def destinations(urls: Sequence[str]) -> Sequence[Destination]:
    """The places that TT_ALERT_URLS names."""
    return [Destination(f"{number} ({url.partition('://')[0].lower()})", url) for number, url in enumerate(urls, 1)]


def check_package() -> None:
    """Raise ConfigError when Apprise is not installed."""
    if find_spec("apprise") is None:
        raise ConfigError("TT_ALERT_URLS is set and needs the package apprise: pip install 'ttapi-pipeline[alerts]'")


def check_destination(destination: Destination) -> str | None:
    """Why messages cannot go there, by the URL alone; None when they may. Nothing is sent.

    Raises:
        ConfigError: Apprise is not installed.
    """
    check_package()
    import apprise  # noqa: PLC0415 - it takes a second, and most looks have nothing to send

    with _ONE_AT_A_TIME, _said_by_apprise():
        return None if apprise.Apprise().add(destination.url) else _NOT_A_URL


_NOT_A_URL: Final = "Apprise cannot use the URL: its scheme is unknown, or something in it is missing"


def send(destination: Destination, message: Message) -> str | None:
    """Send a message, which takes some seconds at most.

    Returns:
        None when it was accepted, else why not, in words without the URL.

    Raises:
        ConfigError: Apprise is not installed.
    """
    check_package()
    import apprise  # noqa: PLC0415 - as above

    with _ONE_AT_A_TIME, _said_by_apprise() as said:
        try:
            service = apprise.Apprise()
            if not service.add(destination.url):
                return _NOT_A_URL
            is_sent = service.notify(
                title=message.title,
                body=message.body,
                notify_type=str(message.tone),
                body_format=apprise.NotifyFormat.TEXT,
            )
        except Exception as error:  # noqa: BLE001 - a plugin may raise whatever its library does; a run is not to fail
            # Not its text: that may hold the URL.
            return f"{type(error).__name__} of Apprise"
    if is_sent:
        return None
    return _without_parts("; ".join(said.records) or "it was not accepted", destination.url)


class _Listener(logging.Handler):
    """Keeps what Apprise warns of, in the order of the records."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.records: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record.getMessage())


class _said_by_apprise(AbstractContextManager[_Listener]):  # noqa: N801 - used as a function
    """Has Apprise's records in a list, and nowhere else, for the length of a block: some have parts of the URL."""

    def __enter__(self) -> _Listener:
        self._logger = logging.getLogger("apprise")
        self._was = (self._logger.propagate, self._logger.level)
        self._listener = _Listener()
        self._logger.propagate = False
        self._logger.setLevel(logging.WARNING)
        self._logger.addHandler(self._listener)
        return self._listener

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._logger.removeHandler(self._listener)
        self._logger.propagate, level = self._was
        self._logger.setLevel(level)


def _without_parts(text: str, url: str) -> str:
    """The text without the URL and without each piece of it, as it stands there and decoded."""
    scheme, _, rest = url.partition("://")
    pieces: set[str] = {url, rest}
    for piece in re.split(r"[/:?&=@,#]+", rest):
        pieces |= {piece, unquote(piece)}
    for piece in sorted(pieces, key=len, reverse=True):
        if len(piece) >= _SHORTEST_PART and piece.lower() != scheme.lower():
            text = text.replace(piece, STRUCK_OUT)
    return shortened(without_tokens(text), 200)
