# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Daemon, web UI and `tt stream` for an hour, with links that are cut every 25 seconds: nothing grows.

TT_SOAK_MINUTES says for how long, and TT_SOAK_FIGURES in which file the samples are kept, a line of JSON each. What is
kept for days is kept for minutes here, so that what comes and what goes balance each other within the test. No file may
grow beyond FILE_BYTES, as on a small disk.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import dagster as dg
import pytest

from ttapi_pipeline.defs.operations.lost_runs import lost_runs
from ttapi_pipeline.defs.operations.retention import prune
from ttapi_pipeline.simulator.market.market import Market
from ttapi_pipeline.simulator.market.metastock_files import write_metastock_files
from ttapi_pipeline.simulator.process import SimulatorProcess
from ttapi_pipeline.streaming.backoff import Backoff
from ttapi_pipeline_tests.support.projects import environment_of_users, make_project
from ttapi_pipeline_tests.support.servers import free_port
from ttapi_pipeline_tests.support.usage import bytes_and_files, descendants, growth, usage_of

MINUTES: Final = float(os.environ.get("TT_SOAK_MINUTES", "60"))
FIGURES: Final = os.environ.get("TT_SOAK_FIGURES")

SAMPLE_SECONDS: Final = 5.0
KEPT: Final = timedelta(minutes=MINUTES / 8)
"""How long runs are kept, in place of 30 days."""
FILE_BYTES: Final = 64 * 2**20

FLAT: Final[Mapping[str, tuple[float, float]]] = {
    "ui_processes": (0.1, 2),
    "ui_descriptors": (0.1, 20),
    "ui_threads": (0.1, 10),
    "ui_pss_mb": (0.1, 30),
    "stream_processes": (0.0, 0),
    "stream_descriptors": (0.0, 4),
    "stream_threads": (0.0, 4),
    "stream_pss_mb": (0.1, 12),
    "events_bytes": (0.15, 2 * 2**20),
    "events_files": (0.15, 8),
    "step_logs_files": (0.15, 10),
    "quote_log_files": (0.2, 32),
    "state_files": (0.0, 3),
    "output_bytes": (0.5, 2**20),
}
"""By how much a value may be higher in the last third than in the one before: a share of it, and a number besides."""


class Program:
    """A program of the project in a process group of its own, which ends with the block."""

    def __init__(self, project: Path, environment: Mapping[str, str], name: str, *words: str) -> None:
        self.output = project / f"{name}.out"
        with self.output.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, *words],
                cwd=project,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                process_group=0,
            )
        # What it starts inherits it.
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (FILE_BYTES, FILE_BYTES))

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    @contextmanager
    def running(self) -> Iterator[Program]:
        try:
            yield self
        finally:
            self.stop()
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)

    def stop(self) -> int:
        """Ask it to end, and wait; its exit code."""
        if self.is_running:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(120)
            except subprocess.TimeoutExpired:
                self._process.kill()
        return self._process.wait()

    def said(self) -> str:
        return self.output.read_text(errors="replace")


def answers(port: int) -> bool:
    """Whether the web UI answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/server_info", timeout=30) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def sample(project: Path, ui: Program, stream: Program, simulator: int) -> dict[str, float]:
    """What is taken up now."""
    data = project / "data"
    found: dict[str, float] = {}
    for name, pids in (
        ("ui", descendants(ui.pid)),
        ("stream", descendants(stream.pid)),
        ("simulator", [simulator]),
    ):
        usage = usage_of(pids)
        found |= {
            f"{name}_processes": usage.processes,
            f"{name}_descriptors": usage.descriptors,
            f"{name}_threads": usage.threads,
            f"{name}_pss_mb": usage.pss_mb,
        }
    for name, folder in (
        ("events", data / ".dagster" / "storage"),
        ("step_logs", data / ".dagster" / "logs"),
        ("quote_log", data / "quote_log"),
        ("state", data / ".state"),
        ("project", project),
    ):
        found[f"{name}_bytes"], found[f"{name}_files"] = bytes_and_files(folder)
    found["output_bytes"] = ui.output.stat().st_size + stream.output.stat().st_size
    return found


@pytest.mark.soak
@pytest.mark.timeout(int(MINUTES * 60) + 3600)
def test_daemon_web_ui_and_stream_take_up_no_more_after_an_hour_of_disconnects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project = make_project(tmp_path)
    monkeypatch.chdir(project)
    (project / "metastock").rmdir()
    write_metastock_files(
        Market(7), project / "metastock", first=date(2025, 1, 2), last=date(2026, 6, 30), symbols=["AAPL"]
    )
    figures = Path(FIGURES) if FIGURES else tmp_path / "samples.jsonl"
    port, samples = free_port(), list[dict[str, float]]()
    faults = ["--fault", "dx-lifetime:seconds=25,route=dxlink"]
    with ExitStack() as running:
        exchange = running.enter_context(SimulatorProcess(seed=7, arguments=faults))
        environment = {
            **environment_of_users(),
            "TT_ENV": "simulator",
            "TT_API_URL": exchange.url,
            "DAGSTER_HOME": str(project),
            "TT_TTL_ACCOUNTS": "2m",
        }
        command = [sys.executable, "-m", "ttapi_pipeline.cli", "refresh"]
        filled = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
        assert filled.returncode == 0, filled.stdout + filled.stderr
        web_ui = ("-m", "ttapi_pipeline.defs.web_ui", "--host", "127.0.0.1", "--port", str(port))
        ui = running.enter_context(
            Program(project, environment, "ui", *web_ui, "-m", "ttapi_pipeline.definitions").running()
        )
        recording = ("-m", "ttapi_pipeline.cli", "stream", "--json", "--report-seconds", "10")
        stream = running.enter_context(Program(project, environment, "stream", *recording).running())
        began, pruned, deleted = time.monotonic(), time.monotonic(), 0
        while not answers(port):
            assert ui.is_running, ui.said()[-3000:]
            assert time.monotonic() < began + 900, ui.said()[-3000:]
            time.sleep(1)
        began, refused = time.monotonic(), 0
        with dg.DagsterInstance.from_config(str(project)) as instance:
            while time.monotonic() < began + MINUTES * 60:
                assert ui.is_running, ui.said()[-3000:]
                assert stream.is_running, stream.said()[-3000:]
                samples.append(sample(project, ui, stream, exchange.pid))
                if len(samples) % 6 == 0:
                    refused += not answers(port)
                if time.monotonic() > pruned + KEPT.total_seconds() / 4:
                    kept_since = datetime.now(UTC) - KEPT
                    deleted += prune(instance, before=kept_since, ticks_before=kept_since)
                    pruned = time.monotonic()
                with figures.open("a") as file:
                    at = {"at": round(time.monotonic() - began, 1), "deleted": deleted, "refused": refused}
                    file.write(json.dumps(at | samples[-1]) + "\n")
                time.sleep(SAMPLE_SECONDS)
            lost, runs = lost_runs(instance), instance.get_runs_count()
        code, said = stream.stop(), stream.said()
    health = last_report(said)
    with capsys.disabled():
        found = {name: growth(samples, name) for name in samples[0]}
        print(json.dumps({"growth": found, "runs": runs, "deleted": deleted, "stream": health}))  # noqa: T201
    # Links were cut, so something is missing, and it says so.
    assert code == 3, said[-2000:]
    # A link that lives for 25 s is none to rely on, so that the pauses between links become as long as they may be.
    assert health["reconnects"] >= MINUTES * 60 / (25 + Backoff().most_seconds)
    assert health["log"]["error"] is None
    assert refused == 0
    assert lost == {}
    assert deleted > 0
    grown = {
        name: (before, after)
        for name, (share, number) in FLAT.items()
        for before, after in [growth(samples, name)]
        if after > before * (1 + share) + number
    }
    assert grown == {}


def last_report(said: str) -> dict[str, Any]:
    """The last line of JSON among what `tt stream --json` has written."""
    report: dict[str, Any] = json.loads([line for line in said.splitlines() if line.startswith("{")][-1])
    return report
