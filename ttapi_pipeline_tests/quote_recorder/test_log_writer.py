# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What was flushed is there, once, whatever became of who wrote it; what was not recorded is a gap."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttapi_pipeline.core.errors import ConfigError, CorruptFileError, LockTimeoutError, StorageError
from ttapi_pipeline.quote_recorder.compaction import compact_session
from ttapi_pipeline.quote_recorder.layout import (
    log_folder,
    logged_sessions,
    session_at,
)
from ttapi_pipeline.quote_recorder.log import LogGap, Origin, read_gaps
from ttapi_pipeline_tests.support.examples import examples
from ttapi_pipeline_tests.support.quote_log import (
    END,
    FRIDAY,
    MONDAY,
    NOON,
    open_log,
    parts,
    prices,
    quotes,
    sequences,
    trades,
)

ROOT = Path(__file__).resolve().parents[2]


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
        for session, hour in ((FRIDAY, "20261121T00"), (MONDAY, "20261121T01")):
            (name,) = parts(tmp_path, "quotes", session)
            assert name.startswith(f"{hour}~000000001-000000001~")

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
