# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The status grid as plain values for JSON. As lines of text: see `status_grid`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ttapi_pipeline.core.privacy import masked_subjects
from ttapi_pipeline.core.progress import Progress
from ttapi_pipeline.core.verdict import Verdict
from ttapi_pipeline.datasets.status import DatasetStatus
from ttapi_pipeline.terminal.dataset_rows import coverage


def status_document(
    statuses: Mapping[str, DatasetStatus], *, outcomes: Mapping[str, Progress] | None = None
) -> list[dict[str, Any]]:
    """One object per dataset, upstream first; ages in seconds, null where something is not known.

    Args:
        statuses: By dataset.
        outcomes: By dataset, of the run that has just ended; None when there was none. `outcome` is null for a dataset
            that was not in it.
    """
    rows = []
    for name, status in statuses.items():
        manifest, verdict, work = status.manifest, status.verdict, (outcomes or {}).get(name)
        provenance = None if manifest is None else manifest.provenance
        statistics = {} if provenance is None else provenance.statistics
        rows.append(
            {
                "dataset": name,
                **verdict_document(verdict),
                "rows": None if manifest is None else manifest.rows,
                "rows_new": statistics.get("rows_new"),
                "rows_changed": statistics.get("rows_changed"),
                "rows_gone": statistics.get("rows_gone"),
                "coverage": None if provenance is None else coverage(statistics),
                "missing": _missing(status),
                "lost": {} if provenance is None else dict(provenance.lost),
                "doubts": 0 if provenance is None else provenance.doubts,
                "cautions": {} if provenance is None else dict(provenance.cautions),
                "data_version": None if manifest is None else manifest.data_version,
                "is_simulated": None if provenance is None else provenance.is_simulated,
                "is_csv_behind": status.stored.is_lagging,
                "is_csv_too_long": manifest is not None and manifest.is_csv_too_long,
                "damage": status.damage,
                "outcome": None if work is None else str(work.phase),
                "note": None if work is None else work.note,
            }
        )
    return rows


def verdict_document(verdict: Verdict) -> dict[str, Any]:
    """The verdict as `tt status` has it: ages in seconds, null where nothing is stored."""
    return {
        "verdict": "hit" if verdict.is_hit else "miss",
        "rule": str(verdict.rule),
        "reason": verdict.reason,
        "age_seconds": None if verdict.age is None else round(verdict.age.total_seconds(), 3),
        "ttl_seconds": verdict.ttl.total_seconds(),
    }


def _missing(status: DatasetStatus) -> dict[str, str]:
    """The reasons by subject; account numbers are masked."""
    missing = {} if status.manifest is None else status.manifest.provenance.missing
    return masked_subjects(missing) if status.dataset.is_private else dict(missing)
