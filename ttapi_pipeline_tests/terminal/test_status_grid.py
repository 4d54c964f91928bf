# SPDX-License-Identifier: MIT
"""The status grid and the progress of a run, as plain text."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from ttapi_pipeline.core.manifest import FileFacts, Manifest, Provenance
from ttapi_pipeline.core.progress import Phase, Progress, ProgressBoard
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.core.verdict import decide
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.datasets.status import DatasetStatus, read_statuses
from ttapi_pipeline.storage.stored import Stored
from ttapi_pipeline.terminal.status_grid import progress_line, progress_table, render, status_document, status_table
from ttapi_pipeline.terminal.watch import watching

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def read_status(*, age: timedelta, missing: dict[str, str] | None = None, is_simulated: bool = False) -> DatasetStatus:
    declaration = DATASETS["universe"]
    settings = {"origin": "production x", "universe": "2", "watchlist": "not used"}
    manifest = Manifest(
        provenance=Provenance(
            dataset="universe",
            code_version=declaration.code_version,
            fetched_at=NOW - age,
            settings=settings,
            missing=missing or {},
            is_simulated=is_simulated,
        ),
        data_version="0123456789abcdef",
        write_id="1",
        rows=1503,
        schema={},
        parquet=FileFacts(1, "0"),
    )
    verdict = decide(declaration, manifest, ttl=timedelta(days=1), now=NOW, upstream={}, settings=settings)
    return DatasetStatus(declaration, Stored(manifest), verdict)


def grid(status: DatasetStatus, **arguments: object) -> str:
    named = {"origin": "production x", "is_simulated": False, **arguments}
    return render(status_table({"universe": status}, **named))  # type: ignore[arg-type]


def test_a_hit_shows_age_ttl_rows_and_version() -> None:
    line = grid(read_status(age=timedelta(hours=3, minutes=5))).splitlines()[-1]
    assert line.split() == ["universe", "hit", "3h", "5m", "1d", "1,503", "0", "01234567", "fresh"]


def test_a_miss_says_why() -> None:
    text = grid(read_status(age=timedelta(days=2), missing={"A": "HTTP 502"}))
    assert "miss" in text
    assert "2d old, TTL 1d is over" in text
    assert text.splitlines()[-1].split()[5] == "1"


def test_invented_data_is_named_as_such_whatever_the_settings_say() -> None:
    assert "SIMULATED" not in grid(read_status(age=timedelta(0)))
    assert "SIMULATED DATA, 1 of 1" in grid(read_status(age=timedelta(0), is_simulated=True))
    assert "SIMULATED DATA, 0 of 1" in grid(read_status(age=timedelta(0)), is_simulated=True)


def test_an_open_breaker_and_damage_are_shown() -> None:
    status = replace(read_status(age=timedelta(0)), damage="universe.json is not a manifest")
    text = grid(status, breakers={"market-metrics": "circuit breaker open"})
    assert "universe.json is not a manifest" in text
    assert "market-metrics: circuit breaker open" in text


@pytest.mark.parametrize(
    ("work", "shown"),
    [
        (Progress(phase=Phase.FAILED, note="HTTP 502"), "what is stored stayed as it was"),
        (
            Progress(phase=Phase.SKIPPED, note="not run: something upstream failed"),
            "not run: something upstream failed",
        ),
        (Progress(phase=Phase.REFRESHED), "refreshed"),
    ],
)
def test_what_a_run_did_is_in_the_grid(work: Progress, shown: str) -> None:
    assert shown in grid(read_status(age=timedelta(0)), outcomes={"universe": work})


def test_nothing_stored_is_dashes(tmp_path: Path) -> None:
    statuses = read_statuses(replace(Settings(), data_dir=str(tmp_path)), now=NOW)
    rows = render(status_table(statuses, origin="x", is_simulated=True)).splitlines()[-len(DATASETS) :]
    assert [row.split()[1:3] for row in rows] == [["miss", "-"]] * len(DATASETS)
    document = status_document(statuses, outcomes={"universe": Progress(phase=Phase.FAILED, note="no")})
    by_name = {row["dataset"]: row for row in document}
    assert (by_name["universe"]["outcome"], by_name["universe"]["note"]) == ("failed", "no")
    assert (by_name["accounts"]["rows"], by_name["accounts"]["age_seconds"]) == (None, None)


def test_progress_shows_a_bar_for_what_is_counted() -> None:
    work = {"universe": Progress(phase=Phase.RUNNING, step="instruments", done=3, total=12)}
    text = render(progress_table(["universe", "symbols"], work))
    assert "███░░░░░░░░░ 3/12 instruments" in text
    assert "symbols    waiting" in text
    assert progress_line("symbols", Progress(phase=Phase.HIT, note="1m old")) == "symbols: hit, 1m old"


def test_without_a_terminal_each_change_is_a_line() -> None:
    board, out = ProgressBoard(), StringIO()
    with watching(board, ["universe"], Console(file=out, width=80)):
        board.set_phase("universe", Phase.REFRESHED, "[nothing] stored yet")
    assert out.getvalue() == "universe: refreshed, [nothing] stored yet\n"


def test_a_terminal_gets_a_live_grid() -> None:
    board, out = ProgressBoard(), StringIO()
    with watching(board, ["universe"], Console(file=out, width=80, force_terminal=True)):
        board.set_phase("universe", Phase.RUNNING)
    assert "universe" in out.getvalue()
