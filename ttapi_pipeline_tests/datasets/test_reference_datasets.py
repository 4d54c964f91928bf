# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""`accounts`, `universe`, `symbols` and `implied_volatility` by value, and the rows that are carried over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import polars as pl
import pytest

from ttapi_pipeline.client import UNKNOWN_SYMBOL, Account, Balance, Equity, Listing, MarketMetrics
from ttapi_pipeline.client.models import Earnings, ExpirationVolatility, Watchlist, WatchlistEntry
from ttapi_pipeline.core.collection import Collection, no_progress
from ttapi_pipeline.core.errors import AuthError, CoverageError, DataError, HttpError, TransportError
from ttapi_pipeline.core.sessions import NEW_YORK
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.core.universes import SP500_AS_OF, TRADED, sp500
from ttapi_pipeline.datasets.accounts.build import accounts_frame, build_accounts
from ttapi_pipeline.datasets.build import carry_over
from ttapi_pipeline.datasets.implied_volatility.build import build_implied_volatility, implied_volatility_frame
from ttapi_pipeline.datasets.symbols.build import build_symbols, symbols_frame
from ttapi_pipeline.datasets.universe.build import build_universe, collect_memberships, universe_frame

FakeClient = Callable[..., SimpleNamespace]
YESTERDAY = datetime(2026, 11, 20, 15, tzinfo=UTC)


def one_row(frame: pl.DataFrame) -> dict[str, Any]:
    (row,) = frame.rows(named=True)
    return row


class TestAccounts:
    @pytest.mark.parametrize(
        ("effect", "amount", "expected"),
        [("Debit", 250.0, -250.0), ("Credit", 250.0, 250.0), ("None", 0.0, 0.0), ("Debit", None, None)],
    )
    def test_cash_that_goes_out_is_negative(
        self, effect: Literal["Debit", "Credit", "None"], amount: float | None, expected: float | None, now: datetime
    ) -> None:
        balance = Balance(account_number="1", pending_cash=amount, pending_cash_effect=effect)
        row = one_row(accounts_frame([(Account(account_number="1"), balance)], fetched_at=now))
        assert row["pending_cash"] == expected

    async def test_a_closed_account_is_listed_without_balances(self, fake_client: FakeClient, now: datetime) -> None:
        def balance(number: str) -> Balance:
            assert number == "2", "the balance of a closed account is not asked for"
            return Balance(account_number=number, currency="USD", net_liquidating_value=10.0)

        client: Any = fake_client(
            accounts=[Account(account_number="1", is_closed=True), Account(account_number="2")], balance=balance
        )
        built = await build_accounts(client, previous=None, now=now, min_coverage=1.0, progress=no_progress)
        frame = built.frame.lazy().collect().sort("account_number")
        assert frame["is_closed"].to_list() == [True, None]
        assert frame["net_liquidating_value"].to_list() == [None, 10.0]
        assert built.missing == {}

    async def test_an_account_whose_balance_fails_keeps_its_last_known_row(
        self, fake_client: FakeClient, now: datetime
    ) -> None:
        known = accounts_frame(
            [(Account(account_number="1"), Balance(account_number="1", cash_balance=7.0))], fetched_at=YESTERDAY
        )
        client: Any = fake_client(
            accounts=[Account(account_number="1"), Account(account_number="2"), Account(account_number="3")],
            balance=lambda number: (
                Balance(account_number=number, cash_balance=3.0)
                if number == "3"
                else HttpError(500, "no", subject="GET balances")
            ),
        )
        built = await build_accounts(client, previous=known.lazy(), now=now, min_coverage=0.3, progress=no_progress)
        frame = built.frame.lazy().collect().sort("account_number")
        assert frame["cash_balance"].to_list() == [7.0, None, 3.0]
        assert frame["fetched_at"].to_list() == [YESTERDAY, now, now]
        assert built.missing["1"] == "no balance: GET balances: HTTP 500, no"
        assert set(built.missing) == {"1", "2"}

    async def test_what_was_read_of_a_list_of_accounts_counts_and_what_was_not_is_missing(
        self, fake_client: FakeClient, now: datetime
    ) -> None:
        stored = [(Account(account_number=number, is_closed=number == "9"), None) for number in ("1", "4", "9")]
        known = accounts_frame(stored, fetched_at=YESTERDAY)
        came = Listing(
            [Account(account_number="1", lost_fields=("nickname",)), Account(account_number="2")],
            rejected=[("row 3", "breaks its contract")],
        )
        balance = Balance(pending_cash=5.0, cash_balance=3.0, lost_fields=("pending-cash-effect",))
        client: Any = fake_client(accounts=came, balance=balance)
        built = await build_accounts(client, previous=known.lazy(), now=now, min_coverage=0.4, progress=no_progress)
        frame = built.frame.lazy().collect().sort("account_number")
        # An account that was closed may leave the list; one that was open does not do so unnoticed.
        assert frame.select("account_number", "fetched_at").rows() == [("1", now), ("2", now), ("4", YESTERDAY)]
        assert set(built.missing) == {"row 3", "4"}
        # Which way the cash goes is not known.
        assert frame.select("cash_balance", "pending_cash").rows()[:2] == [(3.0, None)] * 2
        assert {name: fact for name, fact in built.statistics.items() if name.startswith("lost ")} == {
            "lost nickname": 1,
            "lost pending-cash-effect": 2,
        }

    async def test_a_balance_without_an_amount_is_missing(self, fake_client: FakeClient, now: datetime) -> None:
        known = accounts_frame([(Account(account_number="1"), Balance(cash_balance=7.0))], fetched_at=YESTERDAY)
        client: Any = fake_client(accounts=[Account(account_number="1")], balance=Balance(account_number="1"))
        built = await build_accounts(client, previous=known.lazy(), now=now, min_coverage=0.0, progress=no_progress)
        assert built.missing == {"1": "no balance: the answer has no amount"}
        assert one_row(built.frame.lazy().collect())["cash_balance"] == 7.0

    async def test_an_empty_list_of_accounts_takes_none_away(self, fake_client: FakeClient, now: datetime) -> None:
        known = accounts_frame([(Account(account_number="1"), None)], fetched_at=YESTERDAY)
        client: Any = fake_client(accounts=[])
        with pytest.raises(CoverageError, match="accounts: 1 of 1 are missing"):
            await build_accounts(client, previous=known.lazy(), now=now, min_coverage=0.8, progress=no_progress)

    async def test_a_refused_grant_is_not_a_missing_balance(self, fake_client: FakeClient, now: datetime) -> None:
        client: Any = fake_client(accounts=[Account(account_number="1")], balance=AuthError("refused"))
        with pytest.raises(AuthError, match="refused"):
            await build_accounts(client, previous=None, now=now, min_coverage=0.0, progress=no_progress)

    async def test_too_few_balances_are_an_error(self, fake_client: FakeClient, now: datetime) -> None:
        client: Any = fake_client(accounts=[Account(account_number="1")], balance=TransportError("no answer"))
        with pytest.raises(CoverageError, match="accounts: 1 of 1 are missing"):
            await build_accounts(client, previous=None, now=now, min_coverage=0.8, progress=no_progress)


class TestUniverse:
    async def test_list_1_is_the_watchlist_without_what_is_no_equity(self, fake_client: FakeClient) -> None:
        entries = (
            WatchlistEntry(symbol="AAPL", instrument_type="Equity"),
            WatchlistEntry(symbol="/ESZ6", instrument_type="Future"),
            WatchlistEntry(symbol="SPX", instrument_type="Index"),
            WatchlistEntry(symbol="KO"),
            WatchlistEntry(symbol="AAPL", instrument_type="Equity"),
        )
        client: Any = fake_client(public_watchlist=Watchlist(name="Liquid", entries=entries))
        (membership,) = await collect_memberships(client, replace(Settings(), universe="1", watchlist="Liquid"))
        assert (membership.name, membership.symbols) == ("watchlist Liquid", ("AAPL", "SPX", "KO"))

    async def test_entries_of_the_watchlist_that_cannot_be_read_are_counted(
        self, fake_client: FakeClient, now: datetime
    ) -> None:
        entries = (WatchlistEntry(symbol="AAPL"),)
        watchlist = Watchlist(name="Liquid", entries=entries, lost_fields=("watchlist-entries[].symbol",))
        client: Any = fake_client(
            public_watchlist=watchlist, equities=Collection([Equity(symbol="AAPL")], requested=1, lost={"active": 1})
        )
        settings = replace(Settings(), universe="1", watchlist="Liquid")
        built = await build_universe(client, settings, previous=None, now=now, progress=no_progress)
        lost = {name: fact for name, fact in built.statistics.items() if name.startswith("lost ")}
        assert lost == {"lost active": 1, "lost watchlist-entries[].symbol": 1}

    async def test_a_watchlist_without_equities_is_an_error_that_names_the_setting(
        self, fake_client: FakeClient
    ) -> None:
        client: Any = fake_client(public_watchlist=Watchlist(name="Futures"))
        with pytest.raises(DataError, match="name another one in TT_WATCHLIST"):
            await collect_memberships(client, replace(Settings(), universe="1"))

    async def test_list_2_is_the_sp_500_with_its_date(self, fake_client: FakeClient) -> None:
        client: Any = fake_client()
        (membership,) = await collect_memberships(client, replace(Settings(), universe="2"))
        assert membership.name == f"S&P 500 as of {SP500_AS_OF}"
        assert len(membership.symbols) == len(sp500()) > 490

    async def test_lists_are_put_together_and_a_symbol_in_two_is_there_once(
        self, fake_client: FakeClient, tmp_path: Path, now: datetime
    ) -> None:
        (tmp_path / "mine.txt").write_text("SPX\nBRKB\nGLD\n")
        asked: list[str] = []

        def equities(symbols: tuple[str, ...]) -> Collection[Equity]:
            asked.extend(symbols)
            rows = [Equity(symbol=symbol) for symbol in symbols if symbol != "BRKB"]
            return Collection(rows, {"BRKB": f"GET /instruments/equities: {UNKNOWN_SYMBOL}"}, requested=len(symbols))

        client: Any = fake_client(equities=equities)
        settings = replace(Settings(), universe=f"4,{tmp_path / 'mine.txt'}")
        built = await build_universe(client, settings, previous=None, now=now, progress=no_progress)
        members = dict(built.frame.lazy().select("symbol", "membership").collect().iter_rows())
        assert asked == [*TRADED, "BRKB", "GLD"]
        assert {name: members[name] for name in ("SPY", "SPX", "GLD")} == {
            "SPY": "most traded ETFs and indices",
            "SPX": "most traded ETFs and indices; mine.txt",
            "GLD": "mine.txt",
        }
        assert built.missing["BRKB"].endswith("does not know it (it is not in the answer) (did you mean BRK/B?)")

    async def test_list_3_joined_by_others_asks_for_those_alone_that_it_does_not_have(
        self, fake_client: FakeClient, now: datetime
    ) -> None:
        listed = [Equity(symbol=name, option_tick_sizes=({},)) for name in ("AAA", "SPY")]
        asked: list[str] = []

        def equities(symbols: tuple[str, ...]) -> Collection[Equity]:
            asked.extend(symbols)
            return Collection([Equity(symbol=symbol) for symbol in symbols], requested=len(symbols))

        client: Any = fake_client(active_equities=Listing(listed), equities=equities)
        settings = replace(Settings(), universe="3,4")
        built = await build_universe(client, settings, previous=None, now=now, progress=no_progress)
        assert asked == [name for name in TRADED if name != "SPY"]
        assert built.frame.lazy().collect().height == 10

    async def test_list_3_is_every_active_equity_with_options(self, fake_client: FakeClient, now: datetime) -> None:
        ticks = ({"value": "0.01"},)
        client: Any = fake_client(
            active_equities=[
                Equity(symbol="AAA", option_tick_sizes=ticks),
                Equity(symbol="NOOPT"),
                Equity(symbol="CLOSING", option_tick_sizes=ticks, is_options_closing_only=True),
            ]
        )
        settings = replace(Settings(), universe="3")
        built = await build_universe(client, settings, previous=None, now=now, progress=no_progress)
        assert one_row(built.frame.lazy().collect())["symbol"] == "AAA"
        assert built.statistics["membership"] == "active optionable equities"

    async def test_rows_of_list_3_that_cannot_be_read_are_missing_and_an_empty_list_is_an_error(
        self, fake_client: FakeClient, now: datetime
    ) -> None:
        optionable = [Equity(symbol="AAA", option_tick_sizes=({},)), Equity(symbol="BBB", option_tick_sizes=({},))]
        client: Any = fake_client(active_equities=Listing(optionable, rejected=[("row 7", "breaks its contract")]))
        settings = replace(Settings(), universe="3", min_coverage=0.5)
        built = await build_universe(client, settings, previous=None, now=now, progress=no_progress)
        assert (built.missing, built.statistics["coverage"]) == ({"row 7": "breaks its contract"}, 1 - 1 / 3)
        client = fake_client(active_equities=Listing([Equity(symbol="AAA")]))
        with pytest.raises(DataError, match="the list of active equities has none with options"):
            await build_universe(client, settings, previous=None, now=now, progress=no_progress)

    async def test_a_file_is_a_list_under_its_name_and_what_the_broker_does_not_know_is_missing(
        self, fake_client: FakeClient, universe_rows: Callable[..., pl.DataFrame], tmp_path: Path, now: datetime
    ) -> None:
        path = tmp_path / "mine.txt"
        path.write_text("AAPL  # apple\n\nBRK.B\nGONE\nNEVER\n")
        asked: list[tuple[str, ...]] = []

        def equities(symbols: tuple[str, ...]) -> Collection[Equity]:
            asked.append(tuple(symbols))
            rows = [Equity(symbol="AAPL", is_etf=False), Equity(symbol="BRK/B", streamer_symbol="BRK/B", active=False)]
            return Collection(rows, {"GONE": "unknown", "NEVER": "unknown"}, requested=4)

        settings = replace(Settings(), universe=str(path), min_coverage=0.5)
        previous = universe_rows("GONE", "OTHER").with_columns(fetched_at=pl.lit(YESTERDAY))
        client: Any = fake_client(equities=equities)
        built = await build_universe(client, settings, previous=previous.lazy(), now=now, progress=no_progress)
        frame = built.frame.lazy().collect().sort("symbol")
        assert asked == [("AAPL", "BRK/B", "GONE", "NEVER")]
        assert frame["symbol"].to_list() == ["AAPL", "BRK/B", "GONE"]
        assert frame["is_active"].to_list() == [None, False, True]
        assert frame["fetched_at"].to_list() == [now, now, YESTERDAY]
        assert frame["membership"].to_list()[:2] == ["mine.txt"] * 2
        assert built.statistics["rows_carried_over"] == 1

    def test_the_streamer_symbol_is_the_symbol_unless_the_broker_says_otherwise(self, now: datetime) -> None:
        frame = universe_frame(
            [Equity(symbol="AAPL"), Equity(symbol="BRK/B", streamer_symbol="BRK.B")],
            membership={"AAPL": "m", "BRK/B": "m"},
            fetched_at=now,
        )
        assert frame["streamer_symbol"].to_list() == ["AAPL", "BRK.B"]


class TestMarketMetrics:
    def test_what_the_payload_states_in_percentage_points_becomes_a_fraction(
        self, universe_rows: Callable[..., pl.DataFrame], now: datetime
    ) -> None:
        metrics = MarketMetrics(
            symbol="AAPL",
            implied_volatility_index=0.2716,
            implied_volatility_30_day=27.16,
            historical_volatility_30_day=19.5,
            historical_volatility_60_day=20.0,
            historical_volatility_90_day=21.0,
            iv_hv_30_day_difference=7.66,
            market_cap=3.5e12 + 0.4,
            earnings=Earnings(expected_report_date=date(2027, 1, 28), time_of_day="AMC", estimated=True),
        )
        row = one_row(symbols_frame([metrics], universe_rows("AAPL"), fetched_at=now))
        assert row["implied_volatility_index"] == 0.2716
        assert row["implied_volatility_30_day"] == pytest.approx(0.2716)
        assert row["historical_volatility_30_day"] == pytest.approx(0.195)
        assert row["historical_volatility_60_day"] == pytest.approx(0.20)
        assert row["historical_volatility_90_day"] == pytest.approx(0.21)
        assert row["iv_hv_30_day_difference"] == pytest.approx(0.0766)
        assert row["market_cap"] == 3_500_000_000_000
        assert (row["earnings_date"], row["is_earnings_date_estimated"]) == (date(2027, 1, 28), True)
        assert row["description"] == "AAPL Inc"

    def test_a_symbol_without_metrics_is_there_with_nulls(
        self, universe_rows: Callable[..., pl.DataFrame], now: datetime
    ) -> None:
        row = one_row(symbols_frame([], universe_rows("NEW"), fetched_at=now))
        assert (row["symbol"], row["source"], row["implied_volatility_index"]) == ("NEW", "universe", None)

    async def test_metrics_that_fail_keep_the_last_known_row(
        self, fake_client: FakeClient, universe_rows: Callable[..., pl.DataFrame], now: datetime
    ) -> None:
        universe = universe_rows("AAA", "BBB", "CCC")
        previous = symbols_frame(
            [MarketMetrics(symbol=symbol, beta=0.5) for symbol in ("AAA", "BBB", "OLD")],
            universe_rows("AAA", "BBB", "OLD"),
            fetched_at=YESTERDAY,
        )
        client: Any = fake_client(
            market_metrics=Collection(
                [MarketMetrics(symbol="AAA", beta=1.5)], {"BBB": "HTTP 500", "CCC": "HTTP 500"}, requested=3
            )
        )
        built = await build_symbols(
            client, universe, previous=previous.lazy(), now=now, min_coverage=0.3, progress=no_progress
        )
        frame = built.frame.lazy().collect().sort("symbol")
        assert frame["symbol"].to_list() == ["AAA", "BBB", "CCC"]
        assert frame["beta"].to_list() == [1.5, 0.5, None]
        assert frame["fetched_at"].to_list() == [now, YESTERDAY, now]
        assert built.statistics["rows_carried_over"] == 1

    def test_an_expiration_that_is_listed_once_per_root_is_one_row(self, now: datetime) -> None:
        friday = date(2026, 12, 18)
        twice = [
            ExpirationVolatility(expiration_date=friday, implied_volatility=0.2, settlement_type="PM"),
            ExpirationVolatility(expiration_date=friday, implied_volatility=0.2, settlement_type="PM"),
            ExpirationVolatility(expiration_date=friday, implied_volatility=0.3, settlement_type="AM"),
        ]
        metrics = MarketMetrics(symbol="SPX", option_expiration_implied_volatilities=tuple(twice))
        frame = implied_volatility_frame([metrics], fetched_at=now).sort("settlement_type")
        assert frame.select("settlement_type", "implied_volatility").rows() == [("AM", 0.3), ("PM", 0.2)]

    async def test_implied_volatilities_that_fail_keep_their_last_known_rows(
        self, fake_client: FakeClient, universe_rows: Callable[..., pl.DataFrame], now: datetime
    ) -> None:
        def metrics(symbol: str) -> MarketMetrics:
            volatility = ExpirationVolatility(expiration_date=date(2026, 12, 18), implied_volatility=0.2)
            return MarketMetrics(symbol=symbol, option_expiration_implied_volatilities=(volatility,))

        previous = implied_volatility_frame([metrics("AAA"), metrics("BBB")], fetched_at=YESTERDAY)
        client: Any = fake_client(
            market_metrics=Collection([metrics("AAA"), MarketMetrics(symbol="CCC")], {"BBB": "HTTP 500"}, requested=3)
        )
        built = await build_implied_volatility(
            client,
            universe_rows("AAA", "BBB", "CCC"),
            previous=previous.lazy(),
            now=now,
            min_coverage=0.5,
            progress=no_progress,
        )
        frame = built.frame.lazy().collect().sort("symbol")
        assert frame.select("symbol", "fetched_at").rows() == [("AAA", now), ("BBB", YESTERDAY)]
        assert built.statistics == {
            "coverage": 1 - 1 / 3,
            "symbols_without_options": 1,
            "rows_carried_over": 1,
            "rows_rejected": 0,
        }

    async def test_volatilities_that_vanish_before_their_expiration_stay_and_are_named(
        self, fake_client: FakeClient, universe_rows: Callable[..., pl.DataFrame], now: datetime
    ) -> None:
        past, today = date(2019, 1, 18), now.astimezone(NEW_YORK).date()
        near, far = today + timedelta(days=14), today + timedelta(days=42)

        def metrics(symbol: str, *listed: tuple[date, float | None]) -> MarketMetrics:
            entries = [ExpirationVolatility(expiration_date=day, implied_volatility=each) for day, each in listed]
            return MarketMetrics(symbol=symbol, option_expiration_implied_volatilities=tuple(entries))

        stored = [
            metrics("ALL", (near, 0.2), (far, 0.2)),
            metrics("ONE", (near, 0.2), (far, 0.2)),
            metrics("PAST", (near, 0.2)),
            metrics("GONE", (today, 0.2), (near, None)),
            metrics("SAME", (near, 0.2), (far, None)),
        ]
        previous = implied_volatility_frame(stored, fetched_at=YESTERDAY)
        came = [
            metrics("ALL", (near, 0.0), (far, -1.0)),
            metrics("ONE", (near, 0.3)),
            metrics("PAST", (past, 0.4)),
            # Its one volatility was of an expiration that is over, and another has never had one.
            metrics("GONE", (near, None)),
            metrics("SAME", (near, 0.2), (near, 0.2), (near, 0.5), (far, -0.5)),
        ]
        client: Any = fake_client(market_metrics=Collection(came, requested=5))
        universe = universe_rows("ALL", "ONE", "PAST", "GONE", "SAME")

        async def build(least: float) -> Any:
            return await build_implied_volatility(
                client, universe, previous=previous.lazy(), now=now, min_coverage=least, progress=no_progress
            )

        built = await build(0.6)
        columns = ("symbol", "expiration_date", "implied_volatility", "fetched_at")
        assert built.frame.lazy().collect().sort("symbol", "expiration_date").select(columns).rows() == [
            ("ALL", near, 0.2, YESTERDAY),
            ("ALL", far, 0.2, YESTERDAY),
            ("GONE", near, None, now),
            ("ONE", near, 0.3, now),
            ("ONE", far, 0.2, YESTERDAY),
            ("PAST", near, 0.2, YESTERDAY),
            ("SAME", near, 0.2, now),
            ("SAME", far, None, now),
        ]
        assert built.missing == {
            "ALL": "no implied volatility came, and stored ones are still ahead",
            "PAST": "no expiration came, and stored ones are still ahead",
            "ONE": f"1 of the stored volatilities ahead did not come and stay as they were: {far}",
        }
        name = "option-expiration-implied-volatilities[]"
        lost = {key: value for key, value in built.statistics.items() if key.startswith("lost ")}
        assert lost == {
            f"lost {name}": 1,
            f"lost {name}.expiration-date": 1,
            f"lost {name}.implied-volatility": 1,
        }
        with pytest.raises(CoverageError, match="2 of 5 are missing"):
            await build(0.7)


class TestCarryOver:
    def test_only_what_is_missing_and_did_not_come_is_taken_from_the_stored_rows(self) -> None:
        fresh = pl.DataFrame({"symbol": ["AAA", "BBB"], "value": [1, 2]})
        previous = pl.DataFrame({"value": [10, 20, 30], "symbol": ["AAA", "CCC", "DDD"]}).lazy()
        frame = carry_over(fresh, previous, {"AAA": "one of its rows", "CCC": "HTTP 500"})
        assert frame.rows() == [("AAA", 1), ("BBB", 2), ("CCC", 20)]

    @pytest.mark.parametrize("missing", [{}, {"BBB": "HTTP 500"}])
    def test_without_stored_rows_or_missing_subjects_nothing_is_added(self, missing: dict[str, str]) -> None:
        fresh = pl.DataFrame({"symbol": ["AAA"]})
        assert carry_over(fresh, None if missing else fresh.lazy(), missing).equals(fresh)
