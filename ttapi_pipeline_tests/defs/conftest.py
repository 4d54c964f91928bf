# SPDX-License-Identifier: MIT
"""A small world for the definitions: six symbols, a simulator process with a frozen day, a Dagster instance on disk."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from ttapi_pipeline.core.manifest import Manifest
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.defs.assembly import build_definitions
from ttapi_pipeline.defs.automation.jobs import REFRESH_JOB
from ttapi_pipeline.simulator.market.market import Market
from ttapi_pipeline.simulator.market.metastock_files import default_last, write_metastock_files
from ttapi_pipeline.simulator.process import SimulatorProcess
from ttapi_pipeline.storage.stored import read_manifest
from ttapi_pipeline_tests.support.clocks import StoppedClock
from ttapi_pipeline_tests.support.simulator import SimulatorControl

SATURDAY = datetime(2026, 11, 21, 15, 0, tzinfo=UTC)
"""Friday's session is settled, Monday's is far away."""

SYMBOLS = ("AAPL", "BRK/B", "IBM", "KO", "MSFT", "SPY")
IN_FILES = SYMBOLS[:5]
FIRST = date(2025, 1, 2)


@dataclass
class World:
    """A data folder, a Dagster instance and the settings and clock of a user."""

    settings: Settings
    home: Path
    exchange: SimulatorControl
    clock: StoppedClock = field(default_factory=lambda: StoppedClock(SATURDAY))

    @property
    def data(self) -> Path:
        return Path(self.settings.data_dir)

    @property
    def metastock(self) -> Path:
        assert self.settings.metastock_dir is not None
        return self.settings.metastock_dir

    def instance(self) -> AbstractContextManager[dg.DagsterInstance]:
        self.home.mkdir(parents=True, exist_ok=True)
        return dg.DagsterInstance.local_temp(str(self.home), overrides={"telemetry": {"enabled": False}})

    def definitions(self) -> dg.Definitions:
        return build_definitions(self.settings, clock=self.clock)

    def run(
        self, *select: str, force: bool = False, instance: dg.DagsterInstance | None = None
    ) -> dg.ExecuteInProcessResult:
        """Execute the job of everything, or of some assets with their checks, on a new instance or the given one.

        A failure is a result.
        """
        job = self.definitions().resolve_job_def(REFRESH_JOB)
        config = {"resources": {"cache": {"config": {"force": force}}}}
        keys = [dg.AssetKey(name) for name in select] or None

        def execute(on: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
            return job.execute_in_process(instance=on, run_config=config, asset_selection=keys, raise_on_error=False)

        if instance is not None:
            return execute(instance)
        with dg.DagsterInstance.ephemeral() as new:
            return execute(new)

    def manifest(self, name: str) -> Manifest:
        manifest = read_manifest(self.data, name)
        assert manifest is not None
        return manifest

    def writes(self) -> Mapping[str, str]:
        """Per stored dataset the id of its last write: what changes here was written."""
        found = {name: read_manifest(self.data, name) for name in DATASETS}
        return {name: manifest.write_id for name, manifest in found.items() if manifest is not None}

    def files(self) -> Mapping[str, tuple[int, bytes]]:
        """Modification time and content of every data file."""
        return {
            path.name: (path.stat().st_mtime_ns, path.read_bytes())
            for path in sorted(self.data.iterdir())
            if path.is_file()
        }

    def advance(self, duration: timedelta) -> None:
        self.clock.at += duration


@pytest.fixture(scope="session")
def exchange_process() -> Iterator[SimulatorControl]:
    with SimulatorProcess(arguments=["--now", SATURDAY.isoformat()]) as process:
        yield SimulatorControl(process.url)


@pytest.fixture
def exchange(exchange_process: SimulatorControl) -> SimulatorControl:
    """The simulator without faults and with its counters at zero."""
    exchange_process.reset()
    return exchange_process


@dataclass(frozen=True)
class FirstRun:
    """What the first run left, to be copied, and its result."""

    root: Path
    world: World
    result: dg.ExecuteInProcessResult
    events: Sequence[dg.EventLogEntry]


@pytest.fixture(scope="session")
def first_run(tmp_path_factory: pytest.TempPathFactory, exchange_process: SimulatorControl) -> FirstRun:
    """Everything is missing, everything is made: the state from which most tests start."""
    root = tmp_path_factory.mktemp("first")
    universe = root / "universe.txt"
    universe.write_text("\n".join(SYMBOLS))
    clock = StoppedClock(SATURDAY)
    write_metastock_files(
        Market(7, clock=clock), root / "metastock", first=FIRST, last=default_last(SATURDAY), symbols=IN_FILES
    )
    settings = replace(
        Settings(),
        api_url=exchange_process.url,
        universe=str(universe),
        data_dir=str(root / "data"),
        metastock_dir=root / "metastock",
        history_start=FIRST,
    )
    world = World(settings, root / "home", exchange_process, clock)
    exchange_process.reset()
    with world.instance() as instance:
        result = world.run(instance=instance)
        events = instance.all_logs(result.run_id)
    return FirstRun(root, world, result, events)


@pytest.fixture
def world(first_run: FirstRun, exchange: SimulatorControl, tmp_path: Path) -> World:
    """A copy of the state after the first run: its data, its MetaStock folder and its Dagster instance."""
    for name in ("data", "home", "metastock"):
        shutil.copytree(first_run.root / name, tmp_path / name)
    settings = replace(first_run.world.settings, data_dir=str(tmp_path / "data"), metastock_dir=tmp_path / "metastock")
    return World(settings, tmp_path / "home", exchange)


@pytest.fixture(scope="session")
def world_of() -> Callable[..., World]:
    """A world with nothing stored yet, on the exchange at `url`, with the clock stopped at `at`."""

    def make(settings: Settings, *, home: Path, url: str, at: datetime) -> World:
        return World(settings, home, SimulatorControl(url), StoppedClock(at))

    return make


@pytest.fixture
def observed() -> Callable[[dg.ExecuteInProcessResult], Sequence[str]]:
    """The datasets that a run observed, which is how it says that it reused them, by name."""

    def of(result: dg.ExecuteInProcessResult) -> Sequence[str]:
        return sorted(
            event.asset_observation_data.asset_observation.asset_key.to_user_string()
            for event in result.get_asset_observation_events()
        )

    return of


@pytest.fixture
def materialised() -> Callable[[dg.ExecuteInProcessResult], Sequence[str]]:
    """The datasets that a run materialised, by name."""

    def of(result: dg.ExecuteInProcessResult) -> Sequence[str]:
        return sorted(
            event.asset_key.to_user_string()
            for event in result.get_asset_materialization_events()
            if event.asset_key is not None
        )

    return of


@pytest.fixture(scope="session")
def symbols() -> Sequence[str]:
    """The universe; all but SPY have a MetaStock file."""
    return SYMBOLS
