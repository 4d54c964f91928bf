# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The rows of the REST API: one immutable struct per kind of row. `payloads` takes rows out of their envelopes.

A field that the server leaves out is None. Numbers arrive as strings, integers or floats, and are finite floats here.
Prices and money are US dollars unless a field says otherwise. Instants are aware, in the offset that the server wrote
(UTC in every known answer). Fields that are not listed are not decoded, so that a value which no table holds cannot
spoil a row. An optional field whose value cannot be read is None too, and `lost_fields` of the row names it: see
`mending`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Annotated, Any, Literal

import msgspec

# A lax decoder reads "NaN", "inf" and "1e308" as floats. No price, amount, size or ratio comes near these bounds: the
# largest company is worth less than 1e13 dollars.
Number = Annotated[float, msgspec.Meta(ge=-1e15, le=1e15)]
Amount = Annotated[float, msgspec.Meta(ge=0, le=1e15)]
"""What is never negative; a minus one stands for "unknown"."""
# A volatility of a thousand percent is one in the wrong unit. From 0 on down they are placeholders, which are no loss.
Volatility = Annotated[float, msgspec.Meta(ge=-1, le=10)]
VolatilityPoints = Annotated[float, msgspec.Meta(ge=-100, le=1000)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
# The place between last year's low and high, which today may leave.
Rank = Annotated[float, msgspec.Meta(gt=-1, le=2)]
Correlation = Annotated[float, msgspec.Meta(ge=-1, le=1)]
Rating = Annotated[int, msgspec.Meta(ge=0, le=5)]
Shares = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
Currency = Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")]
Settlement = Literal["AM", "PM"]
Instant = Annotated[datetime, msgspec.Meta(tz=True)]
Text = Annotated[str, msgspec.Meta(min_length=1)]


class WireObject(msgspec.Struct, frozen=True, rename="kebab", kw_only=True, gc=False):
    """An object as the server sends it: keys with dashes, unknown keys ignored.

    The garbage collector does not track them (``gc=False``): there are hundreds of thousands. They are frozen and hold
    only plain values and each other, so they cannot form a cycle.
    """


class Row(WireObject, frozen=True, kw_only=True):
    """One item of an answer.

    Attributes:
        lost_fields: Names of the fields of the wire that were there and could not be read, those of nested objects
            with their path, such as ``option-expiration-implied-volatilities[].implied-volatility``. A name is
            repeated when it happened more than once.
    """

    # No field of the wire has a blank in its name.
    lost_fields: tuple[str, ...] = msgspec.field(default=(), name="lost fields")


class Account(Row, frozen=True):
    """An account that the user may read, from `/customers/me/accounts`."""

    account_number: Text
    authority_level: str | None = None
    nickname: str | None = None
    account_type_name: str | None = None
    margin_or_cash: str | None = None
    opened_at: Instant | None = None
    is_closed: bool | None = None
    is_futures_approved: bool | None = None


class Balance(Row, frozen=True):
    """An account's balance in one currency; amounts are in that currency.

    An amount with an `_effect` beside it is never negative: ``Debit`` means that it is owed, ``Credit`` that it is
    held, ``None`` that it is zero.
    """

    account_number: str | None = None
    currency: Currency | None = None
    cash_balance: Number | None = None
    long_equity_value: Number | None = None
    short_equity_value: Number | None = None
    long_derivative_value: Number | None = None
    short_derivative_value: Number | None = None
    margin_equity: Number | None = None
    equity_buying_power: Number | None = None
    derivative_buying_power: Number | None = None
    maintenance_requirement: Number | None = None
    net_liquidating_value: Number | None = None
    cash_available_to_withdraw: Number | None = None
    pending_cash: Number | None = None
    pending_cash_effect: Literal["Debit", "Credit", "None"] | None = None
    updated_at: Instant | None = None


class ExpirationVolatility(WireObject, frozen=True):
    """Implied volatility of one expiration: an annualised fraction, None when it is not quoted."""

    expiration_date: date
    option_chain_type: str | None = None
    settlement_type: Settlement | None = None
    implied_volatility: Volatility | None = None


class Earnings(WireObject, frozen=True):
    """The next or latest earnings report of a symbol; `eps` figures are dollars per share."""

    visible: bool | None = None
    expected_report_date: date | None = None
    estimated: bool | None = None
    time_of_day: Literal["BTO", "AMC"] | None = None
    actual_eps: Number | None = None
    consensus_estimate: Number | None = None


class MarketMetrics(Row, frozen=True):
    """A symbol's metrics, in the units of the wire.

    Two units of volatility meet in this row: `implied_volatility_index`, its changes, ranks, percentiles and the
    per-expiration figures are fractions, `implied_volatility_30_day`, `historical_volatility_*_day` and
    `iv_hv_30_day_difference` are percentage points. `dividend_yield` is a fraction, `market_cap` whole dollars. A
    symbol without options carries no volatility at all.
    """

    symbol: Text
    implied_volatility_index: Volatility | None = None
    implied_volatility_index_5_day_change: Number | None = None
    implied_volatility_index_rank: Rank | None = None
    tos_implied_volatility_index_rank: Rank | None = None
    tw_implied_volatility_index_rank: Rank | None = None
    implied_volatility_index_rank_source: str | None = None
    implied_volatility_percentile: Share | None = None
    implied_volatility_updated_at: Instant | None = None
    implied_volatility_30_day: VolatilityPoints | None = None
    historical_volatility_30_day: VolatilityPoints | None = None
    historical_volatility_60_day: VolatilityPoints | None = None
    historical_volatility_90_day: VolatilityPoints | None = None
    iv_hv_30_day_difference: Number | None = None
    liquidity_value: Number | None = None
    liquidity_rank: Number | None = None
    liquidity_rating: Rating | None = None
    option_expiration_implied_volatilities: tuple[ExpirationVolatility, ...] = ()
    beta: Number | None = None
    corr_spy_3month: Correlation | None = None
    dividend_rate_per_share: Amount | None = None
    annual_dividend_per_share: Amount | None = None
    dividend_yield: Amount | None = None
    dividend_ex_date: date | None = None
    dividend_next_date: date | None = None
    dividend_pay_date: date | None = None
    earnings: Earnings | None = None
    earnings_per_share: Number | None = None
    price_earnings_ratio: Number | None = None
    lendability: str | None = None
    borrow_rate: Amount | None = None
    market_cap: Number | None = None
    updated_at: Instant | None = None


class MarketData(Row, frozen=True):
    """The snapshot of an equity or index from `/market-data/by-type`, made about once a minute in regular hours.

    `close` is the close of the session, absent while the session lasts. The server also sends `mid` and `mark`, which
    are not read.
    """

    symbol: Text
    instrument_type: str | None = None
    updated_at: Instant | None = None
    bid: Number | None = None
    bid_size: Number | None = None
    ask: Number | None = None
    ask_size: Number | None = None
    last: Number | None = None
    open: Number | None = None
    day_high_price: Number | None = None
    day_low_price: Number | None = None
    close: Number | None = None
    prev_close: Number | None = None
    volume: Number | None = None
    summary_date: date | None = None
    is_trading_halted: bool | None = None


class Equity(Row, frozen=True):
    """An equity, ETF or index; `listed_market` is a MIC.

    `option_tick_sizes` is not empty for equities with options, and its steps are of no interest here.
    """

    symbol: Text
    instrument_type: str | None = None
    description: str | None = None
    is_index: bool | None = None
    is_etf: bool | None = None
    listed_market: str | None = None
    is_closing_only: bool | None = None
    is_options_closing_only: bool | None = None
    active: bool | None = None
    is_illiquid: bool | None = None
    streamer_symbol: str | None = None
    option_tick_sizes: tuple[Any, ...] | None = None


class Strike(WireObject, frozen=True):
    """One strike price, with a call and a put.

    The symbols of the two options are not kept: `core.symbology.OptionSymbol` makes them of root, date and strike, and
    they would take most of a chain's memory.
    """

    strike_price: Number


class Expiration(WireObject, frozen=True):
    """One root's options of one date: an expiration series."""

    expiration_date: date
    expiration_type: str | None = None
    settlement_type: Settlement | None = None
    strikes: tuple[Strike, ...] = ()


class OptionRoot(Row, frozen=True):
    """The expirations of one root symbol, such as SPX or SPXW."""

    root_symbol: Text
    underlying_symbol: str | None = None
    option_chain_type: str | None = None
    shares_per_contract: Shares | None = None
    expirations: tuple[Expiration, ...] = ()


@dataclass(frozen=True, slots=True)
class OptionChain:
    """All of an underlying's options, by root; there is at least one root."""

    symbol: str
    roots: tuple[OptionRoot, ...]


class WatchlistEntry(WireObject, frozen=True):
    """A symbol of a watchlist; either field may be missing."""

    symbol: str | None = None
    instrument_type: str | None = None


class Watchlist(Row, frozen=True):
    """A named list of symbols, in the broker's order."""

    name: Text
    entries: tuple[WatchlistEntry, ...] = msgspec.field(default=(), name="watchlist-entries")


class MarketSession(Row, frozen=True):
    """The regular hours of one session, from `open_at` to `close_at`; the extended ones are not kept."""

    session_date: date
    open_at: Instant | None = None
    close_at: Instant | None = None


class MarketHolidays(Row, frozen=True):
    """Days without a session, and days with a short one, ascending."""

    holidays: tuple[date, ...] = msgspec.field(default=(), name="market-holidays")
    half_days: tuple[date, ...] = msgspec.field(default=(), name="market-half-days")


@dataclass(frozen=True, slots=True)
class QuoteToken:
    """The token that opens a DXLink link, valid for 24 hours and for one customer."""

    token: str = field(repr=False)
    url: str
    level: str | None = None
