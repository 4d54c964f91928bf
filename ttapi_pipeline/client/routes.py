# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The endpoints that we call: path template, family, and the writing of symbols into a URL.

Endpoints of a family fail together, so breakers, rate limits and pauses are kept per family. Logs and errors show the
template, because a real path may hold an account number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from string import Formatter
from typing import Final
from urllib.parse import quote, urlencode

from yarl import URL

Query = Sequence[tuple[str, str]]

UNKNOWN_SYMBOL: Final = "tastytrade does not know it (it is not in the answer)"
"""The end of the reason for a symbol that was asked for and is not in an answer."""


class Family(StrEnum):
    """Groups of endpoints; one service behind the broker's gateway answers each group."""

    OAUTH = "oauth"
    CUSTOMERS = "customers"
    ACCOUNTS = "accounts"
    INSTRUMENTS = "instruments"
    OPTION_CHAINS = "option-chains"
    MARKET_METRICS = "market-metrics"
    MARKET_DATA = "market-data"
    MARKET_TIME = "market-time"
    WATCHLISTS = "public-watchlists"
    QUOTE_TOKENS = "api-quote-tokens"


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint. `template` holds its variable segments in braces."""

    family: Family
    template: str
    method: str = "GET"

    @property
    def subject(self) -> str:
        """The name in errors and logs, such as ``GET /option-chains/{symbol}/nested``."""
        return f"{self.method} {self.template}"

    def url(self, base: str, *, query: Query = (), **segments: str) -> URL:
        """The URL, with every segment percent-encoded: ``/`` becomes ``%2F``, a space ``%20``.

        Raises:
            ValueError: A segment is empty, ``.`` or ``..``, and would change the path.
        """
        for _, name, _, _ in Formatter().parse(self.template):
            if name is not None and segments[name] in {"", ".", ".."}:
                raise ValueError(f"{self.subject}: {name} is {segments[name]!r}")
        path = self.template.format_map({name: quote(value, safe="") for name, value in segments.items()})
        text = urlencode(query, quote_via=quote, safe="")
        # The server routes by the raw path, so yarl must not decode and encode it again.
        return URL(f"{base}{path}?{text}" if text else f"{base}{path}", encoded=True)


OAUTH_TOKEN: Final = Route(Family.OAUTH, "/oauth/token", "POST")
CUSTOMER_ACCOUNTS: Final = Route(Family.CUSTOMERS, "/customers/me/accounts")
BALANCE: Final = Route(Family.ACCOUNTS, "/accounts/{account_number}/balances/{currency}")
EQUITIES: Final = Route(Family.INSTRUMENTS, "/instruments/equities")
ACTIVE_EQUITIES: Final = Route(Family.INSTRUMENTS, "/instruments/equities/active")
NESTED_OPTION_CHAIN: Final = Route(Family.OPTION_CHAINS, "/option-chains/{symbol}/nested")
MARKET_METRICS: Final = Route(Family.MARKET_METRICS, "/market-metrics")
MARKET_DATA_BY_TYPE: Final = Route(Family.MARKET_DATA, "/market-data/by-type")
MARKET_SESSIONS: Final = Route(Family.MARKET_TIME, "/market-time/sessions")
MARKET_HOLIDAYS: Final = Route(Family.MARKET_TIME, "/market-time/equities/holidays")
PUBLIC_WATCHLIST: Final = Route(Family.WATCHLISTS, "/public-watchlists/{name}")
QUOTE_TOKEN: Final = Route(Family.QUOTE_TOKENS, "/api-quote-tokens")
