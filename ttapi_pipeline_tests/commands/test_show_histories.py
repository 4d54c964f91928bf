# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Histories in `tt show` and `tt export`: tables like others, and as private as what they are of."""

from __future__ import annotations

import json
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from ttapi_pipeline.core.declaration import Keeps
from ttapi_pipeline.core.manifest import Provenance
from ttapi_pipeline.datasets.history_updates import update_history
from ttapi_pipeline.datasets.registry import DATASETS, HISTORIES
from ttapi_pipeline.storage.publish import publish
from ttapi_pipeline.storage.versions.keeping import Retention
from ttapi_pipeline_tests.support.projects import Tt
from ttapi_pipeline_tests.support.stored_tables import OTHERS

DAYS = [datetime(2026, 11, day, 21, tzinfo=UTC) for day in (16, 17)]


@pytest.fixture(autouse=True)
def histories(project: Path) -> None:
    """Two sessions of metrics and balances."""
    for name, subject in (("symbols", "AAPL"), ("accounts", "5WT00001")):
        schema, history = DATASETS[name].schema, next(each for each in HISTORIES.values() if each.of == name)
        for day in DAYS:
            row: dict[str, Any] = {column.name: OTHERS[column.type] for column in schema.columns}
            row |= {history.subject: subject, "fetched_at": day}
            provenance = Provenance(dataset=name, code_version="1", fetched_at=day, is_simulated=True)
            retention = Retention(Keeps.LAST_OF_SESSION, newest=1)
            publish(
                pl.DataFrame([row], schema=schema.polars), schema, project / "data", provenance, retention=retention
            )
        update_history(project / "data", history, now=DAYS[-1])


def test_rows_of_a_history_are_shown_and_chosen_by_their_session(tt: Tt) -> None:
    done = tt("show", "symbols_history", "--since", "2026-11-17", "--json")
    assert done.code == 0, done.err
    document = json.loads(done.out)
    assert [(row["session"], row["symbol"]) for row in document["rows"]] == [("2026-11-17", "AAPL")]
    assert document["is_simulated"] is True
    shown = tt("show", "symbols_history", "--columns", "session,symbol", COLUMNS="80")
    assert shown.out.startswith("symbols_history: published with symbols, ")
    assert shown.out.endswith("all 2 rows\n")


def test_a_history_is_exported_like_a_table_and_not_as_a_view_of_one_file(tt: Tt, project: Path) -> None:
    done = tt("export", "symbols_history", "--symbol", "AAPL", "--format", "parquet")
    assert done.code == 0, done.err
    assert pl.read_parquet(project / "symbols_history-AAPL.parquet").height == 2
    refused = tt("export", "symbols_history", "--format", "duckdb")
    assert refused.code == 2
    assert "symbols_history has a file per session" in refused.err


def test_balances_are_shown_on_a_terminal_alone_and_exported_for_their_owner(tt: Tt, project: Path) -> None:
    for options in ([], ["--json"]):
        refused = tt("show", "balances_history", *options)
        assert refused.code == 2
        assert "balances_history is private" in refused.err
        assert "5WT00001" not in refused.out + refused.err
    assert tt("export", "balances_history").code == 0
    path = project / "balances_history.csv"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "5WT00001" in path.read_text()


def test_a_history_that_is_not_there_yet_says_what_makes_it(tt: Tt) -> None:
    done = tt("show", "implied_volatility_history")
    assert done.code == 4
    assert "implied_volatility" in done.err
    assert "Traceback" not in done.err
