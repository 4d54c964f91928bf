# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Many symbols at once: batches, pages, what is missing and why, and when a collection stops early."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from ttapi_pipeline.client import BreakerPolicy, Breakers
from ttapi_pipeline.client.client import SYMBOLS_PER_REQUEST, TastytradeClient
from ttapi_pipeline.client.collect import Fetched, batches_of, collect
from ttapi_pipeline.core.collection import no_progress
from ttapi_pipeline.core.errors import AuthError, ConfigError, HttpError, PayloadError, TransportError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ttapi_pipeline_tests.support.clocks import FakeClock
    from ttapi_pipeline_tests.support.rest import ScriptedServer

    Connect = Callable[..., TastytradeClient]

METRICS = "/market-metrics"
EQUITIES = "/instruments/equities"
ACTIVE = "/instruments/equities/active"
SNAPSHOTS = "/market-data/by-type"
SESSIONS = "/market-time/sessions"
SYMBOLS = [f"S{number}" for number in range(120)]


def asked_for(request: web.Request) -> list[str]:
    pairs = parse_qsl(request.rel_url.raw_query_string)
    return [symbol for _, value in pairs for symbol in value.split(",")]


@pytest.fixture(autouse=True)
def markets(server: ScriptedServer) -> None:
    async def by_symbol(request: web.Request) -> web.StreamResponse:
        return server.items(*({"symbol": symbol} for symbol in reversed(asked_for(request)) if symbol != "NOPE"))

    async def sessions(request: web.Request) -> web.StreamResponse:
        first, last = (date.fromisoformat(request.query[name]) for name in ("from-date", "to-date"))
        # Nine months at most: docs/protocols/tastytrade.md, "Sessions and holidays".
        if (last - first).days > 274:
            return server.error(400, "too long")
        days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
        return server.items(*({"session-date": day.isoformat()} for day in days if day.weekday() < 5))

    server.answer(METRICS, by_symbol)
    server.answer(EQUITIES, by_symbol)
    server.answer(SNAPSHOTS, by_symbol)
    server.answer(SESSIONS, sessions)


async def test_metrics_come_in_batches_of_one_comma_joined_parameter(server: ScriptedServer, connect: Connect) -> None:
    seen: list[tuple[int, int]] = []
    async with connect() as client:
        collected = await client.market_metrics(
            [*SYMBOLS, "BRK/B", "S0"], progress=lambda done, total: seen.append((done, total))
        )
    assert sorted(row.symbol for row in collected.rows) == sorted([*SYMBOLS, "BRK/B"])
    assert (collected.missing, collected.requested, collected.coverage) == ({}, 121, 1.0)
    assert server.hits[METRICS] == 3
    assert max(len(dict(parse_qsl(query))["symbols"].split(",")) for query in server.queries) == SYMBOLS_PER_REQUEST
    assert any("BRK%2FB" in query for query in server.queries)
    assert (seen[-1], len(seen)) == ((121, 121), 3)


async def test_equities_come_in_batches_of_repeated_parameters(server: ScriptedServer, connect: Connect) -> None:
    async with connect() as client:
        collected = await client.equities(["AAPL", "BRK/B", "NOPE"])
    assert server.queries == ["symbol%5B%5D=AAPL&symbol%5B%5D=BRK%2FB&symbol%5B%5D=NOPE"]
    assert sorted(row.symbol for row in collected.rows) == ["AAPL", "BRK/B"]
    assert list(collected.missing) == ["NOPE"]
    assert "does not know it" in collected.missing["NOPE"]


async def test_snapshots_come_in_batches_of_a_hundred_with_indices_under_their_own_key(
    server: ScriptedServer, connect: Connect
) -> None:
    async with connect() as client:
        collected = await client.market_data(["SPX", *SYMBOLS, "BRK/B"], indices=frozenset({"SPX"}))
    assert sorted(row.symbol for row in collected.rows) == sorted(["SPX", *SYMBOLS, "BRK/B"])
    asked = [parse_qsl(query) for query in server.queries]
    assert sorted(map(len, asked)) == [22, 100]
    assert {key for pairs in asked for key, symbol in pairs if symbol == "SPX"} == {"index"}
    assert {key for pairs in asked for key, symbol in pairs if symbol != "SPX"} == {"equity"}


async def test_a_symbol_without_a_snapshot_is_missing_by_name(server: ScriptedServer, connect: Connect) -> None:
    async with connect() as client:
        collected = await client.market_data(["AAPL", "NOPE"])
    assert server.queries == ["equity=AAPL&equity=NOPE"]
    assert [row.symbol for row in collected.rows] == ["AAPL"]
    assert "tastytrade does not know it" in collected.missing["NOPE"]


async def test_no_symbols_are_no_requests(server: ScriptedServer, connect: Connect) -> None:
    async with connect() as client:
        collected = await client.market_metrics([])
    assert (collected.rows, collected.coverage, server.total()) == ([], 1.0, 0)


async def test_rows_that_nobody_asked_for_or_that_come_twice_are_dropped(
    server: ScriptedServer, connect: Connect
) -> None:
    rows = [{"symbol": "A", "beta": "1"}, {"symbol": "A", "beta": "2"}, {"symbol": "Z"}, {"beta": "x"}]
    server.once(METRICS, server.items(*rows))
    async with connect() as client:
        collected = await client.market_metrics(["A"])
    assert [(row.symbol, row.beta) for row in collected.rows] == [("A", 1.0)]
    assert collected.missing == {}
    assert len(collected.rejected) == 1


async def test_a_field_that_cannot_be_read_is_null_and_counted(server: ScriptedServer, connect: Connect) -> None:
    server.once(METRICS, server.items({"symbol": "A", "beta": "x", "lendability": "Easy"}, {"symbol": "B"}))
    async with connect() as client:
        collected = await client.market_metrics(["A", "B"])
    assert [(row.symbol, row.beta, row.lendability) for row in collected.rows] == [
        ("A", None, "Easy"),
        ("B", None, None),
    ]
    assert (collected.missing, collected.rejected, collected.lost) == ({}, [], {"beta": 1})


async def test_a_row_without_its_symbol_is_set_aside_and_stops_no_other(
    server: ScriptedServer, connect: Connect
) -> None:
    server.once(METRICS, server.items({"beta": "1"}, {"symbol": "B"}))
    async with connect() as client:
        collected = await client.market_metrics(["A", "B"])
    assert [row.symbol for row in collected.rows] == ["B"]
    assert list(collected.missing) == ["A"]
    assert [name for name, _ in collected.rejected] == ["row 1"]


@pytest.mark.parametrize("method", ["market_metrics", "equities", "market_data", "nested_option_chains"])
async def test_a_text_is_no_list_of_symbols(server: ScriptedServer, connect: Connect, method: str) -> None:
    async with connect() as client:
        with pytest.raises(TypeError, match=r"'ACMR' is a text and not a list of symbols; write \['ACMR'\]"):
            await getattr(client, method)("ACMR")
    assert server.total() == 0


async def test_one_symbol_that_the_server_refuses_costs_only_itself(server: ScriptedServer, connect: Connect) -> None:
    async def fussy(request: web.Request) -> web.StreamResponse:
        symbols = asked_for(request)
        return server.error(400, "bad") if "S33" in symbols else server.items(*({"symbol": name} for name in symbols))

    server.answer(METRICS, fussy)
    async with connect() as client:
        collected = await client.market_metrics(SYMBOLS)
    assert len(collected.rows) == 119
    assert list(collected.missing) == ["S33"]
    assert "HTTP 400" in collected.missing["S33"]


async def test_a_batch_that_fails_is_missing_with_the_true_reason(server: ScriptedServer, connect: Connect) -> None:
    async def partly(request: web.Request) -> web.StreamResponse:
        symbols = asked_for(request)
        return server.error(503, "busy") if "S60" in symbols else server.items(*({"symbol": name} for name in symbols))

    server.answer(METRICS, partly)
    async with connect() as client:
        collected = await client.market_metrics(SYMBOLS)
    assert sorted(collected.missing) == sorted(SYMBOLS[50:100])
    assert set(collected.missing.values()) == {"GET /market-metrics: HTTP 503, some_code: busy"}
    assert collected.coverage == pytest.approx(70 / 120)


async def test_a_half_of_a_refused_batch_may_fail_for_another_reason(server: ScriptedServer, connect: Connect) -> None:
    async def fussy(request: web.Request) -> web.StreamResponse:
        return server.error(503, "busy") if len(asked_for(request)) == 1 else server.error(414, "too long")

    server.answer(METRICS, fussy)
    async with connect() as client:
        collected = await client.market_metrics(["A", "B"])
    assert {symbol: reason[-4:] for symbol, reason in collected.missing.items()} == {"A": "busy", "B": "busy"}


async def test_a_chain_is_one_row_per_underlying(server: ScriptedServer, connect: Connect) -> None:
    async def nested(request: web.Request) -> web.StreamResponse:
        return server.items(*({"underlying-symbol": "SPX", "root-symbol": root} for root in ("SPX", "SPXW")))

    async def broken(request: web.Request) -> web.StreamResponse:
        return server.items({"underlying-symbol": "X", "root-symbol": "X"}, {"underlying-symbol": "X"})

    async def of_another(request: web.Request) -> web.StreamResponse:
        return server.items({"underlying-symbol": "Y", "root-symbol": "Y"}, {"root-symbol": "Z"})

    async def none(request: web.Request) -> web.StreamResponse:
        return server.items()

    server.answer("/option-chains/SPX/nested", nested)
    server.answer("/option-chains/BRK%2FB/nested", none)
    server.answer("/option-chains/X/nested", broken)
    server.answer("/option-chains/Z/nested", of_another)
    async with connect() as client:
        collected = await client.nested_option_chains(["SPX", "BRK/B", "NOPE", "X", "Z", "SPX"])
    (chain,) = collected.rows
    assert (chain.symbol, [root.root_symbol for root in chain.roots]) == ("SPX", ["SPX", "SPXW"])
    assert collected.empty == {"BRK/B", "NOPE"}
    assert set(collected.missing) == {"X", "Z"}
    assert "root-symbol" in collected.missing["X"]
    assert "the answer is of Y" in collected.missing["Z"]
    assert collected.requested == 5


async def test_pages_that_were_not_read_are_said(server: ScriptedServer, connect: Connect) -> None:
    more = {"per-page": 1, "page-offset": 0, "total-items": 3, "total-pages": 3}
    account = {"account": {"account-number": "1"}}
    server.once("/customers/me/accounts", server.items(account, pagination=more))
    server.once("/option-chains/X/nested", server.items({"root-symbol": "X"}, pagination=more))
    async with connect() as client:
        accounts, chains = await client.accounts(), await client.nested_option_chains(["X"])
    assert [account.account_number for account in accounts] == ["1"]
    why = "the answer says that there are more pages, which were not read"
    assert accounts.rejected == [("pages 2 to 3", why)]
    assert (chains.rows, chains.missing) == ([], {"X": why})


async def test_a_chain_whose_expirations_cannot_be_read_is_missing(server: ScriptedServer, connect: Connect) -> None:
    root = {"underlying-symbol": "X", "root-symbol": "X", "expirations": None}
    server.once("/option-chains/X/nested", server.items(root))
    async with connect() as client:
        await client.market_metrics(["A"])
        collected = await client.nested_option_chains(["X"])
    assert (collected.rows, collected.empty) == ([], frozenset())
    assert collected.missing == {"X": "GET /option-chains/{symbol}/nested: expirations cannot be read"}


async def test_no_more_requests_are_in_flight_than_there_are_slots(server: ScriptedServer, connect: Connect) -> None:
    async def nested(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.002)
        return server.items()

    for symbol in SYMBOLS:
        server.answer(f"/option-chains/{symbol}/nested", nested)
    async with connect() as client:
        await asyncio.gather(*(client.nested_option_chains(SYMBOLS) for _ in range(3)))
    assert server.most_in_flight <= 100
    assert client.stats.most_in_flight == 100


async def test_a_family_that_goes_down_stops_the_collection(server: ScriptedServer, connect: Connect) -> None:
    down = [f"S{number}" for number in range(1000)]
    async with connect() as client:
        for symbol in down:
            server.once(f"/option-chains/{symbol}/nested", *(server.error(502, "nginx") for _ in range(3)))
        collected = await client.nested_option_chains(down)
        assert (await client.market_metrics(["A"])).missing == {}
    assert len(collected.missing) == 1000
    assert all("502" in reason for reason in collected.missing.values())
    # A hundred in flight, and what passes before ten failures have been counted.
    assert client.stats.attempts < 250


async def test_retries_of_a_collection_stay_within_its_budget(
    server: ScriptedServer, connect: Connect, clock: FakeClock
) -> None:
    async def busy(_: web.Request) -> web.StreamResponse:
        return server.error(500, "busy")

    for symbol in SYMBOLS:
        server.answer(f"/option-chains/{symbol}/nested", busy)
    # A breaker that never opens, so that the budget alone decides: one retry per two of the 120 requests.
    async with connect(breakers=Breakers(policy=BreakerPolicy(failures=10_000), clock=clock)) as client:
        collected = await client.nested_option_chains(SYMBOLS)
    assert client.stats.retries == 60
    assert server.total() == 180
    assert set(collected.missing) == set(SYMBOLS)


async def test_refused_credentials_end_a_collection(server: ScriptedServer, connect: Connect) -> None:
    server.once("/oauth/token", *(server.error(400, "No", code="invalid_grant") for _ in range(9)))
    async with connect() as client:
        with pytest.raises(AuthError, match="refused the refresh token"):
            await client.nested_option_chains(SYMBOLS)
    assert (len(server.grants), server.total()) == (1, 0)


async def test_one_access_token_that_is_refused_twice_costs_one_subject(
    server: ScriptedServer, connect: Connect
) -> None:
    server.once(METRICS, server.error(401), server.error(401))
    async with connect() as client:
        collected = await client.market_metrics(SYMBOLS[:50])
        assert set(collected.missing) == set(SYMBOLS[:50])
        assert (await client.market_metrics(SYMBOLS)).missing == {}


async def test_a_service_that_refuses_every_token_ends_a_collection(server: ScriptedServer, connect: Connect) -> None:
    async def refuse(request: web.Request) -> web.StreamResponse:
        return web.Response(text="<title>401 Authorization Required</title>", status=401)

    for symbol in SYMBOLS:
        server.answer(f"/option-chains/{symbol}/nested", refuse)
    async with connect() as client:
        with pytest.raises(AuthError, match=r"just issued.*401 Authorization Required"):
            await client.nested_option_chains(SYMBOLS)
    assert len(server.grants) < 10


async def test_a_cancelled_collection_leaves_no_task(server: ScriptedServer, connect: Connect) -> None:
    reached = asyncio.Event()

    async def never(request: web.Request) -> web.StreamResponse:
        reached.set()
        await asyncio.sleep(60)
        return server.items()

    for symbol in SYMBOLS:
        server.answer(f"/option-chains/{symbol}/nested", never)
    async with connect() as client:
        collecting = asyncio.ensure_future(client.nested_option_chains(SYMBOLS))
        await reached.wait()
        collecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await collecting
        left = [repr(task.get_coro()) for task in asyncio.all_tasks() - {asyncio.current_task()}]
    assert not any("collect.<locals>" in coroutine or "Requester" in coroutine for coroutine in left)


async def test_active_equities_are_paged_and_each_comes_once(server: ScriptedServer, connect: Connect) -> None:
    pages = [["A", "B"], ["B", "C"], ["D"]]

    async def active(request: web.Request) -> web.StreamResponse:
        offset = int(request.query["page-offset"])
        return server.items(
            *({"symbol": symbol} for symbol in pages[offset]), pagination={"page-offset": offset, "total-pages": 3}
        )

    server.answer(ACTIVE, active)
    seen: list[tuple[int, int]] = []
    async with connect() as client:
        rows = await client.active_equities(lambda done, total: seen.append((done, total)))
    assert [row.symbol for row in rows] == ["A", "B", "C", "D"]
    assert server.queries == [f"page-offset={offset}&per-page=5000" for offset in range(3)]
    assert seen == [(1, 3), (2, 3), (3, 3)]


async def test_pages_end_when_they_bring_nothing_new(server: ScriptedServer, connect: Connect) -> None:
    async def same(request: web.Request) -> web.StreamResponse:
        return server.items({"symbol": "A"}, pagination={"page-offset": 0, "total-pages": 1_000_000})

    server.answer(ACTIVE, same)
    async with connect() as client:
        assert [row.symbol for row in await client.active_equities()] == ["A"]
    assert server.hits[ACTIVE] == 2


async def test_an_answer_without_pages_is_the_only_page(
    server: ScriptedServer, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    server.once(ACTIVE, server.items({"symbol": "A"}, *({"symbol": number} for number in range(7)), pagination=None))
    async with connect() as client:
        assert [row.symbol for row in await client.active_equities()] == ["A"]
    assert server.hits[ACTIVE] == 1
    assert caplog.messages[-1] == "GET /instruments/equities/active: 2 more rows are set aside"


async def test_accounts_carry_their_authority_level(server: ScriptedServer, connect: Connect) -> None:
    account = {"account-number": "5WT00001", "is-closed": False, "opened-at": "2024-01-02T15:04:05.000+00:00"}
    server.once("/customers/me/accounts", server.items({"account": account, "authority-level": "owner"}))
    async with connect() as client:
        await client.market_metrics(["A"])
        (row,) = await client.accounts()
    assert (row.account_number, row.authority_level, row.is_closed) == ("5WT00001", "owner", False)


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (date(2024, 1, 1), date(2026, 12, 31)),
        (date(2026, 2, 28), date(2026, 11, 25)),
        (date(2026, 11, 20), date(2026, 11, 20)),
    ],
)
async def test_sessions_of_any_span_come_in_windows_of_nine_months(connect: Connect, first: date, last: date) -> None:
    async with connect() as client:
        rows = await client.market_sessions(first, last)
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    assert [row.session_date for row in rows] == [day for day in days if day.weekday() < 5]


async def test_a_quote_token_says_where_to_use_it(server: ScriptedServer, connect: Connect) -> None:
    server.once("/api-quote-tokens", server.payload({"token": "t", "dxlink-url": "wss://x/realtime", "level": "api"}))
    async with connect() as client:
        await client.market_metrics(["A"])
        token = await client.quote_token()
    assert (token.token, token.url, token.level) == ("t", "wss://x/realtime", "api")


async def test_a_quote_token_goes_nowhere_unencrypted(server: ScriptedServer, connect: Connect) -> None:
    secret = {"token": "canary-4711", "dxlink-url": "ws://x/realtime?canary-4711", "level": "api"}
    server.once("/api-quote-tokens", server.payload(secret))
    async with connect() as client:
        with pytest.raises(ConfigError, match="the server of the quote token is ws://x/realtime: credentials") as error:
            await client.quote_token()
    assert "canary" not in str(error.value)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"token": None}, "token is not there in the answer"),
        ({"token": ""}, "token is blank in the answer"),
        ({"token": " \n"}, "token is blank in the answer"),
        ({"token": 4711}, "token is not a text in the answer"),
        ({"token": ["canary-4711"]}, "token is not a text in the answer"),
        ({"dxlink-url": None}, "dxlink-url is not there in the answer"),
        ({"dxlink-url": {}}, "dxlink-url is not a text in the answer"),
        (
            {"dxlink-url": "https://x/r"},
            "dxlink-url in the answer, https://x/r, is no WebSocket URL: it does not begin",
        ),
        ({"dxlink-url": "x/realtime"}, "x/realtime, is no WebSocket URL: it does not begin with wss:// or ws://"),
        ({"dxlink-url": "wss://"}, "wss://, is no WebSocket URL: it names no host"),
        ({"dxlink-url": "wss://[::1/x"}, "wss://[::1/x, is no WebSocket URL: its host or port cannot be read"),
        (
            {"dxlink-url": "wss://me:canary-4711@x:99999/r?canary-4711"},
            "wss://x:99999/r, is no WebSocket URL: its host",
        ),
        ({"dxlink-url": "wss://x/r#canary-4711"}, "wss://x/r, is no WebSocket URL: it has a fragment"),
    ],
)
async def test_an_answer_that_opens_no_feed_is_one_sentence_without_its_secrets(
    server: ScriptedServer, connect: Connect, changed: dict[str, object], said: str
) -> None:
    body = {"token": "canary-4711", "dxlink-url": "wss://x/realtime", "level": "api", **changed}
    server.once("/api-quote-tokens", server.payload({name: value for name, value in body.items() if value is not None}))
    async with connect() as client:
        with pytest.raises(PayloadError) as error:
            await client.quote_token()
    assert said in str(error.value)
    assert str(error.value).endswith(", so that the feed cannot be opened; try again later")
    assert "canary" not in str(error.value)


@given(st.lists(st.text(max_size=3), max_size=50), st.integers(1, 10))
def test_batches_are_the_symbols_in_order(subjects: list[str], size: int) -> None:
    batches = batches_of(subjects, size)
    assert [subject for batch in batches for subject in batch] == subjects
    assert all(1 <= len(batch) <= size for batch in batches)


@given(st.lists(st.sampled_from(["row", "empty", "lost", "refused"]), max_size=40), st.integers(1, 8))
def test_every_subject_has_exactly_one_fate(fates: list[str], workers: int) -> None:
    names = [f"S{number}" for number in range(len(fates))]

    async def fetch(batch: Sequence[str]) -> Fetched[str]:
        (name,) = batch
        await asyncio.sleep(0)
        match fates[names.index(name)]:
            case "row":
                return Fetched(rows=[name])
            case "empty":
                return Fetched(empty={name})
            case "lost":
                raise TransportError(f"lost {name}")
            case _:
                raise HttpError(403, name)

    collected = asyncio.run(collect(batches_of(names, 1), fetch, workers=workers, progress=no_progress))
    fate = {"row": set(collected.rows), "empty": collected.empty, "lost": set(collected.missing)}
    assert sorted([*collected.rows, *collected.empty, *collected.missing]) == sorted(names)
    assert all(name in fate["lost" if kind == "refused" else kind] for name, kind in zip(names, fates, strict=True))
