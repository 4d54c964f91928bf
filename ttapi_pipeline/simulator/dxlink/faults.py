# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Carries out the faults of a whole DXLink connection and of the rows of a snapshot.

The plan of faults, one room up, decides which ones strike. Faults of a single answer (a refused token, a shorter
layout, a refused subscription) are carried out where that answer is made.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from ttapi_pipeline.simulator.dxlink.candle_rows import TX_PENDING, CandleRows
from ttapi_pipeline.simulator.dxlink.channels import Channels
from ttapi_pipeline.simulator.dxlink.outbox import Closing, Outbox
from ttapi_pipeline.simulator.faults import Fault, Strike

CONNECTION_FAULTS: Final = frozenset(
    {"dx-freeze", "dx-close", "dx-full", "dx-error", "dx-mute", "dx-layout", "dx-channel", "dx-repeat"}
)
"""Decided once per connection; they strike when the data message after the first `after` ones is due."""

_ROW_FAULTS: Final = frozenset({"dx-duplicate", "dx-reorder", "dx-pending"})


class ConnectionFaults:
    """The faults that one connection will suffer.

    Attributes:
        is_frozen: The server neither listens nor speaks any more; the socket stays open.
        is_mute: Market data has stopped; everything else goes on.
    """

    def __init__(self, outbox: Outbox, channels: Channels, *, strike: Strike, monotonic: float) -> None:
        self._outbox = outbox
        self._channels = channels
        self._pending = list(strike(CONNECTION_FAULTS))
        self._lifetimes = [(monotonic + fault.number("seconds"), fault) for fault in strike({"dx-lifetime"})]
        self._repeats = 0
        self.is_frozen = False
        self.is_mute = False

    def strike_before(self, data_messages: int) -> bool:
        """Carry out the next fault that is due after this many data messages; whether there was one."""
        for fault in self._pending:
            if data_messages >= fault.number("after"):
                self._pending.remove(fault)
                self._carry_out(fault)
                return True
        return False

    def strike_after(self, message: bytes) -> None:
        """Have a data message that is sent now sent again, where a fault says so."""
        if self._repeats:
            self._repeats -= 1
            self._outbox.repeat(message)

    def end_if_over(self, monotonic: float) -> bool:
        """End the connection when its lifetime is over; whether it is."""
        for ends_at, fault in self._lifetimes:
            if monotonic >= ends_at:
                self._outbox.closing = Closing(int(fault.number("code")), "simulated")
                return True
        return False

    def _carry_out(self, fault: Fault) -> None:
        feeds = self._channels.feeds.values()
        match fault.kind:
            case "dx-freeze":
                self.is_frozen = True
            case "dx-close":
                self._outbox.closing = Closing(int(fault.number("code")), "simulated")
            case "dx-error":
                self._outbox.error(fault.text("error"), fault.text("message"))
            case "dx-mute":
                self.is_mute = True
            case "dx-layout":
                for feed in feeds:
                    self._channels.announce(feed, {kind: names[::-1] for kind, names in feed.announced.items()})
            case "dx-channel":
                self._channels.close_all()
            case "dx-repeat":
                self._repeats += int(fault.number("messages"))
            case _:  # dx-full
                for feed in feeds:
                    feed.data_format = "FULL"
                    self._channels.announce(feed, {})


def disturbed(rows: CandleRows, strike: Strike) -> CandleRows:
    """The rows of a snapshot with another order or other flags; the first and the last row keep their places."""
    inner = len(rows) - 2
    for fault in strike(_ROW_FAULTS):
        if inner < 1:
            break
        order = np.arange(len(rows))
        match fault.kind:
            case "dx-duplicate":
                again = np.arange(1, 1 + min(int(fault.number("rows")), inner))
                order = np.insert(order, again + 1, again)
            case "dx-reorder":
                swapped = slice(1, 1 + min(max(int(fault.number("rows")), 0), inner))
                order[swapped] = order[swapped][::-1].copy()
            case _:
                rows = _pending(rows, max(int(fault.number("runs")), 1))
        rows = rows.taken(order)
        inner = len(rows) - 2
    return rows


def _pending(rows: CandleRows, runs: int) -> CandleRows:
    """The inner rows in this many transactions: each run but its last row is marked as pending."""
    marked = rows.flags
    for run in np.array_split(np.arange(1, len(rows) - 1), runs):
        marked[run[:-1]] |= TX_PENDING
    return rows.with_flags(marked)
