# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Real programs get real signals at chosen moments: they end with one sentence and a code, and leave nothing behind.

`make soak` has SIGNALS of them at seeded moments, or as many as the environment variable of that name says.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest

from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.defs.automation.jobs import BROKER_POOL
from ttapi_pipeline.defs.dagster_internals import pool_state
from ttapi_pipeline.defs.operations.lost_runs import lost_runs
from ttapi_pipeline.simulator.process import SimulatorProcess
from ttapi_pipeline.storage.layout import open_folder
from ttapi_pipeline.storage.repair import check
from ttapi_pipeline_tests.support.documents import ROOT
from ttapi_pipeline_tests.support.projects import environment_of_users, make_project
from ttapi_pipeline_tests.support.shared import made_once

SIGNALS = int(os.environ.get("SIGNALS", "100"))
SEED = int(os.environ.get("SIGNAL_SEED", "20261129"))

SENTENCE = re.compile(r"interrupted; (refreshed before: .*; )?(stored data .*is as it was|it was done all the same)")
FORCED = '{"resources": {"cache": {"config": {"force": true}}}}'
COMMANDS: Mapping[str, tuple[str, ...]] = {
    "refresh": ("ttapi_pipeline.cli", "refresh", "--force"),
    "materialize": (
        *("dagster", "asset", "materialize", "--select", "*", "-m", "ttapi_pipeline.definitions"),
        *("--config-json", FORCED),
    ),
    "import": ("ttapi_pipeline.cli", "import", "--dry-run", "metastock"),
    "stream": ("ttapi_pipeline.cli", "stream", "AAPL", "--json"),
    "daemon": ("dagster._daemon", "run"),
    "ui": ("ttapi_pipeline.defs.web_ui", "--host", "127.0.0.1", "--port", "0"),
}
STEPS = ("accounts", "universe", "daily_candles", "eod_snapshot", "volatility", "quotes")
"""What is under way when the signal comes: REST, candles, files, figures, quotes; and what is published meanwhile."""


@dataclass
class Program:
    """A program in a session of its own, with what it has said so far."""

    process: subprocess.Popen[bytes]
    said: bytearray

    def wait_for(self, words: str) -> bool:
        """Wait until it has said something; False when it ended without."""
        while words.encode() not in self.said:
            if self.process.poll() is not None:
                return words.encode() in self.said
            time.sleep(0.02)
        return True

    def send(self, number: signal.Signals, *, times: int = 1) -> None:
        """As a terminal does: to every process of it, some times in a moment."""
        for _ in range(times):
            if self.process.poll() is None:
                os.killpg(self.process.pid, number)
                time.sleep(0.05)

    def end(self) -> tuple[int, str]:
        """The exit code and the output."""
        code = self.process.wait(timeout=600)
        self.reader.join(10)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code, self.said.decode(errors="replace")

    def __post_init__(self) -> None:
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        while part := os.read(self.process.stdout.fileno(), 65_536):
            self.said += part


@pytest.fixture(scope="module")
def exchange() -> Iterator[SimulatorProcess]:
    with SimulatorProcess(seed=7) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, exchange: SimulatorProcess) -> Path:
    """The folder of a project after its first refresh, to be copied."""

    def make(folder: Path) -> None:
        shutil.copy(ROOT / "workspace.yaml", make_project(folder))
        for name in ("AAPL", "IBM"):
            days = (f"{name},2026{month:02}{day:02},10,11,9,10.5,100\n" for month in (1, 2) for day in range(5, 9))
            (folder / "metastock" / f"{name}.txt").write_text("".join(days))
        program = start(folder, exchange.url, "refresh")
        code, said = program.end()
        assert code in {0, 3}, said

    return made_once(tmp_path_factory, "signals", make)


@pytest.fixture
def place(filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy, which is the current folder."""
    shutil.copytree(filled, tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"


def start(place: Path, url: str, command: str) -> Program:
    variables = {"TT_ENV": "simulator", "TT_API_URL": url, "DAGSTER_HOME": str(place), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", *COMMANDS[command]],
        cwd=place,
        env={**environment_of_users(), **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    return Program(process, bytearray())


def members(session: int) -> list[str]:
    """The command lines of the processes of a session that are alive."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, _, _, its_session = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
            if int(its_session) == session and state != "Z":
                found.append((folder / "cmdline").read_text().replace("\0", " "))
        except (OSError, ValueError):
            continue
    return found


def check_left(place: Path, session: int, *, seconds: float = 30) -> dg.DagsterRunStatus:
    """Nothing is held, half written or still at work; returns how the newest run ended."""
    deadline = time.monotonic() + seconds
    while members(session) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert members(session) == []
    with dg.DagsterInstance.from_config(str(place)) as instance:
        assert pool_state(instance, BROKER_POOL).run_ids == set()
        assert lost_runs(instance) == {}
        (run,) = instance.get_runs(limit=1)
        status = run.status
    assert list(place.rglob("*.staged")) == []
    folder = open_folder(str(place / "data"))
    problems = [str(problem) for each in DATASETS.values() for problem in check(folder, each.schema)]
    assert problems == []
    return status


def check_ended(code: int, said: str, number: signal.Signals) -> None:
    """One sentence, and the code of the signal; a further one while the interpreter shuts down ends it as well."""
    assert code in {128 + number, -number}, said
    assert SENTENCE.fullmatch(said.splitlines()[-1]), said
    for words in ("Traceback", "never awaited", "Exception ignored"):
        assert words not in said


@pytest.mark.parametrize(
    ("step", "number", "times"),
    [
        # So short a step may be over, with a second of the run behind it, when a busy machine lets the test go on.
        pytest.param("accounts", signal.SIGTERM, 1, marks=pytest.mark.soak),
        ("daily_candles", signal.SIGINT, 2),
        ("eod_snapshot", signal.SIGHUP, 1),
        ("volatility", signal.SIGINT, 1),
    ],
)
def test_a_signal_ends_a_refresh_at_any_step_and_leaves_nothing(
    place: Path, exchange: SimulatorProcess, step: str, number: signal.Signals, times: int
) -> None:
    program = start(place, exchange.url, "refresh")
    # A short step may be over before its beginning is told.
    assert program.wait_for(f"\n{step}: r")
    program.send(number, times=times)
    code, said = program.end()
    check_ended(code, said, number)
    assert check_left(place, program.process.pid) is dg.DagsterRunStatus.CANCELED


@pytest.mark.soak
def test_a_signal_ends_a_command_that_is_only_being_imported(place: Path, exchange: SimulatorProcess) -> None:
    program = start(place, exchange.url, "import")
    deadline = time.monotonic() + 60
    # Its own handler is there before it imports anything that takes time. Once in some ten tries the interpreter drops
    # the interrupt, because a callback of a weak reference was at work; the command then goes on to its end.
    while not _has_handler(program.process.pid, signal.SIGTERM):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    program.send(signal.SIGTERM)
    code, said = program.end()
    check_ended(code, said, signal.SIGTERM)


def test_dagsters_own_command_ends_at_a_signal_as_a_cancelled_run(place: Path, exchange: SimulatorProcess) -> None:
    program = start(place, exchange.url, "materialize")
    assert program.wait_for("daily_candles - STEP_START")
    program.send(signal.SIGHUP)
    code, said = program.end()
    assert code == 1, said
    assert check_left(place, program.process.pid) is dg.DagsterRunStatus.CANCELED


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("number", "seconds"),
    [
        pytest.param(signal.SIGINT, 30, marks=pytest.mark.soak),
        pytest.param(signal.SIGTERM, 30, marks=pytest.mark.soak),
        (signal.SIGHUP, 30),
        # A code server without its parent waits 45 s for a sign of it. On a busy machine the run is killed, too, and
        # the next one makes the CSV that it was at.
        pytest.param(signal.SIGKILL, 120, marks=pytest.mark.soak),
    ],
)
def test_the_web_ui_takes_all_that_it_started_with_it_and_cancels_its_run(
    place: Path, exchange: SimulatorProcess, number: signal.Signals, seconds: float
) -> None:
    shutil.move(place / "data" / ".dagster", place / "kept")
    shutil.rmtree(place / "data")
    shutil.move(place / "kept", place / "data" / ".dagster")
    program = start(place, exchange.url, "ui")
    assert program.wait_for("daily_candles - STEP_START"), program.said.decode()
    # To the one process alone, as a service manager or `kill` does.
    program.process.send_signal(number)
    program.process.wait(timeout=120)
    assert check_left(place, program.process.pid, seconds=seconds) is dg.DagsterRunStatus.CANCELED
    code, said = program.end()
    if number is not signal.SIGKILL:
        assert (code, said.splitlines()[-1]) == (
            0,
            "the web UI and its daemon have ended; runs that were under way are cancelled, and stored data is whole",
        )


@pytest.mark.timeout(600)
def test_the_web_ui_puts_a_damaged_database_aside_and_says_what_it_cannot_open(
    place: Path, exchange: SimulatorProcess
) -> None:
    (database,) = (place / "data").rglob("runs.db")
    database.write_bytes(b"no database" * 999)
    program = start(place, exchange.url, "ui")
    assert program.wait_for("Serving dagster-webserver")
    said = program.said.decode()
    program.send(signal.SIGTERM)
    program.end()
    assert (
        f"{database.relative_to(place)} was damaged (file is not a database) and is kept as runs.db.damaged-1" in said
    )
    assert "Traceback" not in said
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        program = start(place, exchange.url, "ui")
        code, said = program.end()
    assert code == 4, said
    assert f"error: Dagster's database in {place}: database is locked; another process holds it; try again" in said
    assert "Traceback" not in said
    database.unlink()
    database.mkdir()
    program = start(place, exchange.url, "ui")
    code, said = program.end()
    assert code == 4, said
    assert f"error: Dagster's database in {place}: unable to open database file; give this user the right" in said
    assert "Traceback" not in said


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_signals_at_any_moment_end_every_program_and_leave_nothing(
    filled: Path, tmp_path: Path, exchange: SimulatorProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(SEED)
    for trial in range(SIGNALS):
        place = tmp_path / f"project{trial}"
        shutil.copytree(filled, place)
        monkeypatch.chdir(place)
        command = chance.choice([*COMMANDS, "refresh", "refresh", "materialize"])
        number = chance.choice([signal.SIGINT, signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
        times, step, delay = chance.choice([1, 1, 2, 4]), chance.choice(STEPS), chance.uniform(0, 1.5)
        program = start(place, exchange.url, command)
        match command:
            case "refresh":
                program.wait_for(chance.choice([f"\n{step}: running", "refreshing"]))
            case "materialize":
                program.wait_for(f"{step} - STEP_START")
            case "import":
                _wait_for_handler(program, signal.SIGTERM)
            case "stream":
                program.wait_for("{")
            case "daemon":
                program.wait_for("Instance is configured")
            case _:
                program.wait_for("Serving dagster-webserver")
        time.sleep(delay)
        has_ended = program.process.poll() is not None
        began = time.monotonic()
        program.send(number, times=times)
        code, said = program.end()
        took = time.monotonic() - began
        what = f"{trial}: {command} at {step} + {delay:.2f} s, {times} {number.name}"
        sys.stdout.write(f"{what}: code {code}, {took:.1f} s\n")
        if command in {"refresh", "import"} and not has_ended and code not in {0, 3}:
            check_ended(code, said, number)
        if command == "stream":
            assert code in {0, 3, 130}, said
        status = check_left(place, program.process.pid)
        assert status in {dg.DagsterRunStatus.CANCELED, dg.DagsterRunStatus.SUCCESS}
        shutil.rmtree(place)


def _wait_for_handler(program: Program, number: signal.Signals) -> None:
    while program.process.poll() is None and not _has_handler(program.process.pid, number):
        time.sleep(0.01)


def _has_handler(pid: int, number: signal.Signals) -> bool:
    caught = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("SigCgt"))
    return bool(int(caught.split()[1], 16) >> (number - 1) & 1)
