# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""SETUP, AUTH and keepalives: the answers of the server on channel 0, asked over a socket."""

from __future__ import annotations

import json

import pytest

from ttapi_pipeline_tests.support.raw_dxlink import (
    NOVEMBER_2,
    Server,
)


async def test_setup_is_answered_with_both_timeouts_and_then_the_need_for_a_token(server: Server) -> None:
    async with server.connect() as client:
        await client.send("SETUP", 0, version="0.1-test/1", keepaliveTimeout=45, acceptKeepaliveTimeout=20)
        setup = await client.receive()
        assert (setup["type"], setup["channel"]) == ("SETUP", 0)
        assert setup["version"].startswith("1.0-")
        assert (setup["keepaliveTimeout"], setup["acceptKeepaliveTimeout"]) == (20, 45)
        assert await client.receive() == {"type": "AUTH_STATE", "channel": 0, "state": "UNAUTHORIZED"}


async def test_a_client_that_names_no_timeouts_is_told_sixty_seconds(server: Server) -> None:
    async with server.connect() as client:
        await client.send("SETUP", 0, version="0.1-test/1")
        setup = await client.receive()
        assert (setup["keepaliveTimeout"], setup["acceptKeepaliveTimeout"]) == (60, 60)


async def test_messages_sent_without_waiting_are_answered_in_their_order(server: Server) -> None:
    async with server.connect() as client:
        await client.send("SETUP", 0, version="0.1-test/1")
        await client.send("AUTH", 0, token=server.tokens.issue().token)
        await client.send("CHANNEL_REQUEST", 3, service="FEED", parameters={"contract": "AUTO"})
        await client.send("FEED_SETUP", 3, acceptDataFormat="COMPACT")
        await client.subscribe("Candle", "SPY{=d}", channel=3, fromTime=NOVEMBER_2)
        answers = [await client.receive() for _ in range(7)]
        assert [answer["type"] for answer in answers] == [
            *("SETUP", "AUTH_STATE", "AUTH_STATE", "CHANNEL_OPENED", "FEED_CONFIG", "FEED_CONFIG", "FEED_DATA")
        ]
        assert answers[2]["state"] == "AUTHORIZED"
        assert answers[2]["userId"]


async def test_setup_may_be_repeated_to_change_the_timeouts_without_a_second_question_for_the_token(
    server: Server,
) -> None:
    async with server.connect() as client:
        await client.authorize()
        await client.send("SETUP", 0, version="0.1-test/1", acceptKeepaliveTimeout=15)
        assert (await client.receive())["keepaliveTimeout"] == 15
        await client.nothing()


async def test_what_comes_before_setup_or_before_the_token_is_refused(server: Server) -> None:
    async with server.connect() as client:
        await client.send("AUTH", 0, token=server.tokens.issue().token)
        assert (await client.receive())["error"] == "BAD_ACTION"
        await client.send("SETUP", 0, version="0.1-test/1")
        await client.receive()
        await client.receive()
        await client.send("CHANNEL_REQUEST", 1, service="FEED", parameters={"contract": "AUTO"})
        assert (await client.receive())["error"] == "UNAUTHORIZED"


async def test_an_unknown_protocol_version_is_unsupported(server: Server) -> None:
    async with server.connect() as client:
        await client.send("SETUP", 0, version="9.0-test/1")
        assert (await client.receive())["error"] == "UNSUPPORTED_PROTOCOL"


@pytest.mark.parametrize(
    "text",
    [
        *("", "null", "[]", "{", '{"type": "SETUP"}', '{"type": "NEWS", "channel": 0}', "[" * 2_000),
        *('{"type": "SETUP", "channel": "0", "version": "0.1"}', '{"type": "AUTH", "channel": 0, "token": 7}'),
        '{"type": "SETUP", "channel": 0, "version": "0.1", "keepaliveTimeout": NaN}',
    ],
)
async def test_what_is_not_a_message_is_invalid_and_the_connection_goes_on(server: Server, text: str) -> None:
    async with server.connect() as client:
        await client.socket.send_str(text)
        error = await client.receive()
        assert (error["type"], error["channel"], error["error"]) == ("ERROR", 0, "INVALID_MESSAGE")
        await client.socket.send_bytes(b"\xff\xfe\x00")
        assert (await client.receive())["error"] == "INVALID_MESSAGE"
        await client.authorize()


async def test_a_token_is_not_repeated_in_an_error(server: Server) -> None:
    async with server.connect() as client:
        await client.socket.send_str('{"type": "AUTH", "channel": {}, "token": "canary-token"}')
        assert "canary" not in json.dumps(await client.receive())


async def test_an_error_of_the_client_needs_no_answer(server: Server) -> None:
    async with server.connect() as client:
        await client.send("ERROR", 0, error="TIMEOUT", message="no keepalive")
        await client.nothing()


async def test_a_strict_server_refuses_what_comes_before_its_last_answer(server: Server) -> None:
    server.faults.add("dx-strict-auth")
    async with server.connect() as client:
        await client.send("SETUP", 0, version="0.1-test/1")
        await client.send("AUTH", 0, token=server.tokens.issue().token)
        assert (await client.receive())["type"] == "SETUP"
        error = await client.receive()
        assert (error["error"], error["message"]) == ("UNAUTHORIZED", "AuthException: Session not found: api")
        await server.clock.advance(1)
        assert (await client.receive())["state"] == "UNAUTHORIZED"
        await client.send("AUTH", 0, token=server.tokens.issue().token)
        await client.send("CHANNEL_REQUEST", 1, service="FEED", parameters={"contract": "AUTO"})
        assert (await client.receive())["error"] == "UNAUTHORIZED"
        await server.clock.advance(1)
        assert (await client.receive())["state"] == "AUTHORIZED"
        await client.open(1)


async def test_a_refused_token_is_unauthorized_once_and_then_closed(server: Server) -> None:
    async with server.connect() as client:
        await client.send("SETUP", 0, version="0.1-test/1")
        await client.receive()
        await client.receive()
        await client.send("AUTH", 0, token="wrong")
        assert (await client.receive())["state"] == "UNAUTHORIZED"
        await client.send("AUTH", 0, token="wrong")
        assert await client.closed() == 1008


async def test_a_token_older_than_a_day_is_refused_and_a_connection_outlives_its_token(server: Server) -> None:
    token = server.tokens.issue().token
    async with server.connect() as first:
        await first.authorize()
        server.clock.jump(24 * 3600 + 1)
        await first.open(1)
        async with server.connect() as client:
            await client.send("SETUP", 0, version="0.1-test/1")
            await client.send("AUTH", 0, token=token)
            assert [(await client.receive()).get("state") for _ in range(3)] == [None, "UNAUTHORIZED", "UNAUTHORIZED"]
            assert await client.closed() == 1008


async def test_a_keepalive_comes_every_thirty_seconds_whatever_else_is_sent(server: Server) -> None:
    async with server.feed(fields={"Quote": ["eventSymbol"]}) as client:
        await client.subscribe("Quote", "SPY")
        await client.receive()
        for _ in range(3):
            server.clock.jump(29)
            await server.clock.advance(1)
            await client.send("KEEPALIVE", 0)
            kinds = [(await client.receive())["type"]]
            while kinds[-1] != "KEEPALIVE":
                kinds.append((await client.receive())["type"])
            assert set(kinds) <= {"KEEPALIVE", "FEED_DATA"}


async def test_a_client_with_a_short_timeout_is_kept_alive_in_time(server: Server) -> None:
    async with server.connect() as client:
        await client.send("SETUP", 0, version="0.1-test/1", keepaliveTimeout=10)
        await client.receive()
        await client.receive()
        await server.clock.advance(5)
        assert (await client.receive())["type"] == "KEEPALIVE"


@pytest.mark.parametrize("is_set_up", [True, False])
async def test_a_client_silent_for_longer_than_announced_is_told_so_and_dropped(
    server: Server, is_set_up: bool
) -> None:
    async with server.connect() as client:
        if is_set_up:
            await client.authorize()
        server.clock.jump(60)
        await server.clock.advance(1)
        messages = [await client.receive()]
        while messages[-1]["type"] == "KEEPALIVE":
            messages.append(await client.receive())
        assert messages[-1]["error"] == "TIMEOUT"
        assert await client.closed() == 1001
