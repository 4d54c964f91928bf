# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""`tt alert`, and who is told by a refresh that nobody watches."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ttapi_pipeline.commands.alert_examination import examine_alerts
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline_tests.support.listeners import Webhook, webhook
from ttapi_pipeline_tests.support.projects import Tt


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with webhook() as hook:
        yield hook


def test_without_a_destination_it_says_which_setting_is_missing(tt: Tt) -> None:
    done = tt("alert", "--test")
    assert done.code == 2
    assert done.err.startswith("error: TT_ALERT_URLS is not set: it names who is told")


def test_a_trial_says_what_came_back_from_each_destination(tt: Tt, hook: Webhook) -> None:
    done = tt("alert", "--test", TT_ALERT_URLS=f"{hook.url} nonsense://token-4711")
    assert done.code == 4
    assert done.out.splitlines() == [
        "1 (json): accepted the test message",
        "2 (nonsense): Apprise cannot use the URL: its scheme is unknown, or something in it is missing",
    ]
    assert hook.titles == ["ttapi_pipeline: this is a test"]
    hook.status = 401
    done = tt("alert", "--test", "--json", TT_ALERT_URLS=hook.url)
    assert done.code == 4
    answer = json.loads(done.out)["destinations"]["1 (json)"]
    assert not answer["is_accepted"]
    assert "401" in answer["failure"]
    assert "canary" not in done.out + done.err


def test_without_the_package_it_says_what_to_install(tt: Tt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    done = tt("alert", TT_ALERT_URLS="json://nobody")
    assert (done.code, done.err) == (
        2,
        "error: TT_ALERT_URLS is set and needs the package apprise: pip install 'ttapi-pipeline[alerts]'\n",
    )


def test_an_error_that_ends_a_refresh_is_told_and_so_is_its_end(tt: Tt, project: Path, hook: Webhook) -> None:
    (project / "data").write_text("a file in the place of the folder")
    assert tt("refresh", TT_ALERT_URLS=hook.url).code == 4
    assert hook.titles == ["ttapi_pipeline: tt refresh and data folder failed"]


def test_the_doctor_says_who_is_told_and_who_does_not_listen(tmp_path: Path) -> None:
    def findings(*urls: str) -> list[tuple[bool, str]]:
        settings = Settings(data_dir=str(tmp_path), alert_urls=urls)
        return [(each.is_good, each.text) for each in examine_alerts(settings)]

    assert findings() == [(True, "TT_ALERT_URLS is not set, so nobody is told when a dataset fails")]
    good, bad = findings("json://host/token-4711", "nonsense://token-4711")
    assert good == (True, "destination 1 (json) is told; `tt alert --test` tries it")
    assert not bad[0]
    assert bad[1].startswith("destination 2 (nonsense): Apprise cannot use the URL")
    assert "4711" not in bad[1]
    assert list(tmp_path.iterdir()) == []
