# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Thirty sessions of real runs against the simulator, and what was known at the end of each of them.

In between, bars are revised, the broker restates its calendar, a split restates the past of a symbol, and services
fail. The split comes by the files: the simulator's feed has prices that are adjusted for all time.
"""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttapi_pipeline import open_dataset
from ttapi_pipeline.core.errors import ConfigError
from ttapi_pipeline.core.manifest import Manifest
from ttapi_pipeline.core.sessions import sessions_between
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.datasets.reading import schema_of
from ttapi_pipeline.datasets.registry import DATASETS, REPORTS
from ttapi_pipeline.datasets.status import read_statuses
from ttapi_pipeline.simulator.market.market import Market
from ttapi_pipeline.simulator.market.metastock_files import Splits, write_metastock_files
from ttapi_pipeline.simulator.process import SimulatorProcess
from ttapi_pipeline.storage.hashing import data_version
from ttapi_pipeline.storage.stored import read_manifest
from ttapi_pipeline.storage.versions.comparing import compare
from ttapi_pipeline.storage.versions.reading import open_version, version_at, versions
from ttapi_pipeline_tests.support.clocks import StoppedClock
from ttapi_pipeline_tests.support.examples import examples
from ttapi_pipeline_tests.support.simulator import SimulatorControl
from ttapi_pipeline_tests.support.worlds import World

SYMBOLS: Final = ("AMGN", "KO", "SPY")
SESSIONS: Final = (date(2026, 5, 26), date(2026, 7, 8))
FEW_SESSIONS: Final = (date(2026, 6, 17), date(2026, 6, 26))
"""First and last."""
TABLES: Final = (*DATASETS, *REPORTS)

SPLIT: Final = {"KO": [(date(2026, 3, 2), 2.0)]}
"""Files that come half-way have the prices of the old share before it."""

EARLY_CLOSE: Final = {"path": "data.items[session-date=2026-08-14].close-at", "value": "2026-08-14T17:00:00.000+00:00"}
FAULTS: Final[Sequence[tuple[str, str, Mapping[str, object]]]] = (
    # KO's volume of the session before, which was final, comes as another one.
    ("dx-event", "Candle/KO", {"field": "volume", "value": "123456", "first": 1, "rows": 1}),
    # An early close that was not announced before; it is gone again the next day.
    ("replace-field", "/market-time/sessions", EARLY_CLOSE),
    ("status", "/market-metrics", {"status": 503}),
    ("dx-event", "Candle/KO", {"field": "close", "value": "77.5", "first": 2, "rows": 1}),
    ("dx-close", "dxlink", {"code": 1011, "after": 0}),
    ("dx-drop", "Candle/AMGN", {}),
)
"""One after the other, with sessions without a fault in between if there are enough."""


@dataclass
class Past:
    """What was done, and what was stored at each end.

    Attributes:
        data: The data folder.
        known: By instant, the manifests that were in place then.
        failed: The sessions whose run failed.
    """

    data: Path
    known: dict[datetime, Mapping[str, Manifest]] = field(default_factory=dict)
    failed: list[date] = field(default_factory=list)


def manifests(data: Path) -> Mapping[str, Manifest]:
    """Of every stored table."""
    found = {name: read_manifest(data, name) for name in TABLES}
    return {name: manifest for name, manifest in found.items() if manifest is not None}


def live(folder: Path, first: date, last: date) -> Past:
    """Refresh whatever is due on the evening of each session, and in the middle of some."""
    sessions = sessions_between(first, last)
    every = len(sessions) // (len(FAULTS) + 1)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    (folder / "universe.txt").write_text("\n".join(SYMBOLS))
    clock = StoppedClock(datetime(2026, 5, 22, tzinfo=UTC))
    write_files(folder / "metastock", clock)
    past = Past(folder / "data")
    for number, session in enumerate(sessions):
        evening = datetime.combine(session, datetime.min.time(), UTC) + timedelta(days=1, hours=1, minutes=30)
        with SimulatorProcess(arguments=["--port", port, "--now", evening.isoformat()]) as process:
            exchange = SimulatorControl(process.url)
            options = replace(
                Settings(),
                api_url=process.url,
                universe=str(folder / "universe.txt"),
                history_start=date(2026, 1, 2),
                ttls={"trading_calendar": timedelta(hours=20)},
                data_dir=str(past.data),
                metastock_dir=folder / "metastock",
            )
            world = World(options, exchange, clock=clock)
            if number == len(sessions) // 2:
                clock.at = evening - timedelta(hours=10)
                shutil.rmtree(folder / "metastock")
                write_files(folder / "metastock", clock, unadjusted=SPLIT)
            hours = [evening - timedelta(hours=8), evening] if number % 10 == 6 else [evening]
            for clock.at in hours:
                position, is_quiet = divmod(number - 1, every)
                if 0 <= position < len(FAULTS) and not is_quiet and clock.at == evening:
                    kind, route, parameters = FAULTS[position]
                    exchange.fault(kind, route, parameters=parameters)
                if not world.run().success:
                    past.failed.append(session)
                past.known[clock.at + timedelta(minutes=20)] = manifests(past.data)
    return past


def write_files(folder: Path, clock: StoppedClock, *, unadjusted: Splits = MappingProxyType({})) -> None:
    """Write MetaStock files whose rows were known when they were written."""
    first, last = date(2025, 10, 1), date(2026, 5, 20)
    market = Market(7, clock=clock)
    write_metastock_files(market, folder, first=first, last=last, symbols=("AMGN", "KO"), unadjusted=unadjusted)
    for path in folder.rglob("*"):
        os.utime(path, (clock.at.timestamp(), clock.at.timestamp()))


@pytest.fixture(
    scope="session", params=[FEW_SESSIONS, pytest.param(SESSIONS, marks=pytest.mark.soak)], ids=["few", "all"]
)
def past(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Past:
    """The sessions, for reading alone: eight in a thorough run, thirty in `make soak`."""
    first, last = request.param
    return live(tmp_path_factory.mktemp("past"), first, last)


def test_every_table_as_of_every_instant_has_the_data_version_of_its_manifest_then(past: Past) -> None:
    assert len(past.known) >= 8
    wrong = []
    for instant, stored in past.known.items():
        for name in TABLES:
            if name not in stored:
                with pytest.raises(ConfigError, match="nothing was known"):
                    open_dataset(name, past.data, as_of=instant)
                continue
            rows = open_dataset(name, past.data, as_of=instant).collect()
            if data_version(rows) != stored[name].data_version:
                wrong.append((instant, name))
            if "fetched_at" in rows.columns and (rows["fetched_at"] > instant).any():
                wrong.append((instant, f"{name} is from the future"))
    assert wrong == []


def test_the_story_has_revisions_another_calendar_a_split_and_failures(past: Past) -> None:
    assert past.failed
    calendars = {stored["trading_calendar"].data_version for stored in past.known.values()}
    assert len(calendars) >= 2
    candles = [each.manifest.provenance.statistics for each in versions(past.data, "daily_candles")]
    assert sum(int(facts.get("bars_revised", 0)) for facts in candles) >= 1
    rebased = []
    for instant in past.known:
        bars = open_dataset("eod_snapshot", past.data, as_of=instant).filter(symbol="KO").collect()
        rebased.append("rebased" in bars["adjustment"].to_list())
    # Half-way, the bars before the split come in the old share, and are brought into that of today.
    assert rebased == sorted(rebased)
    assert set(rebased) == {False, True}


def test_a_difference_of_two_versions_applied_to_the_first_gives_the_second(past: Past) -> None:
    for name in TABLES:
        known = [each for each in versions(past.data, name) if each.file is not None]
        schema = schema_of(name)
        for first, second in ((known[0], known[-1]), (known[len(known) // 2], known[0])):
            rows = open_version(past.data, schema, first).frame.collect()
            made = compare(past.data, schema, first, second).apply(rows)
            assert data_version(made) == second.manifest.data_version


@settings(max_examples=examples(200))
@given(data=st.data())
def test_no_row_that_became_known_later_is_in_any_answer(past: Past, data: st.DataObject) -> None:
    first, last = min(past.known), max(past.known)
    minutes = data.draw(st.integers(-60, int((last - first).total_seconds() // 60) + 60))
    instant, name = first + timedelta(minutes=minutes), data.draw(st.sampled_from(TABLES))
    try:
        version = version_at(past.data, name, instant)
    except ConfigError:
        assert all(each.known_at > instant for each in versions(past.data, name))
        return
    assert version.known_at <= instant
    rows = open_version(past.data, schema_of(name), version).frame.collect()
    assert data_version(rows) == version.manifest.data_version
    for column in {"fetched_at", "received_at"} & set(rows.columns):
        assert rows.filter(rows[column] > instant).is_empty()


def test_a_copy_of_the_folder_makes_nothing_a_miss_and_has_the_same_past(past: Past, tmp_path: Path) -> None:
    shutil.copytree(past.data, tmp_path / "data")
    instant = list(past.known)[len(past.known) // 2]
    for name in TABLES:
        before, after = (open_dataset(name, each, as_of=instant) for each in (past.data, tmp_path / "data"))
        assert data_version(before) == data_version(after)
    now = max(past.known)
    there, copied = (
        {
            name: (status.verdict.is_hit, str(status.verdict.rule))
            for name, status in read_statuses(replace(Settings(), data_dir=str(folder)), now=now).items()
        }
        for folder in (past.data, tmp_path / "data")
    )
    assert copied == there
