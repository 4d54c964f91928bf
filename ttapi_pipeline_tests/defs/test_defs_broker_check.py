# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The check that compares our volatilities with the broker's."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import polars as pl

from ttapi_pipeline.core.manifest import Provenance
from ttapi_pipeline.datasets.volatility.table import VOLATILITY
from ttapi_pipeline.storage.publish import publish
from ttapi_pipeline_tests.support.lone_checks import evaluated


def checked(folder: Path) -> dg.AssetCheckEvaluation:
    return evaluated("volatility", "agrees_with_broker", folder)


def store(folder: Path, far: dict[str, bool | None]) -> None:
    session = date(2026, 11, 20)
    row = {"as_of_session": session, "session_count": 40, "has_more_than_30_sessions": True}
    rows = [{"symbol": symbol, "is_far_from_broker": is_far, **row} for symbol, is_far in far.items()]
    provenance = Provenance(dataset="volatility", code_version="1", fetched_at=datetime(2026, 11, 21, tzinfo=UTC))
    publish(pl.DataFrame(rows, schema=VOLATILITY.polars), VOLATILITY, folder, provenance)


def test_symbols_far_from_the_broker_are_named_in_a_warning(tmp_path: Path) -> None:
    store(tmp_path, {"A": False, "B": True, "C": None})
    result = checked(tmp_path)
    assert (result.passed, result.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert result.description == "1 of 2 symbols differ"
    assert result.metadata["symbols"].value == ["B"]


def test_nothing_is_warned_of_when_all_agree(tmp_path: Path) -> None:
    store(tmp_path, {"A": False, "C": None})
    assert checked(tmp_path).passed


def test_without_stored_data_the_check_fails(tmp_path: Path) -> None:
    assert not checked(tmp_path).passed
