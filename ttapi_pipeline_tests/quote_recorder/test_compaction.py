# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What becomes of a session's log once it has ended: nothing is lost, nothing twice, and readers do not notice."""

from __future__ import annotations

import json
import shutil
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from ttapi_pipeline.core.errors import ConfigError, CorruptFileError, LockTimeoutError, StorageError
from ttapi_pipeline.core.files import abandoned, staging_path
from ttapi_pipeline.quote_recorder import compaction
from ttapi_pipeline.quote_recorder.compaction import compact_session, remove_old_logs
from ttapi_pipeline.quote_recorder.history import read_history, scan_quote_log
from ttapi_pipeline.quote_recorder.layout import (
    compacted_sessions,
    finished_sessions,
    history_file,
    logged_sessions,
    manifest_file,
)
from ttapi_pipeline.quote_recorder.schemas import QUOTES, TABLES, TRADES
from ttapi_pipeline_tests.support.flips import flip_bit
from ttapi_pipeline_tests.support.quote_log import (
    END,
    FRIDAY,
    MONDAY,
    NOON,
    SIMULATED,
    open_log,
    quotes,
    sequences,
    trades,
)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recorded")
    with open_log(folder) as log:
        for second in range(20):
            at = NOON + timedelta(seconds=second)
            log.add("quotes", quotes(at, "B", "A", price=second))
            log.add("trades", trades(at, "C", 100 - second))
            log.write()
    return folder


@pytest.fixture
def data(recorded: Path, tmp_path: Path) -> Path:
    """A data folder with a log of its own: 20 flushes on Friday."""
    return Path(shutil.copytree(recorded, tmp_path / "data"))


def test_a_compacted_session_is_sorted_complete_and_says_what_it_is(data: Path) -> None:
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


def test_one_bit_of_a_compacted_session_is_noticed_and_named(data: Path) -> None:
    compact_session(data, FRIDAY, is_recorded_to_the_end=True)
    path, manifest = history_file(data, FRIDAY, "quotes"), manifest_file(data, FRIDAY)
    assert scan_quote_log(data, FRIDAY, "quotes").collect().height == 40
    flip_bit(path, 100, 2)
    with pytest.raises(CorruptFileError, match=r"quotes.2026-11-20\.parquet is damaged"):
        scan_quote_log(data, FRIDAY, "quotes")
    # As the message says, while the log is kept.
    manifest.unlink()
    compact_session(data, FRIDAY, is_recorded_to_the_end=True)
    assert scan_quote_log(data, FRIDAY, "quotes").collect().height == 40
    flip_bit(manifest, manifest.read_bytes().index(b'"rows": 40') + 8, 0)
    with pytest.raises(CorruptFileError, match=r"2026-11-20\.json is damaged"):
        scan_quote_log(data, FRIDAY, "quotes")


def test_the_second_compaction_writes_nothing(data: Path) -> None:
    compact_session(data, FRIDAY, is_recorded_to_the_end=True)
    before = {path: path.stat().st_mtime_ns for path in (data / "quote_history").rglob("*")}
    compact_session(data, FRIDAY, is_recorded_to_the_end=True)
    assert {path: path.stat().st_mtime_ns for path in (data / "quote_history").rglob("*")} == before


@pytest.mark.parametrize("name", [*TABLES, "manifest"])
def test_what_a_killed_compaction_had_staged_goes_with_the_next_one(data: Path, name: str) -> None:
    target = manifest_file(data, FRIDAY) if name == "manifest" else history_file(data, FRIDAY, name)  # type: ignore[arg-type]
    target.parent.mkdir(parents=True, exist_ok=True)
    staging_path(target).write_bytes(b"half a file")
    compact_session(data, FRIDAY, is_recorded_to_the_end=True)
    assert abandoned(target) == []


def test_many_symbols_are_sorted_in_batches(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = compact_session(data, FRIDAY, is_recorded_to_the_end=True)
    rows = pl.read_parquet(history_file(data, FRIDAY, "quotes"))
    (data / "quote_history" / "2026-11-20.json").unlink()
    monkeypatch.setattr(compaction, "_BATCH_ROWS", 5)
    assert compact_session(data, FRIDAY, is_recorded_to_the_end=True).data_version == whole.data_version
    assert pl.read_parquet(history_file(data, FRIDAY, "quotes")).equals(rows)


def test_a_reader_does_not_notice(data: Path) -> None:
    before = scan_quote_log(data, FRIDAY, "quotes")
    compact_session(data, FRIDAY, is_recorded_to_the_end=True)
    after = scan_quote_log(data, FRIDAY, "quotes")
    remove_old_logs(data, keep=0)
    later = scan_quote_log(data, FRIDAY, "quotes")
    order = ["symbol", "received_at"]
    assert before.collect().sort(order).equals(after.collect())
    assert later.collect().equals(after.collect())


def test_one_log_is_kept_besides_and_one_that_is_not_compacted_is_never_removed(data: Path) -> None:
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


def test_a_log_that_is_being_written_is_left_alone(data: Path) -> None:
    with open_log(data, NOON + timedelta(minutes=1)), pytest.raises(LockTimeoutError):
        compact_session(data, FRIDAY, is_recorded_to_the_end=False, lock_timeout_seconds=0)
    assert read_history(data, FRIDAY) is None


def test_a_session_without_a_log_cannot_be_compacted(data: Path) -> None:
    with pytest.raises(ConfigError, match="2026-11-19 has no quote log"):
        compact_session(data, date(2026, 11, 19), is_recorded_to_the_end=True)


def test_a_session_without_trades_has_an_empty_table(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        log.add("quotes", quotes(NOON, "A"))
        log.write()
    history = compact_session(tmp_path, FRIDAY, is_recorded_to_the_end=True)
    assert history.tables["trades"].rows == 0
    assert history.tables["trades"].first_at is None
    assert scan_quote_log(tmp_path, FRIDAY, "trades").collect().schema == TRADES


def test_a_table_of_somebody_else_in_the_place_of_a_history_is_not_replaced(data: Path) -> None:
    theirs = history_file(data, FRIDAY, "trades")
    theirs.parent.mkdir(parents=True)
    pl.DataFrame({"trade": [1]}).write_parquet(theirs)
    with pytest.raises(StorageError, match=r"trades/2026-11-20\.parquet is in the place of a dataset"):
        compact_session(data, FRIDAY, is_recorded_to_the_end=True)
    assert pl.read_parquet(theirs).columns == ["trade"]
    theirs.unlink()
    assert compact_session(data, FRIDAY, is_recorded_to_the_end=True).tables["trades"].rows == 20
