# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""JSON that means harm: true documents of the REST API with harm done to them, and harm from scratch.

Everything is drawn from a `random.Random`, so that a seed repeats it.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from typing import Any, Final

DOCUMENTS: Final[Mapping[str, Any]] = {
    "/oauth/token": {"access_token": "canary-access-token-1", "token_type": "Bearer", "expires_in": 900},
    "/customers/me/accounts": {
        "data": {"items": [{"account": {"account-number": "5WT00001", "is-closed": False}, "authority-level": "owner"}]}
    },
    "/accounts/5WT00001/balances/USD": {
        "data": {"account-number": "5WT00001", "currency": "USD", "cash-balance": "1.5", "pending-cash-effect": "None"}
    },
    "/instruments/equities": {
        "data": {"items": [{"symbol": "AAPL", "description": "Apple", "is-etf": False}, {"symbol": "KO"}]}
    },
    "/instruments/equities/active": {
        "data": {"items": [{"symbol": "AAPL", "option-tick-sizes": [{"value": "0.01"}]}]},
        "pagination": {"page-offset": 0, "total-pages": 1, "per-page": 5000, "total-items": 1},
    },
    "/option-chains/AAPL/nested": {
        "data": {
            "items": [
                {
                    "root-symbol": "AAPL",
                    "underlying-symbol": "AAPL",
                    "shares-per-contract": 100,
                    "expirations": [
                        {
                            "expiration-date": "2026-12-18",
                            "settlement-type": "PM",
                            "strikes": [{"strike-price": "150.0"}, {"strike-price": "155.0"}],
                        }
                    ],
                }
            ]
        }
    },
    "/market-metrics": {
        "data": {
            "items": [
                {
                    "symbol": "AAPL",
                    "beta": "1.2",
                    "liquidity-rating": 4,
                    "updated-at": "2026-11-20T20:54:11Z",
                    "earnings": {"visible": True, "expected-report-date": "2027-01-28"},
                    "option-expiration-implied-volatilities": [
                        {"expiration-date": "2026-12-18", "settlement-type": "PM", "implied-volatility": "0.3"}
                    ],
                },
                {"symbol": "KO", "beta": 0.5},
            ]
        }
    },
    "/market-data/by-type": {"data": {"items": [{"symbol": "AAPL", "bid": 1.0, "summary-date": "2026-11-20"}]}},
    "/market-time/sessions": {
        "data": {
            "items": [
                {
                    "session-date": "2026-11-20",
                    "open-at": "2026-11-20T14:30:00Z",
                    "close-at": "2026-11-20T21:00:00Z",
                }
            ]
        }
    },
    "/market-time/equities/holidays": {"data": {"market-holidays": ["2026-12-25"], "market-half-days": ["2026-11-27"]}},
    "/public-watchlists/S%26P%20500": {"data": {"name": "S&P 500", "watchlist-entries": [{"symbol": "AAPL"}]}},
    "/api-quote-tokens": {"data": {"token": "canary-quote-token", "dxlink-url": "wss://example.com/", "level": "api"}},
}
"""A true answer for each raw path that the suite asks."""

EVIL_TEXTS: Final = (
    "\x1b[2J\x1b]0;owned\x07",
    "one\nINFO another line",
    "\r\rhidden",
    "\u202egnp.exe",
    "\u2066\u2069\u200b\ufeff",
    "\x00\x9b31m",
    "\u2028\u2029\x85",
    "=HYPERLINK()",
    "x" * 10_000,
    "../../etc/passwd",
    "%s%n{0}{secret}",
    "\U0001f4a9",
)

# As they stand in JSON: most are no Python values, or come out otherwise.
EVIL_TOKENS: Final = (
    *("NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1e-999", "-0", "-0.0", "00", "1.", "+1", "0x10"),
    *("9" * 20, "9" * 400, "9" * 5_000, f"-{'9' * 30}", "1e308", "1.7976931348623159e308", "true", "false", "null"),
    *('"NaN"', '"1e999"', '"\\ud800"', '"\\u0000"', '"\\u001b[31m"', '""', "{}", "[]", "[[]]", '{"":{"":0}}'),
    *('"9999-12-31"', '"0000-00-00"', '"-0001-01-01"', '"0001-01-01T00:00:00+23:59"', '"9999-12-31T23:59:59-23:59"'),
    *('"2026-02-30"', '"24:00"', "1e18", "-1", "1.5", "-9223372036854775808", "18446744073709551616"),
)

_MARK: Final = "@@harm@@"


def valid(path: str) -> bytes:
    """The true answer of a path."""
    return json.dumps(DOCUMENTS.get(path, {"data": {}})).encode()


def harmed(path: str, chance: random.Random, said: str) -> bytes:
    """A true answer with harm in it, or harm without one.

    Args:
        path: Raw path of the request.
        chance: Decides.
        said: What the client said, secrets included, to be said back.
    """
    return chance.choice(_HARMS)(path, chance, said)


def _one_value(path: str, chance: random.Random, _: str) -> bytes:
    return other_values(json.loads(valid(path)), chance)


def other_values(document: Any, chance: random.Random) -> bytes:
    """The document as JSON, in which one to four values, at any level, are something else."""
    tokens = [
        chance.choice([*EVIL_TOKENS, *(json.dumps(text) for text in EVIL_TEXTS)]) for _ in range(chance.randint(1, 4))
    ]
    for number in range(len(tokens)):
        document = _replaced(document, chance, f"{_MARK}{number}{_MARK}")
    text = json.dumps(document)
    for number, token in enumerate(tokens):
        text = text.replace(f'"{_MARK}{number}{_MARK}"', token)
    return text.encode("utf-8", errors="surrogatepass")


def _said_back(path: str, chance: random.Random, said: str) -> bytes:
    """What the client said, in one to three places of a true answer."""
    document = json.loads(valid(path))
    for _each in range(chance.randint(1, 3)):
        document = _replaced(document, chance, said)
    return json.dumps(document).encode()


def _said_back_as_an_error(_: str, chance: random.Random, said: str) -> bytes:
    forms: list[object] = [
        {"error": {"code": said, "message": said, "errors": [{"domain": said, "reason": said}]}},
        {"error": said, "error_description": said},
        {"error_code": said, "error_message": said},
        {said: [said]},
        said,
    ]
    return chance.choice([json.dumps(chance.choice(forms)), f"<title>{said}</title>", said]).encode()


def _deep(path: str, chance: random.Random, _: str) -> bytes:
    depth = chance.choice([10, 300, 900, 2_000, 100_000])
    opening, closing = chance.choice([(b"[", b"]"), (b'{"data":', b"}"), (b'{"items":[', b"]}")])
    deep = opening * depth + b"0" + closing * depth
    if chance.random() < 0.5:
        return deep
    text = json.dumps(_replaced(json.loads(valid(path)), chance, _MARK))
    return text.encode().replace(f'"{_MARK}"'.encode(), deep)


def _deep_error(_: str, chance: random.Random, __: str) -> bytes:
    depth = chance.choice([200, 600, 900, 50_000])
    return b'{"error":{"code":"x","message":' + b"[" * depth + b"]" * depth + b"}}"


def _twice(path: str, chance: random.Random, _: str) -> bytes:
    """Every key comes again, with another value."""
    text = valid(path).decode()
    return text.replace("{", '{"data":' + chance.choice(EVIL_TOKENS) + ",", chance.randint(1, 3)).encode()


def _other_bytes(path: str, chance: random.Random, _: str) -> bytes:
    body = bytearray(valid(path))
    for _each in range(chance.randint(1, 20)):
        body[chance.randrange(len(body))] = chance.randrange(256)
    return bytes(body)


def _cut(path: str, chance: random.Random, _: str) -> bytes:
    body = valid(path)
    return body[: chance.randrange(len(body))]


def _noise(_: str, chance: random.Random, __: str) -> bytes:
    return chance.choice(
        [
            b"",
            b"\xff\xfe\x00",
            b"null",
            b"[]",
            b"{}",
            b"0",
            b'""',
            b"\xef\xbb\xbf{}",
            b"<html>" + b"<p>" * 5_000,
            "".join(EVIL_TEXTS).encode(),
            chance.randbytes(chance.randrange(2_000)),
            json.dumps(
                {"error": {"code": text, "message": text}} if (text := chance.choice(EVIL_TEXTS)) else 0
            ).encode(),
        ]
    )


def _pages(path: str, chance: random.Random, _: str) -> bytes:
    document = json.loads(valid(path))
    if isinstance(document, dict):
        document["pagination"] = {
            "page-offset": chance.choice([0, -1, 10**9]),
            "total-pages": chance.choice([2, 10**9, 2**63, -1, "many", None, 1e300]),
        }
    return json.dumps(document).encode()


_HARMS: Final[tuple[Callable[[str, random.Random, str], bytes], ...]] = (
    *(_one_value, _one_value, _one_value, _said_back, _said_back, _said_back_as_an_error, _deep, _deep_error),
    *(_twice, _other_bytes, _cut, _noise, _pages),
)


def _replaced(document: Any, chance: random.Random, value: object) -> Any:
    """The document with one of its nodes, at any level, replaced."""
    if not isinstance(document, dict | list) or not document or chance.random() < 0.15:
        return value
    if isinstance(document, dict):
        key = chance.choice(list(document))
        return {**document, key: _replaced(document[key], chance, value)}
    at = chance.randrange(len(document))
    return [*document[:at], _replaced(document[at], chance, value), *document[at + 1 :]]
