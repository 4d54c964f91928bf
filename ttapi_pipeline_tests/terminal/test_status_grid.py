# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The status grid as plain text: what its rows say, at any width, before, during and after a run."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from ttapi_pipeline.core.csv_choice import MOST_SHEET_ROWS
from ttapi_pipeline.core.manifest import Fact, FileFacts, Manifest, Provenance
from ttapi_pipeline.core.progress import Phase, Progress
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.core.traffic import Traffic
from ttapi_pipeline.core.verdict import Rule, Verdict, decide
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.datasets.status import DatasetStatus, read_statuses
from ttapi_pipeline.storage.stored import Stored
from ttapi_pipeline.terminal.dataset_rows import DatasetRow, Mood, dataset_row
from ttapi_pipeline.terminal.pen import ASCII, Glyphs, glyphs_for
from ttapi_pipeline.terminal.status_document import status_document
from ttapi_pipeline.terminal.status_grid import (
    Frame,
    grid_lines,
    headline,
    progress_line,
    remarks_about_files,
    simulated_words,
    traffic_words,
)
from ttapi_pipeline_tests.support.examples import examples

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
STYLE = re.compile(r"\x1b\[[0-9;]*m")


def manifest(*, age: timedelta, statistics: dict[str, Fact] | None = None, **provenance: Any) -> Manifest:
    return Manifest(
        provenance=Provenance(
            dataset="universe",
            code_version=DATASETS["universe"].code_version,
            fetched_at=NOW - age,
            settings={"origin": "production x", "universe": "2", "watchlist": "not used"},
            statistics=statistics or {},
            **provenance,
        ),
        data_version="0123456789abcdef",
        write_id="1",
        rows=1503,
        schema={},
        parquet=FileFacts(1, "0"),
    )


def read_status(*, age: timedelta, **provenance: Any) -> DatasetStatus:
    stored = manifest(age=age, **provenance)
    made_with = stored.provenance.settings
    verdict = decide(DATASETS["universe"], stored, ttl=timedelta(days=1), now=NOW, upstream={}, settings=made_with)
    return DatasetStatus(DATASETS["universe"], Stored(stored), verdict)


def lines(*rows: DatasetRow, width: int = 160, **arguments: Any) -> list[str]:
    return grid_lines(Frame(rows=rows, headline="", source="x"), width=width, **arguments)


def line(status: DatasetStatus, work: Progress | None = None, *, width: int = 160, **arguments: Any) -> str:
    return lines(dataset_row(status, work, **arguments), width=width)[3]


def words(text: str) -> str:
    return " ".join(text.split())


def test_a_hit_shows_how_much_of_its_ttl_is_used_its_rows_and_its_version() -> None:
    status = read_status(age=timedelta(hours=12, minutes=5), statistics={"rows_new": 3, "rows_changed": 1200})
    assert lines(dataset_row(status))[2].split() == [
        *("dataset", "state", "used", "age", "TTL", "rows", "new", "changed", "came", "missing", "version"),
        *("step", "or", "reason"),
    ]
    assert line(status).split() == [
        *("universe", "hit", "███░░░", "12h", "5m", "1d", "1,503", "3", "1,200", "100%", "0", "01234567", "fresh")
    ]


def test_a_share_of_what_came_is_never_rounded_up_to_all() -> None:
    status = read_status(age=timedelta(0), statistics={"coverage": 0.999}, missing={"A": "HTTP 502"})
    assert line(status).split()[8:10] == ["99%", "1"]


def test_damage_a_csv_that_is_behind_and_a_replaced_file_are_told() -> None:
    status = replace(read_status(age=timedelta(0)), damage="universe.json is not a manifest")
    assert line(status).endswith("universe.json is not a manifest")
    status = read_status(age=timedelta(0))
    behind = replace(status, stored=replace(status.stored, is_lagging=True))
    assert line(behind).endswith("fresh; the CSV is behind, the next refresh writes it")
    replaced = replace(status, stored=replace(status.stored, is_lagging=True, replaced_files=("q.parquet",)))
    assert line(replaced).endswith("fresh; q.parquet was replaced, a refresh mends it")


@pytest.mark.parametrize("width", [60, 80, 100, 120, 160, 200])
@pytest.mark.parametrize(
    "reason",
    [
        "nothing stored yet",
        "setting universe was '2' and is '/home/someone/lists/the symbols of my own watchlist.txt sha256 0123456789'",
        "expiration_series changed: built from 0123456789ab, now ba9876543210",
        "2d 3h old, TTL 1d is over",
    ],
)
def test_the_reason_of_every_miss_can_be_read_at_any_width(width: int, reason: str) -> None:
    status = read_status(age=timedelta(days=2))
    miss = replace(status, verdict=Verdict("universe", False, Rule.SETTINGS, reason, timedelta(days=1)))
    shown = lines(dataset_row(miss), width=width)
    assert reason in words(" ".join(shown[3:]))
    assert all(cell_len(each) <= width for each in shown)


def test_narrow_terminals_keep_state_age_and_reason() -> None:
    status = read_status(age=timedelta(hours=3, minutes=5))
    assert lines(dataset_row(status), width=60)[2].split() == ["dataset", "state", "age", "step", "or", "reason"]
    assert line(status, width=60).split() == ["universe", "hit", "3h", "5m", "fresh"]
    assert line(status, width=80).split() == ["universe", "hit", "█░░░░░", "3h", "5m", "1503", "100%", "fresh"]


@settings(max_examples=examples(200))
@example(width=60, height=None, texts=["0000\x1f\x08" + "\U00020000" * 40], is_coloured=False)
@given(
    width=st.integers(20, 240),
    height=st.none() | st.integers(4, 60),
    texts=st.lists(st.text(max_size=60), min_size=1, max_size=8),
    is_coloured=st.booleans(),
)
def test_no_line_is_wider_than_the_terminal_and_no_frame_higher(
    width: int, height: int | None, texts: list[str], is_coloured: bool
) -> None:
    rows = [
        DatasetRow(
            name=f"dataset {number}", state="miss", mood=Mood.WARNING, ttl=timedelta(1), detail=text, is_told=True
        )
        for number, text in enumerate(texts)
    ]
    frame = Frame(rows=rows, headline=texts[0], source=texts[-1], simulated="all", places={"data": f"/{texts[0]}"})
    shown = grid_lines(frame, width=width, height=height, is_coloured=is_coloured)
    assert height is None or len(shown) <= height
    if width >= 60:
        assert all(cell_len(STYLE.sub("", each)) <= width for each in shown)
    if not is_coloured:
        assert not any("\x1b" in each for each in shown)


def test_rows_with_which_something_happens_stay_longest_on_a_low_terminal() -> None:
    status = read_status(age=timedelta(0))
    rows = [
        replace(dataset_row(status, Progress(phase=phase)), name=str(phase))
        for phase in (Phase.HIT, Phase.RUNNING, Phase.REFRESHED, Phase.FAILED, Phase.WAITING)
    ]
    shown = lines(*rows, width=80, height=6)
    assert [each.split()[0] for each in shown[3:]] == ["running", "failed", "waiting"]


@pytest.mark.parametrize(
    ("work", "shown"),
    [
        (Progress(phase=Phase.FAILED, note="HTTP 502"), "see the error below; what is stored stayed as it was"),
        (Progress(phase=Phase.SKIPPED, note="something upstream failed"), "something upstream failed"),
        (Progress(phase=Phase.REFRESHED, note="2d old, TTL 1d is over"), "2d old, TTL 1d is over"),
        (Progress(phase=Phase.HIT), "fresh"),
        (None, "fresh, not in this run"),
    ],
)
def test_a_row_says_what_a_run_did_with_it(work: Progress | None, shown: str) -> None:
    text = line(read_status(age=timedelta(0)), work, is_run=True)
    assert text.endswith(shown)
    assert text.split()[1] == ("hit" if work is None else work.phase)


def test_a_step_shows_what_is_done_its_pace_and_the_time_that_is_left() -> None:
    # 100 of 400 were there at the start; 100 in 4 s are 25/s, so the other 200 take 8 s.
    work = Progress(Phase.RUNNING, "candles", 200, 400, began_at=10.0, began_with=100, counted_at=14.0)
    assert line(read_status(age=timedelta(0)), work, now=14.0).endswith("candles 200/400, 25/s, 8s left")


def test_what_a_run_has_stored_is_in_its_row_while_the_run_goes_on() -> None:
    stored = manifest(age=timedelta(seconds=9), statistics={"rows_new": 7, "rows_changed": 0})
    work = Progress(Phase.REFRESHED, note="nothing stored yet", stored=stored)
    status = read_status(age=timedelta(days=5))
    text = line(status, work, is_run=True, at=NOW)
    assert text.split()[2:8] == ["░░░░░░", "9s", "1d", "1,503", "7", "0"]


def test_the_headline_fits_the_case(tmp_path: Path) -> None:
    fresh, old = read_status(age=timedelta(0)), read_status(age=timedelta(days=2))
    assert headline({"a": fresh, "b": fresh}) == "all 2 datasets are fresh"
    assert headline({"a": fresh, "b": old}) == "1 of 2 datasets are fresh, 1 to refresh"
    nothing = read_statuses(replace(Settings(), data_dir=str(tmp_path)), now=NOW)
    assert headline(nothing) == f"nothing is stored yet; `tt` fills all {len(DATASETS)} datasets"
    phases = {"a": Progress(), "b": Progress()}
    assert headline(nothing, phases) == f"refreshing 2 of {len(DATASETS)} datasets: starting"
    phases["a"] = Progress(phase=Phase.REFRESHED)
    assert headline(nothing, phases) == f"refreshing 2 of {len(DATASETS)} datasets: 1 to go, 1 refreshed"
    phases["b"] = Progress(phase=Phase.FAILED)
    assert headline(nothing, phases) == f"2 of {len(DATASETS)} datasets in this run: 1 refreshed, 1 failed"


def test_invented_data_is_named_as_such_whatever_the_settings_say() -> None:
    real, invented = read_status(age=timedelta(0)), read_status(age=timedelta(0), is_simulated=True)
    assert not simulated_words({"a": real}, is_simulated=False)
    assert simulated_words({"a": invented}, is_simulated=False).startswith("1 of 1 stored datasets are invented")
    assert simulated_words({"a": real}, is_simulated=True).startswith("0 of 1")
    assert simulated_words({"a": invented, "b": invented}, is_simulated=True).startswith("all 2 stored datasets are")
    for width in (60, 80, 160):
        frame = Frame(rows=[], headline="", source="production https://x" * 2, simulated="1 of 1 are invented")
        assert any("SIMULATED DATA" in each for each in grid_lines(frame, width=width))
    words = "all 15 stored datasets are invented; set credentials for real ones"
    for width, told in ((60, ""), (80, ", all 15 stored datasets are invented"), (120, f", {words}")):
        frame = Frame(rows=[], headline="", source="simulator seed 7", simulated=words)
        assert grid_lines(frame, width=width)[1] == f"source: simulator seed 7   SIMULATED DATA{told}"


def test_below_the_grid_are_requests_breakers_and_whole_or_elided_paths() -> None:
    traffic = Traffic(requests=1234, in_flight=12, retries=3, breakers={"accounts": "closed", "oauth": "open"})
    frame = Frame(
        rows=[],
        headline="",
        source="x",
        places={"data": "/a/folder/somewhere/deep/down/in/the/tree/of/somebody/data", "logs": "/short"},
        traffic=traffic_words(traffic, 41.2),
        breakers={"market-metrics": "circuit breaker open"},
    )
    shown = grid_lines(frame, width=160)
    assert shown[-4:] == [
        "market-metrics: circuit breaker open",
        "api:  1,234 requests  12 in flight  41/s  3 retries  0 throttled  breakers open: oauth",
        "data: /a/folder/somewhere/deep/down/in/the/tree/of/somebody/data",
        "logs: /short",
    ]
    elided = grid_lines(frame, width=40)[-2]
    assert len(elided) == 40
    assert elided.startswith("data: /a/folder")
    assert elided.endswith("tree/of/somebody/data"[-15:])


@pytest.mark.parametrize("width", [60, 80, 200])
def test_a_csv_that_no_spreadsheet_opens_is_told_with_the_way_out(width: int) -> None:
    stored = replace(manifest(age=timedelta(hours=1)), rows=MOST_SHEET_ROWS + 1, csv=FileFacts(1, "0"))
    status = replace(read_status(age=timedelta(hours=1)), stored=Stored(stored))
    remarks = remarks_about_files({"eod_snapshot": status, "universe": read_status(age=timedelta(hours=1))})
    frame = Frame(rows=[], headline="", source="x", remarks=remarks)
    below = words(" ".join(grid_lines(frame, width=width)))
    assert "eod_snapshot.csv: more than the 1,048,575 rows that a spreadsheet opens; TT_CSV=recent has" in below
    assert all(cell_len(each) <= width for each in grid_lines(frame, width=width))
    assert status_document({"eod_snapshot": status})[0]["is_csv_too_long"]
    # TT_CSV=recent has written fewer of them, and TT_CSV=off none.
    for other in (replace(stored, csv_rows=5), replace(stored, csv=None)):
        assert remarks_about_files({"eod_snapshot": replace(status, stored=Stored(other))}) == ()


def test_no_request_is_no_line() -> None:
    assert traffic_words(None) == ()
    assert traffic_words(Traffic()) == ()


def test_an_output_without_these_characters_gets_others() -> None:
    assert glyphs_for(io.TextIOWrapper(io.BytesIO(), encoding="utf-8")) == Glyphs()
    ascii_only = glyphs_for(io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    assert ascii_only == ASCII
    frame = Frame(rows=[dataset_row(read_status(age=timedelta(hours=12)))], headline="", source="x" * 200)
    assert "\n".join(grid_lines(frame, width=80, glyphs=ascii_only)).isascii()


def test_nothing_stored_is_dashes(tmp_path: Path) -> None:
    statuses = read_statuses(replace(Settings(), data_dir=str(tmp_path)), now=NOW)
    rows = lines(*map(dataset_row, statuses.values()))[3 : 3 + len(DATASETS)]
    assert [row.split()[1:3] for row in rows] == [["miss", "-"]] * len(DATASETS)
    document = status_document(statuses, outcomes={"universe": Progress(phase=Phase.FAILED, note="no")})
    by_name = {row["dataset"]: row for row in document}
    assert (by_name["universe"]["outcome"], by_name["universe"]["note"]) == ("failed", "no")
    assert (by_name["accounts"]["rows"], by_name["accounts"]["age_seconds"]) == (None, None)
    assert (by_name["accounts"]["coverage"], by_name["accounts"]["rows_new"]) == (None, None)


def test_without_a_terminal_a_change_is_a_line() -> None:
    assert progress_line("symbols", Progress(phase=Phase.HIT, note="1m old")) == "symbols: hit, 1m old"
    assert (
        progress_line("symbols", Progress(phase=Phase.WAITING, note="run 7 is at work")) == "symbols: run 7 is at work"
    )
    told = Progress(phase=Phase.REFRESHED, note="1m old", losses=["2 missing"])
    assert progress_line("symbols", told) == "symbols: refreshed, 1m old; 2 missing"
