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

from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.defs.automation.sensors import append_failures
from ttapi_pipeline.defs.operations.instance_errors import instance_errors
from ttapi_pipeline.defs.operations.retention import prune
from ttapi_pipeline.storage.databases import database_damage
from ttapi_pipeline_tests.support.faults.writer import View, Writer

_OVERRIDES: Final = {"telemetry": {"enabled": False}}


class Prune(Writer):
    """Three runs of an asset, of which two are deleted with their events and logs."""

    name = "prune"
    reasons = ("full", "I/O error", "unable to open", "readonly", "locked")

    def prepare(self, folder: Path) -> None:
        @dg.asset
        def quotes() -> None: ...

        with self._instance(folder) as instance:
            for _ in range(3):
                dg.materialize([quotes], instance=instance)

    def run(self, folder: Path, acknowledge: Callable[[], None]) -> None:
        # As whatever opens an instance does.
        with instance_errors(str(folder)), self._instance(folder) as instance:
            prune(instance, before=datetime.now(UTC) + timedelta(days=1))
        acknowledge()

    def view(self, folder: Path) -> View:
        with self._instance(folder) as instance:
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

    @staticmethod
    def _instance(folder: Path) -> dg.DagsterInstance:
        return dg.DagsterInstance.local_temp(str(folder), overrides=_OVERRIDES)


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


WRITERS: Final = (Failures(), Prune())
