# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The check that no row of a MetaStock import was lost or invented."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from ttapi_pipeline.core.manifest import Fact, Provenance
from ttapi_pipeline.datasets.eod_snapshot.table import EOD_REJECTS, EOD_SNAPSHOT
from ttapi_pipeline.storage.publish import publish
from ttapi_pipeline_tests.support.lone_checks import check_named, evaluated

NOW = datetime(2026, 11, 21, tzinfo=UTC)
# One bar of a file and one of the feed are stored, and one reject.
ADDS_UP = {"rows_read": 4, "rows_kept": 1, "duplicates": 2, "rejected": 1}


def checked(folder: Path) -> dg.AssetCheckEvaluation:
    return evaluated("eod_snapshot", "accounts_for_every_row", folder)


def store(folder: Path, account: Mapping[str, int], **more: str) -> None:
    bar = {"session": date(2026, 11, 20), "close": 10.0, "adjustment": "raw", "is_final": True, "fetched_at": NOW}
    bars = [{"symbol": "A", "source": "metastock", **bar}, {"symbol": "B", "source": "dxlink", **bar}]
    statistics: dict[str, Fact] = {f"metastock_{name}": count for name, count in account.items()}
    provenance = Provenance(dataset="eod_snapshot", code_version="1", fetched_at=NOW, statistics=statistics | more)
    publish(pl.DataFrame(bars, schema=EOD_SNAPSHOT.polars), EOD_SNAPSHOT, folder, provenance)
    reject = {"file": "A.txt", "line": 2, "reason": "close is not a number", "rows": 1}
    rejects = Provenance(dataset="eod_rejects", code_version="1", fetched_at=NOW)
    publish(pl.DataFrame([reject], schema=EOD_REJECTS.polars), EOD_REJECTS, folder, rejects)


def test_rows_that_add_up_pass(tmp_path: Path) -> None:
    store(tmp_path, ADDS_UP)
    assert checked(tmp_path).passed


@pytest.mark.parametrize(
    ("account", "seen"),
    [
        ({**ADDS_UP, "rows_read": 5}, "of 5 rows, 1 were kept, 2 are duplicates and 1 were rejected"),
        ({**ADDS_UP, "rows_read": 5, "rows_kept": 2}, "2 rows were kept, and the snapshot has 1"),
        ({**ADDS_UP, "rows_read": 5, "rejected": 2}, "2 rows were rejected, and 1 are stored as such"),
    ],
)
def test_a_lost_row_fails_it_with_the_numbers(tmp_path: Path, account: Mapping[str, int], seen: str) -> None:
    store(tmp_path, account)
    result = checked(tmp_path)
    assert not result.passed
    assert result.severity == dg.AssetCheckSeverity.ERROR
    assert result.metadata["seen"].value == seen


def test_a_file_whose_account_is_wrong_is_named(tmp_path: Path) -> None:
    store(tmp_path, ADDS_UP, metastock_unaccounted="the account of A.txt does not add up")
    assert checked(tmp_path).metadata["seen"].value == "the account of A.txt does not add up"


def test_it_blocks_what_is_computed_from_the_snapshot() -> None:
    assert next(iter(check_named("eod_snapshot", "accounts_for_every_row").check_specs)).blocking


def test_without_files_there_is_nothing_to_account_for(tmp_path: Path) -> None:
    assert not checked(tmp_path).passed
    store(tmp_path, {})
    assert checked(tmp_path).passed
