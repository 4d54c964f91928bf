# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Which hosts are this machine, and that credentials leave it encrypted or not at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttapi_pipeline.core.errors import ConfigError
from ttapi_pipeline.core.hosts import can_be_read_on_the_way, is_loopback
from ttapi_pipeline.core.settings import Settings

CREDENTIALS = {"TT_CLIENT_SECRET": "canary-4711", "TT_REFRESH_TOKEN": "canary-4712"}


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST.", "a.localhost", "127.0.0.1", "127.8.9.10", "::1"])
def test_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", [None, "", "localhost.example.com", "127.0.0.1.example.com", "0.0.0.0", "10.0.0.1", "::", "nas", "[::1]"]
)
def test_another_machine(host: str | None) -> None:
    assert not is_loopback(host)


@given(st.ip_addresses())
def test_only_addresses_of_the_loopback_are_this_machine(address: object) -> None:
    text = str(address)
    assert is_loopback(text) == (text == "::1" or text.startswith("127."))


@pytest.mark.parametrize(
    "url", ["http://nas:8080", "http://api.tastyworks.com", "ws://10.0.0.1/x", "nonsense", "http://["]
)
def test_credentials_go_nowhere_unencrypted_unless_the_settings_say_so(url: str) -> None:
    assert can_be_read_on_the_way(url)
    settings = Settings.from_values(CREDENTIALS)
    with pytest.raises(ConfigError, match="TT_ALLOW_HTTP=true") as error:
        settings.check_encryption(url, named_by="TT_API_URL")
    assert "canary" not in str(error.value)
    Settings.from_values({**CREDENTIALS, "TT_ALLOW_HTTP": "true"}).check_encryption(url, named_by="TT_API_URL")
    # Those of the simulator are in its source.
    Settings().check_encryption(url, named_by="TT_API_URL")


def test_a_url_without_encryption_stops_everything_before_it_starts() -> None:
    with pytest.raises(ConfigError, match="TT_API_URL is http://nas:8080: credentials would go to another machine"):
        Settings.from_values({**CREDENTIALS, "TT_API_URL": "http://nas:8080"})
    for allowed in ("https://nas:8080", "http://127.0.0.1:8080", "http://[::1]:8080"):
        assert Settings.from_values({**CREDENTIALS, "TT_API_URL": allowed}).api_url == allowed
    open_to_all = {**CREDENTIALS, "TT_API_URL": "http://nas:8080", "TT_ALLOW_HTTP": "true"}
    assert Settings.from_values(open_to_all).allow_http
    assert Settings.from_values({"TT_ENV": "simulator", "TT_API_URL": "http://nas:8080"}).is_simulated
