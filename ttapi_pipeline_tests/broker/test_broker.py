# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A broker's clients share what they know, and the simulator that it starts ends with it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ttapi_pipeline.broker.broker import Broker
from ttapi_pipeline.core.environments import Environment
from ttapi_pipeline.core.errors import ConfigError, TransportError
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline_tests.support.simulator import SimulatorControl


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=str(tmp_path))


async def test_two_clients_and_a_link_share_one_access_token_and_one_simulator(settings: Settings) -> None:
    with Broker(settings) as broker:
        async with broker.connect() as one, broker.connect() as two:
            assert await one.accounts() == await two.accounts()
        async with broker.open_link():
            pass
        asked = SimulatorControl(broker.server_url()).requests()
        assert asked["POST /oauth/token"] == 1
        assert asked["GET /customers/me/accounts"] == 2
        assert asked["GET /api-quote-tokens"] == 1
        traffic = broker.traffic()
        assert (traffic.requests, traffic.in_flight, traffic.retries, traffic.throttled) == (4, 0, 0, 0)
        assert broker.request_counts() == {"attempts": 4, "retries": 0, "throttled": 0}
        assert set(broker.breaker_states().values()) == {"closed"}


def test_the_simulator_starts_when_its_address_is_needed_and_ends_with_the_broker(settings: Settings) -> None:
    others = _children()
    with Broker(settings) as broker:
        assert _children() <= others
        url = broker.server_url()
        assert broker.server_url() == url
        assert len(_children() - others) == 1
    assert _children() <= others
    broker.close()


async def test_a_server_that_the_settings_name_is_used_and_no_simulator_is_started(tmp_path: Path) -> None:
    settings, others = Settings(data_dir=str(tmp_path), api_url="http://127.0.0.1:9"), _children()
    with Broker(settings) as broker:
        assert broker.server_url() == "http://127.0.0.1:9"
        async with broker.connect() as client:
            with pytest.raises(TransportError, match=r"127\.0\.0\.1:9 cannot be reached"):
                await client.accounts()
        # What failed is counted too: three attempts to get an access token.
        assert broker.request_counts()["attempts"] == 3
    assert _children() <= others


def test_a_simulator_never_stands_in_for_a_real_broker(tmp_path: Path) -> None:
    settings = Settings(environment=Environment.PRODUCTION, client_secret="canary-1", data_dir=str(tmp_path))
    with Broker(settings) as broker:
        with pytest.raises(ConfigError, match="TT_API_URL is not set"):
            broker.server_url()
        assert "canary-1" not in repr(broker)


def _children() -> set[int]:
    """Of this process; other tests of it may have left some, such as a simulator that several share."""
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
    return {int(pid) for pid in children.read_text().split()}
