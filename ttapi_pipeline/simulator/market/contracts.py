# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Which option contracts are listed on a day, by underlying and by OCC symbol.

The listing rules are in `chains`; this module applies them to the closes of the underlying and remembers the chains.
Prices of contracts are in `options`.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property, lru_cache
from typing import Final

from ttapi_pipeline.core.symbology import OptionSymbol
from ttapi_pipeline.simulator.market.chains import Expiration, list_expirations, option_roots
from ttapi_pipeline.simulator.market.instruments import Listing
from ttapi_pipeline.simulator.market.moments import hours_of, session_at
from ttapi_pipeline.simulator.market.paths import position_of
from ttapi_pipeline.simulator.market.prices import UNITS_PER_DOLLAR, Prices
from ttapi_pipeline.simulator.market.pricing import YEAR_SECONDS

_CHAINS_KEPT: Final = 1_024
_LONGEST_LISTING: Final = timedelta(days=1_200)  # the longest in `chains` is 1,141 days


@dataclass(frozen=True, slots=True)
class OptionContract:
    """One listed contract, its expiration, and the symbol of the instrument that it is written on."""

    symbol: OptionSymbol
    expiration: Expiration
    underlying: str

    def years_from(self, at: datetime) -> float:
        """Calendar time to the price that settles it; see `years_to`."""
        return years_to(self.expiration, at)


class Contracts:
    """The option contracts on the instruments of one market."""

    def __init__(self, prices: Prices, listings: Mapping[str, Listing]) -> None:
        self._prices = prices
        self._listings = listings
        self.chain = lru_cache(maxsize=_CHAINS_KEPT)(self._list_chain)
        """Expirations of the options on a symbol on a day, by root and then by date; KeyError for an unknown symbol."""
        self._indexed_chain = lru_cache(maxsize=_CHAINS_KEPT)(self._index_chain)

    def contract(self, occ_symbol: str, day: date) -> OptionContract:
        """A contract that is listed on that day, or has expired by then.

        Raises:
            KeyError: No such contract is or was listed.
        """
        symbol = _parsed(occ_symbol)
        expiration = self._find(symbol, min(day, symbol.expiration_date))
        if expiration is None:
            raise KeyError(occ_symbol)
        return OptionContract(symbol, expiration, self._underlyings[symbol.root_symbol])

    def first_position(self, contract: OptionContract, last: int) -> int:
        """Position of the first session, up to `last`, on which the contract was listed.

        Never before the first bar of the underlying; `last` + 1 when it was not listed by then.
        """
        symbol = contract.symbol
        earliest = position_of(symbol.expiration_date - _LONGEST_LISTING)
        first = max(self._prices.path(contract.underlying).first, earliest)
        # A contract stays listed until it expires, so its first day is found by halves.
        return first + bisect_left(
            range(first, last + 1),
            1,
            key=lambda position: 0 if self._find(symbol, session_at(position)) is None else 1,
        )

    def underlying_of(self, occ_symbol: str) -> str:
        """The symbol that an option is written on.

        Raises:
            KeyError: It is not an option on an instrument of this market.
        """
        return self._underlyings[_parsed(occ_symbol).root_symbol]

    @cached_property
    def _underlyings(self) -> Mapping[str, str]:
        return {root: symbol for symbol, listing in self._listings.items() for root in option_roots(listing)}

    def _find(self, symbol: OptionSymbol, day: date) -> Expiration | None:
        chain = self._indexed_chain(self._underlyings[symbol.root_symbol], day)
        expiration = chain.get((symbol.root_symbol, symbol.expiration_date))
        return expiration if expiration is not None and symbol.strike in expiration.strikes else None

    def _index_chain(self, symbol: str, day: date) -> Mapping[tuple[str, date], Expiration]:
        return {
            (expiration.root_symbol, expiration.expiration_date): expiration for expiration in self.chain(symbol, day)
        }

    def _list_chain(self, symbol: str, day: date) -> Sequence[Expiration]:
        path = self._prices.path(symbol)
        stop = min(position_of(day), path.last + 1)
        if stop <= path.first:
            return ()  # contracts are listed from the second session on

        def closes_since(start: date) -> tuple[float, float, float]:
            begin = min(max(position_of(start) - 1, path.first), stop - 1)
            known = path.close[begin:stop]
            first, lowest, highest = int(known[0]), int(known.min()), int(known.max())
            return first / UNITS_PER_DOLLAR, lowest / UNITS_PER_DOLLAR, highest / UNITS_PER_DOLLAR

        volatility = math.sqrt(path.variance_long) if symbol != "VIX" else 0.9
        return list_expirations(self._listings[symbol], day=day, closes_since=closes_since, volatility=volatility)


def years_to(expiration: Expiration, at: datetime) -> float:
    """Calendar time, in years of 365 days, to the opening or closing price that settles; negative afterwards."""
    hours = hours_of(expiration.expiration_date)
    settles_at = hours.opens_at if expiration.settlement_type == "AM" else hours.closes_at
    return (settles_at - at).total_seconds() / YEAR_SECONDS


def _parsed(occ_symbol: str) -> OptionSymbol:
    try:
        return OptionSymbol.from_occ(occ_symbol)
    except ValueError as error:
        raise KeyError(occ_symbol) from error
