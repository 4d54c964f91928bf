# SPDX-License-Identifier: MIT
"""What each dataset's table holds: names, types, units and meaning of null.

Prices and amounts are US dollars; volatilities, ranks, percentiles and yields are fractions. `conform` enforces it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import polars as pl

from ttapi_pipeline.analytics.current import WINDOWS
from ttapi_pipeline.analytics.estimators import ESTIMATORS

UTC_DATETIME: Final = pl.Datetime("us", "UTC")


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its unit and the meaning of null are in the description."""

    name: str
    dtype: pl.DataType
    description: str
    is_nullable: bool = True


@dataclass(frozen=True, slots=True)
class DatasetSchema:
    """The columns of a dataset in order, its key and the order of its rows."""

    name: str
    columns: Sequence[Column]
    key: Sequence[str]

    @property
    def polars(self) -> pl.Schema:
        """The same for Polars."""
        return pl.Schema({column.name: column.dtype for column in self.columns})

    @property
    def sort_by(self) -> Sequence[str]:
        """The key: symbol before session, so that one symbol's rows lie together."""
        return self.key


def _required(name: str, dtype: pl.DataType, description: str) -> Column:
    return Column(name, dtype, description, is_nullable=False)


_STRING: Final = pl.String()
_FLOAT: Final = pl.Float64()
_COUNT: Final = pl.Int64()
_SMALL: Final = pl.Int32()
_FLAG: Final = pl.Boolean()
_DATE: Final = pl.Date()

_SYMBOL: Final = _required("symbol", _STRING, "Symbol as tastytrade writes it, such as BRK/B")
_SESSION: Final = _required("session", _DATE, "Trading day")
_SOURCE: Final = _required("source", _STRING, "Where the row comes from")
_FETCHED_AT: Final = _required("fetched_at", UTC_DATETIME, "When the row was fetched")

_BAR: Final = (
    Column("open", _FLOAT, "First price; null where the source has none"),
    Column("high", _FLOAT, "Highest price; null where the source has none"),
    Column("low", _FLOAT, "Lowest price; null where the source has none"),
    _required("close", _FLOAT, "Last price"),
    Column("volume", _FLOAT, "Shares traded; null where the source has none"),
)

_SERIES: Final = (
    _SYMBOL,
    _required("root_symbol", _STRING, "What the contracts are filed under: SPX, SPXW"),
    _required("expiration_date", _DATE, "Expiration date"),
    _required("settlement_type", _STRING, "AM or PM"),
)

TRADING_CALENDAR: Final = DatasetSchema(
    "trading_calendar",
    (
        _SESSION,
        _required("opens_at", UTC_DATETIME, "Regular open"),
        _required("closes_at", UTC_DATETIME, "Regular close"),
        _required("is_half_day", _FLAG, "Whether the session closes early"),
        _SOURCE,
        _FETCHED_AT,
    ),
    key=("session",),
)

ACCOUNTS: Final = DatasetSchema(
    "accounts",
    (
        _required("account_number", _STRING, "Account number"),
        Column("nickname", _STRING, "The holder's name for it"),
        Column("account_type", _STRING, "Account type, such as Individual"),
        Column("margin_or_cash", _STRING, "Margin or Cash"),
        Column("authority_level", _STRING, "The user's authority over it, such as owner"),
        _required("is_closed", _FLAG, "Whether the account is closed"),
        Column("is_futures_approved", _FLAG, "Whether futures may be traded"),
        Column("opened_at", UTC_DATETIME, "When it was opened"),
        Column("currency", _STRING, "Currency of the balances"),
        Column("net_liquidating_value", _FLOAT, "Value if everything were closed at mark"),
        Column("cash_balance", _FLOAT, "Cash"),
        Column("pending_cash", _FLOAT, "Cash in transfer, negative when going out"),
        Column("cash_available_to_withdraw", _FLOAT, "Cash that may be withdrawn"),
        Column("equity_buying_power", _FLOAT, "Buying power for shares"),
        Column("derivative_buying_power", _FLOAT, "Buying power for options and futures"),
        Column("long_equity_value", _FLOAT, "Market value of long shares"),
        Column("short_equity_value", _FLOAT, "Market value of short shares"),
        Column("long_derivative_value", _FLOAT, "Market value of long options"),
        Column("short_derivative_value", _FLOAT, "Market value of short options"),
        Column("margin_equity", _FLOAT, "Equity that counts for margin"),
        Column("maintenance_requirement", _FLOAT, "Maintenance margin"),
        Column("balances_updated_at", UTC_DATETIME, "When the broker computed the balances"),
        _SOURCE,
        _FETCHED_AT,
    ),
    key=("account_number",),
)

UNIVERSE: Final = DatasetSchema(
    "universe",
    (
        _SYMBOL,
        _required("streamer_symbol", _STRING, "DXLink's name for it"),
        Column("description", _STRING, "Name of the company or fund"),
        Column("instrument_type", _STRING, "Equity or Index"),
        Column("listed_market", _STRING, "Market identifier code of the listing"),
        _required("is_etf", _FLAG, "Whether it is an exchange-traded fund"),
        _required("is_index", _FLAG, "Whether it is an index"),
        _required("is_active", _FLAG, "Whether it can be traded"),
        Column("is_illiquid", _FLAG, "The broker's flag"),
        Column("is_closing_only", _FLAG, "Whether positions can only be closed"),
        Column("is_options_closing_only", _FLAG, "The same for its options"),
        _required("membership", _STRING, "The list that it is in"),
        _SOURCE,
        _FETCHED_AT,
    ),
    key=("symbol",),
)

SYMBOLS: Final = DatasetSchema(
    "symbols",
    (
        _SYMBOL,
        Column("description", _STRING, "Name of the company or fund"),
        Column("listed_market", _STRING, "Market identifier code of the listing"),
        _required("is_etf", _FLAG, "Whether it is an exchange-traded fund"),
        _required("is_index", _FLAG, "Whether it is an index"),
        Column("implied_volatility_index", _FLOAT, "Annualised implied volatility; null without options"),
        Column("implied_volatility_index_5_day_change", _FLOAT, "Its change over 5 days"),
        Column("implied_volatility_rank", _FLOAT, "Its place between the low and the high of a year, 0 to 1"),
        Column("implied_volatility_rank_source", _STRING, "Which of the two next ranks feeds it: tos or tw"),
        Column("tos_implied_volatility_rank", _FLOAT, "Rank by the first method, 0 to 1"),
        Column("tw_implied_volatility_rank", _FLOAT, "Rank by the second method, 0 to 1"),
        Column("implied_volatility_percentile", _FLOAT, "Share of the year's days with a lower one, 0 to 1"),
        Column("implied_volatility_30_day", _FLOAT, "Annualised implied volatility at 30 days"),
        Column("historical_volatility_30_day", _FLOAT, "Annualised volatility over 30 days, the broker's; often null"),
        Column("historical_volatility_60_day", _FLOAT, "The same over 60 days"),
        Column("historical_volatility_90_day", _FLOAT, "The same over 90 days"),
        Column("iv_hv_30_day_difference", _FLOAT, "Implied less historical volatility at 30 days"),
        Column("liquidity_rating", _SMALL, "The broker's liquidity rating of the options, 1 to 5"),
        Column("liquidity_value", _FLOAT, "What the rating is made from"),
        Column("liquidity_rank", _FLOAT, "The broker's liquidity rank"),
        Column("beta", _FLOAT, "Beta against the S&P 500"),
        Column("corr_spy_3_month", _FLOAT, "Correlation with SPY over 3 months"),
        Column("market_cap", _COUNT, "Market capitalisation"),
        Column("price_earnings_ratio", _FLOAT, "Price over earnings per share"),
        Column("earnings_per_share", _FLOAT, "Earnings per share over a year"),
        Column("dividend_yield", _FLOAT, "Annual dividend over price"),
        Column("dividend_rate_per_share", _FLOAT, "The last dividend"),
        Column("annual_dividend_per_share", _FLOAT, "Dividends of a year"),
        Column("dividend_ex_date", _DATE, "Ex-dividend date"),
        Column("dividend_next_date", _DATE, "Next dividend date"),
        Column("dividend_pay_date", _DATE, "Payment date"),
        Column("earnings_date", _DATE, "Expected report date; null when none is known"),
        Column("earnings_time_of_day", _STRING, "BTO before the open, AMC after the close"),
        Column("is_earnings_date_estimated", _FLAG, "Whether that date is an estimate"),
        Column("earnings_actual_eps", _FLOAT, "Last reported earnings per share"),
        Column("earnings_consensus_estimate", _FLOAT, "Consensus for the next report"),
        Column("lendability", _STRING, "How easily shares can be borrowed"),
        Column("borrow_rate", _FLOAT, "Borrow rate as the broker states it"),
        Column("metrics_updated_at", UTC_DATETIME, "When the broker computed the metrics; null without metrics"),
        _SOURCE,
        _FETCHED_AT,
    ),
    key=("symbol",),
)

IMPLIED_VOLATILITY: Final = DatasetSchema(
    "implied_volatility",
    (
        _SYMBOL,
        _required("expiration_date", _DATE, "Expiration date"),
        _required("settlement_type", _STRING, "AM or PM"),
        _required("option_chain_type", _STRING, "Standard or Non-standard"),
        Column("implied_volatility", _FLOAT, "Annualised; null when the broker has none for it"),
        _SOURCE,
        _FETCHED_AT,
    ),
    key=("symbol", "expiration_date", "settlement_type", "option_chain_type"),
)

QUOTES: Final = DatasetSchema(
    "quotes",
    (
        _SYMBOL,
        Column("bid_price", _FLOAT, "Best bid; null without one. It may be above the ask, as the feed has it"),
        Column("ask_price", _FLOAT, "Best ask; null without one"),
        Column("bid_size", _FLOAT, "Shares bid; null where there are none to bid for, as for an index"),
        Column("ask_size", _FLOAT, "Shares asked; null likewise"),
        Column("mid_price", _FLOAT, "Mean of bid and ask; null unless both are there"),
        Column("spread", _FLOAT, "Ask less bid, negative when crossed; null unless both are there"),
        Column("last_price", _FLOAT, "Price of the last trade"),
        Column("last_size", _FLOAT, "Its shares; null where the source does not say"),
        Column("last_trade_at", UTC_DATETIME, "When it was; null where the source does not say"),
        Column("day_open", _FLOAT, "First price of the day; null before it"),
        Column("day_high", _FLOAT, "Highest price of the day"),
        Column("day_low", _FLOAT, "Lowest price of the day"),
        Column("day_close", _FLOAT, "Closing price of the day; null until it closes"),
        Column("previous_close", _FLOAT, "Closing price of the session before"),
        Column("day_volume", _FLOAT, "Shares traded in the day; null where the source does not say"),
        _required("received_at", UTC_DATETIME, "When the newest of these values arrived"),
        _required("source", _STRING, "dxlink, or rest for a snapshot up to a minute old"),
        _FETCHED_AT,
    ),
    key=("symbol",),
)

EARNINGS: Final = DatasetSchema(
    "earnings",
    (
        _SYMBOL,
        _required("announced_date", _DATE, "Day of the report; expected, while it lies ahead"),
        Column("time_of_day", _STRING, "BTO before the open, AMC after the close; null when nobody says"),
        Column("is_estimated", _FLAG, "Whether the broker called the date an estimate when it named it last"),
        _required("first_seen_at", UTC_DATETIME, "When the date was first named"),
        _required("source", _STRING, "tastytrade, or file for TT_EARNINGS_FILE"),
        _FETCHED_AT,
    ),
    key=("symbol", "announced_date"),
)

EXPIRATION_SERIES: Final = DatasetSchema(
    "expiration_series",
    (
        *_SERIES,
        _required("option_chain_type", _STRING, "Standard or Non-standard"),
        _required("expiration_type", _STRING, "Regular, Weekly, Quarterly or End-Of-Month"),
        _required("expiration_session", _DATE, "The session on which it falls, or the last one before it"),
        _required("is_expiration_on_session", _FLAG, "Whether the expiration date is a session"),
        _required("shares_per_contract", _SMALL, "Shares that a contract delivers"),
        _required("strike_count", _SMALL, "How many strikes are listed"),
        Column("lowest_strike", _FLOAT, "Lowest strike; null when none is listed"),
        Column("highest_strike", _FLOAT, "Highest strike; null when none is listed"),
        _required("strikes", _STRING, "Every strike, ascending, separated by spaces"),
        _SOURCE,
        _FETCHED_AT,
    ),
    key=("symbol", "root_symbol", "expiration_date", "settlement_type"),
)

DAILY_CANDLES: Final = DatasetSchema(
    "daily_candles",
    (
        _SYMBOL,
        _SESSION,
        *_BAR,
        Column("vwap", _FLOAT, "Volume-weighted average price"),
        Column("trade_count", _COUNT, "Trades"),
        Column("implied_volatility", _FLOAT, "Annualised implied volatility at the close"),
        _required("is_final", _FLAG, "False while the session can still change it"),
        _SOURCE,
        _FETCHED_AT,
    ),
    key=("symbol", "session"),
)

EOD_SNAPSHOT: Final = DatasetSchema(
    "eod_snapshot",
    (
        _SYMBOL,
        _SESSION,
        *_BAR,
        Column("open_interest", _FLOAT, "Open interest; null for shares"),
        _required(
            "adjustment", _STRING, "What prices are adjusted for: split, raw, rescaled to the files' scale, or unknown"
        ),
        _required("is_final", _FLAG, "False while the session can still change it"),
        _required("source", _STRING, "metastock or dxlink"),
        _required("fetched_at", UTC_DATETIME, "When the candle was fetched, or the file with the row was last changed"),
    ),
    key=("symbol", "session"),
)

EOD_REJECTS: Final = DatasetSchema(
    "eod_rejects",
    (
        _required("file", _STRING, "File, relative to the MetaStock folder"),
        Column("line", pl.Int64(), "Line in the file, from 1; null for the whole file"),
        Column("symbol", _STRING, "As the file spells it; null when it could not be read"),
        _required("reason", _STRING, "Why the row was set aside"),
        Column("raw", _STRING, "The text of the row"),
    ),
    key=("file", "line", "symbol", "reason"),
)

EOD_OVERLAPS: Final = DatasetSchema(
    "eod_overlaps",
    (
        _SYMBOL,
        _required("verdict", _STRING, "agreed, split, dividends, or short_overlap when they share too few sessions"),
        _required("is_appended", _FLAG, "Whether candles continue the bars of the files"),
        _required("metastock_sessions", _COUNT, "Bars in the files"),
        _required("common_sessions", _COUNT, "Sessions that files and candles both have"),
        Column("median_ratio", _FLOAT, "Of candle to file close over the newest common sessions; null without any"),
        Column("ratio_spread", _FLOAT, "Largest less smallest ratio; a drift means dividends"),
    ),
    key=("symbol",),
)

EOD_SPLITS: Final = DatasetSchema(
    "eod_splits",
    (
        _SYMBOL,
        _required("session", _DATE, "First common session at which the ratio of candle to file close is another"),
        _required("factor", _FLOAT, "New shares per old one"),
    ),
    key=("symbol", "session"),
)

CANDLE_REVISIONS: Final = DatasetSchema(
    "candle_revisions",
    (
        _SYMBOL,
        _SESSION,
        _required("fetched_at", UTC_DATETIME, "When the other figures came"),
        _required("close_before", _FLOAT, "Close that was stored as final"),
        _required("close", _FLOAT, "Close that came"),
        Column("volume_before", _FLOAT, "Volume that was stored"),
        Column("volume", _FLOAT, "Volume that came"),
    ),
    key=("symbol", "session", "fetched_at"),
)

REPORTS: Final[Mapping[str, DatasetSchema]] = MappingProxyType(
    {schema.name: schema for schema in (EOD_REJECTS, EOD_OVERLAPS, EOD_SPLITS, CANDLE_REVISIONS)}
)
"""Tables that come with a dataset and say what became of it, by name."""

RETURNS_STDDEV: Final = DatasetSchema(
    "returns_stddev",
    (
        *_SERIES,
        _required("option_chain_type", _STRING, "Standard or Non-standard"),
        _required("expiration_session", _DATE, "The session on which it falls, or the last one before it"),
        _required("as_of_session", _DATE, "Last final session of the snapshot; everything counts from there"),
        _required("dte", _SMALL, "Calendar days from the as-of session to the expiration date"),
        Column("horizon_sessions", _SMALL, "Sessions after the as-of session up to the expiration"),
        _required("is_settled_at_open", _FLAG, "Whether it settles on an opening price"),
        Column("close", _FLOAT, "Close of the as-of session; null when that bar is missing"),
        Column("returns_stddev", _FLOAT, "Sample stddev of the last horizon_sessions log returns, not annualised"),
        Column("returns_stddev_rel_error", _FLOAT, "Its relative standard error"),
        Column("returns_stddev_lookback", _FLOAT, "The same over the lookback, one for all horizons"),
        Column("returns_stddev_lookback_rel_error", _FLOAT, "Its relative standard error"),
        Column("horizon_returns_stddev", _FLOAT, "Sample stddev of overlapping horizon-long returns in the lookback"),
        Column("horizon_returns_stddev_corrected", _FLOAT, "The same without the bias of overlap and estimated mean"),
        Column("horizon_returns_stddev_rel_error", _FLOAT, "Relative standard error of both"),
        Column("variance_ratio", _FLOAT, "Horizon variance over daily variance times horizon; below 1 moves cancel"),
        Column("realized_volatility", _FLOAT, "returns_stddev, annualised"),
        Column("horizon_volatility", _FLOAT, "horizon_returns_stddev_corrected, annualised"),
        Column("implied_volatility", _FLOAT, "Annualised implied volatility of this expiration"),
        Column("expected_move", _FLOAT, "Priced move to expiration in US dollars, one standard deviation"),
        Column("move_ratio", _FLOAT, "Priced move over the usual one, horizon_returns_stddev_corrected"),
        Column("iv_rv_spread", _FLOAT, "implied_volatility less realized_volatility"),
        _required("returns_used", _SMALL, "Daily returns in the window of returns_stddev"),
        _required("returns_lookback_used", _SMALL, "Daily returns in the lookback"),
        _required("horizon_returns_used", _SMALL, "Horizon-long returns in the lookback"),
        Column("returns_stddev_reason", _STRING, "Why returns_stddev is null; null when it is not"),
        Column("returns_stddev_lookback_reason", _STRING, "Why returns_stddev_lookback is null"),
        Column("horizon_returns_stddev_reason", _STRING, "Why the horizon columns are null"),
    ),
    key=("symbol", "root_symbol", "expiration_date", "settlement_type"),
)

BROKER_WINDOWS: Final = (30, 60, 90)
"""Days of the broker's historical volatilities."""

EX_EARNINGS_WINDOWS: Final = (30, 90)
"""Sessions in the windows of the volatilities without earnings."""

VOLATILITY: Final = DatasetSchema(
    "volatility",
    (
        _SYMBOL,
        Column(
            "is_index", _FLAG, "Whether it is an index: estimators with a range read low; null outside the universe"
        ),
        _required("as_of_session", _DATE, "Last final session of the snapshot; every window ends there"),
        Column("first_session", _DATE, "Session of the first final bar; null without bars"),
        Column("last_session", _DATE, "Session of the last final bar; null without bars"),
        _required("session_count", _SMALL, "Final bars"),
        _required("has_more_than_30_sessions", _FLAG, "Whether there are more than 30 of them"),
        Column("close", _FLOAT, "Close of the as-of session; null when that bar is missing"),
        Column("close_mean", _FLOAT, "Mean of all final closes"),
        Column("close_stddev", _FLOAT, "Sample stddev of all final closes, in US dollars: of prices, not of returns"),
        *(
            Column(f"{estimator}_{window}", _FLOAT, f"Annualised over {window} sessions: {words}")
            for estimator, words in ESTIMATORS.items()
            for window in WINDOWS
        ),
        *(
            Column(f"{estimator}_{window}_reason", _STRING, f"Why {family} of {window} sessions are null")
            for estimator, family in (
                ("close_to_close", "close_to_close and zero_mean"),
                ("yang_zhang", "yang_zhang and the other estimators with a range"),
            )
            for window in WINDOWS
        ),
        Column("hv_rank", _FLOAT, "Place of close_to_close_30 between the low and the high of a year, 0 to 1"),
        Column("hv_percentile", _FLOAT, "Share of the 252 sessions before with a lower close_to_close_30"),
        Column("hv_values_used", _SMALL, "Sessions of the year with a close_to_close_30; below 126 both are null"),
        *(
            Column(f"historical_volatility_{days}_day", _FLOAT, f"Annualised over {days} days, the broker's")
            for days in BROKER_WINDOWS
        ),
        *(
            Column(f"historical_volatility_{days}_day_difference", _FLOAT, f"close_to_close_{days} less the broker's")
            for days in BROKER_WINDOWS
        ),
        Column("is_far_from_broker", _FLAG, "Whether one of these is above 3 points; null without the broker's"),
        Column("implied_volatility_30_day", _FLOAT, "Annualised implied volatility at 30 days"),
        Column("iv_rv_spread_30", _FLOAT, "implied_volatility_30_day less close_to_close_30"),
        Column("earnings_date", _DATE, "Expected report date; null when none is known"),
        Column("earnings_time_of_day", _STRING, "BTO before the open, AMC after the close"),
        *(
            column
            for window in EX_EARNINGS_WINDOWS
            for column in (
                Column(
                    f"close_to_close_{window}_ex_earnings",
                    _FLOAT,
                    f"close_to_close_{window} without the sessions of known announcements",
                ),
                Column(
                    f"earnings_sessions_left_out_{window}", _SMALL, "How many were left out; null when none is known"
                ),
                Column(f"close_to_close_{window}_ex_earnings_reason", _STRING, "Why it is null"),
            )
        ),
        Column("missing_sessions", _SMALL, "Sessions without a bar in the last 252; null without bars there"),
        Column("unchanged_closes", _SMALL, "Returns of exactly 0 in the last 252 sessions"),
        Column("zero_volume_sessions", _SMALL, "Bars without volume in the last 252 sessions"),
        Column("has_unknown_adjustment", _FLAG, "Whether sources of these bars do not say if splits are adjusted for"),
        Column("cautions", _STRING, "What is odd about these bars, words separated by spaces; null when nothing is"),
    ),
    key=("symbol",),
)

VOLATILITY_CONE: Final = DatasetSchema(
    "volatility_cone",
    (
        _SYMBOL,
        _required("horizon_sessions", _SMALL, "Sessions in the rolling windows"),
        _required("as_of_session", _DATE, "Last final session of the snapshot"),
        Column("minimum", _FLOAT, "Lowest close-to-close volatility, annualised; null without a full window"),
        Column("p10", _FLOAT, "10th percentile"),
        Column("p25", _FLOAT, "25th percentile"),
        Column("median", _FLOAT, "Median"),
        Column("p75", _FLOAT, "75th percentile"),
        Column("p90", _FLOAT, "90th percentile"),
        Column("maximum", _FLOAT, "Highest"),
        Column("current", _FLOAT, "The one that ends at the as-of session"),
        Column("current_percentile", _FLOAT, "Share of the windows below it, 0 to 1"),
        _required("windows_used", _SMALL, "Windows, which overlap: not that many independent observations"),
        Column("reason", _STRING, "Why current is null: no_window or not_current"),
    ),
    key=("symbol", "horizon_sessions"),
)

SCHEMAS: Final[Mapping[str, DatasetSchema]] = MappingProxyType(
    {
        schema.name: schema
        for schema in (
            TRADING_CALENDAR,
            ACCOUNTS,
            UNIVERSE,
            SYMBOLS,
            IMPLIED_VOLATILITY,
            EARNINGS,
            QUOTES,
            EXPIRATION_SERIES,
            DAILY_CANDLES,
            EOD_SNAPSHOT,
            RETURNS_STDDEV,
            VOLATILITY,
            VOLATILITY_CONE,
        )
    }
)
"""By dataset."""
