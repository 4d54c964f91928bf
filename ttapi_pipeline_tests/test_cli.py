# SPDX-License-Identifier: MIT
"""The `tt` command as a user types it: what it prints, what it returns, what it leaves alone."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from ttapi_pipeline import cli
from ttapi_pipeline.commands.refresh import select
from ttapi_pipeline.core.clock import SYSTEM_CLOCK
from ttapi_pipeline.core.settings import SIMULATOR_CLIENT_SECRET, SIMULATOR_REFRESH_TOKEN, Settings
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.datasets.status import read_statuses
from ttapi_pipeline.simulator.process import SimulatorProcess

ROOT = Path(__file__).resolve().parents[1]
CANARY = "canary-4c1d"

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project's folder with three symbols and a MetaStock folder without files."""
    shutil.copy(ROOT / "dagster.yaml", tmp_path)
    (tmp_path / "symbols.txt").write_text("AAPL\nMSFT\nBRK.B\n")
    (tmp_path / "metastock").mkdir()
    return tmp_path


@pytest.fixture
def environment(project: Path) -> Mapping[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TT_", "DAGSTER"))}
    return {
        **kept,
        "PYTHONPATH": str(ROOT),
        "TT_LIST": "symbols.txt",
        "TT_HISTORY_START": "2025-01-02",
        "TT_METASTOCK_DIR": "metastock",
    }


@pytest.fixture
def tt(project: Path, environment: Mapping[str, str]) -> Run:
    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "ttapi_pipeline.cli", *arguments],
            cwd=project,
            env={**environment, **variables},
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
        )

    return run


@pytest.fixture(scope="module")
def exchange() -> Iterator[SimulatorProcess]:
    with SimulatorProcess(seed=7) as simulator:
        yield simulator


def stored(project: Path) -> Mapping[str, tuple[int, int]]:
    """Size and time of every stored file."""
    files = (path for path in (project / "data").iterdir() if path.is_file() and not path.name.startswith("."))
    return {path.name: (path.stat().st_size, path.stat().st_mtime_ns) for path in files}


def test_a_refresh_fills_every_dataset_and_the_next_one_fetches_and_writes_nothing(
    tt: Run, project: Path, exchange: SimulatorProcess
) -> None:
    first = tt("refresh", TT_ENV="simulator", TT_API_URL=exchange.url)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "SIMULATED DATA" in first.stdout
    assert "trading_calendar: refreshed, nothing stored yet" in first.stderr
    before = stored(project)
    assert {f"{name}.{suffix}" for name in DATASETS for suffix in ("parquet", "csv", "json")} <= set(before)

    # An address where nobody listens: a fetch would fail.
    second = tt("refresh", "--json", TT_ENV="simulator", TT_API_URL="http://127.0.0.1:9")
    assert second.returncode == 0, second.stdout + second.stderr
    rows = json.loads(second.stdout)["datasets"]
    assert [row["dataset"] for row in rows] == list(DATASETS)
    assert {(row["verdict"], row["rule"], row["outcome"]) for row in rows} == {("hit", "fresh", None)}
    assert all("old, TTL" in row["reason"] and row["age_seconds"] > 0 for row in rows)
    assert all(row["is_simulated"] for row in rows)
    assert stored(project) == before

    grid = tt("status")
    assert grid.returncode == 0
    assert grid.stdout.count(" hit ") == len(DATASETS)

    forced = tt("refresh", "accounts", "--force", TT_ENV="simulator", TT_API_URL="http://127.0.0.1:9")
    assert forced.returncode == 4
    assert "error: accounts: POST /oauth/token: 127.0.0.1:9 cannot be reached" in forced.stderr
    assert stored(project) == before

    doctor = tt("doctor", TT_ENV="simulator", TT_API_URL=exchange.url)
    assert doctor.returncode == 0, doctor.stdout
    assert "connection: simulator seed 7 answers, 3 accounts" in doctor.stdout

    (project / "data" / "universe.csv").write_text("symbol\r\n")
    assert "universe.csv" in tt("doctor", TT_ENV="simulator", TT_API_URL=exchange.url).stdout
    mended = tt("doctor", "--repair", TT_ENV="simulator", TT_API_URL=exchange.url)
    assert mended.returncode == 0, mended.stdout
    assert stored(project)["universe.csv"][0] == before["universe.csv"][0]

    real = tt("refresh", TT_CLIENT_SECRET=CANARY, TT_REFRESH_TOKEN=CANARY, TT_API_URL=exchange.url)
    assert real.returncode == 4
    assert "tastytrade refused the refresh token" in real.stderr + real.stdout or "has refused" in real.stderr
    assert stored(project).keys() >= before.keys()
    assert {name: facts for name, facts in stored(project).items() if name != "universe.csv"} == {
        name: facts for name, facts in before.items() if name not in {"universe.csv", "universe.json"}
    } | {"universe.json": stored(project)["universe.json"]}
    assert CANARY not in real.stdout + real.stderr
    assert not [
        path for path in (project / "data").rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()
    ]


def test_any_server_that_speaks_the_api_will_do_and_a_simulator_behind_it_is_told_from_a_broker(
    tt: Run, exchange: SimulatorProcess
) -> None:
    run = tt(
        "refresh",
        "universe",
        "--json",
        TT_API_URL=exchange.url,
        TT_CLIENT_SECRET=SIMULATOR_CLIENT_SECRET,
        TT_REFRESH_TOKEN=SIMULATOR_REFRESH_TOKEN,
    )
    document = json.loads(run.stdout)
    assert document["origin"] == f"production {exchange.url}"
    (universe,) = (row for row in document["datasets"] if row["dataset"] == "universe")
    assert (universe["verdict"], universe["is_simulated"], universe["rows"]) == ("hit", True, 3)


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"TT_TTL_SYMBOLS": "soon"}, "error: TT_TTL_SYMBOLS is 'soon'; it accepts a positive number of seconds"),
        ({"TT_TTL_SYMBOL": "1h"}, "error: TT_TTL_SYMBOL is not a setting"),
        ({"TT_METASTOCK_DIR": "nowhere"}, "error: TT_METASTOCK_DIR is 'nowhere'; it accepts the path of a folder"),
        ({"TT_LIST": "nowhere.txt"}, "error: TT_LIST is 'nowhere.txt'; it accepts 1, 2, 3 or the path"),
        ({"TT_ENV": "production"}, "error: TT_CLIENT_SECRET is not set"),
        ({"TT_ENV": "simulator", "TT_CLIENT_SECRET": CANARY}, "the simulator never runs beside real credentials"),
    ],
)
def test_a_wrong_setting_is_one_sentence_and_code_2(tt: Run, variables: Mapping[str, str], sentence: str) -> None:
    run = tt("refresh", **variables)
    assert run.returncode == 2
    assert sentence in run.stderr
    assert run.stderr.count("\n") == 1
    assert run.stdout == ""
    assert CANARY not in run.stderr


def test_a_data_folder_that_cannot_be_written_is_one_sentence_and_code_4(tt: Run, project: Path) -> None:
    (project / "occupied").write_text("a file")
    run = tt("refresh", TT_DATA_DIR="occupied/data")
    assert run.returncode == 4
    assert run.stderr.startswith("error: occupied/data")
    assert "TT_DATA_DIR" in run.stderr
    assert run.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments", [["refresh", "quote"], ["polish"], []])
def test_wrong_usage_is_code_2(tt: Run, arguments: list[str]) -> None:
    run = tt(*arguments)
    assert run.returncode == 2
    assert "usage: tt" in run.stderr


def test_status_of_nothing_says_what_is_to_be_done(tt: Run) -> None:
    run = tt("status")
    assert run.returncode == 3
    assert run.stdout.count("nothing stored yet") == len(DATASETS)


def test_a_named_dataset_brings_what_is_due_above_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    statuses = read_statuses(Settings(), now=SYSTEM_CLOCK.now())
    assert select(statuses, ["expiration_series"]) == ["trading_calendar", "universe", "expiration_series"]
    assert select(statuses, []) == list(DATASETS)


def test_ctrl_c_ends_a_refresh_and_leaves_no_simulator(project: Path, environment: Mapping[str, str]) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "ttapi_pipeline.cli", "refresh"],
        cwd=project,
        env={**environment, "TT_LIST": "2"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("universe: refreshed"):
            break
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    simulators = [int(pid) for pid in children.read_text().split()] if children.exists() else []
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=90)
    assert process.returncode == 130, out + err
    assert "Traceback" not in err
    assert "never awaited" not in err
    deadline = time.monotonic() + 20
    while any(_is_running(pid) for pid in simulators) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(_is_running(pid) for pid in simulators)


def _is_running(pid: int) -> bool:
    try:
        return "ttapi_pipeline.simulator" in Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return False


def test_the_simulator_writes_its_metastock_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "files"
    arguments = ["simulator", "metastock", str(folder), "--symbols", "AAPL", "--first", "2026-01-02"]
    assert cli.main([*arguments, "--last", "2026-01-30"]) == 0
    assert "1 files in" in capsys.readouterr().out
    assert cli.main([*arguments, "--last", "2026-01-30"]) == 2
    assert "has files already" in capsys.readouterr().err
