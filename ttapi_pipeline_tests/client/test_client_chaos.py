# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Chaos: the real collections against a simulator in a process of its own, with faults that a seed decides.

Whatever happens, every symbol is there with the values of a run without faults, or missing with a reason that names a
fault which did strike; and the simulator's own counters say that the client kept its limits.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from ttapi_pipeline.client import (
    BreakerPolicy,
    Breakers,
    Family,
    Rate,
    RetryPolicy,
    TastytradeClient,
    TransportOptions,
)
from ttapi_pipeline.client.client import SYMBOLS_PER_REQUEST
from ttapi_pipeline.core.clock import Clock
from ttapi_pipeline.core.collection import Collection
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.core.universes import sp500
from ttapi_pipeline.simulator.server import OffsetClock
from ttapi_pipeline_tests.support.simulator import SimulatorControl

# Enough for the largest run, with both symbols that have a slash. What each has without faults is fetched first.
SYMBOLS = [member.symbol for member in sp500()[:320]]
SLOTS = 30
CHAIN, METRICS, EQUITIES = "/option-chains/{symbol}/nested", "/market-metrics", "/instruments/equities"
# A run that hangs would wait for hours: the latency of the mix that hangs is one.
PATIENCE_SECONDS = 60.0
HOUR = 3600.0

# Waits of milliseconds, so that a run takes as long as its requests.
QUICK = RetryPolicy(base_seconds=0.01, max_wait_seconds=0.05, deadline_seconds=30.0)
BREAKERS = BreakerPolicy(failures=20, recovery_seconds=0.05)

Fault = Mapping[str, Any]


def fault(
    kind: str, route: str = "*", *, probability: float = 1.0, count: int | None = None, **parameters: Any
) -> Fault:
    return {"kind": kind, "route": route, "probability": probability, "count": count, "parameters": parameters}


@dataclass(frozen=True)
class Collected:
    """What one run brought, and what happened on the way."""

    parts: Mapping[str, Collection[Any]]
    counters: Mapping[str, Any]
    struck: Sequence[Mapping[str, Any]]
    states: Mapping[str, str]
    left_closed: frozenset[str]
    retries: int
    replays: int
    most_slots: int
    seconds: float

    def requests(self, template: str) -> int:
        return int(self.counters["requests"].get(f"GET {template}", 0))

    @property
    def grants(self) -> int:
        return int(self.counters["events"].get("oauth.granted", 0))

    @property
    def most_in_flight(self) -> int:
        return int(self.counters["in-flight"]["rest"]["max"])

    def count_struck(self, kind: str) -> int:
        return sum(int(entry["struck"]) for entry in self.struck if entry["kind"] == kind)


@dataclass
class Exchange:
    """A simulator under control, the time that it has, and what it answers without faults, by route and symbol."""

    simulator: SimulatorControl
    clock: Clock
    reference: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def plan(self, faults: Sequence[Fault], *, seed: int) -> None:
        """Forget what was; these faults from now on, each with random numbers of its own."""
        self.simulator.reset()
        if faults:
            self.simulator.call("POST", "/faults", [{**one, "seed": seed * 100 + n} for n, one in enumerate(faults)])

    @asynccontextmanager
    async def client(self, *, seed: int = 0, slots: int = SLOTS, **options: Any) -> AsyncIterator[TastytradeClient]:
        """A client with the simulator's idea of time."""
        defaults: dict[str, Any] = {
            "retry_policy": QUICK,
            "breakers": Breakers(policy=BREAKERS, clock=self.clock),
            "transport_options": TransportOptions(total_seconds=10.0, max_body_bytes=4 * 2**20),
        }
        async with TastytradeClient(
            Settings(max_concurrency=slots),
            base_url=self.simulator.url,
            clock=self.clock,
            rng=random.Random(seed),
            **{**defaults, **options},
        ) as client:
            yield client

    async def survive(
        self, faults: Sequence[Fault], *, seed: int, symbols: Sequence[str], slots: int = SLOTS, **options: Any
    ) -> Collected:
        """Run three collections at once under the faults, and check what holds in any case."""
        self.plan(faults, seed=seed)
        wanted = [*symbols, "NOPE"]
        tasks = asyncio.all_tasks()
        loop = asyncio.get_running_loop()
        started = loop.time()
        async with asyncio.timeout(PATIENCE_SECONDS):
            async with self.client(seed=seed, slots=slots, **options) as client:
                chains, metrics, equities = await asyncio.gather(
                    client.nested_option_chains(wanted), client.market_metrics(wanted), client.equities(wanted)
                )
                seconds = loop.time() - started
                stats, states = client.stats, client.breakers.states()
        assert asyncio.all_tasks() == tasks
        collected = Collected(
            parts={CHAIN: chains, METRICS: metrics, EQUITIES: equities},
            counters=self.simulator.counters(),
            struck=self.simulator.call("GET", "/faults")["items"],
            states={name: state.state for name, state in states.items()},
            left_closed=frozenset(name for name, state in states.items() if state.changed_at is not None),
            retries=stats.retries,
            replays=stats.replays,
            most_slots=stats.most_in_flight,
            seconds=seconds,
        )
        for template, part in collected.parts.items():
            self._check_subjects(part, wanted, self.reference[template])
            for subject, reason in part.missing.items():
                assert_true_reason(template, subject, reason, collected)
        assert_limits(collected, len(wanted), slots)
        return collected

    @staticmethod
    def _check_subjects(part: Collection[Any], wanted: Sequence[str], reference: Mapping[str, Any]) -> None:
        came = [row.symbol for row in part.rows]
        # Each exactly once: no duplicate, and nothing lost.
        assert sorted([*came, *part.missing, *part.empty]) == sorted(wanted)
        assert part.requested == len(wanted)
        assert part.empty <= {"NOPE"}
        assert "NOPE" not in came
        for row in part.rows:
            assert row == reference[row.symbol]


FAMILY_OF = {CHAIN: "option-chains", METRICS: "market-metrics", EQUITIES: "instruments"}


def assert_true_reason(template: str, subject: str, reason: str, run: Collected) -> None:
    """A reason names the endpoint, and a fault that struck it."""
    if subject == "NOPE" and "does not know it" in reason:
        assert template != CHAIN
        return
    family = FAMILY_OF[template]
    # The grant and its refusal may end a request as well, under their own name.
    assert reason.startswith((f"GET {template}: ", "POST /oauth/token: ")), reason
    if "circuit breaker" in reason:
        named = re.search(r"circuit breaker of ([a-z-]+) is (open|half-open)", reason)
        assert named is not None, reason
        assert named[1] in run.left_closed
        return
    if "no complete answer" in reason:
        # Its own clock says so: a slow machine needs no fault for that.
        return
    for entry in run.struck:
        if not entry["struck"] or entry["route"] not in {"*", template, family, "oauth"}:
            continue
        status = int(entry["parameters"].get("status", 0))
        texts = {
            "status": "throttled" if status == 429 else f"HTTP {status}",
            "reset": "closed the connection without an answer|broke off",
            "truncate": "broke off",
            "malformed": "is not JSON",
            "huge": "the body is larger than 4194304 bytes",
            "latency": "its time was over",
            "drop-symbols": "does not know it",
            "expire-token": "refuses an access token",
        }
        if re.search(texts.get(entry["kind"], r"(?!)"), reason):
            return
    pytest.fail(f"no fault that struck explains {subject}: {reason}; {run.struck}")


def assert_limits(run: Collected, subjects: int, slots: int) -> None:
    """The simulator's counters, beside the budgets of the collections."""
    batches = -(-subjects // SYMBOLS_PER_REQUEST)
    first = {CHAIN: subjects, METRICS: batches, EQUITIES: batches}
    budgets = {template: max(10, count // 2) for template, count in first.items()}
    assert run.retries <= sum(budgets.values())
    # Beside first attempts and retries there are replays: after a 401, and on another connection than a stale one.
    refused = int(run.counters["responses"].get("401", 0))
    for template, count in first.items():
        assert run.requests(template) <= count + budgets[template] + refused + run.replays
    # A request that was given up is under way in the simulator until it notices.
    hung = sum(int(entry["struck"]) for entry in run.struck if entry["parameters"].get("seconds") == HOUR)
    assert run.most_in_flight <= slots + hung
    # A grant may be lost on its way, so the tokens are counted that came back to the simulator.
    assert len(run.counters["access-tokens"]) <= 1 + run.count_struck("expire-token")


def thirty_percent_of_everything(chance: random.Random) -> tuple[Sequence[Fault], int]:
    """Errors of every kind, mixed so that about 30% of all requests meet one."""
    kinds: list[tuple[str, dict[str, Any]]] = [
        *(
            ("status", {"status": status, "body": chance.choice(["json", "html", "empty"])})
            for status in (429, 500, 502, 503, 504)
        ),
        *(("reset", {"when": when}) for when in ("before", "during", "after")),
        ("truncate", {"share": chance.random()}),
        ("malformed", {}),
        ("huge", {"megabytes": 5.0}),
        ("latency", {"distribution": "exponential", "seconds": 0.01}),
        ("drip", {"chunk_bytes": 32_768, "seconds": 0.001}),
        ("content-type", {"value": "text/html"}),
    ]
    shares = [chance.random() for _ in kinds]
    faults = [
        fault(kind, probability=0.3 * share / sum(shares), **parameters)
        for (kind, parameters), share in zip(kinds, shares, strict=True)
    ]
    return [*faults, fault("expire-token", "option-chains", probability=0.02, count=1)], 120


def resets_in_mid_body(_: random.Random) -> tuple[Sequence[Fault], int]:
    return [fault("reset", probability=0.3, when="during")], 120


def a_storm_of_429_with_retry_after(chance: random.Random) -> tuple[Sequence[Fault], int]:
    form = chance.choice(["seconds", "date"])
    return [fault("status", "option-chains", count=15, status=429, retry_after=1.0, form=form)], 60


def a_storm_of_429_without_retry_after(chance: random.Random) -> tuple[Sequence[Fault], int]:
    return [fault("status", probability=0.3 + 0.4 * chance.random(), status=429)], 120


def symbols_left_out_of_answers(chance: random.Random) -> tuple[Sequence[Fault], int]:
    return [fault("drop-symbols", route, share=chance.random() / 2) for route in ("market-metrics", "instruments")], 120


def a_family_that_hangs(chance: random.Random) -> tuple[Sequence[Fault], int]:
    return [fault("latency", chance.choice(list(FAMILY_OF.values())), probability=0.3, seconds=HOUR)], 30


MIXES = (
    thirty_percent_of_everything,
    resets_in_mid_body,
    a_storm_of_429_without_retry_after,
    thirty_percent_of_everything,
    symbols_left_out_of_answers,
    a_storm_of_429_with_retry_after,
    thirty_percent_of_everything,
    a_family_that_hangs,
)


@pytest.fixture(scope="module")
def reference(simulator_on_saturday: SimulatorControl, simulator_clock: OffsetClock) -> Mapping[str, Mapping[str, Any]]:
    return asyncio.run(learn(Exchange(simulator_on_saturday, simulator_clock)))


async def learn(exchange: Exchange) -> Mapping[str, Mapping[str, Any]]:
    """What there is without faults."""
    async with exchange.client(slots=100) as client:
        chains = await client.nested_option_chains(SYMBOLS)
        metrics = await client.market_metrics(SYMBOLS)
        equities = await client.equities(SYMBOLS)
    parts: Mapping[str, Collection[Any]] = {CHAIN: chains, METRICS: metrics, EQUITIES: equities}
    assert [part.missing for part in parts.values()] == [{}, {}, {}]
    return {template: {row.symbol: row for row in part.rows} for template, part in parts.items()}


@pytest.fixture
def exchange(
    simulator: SimulatorControl, simulator_clock: OffsetClock, reference: Mapping[str, Mapping[str, Any]]
) -> Exchange:
    return Exchange(simulator, simulator_clock, reference)


async def run_mix(exchange: Exchange, seed: int) -> None:
    chance = random.Random(seed)
    mix = MIXES[seed % len(MIXES)]
    faults, count = mix(chance)
    options: dict[str, Any] = {}
    if mix is a_family_that_hangs:
        options = {
            "retry_policy": RetryPolicy(base_seconds=0.01, deadline_seconds=1.5),
            "transport_options": TransportOptions(total_seconds=0.5),
        }
    run = await exchange.survive(faults, seed=seed, symbols=chance.sample(SYMBOLS, count), **options)
    if mix is a_storm_of_429_with_retry_after:
        # Requests that wait as long as they are told succeed with one retry each, and none is sent in the meantime.
        assert run.parts[CHAIN].missing == {}
        assert run.requests(CHAIN) == count + 1 + 15


@pytest.mark.parametrize("seed", range(8))
async def test_under_faults_every_symbol_is_there_or_truly_missing(exchange: Exchange, seed: int) -> None:
    await run_mix(exchange, seed)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(8, 216))
async def test_under_faults_of_two_hundred_seeds_every_symbol_is_there_or_truly_missing(
    exchange: Exchange, seed: int
) -> None:
    await run_mix(exchange, seed)


async def check_expiry(exchange: Exchange, seed: int) -> None:
    chance = random.Random(seed)
    # The first hundred wait together for their answers when one of them finds that the token has expired.
    waits = [
        fault("latency", family, count=count, seconds=1.0)
        for family, count in zip(("option-chains", "market-metrics", "instruments"), (100, 7, 7), strict=True)
    ]
    faults = [*waits, fault("expire-token", "option-chains", probability=chance.uniform(0.05, 0.2), count=1)]
    run = await exchange.survive(faults, seed=seed, symbols=chance.sample(SYMBOLS, 300), slots=100)
    assert run.count_struck("expire-token") == 1
    # The simulator sees as many only when this machine sends them all within the second that they wait for.
    assert run.most_slots == 100
    assert set(run.parts[CHAIN].missing) == set()
    # One token to begin with, exactly one renewal, and no request is replayed more than once.
    assert run.grants == 2
    assert run.requests(CHAIN) + run.requests(METRICS) + run.requests(EQUITIES) == (
        301 + 7 + 7 + int(run.counters["responses"]["401"])
    )
    assert 1 <= int(run.counters["responses"]["401"]) <= 100


async def test_a_token_that_expires_under_a_hundred_requests_is_renewed_exactly_once(exchange: Exchange) -> None:
    await check_expiry(exchange, 0)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(1, 21))
async def test_a_token_that_expires_at_any_moment_is_renewed_exactly_once(exchange: Exchange, seed: int) -> None:
    await check_expiry(exchange, seed)


async def check_dead_family(exchange: Exchange, seed: int) -> None:
    chance = random.Random(seed)
    template, family = chance.choice(list(FAMILY_OF.items()))
    dead = chance.choice(
        [
            fault("status", family, status=502, body="html"),
            fault("status", family, status=503),
            fault("reset", family, when="before"),
            fault("malformed", family),
        ]
    )
    policy = BreakerPolicy(failures=5, recovery_seconds=3600.0)
    symbols = chance.sample(SYMBOLS, 120)
    run = await exchange.survive([dead], seed=seed, symbols=symbols, slots=20, breakers=Breakers(policy=policy))
    for other, part in run.parts.items():
        if other == template:
            assert set(part.missing) == {*symbols, "NOPE"}
        else:
            assert set(part.missing) <= {"NOPE"}
    assert run.states[family] == ("open" if run.requests(template) >= 5 else "closed")
    # The five failures that open it, the requests that were under way then, and the replay of each.
    assert run.requests(template) <= 2 * (5 + 20)


@pytest.mark.parametrize("seed", range(2))
async def test_a_family_that_is_down_from_start_to_end_hurts_no_other(exchange: Exchange, seed: int) -> None:
    await check_dead_family(exchange, seed)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(2, 22))
async def test_any_family_that_is_down_from_start_to_end_hurts_no_other(exchange: Exchange, seed: int) -> None:
    await check_dead_family(exchange, seed)


async def check_return(exchange: Exchange, seed: int, caplog: pytest.LogCaptureFixture) -> None:
    chance = random.Random(seed)
    # Of some of the first ones, the number of requests in flight may be the reason.
    failures = chance.randint(30, 55)
    exchange.plan([fault("status", "option-chains", count=failures, status=503)], seed=seed)
    symbols = chance.sample(SYMBOLS, 100)
    caplog.clear()
    async with exchange.client(seed=seed, slots=4) as client:
        first = await client.nested_option_chains(symbols)
        assert first.missing.keys() | {row.symbol for row in first.rows} == set(symbols)
        rounds = 0
        while client.breakers.states()["option-chains"].state != "closed":
            await asyncio.sleep(BREAKERS.recovery_seconds)
            # Every probe that fails uses up one of the faults, so it closes at last.
            await client.nested_option_chains(symbols[:3])
            rounds += 1
            assert rounds <= failures
        again = await client.nested_option_chains(symbols)
    assert again.missing == {}
    assert all(row == exchange.reference[CHAIN][row.symbol] for row in again.rows)
    changes = [message.split(": ")[1] for message in caplog.messages if message.startswith("circuit breaker of option")]
    steps = {("open", "closed"), ("half-open", "open"), ("open", "half-open"), ("closed", "half-open")}
    assert {tuple(change.split(", was ")) for change in changes} <= steps
    assert changes[0] == "open, was closed"
    assert changes[-2:] == ["half-open, was open", "closed, was half-open"]


async def test_a_service_that_comes_back_is_let_in_by_probes(
    exchange: Exchange, caplog: pytest.LogCaptureFixture
) -> None:
    await check_return(exchange, 0, caplog)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(1, 21))
async def test_a_service_that_comes_back_at_any_moment_is_let_in(
    exchange: Exchange, seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    await check_return(exchange, seed, caplog)


async def test_the_rate_of_a_family_holds_under_faults(exchange: Exchange) -> None:
    rate = Rate(per_second=100.0, burst=10)
    faults = [fault("status", "option-chains", probability=0.2, status=503)]
    run = await exchange.survive(faults, seed=1, symbols=SYMBOLS[:80], rates={Family.OPTION_CHAINS: rate})
    assert run.requests(CHAIN) <= rate.burst + rate.per_second * run.seconds
