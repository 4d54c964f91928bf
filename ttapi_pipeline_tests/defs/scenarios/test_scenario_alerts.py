# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The sensor of alerts over real runs: one message for a storm, one for its end, nothing in between."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.test_utils import freeze_time

from ttapi_pipeline.defs.automation.alerts import alert_sensor
from ttapi_pipeline_tests.support.keepers import ALL, HALF_A_MINUTE, MINUTES, MONDAY, Keeper
from ttapi_pipeline_tests.support.listeners import Webhook, webhook

pytestmark = pytest.mark.filterwarnings("ignore::dagster.BetaWarning")


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with webhook() as hook:
        yield hook


@pytest.fixture
def kept(open_keeper: Callable[..., Keeper], hook: Webhook) -> Keeper:
    """A folder in which nothing is stored yet, of a user who is told."""
    return open_keeper(alert_urls=(hook.url,))


def looks(keeper: Keeper, sensor: dg.SensorDefinition | None = None) -> str:
    """One tick of the sensor, half a minute later; a new sensor is what a restarted daemon has."""
    keeper.clock.at += HALF_A_MINUTE
    sensor = sensor or alert_sensor(keeper.settings, clock=keeper.clock)
    with freeze_time(keeper.clock.at), dg.build_sensor_context(instance=keeper.instance) as context:
        outcome = sensor(context)
    assert isinstance(outcome, dg.SkipReason)
    return outcome.skip_message or ""


def test_a_dead_broker_is_one_message_and_its_return_another_over_restarts(kept: Keeper, hook: Webhook) -> None:
    kept.outside.down = set(ALL)
    assert not kept.run(*ALL)
    looks(kept)
    (posted,) = hook.posted
    assert posted["type"] == "failure"
    lines = posted["message"].splitlines()
    assert lines[0] == "accounts, trading_calendar, universe: failed at 15:00 UTC: no answer."
    # Every one of the fifteen is named.
    assert {name for name in ALL if name in posted["message"]} == ALL
    assert looks(kept) == "15 not well, nothing to tell"
    # The retry of ten minutes later fails as well.
    kept.clock.at += 10 * MINUTES
    assert not kept.run(*ALL)
    looks(kept)
    assert len(hook.posted) == 1
    kept.outside.down = set()
    kept.clock.at += 10 * MINUTES
    assert kept.run(*ALL)
    looks(kept)
    assert len(hook.posted) == 2
    assert hook.posted[1]["type"] == "success"
    # Two of ten minutes, and four looks of half a minute each.
    assert "universe is well again after 22m" in hook.posted[1]["message"]
    assert looks(kept) == "all is well, nothing to tell"
    assert len(hook.posted) == 2


def test_what_nothing_refreshes_is_told_after_a_quarter_of_an_hour(keeper: Keeper, hook: Webhook) -> None:
    keeper.settings = replace(keeper.settings, alert_urls=(hook.url,))
    looks(keeper)
    # Accounts live for an hour, the universe for a day, and no daemon refreshes them.
    keeper.clock.at = MONDAY + 61 * MINUTES
    looks(keeper)
    assert hook.posted == []
    keeper.clock.at += 14 * MINUTES
    looks(keeper)
    assert hook.posted == []
    looks(keeper)
    (posted,) = hook.posted
    assert posted["title"] == "ttapi_pipeline: accounts overdue"
    keeper.run("accounts")
    looks(keeper)
    assert hook.titles[1:] == ["ttapi_pipeline: accounts well again"]


def test_a_forced_refresh_that_failed_is_told_although_the_data_is_fresh(keeper: Keeper, hook: Webhook) -> None:
    keeper.settings = replace(keeper.settings, alert_urls=(hook.url,))
    keeper.outside.down = {"symbols"}
    assert not keeper.run("symbols", force=True)
    looks(keeper)
    assert hook.titles == ["ttapi_pipeline: symbols failed"]
    # A run that finds it fresh shows that it can be used.
    assert keeper.run("symbols")
    looks(keeper)
    assert hook.titles[1:] == ["ttapi_pipeline: symbols well again"]


def test_a_webhook_that_refuses_delays_its_message_and_nothing_else(kept: Keeper, hook: Webhook) -> None:
    kept.outside.down = set(ALL)
    hook.status = 503
    sensor = alert_sensor(kept.settings, clock=kept.clock)
    kept.run(*ALL)
    assert looks(kept, sensor).endswith("not accepted yet by destination 1 (json)")
    hook.status = 200
    looks(kept, sensor)
    assert looks(kept, sensor).endswith("nothing to tell")
    # Refused, and accepted a minute later.
    assert hook.titles == [hook.titles[0]] * 2
    text = (Path(kept.settings.data_dir) / ".state" / "alerts.json").read_text()
    assert not any(secret in text for secret in ("canary", "127.0.0.1"))
    assert json.loads(text)["content"]["outbox"] == {"letters": [], "refusals": {}}


def test_a_ledger_that_cannot_be_written_is_remembered_by_the_process(kept: Keeper, hook: Webhook) -> None:
    kept.outside.down = set(ALL)
    kept.run(*ALL)
    data = Path(kept.settings.data_dir)
    data.mkdir(exist_ok=True)
    # A file in the place of the folder: not even root can write there.
    (data / ".state").write_text("in the way")
    sensor = alert_sensor(kept.settings, clock=kept.clock)
    looks(kept, sensor)
    looks(kept, sensor)
    assert len(hook.posted) == 1
    (data / ".state").unlink()
    looks(kept, sensor)
    looks(kept)
    assert len(hook.posted) == 1


def test_a_damaged_ledger_tells_what_is_wrong_once_more(kept: Keeper, hook: Webhook) -> None:
    kept.outside.down = set(ALL)
    kept.run(*ALL)
    looks(kept)
    ledger = Path(kept.settings.data_dir) / ".state" / "alerts.json"
    ledger.write_bytes(ledger.read_bytes().replace(b"universe", b"universa", 1))
    looks(kept)
    looks(kept)
    assert len(hook.posted) == 2
    assert hook.titles[0] == hook.titles[1]


def test_without_the_package_the_tick_says_what_to_install(kept: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    assert looks(kept) == ("TT_ALERT_URLS is set and needs the package apprise: pip install 'ttapi-pipeline[alerts]'")


def test_the_ledger_is_not_written_when_nothing_is_new(keeper: Keeper, hook: Webhook) -> None:
    keeper.settings = replace(keeper.settings, alert_urls=(hook.url,))
    sensor = alert_sensor(keeper.settings, clock=keeper.clock)
    looks(keeper, sensor)
    ledger = Path(keeper.settings.data_dir) / ".state" / "alerts.json"
    written = ledger.read_bytes()
    looks(keeper, sensor)
    assert ledger.read_bytes() == written
