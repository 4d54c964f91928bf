# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Examines a session of a history: its file, what is missing, and whether rows were lost. The checks: see `checks`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import dagster as dg

from ttapi_pipeline.core.errors import TTError
from ttapi_pipeline.datasets.quality import State
from ttapi_pipeline.datasets.quality_table import QUALITY
from ttapi_pipeline.storage.session_table import Part, SessionTable

DESCRIPTIONS = {
    "as_written": "The file of the session is as it was written, and no key is there more than once.",
    "coverage": "Every subject came with the last publication of the session.",
    "as_many_rows": "The session has about as many rows as the one before it.",
}
QUALITY_DESCRIPTIONS = {
    "nothing_missing": "Of every dataset something came while the session lasted, if it had to.",
    "nothing_degraded": "What came was whole, and there is nothing that a person should look at.",
}
_MOST_CHANGE = 0.2
"""Of the number of rows, from one session to the next. A Friday takes one expiration in fifteen."""


@dataclass(frozen=True, slots=True)
class Found:
    """The result of one check on one session."""

    check: str
    is_good: bool
    said: str
    metadata: dict[str, Any]
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.WARN


def examine(table: SessionTable, session: date) -> Sequence[Found]:
    """Check the stored rows of a session; no row is named, since some are private."""
    parts = table.parts()
    part, is_of_history = parts.get(session), table.schema.name != QUALITY.name
    if part is None:
        said = f"nothing is stored of {session}"
        checks = DESCRIPTIONS if is_of_history else QUALITY_DESCRIPTIONS
        return [Found(check, is_good=False, said=said, metadata={}) for check in checks]
    if not is_of_history:
        return _what_became(table, part)
    before = max((each for each in parts if each < session), default=None)
    return [_as_written(table, part), _coverage(part), _as_many_rows(part, None if before is None else parts[before])]


def _what_became(table: SessionTable, part: Part) -> Sequence[Found]:
    """The results of the two checks of the quality table."""
    import polars as pl  # noqa: PLC0415 - see `defs`

    try:
        rows = table.scan([part.session]).select("dataset", "state", "reason").collect()
    except TTError as error:
        return [Found(check, is_good=False, said=str(error), metadata={}) for check in QUALITY_DESCRIPTIONS]
    found = []
    for check, state in zip(QUALITY_DESCRIPTIONS, (State.MISSING, State.DEGRADED), strict=True):
        named = rows.filter(pl.col("state") == state).sort("dataset")
        said = "; ".join(f"{name}: {reason}" for name, reason in named.select("dataset", "reason").iter_rows())
        metadata = {"datasets": named.height}
        found.append(Found(check, is_good=named.is_empty(), said=said or f"none is {state}", metadata=metadata))
    return found


def _as_written(table: SessionTable, part: Part) -> Found:
    from ttapi_pipeline.tables.rules import repeated_keys  # noqa: PLC0415 - see `defs`

    try:
        repeated = repeated_keys(table.scan([part.session]), table.schema.key).height
    except TTError as error:
        return Found("as_written", is_good=False, said=str(error), metadata={}, severity=dg.AssetCheckSeverity.ERROR)
    return Found(
        "as_written",
        is_good=not repeated,
        said=f"{repeated} keys are there more than once" if repeated else f"{part.rows} rows",
        metadata={"rows": part.rows, "bytes": part.facts.bytes},
        severity=dg.AssetCheckSeverity.ERROR,
    )


def _coverage(part: Part) -> Found:
    missing = part.counts.get("missing", 0)
    said = f"{missing} did not come, {part.counts.get('carried_over', 0)} rows are older ones"
    return Found("coverage", is_good=not missing, said=said, metadata={"missing_count": missing})


def _as_many_rows(part: Part, before: Part | None) -> Found:
    if before is None:
        return Found("as_many_rows", is_good=True, said="the first session", metadata={"rows": part.rows})
    change = abs(part.rows - before.rows) / max(before.rows, 1)
    return Found(
        "as_many_rows",
        is_good=change <= _MOST_CHANGE,
        said=f"{part.rows} rows, after {before.rows} in {before.session}",
        metadata={"rows": part.rows, "rows_before": before.rows},
    )


def evaluations(table: SessionTable, session: date) -> Sequence[dg.AssetCheckEvaluation]:
    """The same as events for the partition of the session."""
    return [
        dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey(table.schema.name),
            check_name=found.check,
            passed=found.is_good,
            severity=found.severity,
            description=found.said,
            metadata={name: dg.MetadataValue.int(value) for name, value in found.metadata.items()},
            partition=session.isoformat(),
        )
        for found in examine(table, session)
    ]
