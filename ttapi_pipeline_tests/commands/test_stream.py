# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""`tt stream` as a user runs it: what it shows, what it keeps, and why it ended."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import polars as pl
import pytest

from ttapi_pipeline import cli
from ttapi_pipeline.core.places import MARKER
from ttapi_pipeline.quote_recorder.history import scan_quote_log
from ttapi_pipeline.quote_recorder.layout import logged_sessions
from ttapi_pipeline.quote_recorder.log import read_gaps
from ttapi_pipeline.simulator.process import SimulatorProcess
from ttapi_pipeline_tests.support.simulator import SimulatorControl

ROOT = Path(__file__).resolve().parents[2]
CANARY = "canary-7f3a"
COMMAND = [sys.executable, "-m", "ttapi_pipeline.cli", "stream"]

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture(scope="module")
def exchange() -> Iterator[SimulatorProcess]:
    # A Friday, 10:00 in New York.
    with SimulatorProcess(seed=7, arguments=["--now", "2026-11-20T15:00:00Z"]) as simulator:
        yield simulator


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in ("dagster.yaml", MARKER):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "symbols.txt").write_text("AAPL\nMSFT\nBRK.B\n")
    return tmp_path


@pytest.fixture
def environment(exchange: SimulatorProcess) -> Mapping[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TT_", "DAGSTER"))}
    return {
        **kept,
        "PYTHONPATH": str(ROOT),
        "TT_LIST": "symbols.txt",
        "TT_API_URL": exchange.url,
        "TT_ENV": "simulator",
    }


@pytest.fixture
def start(project: Path, environment: Mapping[str, str]) -> Iterator[Start]:
    processes: list[subprocess.Popen[str]] = []

    def run(*arguments: str, **variables: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*COMMAND, *arguments],
            cwd=project,
            env={**environment, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return process

    yield run
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def run_here(project: Path, environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """The same in this process, which is quicker, where the command ends by itself."""

    def run(*arguments: str) -> int:
        try:
            return cli.main(["stream", *arguments])
        except SystemExit as end:
            return int(end.code or 0)

    monkeypatch.chdir(project)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return run


@pytest.fixture
def finish_here(run_here: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[str, str]]:
    """`finish` for `run_here`."""

    def run(code: int, *arguments: str) -> tuple[str, str]:
        assert run_here(*arguments) == code
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        assert "Warning" not in err
        return out, err

    return run


def finish(process: subprocess.Popen[str], code: int) -> tuple[str, str]:
    out, err = process.communicate(timeout=100)
    assert process.returncode == code, out + err
    assert "Traceback" not in err
    assert "Warning" not in err
    return out, err


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def kept(project: Path, table: str) -> int:
    data = project / "data"
    rows = [scan_quote_log(data, session, table).collect() for session in logged_sessions(data)]  # type: ignore[arg-type]
    return sum(frame.height for frame in rows)


def test_it_streams_the_universe_reports_as_json_and_keeps_what_it_received(
    finish_here: Callable[..., tuple[str, str]], project: Path
) -> None:
    out, err = finish_here(0, "--json", "--duration", "3", "--report-seconds", "1")
    reports = [json.loads(line) for line in out.splitlines()]
    assert len(reports) >= 2
    last = reports[-1]
    assert (last["symbols"], last["answered"], last["is_live"], last["is_simulated"]) == (3, 3, True, True)
    assert last["events"] > 0
    assert last["log"]["quotes"] == kept(project, "quotes") >= 3
    assert last["log"]["trades"] == kept(project, "trades")
    assert err.startswith("stopped as asked after ")
    assert "3 of 3 symbols answered" in err


def test_without_a_terminal_it_writes_lines_and_a_signal_stops_it(start: Start, project: Path) -> None:
    process = start("AAPL", "brk.b", "--report-seconds", "0.2")
    while "  live  " not in first_line(process):
        pass
    process.send_signal(signal.SIGTERM)
    out, err = finish(process, 0)
    assert all("  SIMULATED DATA  live  " in line for line in out.splitlines())
    assert "2/2" in out
    assert err.startswith("stopped by SIGTERM after ")
    (session,) = logged_sessions(project / "data")
    symbols = scan_quote_log(project / "data", session, "quotes").collect()["symbol"].unique().sort().to_list()
    assert symbols == ["AAPL", "BRK/B"]
    assert [gap.reason for gap in read_gaps(project / "data", session)] == ["not running", "connecting"]


def test_values_that_cannot_be_are_null_in_the_log_and_named_at_the_end(
    finish_here: Callable[..., tuple[str, str]], project: Path, exchange: SimulatorProcess
) -> None:
    simulator = SimulatorControl(exchange.url)
    spoiled = {
        ("Quote", "bidPrice", "Infinity"): "bid_price",
        ("Quote", "askPrice", "-1"): "ask_price",
        ("Trade", "price", "0"): "last_price",
        ("Summary", "dayHighPrice", "1e308"): "day_high",
        ("TimeAndSale", "price", "true"): "price",
    }
    for kind, field, value in spoiled:
        simulator.fault("dx-event", f"{kind}/AAPL", parameters={"field": field, "value": value})
    # An index that has no Quote is no reason to wait, and none to complain.
    simulator.fault("dx-drop", "Quote/SPX")
    try:
        out, err = finish_here(3, "AAPL", "KO", "SPX", "--json", "--duration", "2.5", "--report-seconds", "1")
    finally:
        simulator.reset()
    health = json.loads(out.splitlines()[-1])
    # A trade that was made has a price.
    lost = {"Quote.bidPrice", "Quote.askPrice", "Summary.dayHighPrice", "TimeAndSale.price", "Trade.price"}
    assert (health["answered"], health["gaps"], set(health["lost"])) == (3, 0, lost)
    assert " values could not be read (Quote.askPrice " in err
    (session,) = logged_sessions(project / "data")
    quotes, trades = (scan_quote_log(project / "data", session, table).collect() for table in ("quotes", "trades"))
    for (kind, *_), column in spoiled.items():
        rows = trades if kind == "TimeAndSale" else quotes
        assert rows.filter(pl.col("symbol") == "AAPL")[column].null_count() == rows.filter(symbol="AAPL").height > 0
        assert rows.filter(symbol="KO")[column].drop_nulls().min() > 0  # type: ignore[operator]
    spx = quotes.filter(symbol="SPX").tail(1).row(0, named=True)
    assert spx["last_price"] > 0
    assert (spx["bid_price"], spx["ask_price"]) == (None, None)


def test_there_is_one_per_data_folder_and_another_without_a_log(
    start: Start, finish_here: Callable[..., tuple[str, str]], project: Path
) -> None:
    process = start("AAPL", "--json", "--report-seconds", "0.2")
    first_line(process)
    _, err = finish_here(4, "AAPL", "--duration", "1")
    assert "is being written by another `tt stream`: stop that one" in err
    assert err.count("\n") == 1
    before = {path for path in (project / "data").rglob("*") if "quote_log" not in path.parts}
    _, err = finish_here(0, "AAPL", "--no-log", "--json", "--duration", "1")
    assert "in the log" not in err
    assert {path for path in (project / "data").rglob("*") if "quote_log" not in path.parts} == before
    process.send_signal(signal.SIGINT)
    _, err = finish(process, 0)
    assert err.startswith("stopped by Ctrl-C after ")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["NOSUCHSYMBOL"], "error: NOSUCHSYMBOL cannot be subscribed"),
        (["A B"], "error: 'A B' is not an equity symbol; name symbols such as AAPL"),
        ([".AAPL"], "is not the streamer symbol of an equity option; name symbols"),
        (["--duration", "soon"], "argument --duration: 'soon'; it accepts a positive number of seconds"),
        (["--flush-seconds", "0"], "argument --flush-seconds"),
    ],
)
def test_what_cannot_be_meant_is_code_2(
    run_here: Callable[..., int], capsys: pytest.CaptureFixture[str], arguments: Sequence[str], sentence: str
) -> None:
    assert run_here(*arguments) == 2
    out, err = capsys.readouterr()
    assert sentence in err
    assert out == ""


def test_a_folder_that_is_not_local_is_refused_with_a_way_out(
    run_here: Callable[..., int], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TT_DATA_DIR", "s3://bucket")
    assert run_here("AAPL") == 2
    err = capsys.readouterr().err
    assert "the quote log needs a folder of this machine, and TT_DATA_DIR is s3://bucket: set TT_QUOTE_LOG_DIR" in err
    assert "--no-log" in err


def test_credentials_that_are_refused_are_code_4_and_are_not_shown(
    finish_here: Callable[..., tuple[str, str]], project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("TT_ENV", "production"), ("TT_CLIENT_SECRET", CANARY), ("TT_REFRESH_TOKEN", CANARY)):
        monkeypatch.setenv(name, value)
    out, err = finish_here(4, "AAPL")
    assert "refused" in err
    assert CANARY not in out + err
    written = [path for path in project.rglob("*") if path.is_file()]
    assert not [path for path in written if CANARY.encode() in path.read_bytes()]


def test_a_gap_is_code_3(start: Start, exchange: SimulatorProcess, project: Path) -> None:
    SimulatorControl(exchange.url).fault("dx-close", count=1, parameters={"code": 1006, "after": 8})
    process = start("--json", "--report-seconds", "0.2")
    while not json.loads(first_line(process))["gaps"]:
        pass
    process.send_signal(signal.SIGINT)
    _, err = finish(process, 3)
    assert "1 gaps" in err
    (session,) = logged_sessions(project / "data")
    assert len(read_gaps(project / "data", session)) >= 3


def test_it_ends_when_nobody_reads_any_more(start: Start) -> None:
    process = start("AAPL", "--json", "--report-seconds", "0.1")
    first_line(process)
    assert process.stdout is not None
    process.stdout.close()
    process.wait(timeout=100)
    assert process.stderr is not None
    err = process.stderr.read()
    assert process.returncode == 0, err
    assert err.startswith("stopped, nobody reads the output any more")


def test_on_a_terminal_it_is_a_grid_that_is_resized_turned_and_left(
    project: Path, environment: Mapping[str, str], exchange: SimulatorProcess
) -> None:
    leader, follower = pty.openpty()
    termios.tcsetwinsize(follower, (6, 80))
    process = subprocess.Popen(
        COMMAND, cwd=project, env={**environment, "TERM": "xterm"}, stdin=follower, stdout=follower, stderr=follower
    )
    os.close(follower)
    shown = ""

    def until(pattern: str) -> None:
        nonlocal shown
        deadline = time.monotonic() + 60
        while not re.search(pattern, shown):
            assert time.monotonic() < deadline, shown[-2000:]
            if select.select([leader], [], [], 1)[0]:
                shown += os.read(leader, 65_536).decode(errors="replace")

    try:
        until(r"live  .*3/3")
        assert shown.startswith("\x1b[?1049h\x1b[?25l")
        assert "SIMULATED DATA" in shown
        assert re.search(r"AAPL .*\d+\.\d\d", shown)
        assert "page 1/1 by symbol" in shown
        assert "spread" not in shown
        shown = ""
        termios.tcsetwinsize(leader, (5, 160))
        until("spread")
        until("page 1/2 by symbol")
        os.write(leader, b"n")
        until("page 2/2 by symbol")
        os.write(leader, b"s")
        until("page 1/2 by change")
        termios.tcsetwinsize(leader, (20, 60))
        # 42 of the 60 cells are left for a path, and the folders of tests are longer.
        until(r"data:             /.{12}….{23}/data")
        until(r"dagster and logs: /")
        os.write(leader, b"q")
        until(r"\x1b\[\?25h\x1b\[\?1049l(.|\n)*stopped by q after")
        assert process.wait(60) == 0
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        os.close(leader)
