# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The real daemon, as a process: it fills, is silent, refreshes what expires, and goes on after it was killed.

With the project's own `dagster.yaml`, over the simulator and the machine's clock.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import dagster as dg
import pytest

from ttapi_pipeline.core.places import MARKER
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.simulator.market.market import Market
from ttapi_pipeline.simulator.market.metastock_files import write_metastock_files
from ttapi_pipeline.simulator.process import SimulatorProcess
from ttapi_pipeline.storage.stored import read_manifest

ROOT = Path(__file__).resolve().parents[2]
SYMBOLS = ("AAPL", "KO")
FIRST, LAST = date(2025, 1, 2), date(2026, 6, 30)
DEADLINE_SECONDS = 300.0


class DaemonProcess:
    """`dagster-daemon run` over the code location, with an instance of its own."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder, self.environment = folder, environment

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        """From its start until it is killed, with everything that it has started."""
        command = [sys.executable, "-m", "dagster._daemon", "run", "-m", "ttapi_pipeline.definitions"]
        with (self.folder / "daemon.log").open("ab") as log:
            process = subprocess.Popen(
                command, env=self.environment, cwd=self.folder, stdout=log, stderr=log, start_new_session=True
            )
            try:
                yield process
            finally:
                # Its code servers and runs are in its session.
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def log(self) -> str:
        return (self.folder / "daemon.log").read_text(errors="replace")[-3000:]

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Look twice a second, and fail with the daemon's last words after the deadline."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not condition():
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.5)


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[DaemonProcess]:
    (tmp_path / "universe.txt").write_text("\n".join(SYMBOLS))
    # The limits, the monitoring and the folders of the project's own instance.
    for name in ("dagster.yaml", MARKER):
        shutil.copy(ROOT / name, tmp_path)
    write_metastock_files(Market(7), tmp_path / "metastock", first=FIRST, last=LAST, symbols=SYMBOLS)
    with SimulatorProcess() as simulator:
        yield DaemonProcess(
            tmp_path,
            {
                **{name: value for name, value in os.environ.items() if not name.startswith(("TT_", "DAGSTER_"))},
                "PYTHONPATH": str(ROOT),
                "DAGSTER_HOME": str(tmp_path),
                "TT_API_URL": simulator.url,
                "TT_DATA_DIR": str(tmp_path / "data"),
                "TT_METASTOCK_DIR": str(tmp_path / "metastock"),
                "TT_LIST": str(tmp_path / "universe.txt"),
                "TT_HISTORY_START": FIRST.isoformat(),
                "TT_TTL_ACCOUNTS": "45s",
                # Whether the exchange is open while the test runs is not the question.
                "TT_TTL_QUOTES": "1d",
            },
        )


@pytest.mark.soak
@pytest.mark.timeout(4 * DEADLINE_SECONDS)
def test_it_goes_on_after_a_kill_in_its_first_fill_and_then_refreshes_what_expires_alone(
    daemon: DaemonProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(daemon.folder))
    monkeypatch.chdir(daemon.folder)

    def materialised() -> Counter[str]:
        """How often each dataset was, by the event log."""
        with dg.DagsterInstance.get() as instance:
            return Counter(
                {name: len(instance.fetch_materializations(dg.AssetKey(name), limit=100).records) for name in DATASETS}
            )

    def run_ids(*statuses: dg.DagsterRunStatus) -> list[str]:
        with dg.DagsterInstance.get() as instance:
            return [run.run_id for run in instance.get_runs(dg.RunsFilter(statuses=statuses))]

    def finished() -> bool:
        status = dg.DagsterRunStatus
        return not run_ids(status.QUEUED, status.NOT_STARTED, status.STARTING, status.STARTED)

    data = daemon.folder / "data"
    with daemon.running():
        daemon.wait_until(lambda: materialised().total() > 0)
    (lost,) = run_ids(dg.DagsterRunStatus.STARTED)
    assert not all(materialised()[name] for name in DATASETS)
    with daemon.running():
        daemon.wait_until(lambda: all(materialised()[name] for name in DATASETS) and finished())
        filled = {name: read_manifest(data, name) for name in DATASETS}
        before = materialised()
        # Two more refreshes of what lives for 45 seconds, and nothing of anything else.
        daemon.wait_until(lambda: materialised()["accounts"] >= before["accounts"] + 2 and finished())
    others = set(DATASETS) - {"accounts"}
    assert {name: read_manifest(data, name) for name in others} == {name: filled[name] for name in others}
    assert {name: count for name, count in materialised().items() if name in others} == {
        name: before[name] for name in others
    }
    killed = materialised()["accounts"]
    with daemon.running():
        daemon.wait_until(lambda: materialised()["accounts"] > killed and finished())
    assert {name: read_manifest(data, name) for name in others} == {name: filled[name] for name in others}
    # The run that was killed is the only one that failed.
    assert run_ids(dg.DagsterRunStatus.FAILURE) == [lost]
