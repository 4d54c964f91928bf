# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A family that is down is left alone, and let back in by one probe at a time."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from ttapi_pipeline.client.breakers import Breaker, BreakerPolicy, Breakers, BreakerState, read_breaker_states
from ttapi_pipeline.client.routes import Family
from ttapi_pipeline.client.state_files import change_state
from ttapi_pipeline.core.errors import CircuitOpenError, TransportError
from ttapi_pipeline.core.shared_state import LocalStateFile

if TYPE_CHECKING:
    from pathlib import Path

    from ttapi_pipeline_tests.support.clocks import FakeClock

DOWN = TransportError("GET /x: nobody there")
POLICY = BreakerPolicy(failures=3, successes=2, recovery_seconds=30.0)


@pytest.fixture
def breaker(clock: FakeClock) -> Breaker:
    return Breaker(Family.OPTION_CHAINS, policy=POLICY, clock=clock)


async def fail(breaker: Breaker, times: int = 1) -> None:
    for _ in range(times):
        (await breaker.permit("GET /x")).failed(DOWN)


async def test_failures_in_a_row_open_it_and_nothing_passes(breaker: Breaker) -> None:
    await fail(breaker, 2)
    assert (breaker.state.state, breaker.state.failures) == ("closed", 2)
    await fail(breaker)
    assert breaker.state.state == "open"
    with pytest.raises(
        CircuitOpenError, match=r"GET /x: not sent, .* of option-chains is open.*nobody there"
    ) as caught:
        await breaker.permit("GET /x")
    # 15:00:00 on the fake clock plus 30 s.
    assert caught.value.retry_at == datetime(2026, 11, 20, 15, 0, 30, tzinfo=UTC)
    assert breaker.state.retry_at == caught.value.retry_at
    with pytest.raises(CircuitOpenError):
        breaker.check("GET /x")


async def test_a_success_between_failures_keeps_it_closed(breaker: Breaker) -> None:
    for _ in range(5):
        await fail(breaker, 2)
        (await breaker.permit("GET /x")).succeeded()
    assert breaker.state.state == "closed"


async def test_a_cancelled_request_says_nothing(breaker: Breaker) -> None:
    await fail(breaker, 2)
    for _ in range(5):
        (await breaker.permit("GET /x")).release()
    assert breaker.state.failures == 2


async def test_only_the_first_report_of_a_permit_counts(breaker: Breaker) -> None:
    permit = await breaker.permit("GET /x")
    permit.succeeded()
    for _ in range(5):
        permit.failed(DOWN)
    permit.release()
    assert breaker.state.failures == 0


async def test_exactly_one_of_a_hundred_probes_a_half_open_breaker(breaker: Breaker, clock: FakeClock) -> None:
    await fail(breaker, 3)
    clock.advance(30)
    probing: list[bool] = []
    most = 0

    async def request() -> None:
        nonlocal most
        permit = await breaker.permit("GET /x")
        probing.append(permit.is_probe)
        most = max(most, sum(probing))
        await asyncio.sleep(0)
        permit.succeeded()
        if permit.is_probe:
            probing.remove(True)

    async with asyncio.TaskGroup() as group:
        for _ in range(100):
            group.create_task(request())
    assert most == 1
    assert breaker.state.state == "closed"
    # Two probes close it (the policy says so), the other ninety-eight pass.
    assert probing == [False] * 98


async def test_a_failed_probe_opens_it_again_for_all_who_waited(breaker: Breaker, clock: FakeClock) -> None:
    await fail(breaker, 3)
    clock.advance(30)
    probe = await breaker.permit("GET /x")
    waiting = [asyncio.ensure_future(breaker.permit("GET /x")) for _ in range(3)]
    await asyncio.sleep(0)
    probe.failed(DOWN)
    for outcome in await asyncio.gather(*waiting, return_exceptions=True):
        assert isinstance(outcome, CircuitOpenError)
    clock.advance(29.9)
    with pytest.raises(CircuitOpenError):
        await breaker.permit("GET /x")
    clock.advance(0.1)
    assert (await breaker.permit("GET /x")).is_probe


async def test_a_cancelled_probe_hands_its_turn_on(breaker: Breaker, clock: FakeClock) -> None:
    await fail(breaker, 3)
    clock.advance(30)
    probe = await breaker.permit("GET /x")
    waiting = asyncio.ensure_future(breaker.permit("GET /x"))
    await asyncio.sleep(0)
    probe.release()
    assert (await waiting).is_probe


async def test_requests_from_before_it_opened_do_not_decide(breaker: Breaker, clock: FakeClock) -> None:
    early, late = await breaker.permit("GET /x"), await breaker.permit("GET /x")
    states = []
    await fail(breaker, 3)
    early.succeeded()
    states.append(breaker.state.state)
    clock.advance(30)
    probe = await breaker.permit("GET /x")
    late.failed(DOWN)
    states.append(breaker.state.state)
    probe.succeeded()
    states.append(breaker.state.state)
    assert states == ["open", "half-open", "half-open"]


async def test_a_permit_from_before_it_opened_is_not_good_for_a_request(breaker: Breaker, clock: FakeClock) -> None:
    early = await breaker.permit("GET /x")
    early.confirm("GET /x")
    await fail(breaker, 3)
    with pytest.raises(CircuitOpenError, match="is open"):
        early.confirm("GET /x")
    early.release()
    clock.advance(30)
    (await breaker.permit("GET /x")).confirm("GET /x")


async def test_another_event_loop_does_not_wait_for_our_probe(breaker: Breaker, clock: FakeClock) -> None:
    await fail(breaker, 3)
    clock.advance(30)
    probe = await breaker.permit("GET /x")
    with pytest.raises(CircuitOpenError):
        await asyncio.to_thread(asyncio.run, breaker.permit("GET /x"))
    probe.succeeded()


async def test_changes_are_logged_and_left_for_other_processes(
    clock: FakeClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    breakers = Breakers(policy=POLICY, clock=clock, state_dir=tmp_path / "state")
    assert read_breaker_states(tmp_path / "state") == {}
    with caplog.at_level(logging.WARNING, logger="ttapi_pipeline.client"):
        await fail(breakers[Family.MARKET_METRICS], 3)
    assert caplog.messages == ["circuit breaker of market-metrics: open, was closed"]
    left = read_breaker_states(tmp_path / "state")
    assert left == {"market-metrics": breakers.states()["market-metrics"]}
    assert left["market-metrics"].state == "open"
    assert left["market-metrics"].last_failure == str(DOWN)


async def test_the_next_process_goes_on_where_the_last_one_stopped(clock: FakeClock, tmp_path: Path) -> None:
    first = Breakers(policy=POLICY, clock=clock, state_dir=tmp_path)
    await fail(first[Family.MARKET_METRICS], 3)
    clock.advance(20)
    second = Breakers(policy=POLICY, clock=clock, state_dir=tmp_path)
    assert second.states() == first.states()
    with pytest.raises(CircuitOpenError, match=str(DOWN)):
        second[Family.MARKET_METRICS].check("GET /x")
    clock.advance(10)
    probe = await second[Family.MARKET_METRICS].permit("GET /x")
    assert probe.is_probe
    # It ended with its probe on the way, so the next one has to find out as well.
    third = Breakers(policy=POLICY, clock=clock, state_dir=tmp_path)
    for _ in range(POLICY.successes):
        permit = await third[Family.MARKET_METRICS].permit("GET /x")
        assert permit.is_probe
        permit.succeeded()
    states = Breakers(policy=POLICY, clock=clock, state_dir=tmp_path).states()
    assert {state.state for state in states.values()} == {"closed"}


async def test_a_clock_that_was_put_back_keeps_no_breaker_open_for_longer(clock: FakeClock, tmp_path: Path) -> None:
    await fail(Breakers(policy=POLICY, clock=clock, state_dir=tmp_path)[Family.MARKET_METRICS], 3)
    clock.advance(-86_400)
    breaker = Breakers(policy=POLICY, clock=clock, state_dir=tmp_path)[Family.MARKET_METRICS]
    clock.advance(29.9)
    with pytest.raises(CircuitOpenError):
        breaker.check("GET /x")
    clock.advance(0.1)
    assert (await breaker.permit("GET /x")).is_probe


async def test_a_breaker_of_one_server_says_nothing_of_another(clock: FakeClock, tmp_path: Path) -> None:
    def of(server: str) -> Breakers:
        return Breakers(policy=POLICY, clock=clock, server=server, state_dir=tmp_path)

    await fail(of("https://a")[Family.MARKET_METRICS], 3)
    assert {state.state for state in of("https://b").states().values()} == {"closed"}
    # Nor does what the other server does overwrite it, or one family the other.
    await fail(of("https://b")[Family.ACCOUNTS], 3)
    await fail(of("https://a")[Family.ACCOUNTS], 3)
    waiting = [
        {family for family, state in of(server).states().items() if state.state == "open"}
        for server in ("https://a", "https://b")
    ]
    assert waiting == [{"market-metrics", "accounts"}, {"accounts"}]
    # After a day it is not worth its place.
    clock.advance(timedelta(days=2))
    await fail(of("https://c")[Family.ACCOUNTS], 3)
    assert [bool(read_breaker_states(tmp_path, f"https://{name}")) for name in "abc"] == [False, False, True]


def test_a_file_that_names_no_server_is_of_no_server(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    left = {"accounts": BreakerState(state="open")}
    change_state(LocalStateFile(tmp_path / "breakers.json"), dict, lambda _: left)
    assert read_breaker_states(tmp_path) == {}
    assert {state.state for state in Breakers(state_dir=tmp_path).states().values()} == {"closed"}
    assert not caplog.text


def test_a_damaged_snapshot_is_no_snapshot(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "breakers.json").write_text("{", encoding="utf-8")
    assert read_breaker_states(tmp_path) == {}
    assert "cannot be read" in caplog.text


async def test_a_folder_that_cannot_be_written_stops_nothing(
    clock: FakeClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    breakers = Breakers(policy=POLICY, clock=clock, state_dir=tmp_path / "file" / "state")
    await fail(breakers[Family.MARKET_METRICS], 3)
    assert breakers.states()["market-metrics"].state == "open"
    assert "cannot be written" in caplog.text
