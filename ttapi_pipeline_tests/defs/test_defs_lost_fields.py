# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Any field of any endpoint may be unreadable, through a whole run: that cell alone is null, and it is counted."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

import polars as pl
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from ttapi_pipeline_tests.support.examples import examples
from ttapi_pipeline_tests.support.simulator import SimulatorControl
from ttapi_pipeline_tests.support.worlds import SYMBOLS, FirstRun, World

Values = Sequence[object]

NOTHING: Values = ("", "N/A", True, [], {}, [None], {"a": 1})
NO_NUMBER: Values = (*NOTHING, "NaN", "Infinity", "-Infinity", "1e400", "1e30", 10**30, "$5")
NO_DATE: Values = ("", "N/A", "2026-11-09T00:00:00.000Z", "11/09/2026", 20261109, True, [], {}, "2026-13-01")
NO_MOMENT: Values = ("", "N/A", "2026-11-20T20:54:11", "yesterday", True, [], {}, "2026-11-20")
NO_FLAG: Values = ("", "N/A", "maybe", 2, -1, [], {}, "NaN")
NO_TEXT: Values = (7, True, [], {}, 1.5, [None])
NOT_EARLY_OR_LATE: Values = (*NO_TEXT, "", "N/A", "noon", "am")


@dataclass(frozen=True)
class Field:
    """A field of the wire and the column that holds it.

    Attributes:
        unreadable: Values from which no other can be read.
        counted: The name under which it is counted when it is lost, where that is not `wire`.
    """

    wire: str
    column: str
    unreadable: Values
    counted: str = ""


METRICS = (
    Field("implied-volatility-index", "implied_volatility_index", (*NO_NUMBER, 24.8)),
    Field("implied-volatility-index-5-day-change", "implied_volatility_index_5_day_change", NO_NUMBER),
    Field("implied-volatility-index-rank", "implied_volatility_rank", (*NO_NUMBER, "-1", 53.2)),
    Field("tos-implied-volatility-index-rank", "tos_implied_volatility_rank", (*NO_NUMBER, -1)),
    Field("tw-implied-volatility-index-rank", "tw_implied_volatility_rank", NO_NUMBER),
    Field("implied-volatility-index-rank-source", "implied_volatility_rank_source", NO_TEXT),
    Field("implied-volatility-percentile", "implied_volatility_percentile", (*NO_NUMBER, "-1", "53.2")),
    Field("implied-volatility-30-day", "implied_volatility_30_day", (*NO_NUMBER, 2710.0)),
    Field("historical-volatility-30-day", "historical_volatility_30_day", NO_NUMBER),
    Field("historical-volatility-60-day", "historical_volatility_60_day", NO_NUMBER),
    Field("historical-volatility-90-day", "historical_volatility_90_day", NO_NUMBER),
    Field("iv-hv-30-day-difference", "iv_hv_30_day_difference", NO_NUMBER),
    Field("liquidity-value", "liquidity_value", NO_NUMBER),
    Field("liquidity-rank", "liquidity_rank", NO_NUMBER),
    Field("liquidity-rating", "liquidity_rating", (*NO_NUMBER, -1, 2.5, 99)),
    Field("beta", "beta", NO_NUMBER),
    Field("corr-spy-3month", "corr_spy_3_month", (*NO_NUMBER, 70)),
    Field("dividend-rate-per-share", "dividend_rate_per_share", (*NO_NUMBER, "-1")),
    Field("annual-dividend-per-share", "annual_dividend_per_share", (*NO_NUMBER, "-1")),
    Field("dividend-yield", "dividend_yield", (*NO_NUMBER, -1)),
    Field("dividend-ex-date", "dividend_ex_date", NO_DATE),
    Field("dividend-pay-date", "dividend_pay_date", NO_DATE),
    Field("earnings.expected-report-date", "earnings_date", NO_DATE),
    Field("earnings.estimated", "is_earnings_date_estimated", NO_FLAG),
    Field("earnings.time-of-day", "earnings_time_of_day", NOT_EARLY_OR_LATE),
    Field("earnings.actual-eps", "earnings_actual_eps", NO_NUMBER),
    Field("earnings.consensus-estimate", "earnings_consensus_estimate", NO_NUMBER),
    Field("earnings-per-share", "earnings_per_share", NO_NUMBER),
    Field("price-earnings-ratio", "price_earnings_ratio", NO_NUMBER),
    Field("lendability", "lendability", NO_TEXT),
    Field("borrow-rate", "borrow_rate", (*NO_NUMBER, -1)),
    Field("market-cap", "market_cap", NO_NUMBER),
    Field("updated-at", "metrics_updated_at", NO_MOMENT),
)
EQUITIES = (
    Field("instrument-type", "instrument_type", NO_TEXT),
    Field("description", "description", NO_TEXT),
    Field("listed-market", "listed_market", NO_TEXT),
    Field("is-etf", "is_etf", NO_FLAG),
    Field("is-index", "is_index", NO_FLAG),
    Field("active", "is_active", NO_FLAG),
    Field("is-illiquid", "is_illiquid", NO_FLAG),
    Field("is-closing-only", "is_closing_only", NO_FLAG),
    Field("is-options-closing-only", "is_options_closing_only", NO_FLAG),
)
ACCOUNTS = (
    Field("account.nickname", "nickname", NO_TEXT, "nickname"),
    Field("account.account-type-name", "account_type", NO_TEXT, "account-type-name"),
    Field("account.margin-or-cash", "margin_or_cash", NO_TEXT, "margin-or-cash"),
    Field("account.opened-at", "opened_at", NO_MOMENT, "opened-at"),
    Field("account.is-futures-approved", "is_futures_approved", NO_FLAG, "is-futures-approved"),
    Field("account.is-closed", "is_closed", NO_FLAG, "is-closed"),
    Field("authority-level", "authority_level", NO_TEXT),
)
BALANCES = (
    Field("currency", "currency", (*NO_TEXT, "", "dollars")),
    Field("net-liquidating-value", "net_liquidating_value", NO_NUMBER),
    Field("cash-balance", "cash_balance", NO_NUMBER),
    Field("cash-available-to-withdraw", "cash_available_to_withdraw", NO_NUMBER),
    Field("equity-buying-power", "equity_buying_power", NO_NUMBER),
    Field("derivative-buying-power", "derivative_buying_power", NO_NUMBER),
    Field("long-equity-value", "long_equity_value", NO_NUMBER),
    Field("short-equity-value", "short_equity_value", NO_NUMBER),
    Field("long-derivative-value", "long_derivative_value", NO_NUMBER),
    Field("short-derivative-value", "short_derivative_value", NO_NUMBER),
    Field("margin-equity", "margin_equity", NO_NUMBER),
    Field("maintenance-requirement", "maintenance_requirement", NO_NUMBER),
    Field("pending-cash", "pending_cash", NO_NUMBER),
    Field("updated-at", "balances_updated_at", NO_MOMENT),
)
CHAINS = (Field("shares-per-contract", "shares_per_contract", (*NO_NUMBER, 0, -100, 1.5)),)
IV_LIST = "option-expiration-implied-volatilities"
IV = "implied-volatility"
EXPIRATIONS = (Field(IV, "implied_volatility", (*NO_NUMBER, 24.8), f"{IV_LIST}[].{IV}"),)
DATASETS = ("universe", "symbols", "implied_volatility", "expiration_series", "accounts")


def table(world: World, name: str) -> pl.DataFrame:
    return pl.read_parquet(world.data / f"{name}.parquet").drop("fetched_at")


class Spoiler:
    """Spoils fields of one run's answers, and says what the tables should be and what should be counted."""

    def __init__(self, first: World, exchange: SimulatorControl, random: Random) -> None:
        self._exchange, self._random = exchange, random
        self.expected = {name: table(first, name) for name in DATASETS}
        self.played: list[str] = []
        self.lost: dict[str, Counter[str]] = {name: Counter() for name in DATASETS}

    def spoil(self, dataset: str, route: str, place: str, key: Mapping[str, object], fields: Sequence[Field]) -> None:
        """Spoil one of these fields, which has a value now, in the row of this key."""
        is_row = pl.all_horizontal(*(pl.col(name) == value for name, value in key.items()))
        row = self.expected[dataset].filter(is_row).row(0, named=True)
        known = [field for field in fields if row[field.column] is not None]
        field = self._random.choice(known)
        value = self._random.choice(field.unreadable)
        self.played.append(f"{place}.{field.wire} = {value!r}")
        parameters = {"path": f"{place}.{field.wire}", "value": json.dumps(value), "action": "set"}
        self._exchange.fault("replace-field", route, parameters=parameters)
        self.lost[dataset][field.counted or field.wire] += 1
        for name in (dataset, "symbols") if dataset == "universe" else (dataset,):
            if field.column in self.expected[name].columns:
                spoiled = pl.when(~is_row).then(field.column).alias(field.column)
                self.expected[name] = self.expected[name].with_columns(spoiled)


@settings(max_examples=examples(60) // 5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32))
def test_fields_that_cannot_be_read_are_null_and_counted_and_all_others_are_as_they_were(
    first_run: FirstRun, world: World, seed: int
) -> None:
    # Many fields at once, in rows of their own: a run takes a second.
    world.exchange.reset()
    random = Random(seed)
    spoiler = Spoiler(first_run.world, world.exchange, random)
    before = spoiler.expected["accounts"]
    for symbol in SYMBOLS:
        key, item = {"symbol": symbol}, f"data.items[symbol={symbol}]"
        spoiler.spoil("symbols", "/market-metrics", item, key, METRICS)
        spoiler.spoil("universe", "/instruments/equities", item, key, EQUITIES)
        chain = f"data.items[root-symbol={symbol.replace('/', '')}]"
        of_root = {"root_symbol": symbol.replace("/", "")}
        spoiler.spoil("expiration_series", "/option-chains/{symbol}/nested", chain, of_root, CHAINS)
    for at, (number, is_closed) in enumerate(before.select("account_number", "is_closed").rows()):
        key = {"account_number": number}
        if not is_closed:
            spoiler.spoil("accounts", f"/accounts/{number}/balances/USD", "data", key, BALANCES)
            spoiler.spoil("accounts", "/customers/me/accounts", f"data.items[{at}]", key, ACCOUNTS)
    expirations = spoiler.expected["implied_volatility"].filter(pl.col("implied_volatility").is_not_null())
    symbol, day = random.choice(expirations.select("symbol", "expiration_date").rows())
    key = {"symbol": symbol, "expiration_date": day}
    place = f"data.items[symbol={symbol}].{IV_LIST}[expiration-date={day}]"
    spoiler.spoil("implied_volatility", "/market-metrics", place, key, EXPIRATIONS)
    assert world.run(*DATASETS, force=True).success
    note("\n".join(spoiler.played))
    for name, expected in spoiler.expected.items():
        after = table(world, name)
        stored = world.manifest(name).provenance
        assert (name, stored.missing) == (name, {})
        assert (name, stored.lost) == (name, dict(sorted(spoiler.lost[name].items())))
        ticking = "balances_updated_at"
        assert after.drop(ticking, strict=False).equals(expected.drop(ticking, strict=False)), name
        if name == "accounts":
            assert after[ticking].is_null().equals(expected[ticking].is_null())
