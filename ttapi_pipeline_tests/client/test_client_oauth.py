# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Tokens are renewed once for everybody, and a refused grant is not knocked at again."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from ttapi_pipeline.client import TastytradeClient, TokenStore
from ttapi_pipeline.client.oauth import AuthGate, Credentials
from ttapi_pipeline.core.errors import AuthError, HttpError, PayloadError, TransportError, TTError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ttapi_pipeline_tests.support.clocks import FakeClock
    from ttapi_pipeline_tests.support.rest import ScriptedServer

    Connect = Callable[..., TastytradeClient]

ACCOUNTS = "/customers/me/accounts"


@pytest.fixture(autouse=True)
def accounts(server: ScriptedServer) -> None:
    async def answer(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.005)
        return server.items({"account": {"account-number": "5WT00001"}, "authority-level": "owner"})

    server.answer(ACCOUNTS, answer)


def read(file: Path) -> str:
    """The file's text; empty when it is not there."""
    return file.read_text(encoding="utf-8") if file.exists() else ""


def refused() -> web.Response:
    return web.json_response({"error": "invalid_grant", "error_description": "Grant revoked"}, status=400)


async def test_a_hundred_requests_at_once_renew_once(server: ScriptedServer, connect: Connect) -> None:
    async with connect() as client, asyncio.TaskGroup() as group:
        for _ in range(100):
            group.create_task(client.accounts())
    assert len(server.grants) == 1
    assert server.grants[0] == {
        "grant_type": "refresh_token",
        "refresh_token": "canary-refresh-token-0815",
        "client_secret": "canary-client-secret-4711",
    }
    assert client.stats.renewals == 1


async def test_a_token_is_renewed_a_minute_before_it_expires(
    server: ScriptedServer, connect: Connect, clock: FakeClock
) -> None:
    async with connect() as client:
        await client.accounts()
        clock.advance(839)
        await client.accounts()
        assert len(server.grants) == 1
        clock.advance(1)
        await client.accounts()
    assert len(server.grants) == 2
    assert server.hits[ACCOUNTS] == 3


async def test_a_wall_clock_that_is_put_right_ends_no_token(
    server: ScriptedServer, connect: Connect, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with connect() as client:
        for hours in (0, 5, -5):
            wrong = datetime(2026, 11, 20, 15, tzinfo=UTC) + timedelta(hours=hours)
            monkeypatch.setattr(clock, "now", lambda wrong=wrong: wrong)
            await client.accounts()
    assert len(server.grants) == 1


async def test_a_token_that_lives_shortly_is_used_for_half_of_its_life(
    server: ScriptedServer, connect: Connect, clock: FakeClock
) -> None:
    server.lifetime = 30
    async with connect() as client:
        await client.accounts()
        clock.advance(14)
        await client.accounts()
        assert len(server.grants) == 1
        clock.advance(1)
        await client.accounts()
    assert len(server.grants) == 2


async def test_a_token_that_expires_under_a_hundred_requests_is_renewed_once_and_each_is_replayed_once(
    server: ScriptedServer, connect: Connect
) -> None:
    async with connect() as client:
        await client.accounts()
        server.accepted.clear()
        async with asyncio.TaskGroup() as group:
            for _ in range(100):
                group.create_task(client.accounts())
    assert len(server.grants) == 2
    assert server.hits[ACCOUNTS] == 1 + 200


async def test_a_token_that_is_refused_twice_ends_the_request(server: ScriptedServer, connect: Connect) -> None:
    server.once(ACCOUNTS, *(server.error(401, "No canary-access-token-2") for _ in range(2)))
    async with connect() as client:
        with pytest.raises(AuthError, match=r"GET /customers/me/accounts: tastytrade refuses .* just issued") as caught:
            await client.accounts()
    assert "canary" not in str(caught.value)
    assert (len(server.grants), server.hits[ACCOUNTS]) == (2, 2)


async def test_clients_that_follow_each_other_share_a_token(server: ScriptedServer, connect: Connect) -> None:
    tokens = TokenStore()
    for _ in range(3):
        async with connect(tokens=tokens) as client:
            await client.accounts()
    assert len(server.grants) == 1
    assert repr(tokens) == "TokenStore(1 tokens)"


def of_object(code: str) -> web.Response:
    return web.json_response({"error": {"code": code, "message": "No"}}, status=400)


@pytest.mark.parametrize(
    ("answer", "said", "what", "setting"),
    [
        (refused, "invalid_grant: Grant revoked", "the refresh token", "TT_REFRESH_TOKEN"),
        (lambda: of_object("invalid_grant"), "invalid_grant: No", "the refresh token", "TT_REFRESH_TOKEN"),
        (lambda: of_object("invalid_client"), "invalid_client: No", "the client secret", "TT_CLIENT_SECRET"),
        (
            lambda: web.json_response({"error_code": "invalid_client", "error_description": "No"}, status=401),
            "invalid_client: No",
            "the client secret",
            "TT_CLIENT_SECRET",
        ),
    ],
    ids=["rfc 6749", "tastytrade", "secret", "error_code"],
)
async def test_a_refused_grant_is_final_and_says_which_is_wrong_and_what_to_do(
    server: ScriptedServer, connect: Connect, *, answer: Callable[[], web.Response], said: str, what: str, setting: str
) -> None:
    server.once("/oauth/token", answer())
    async with connect() as client:
        with pytest.raises(AuthError) as caught:
            await client.accounts()
    message = str(caught.value)
    assert message.startswith("tastytrade ")
    assert f"refused {what} (" in message
    assert said in message
    assert setting in message
    assert "my.tastytrade.com" in message
    assert "canary" not in message
    assert not caught.value.retryable
    assert len(server.grants) == 1
    assert server.total() == 0


NOT_A_CUSTOMER = {"error_code": "invalid_request", "error_description": "User is not a TastyTrade customer"}


@pytest.mark.parametrize(
    "answer",
    [
        lambda: web.json_response(NOT_A_CUSTOMER, status=400),
        lambda: web.json_response({"error": {"code": "invalid_credentials", "message": "No"}}, status=401),
        lambda: web.Response(text="<title>403 Forbidden</title>", status=403),
        lambda: web.Response(status=400),
    ],
    ids=["invalid_request", "another code", "a proxy's page", "nothing"],
)
async def test_what_is_no_refusal_of_the_credentials_is_waited_for(
    server: ScriptedServer, connect: Connect, clock: FakeClock, tmp_path: Path, answer: Callable[[], web.Response]
) -> None:
    server.once("/oauth/token", answer(), answer())
    async with connect(state_dir=tmp_path) as client:
        await client.accounts()
    assert len(server.grants) == 3
    assert sum(clock.sleeps) > 1.9
    # Nor does it ever close the gate.
    server.once("/oauth/token", *(answer() for _ in range(20)))
    for _ in range(3):
        async with connect(state_dir=tmp_path) as client:
            with pytest.raises(HttpError):
                await client.accounts()
    assert not read(tmp_path / "auth.json")
    assert len(server.grants) == 3 + 9


async def test_a_hundred_requests_that_wait_for_a_grant_knock_a_few_times(
    server: ScriptedServer, connect: Connect
) -> None:
    server.once("/oauth/token", *(web.json_response(NOT_A_CUSTOMER, status=400) for _ in range(300)))
    async with connect() as client:
        outcomes = await asyncio.gather(*(client.accounts() for _ in range(100)), return_exceptions=True)
    assert all(isinstance(outcome, TTError) and not isinstance(outcome, AuthError) for outcome in outcomes)
    assert len(server.grants) <= 10


async def test_two_steps_of_one_run_are_one_refusal(
    server: ScriptedServer, connect: Connect, clock: FakeClock, tmp_path: Path
) -> None:
    server.once("/oauth/token", *(refused() for _ in range(9)))
    tokens = TokenStore()
    for _ in range(3):
        async with connect(tokens=tokens, state_dir=tmp_path) as client:
            with pytest.raises(AuthError, match="refused the refresh token"):
                await client.accounts()
    assert len(server.grants) == 1
    assert '"refusals": 1' in read(tmp_path / "auth.json")
    # A recorder that runs for days asks again.
    clock.advance(900)
    async with connect(tokens=tokens, state_dir=tmp_path) as client:
        with pytest.raises(AuthError):
            await client.accounts()
    assert len(server.grants) == 2


async def test_steps_in_processes_of_their_own_are_one_refusal_of_their_run(
    server: ScriptedServer, connect: Connect, clock: FakeClock, tmp_path: Path
) -> None:
    server.once("/oauth/token", *(refused() for _ in range(9)))

    async def refused_in(run: str) -> str:
        async with connect(run=run, state_dir=tmp_path) as client:
            with pytest.raises(AuthError) as caught:
                await client.accounts()
        return str(caught.value)

    said = {await refused_in("run 1") for _ in range(3)}
    assert len(said) == 1
    assert "refused the refresh token" in said.pop()
    assert (len(server.grants), '"refusals": 1' in read(tmp_path / "auth.json")) == (1, True)
    # Two that ask at the same moment have met one refusal as well.
    first, second = (
        AuthGate(Credentials(server.url, "s", "r"), clock=clock, state_dir=tmp_path / "two", run="run 1")
        for _ in range(2)
    )
    first.refused("invalid_grant", "no")
    assert second.refused("invalid_grant", "no").retry_at is None
    # The next run is the second one, and closes the gate.
    await refused_in("run 2")
    assert "refused these credentials 2 times" in await refused_in("run 3")
    assert len(server.grants) == 2


async def test_a_hundred_requests_with_a_refused_grant_knock_once(server: ScriptedServer, connect: Connect) -> None:
    server.once("/oauth/token", *(refused() for _ in range(9)))
    async with connect() as client:
        outcomes = await asyncio.gather(*(client.accounts() for _ in range(100)), return_exceptions=True)
    assert all(isinstance(outcome, AuthError) for outcome in outcomes)
    assert len(server.grants) == 1


async def test_two_refusals_close_the_gate_for_eight_hours_and_across_processes(
    server: ScriptedServer, connect: Connect, clock: FakeClock, tmp_path: Path
) -> None:
    server.once("/oauth/token", *(refused() for _ in range(3)))
    for _ in range(3):
        async with connect(state_dir=tmp_path) as client:
            with pytest.raises(AuthError):
                await client.accounts()
    async with connect(state_dir=tmp_path) as client:
        with pytest.raises(AuthError) as caught:
            await client.accounts()
    assert len(server.grants) == 2
    assert caught.value.retry_at == datetime(2026, 11, 20, 23, 0, tzinfo=UTC)
    assert "refused these credentials 2 times" in str(caught.value)
    assert "not tried again before 2026-11-20 23:00 UTC" in str(caught.value)

    # When the time has come one knock is allowed; it is refused, so the gate closes again at once.
    clock.advance(timedelta(hours=8))
    for _ in range(3):
        async with connect(state_dir=tmp_path) as client:
            with pytest.raises(AuthError):
                await client.accounts()
    assert len(server.grants) == 3

    clock.advance(timedelta(hours=8))
    async with connect(state_dir=tmp_path) as client:
        await client.accounts()
    assert not read(tmp_path / "auth.json")


async def test_new_credentials_open_the_gate_and_no_credential_is_on_disk(
    server: ScriptedServer, connect: Connect, tmp_path: Path
) -> None:
    server.once("/oauth/token", refused(), refused())
    for _ in range(3):
        async with connect(state_dir=tmp_path) as client:
            with pytest.raises(AuthError):
                await client.accounts()
    text = read(tmp_path / "auth.json")
    assert "invalid_grant" in text
    assert not any(secret in text for secret in server.secrets)
    async with connect(state_dir=tmp_path, base_url=f"{server.url}/") as client:
        with pytest.raises(AuthError, match="2 times"):
            await client.accounts()
    async with connect(state_dir=tmp_path, base_url=server.url.replace("127.0.0.1", "localhost")) as client:
        await client.accounts()


async def test_the_gate_is_kept_in_memory_without_a_folder(server: ScriptedServer, connect: Connect) -> None:
    server.once("/oauth/token", *(refused() for _ in range(9)))
    async with connect() as client:
        for _ in range(5):
            with pytest.raises(AuthError):
                await client.accounts()
    assert len(server.grants) == 2


async def test_a_grant_is_repeated_for_a_fault_of_the_service(server: ScriptedServer, connect: Connect) -> None:
    server.once("/oauth/token", web.Response(status=502), server.hang_up)
    async with connect() as client:
        await client.accounts()
    assert len(server.grants) == 3


@pytest.mark.parametrize("lifetime", ["NaN", "", None, 0, -5, "soon", [900]])
async def test_a_grant_without_a_readable_lifetime_is_good_for_the_usual_one(
    server: ScriptedServer, connect: Connect, clock: FakeClock, lifetime: object
) -> None:
    server.accepted.add("good")
    server.once("/oauth/token", web.json_response({"access_token": "good", "expires_in": lifetime}))
    async with connect() as client:
        await client.accounts()
        clock.advance(839)
        await client.accounts()
        assert len(server.grants) == 1
        clock.advance(1)
        await client.accounts()
    assert len(server.grants) == 2


async def test_a_grant_without_a_token_breaks_its_contract(server: ScriptedServer, connect: Connect) -> None:
    server.once("/oauth/token", web.json_response({"token_type": "Bearer"}))
    async with connect() as client:
        with pytest.raises(PayloadError, match="POST /oauth/token: breaks its contract"):
            await client.accounts()


async def test_waiters_share_the_failure_of_a_renewal(server: ScriptedServer, connect: Connect) -> None:
    server.once("/oauth/token", *(server.hang_up for _ in range(200)))
    async with connect() as client:
        outcomes = await asyncio.gather(*(client.accounts() for _ in range(50)), return_exceptions=True)
    assert all(isinstance(outcome, TTError) for outcome in outcomes)
    assert any(isinstance(outcome, TransportError) for outcome in outcomes)
    assert len(server.grants) < 50


async def test_no_secret_is_logged_or_shown(
    server: ScriptedServer, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.once(ACCOUNTS, server.error(401), server.error(500, "canary-access-token-2 canary-client-secret-4711"))
    server.once("/oauth/token", server.hang_up)
    async with connect() as client:
        await client.accounts()
        shown = [repr(client.__dict__), repr(client._requester.__dict__), repr(client._requester._tokens.__dict__)]
    records = [repr(record.__dict__) + record.getMessage() for record in caplog.records]
    assert len(records) > 4
    for secret in server.secrets:
        assert not any(secret in text for text in [*records, *shown])
