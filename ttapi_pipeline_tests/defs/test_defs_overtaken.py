# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A step whose dataset another program has published meanwhile: it is executed again, and nothing is undone."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import dagster as dg

from ttapi_pipeline.core.manifest import Provenance
from ttapi_pipeline.datasets.build import Build
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.defs.io_manager import ParquetCsvIOManager, Publication
from ttapi_pipeline.storage.publish import publish
from ttapi_pipeline.storage.stored import read_manifest

SCHEMA = DATASETS["accounts"].schema
FETCHED_AT = datetime(2026, 11, 20, 21, 30, tzinfo=UTC)


def made(why: str) -> Provenance:
    return Provenance(dataset="accounts", code_version="1", fetched_at=FETCHED_AT, is_simulated=True, why=why)


def test_a_step_that_was_overtaken_decides_anew_in_the_same_run(tmp_path: Path) -> None:
    looked_at: list[str | None] = []

    @dg.asset(name="accounts")
    def accounts() -> Publication:
        stored = read_manifest(tmp_path, "accounts")
        looked_at.append(None if stored is None else stored.write_id)
        if len(looked_at) == 1:
            publish(SCHEMA.polars.to_frame(), SCHEMA, tmp_path, made("by another program")).wait()
        build = Build(frame=SCHEMA.polars.to_frame())
        return Publication(build, made(f"attempt {len(looked_at)}"), replaces={"accounts": looked_at[-1]})

    with dg.DagsterInstance.ephemeral() as instance:
        manager = ParquetCsvIOManager(base_dir=str(tmp_path))
        result = dg.materialize([accounts], instance=instance, resources={"io_manager": manager})
    assert result.success
    stored = read_manifest(tmp_path, "accounts")
    assert stored is not None
    assert stored.provenance.why == "attempt 2"
    assert looked_at[0] is None
    assert looked_at[1] is not None
    assert len([event for event in result.all_events if event.is_step_up_for_retry]) == 1
