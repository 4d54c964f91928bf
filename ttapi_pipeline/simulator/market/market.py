# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The synthetic market: one pure function of seed, symbol and time behind everything that the simulator serves.

This module finds the moment of a question and hands it on. The answers are made in `prices`, `options`,
`corporate_events` and `metrics`, the lists in `instruments` and `contracts`. Wire formats: see `rest` and `dxlink`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from types import MappingProxyType

from ttapi_pipeline.core.clock import SYSTEM_CLOCK, Clock
from ttapi_pipeline.simulator.market.chains import Expiration
from ttapi_pipeline.simulator.market.contracts import Contracts
from ttapi_pipeline.simulator.market.corporate_events import CorporateEvents, Dividend, EarningsReport, Split
from ttapi_pipeline.simulator.market.instruments import FIRST_SESSION, Instrument, is_listed, listings
from ttapi_pipeline.simulator.market.metrics import Metrics, compute_metrics
from ttapi_pipeline.simulator.market.moments import Moment, moment_at
from ttapi_pipeline.simulator.market.options import OptionQuote, Options
from ttapi_pipeline.simulator.market.paths import Floats
from ttapi_pipeline.simulator.market.prices import Bars, Intraday, Prices, Spot


class Market:
    """The market of one seed, seen at an instant: `at`, or the present of the clock when it is left out.

    Every answer is a function of seed, symbol and instant: two markets of one seed agree, and a past bar never changes.
    Reading is safe from several threads.

    Raises:
        KeyError: From every method that takes a symbol: it is not in `instruments`.
        ValueError: `at` has no time zone, or lies before the first bar of the symbol (`spot`, `metrics`,
            `expirations`, `option_quote`), or outside of the packaged calendar.
    """

    first_session: date = FIRST_SESSION

    def __init__(self, seed: int = 7, *, clock: Clock = SYSTEM_CLOCK, extra_equities: int = 0) -> None:
        self._clock = clock
        rows = listings(extra_equities=extra_equities)
        self.instruments: Mapping[str, Instrument] = MappingProxyType(
            {symbol: listing.instrument for symbol, listing in rows.items()}
        )
        self._prices = Prices(seed, rows)
        self._contracts = Contracts(self._prices, rows)
        self._options = Options(seed, self._prices, self._contracts)
        self._events = CorporateEvents(self._prices)

    def find_listed(self, symbol: str, at: datetime | None = None) -> Instrument | None:
        """The instrument with that symbol; None for an unknown symbol, and before its first session opens."""
        instrument = self.instruments.get(symbol)
        return instrument if instrument is not None and is_listed(instrument, self._instant(at)) else None

    def is_forming(self, at: datetime | None = None) -> bool:
        """Whether a session is in progress."""
        return self._moment(at).is_forming

    def bars(self, symbol: str, *, first: date | None = None, at: datetime | None = None) -> Bars:
        """Daily bars from `first` (default: all) up to the newest session that has opened.

        While that session is in progress its bar is the forming one: the high, low, close and volume so far. A halted
        instrument has no bars after its halt, a new one none before its listing.
        """
        return self._prices.bars(symbol, first=first, moment=self._moment(at))

    def intraday(self, symbol: str, session: date, *, at: datetime | None = None) -> Intraday:
        """Prices within a session, as far as it has gone; empty when the symbol did not trade in it.

        Raises:
            ValueError: That day is not a session.
        """
        return self._prices.intraday(symbol, session, self._moment(at))

    def spot(self, symbol: str, at: datetime | None = None) -> Spot:
        """Price and quote; they move from second to second while the session is open."""
        return self._prices.spot(symbol, self._moment(at))

    def metrics(self, symbol: str, at: datetime | None = None) -> Metrics:
        """Market metrics, computed from the prices of the symbol up to the instant."""
        return compute_metrics(
            self.instruments[symbol],
            self._instant(at),
            prices=self._prices,
            options=self._options,
            events=self._events,
        )

    def dividends(self, symbol: str, at: datetime | None = None) -> Sequence[Dividend]:
        """Dividends that have gone ex, ascending; `metrics` has the next one."""
        gone, _ = self._events.dividends(symbol, self._moment(at).day)
        return gone

    def earnings(self, symbol: str, at: datetime | None = None) -> Sequence[EarningsReport]:
        """Reports that are out, ascending; `metrics` has the next one."""
        return self._events.earnings(symbol, self._instant(at))

    def splits(self, symbol: str, at: datetime | None = None) -> Sequence[Split]:
        """Splits that have happened, ascending; `bars` is adjusted for them."""
        return self._events.splits(symbol, self._moment(at).day)

    def expirations(self, symbol: str, at: datetime | None = None) -> Sequence[Expiration]:
        """The option chain, by root and then by date; the same all day in New York, empty without options."""
        if not self.instruments[symbol].has_options:
            return ()
        return self._contracts.chain(symbol, self._moment(at).day)

    def underlying_of(self, occ_symbol: str) -> str:
        """The symbol that an option is written on.

        Raises:
            KeyError: It is not an option on an instrument of this market.
        """
        return self._contracts.underlying_of(occ_symbol)

    def option_quote(self, occ_symbol: str, at: datetime | None = None) -> OptionQuote:
        """Quote and greeks of a contract, from Black-Scholes on the volatility surface of its underlying.

        Raises:
            KeyError: No such contract is listed on that day.
        """
        return self._options.quote(occ_symbol, self._moment(at))

    def option_bars(self, occ_symbol: str, *, first: date | None = None, at: datetime | None = None) -> Bars:
        """Daily bars of a contract, for the sessions in which it traded, with the figures of `option_quote`.

        They reach from its listing, or `first`, to its expiration. The bars of an expired contract stay.

        Raises:
            KeyError: No such contract is or was listed.
        """
        return self._options.bars(occ_symbol, first=first, moment=self._moment(at))

    def option_prices(self, occ_symbol: str, prices: Sequence[float], at: datetime) -> Floats:
        """The value of a contract at an instant for each of these prices of its underlying, US dollars on the tick.

        Raises:
            KeyError: No such contract is or was listed.
        """
        return self._options.values(occ_symbol, prices, self._moment(at))

    def option_volumes(self, occ_symbol: str, session: date, instants: Sequence[datetime]) -> Floats:
        """Contracts traded in the session up to each of these instants.

        Raises:
            KeyError: No such contract is or was listed.
        """
        return self._options.volumes(occ_symbol, session, instants)

    def _instant(self, at: datetime | None) -> datetime:
        if at is None:
            return self._clock.now()
        if at.tzinfo is None:
            raise ValueError(f"{at} has no time zone")
        return at

    def _moment(self, at: datetime | None) -> Moment:
        return moment_at(self._instant(at))
