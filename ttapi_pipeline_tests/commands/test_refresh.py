# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""`tt refresh` as a user types it, and what a filled folder gives `tt status` and `tt doctor`."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from ttapi_pipeline import cli
from ttapi_pipeline.client.state_files import change_state
from ttapi_pipeline.commands.refresh import select
from ttapi_pipeline.core.clock import SYSTEM_CLOCK
from ttapi_pipeline.core.environments import SIMULATOR_CLIENT_SECRET, SIMULATOR_REFRESH_TOKEN
from ttapi_pipeline.core.manifest import Manifest
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.core.shared_state import LocalStateFile
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.datasets.status import read_statuses
from ttapi_pipeline.defs.automation.jobs import BROKER_POOL, REFRESH_JOB
from ttapi_pipeline.defs.dagster_internals import claim_slot, pool_state
from ttapi_pipeline.defs.launch import CODE_LOCATION
from ttapi_pipeline.defs.operations.held_runs import process_of, process_tags
from ttapi_pipeline.simulator.process import SimulatorProcess
from ttapi_pipeline_tests.support.flips import flip_bit
from ttapi_pipeline_tests.support.held import holder, lock_file, started_run
from ttapi_pipeline_tests.support.projects import Finished, Tt, environment_of_users, make_project, run_tt
from ttapi_pipeline_tests.support.simulator import SimulatorControl

CANARY = "canary-4c1d"
NOBODY = "http://127.0.0.1:9"
"""Nothing listens there: a fetch would fail."""


def stored(project: Path) -> Mapping[str, tuple[int, int]]:
    """Size and time of every stored file."""
    files = (path for path in (project / "data").iterdir() if path.is_file() and not path.name.startswith("."))
    return {path.name: (path.stat().st_size, path.stat().st_mtime_ns) for path in files}


def test_a_first_refresh_fills_every_dataset(first: tuple[Path, Finished]) -> None:
    folder, finished = first
    assert finished.code == 0, finished.out + finished.err
    assert "SIMULATED DATA" in finished.out
    assert "trading_calendar: refreshed, nothing stored yet" in finished.err
    assert {f"{name}.{suffix}" for name in DATASETS for suffix in ("parquet", "csv", "json")} <= set(stored(folder))


def test_a_run_of_tt_is_one_of_the_location_s_job_and_is_not_repeated_by_the_daemon(
    filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(filled)
    with dg.DagsterInstance.from_config(str(filled)) as instance:
        (run,) = instance.get_runs(dg.RunsFilter(job_name=REFRESH_JOB))
    origin = run.remote_job_origin
    assert origin is not None
    assert origin.repository_origin.get_label() == f"__repository__@{CODE_LOCATION}"
    assert (run.tags["command"], run.tags["dagster/max_retries"]) == ("tt refresh", "0")


def test_a_copy_of_the_data_folder_elsewhere_has_nothing_to_refresh(filled: Path) -> None:
    """A back-up that is restored on another machine: another path, and no Dagster instance."""
    other = filled / "other"
    other.mkdir()
    make_project(other)
    subprocess.run(["cp", "-r", str(filled / "data"), str(other / "data")], check=True)
    shutil.rmtree(other / "data" / ".dagster")
    before = stored(other)
    status = run_tt(other, "status", "--json", TT_ENV="simulator", TT_API_URL=NOBODY)
    verdicts = {row["dataset"]: row["verdict"] for row in json.loads(status.out)["datasets"]}
    assert verdicts == dict.fromkeys(DATASETS, "hit")
    refresh = run_tt(other, "refresh", TT_ENV="simulator", TT_API_URL=NOBODY)
    assert refresh.code == 0, refresh.err
    assert stored(other) == before


def test_the_next_refresh_fetches_and_writes_nothing(filled: Path) -> None:
    before = stored(filled)
    second = run_tt(filled, "refresh", "--json", TT_ENV="simulator", TT_API_URL=NOBODY)
    assert second.code == 0, second.out + second.err
    rows = json.loads(second.out)["datasets"]
    assert [row["dataset"] for row in rows] == list(DATASETS)
    assert {(row["verdict"], row["rule"], row["outcome"]) for row in rows} == {("hit", "fresh", None)}
    assert all("old, TTL" in row["reason"] and row["age_seconds"] > 0 for row in rows)
    assert all(row["is_simulated"] for row in rows)
    assert stored(filled) == before


def test_status_shows_a_hit_for_every_dataset(tt: Tt, filled: Path) -> None:
    grid = tt("status")
    assert grid.code == 0
    assert grid.out.count(" hit ") == len(DATASETS)


def test_a_forced_refresh_that_fails_keeps_what_is_stored(tt: Tt, filled: Path) -> None:
    before = stored(filled)
    forced = tt("refresh", "accounts", "--force", TT_ENV="simulator", TT_API_URL=NOBODY)
    assert forced.code == 4
    assert "error: accounts: POST /oauth/token: 127.0.0.1:9 cannot be reached" in forced.err
    assert stored(filled) == before


def test_the_doctor_finds_a_damaged_file_and_mends_it(tt: Tt, filled: Path, exchange: SimulatorProcess) -> None:
    # As in a back-up that was restored.
    for lock in (filled / "data").glob(".*.lock"):
        lock.unlink()
    before, everything = stored(filled), sorted(filled.rglob("*"))
    doctor = tt("doctor", TT_ENV="simulator", TT_API_URL=exchange.url)
    assert doctor.code == 0, doctor.out
    assert sorted(filled.rglob("*")) == everything
    assert "connection: simulator seed 7 answers, 3 accounts" in doctor.out
    (filled / "data" / "universe.csv").write_text("symbol\r\n")
    assert "universe.csv" in tt("doctor", TT_ENV="simulator", TT_API_URL=exchange.url).out
    mended = tt("doctor", "--repair", TT_ENV="simulator", TT_API_URL=exchange.url)
    assert mended.code == 0, mended.out
    assert stored(filled)["universe.csv"][0] == before["universe.csv"][0]


def test_a_bit_that_turned_over_is_named_shown_and_mended_by_the_next_refresh(tt: Tt, filled: Path) -> None:
    path = filled / "data" / "volatility.parquet"
    before = path.read_bytes()
    flip_bit(path, 1_000, 3)
    shown = tt("show", "AAPL", TT_ENV="simulator", TT_API_URL=NOBODY)
    assert shown.code == 4
    assert shown.out == ""
    assert "volatility.parquet is damaged: its bytes hash to" in shown.err
    assert "the next `tt refresh` mends it" in shown.err
    status = tt("status", "--json", TT_ENV="simulator", TT_API_URL=NOBODY)
    (row,) = (row for row in json.loads(status.out)["datasets"] if row["verdict"] == "miss")
    assert (row["dataset"], row["rule"]) == ("volatility", "damaged")
    assert "volatility.parquet is damaged" in row["damage"]
    mended = tt("refresh", TT_ENV="simulator", TT_API_URL=NOBODY)
    assert mended.code == 0, mended.out + mended.err
    assert path.read_bytes() != before
    assert tt("show", "AAPL", TT_ENV="simulator", TT_API_URL=NOBODY).code == 0
    assert tt("status", TT_ENV="simulator", TT_API_URL=NOBODY).code == 0


def test_a_refresh_with_nothing_due_finds_damage_that_nothing_has_read(tt: Tt, filled: Path) -> None:
    csv = filled / "data" / "expiration_series.csv"
    before = csv.read_bytes()
    flip_bit(csv, 500, 0)
    mended = tt("refresh", TT_ENV="simulator", TT_API_URL=NOBODY)
    assert mended.code == 0, mended.out + mended.err
    assert csv.read_bytes() == before


def test_a_refresh_with_nothing_due_completes_a_table_beside_a_dataset_whose_writer_was_killed(
    tt: Tt, filled: Path
) -> None:
    path = filled / "data" / "eod_rejects.json"
    manifest = Manifest.from_json(path.read_text(), name="eod_rejects")
    # Killed after the manifest that knows no CSV yet.
    path.write_text(replace(manifest, csv=None).to_json())
    mended = tt("refresh", TT_ENV="simulator", TT_API_URL=NOBODY)
    assert mended.code == 0, mended.out + mended.err
    assert Manifest.from_json(path.read_text(), name="eod_rejects") == manifest


def test_refused_credentials_leave_the_data_alone_and_are_not_shown(
    tt: Tt, filled: Path, exchange: SimulatorProcess
) -> None:
    before = stored(filled)
    real = tt("refresh", TT_CLIENT_SECRET=CANARY, TT_REFRESH_TOKEN=CANARY, TT_API_URL=exchange.url)
    assert real.code == 4
    assert "refused the client secret (invalid_client" in real.err
    assert stored(filled) == before
    assert CANARY not in real.out + real.err
    files = [path for path in filled.rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if CANARY.encode() in path.read_bytes()]


def test_any_server_that_speaks_the_api_will_do_and_a_simulator_behind_it_is_told_from_a_broker(
    tt: Tt, exchange: SimulatorProcess
) -> None:
    run = tt(
        "refresh",
        "universe",
        "--json",
        TT_API_URL=exchange.url,
        TT_CLIENT_SECRET=SIMULATOR_CLIENT_SECRET,
        TT_REFRESH_TOKEN=SIMULATOR_REFRESH_TOKEN,
    )
    document = json.loads(run.out)
    assert document["origin"] == f"production {exchange.url}"
    (universe,) = (row for row in document["datasets"] if row["dataset"] == "universe")
    assert (universe["verdict"], universe["is_simulated"], universe["rows"]) == ("hit", True, 3)


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"TT_TTL_SYMBOLS": "soon"}, "error: TT_TTL_SYMBOLS is 'soon'; it accepts a positive number of seconds"),
        ({"TT_TTL_SYMBOL": "1h"}, "error: TT_TTL_SYMBOL is not a setting"),
        ({"TT_METASTOCK_DIR": "nowhere"}, "error: TT_METASTOCK_DIR is 'nowhere'; it accepts the path of a folder"),
        ({"TT_LIST": "nowhere.txt"}, "error: TT_LIST is 'nowhere.txt'; it accepts 1, 2, 3, 4, the path"),
        ({"TT_ENV": "production"}, "error: TT_CLIENT_SECRET is not set"),
        ({"TT_ENV": "simulator", "TT_CLIENT_SECRET": CANARY}, "the simulator never runs beside real credentials"),
    ],
)
def test_a_wrong_setting_is_one_sentence_and_code_2(tt: Tt, variables: Mapping[str, str], sentence: str) -> None:
    run = tt("refresh", **variables)
    assert run.code == 2
    assert sentence in run.err
    assert run.err.count("\n") == 1
    assert run.out == ""
    assert CANARY not in run.err


def test_a_data_folder_that_cannot_be_written_is_one_sentence_and_code_4(tt: Tt, project: Path) -> None:
    (project / "occupied").write_text("a file")
    run = tt("refresh", TT_DATA_DIR="occupied/data")
    assert run.code == 4
    assert run.err.startswith(f"error: {project}/occupied/data")
    assert "TT_DATA_DIR" in run.err
    assert run.err.count("\n") == 1


def test_a_value_that_cannot_be_read_is_named_and_the_refresh_ends_with_3(tt: Tt, exchange: SimulatorProcess) -> None:
    simulator = SimulatorControl(exchange.url)
    parameters = {"path": "data.items[symbol=AAPL].beta", "value": "NaN"}
    simulator.fault("replace-field", "/market-metrics", count=1, parameters=parameters)
    try:
        run = tt("refresh", "symbols", TT_ENV="simulator", TT_API_URL=exchange.url, COLUMNS="200")
    finally:
        simulator.reset()
    assert run.code == 3, run.out + run.err
    assert "symbols: refreshed, nothing stored yet; 1 value could not be read" in run.err
    assert "nothing stored yet; 1 value could not be read (beta)" in run.out
    rows = {row["dataset"]: row for row in json.loads(tt("status", "--json").out)["datasets"]}
    assert (rows["symbols"]["lost"], rows["symbols"]["missing"], rows["universe"]["lost"]) == ({"beta": 1}, {}, {})


def test_bars_that_cannot_be_and_silence_are_named_and_silence_of_all_keeps_what_is_stored(
    tt: Tt, exchange: SimulatorProcess, project: Path
) -> None:
    simulator = SimulatorControl(exchange.url)
    variables = {"TT_ENV": "simulator", "TT_API_URL": exchange.url, "TT_MIN_COVERAGE": "0.5", "COLUMNS": "200"}
    simulator.fault("dx-event", "Candle/AAPL", parameters={"field": "close", "value": "Infinity", "first": 50})
    simulator.fault("dx-drop", "Candle/MSFT")
    try:
        run = tt("refresh", "daily_candles", **variables)
        assert run.code == 3, run.out + run.err
        assert "daily_candles: refreshed, nothing stored yet; 2 missing; 1 value could not be read" in run.err
        row = next(
            row for row in json.loads(tt("status", "--json").out)["datasets"] if row["dataset"] == "daily_candles"
        )
        assert row["lost"] == {"candle.close": 1}
        assert row["missing"]["MSFT"] == "the feed answered twice that it has no candles of it"
        assert row["missing"]["AAPL"].startswith("the feed has no bar of ")
        # The same through Dagster's own command: with silence of all symbols, nothing is published.
        simulator.fault("dx-drop", "Candle")
        before = stored(project)
        forced = json.dumps({"resources": {"cache": {"config": {"force": True}}}})
        command = ["asset", "materialize", "-m", "ttapi_pipeline.definitions", "--select", "daily_candles"]
        done = subprocess.run(
            [str(Path(sys.executable).with_name("dagster")), *command, "--config-json", forced],
            cwd=project,
            env={**environment_of_users(), **variables, "DAGSTER_HOME": str(project)},
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
        )
        assert done.returncode == 1
        assert "3 of 3 are missing" in done.stderr
        assert stored(project) == before
    finally:
        simulator.reset()
    # Without the faults, the hole is filled and the silent symbol is there.
    run = tt("refresh", "daily_candles", "--force", **variables)
    assert run.code == 0, run.out + run.err


def test_another_instrument_under_a_ticker_is_set_aside_and_the_refresh_ends_with_3(
    tt: Tt, project: Path, exchange: SimulatorProcess
) -> None:
    rows = "BMY.N,20260105,50,50,50,50,1\nBMY.N,20260106,50,50,50,50,1\nBMY.O,20260105,2,2,2,2,1\n"
    (project / "metastock" / "all.txt").write_text(f"<ticker>,<date>,<open>,<high>,<low>,<close>,<vol>\n{rows}")
    variables = {"TT_ENV": "simulator", "TT_API_URL": exchange.url, "COLUMNS": "240"}
    run = tt("refresh", "eod_snapshot", **variables)
    assert run.code == 3, run.out + run.err
    assert "(rows)" in run.out
    bars = pl.read_parquet(project / "data" / "eod_snapshot.parquet").filter(symbol="BMY")
    assert bars["close"].to_list() == [50, 50]
    notices = pl.read_parquet(project / "data" / "eod_notices.parquet").filter(kind="conflict")
    assert notices["notice"].to_list() == ["BMY: BMY.N has it, and 1 row of BMY.O in all.txt is set aside"]
    # A setting that changes what is read is a reason to read again, and one that proves nothing keeps them apart.
    run = tt("refresh", "eod_snapshot", **variables, TT_METASTOCK_SUFFIXES="none")
    assert "metastock_suffixes" in run.err + run.out
    assert run.code == 0, run.out + run.err
    assert set(pl.read_parquet(project / "data" / "eod_snapshot.parquet")["symbol"]) >= {"BMY/N", "BMY/O"}


@pytest.mark.parametrize("arguments", [["refresh", "quote"], ["polish"], ["--polish"]])
def test_wrong_usage_is_code_2(tt: Tt, arguments: list[str]) -> None:
    run = tt(*arguments)
    assert run.code == 2
    assert "usage: tt" in run.err


def test_status_of_nothing_says_what_is_to_be_done(tt: Tt) -> None:
    run = tt("status")
    assert run.code == 3
    assert run.out.count("nothing stored yet") == len(DATASETS)


def test_status_shows_the_breakers_of_the_server_of_the_settings(tt: Tt, project: Path) -> None:
    opened = {"state": "open", "changed_at": "2026-11-20T15:00:00Z"}
    servers = {NOBODY: {"accounts": opened, "oauth": {"state": "closed"}}, "https://other": {"market-metrics": opened}}
    file = LocalStateFile(project / "data" / ".state" / "breakers.json")
    change_state(file, dict, lambda _: {"servers": servers})
    shown = json.loads(tt("status", "--json", TT_ENV="simulator", TT_API_URL=NOBODY).out)["breakers"]
    assert shown == {"accounts": "circuit breaker open"}


def test_a_named_dataset_brings_what_is_due_above_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    statuses = read_statuses(Settings(), now=SYSTEM_CLOCK.now())
    assert select(statuses, ["expiration_series"]) == ["trading_calendar", "universe", "expiration_series"]
    assert select(statuses, []) == list(DATASETS)


def test_ctrl_c_ends_a_refresh_and_leaves_no_simulator(project: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "ttapi_pipeline.cli", "refresh"],
        cwd=project,
        env={**environment_of_users(), "TT_LIST": "2"},
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


@pytest.mark.parametrize(
    ("number", "seconds"),
    [
        (signal.SIGTERM, 0.0),
        *(
            pytest.param(number, seconds, marks=pytest.mark.soak)
            for number in (signal.SIGINT, signal.SIGTERM)
            for seconds in (0.0, 0.001, 0.002, 0.004, 0.008, 0.016, 0.03, 0.06, 0.1, 0.2)
        ),
    ],
)
def test_a_refresh_that_waits_says_for_which_run_ends_at_a_signal_and_leaves_nothing(
    project: Path, exchange: SimulatorProcess, number: signal.Signals, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    with (
        dg.DagsterInstance.from_config(str(project)) as instance,
        holder(lock_file(instance, (ahead := started_run(instance, **process_tags())).run_id)),
    ):
        assert claim_slot(instance, BROKER_POOL, ahead.run_id, "daily_candles")
        process = subprocess.Popen(
            [sys.executable, "-m", "ttapi_pipeline.cli", "refresh", "accounts"],
            cwd=project,
            env={**environment_of_users(), "TT_API_URL": exchange.url, "TT_ENV": "simulator"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr is not None
        line = next(line for line in process.stderr if "waiting for" in line)
        named = f"accounts: waiting for run {ahead.run_id[:8]}, which fetches daily_candles ({process_of(ahead)})"
        assert line.strip() == named
        process.send_signal(number)
        time.sleep(seconds)
        process.send_signal(number)
        out, err = process.communicate(timeout=90)
        assert process.returncode == 128 + number, out + err
        assert "Traceback" not in err
        assert err.endswith("interrupted; stored data is as it was\n")
        assert pool_state(instance, BROKER_POOL).run_ids == {ahead.run_id}
        waited = next(run for run in instance.get_runs(limit=1))
        assert waited.is_finished
        said = [entry.message for entry in instance.all_logs(waited.run_id) if entry.dagster_event is None]
        assert named in said


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


def test_the_simulator_writes_files_with_a_split_that_nobody_knows_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    days = ["--symbols", "AAPL", "--first", "2026-01-02", "--last", "2026-01-30"]
    closes = []
    for name, more in {"as": [], "raw": ["--raw", "--split", "AAPL:2026-01-20:20"]}.items():
        assert cli.main(["simulator", "metastock", str(tmp_path / name), *days, *more]) == 0
        (file,) = (tmp_path / name).rglob("*.*")
        closes.append([float(line.split(",")[7]) for line in file.read_text().splitlines()[1:]])
    ratios = [before / after for after, before in zip(*closes, strict=True)]
    assert ratios == pytest.approx([20.0] * 11 + [1.0] * 9, rel=1e-6)
    with pytest.raises(SystemExit):
        cli.main(["simulator", "metastock", str(tmp_path / "no"), "--split", "AAPL:20"])
    capsys.readouterr()
