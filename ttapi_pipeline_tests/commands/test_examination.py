# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The findings of the doctor, one illness at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from ttapi_pipeline.client.server_clock import server_clock_offset
from ttapi_pipeline.commands.examination import Finding, examine
from ttapi_pipeline.core.clock import SYSTEM_CLOCK
from ttapi_pipeline.core.errors import TransportError
from ttapi_pipeline.core.manifest import Provenance
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.datasets.accounts.table import ACCOUNTS
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.simulator.process import SimulatorProcess
from ttapi_pipeline.storage.layout import open_folder
from ttapi_pipeline.storage.publish import publish
from ttapi_pipeline_tests.support.clocks import ShiftedClock
from ttapi_pipeline_tests.support.flips import flip_bit


@pytest.fixture(scope="module")
def exchange() -> Iterator[SimulatorProcess]:
    with SimulatorProcess(seed=7) as simulator:
        yield simulator


@pytest.fixture
def settings(tmp_path: Path, exchange: SimulatorProcess) -> Settings:
    return Settings(data_dir=str(tmp_path / "data"), api_url=exchange.url)


def by_subject(findings: Sequence[Finding]) -> Mapping[str, Finding]:
    return {finding.subject: finding for finding in findings}


async def test_a_new_installation_is_healthy(settings: Settings) -> None:
    findings = by_subject(await examine(settings, is_repairing=False))
    assert [finding for finding in findings.values() if not finding.is_good] == []
    assert findings["connection"].text == "simulator seed 7 answers, 3 accounts"
    assert findings["feed"].text == "DXLink opens and accepts the quote token"
    assert findings["clock"].text == "agrees with the server's"
    assert findings["accounts"].text == "nothing is stored; `tt refresh` fills it"


@pytest.mark.parametrize(("hours", "way"), [(2, "ahead of"), (-2, "behind")])
async def test_a_wrong_clock_is_named_with_how_far_it_is_off(settings: Settings, hours: int, way: str) -> None:
    findings = by_subject(
        await examine(settings, is_repairing=False, clock=ShiftedClock(timedelta(hours=hours, minutes=5)))
    )
    clock = findings["clock"]
    assert not clock.is_good
    # 2 h 5 min ahead; or 1 h 55 min behind. The server's clock ticks on in between, so the seconds may differ by one.
    expected = {2: ("2h 5m", "2h 4m"), -2: ("1h 55m", "1h 54m")}[hours]
    assert clock.text.startswith(expected)
    assert f" {way} the server's" in clock.text


async def test_data_from_the_future_is_found(settings: Settings) -> None:
    frame = pl.DataFrame(schema=ACCOUNTS.polars)
    provenance = Provenance(
        dataset="accounts",
        code_version=DATASETS["accounts"].code_version,
        fetched_at=datetime.now(UTC) + timedelta(hours=3),
        settings={"origin": settings.origin},
        is_simulated=True,
    )
    publish(frame, ACCOUNTS, open_folder(settings.data_dir), provenance)
    times = by_subject(await examine(settings, is_repairing=False))["stored times"]
    assert not times.is_good
    assert times.text.startswith("accounts: fetched 2h 59m")


async def test_a_server_that_nobody_runs_is_three_findings_and_no_exception(settings: Settings) -> None:
    findings = by_subject(await examine(replace(settings, api_url="http://127.0.0.1:9"), is_repairing=False))
    assert "127.0.0.1:9 cannot be reached" in findings["connection"].text
    assert not findings["connection"].is_good
    assert not findings["clock"].is_good
    assert "feed" not in findings


async def test_an_unreadable_metastock_folder_is_named(settings: Settings, tmp_path: Path) -> None:
    findings = by_subject(await examine(replace(settings, metastock_dir=tmp_path / "gone"), is_repairing=False))
    assert not findings["metastock"].is_good
    assert str(tmp_path / "gone") in findings["metastock"].text


@pytest.mark.parametrize("stated", ["yesterday", ""])
async def test_a_server_without_a_usable_date_says_nothing_of_the_time(stated: str) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(headers={"Date": stated})

    application = web.Application()
    application.router.add_route("*", "/", answer)
    async with TestServer(application, host="127.0.0.1") as server:
        assert await server_clock_offset(str(server.make_url("/")), clock=SYSTEM_CLOCK) is None


async def test_a_server_without_an_answer_is_an_error_of_transport() -> None:
    with pytest.raises(TransportError, match="would tell the server's time"):
        await server_clock_offset("http://127.0.0.1:9", clock=SYSTEM_CLOCK)


async def test_a_damaged_record_of_runs_is_named_and_put_aside(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    path = tmp_path / "history" / "runs.db"
    path.parent.mkdir()
    path.write_bytes(b"SQLite format 3 it is not")
    found = by_subject(await examine(settings, is_repairing=False))["dagster"]
    assert not found.is_good
    assert found.text.startswith(f"{path} is damaged (file is not a database); `tt doctor --repair` puts it aside")
    assert by_subject(await examine(settings, is_repairing=True))["dagster"].is_good
    assert by_subject(await examine(settings, is_repairing=False))["dagster"].text == "no run was started yet"


async def test_a_damaged_table_says_what_it_costs_to_make_it_anew(settings: Settings) -> None:
    provenance = Provenance(
        dataset="accounts",
        code_version=DATASETS["accounts"].code_version,
        fetched_at=datetime.now(UTC),
        statistics={"requests": 7},
        fetch_seconds=90.0,
        is_simulated=True,
    )
    folder = open_folder(settings.data_dir)
    publish(pl.DataFrame(schema=ACCOUNTS.polars), ACCOUNTS, folder, provenance)
    flip_bit(Path(settings.data_dir) / "accounts.parquet", 60, 1)
    restorable = by_subject(await examine(settings, is_repairing=False))["accounts"].text
    assert "makes it from its CSV, which is good" in restorable
    (Path(settings.data_dir) / "accounts.csv").unlink()
    findings = await examine(settings, is_repairing=False)
    (text,) = (each.text for each in findings if "accounts.parquet is damaged" in each.text)
    assert text.endswith("(making it anew takes 7 requests to the broker and about 1m 30s)")
