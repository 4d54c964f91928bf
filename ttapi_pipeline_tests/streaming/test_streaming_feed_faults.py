# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A feed against every fault that the simulator offers, over real sockets, in virtual time."""

from __future__ import annotations

import asyncio
import logging
import math
import random
from collections import defaultdict
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from ttapi_pipeline.core.errors import AuthError, HttpError, StreamClosedError
from ttapi_pipeline.simulator.dxlink.events import EventSource
from ttapi_pipeline.simulator.faults import DXLINK_KINDS, EVENT_KINDS
from ttapi_pipeline.simulator.server import Simulator, build_simulator
from ttapi_pipeline.streaming.backoff import Backoff
from ttapi_pipeline.streaming.connection import DxLinkConnection
from ttapi_pipeline.streaming.feed import QuoteFeed, quote_feed
from ttapi_pipeline.streaming.feed_health import FeedGap
from ttapi_pipeline.streaming.feed_options import FeedOptions, recovery_seconds
from ttapi_pipeline_tests.support import clocks
from ttapi_pipeline_tests.support.dxlink import linked
from ttapi_pipeline_tests.support.virtual_time import LoopClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from ttapi_pipeline.simulator.market.instruments import Instrument

FRIDAY_MORNING = datetime(2026, 11, 20, 15, 30, 20, tzinfo=UTC)
SYMBOLS = ("AAPL", "MSFT", "SPY", "KO", "XOM")
SILENCE_SECONDS = 16.0
LINK = {"keepalive_seconds": 20.0, "silence_seconds": SILENCE_SECONDS, "open_seconds": 20.0}
OPTIONS = FeedOptions(
    symbols_per_connection=3,
    has_sales=True,
    pace_seconds=0.2,
    open_seconds=20.0,
    probe_seconds=10.0,
    healthy_seconds=20.0,
    backoff=Backoff(first_seconds=0.5, most_seconds=4.0),
)
CALM = FeedOptions(has_sales=True, pace_seconds=0.2)
BOUND_SECONDS = recovery_seconds(OPTIONS, silence_seconds=SILENCE_SECONDS, symbols=3)

# A sale's time is the second that it was in, and it is under way for a moment.
MARGIN_MS = 6_000
MARGIN = timedelta(milliseconds=MARGIN_MS)

VALUES = {
    "Quote": {"bid_price": "bidPrice", "ask_price": "askPrice", "bid_size": "bidSize", "ask_size": "askSize"},
    "Trade": {"last_price": "price", "day_volume": "dayVolume", "last_size": "size"},
    "Summary": {
        "previous_close": "prevDayClosePrice",
        "day_open": "dayOpenPrice",
        "day_high": "dayHighPrice",
        "day_low": "dayLowPrice",
        "day_close": "dayClosePrice",
    },
}
LAST_WISHES = {"ask_size", "last_size", "day_close"}

# What strikes quotes, with parameters that make it strike early; all others concern candles.
FAULTS = [
    "dx-freeze:after=3",
    "dx-close:after=2",
    "dx-close:after=9,code=1006",
    "dx-close:after=5,code=1001",
    "dx-upgrade",
    "dx-full:after=4",
    "dx-error:after=3",
    "dx-error:after=2,error=TIMEOUT",
    "dx-error:after=6,error=UNAUTHORIZED,message=AuthException",
    "dx-error:after=4,error=BAD_ACTION",
    "dx-token",
    "dx-strict-auth",
    "dx-fewer-fields",
    "dx-rate",
    "dx-mute:after=7",
    "dx-mute:after=0",
    "dx-layout:after=4",
    "dx-channel:after=5",
    "dx-repeat:messages=20",
    "dx-lifetime:seconds=6",
]


pytestmark = pytest.mark.virtual_time


async def until(is_true: Callable[[], object]) -> None:
    await clocks.until(is_true, within=400.0, every=0.2)


@dataclass
class Run:
    """One feed on one simulator.

    Attributes:
        created: Every sale that the simulator made to send it, with the time of that.
        witnessed: What an undisturbed feed beside it received; sales are made once a second, for each link anew.
        received: Every sale that a consumer got, in order.
        gaps: Those that have ended, as the feed told them.
        witness: The undisturbed feed; on a busy machine it may lose a link as well.
    """

    simulator: Simulator
    clock: LoopClock
    feed: QuoteFeed
    created: dict[tuple[str, int], datetime]
    witnessed: list[tuple[str, int]]
    received: list[tuple[str, int]]
    gaps: list[FeedGap]
    witness: QuoteFeed

    def differences(self, *, at: datetime, exempt: set[str]) -> list[str]:
        """Values of the board that are not what the market has at the time."""
        source = EventSource(self.simulator.market)
        found = []
        for position, symbol in enumerate(self.feed.board.symbols):
            for event_type, columns in VALUES.items():
                event = source.event(event_type, symbol, at)
                assert event is not None
                for column, name in columns.items():
                    expected, value = float(str(event[name])), float(getattr(self.feed.board, column)[position])
                    is_same = value == expected or (math.isnan(value) and math.isnan(expected))
                    if not is_same and not (column in exempt and math.isnan(value)):
                        found.append(f"{symbol} {column} {value} {expected}")
        return found

    def is_excused(self, symbol: str, at: datetime) -> bool:
        """Whether a gap says that a sale of the time may be missing."""
        gaps = (gap for gap in self.feed.gaps if symbol in gap.symbols)
        return any(gap.since - MARGIN <= at <= (gap.until or at) + MARGIN for gap in gaps)

    def lost_sales(self) -> list[tuple[str, int]]:
        """Sales that did not come although no gap says so."""
        received = set(self.received)
        return [sale for sale, at in self.created.items() if sale not in received and not self.is_excused(sale[0], at)]

    def unexplained_silence(self) -> list[tuple[str, int]]:
        """Sales of the witness without one of ours at about that time, although no gap says so."""
        found = []
        for symbol in self.feed.board.symbols:
            ours = [time_ms for name, time_ms in self.received if name == symbol]
            for time_ms in (time_ms for name, time_ms in self.witnessed if name == symbol):
                is_within = min(ours) <= time_ms <= self.clock.now().timestamp() * 1000 - MARGIN_MS
                is_here = any(abs(time_ms - other) <= MARGIN_MS for other in ours)
                if (
                    is_within
                    and not is_here
                    and not self.is_excused(symbol, datetime.fromtimestamp(time_ms / 1000, UTC))
                ):
                    found.append((symbol, time_ms))
        return found


async def collect(feed: QuoteFeed, into: list[tuple[str, int]]) -> None:
    """Take sales for ever."""
    async with feed.sales() as sales:
        while True:
            await sales.wait()
            rows = sales.take()
            symbols = feed.board.symbols
            for position, time_ms in zip(rows.position.tolist(), rows.time_ms.tolist(), strict=True):
                into.append((symbols[position], time_ms))


@asynccontextmanager
async def running(*faults: str, monkeypatch: pytest.MonkeyPatch, options: FeedOptions = OPTIONS) -> AsyncIterator[Run]:
    clock = LoopClock(FRIDAY_MORNING)
    made: dict[EventSource, dict[tuple[str, int], datetime]] = defaultdict(dict)
    make_sale = EventSource._time_and_sale

    def record(source: EventSource, instrument: Instrument, at: datetime) -> Any:
        event = make_sale(source, instrument, at)
        if event is not None:
            made[source].setdefault((instrument.streamer_symbol, int(str(event["time"]))), at)
        return event

    monkeypatch.setattr(EventSource, "_time_and_sale", record)
    simulator = build_simulator(seed=7, clock=clock)
    # The same market, without faults.
    undisturbed = build_simulator(seed=7, clock=clock, market=simulator.market)
    for fault in faults:
        simulator.faults.add_option(fault)
    gaps: list[FeedGap] = []
    async with AsyncExitStack() as stack:
        open_link = await stack.enter_async_context(linked(simulator, **LINK))
        open_witness = await stack.enter_async_context(linked(undisturbed, **LINK))
        witness = await stack.enter_async_context(quote_feed(open_witness, SYMBOLS, options=CALM, clock=clock))
        await until(lambda: witness.health().sales)
        (source_of_witness,) = made
        feed = await stack.enter_async_context(
            quote_feed(open_link, SYMBOLS, options=options, clock=clock, on_gap=gaps.append)
        )
        received: list[tuple[str, int]] = []
        witnessed: list[tuple[str, int]] = []
        tasks = [asyncio.create_task(collect(feed, received)), asyncio.create_task(collect(witness, witnessed))]
        await until(lambda: len(made) == 2)
        (created,) = (sales for source, sales in made.items() if source is not source_of_witness)
        try:
            yield Run(simulator, clock, feed, created, witnessed, received, gaps, witness)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def recovers(run: Run, *, exempt: set[str]) -> None:
    """The faults have struck, the feed lives on, and nothing is wrong with what it has."""
    faults = run.simulator.faults.listing()
    await until(lambda: all(fault.remaining == 0 for fault in faults if fault.kind in STRIKING))
    await until(lambda: run.feed.health().is_live and run.feed.health().answered == len(SYMBOLS))
    # Some of them wait for data, and some for silence; each of them twice, one after the other.
    await run.clock.sleep(3 * OPTIONS.probe_seconds)
    run.simulator.faults.clear()
    await until(lambda: run.feed.health().is_live)
    stopped_at = run.clock.stop()
    await until(lambda: not run.differences(at=stopped_at, exempt=exempt) and not run.feed.health().open_gaps)
    # The collecting task may have some to take yet.
    await until(lambda: len(run.received) == run.feed.health().sales > 0)
    assert len(run.received) == len(set(run.received))
    assert set(run.received) <= set(run.created)
    assert not run.lost_sales()
    assert not run.unexplained_silence()
    health = run.feed.health()
    assert health.open_gaps == 0
    assert health.gaps == len(run.gaps)
    assert health.drops == 0


STRIKING = {option.partition(":")[0] for option in FAULTS}
CANDLE_KINDS = ("dx-auto-empty", "dx-snip", "dx-pending", "dx-duplicate", "dx-reorder")


def test_every_fault_of_the_simulator_is_tried() -> None:
    # Values and silence of single symbols are tried where they show: in tables, in the log, and by `tt stream`.
    assert STRIKING | set(CANDLE_KINDS) | EVENT_KINDS == set(DXLINK_KINDS)


@pytest.mark.parametrize("fault", FAULTS)
async def test_it_recovers_from_a_fault_by_itself(
    fault: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    option = fault + ("," if ":" in fault else ":") + "count=1"
    with caplog.at_level(logging.INFO, logger="ttapi_pipeline.streaming"):
        async with running(option, monkeypatch=monkeypatch) as run:
            await recovers(run, exempt=LAST_WISHES if "fewer" in fault else set())
            health, calm = run.feed.health(), run.witness.health()
            lines = [record.getMessage() for record in caplog.records]
    for gap in run.gaps:
        assert gap.until is not None
        assert (gap.until - gap.since).total_seconds() <= BOUND_SECONDS
        assert set(gap.symbols) < set(SYMBOLS)
    # One line says why, one that it is over.
    assert sum("a new link in" in line for line in lines) == health.reconnects + calm.reconnects
    assert sum("live again" in line for line in lines) == health.gaps + calm.gaps - calm.open_gaps
    assert health.gaps <= health.reconnects + 1
    assert sum(line.endswith(("live, 2 symbols", "live, 3 symbols")) for line in lines) <= 2


@pytest.mark.parametrize("seconds", [25, 8])
async def test_where_links_are_short_lived_hardly_anything_is_lost(
    seconds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(f"dx-lifetime:seconds={seconds}", monkeypatch=monkeypatch, options=CALM) as run:
        began_at = run.clock.now()
        await until(lambda: len(run.gaps) >= 12)
        passed = (run.clock.now() - began_at).total_seconds()
        lost = sum((gap.until - gap.since).total_seconds() for gap in run.gaps if gap.until is not None)
        # Between two links are a token, a handshake, and the subscriptions, a fifth of a second apart.
        assert lost / passed < {25: 0.2, 8: 0.4}[seconds], (lost, passed)
        assert run.feed.health().reconnects <= passed / seconds + 1
        assert not run.lost_sales()


async def test_faults_of_candles_leave_quotes_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(*CANDLE_KINDS, monkeypatch=monkeypatch) as run:
        await recovers(run, exempt=set())
        assert run.feed.health().gaps == 0


def mixture(seed: int) -> Sequence[str]:
    """Two to five faults at random places; each strikes once or twice."""
    chance = random.Random(seed)
    options = []
    for fault in chance.sample(FAULTS, chance.randint(2, 5)):
        kind, _, parameters = fault.partition(":")
        names = dict(pair.split("=") for pair in parameters.split(",") if pair)
        if "after" in names:
            names["after"] = str(chance.randint(0, 20))
        names["count"] = str(chance.randint(1, 2))
        options.append(f"{kind}:" + ",".join(f"{name}={value}" for name, value in names.items()))
    return options


async def recovers_from_a_mixture(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    options = mixture(seed)
    async with running(*options, monkeypatch=monkeypatch) as run:
        await recovers(run, exempt=LAST_WISHES if any("fewer" in option for option in options) else set())
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("seed", range(5))
async def test_it_recovers_from_mixtures_of_faults(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    await recovers_from_a_mixture(seed, monkeypatch)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(100, 300))
async def test_it_recovers_from_many_mixtures_of_faults(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    await recovers_from_a_mixture(seed, monkeypatch)


# What is before the link: tokens and the opening itself


@asynccontextmanager
async def opening(
    *failures: Exception | float, open_seconds: float = 20.0
) -> AsyncIterator[tuple[QuoteFeed, LoopClock, list[FeedGap]]]:
    """A feed whose first links fail to open: by an exception, or by an opening that takes a number of seconds."""
    clock = LoopClock(FRIDAY_MORNING)
    left = list(failures)
    gaps: list[FeedGap] = []
    async with linked(build_simulator(seed=7, clock=clock), **LINK) as open_link:

        @asynccontextmanager
        async def open_connection() -> AsyncIterator[DxLinkConnection]:
            failure = left.pop(0) if left else 0.0
            if isinstance(failure, Exception):
                raise failure
            await asyncio.sleep(failure)
            async with open_link() as link:
                yield link

        options = replace(OPTIONS, open_seconds=open_seconds, symbols_per_connection=10)
        async with quote_feed(open_connection, SYMBOLS, options=options, clock=clock, on_gap=gaps.append) as feed:
            yield feed, clock, gaps


async def test_a_token_service_that_fails_for_a_while_is_asked_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    errors = [HttpError(502, "Bad Gateway"), HttpError(404, "Not Found"), StreamClosedError("the link was closed")]
    async with opening(*errors) as (feed, _, gaps):
        await until(lambda: feed.health().is_live)
        health = feed.health()
    assert (health.reconnects, health.connections[0].failures) == (3, 3)
    assert "the link was closed" in health.connections[0].reason
    # What was missed before the first link is one gap, from the start.
    (gap,) = gaps
    assert "502" in gap.reason
    assert (gap.since - FRIDAY_MORNING).total_seconds() < 10
    assert sum("a new link in" in record.getMessage() for record in caplog.records) == 3


async def test_credentials_that_may_be_tried_again_later_are() -> None:
    retry_at = FRIDAY_MORNING + timedelta(seconds=12)
    async with opening(AuthError("blocked", retry_at=retry_at)) as (feed, clock, _):
        await until(lambda: feed.health().is_live)
        assert clock.now() > retry_at
        assert feed.health().reconnects == 1


async def test_an_opening_that_hangs_is_given_up() -> None:
    async with opening(3600.0, open_seconds=1.0) as (feed, _, _):
        await until(lambda: feed.health().reconnects == 1)
        assert feed.health().connections[0].reason == "no link within 1 s"
