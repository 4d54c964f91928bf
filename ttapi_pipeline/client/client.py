# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The endpoints that the datasets need, one method each.

Sending one request is in `requester`, collecting many in `collect`, the fields of rows in `models`.
"""

from __future__ import annotations

import dataclasses
import logging
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from types import TracebackType
from typing import Final, Protocol, Self, TypeVar

import msgspec

from ttapi_pipeline.client import routes
from ttapi_pipeline.client.breakers import Breakers
from ttapi_pipeline.client.collect import Fetched, batches_of, collect, splitting, unique
from ttapi_pipeline.client.holidays import decode_holidays
from ttapi_pipeline.client.limits import BROKER_RATES, UNLIMITED, Rate
from ttapi_pipeline.client.listing import Listing, SessionListing, Window
from ttapi_pipeline.client.models import (
    Account,
    Balance,
    Equity,
    MarketData,
    MarketHolidays,
    MarketMetrics,
    MarketSession,
    OptionChain,
    OptionRoot,
    QuoteToken,
    Row,
    Watchlist,
)
from ttapi_pipeline.client.oauth import Credentials, TokenStore
from ttapi_pipeline.client.payloads import REPEATED_ROW, Page, list_decoder, lost_in, single_decoder
from ttapi_pipeline.client.quote_tokens import decode_quote_token
from ttapi_pipeline.client.requester import ClientStats, Requester
from ttapi_pipeline.client.retries import RetryBudget, RetryPolicy
from ttapi_pipeline.client.routes import Family, Route
from ttapi_pipeline.client.transport import TransportOptions
from ttapi_pipeline.core.clock import SYSTEM_CLOCK, Clock
from ttapi_pipeline.core.collection import Collection, ProgressCallback, no_progress
from ttapi_pipeline.core.errors import ConfigError, HttpError, PayloadError
from ttapi_pipeline.core.lines import shortened
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.core.shared_state import StatePlace

SYMBOLS_PER_REQUEST: Final = 50
"""No maximum is documented. 50 keep the URL under 2 kB, and a batch that fails is no great loss."""

SNAPSHOTS_PER_REQUEST: Final = 100
"""The documented maximum, for all instrument types together."""

ACTIVE_EQUITIES_PER_PAGE: Final = 5000
"""The documented maximum."""

MOST_PAGES: Final = 200
"""The most pages of the active equities: some 12,000 take three, or 48 of a server that gives 250 rows at most."""

SESSION_WINDOW: Final = timedelta(days=270)
"""`/market-time/sessions` answers for at most nine months, and nine months never have fewer days than this."""

_LOGGER: Final = logging.getLogger(__name__)


class _AccountItem(Row, frozen=True):
    account: Account
    authority_level: str | None = None


class _HasSymbol(Protocol):
    @property
    def symbol(self) -> str: ...

    @property
    def lost_fields(self) -> tuple[str, ...]: ...


S = TypeVar("S", bound=_HasSymbol)
R = TypeVar("R", bound=Row)

_accounts: Final = list_decoder(_AccountItem)
_balance: Final = single_decoder(Balance)
_equities: Final = list_decoder(Equity)
_market_metrics: Final = list_decoder(MarketMetrics)
_market_data: Final = list_decoder(MarketData)
_option_roots: Final = list_decoder(OptionRoot)
_sessions: Final = list_decoder(MarketSession)
_watchlist: Final = single_decoder(Watchlist)


class TastytradeClient:
    """The tastytrade API, for one event loop; use it in ``async with``.

    Every method raises ApiError (see `core.errors`) when the whole call failed. A method that collects many symbols
    raises only AuthError: it returns the rows that came, and a reason for each symbol whose row did not.

    Args:
        settings: Credentials, URL and concurrency.
        base_url: A server other than that of the settings.
        clock: For deadlines and timestamps.
        tokens: Access tokens shared with other clients of the process.
        breakers: Circuit breakers shared with other clients of the process.
        run: The run that the client works for. What refuses it once refuses the whole run, whatever process asks.
        state_dir: Where to keep refused grants and breaker states for the next process; None keeps nothing.
        rates: Requests per second, by family. By default BROKER_RATES, and no limits for a simulator.
        retry_policy: Attempts, waits and deadline of one request.
        transport_options: Timeouts, and the largest answer.
        rng: Source of jitter and request ids.

    Raises:
        ConfigError: There is no URL.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        base_url: str | None = None,
        clock: Clock = SYSTEM_CLOCK,
        tokens: TokenStore | None = None,
        breakers: Breakers | None = None,
        run: str | None = None,
        state_dir: StatePlace | None = None,
        rates: Mapping[Family, Rate] | None = None,
        retry_policy: RetryPolicy | None = None,
        transport_options: TransportOptions | None = None,
        rng: random.Random | None = None,
    ) -> None:
        url = base_url or settings.api_url
        if url is None:
            raise ConfigError("TT_API_URL is not set, and no simulator was started: there is no API to talk to")
        self._settings = settings
        self._workers = settings.max_concurrency
        self._breakers = breakers or Breakers(clock=clock, server=url.rstrip("/"), state_dir=state_dir)
        self._requester = Requester(
            Credentials(url.rstrip("/"), settings.client_secret, settings.refresh_token),
            slots=settings.max_concurrency,
            rates=rates if rates is not None else UNLIMITED if settings.is_simulated else BROKER_RATES,
            retry_policy=retry_policy or RetryPolicy(),
            transport_options=transport_options or TransportOptions(),
            tokens=tokens or TokenStore(),
            breakers=self._breakers,
            clock=clock,
            rng=rng or random.Random(),  # noqa: S311 - spreads retries, guards nothing
            run=run,
            state_dir=state_dir,
        )

    async def __aenter__(self) -> Self:
        await self._requester.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._requester.close()

    @property
    def stats(self) -> ClientStats:
        """A copy of the counts of this client so far."""
        return dataclasses.replace(self._requester.stats)

    @property
    def breakers(self) -> Breakers:
        """The circuit breakers that this client goes through."""
        return self._breakers

    def report(self) -> Mapping[str, int | str]:
        """The stats, and every breaker that is not closed, as plain values for metadata and logs."""
        states = self._breakers.states()
        waiting = {family: state for family, state in states.items() if state.state != "closed"}
        said = ", ".join(f"{family} {state.state} ({state.last_failure})" for family, state in waiting.items())
        return {**dataclasses.asdict(self._requester.stats), "circuit_breakers": said or "all closed"}

    @property
    def is_simulated(self) -> bool:
        """Whether an answer said that its data are simulated."""
        return self._requester.is_simulated

    async def accounts(self) -> Listing[Account]:
        """The accounts that the user may read, including closed ones, in the server's order."""
        page = await self._requester.get(routes.CUSTOMER_ACCOUNTS, _accounts)
        rows = _kept(page, routes.CUSTOMER_ACCOUNTS)
        self._requester.keep_private(item.account.account_number for item in rows)
        return Listing((_with_authority(item) for item in rows), rejected=[*page.rejected, *page.unread])

    async def balance(self, account_number: str, currency: str = "USD") -> Balance:
        """An account's balance in one currency."""
        return await self._requester.get(routes.BALANCE, _balance, account_number=account_number, currency=currency)

    async def market_metrics(
        self, symbols: Sequence[str], progress: ProgressCallback = no_progress
    ) -> Collection[MarketMetrics]:
        """Metrics of the symbols, one row each. Symbols that tastytrade does not know are missing."""
        return await self._by_symbol(
            routes.MARKET_METRICS,
            _market_metrics,
            symbols,
            # Unlike all other list parameters, this one is a single value joined by commas.
            query=lambda batch: [("symbols", ",".join(batch))],
            progress=progress,
        )

    async def market_data(
        self, symbols: Sequence[str], *, indices: frozenset[str] = frozenset(), progress: ProgressCallback = no_progress
    ) -> Collection[MarketData]:
        """Snapshots of equities and indices, one row each. Symbols that tastytrade does not know are missing.

        Args:
            symbols: Equities and indices.
            indices: Those of `symbols` that are indices, since they are asked for under another parameter.
            progress: Told after every request how many symbols are done.
        """
        return await self._by_symbol(
            routes.MARKET_DATA_BY_TYPE,
            _market_data,
            symbols,
            # Public clients write this list in three ways. A repeated key without brackets is known to work.
            query=lambda batch: [("index" if symbol in indices else "equity", symbol) for symbol in batch],
            progress=progress,
            per_request=SNAPSHOTS_PER_REQUEST,
        )

    async def equities(self, symbols: Sequence[str], progress: ProgressCallback = no_progress) -> Collection[Equity]:
        """Equities, ETFs and indices, one row per symbol. Symbols that tastytrade does not know are missing."""
        return await self._by_symbol(
            routes.EQUITIES,
            _equities,
            symbols,
            query=lambda batch: [("symbol[]", symbol) for symbol in batch],
            progress=progress,
        )

    async def active_equities(self, progress: ProgressCallback = no_progress) -> Listing[Equity]:
        """Every equity that trades, one row per symbol, in the server's order: about 12,000 rows."""
        found: dict[str, Equity] = {}
        rejected: list[tuple[str, str]] = []
        offset = 0
        while True:
            page = await self._requester.get(
                routes.ACTIVE_EQUITIES,
                _equities,
                query=[("page-offset", str(offset)), ("per-page", str(ACTIVE_EQUITIES_PER_PAGE))],
            )
            before = len(found)
            # While the list changes, a row may move to the next page and come twice.
            for row in _kept(page, routes.ACTIVE_EQUITIES):
                found.setdefault(row.symbol, row)
            rejected += page.rejected
            pages = page.pagination.total_pages if page.pagination is not None else 1
            if page.pagination is not None and page.pagination.lost_fields:
                # Nobody knows how many there are, so pages are asked for until one brings nothing new.
                pages = max(pages, offset + 2)
            progress(min(offset + 1, pages), pages)
            # A page without a new row means that the server ignores the offset: stop instead of looping.
            if offset + 1 >= pages or len(found) == before:
                return Listing(found.values(), rejected=rejected)
            offset += 1
            if offset >= MOST_PAGES:
                raise PayloadError(
                    f"{routes.ACTIVE_EQUITIES.subject}: {MOST_PAGES} pages are read, and there are said to be {pages:,}"
                )

    async def nested_option_chains(
        self, symbols: Sequence[str], progress: ProgressCallback = no_progress
    ) -> Collection[OptionChain]:
        """Option chains of the underlyings, one row each. Symbols without options are in `empty`.

        An underlying is missing altogether when one of its roots, or all expirations of a root, cannot be read.
        """
        wanted = unique(symbols)
        budget = RetryBudget.for_requests(len(wanted))

        async def fetch(batch: Sequence[str]) -> Fetched[OptionChain]:
            (symbol,) = batch
            try:
                page = await self._requester.get(
                    routes.NESTED_OPTION_CHAIN, _option_roots, budget=budget, symbol=symbol
                )
            except HttpError as error:
                if error.status != 404:
                    raise
                return Fetched(empty={symbol})
            incomplete = [*page.rejected, *page.unread]
            if incomplete:
                # A chain that lacks one of its roots would look complete.
                rejected = [(symbol, reason) for _, reason in incomplete]
                return Fetched(missing={symbol: rejected[0][1]}, rejected=rejected)
            if not page.rows:
                return Fetched(empty={symbol})
            others = {root.underlying_symbol for root in page.rows} - {None, symbol}
            if others:
                named = shortened(", ".join(sorted(str(other) for other in others)))
                return Fetched(missing={symbol: f"{routes.NESTED_OPTION_CHAIN.subject}: the answer is of {named}"})
            if any("expirations" in root.lost_fields for root in page.rows):
                return Fetched(missing={symbol: f"{routes.NESTED_OPTION_CHAIN.subject}: expirations cannot be read"})
            return Fetched(rows=[OptionChain(symbol, tuple(page.rows))], lost=lost_in(page.rows))

        return await collect(batches_of(wanted, 1), fetch, workers=self._workers, progress=progress)

    async def public_watchlist(self, name: str) -> Watchlist:
        """One of the broker's public lists, such as ``S&P 500``."""
        return await self._requester.get(routes.PUBLIC_WATCHLIST, _watchlist, name=name)

    async def market_sessions(self, first: date, last: date) -> SessionListing:
        """Equity sessions from `first` to `last`, both included, ascending, and how each window was answered."""
        found: dict[date, MarketSession] = {}
        windows: list[Window] = []
        rejected: list[tuple[str, str]] = []
        start = first
        while start <= last:
            end = min(start + SESSION_WINDOW, last)
            page = await self._requester.get(
                routes.MARKET_SESSIONS,
                _sessions,
                query=[
                    ("from-date", start.isoformat()),
                    ("to-date", end.isoformat()),
                    ("instrument-collection", "Equity"),
                ],
            )
            kept = _kept(page, routes.MARKET_SESSIONS)
            named = {row.session_date: row for row in kept if start <= row.session_date <= end}
            windows.append(Window(start, end, named=len(named), unread=len(page.rejected)))
            rejected += [(f"{start} to {end}, {name}", reason) for name, reason in page.rejected]
            found.update(named)
            start = end + timedelta(days=1)
        return SessionListing([found[day] for day in sorted(found)], rejected=rejected, windows=windows)

    async def market_holidays(self) -> MarketHolidays:
        """Equity holidays and half days that the broker has announced, ascending.

        Raises:
            PayloadError: The answer has neither list, which is not the same as having no holidays.
        """
        return await self._requester.get(routes.MARKET_HOLIDAYS, decode_holidays)

    async def quote_token(self) -> QuoteToken:
        """A new token for DXLink, with the URL of its server.

        Raises:
            PayloadError: The answer has no token, or no URL of a WebSocket.
            ConfigError: The server is another machine, the URL is not encrypted, and the settings do not allow that.
        """
        token = await self._requester.get(routes.QUOTE_TOKEN, decode_quote_token)
        self._requester.keep_private([token.token])
        self._settings.check_encryption(token.url, named_by="the server of the quote token")
        return token

    async def _by_symbol(
        self,
        route: Route,
        decode: Callable[[bytes, str], Page[S]],
        symbols: Sequence[str],
        *,
        query: Callable[[Sequence[str]], routes.Query],
        progress: ProgressCallback,
        per_request: int = SYMBOLS_PER_REQUEST,
    ) -> Collection[S]:
        batches = batches_of(unique(symbols), per_request)
        budget = RetryBudget.for_requests(len(batches))

        async def fetch(batch: Sequence[str]) -> Fetched[S]:
            page = await self._requester.get(route, decode, query=query(batch), budget=budget)
            found: dict[str, S] = {}
            for row in page.rows:
                if row.symbol in batch:
                    found.setdefault(row.symbol, row)
            broken = dict(page.rejected)
            missing = {
                symbol: broken.get(symbol, f"{route.subject}: {routes.UNKNOWN_SYMBOL}")
                for symbol in batch
                if symbol not in found
            }
            lost = Counter(name for row in found.values() for name in row.lost_fields)
            lost.update(REPEATED_ROW for row in page.rows if row != found.get(row.symbol, row))
            return Fetched(rows=list(found.values()), missing=missing, rejected=list(page.rejected), lost=lost)

        return await collect(batches, splitting(fetch), workers=self._workers, progress=progress)


def _with_authority(item: _AccountItem) -> Account:
    lost = tuple(name.removeprefix("account.") for name in item.lost_fields)
    return msgspec.structs.replace(item.account, authority_level=item.authority_level, lost_fields=lost)


def _kept(page: Page[R], route: Route) -> Sequence[R]:
    """The rows that keep their contract. The others are logged here, and the listing names them."""
    for name, reason in page.rejected[:5]:
        _LOGGER.warning("%s: %s is set aside, it %s", route.subject, name, reason)
    if len(page.rejected) > 5:
        _LOGGER.warning("%s: %d more rows are set aside", route.subject, len(page.rejected) - 5)
    return page.rows
