# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The part of `tt doctor` that looks at the runs of the Dagster instance: lost ones, and the queue for the broker.

Who is lost, and how a slot is freed: see `defs.operations`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ttapi_pipeline.commands.examination import Finding
from ttapi_pipeline.core.errors import TTError
from ttapi_pipeline.storage.databases import dagster_home


def examine_runs(*, is_repairing: bool) -> Iterator[Finding]:
    """What is held, who waits, and which runs have lost their process. Nothing is created.

    Args:
        is_repairing: Record lost runs as failed, free what they hold, and put damaged events aside.
    """
    from ttapi_pipeline.defs.operations.examination import examine_instance

    try:
        examined = examine_instance(dagster_home(), is_repairing=is_repairing)
    except TTError as error:
        yield Finding("runs", str(error), is_good=False)
        return
    if examined is None:
        yield Finding("runs", "there was none yet", is_good=True)
        return
    if examined.damage is not None:
        way_out = (
            "; `tt doctor --repair` puts the database aside, and so does the next refresh; stored data is as it was"
        )
        yield Finding("dagster", examined.mended or f"{examined.damage}{way_out}", is_good=examined.mended is not None)
    for run_id, why in examined.lost.items():
        way_out = "(ended)" if is_repairing else "; `tt doctor --repair` ends it, and so does the next run that fetches"
        text = f"run {run_id}: {why}{' ' if is_repairing else ''}{way_out}"
        yield Finding("runs", text, is_good=is_repairing)
    if not examined.lost:
        yield Finding("runs", "none has lost its process", is_good=True)
    for words in examined.queue or ["empty"]:
        yield Finding("broker's queue", words, is_good=True)
