# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What processes on several machines tell one another through an object store, and where each keeps its caches."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ttapi_pipeline.client.breakers import Breakers, read_breaker_states
from ttapi_pipeline.client.oauth import GATE_FILE, INVALID_GRANT, REFUSALS_UNTIL_CLOSED, AuthGate, Credentials
from ttapi_pipeline.client.routes import Family
from ttapi_pipeline.core.errors import AuthError, TransportError
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.core.shared_state import StateFolder, state_file
from ttapi_pipeline.storage.layout import Folder
from ttapi_pipeline.storage.objects.location import ObjectPath
from ttapi_pipeline.storage.places import cache_folder, quotes_folder, shared_state
from ttapi_pipeline_tests.support.clocks import FakeClock

CREDENTIALS = Credentials("https://api.example.com", "canary-client", "canary-token")


@pytest.fixture(params=["disk", "object store"])
def state(request: pytest.FixtureRequest, tmp_path: Path) -> Path | StateFolder:
    """The state of data in a folder, and of data in an object store."""
    place: Folder = tmp_path if request.param == "disk" else request.getfixturevalue("prefix")
    return shared_state(Settings(data_dir=str(place)))


def test_the_next_process_knows_of_refused_grants_and_asks_no_more(state: Path | StateFolder) -> None:
    clock = FakeClock(datetime(2026, 11, 20, 17, tzinfo=UTC))
    for _ in range(REFUSALS_UNTIL_CLOSED):
        gate = AuthGate(CREDENTIALS, clock=clock, state_dir=state)
        gate.check()
        gate.refused(INVALID_GRANT, "refused by a test")
    with pytest.raises(AuthError, match="are not tried again before"):
        AuthGate(CREDENTIALS, clock=clock, state_dir=state).check()
    other = replace(CREDENTIALS, refresh_token="another")
    AuthGate(other, clock=clock, state_dir=state).check()
    written = state_file(state, GATE_FILE).read()
    assert written is not None
    assert b"canary" not in written


async def test_breakers_of_several_processes_are_in_one_file(state: Path | StateFolder) -> None:
    for family in (Family.ACCOUNTS, Family.INSTRUMENTS):
        breaker = Breakers(state_dir=state)[family]
        while breaker.state.state != "open":
            permit = await breaker.permit("a request of a test")
            permit.failed(TransportError("no answer"))
    states = read_breaker_states(state)
    assert {family: states[family.value].state for family in (Family.ACCOUNTS, Family.INSTRUMENTS)} == {
        Family.ACCOUNTS: "open",
        Family.INSTRUMENTS: "open",
    }


def test_changes_at_the_same_time_are_all_made(prefix: ObjectPath) -> None:
    file = state_file(shared_state(Settings(data_dir=str(prefix))), "lines")

    def add(number: int) -> None:
        file.change(lambda content: (content or b"") + f"{number}\n".encode())

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(add, range(12)))
    assert sorted(map(int, (file.read() or b"").split())) == list(range(12))
    file.change(lambda _: None)
    assert file.read() is None


def test_caches_and_quotes_of_remote_data_are_on_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remote = Settings(data_dir="s3://bucket/tables")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder(remote).is_relative_to(tmp_path)
    assert cache_folder(remote) != cache_folder(replace(remote, data_dir="s3://bucket/others"))
    assert cache_folder(replace(remote, cache_dir=tmp_path / "mine")) == tmp_path / "mine"
    assert cache_folder(Settings(data_dir=str(tmp_path))) == tmp_path / ".state"
    assert quotes_folder(remote) is None
    assert quotes_folder(replace(remote, quote_log_dir=tmp_path)) == tmp_path
    assert quotes_folder(Settings(data_dir=str(tmp_path))) == tmp_path
