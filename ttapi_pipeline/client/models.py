# SPDX-License-Identifier: MIT
"""The rows of the REST API: one immutable struct per kind of row. `payloads` takes rows out of their envelopes.

A field that the server leaves out is None. Numbers arrive as strings, integers or floats, and are finite floats here.
Prices and money are US dollars unless a field says otherwise. Instants are aware, in the offset that the server wrote
(UTC in every known answer). Fields that are not listed are ignored.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Annotated

import msgspec

# A lax decoder reads "NaN" and "inf" as floats. Every finite number is within these bounds, and they are not.
Number = Annotated[float, msgspec.Meta(ge=-1.7e308, le=1.7e308)]
Instant = Annotated[datetime, msgspec.Meta(tz=True)]
Text = Annotated[str, msgspec.Meta(min_length=1)]


class Row(msgspec.Struct, frozen=True, rename="kebab", kw_only=True, gc=False):
    """A row as the server sends it: keys with dashes, unknown keys ignored.

    The garbage collector does not track rows (``gc=False``), of which there are hundreds of thousands. They are frozen
    and hold only plain values and other rows, so they cannot form a cycle.
    """


class Account(Row, frozen=True):
    """An account that the user may read, from `/customers/me/accounts`."""

    account_number: Text
    authority_level: str | None = None
    nickname: str | None = None
    account_type_name: str | None = None
    margin_or_cash: str | None = None
    opened_at: Instant | None = None
    created_at: Instant | None = None
    is_closed: bool | None = None
    is_firm_error: bool | None = None
    is_firm_proprietary: bool | None = None
    is_futures_approved: bool | None = None
    is_foreign: bool | None = None
    day_trader_status: bool | None = None
    investment_objective: str | None = None
    suitable_options_level: str | None = None


class Balance(Row, frozen=True):
    """An account's balance in one currency; amounts are in that currency.

    An amount with an `_effect` beside it is never negative: ``Debit`` means that it is owed, ``Credit`` that it is
    held, ``None`` that it is zero.
    """

    account_number: Text
    currency: str | None = None
    cash_balance: Number | None = None
    long_equity_value: Number | None = None
    short_equity_value: Number | None = None
    long_derivative_value: Number | None = None
    short_derivative_value: Number | None = None
    long_futures_value: Number | None = None
    short_futures_value: Number | None = None
    long_futures_derivative_value: Number | None = None
    short_futures_derivative_value: Number | None = None
    long_margineable_value: Number | None = None
    short_margineable_value: Number | None = None
    margin_equity: Number | None = None
    equity_buying_power: Number | None = None
    derivative_buying_power: Number | None = None
    day_trading_buying_power: Number | None = None
    futures_margin_requirement: Number | None = None
    available_trading_funds: Number | None = None
    maintenance_requirement: Number | None = None
    maintenance_call_value: Number | None = None
    reg_t_call_value: Number | None = None
    day_trading_call_value: Number | None = None
    day_equity_call_value: Number | None = None
    net_liquidating_value: Number | None = None
    cash_available_to_withdraw: Number | None = None
    day_trade_excess: Number | None = None
    pending_cash: Number | None = None
    pending_cash_effect: str | None = None
    long_cryptocurrency_value: Number | None = None
    short_cryptocurrency_value: Number | None = None
    cryptocurrency_margin_requirement: Number | None = None
    unsettled_cryptocurrency_fiat_amount: Number | None = None
    unsettled_cryptocurrency_fiat_effect: str | None = None
    closed_loop_available_balance: Number | None = None
    equity_offering_margin_requirement: Number | None = None
    long_bond_value: Number | None = None
    bond_margin_requirement: Number | None = None
    used_derivative_buying_power: Number | None = None
    snapshot_date: date | None = None
    reg_t_margin_requirement: Number | None = None
    futures_overnight_margin_requirement: Number | None = None
    futures_intraday_margin_requirement: Number | None = None
    maintenance_excess: Number | None = None
    pending_margin_interest: Number | None = None
    effective_cryptocurrency_buying_power: Number | None = None
    buying_power_adjustment: Number | None = None
    buying_power_adjustment_effect: str | None = None
    apex_starting_day_margin_equity: Number | None = None
    time_of_day: str | None = None
    updated_at: Instant | None = None


class ExpirationVolatility(Row, frozen=True):
    """Implied volatility of one expiration: an annualised fraction, None when it is not quoted."""

    expiration_date: date
    option_chain_type: str | None = None
    settlement_type: str | None = None
    implied_volatility: Number | None = None


class Earnings(Row, frozen=True):
    """The next or latest earnings report of a symbol; `eps` figures are dollars per share."""

    visible: bool | None = None
    expected_report_date: date | None = None
    estimated: bool | None = None
    late_flag: int | None = None
    time_of_day: str | None = None
    quarter_end_date: date | None = None
    actual_eps: Number | None = None
    consensus_estimate: Number | None = None
    updated_at: Instant | None = None


class LiquidityRunningState(Row, frozen=True):
    """The sum and count behind the liquidity figures."""

    sum: Number | None = None
    count: int | None = None
    started_at: Instant | None = None
    updated_at: Instant | None = None


class MarketMetrics(Row, frozen=True):
    """A symbol's metrics, in the units of the wire.

    Two units of volatility meet in this row: `implied_volatility_index`, its changes, ranks, percentiles and the
    per-expiration figures are fractions, `implied_volatility_30_day`, `historical_volatility_*_day` and
    `iv_hv_30_day_difference` are percentage points. `dividend_yield` is a fraction, `market_cap` whole dollars. A
    symbol without options carries no volatility at all.
    """

    symbol: Text
    implied_volatility_index: Number | None = None
    implied_volatility_index_5_day_change: Number | None = None
    implied_volatility_index_rank: Number | None = None
    tos_implied_volatility_index_rank: Number | None = None
    tw_implied_volatility_index_rank: Number | None = None
    tos_implied_volatility_index_rank_updated_at: Instant | None = None
    implied_volatility_index_rank_source: str | None = None
    implied_volatility_percentile: Number | None = None
    implied_volatility_updated_at: Instant | None = None
    implied_volatility_30_day: Number | None = None
    historical_volatility_30_day: Number | None = None
    historical_volatility_60_day: Number | None = None
    historical_volatility_90_day: Number | None = None
    iv_hv_30_day_difference: Number | None = None
    liquidity_value: Number | None = None
    liquidity_rank: Number | None = None
    liquidity_rating: int | None = None
    liquidity_running_state: LiquidityRunningState | None = None
    option_expiration_implied_volatilities: tuple[ExpirationVolatility, ...] = ()
    beta: Number | None = None
    beta_updated_at: Instant | None = None
    corr_spy_3month: Number | None = None
    dividend_rate_per_share: Number | None = None
    annual_dividend_per_share: Number | None = None
    dividend_yield: Number | None = None
    dividend_ex_date: date | None = None
    dividend_next_date: date | None = None
    dividend_pay_date: date | None = None
    dividend_updated_at: Instant | None = None
    earnings: Earnings | None = None
    earnings_per_share: Number | None = None
    price_earnings_ratio: Number | None = None
    listed_market: str | None = None
    lendability: str | None = None
    borrow_rate: Number | None = None
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


class TickSize(Row, frozen=True):
    """The price step below `threshold`; None for the last step, which has no upper end."""

    value: Number
    threshold: Number | None = None


class Equity(Row, frozen=True):
    """An equity, ETF or index; `listed_market` is a MIC."""

    symbol: Text
    id: int | None = None
    instrument_type: str | None = None
    cusip: str | None = None
    short_description: str | None = None
    description: str | None = None
    is_index: bool | None = None
    is_etf: bool | None = None
    listed_market: str | None = None
    lendability: str | None = None
    borrow_rate: Number | None = None
    market_time_instrument_collection: str | None = None
    is_closing_only: bool | None = None
    is_options_closing_only: bool | None = None
    active: bool | None = None
    is_fractional_quantity_eligible: bool | None = None
    is_illiquid: bool | None = None
    is_fraud_risk: bool | None = None
    overnight_trading_permitted: bool | None = None
    streamer_symbol: str | None = None
    tick_sizes: tuple[TickSize, ...] = ()
    option_tick_sizes: tuple[TickSize, ...] = ()


class Strike(Row, frozen=True):
    """One strike price, with a call and a put.

    The symbols of the two options are not kept: `core.symbology.OptionSymbol` makes them of root, date and strike, and
    they would take most of a chain's memory.
    """

    strike_price: Number


class Expiration(Row, frozen=True):
    """One root's options of one date: an expiration series. `days_to_expiration` is the server's count."""

    expiration_date: date
    expiration_type: str | None = None
    settlement_type: str | None = None
    days_to_expiration: int | None = None
    strikes: tuple[Strike, ...] = ()


class Deliverable(Row, frozen=True):
    """One deliverable of a root's contracts; `amount` is in shares or dollars, by its type."""

    deliverable_type: str | None = None
    description: str | None = None
    amount: Number | None = None
    symbol: str | None = None
    instrument_type: str | None = None
    percent: Number | None = None


class OptionRoot(Row, frozen=True):
    """The expirations of one root symbol, such as SPX or SPXW."""

    root_symbol: Text
    underlying_symbol: Text
    option_chain_type: str | None = None
    shares_per_contract: int | None = None
    tick_sizes: tuple[TickSize, ...] = ()
    deliverables: tuple[Deliverable, ...] = ()
    expirations: tuple[Expiration, ...] = ()


@dataclass(frozen=True, slots=True)
class OptionChain:
    """All of an underlying's options, by root; there is at least one root."""

    symbol: str
    roots: tuple[OptionRoot, ...]


class WatchlistEntry(Row, frozen=True):
    """A symbol of a watchlist; either field may be missing."""

    symbol: str | None = None
    instrument_type: str | None = None


class Watchlist(Row, frozen=True):
    """A named list of symbols, in the broker's order."""

    name: Text
    group_name: str | None = None
    order_index: int | None = None
    entries: tuple[WatchlistEntry, ...] = msgspec.field(default=(), name="watchlist-entries")


class MarketSession(Row, frozen=True):
    """The hours of one session: regular from `open_at` to `close_at`, extended from `start_at` to `close_at_ext`."""

    session_date: date
    instrument_collection: str | None = None
    start_at: Instant | None = None
    open_at: Instant | None = None
    close_at: Instant | None = None
    close_at_ext: Instant | None = None


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
