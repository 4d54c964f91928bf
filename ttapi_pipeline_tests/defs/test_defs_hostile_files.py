# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A folder that means harm through a whole run, and through `tt` on a terminal of any kind.

What was stored stays, the other files are read, and nothing of theirs commands a screen, a log or a spreadsheet.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import dagster as dg
import polars as pl
import pytest

from ttapi_pipeline.core.lines import one_line, visible_lines
from ttapi_pipeline_tests.support.hostile_files import GOOD, KINDS, SMALL, put_good
from ttapi_pipeline_tests.support.projects import make_project, run_tt
from ttapi_pipeline_tests.support.worlds import World

RISKY = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")
NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?")
REPORTS = ("eod_rejects", "eod_notices", "eod_overlaps", "eod_splits")


def put_all(folder: Path) -> None:
    """One folder below `folder` for each kind."""
    put_good(folder)
    for kind, put in KINDS.items():
        inner = folder / kind
        inner.mkdir()
        put_good(inner)
        put(inner, SMALL, Random(kind))


def texts_of(value: Any) -> Iterator[str]:
    """Every text in a value of JSON."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from texts_of(key)
            yield from texts_of(each)
    elif isinstance(value, list):
        for each in value:
            yield from texts_of(each)


def test_a_run_keeps_what_was_stored_and_says_nothing_that_commands(world: World) -> None:
    before = pl.read_parquet(world.data / "eod_snapshot.parquet")
    put_all(world.metastock)
    with world.instance() as instance:
        result = world.run("eod_snapshot", instance=instance)
        assert result.success
        entries = instance.all_logs(result.run_id)
    after = pl.read_parquet(world.data / "eod_snapshot.parquet")
    assert after.filter(symbol=GOOD).height == 3
    keys = ["symbol", "session"]
    assert before.join(after, on=keys, how="anti").is_empty()
    both = before.join(after, on=keys, suffix="_after")
    assert both.filter(pl.col("close") != pl.col("close_after")).is_empty()
    for name in REPORTS:
        for column in pl.read_parquet(world.data / f"{name}.parquet").select(pl.col(pl.String)):
            assert [text for text in column.drop_nulls() if text != one_line(text)] == []
        with (world.data / f"{name}.csv").open(newline="", encoding="utf-8") as file:
            cells = [cell for row in csv.reader(file) for cell in row]
        evaluated = [cell for cell in cells if RISKY.match(cell) and not NUMBER.fullmatch(cell)]
        assert [cell for cell in evaluated if not cell.startswith("'")] == []
    for entry in entries:
        said = [entry.user_message, *texts_of(json.loads(dg.serialize_value(entry)))]
        assert [text for text in said if text != visible_lines(text)] == []
    # The next run finds the same files, and reads none of them again but those that were closed to it.
    assert world.run("eod_snapshot").success


@pytest.mark.parametrize("encoding", ["utf-8", "ascii:strict", "latin-1:strict"])
def test_the_report_of_a_folder_commands_no_terminal(tmp_path: Path, encoding: str) -> None:
    project = make_project(tmp_path)
    put_all(project / "metastock")
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": encoding}
    for arguments in (("import", "--dry-run", "metastock"), ("import", "--dry-run", "--json", "metastock")):
        done = run_tt(project, *arguments, **locale)
        assert done.code == 3, done.err
        assert done.err == ""
        assert done.out == visible_lines(done.out)
        assert GOOD in done.out or "symbols" in done.out


def test_a_refresh_of_a_folder_that_means_harm_ends_with_a_sentence_and_a_code(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    put_all(project / "metastock")
    done = run_tt(project, "refresh", "eod_snapshot", TT_LOG_LEVEL="debug")
    assert done.code == 3, done.err
    assert "Traceback" not in done.err + done.out
    for text in (done.out, done.err):
        assert text == visible_lines(text)
    stored = pl.read_parquet(project / "data" / "eod_snapshot.parquet")
    assert stored.filter(symbol=GOOD).height == 3
    assert set(stored.filter(source="dxlink")["symbol"]) >= {"AAPL", "MSFT", "BRK/B"}
