# SPDX-License-Identifier: MIT
"""What was flushed is there, once, whatever became of who wrote it; what was not recorded is a gap."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttapi_pipeline.core.errors import ConfigError, CorruptFileError, LockTimeoutError, StorageError
from ttapi_pipeline.quote_recorder import compaction
from ttapi_pipeline.quote_recorder.compaction import compact_session, remove_old_logs
from ttapi_pipeline.quote_recorder.history import read_history, scan_quote_log
from ttapi_pipeline.quote_recorder.layout import (
    compacted_sessions,
    finished_sessions,
    history_file,
    log_folder,
    logged_sessions,
    session_at,
)
from ttapi_pipeline.quote_recorder.log import LogGap, Origin, read_gaps
from ttapi_pipeline.quote_recorder.log_writer import LogWriter
from ttapi_pipeline.quote_recorder.schemas import QUOTES, TRADES
from ttapi_pipeline_tests.support.examples import examples

ROOT = Path(__file__).resolve().parents[2]
FRIDAY, MONDAY = date(2026, 11, 20), date(2026, 11, 23)
NOON = datetime(2026, 11, 20, 17, tzinfo=UTC)
"""Friday, 12:00 in New York."""
END = datetime(2026, 11, 21, 1, tzinfo=UTC)
"""Friday, 20:00 in New York: the end of extended trading."""
SIMULATED = Origin("simulator seed 7", is_simulated=True)


def quotes(at: datetime, *symbols: str, price: float = 10.0) -> pl.DataFrame:
    rows = pl.DataFrame({"symbol": symbols, "received_at": [at] * len(symbols), "last_price": [price] * len(symbols)})
    missing = {name: pl.lit(None) for name in QUOTES if name not in rows.columns}
    return rows.with_columns(**missing).select(pl.col(name).cast(dtype) for name, dtype in QUOTES.items())


def trades(at: datetime, symbol: str, *sequences: int) -> pl.DataFrame:
    count = len(sequences)
    return pl.DataFrame(
        {
            "symbol": [symbol] * count,
            "traded_at": [at] * count,
            "sequence": list(sequences),
            "received_at": [at] * count,
            "price": [10.0] * count,
            "size": [100.0] * count,
            "bid_price": [9.9] * count,
            "ask_price": [10.1] * count,
            "exchange": ["Q"] * count,
            "type": ["NEW"] * count,
            "is_extended_hours": [False] * count,
        },
        schema=TRADES,
    )


def prices(data: Path, session: date = FRIDAY) -> list[float]:
    return scan_quote_log(data, session, "quotes").collect()["last_price"].to_list()


def sequences(data: Path, session: date = FRIDAY) -> list[int]:
    return scan_quote_log(data, session, "trades").collect()["sequence"].to_list()


def parts(data: Path, table: str, session: date = FRIDAY) -> list[str]:
    return sorted(path.name for path in (log_folder(data, session) / table).iterdir())


def open_log(data: Path, now: datetime = NOON, origin: Origin = SIMULATED) -> LogWriter:
    return LogWriter(data, origin, now=now)


class TestSessions:
    @pytest.mark.parametrize(
        ("at", "session"),
        [
            (NOON, FRIDAY),
            # Thursday 20:00 in New York: the night belongs to Friday.
            (datetime(2026, 11, 20, 1, tzinfo=UTC), FRIDAY),
            (END - timedelta(microseconds=1), FRIDAY),
            (END, MONDAY),
            (datetime(2026, 11, 22, 12, tzinfo=UTC), MONDAY),
            # The day after Thanksgiving is a half day, which ends at 17:00; Thanksgiving belongs to it.
            (datetime(2026, 11, 26, 15, tzinfo=UTC), date(2026, 11, 27)),
            (datetime(2026, 11, 27, 21, 59, tzinfo=UTC), date(2026, 11, 27)),
            (datetime(2026, 11, 27, 22, tzinfo=UTC), date(2026, 11, 30)),
        ],
    )
    def test_a_session_lasts_from_the_end_of_the_one_before(self, at: datetime, session: date) -> None:
        assert session_at(at) == session

    def test_rows_go_to_the_hour_and_the_session_in_which_they_were_received(self, tmp_path: Path) -> None:
        with open_log(tmp_path) as log:
            before, after = END - timedelta(seconds=1), END + timedelta(seconds=1)
            log.add("quotes", pl.concat([quotes(before, "A", price=1.0), quotes(after, "A", price=2.0)]))
            log.write()
            assert log.session == MONDAY
        assert prices(tmp_path) == [1.0]
        assert prices(tmp_path, MONDAY) == [2.0]
        assert parts(tmp_path, "quotes") == ["20261121T00~000000001-000000001.parquet"]
        assert parts(tmp_path, "quotes", MONDAY) == ["20261121T01~000000001-000000001.parquet"]

    def test_a_clock_that_is_set_back_does_not_reopen_a_session(self, tmp_path: Path) -> None:
        with open_log(tmp_path) as log:
            log.add("quotes", quotes(END, "A", price=2.0))
            log.add("quotes", quotes(NOON, "A", price=1.0))
            log.write()
        assert prices(tmp_path) == []
        assert prices(tmp_path, MONDAY) == [2.0, 1.0]
        with open_log(tmp_path) as log:
            log.add("quotes", quotes(NOON, "A"))
            log.write()
        compact_session(tmp_path, FRIDAY, is_recorded_to_the_end=True)
        with open_log(tmp_path) as log:
            assert log.session == MONDAY


class TestWriting:
    def test_what_was_written_is_there_in_the_order_of_receipt(self, tmp_path: Path) -> None:
        with open_log(tmp_path) as log:
            for second in range(40):
                at = NOON + timedelta(seconds=second)
                log.add("quotes", quotes(at, "B", price=second))
                log.add("trades", trades(at, "A", 2 * second, 2 * second + 1))
                log.add("trades", trades(at, "A"))
                log.write()
                assert log.pending_rows == 0
            assert prices(tmp_path) == [float(second) for second in range(40)]
            assert sequences(tmp_path) == list(range(80))
            assert len(parts(tmp_path, "trades")) < 20
        assert logged_sessions(tmp_path) == [FRIDAY]

    def test_nothing_received_is_nothing_written(self, tmp_path: Path) -> None:
        with open_log(tmp_path) as log:
            log.add("quotes", quotes(NOON))
            log.write()
        assert prices(tmp_path) == []
        assert not (log_folder(tmp_path, FRIDAY) / "quotes").exists()

    def test_a_full_disk_costs_nothing_once_there_is_room_again(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with open_log(tmp_path) as log:
            log.add("quotes", quotes(NOON, "A", price=1.0))
            log.add("trades", trades(NOON, "A", 1, 2))

            def refuse(self: pl.DataFrame, file: Path, **_: Any) -> None:
                if file.parent.name == "trades":
                    raise OSError(28, "No space left on device")
                self.lazy().sink_parquet(file)

            with monkeypatch.context() as patch:
                patch.setattr(pl.DataFrame, "write_parquet", refuse)
                for _ in range(2):
                    with pytest.raises(StorageError, match="No space left on device; free some space"):
                        log.write()
            # The quotes got there the first time, and are not written again.
            assert log.pending_rows == 2
            assert (prices(tmp_path), sequences(tmp_path)) == ([1.0], [])
            log.write()
        assert (prices(tmp_path), sequences(tmp_path)) == ([1.0], [1, 2])

    def test_a_second_writer_is_refused_and_told_what_to_do(self, tmp_path: Path) -> None:
        with open_log(tmp_path), pytest.raises(LockTimeoutError, match="another `tt stream`: stop that one"):
            open_log(tmp_path)
        open_log(tmp_path).close()

    def test_simulated_rows_do_not_mix_with_others(self, tmp_path: Path) -> None:
        open_log(tmp_path).close()
        with pytest.raises(ConfigError, match="holds what came from simulator seed 7, and this is production x"):
            open_log(tmp_path, origin=Origin("production x", is_simulated=False))
        # The refused one left no lock behind.
        open_log(tmp_path).close()

    def test_a_folder_that_cannot_be_written_is_a_storage_error(self, tmp_path: Path) -> None:
        (tmp_path / "quote_log").write_text("a file")
        with pytest.raises(StorageError):
            open_log(tmp_path)


class TestGaps:
    def test_the_time_in_which_nothing_ran_is_a_gap(self, tmp_path: Path) -> None:
        with open_log(tmp_path) as log:
            log.add("quotes", quotes(NOON, "A"))
            log.write()
        with open_log(tmp_path, NOON + timedelta(minutes=5)) as log:
            log.add_gap(LogGap(NOON + timedelta(minutes=6), NOON + timedelta(minutes=7), "link lost", symbols=2))
            log.write()
        thursday_evening = datetime(2026, 11, 20, 1, tzinfo=UTC)
        assert read_gaps(tmp_path, FRIDAY) == [
            LogGap(thursday_evening, NOON, "not running"),
            LogGap(NOON, NOON + timedelta(minutes=5), "not running"),
            LogGap(NOON + timedelta(minutes=6), NOON + timedelta(minutes=7), "link lost", symbols=2),
        ]
        line = (log_folder(tmp_path, FRIDAY) / "gaps.jsonl").read_text().splitlines()[-1]
        assert json.loads(line)["seconds"] == 60.0

    def test_a_service_that_runs_through_the_night_has_none(self, tmp_path: Path) -> None:
        with open_log(tmp_path) as log:
            log.write()
            assert log.roll(NOON) == []
            assert log.roll(END) == [FRIDAY]
            log.add("quotes", quotes(END, "A"))
            log.write()
        assert read_gaps(tmp_path, MONDAY) == []

    def test_a_session_is_not_left_before_its_rows_are_on_disk(self, tmp_path: Path) -> None:
        with open_log(tmp_path) as log:
            log.add("quotes", quotes(NOON, "A"))
            assert log.roll(END) == []
            assert log.session == FRIDAY
            log.write()
            assert log.roll(END) == [FRIDAY]

    def test_a_damaged_list_of_gaps_is_said_to_be_damaged(self, tmp_path: Path) -> None:
        with open_log(tmp_path) as log:
            log.write()
        (log_folder(tmp_path, FRIDAY) / "gaps.jsonl").write_text('{"began_at": 1}\n')
        with pytest.raises(CorruptFileError, match=r"gaps\.jsonl is damaged"):
            read_gaps(tmp_path, FRIDAY)


class TestCompaction:
    @pytest.fixture
    def data(self, tmp_path: Path) -> Path:
        with open_log(tmp_path) as log:
            for second in range(20):
                at = NOON + timedelta(seconds=second)
                log.add("quotes", quotes(at, "B", "A", price=second))
                log.add("trades", trades(at, "C", 100 - second))
                log.write()
        return tmp_path

    def test_a_compacted_session_is_sorted_complete_and_says_what_it_is(self, data: Path) -> None:
        history = compact_session(data, FRIDAY, is_recorded_to_the_end=False)
        assert read_history(data, FRIDAY) == history
        assert compacted_sessions(data) == [FRIDAY]
        rows = pl.read_parquet(data / "quote_history" / "quotes" / "2026-11-20.parquet")
        assert rows.schema == QUOTES
        assert rows["symbol"].to_list() == ["A"] * 20 + ["B"] * 20
        assert rows["last_price"].to_list() == [float(second) for second in range(20)] * 2
        assert sequences(data) == [100 - second for second in range(20)]
        facts = history.tables["quotes"]
        assert (facts.rows, facts.symbols) == (40, 2)
        assert (facts.first_at, facts.last_at) == (NOON, NOON + timedelta(seconds=19))
        assert history.tables["trades"].symbols == 1
        assert history.origin == SIMULATED
        assert [gap.reason for gap in history.gaps] == ["not running", "nothing recorded until the end of the session"]
        assert history.gaps[-1].ended_at == END
        metadata = pl.read_parquet_metadata(history_file(data, FRIDAY, "quotes"))["ttapi_pipeline"]
        assert json.loads(metadata)["data_version"] == facts.data_version

    def test_the_second_compaction_writes_nothing(self, data: Path) -> None:
        compact_session(data, FRIDAY, is_recorded_to_the_end=True)
        before = {path: path.stat().st_mtime_ns for path in (data / "quote_history").rglob("*")}
        compact_session(data, FRIDAY, is_recorded_to_the_end=True)
        assert {path: path.stat().st_mtime_ns for path in (data / "quote_history").rglob("*")} == before

    def test_many_symbols_are_sorted_in_batches(self, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        whole = compact_session(data, FRIDAY, is_recorded_to_the_end=True)
        rows = pl.read_parquet(history_file(data, FRIDAY, "quotes"))
        (data / "quote_history" / "2026-11-20.json").unlink()
        monkeypatch.setattr(compaction, "_BATCH_ROWS", 5)
        assert compact_session(data, FRIDAY, is_recorded_to_the_end=True).data_version == whole.data_version
        assert pl.read_parquet(history_file(data, FRIDAY, "quotes")).equals(rows)

    def test_a_reader_does_not_notice(self, data: Path) -> None:
        before = scan_quote_log(data, FRIDAY, "quotes")
        compact_session(data, FRIDAY, is_recorded_to_the_end=True)
        after = scan_quote_log(data, FRIDAY, "quotes")
        remove_old_logs(data, keep=0)
        later = scan_quote_log(data, FRIDAY, "quotes")
        order = ["symbol", "received_at"]
        assert before.collect().sort(order).equals(after.collect())
        assert later.collect().equals(after.collect())

    def test_one_log_is_kept_besides_and_one_that_is_not_compacted_is_never_removed(self, data: Path) -> None:
        for at in (END, END + timedelta(days=3)):
            with open_log(data, at) as log:
                log.add("quotes", quotes(at, "A"))
                log.write()
        compact_session(data, FRIDAY, is_recorded_to_the_end=True)
        assert remove_old_logs(data) == []
        compact_session(data, MONDAY, is_recorded_to_the_end=True)
        assert remove_old_logs(data) == [FRIDAY]
        assert not list((data / "quote_log").glob("*2026-11-20*"))
        assert logged_sessions(data) == [MONDAY, date(2026, 11, 24)]
        assert finished_sessions(data, now=END) == [FRIDAY]
        assert finished_sessions(data, now=END + timedelta(days=3)) == [FRIDAY, MONDAY]

    def test_a_log_that_is_being_written_is_left_alone(self, data: Path) -> None:
        with open_log(data, NOON + timedelta(minutes=1)), pytest.raises(LockTimeoutError):
            compact_session(data, FRIDAY, is_recorded_to_the_end=False, lock_timeout_seconds=0)
        assert read_history(data, FRIDAY) is None

    def test_a_session_without_a_log_cannot_be_compacted(self, data: Path) -> None:
        with pytest.raises(ConfigError, match="2026-11-19 has no quote log"):
            compact_session(data, date(2026, 11, 19), is_recorded_to_the_end=True)

    def test_a_session_without_trades_has_an_empty_table(self, tmp_path: Path) -> None:
        with open_log(tmp_path) as log:
            log.add("quotes", quotes(NOON, "A"))
            log.write()
        history = compact_session(tmp_path, FRIDAY, is_recorded_to_the_end=True)
        assert history.tables["trades"].rows == 0
        assert history.tables["trades"].first_at is None
        assert scan_quote_log(tmp_path, FRIDAY, "trades").collect().schema == TRADES

    def test_a_full_disk_leaves_the_log_as_it_was(self, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: Any, **__: Any) -> None:
            raise pl.exceptions.ComputeError("No space left on device (os error 28)")

        with monkeypatch.context() as patch:
            patch.setattr(pl.LazyFrame, "sink_parquet", refuse)
            with pytest.raises(StorageError, match="free some space"):
                compact_session(data, FRIDAY, is_recorded_to_the_end=True)
        assert len(prices(data)) == 40
        compact_session(data, FRIDAY, is_recorded_to_the_end=True)
        assert len(prices(data)) == 40


DIFFERENT_SECONDS = st.lists(st.integers(0, 9 * 3600), max_size=25).map(sorted)


@settings(max_examples=examples(12))
@given(flushes=DIFFERENT_SECONDS, restarts=st.sets(st.integers(0, 24)), is_compacted=st.booleans())
def test_any_sequence_of_flushes_and_restarts_is_read_back_once(
    flushes: Sequence[int], restarts: set[int], is_compacted: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    # From noon over the end of Friday's session at 20:00 to 21:00, which is Monday's.
    data = tmp_path_factory.mktemp("log")
    log = open_log(data)
    for number, second in enumerate(flushes):
        at = NOON + timedelta(seconds=second)
        if number in restarts:
            log.close()
            log = open_log(data, at)
        log.add("quotes", quotes(at, "A", "B", price=number))
        log.add("trades", trades(at, "A", number))
        log.write()
        for session in log.roll(at) if is_compacted else ():
            compact_session(data, session, is_recorded_to_the_end=True)
    log.close()
    friday = [number for number, second in enumerate(flushes) if second < 8 * 3600]
    monday = [number for number, second in enumerate(flushes) if second >= 8 * 3600]
    for session, expected in ((FRIDAY, friday), (MONDAY, monday)):
        assert sequences(data, session) == expected
        assert sorted(prices(data, session)) == sorted([float(number) for number in expected] * 2)


# Imports take longer than a writer lives, so they are done once, and each writer is a fork. That is safe as long as
# Polars has computed nothing before: it starts its threads when it does.
PROGRAM = """
import os, signal, sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
import polars as pl
from ttapi_pipeline.quote_recorder.log import Origin, scan_log
from ttapi_pipeline.quote_recorder.log_writer import LogWriter
from ttapi_pipeline.quote_recorder.schemas import QUOTES

def write(data):
    now, row = datetime(2026, 11, 20, 17, tzinfo=UTC), pl.DataFrame(schema=QUOTES).clear(1)
    with LogWriter(data, Origin("test", True), now=now) as log:
        number = scan_log(data, log.session, "quotes").select(pl.len()).collect().item()
        print("ready", number, flush=True)
        while number < 100:
            # Twenty flushes make an hour, so that there are merges of both kinds.
            at = pl.lit(now + timedelta(minutes=3 * number)).cast(QUOTES["received_at"])
            log.add("quotes", row.with_columns(symbol=pl.lit("A"), received_at=at, last_price=pl.lit(float(number))))
            log.write()
            number += 1
            print("flushed", number, flush=True)

while sys.stdin.readline() == "start\\n":
    writer = os.fork()
    if writer == 0:
        write(Path(sys.argv[1]))
        os._exit(0)
    sys.stdin.readline()
    os.kill(writer, signal.SIGKILL)
    os.waitpid(writer, 0)
    print("dead", flush=True)
"""


@pytest.fixture
def writers(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Starts a writer when it is told to, and kills it at the next line."""
    command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def tell(process: subprocess.Popen[str], word: str) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{word}\n")
    process.stdin.flush()


def hear(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, "the program has ended"
    return line


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(1, 60))])
def test_a_killed_writer_loses_nothing_that_was_flushed(
    seed: int, tmp_path: Path, writers: subprocess.Popen[str]
) -> None:
    # Until 100 flushes of three minutes each are over: 5 hours, within the session.
    chance, flushed = random.Random(seed), 0
    while flushed < 100:
        tell(writers, "start")
        word, found = hear(writers).split()
        assert word == "ready"
        assert int(found) - flushed in {0, 1}
        time.sleep(chance.uniform(0.05, 0.8))
        tell(writers, "kill")
        said = list(iter(lambda: hear(writers), "dead\n"))
        flushed = max([int(found), *(int(line.split()[1]) for line in said)])
        rows = prices(tmp_path)
        # The last one may have been on disk before it could say so.
        assert rows[:flushed] == [float(number) for number in range(flushed)]
        assert len(rows) - flushed in {0, 1}
        flushed = len(rows)
    open_log(tmp_path, origin=Origin("test", is_simulated=True)).close()
    assert prices(tmp_path) == [float(number) for number in range(100)]
    assert not list(log_folder(tmp_path, FRIDAY).rglob("*.staged"))
