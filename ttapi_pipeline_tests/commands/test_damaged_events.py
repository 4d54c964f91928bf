# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""An event of which a bit turned over, and that is still JSON: neither SQLite nor a parser finds anything wrong."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from ttapi_pipeline.commands.run_examination import examine_runs
from ttapi_pipeline.core.errors import StorageError
from ttapi_pipeline.defs.operations.damaged_events import unreadable_event
from ttapi_pipeline.defs.operations.instance_errors import instance_errors
from ttapi_pipeline.defs.operations.retention import prune
from ttapi_pipeline.simulator.process import SimulatorProcess
from ttapi_pipeline.storage.databases import database_damage
from ttapi_pipeline_tests.support.projects import Tt

ONE_BIT = [
    ('"TableColumn"', '"TableColumo"', 'DeserializationError: .* class "TableColumo"'),
    ('"name": "a"', '"namf": "a"', "TypeError: .* missing 1 required positional argument: 'name'"),
    ('"timestamp"', '"timestqmp"', "TypeError: .* missing 1 required positional argument: 'timestamp'"),
]


@dg.asset
def accounts() -> dg.MaterializeResult[None]:
    columns = dg.TableSchema([dg.TableColumn("a", "int")])
    return dg.MaterializeResult(metadata={"dagster/column_schema": columns})


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of an instance with one run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    (tmp_path / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        assert dg.materialize([accounts], instance=instance).success
    return tmp_path


def damage(home: Path, before: str, after: str) -> Path:
    """Replace a text in the stored events; the file is as sound as it was to SQLite."""
    (index,) = home.rglob("index.db")
    with closing(sqlite3.connect(index)) as connection, connection:
        for table, column in (("asset_keys", "last_materialization"), ("event_logs", "event")):
            connection.execute(f"UPDATE {table} SET {column} = replace({column}, ?, ?)", (before, after))
        (text,) = connection.execute(
            "SELECT last_materialization FROM asset_keys WHERE asset_key LIKE '%accounts%'"
        ).fetchone()
    assert after in text
    assert database_damage(index) is None
    return index


@pytest.mark.parametrize(("before", "after", "said"), ONE_BIT)
def test_it_is_named_and_ends_nothing_in_a_traceback(home: Path, before: str, after: str, said: str) -> None:
    damage(home, before, after)
    sentence = rf"a record cannot be read any more \({said}"
    with dg.DagsterInstance.from_config(str(home)) as instance:
        found = unreadable_event(instance, ["universe", "accounts"])
        assert found is not None
        assert re.match(f"accounts: {sentence}", found)
        told = rf"^Dagster's database in {home}: {sentence}.*; `tt doctor`"
        with pytest.raises(StorageError, match=told), instance_errors(home):
            prune(instance, before=datetime.now(UTC) + timedelta(days=1))


def test_doctor_names_it_and_puts_the_events_aside_when_it_repairs(home: Path) -> None:
    index = damage(home, *ONE_BIT[1][:2])
    first, *_ = examine_runs(is_repairing=False)
    assert (first.subject, first.is_good) == ("dagster", False)
    assert first.text.startswith("accounts: a record cannot be read any more (TypeError: ")
    assert "`tt doctor --repair`" in first.text
    mended, *_ = examine_runs(is_repairing=True)
    assert (mended.subject, mended.is_good) == ("dagster", True)
    assert f"is kept as {index.name}.damaged-1" in mended.text
    assert index.with_name("index.db.damaged-1").is_file()
    assert [each.subject for each in examine_runs(is_repairing=False)] == ["runs", "broker's queue"]


def test_the_next_refresh_puts_the_events_aside_and_succeeds(tt: Tt, filled: Path, exchange: SimulatorProcess) -> None:
    index = damage(filled, '"TableColumn"', '"TableColumo"')
    refreshed = tt("refresh", "accounts", "--force", TT_ENV="simulator", TT_API_URL=exchange.url)
    assert refreshed.code == 0, refreshed.out + refreshed.err
    assert "was damaged (" in refreshed.err
    assert "a record cannot be read any more (DeserializationError" in refreshed.err
    assert index.with_name("index.db.damaged-1").is_file()
    again = tt("refresh", "accounts", "--force", TT_ENV="simulator", TT_API_URL=exchange.url)
    assert again.code == 0, again.out + again.err
    assert "damaged" not in again.err
