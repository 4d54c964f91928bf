# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""One DXLink connection of the server without socket, clock and task: messages in, messages out.

Answers to the client are sent first, then market data. Channel 0 is in `control_channel`, the other channels are in
`channels`, their data is made in `market_data`, and `websocket` carries the messages.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from ttapi_pipeline.simulator.dxlink.candle_bars import CandleSource
from ttapi_pipeline.simulator.dxlink.channels import Channels
from ttapi_pipeline.simulator.dxlink.control_channel import ControlChannel
from ttapi_pipeline.simulator.dxlink.events import EventSource
from ttapi_pipeline.simulator.dxlink.faults import ConnectionFaults
from ttapi_pipeline.simulator.dxlink.market_data import MarketData
from ttapi_pipeline.simulator.dxlink.messages import decode
from ttapi_pipeline.simulator.dxlink.outbox import Closing, Outbox
from ttapi_pipeline.simulator.faults import Strike


class DxLinkSession:
    """One connection.

    Call `receive` with each text message, `tick` about once a second, and after both `next_message` until it returns
    None; then, if `closing` is set, close the socket. The caller tells the time: `monotonic` in seconds for timeouts,
    `at` for the market.
    """

    def __init__(
        self,
        candles: CandleSource,
        events: EventSource,
        *,
        is_valid_token: Callable[[str], bool],
        strike: Strike,
        monotonic: float,
        count: Callable[[str, int], None],
    ) -> None:
        self._events = events
        self._outbox = Outbox(count)
        self._control = ControlChannel(
            self._outbox, is_valid_token=is_valid_token, strike=strike, monotonic=monotonic, count=count
        )
        self._channels = Channels(self._outbox, symbols=events.symbols, strike=strike, count=count)
        self._data = MarketData(self._channels, candles, events, strike=strike, count=count)
        self._faults = ConnectionFaults(self._outbox, self._channels, strike=strike, monotonic=monotonic)
        self._data_messages = 0
        self._was_forming = True

    @property
    def closing(self) -> Closing | None:
        """Set when the connection is to end after the messages that are still to be sent."""
        return self._outbox.closing

    @property
    def backlog(self) -> int:
        """Answers that wait to be sent: stop reading from a client that does not read."""
        return len(self._outbox)

    def receive(self, text: str | bytes, *, monotonic: float) -> None:
        """Take one message of the client. A wrong one is answered with an ERROR message, never with an exception."""
        self._control.hear(monotonic)
        if self.closing is not None or self._faults.is_frozen:
            return
        try:
            message = decode(text)
        except ValueError as error:
            self._outbox.error("INVALID_MESSAGE", str(error))
            return
        about_channel = self._control.receive(message, monotonic)
        if about_channel is not None:
            self._channels.receive(about_channel)

    def tick(self, *, monotonic: float, at: datetime) -> None:
        """Let time pass: keepalives, a client that fell silent, values that may have changed."""
        if self.closing is not None or self._faults.is_frozen:
            return
        if self._control.end_if_silent(monotonic) or self._faults.end_if_over(monotonic):
            return
        self._control.pass_time(monotonic)
        is_forming = self._events.is_forming(at)
        # One more look after the close, or the last values of the session would never be sent.
        if is_forming or self._was_forming:
            self._channels.mark_due(monotonic)
        self._was_forming = is_forming

    def next_message(self, *, at: datetime) -> bytes | None:
        """The next message to send; None when there is nothing to say.

        An empty one is not to be sent: it says that a long snapshot is still being made, and gives the caller a turn.
        """
        while not self._faults.is_frozen:
            answer = self._outbox.pop()
            if answer is not None:
                return answer
            if self.closing is not None or self._faults.is_mute or not self._data.has_next:
                return None
            if self._faults.strike_before(self._data_messages):
                continue
            message = self._data.next_message(at)
            if message:
                self._data_messages += 1
                self._faults.strike_after(message)
            if message is not None:
                return message
        return None
