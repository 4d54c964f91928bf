# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Channel 0 of a connection: SETUP, AUTH, timeouts and keepalives. The channels with market data are in `channels`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

from ttapi_pipeline.simulator.dxlink.messages import (
    Auth,
    ChannelMessage,
    ClientError,
    ClientMessage,
    KeepAlive,
    Setup,
    plain_seconds,
)
from ttapi_pipeline.simulator.dxlink.outbox import Closing, Outbox
from ttapi_pipeline.simulator.faults import Strike

SERVER_VERSION: Final = "1.0-1.2.3-20240912-171526"
"""As production spelled it in a published capture."""
KEEPALIVE_SECONDS: Final = 60.0
KEEPALIVE_INTERVAL: Final = 30.0

_SHORTEST_TIMEOUT: Final = 1.0
_LONGEST_TIMEOUT: Final = 3_600.0


class ControlChannel:
    """Decides which messages a client may send in which state, and notices when it has fallen silent.

    A client goes through the states in their order. "greeted" and "checked" last until the next `pass_time` on a strict
    server, and no time at all on any other.
    """

    def __init__(
        self,
        outbox: Outbox,
        *,
        is_valid_token: Callable[[str], bool],
        strike: Strike,
        monotonic: float,
        count: Callable[[str, int], None],
    ) -> None:
        self._outbox = outbox
        self._is_valid_token = is_valid_token
        self._strike = strike
        self._count = count
        self._state: Literal["new", "greeted", "set up", "checked", "authorized"] = "new"
        self._is_strict = False
        self._client_timeout = KEEPALIVE_SECONDS
        self._own_timeout = KEEPALIVE_SECONDS
        self._heard_at = monotonic
        self._keepalive_at = monotonic + KEEPALIVE_INTERVAL

    def hear(self, monotonic: float) -> None:
        """Note that the client is there."""
        self._heard_at = monotonic

    def receive(self, message: ClientMessage, monotonic: float) -> ChannelMessage | None:
        """Take a message; a refused one is answered with an ERROR.

        Returns:
            The message, when it is about another channel and the client may send it.
        """
        match message:
            case Setup():
                self._set_up(message, monotonic)
            case KeepAlive() | ClientError():
                pass
            case _ if self._state == "new":
                self._outbox.error("BAD_ACTION", "SETUP comes first")
            case _ if self._state in {"greeted", "checked"}:
                # As production wrote it to clients that did not wait (tastyware/tastytrade #338).
                self._outbox.error("UNAUTHORIZED", "AuthException: Session not found: api")
            case Auth():
                self._authorize(message)
            case _ if self._state != "authorized":
                self._outbox.error("UNAUTHORIZED", "Not authorized")
            case _:
                return message
        return None

    def end_if_silent(self, monotonic: float) -> bool:
        """Tell a client that was silent for longer than announced, and drop it; whether it was."""
        if monotonic - self._heard_at <= self._own_timeout:
            return False
        self._outbox.error("TIMEOUT", f"Nothing heard for {self._own_timeout:g} s")
        self._outbox.closing = Closing(1001, "timeout")
        return True

    def pass_time(self, monotonic: float) -> None:
        """Send a keepalive when it is due, and the answer that a strict server has held back."""
        if self._state in {"greeted", "checked"}:
            self._tell_state()
        if monotonic >= self._keepalive_at:
            self._outbox.answer("KEEPALIVE", 0)
            self._schedule_keepalive(monotonic)

    def _schedule_keepalive(self, monotonic: float) -> None:
        self._keepalive_at = monotonic + min(KEEPALIVE_INTERVAL, self._client_timeout / 2)

    def _set_up(self, message: Setup, monotonic: float) -> None:
        if message.version.partition("-")[0] not in {"0.1", "1.0"}:
            self._outbox.error("UNSUPPORTED_PROTOCOL", "The protocol version is 0.1")
            return
        self._client_timeout = _timeout(message.keepalive_timeout)
        self._own_timeout = _timeout(message.accept_keepalive_timeout)
        self._schedule_keepalive(monotonic)
        self._outbox.answer(
            "SETUP",
            0,
            version=SERVER_VERSION,
            keepaliveTimeout=plain_seconds(self._own_timeout),
            acceptKeepaliveTimeout=plain_seconds(self._client_timeout),
        )
        if self._state == "new":
            self._is_strict = bool(self._strike({"dx-strict-auth"}))
            self._state = "greeted"
            if not self._is_strict:
                self._tell_state()

    def _authorize(self, message: Auth) -> None:
        if self._strike({"dx-token"}) or not self._is_valid_token(message.token):
            # PyPI `tastytrade` answers every UNAUTHORIZED with another AUTH, so the link must end here.
            self._count("dxlink.refused", 1)
            self._state = "set up"
            self._outbox.answer("AUTH_STATE", 0, state="UNAUTHORIZED")
            self._outbox.closing = Closing(1008, "token refused")
            return
        self._count("dxlink.authorized", 1)
        self._state = "checked"
        if not self._is_strict:
            self._tell_state()

    def _tell_state(self) -> None:
        """Take the next step towards the authorization and tell the client, which may go on from there."""
        if self._state == "greeted":
            self._state = "set up"
            self._outbox.answer("AUTH_STATE", 0, state="UNAUTHORIZED")
        else:
            self._state = "authorized"
            self._outbox.answer("AUTH_STATE", 0, state="AUTHORIZED", userId="simulator")


def _timeout(seconds: float | None) -> float:
    return min(max(seconds or KEEPALIVE_SECONDS, _SHORTEST_TIMEOUT), _LONGEST_TIMEOUT)
