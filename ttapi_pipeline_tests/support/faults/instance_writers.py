# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Writers of a Dagster instance and of what is kept about its runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import dagster as dg

# They are imported when an instance is opened, and take a second.
import dagster._core.storage.event_log.sqlite
import dagster._core.storage.runs.sqlite
import dagster._core.storage.schedules.sqlite
import pytest
from alembic.script import ScriptDirectory
from dagster._core.storage.event_log.sqlite import sqlite_event_log
from dagster._core.storage.runs.sqlite import sqlite_run_storage
from dagster._core.storage.schedules.sqlite import sqlite_schedule_storage
from dagster._core.storage.sql import get_alembic_config

from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.defs.automation.sensors import append_failures
from ttapi_pipeline.defs.operations.held_runs import hold_run, is_held, release_run
from ttapi_pipeline.defs.operations.instance_errors import instance_errors
from ttapi_pipeline.defs.operations.retention import prune
from ttapi_pipeline.storage.databases import database_damage
from ttapi_pipeline_tests.support.faults.writer import DROPPED, View, Writer
from ttapi_pipeline_tests.support.instances import read_migrations_once

_RUN: Final = "01234567-89ab-cdef-0123-456789abcdef"
_OVERRIDES: Final = {"telemetry": {"enabled": False}}


def _instance(folder: Path) -> dg.DagsterInstance:
    return dg.DagsterInstance.local_temp(str(folder), overrides=_OVERRIDES)


def warm() -> None:
    """Read Dagster's migrations once for all trials: at each opening of a database, they take more than half of it."""
    read_migrations_once(pytest.MonkeyPatch())
    for module in (sqlite_event_log, sqlite_run_storage, sqlite_schedule_storage):
        ScriptDirectory.from_config(get_alembic_config(module.__file__)).as_revision_number("head")


class Prune(Writer):
    """Three runs of an asset, of which two are deleted with their events and logs."""

    name = "prune"
    reasons = ("full", "I/O error", "unable to open", "readonly", "locked")

    def prepare(self, folder: Path) -> None:
        @dg.asset
        def quotes() -> None: ...

        with _instance(folder) as instance:
            for _ in range(3):
                dg.materialize([quotes], instance=instance)

    def run(self, folder: Path, acknowledge: Callable[[], None]) -> None:
        # As whatever opens an instance does.
        with instance_errors(str(folder)), _instance(folder) as instance:
            prune(instance, before=datetime.now(UTC) + timedelta(days=1))
        acknowledge()

    def view(self, folder: Path) -> View:
        with _instance(folder) as instance:
            kept = instance.get_latest_materialization_event(dg.AssetKey("quotes"))
            assert kept is not None
            run = instance.get_run_by_id(kept.run_id)
            events = len(instance.all_logs(kept.run_id))
        damaged = [path.name for path in folder.rglob("*.db") if database_damage(path)]
        return {
            "the last run": f"{run and run.status.value}, {events} events",
            "databases": f"{damaged} are damaged" if damaged else "sound",
        }

    def files(self, folder: Path) -> Sequence[str]:
        # The name of a run is another one each time. A file that SQLite keeps beside an open database may stay.
        names = [Path(name) for name in super().files(folder) if not name.endswith(("-wal", "-shm", "-journal"))]
        return sorted(
            f"{name.parent.name}/{'run' if len(name.stem) == 36 else name.stem}{name.suffix}" for name in names
        )


class Failures(Writer):
    """A line for a failed step is appended to those of earlier ones."""

    name = "record of failures"

    def prepare(self, folder: Path) -> None:
        self._append(folder, "first")

    def run(self, folder: Path, acknowledge: Callable[[], None]) -> None:
        if "second" not in self._text(folder):
            self._append(folder, "second")
        acknowledge()

    def view(self, folder: Path) -> View:
        return {"lines": self._text(folder)}

    @staticmethod
    def _append(folder: Path, sentence: str) -> None:
        append_failures(replace(Settings(), data_dir=str(folder)), [{"sentence": sentence}])

    @staticmethod
    def _text(folder: Path) -> str:
        file = folder / ".state" / "failures.jsonl"
        return file.read_text() if file.exists() else ""


class HeldRun(Writer):
    """A process notes that it executes a run. Where it cannot, less is known about the run."""

    name = "held run"
    guesses = ("run",)
    is_silent = True
    reasons = Prune.reasons

    def prepare(self, folder: Path) -> None:
        with _instance(folder):
            pass

    def run(self, folder: Path, acknowledge: Callable[[], None]) -> None:
        with instance_errors(str(folder)), _instance(folder) as instance:
            hold_run(instance, _RUN, is_noted=False)
            release_run(_RUN)
        acknowledge()

    def view(self, folder: Path) -> View:
        with _instance(folder) as instance:
            return {"run": {None: DROPPED, False: "of no process", True: "held"}[is_held(instance, _RUN)]}

    def files(self, folder: Path) -> Sequence[str]:
        return [name for name in super().files(folder) if not name.endswith(("-wal", "-shm", "-journal"))]


WRITERS: Final = (Failures(), Prune(), HeldRun())
