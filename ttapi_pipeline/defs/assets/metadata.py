# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Metadata for the web UI: the columns of a dataset, facts of its stored data, and why it was or was not refreshed.

The lineage of columns: see `lineage`. Rows and pictures: see `previews` and `charts`.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import dagster as dg

from ttapi_pipeline.core.manifest import Manifest
from ttapi_pipeline.core.privacy import masked_subjects
from ttapi_pipeline.core.ttl import format_duration
from ttapi_pipeline.core.verdict import Verdict
from ttapi_pipeline.tables.schema import DatasetSchema

_FIRST = (
    *("charts", "preview", "verdict", "dagster/row_count", "coverage", "missing_count", "missing", "lost_count"),
    *("fetched_at", "age", "ttl", "statistics", "sources", "origin", "is_simulated"),
)
_LAST = (
    *("progress", "api_attempts", "api_retries", "api_throttled", "circuit_breakers"),
    *("fetch_seconds", "age_seconds", "parquet_bytes", "rule", "data_version"),
    *("dagster/uri", "dagster/column_schema", "dagster/column_lineage"),
)
_SHOWN_MISSING = 50
"""Subjects without data that are listed; the number of further ones is given. Metadata lies in every event."""


def table_schema(schema: DatasetSchema) -> dg.TableSchema:
    """The columns with type, description and nullability. The key becomes a constraint of the table."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=column.name,
                type=str(column.dtype),
                description=column.description,
                constraints=dg.TableColumnConstraints(nullable=column.is_nullable),
            )
            for column in schema.columns
        ],
        constraints=dg.TableConstraints(other=[f"unique: {', '.join(schema.key)}"]),
    )


def manifest_metadata(manifest: Manifest, *, uri: str, now: datetime, is_private: bool = False) -> dict[str, Any]:
    """Facts of the stored data. The web UI plots plain numbers over time.

    Args:
        manifest: Of the stored data.
        uri: Where its Parquet file is.
        now: The age is counted until then.
        is_private: Whether its subjects are account numbers.
    """
    stored = manifest.provenance
    age = now - stored.fetched_at
    missing = masked_subjects(stored.missing) if is_private else stored.missing
    return {
        "dagster/uri": uri,
        "dagster/row_count": manifest.rows,
        "data_version": manifest.data_version,
        "fetched_at": dg.MetadataValue.timestamp(stored.fetched_at),
        "age": format_duration(age),
        "age_seconds": round(max(age.total_seconds(), 0.0), 1),
        "fetch_seconds": round(stored.fetch_seconds, 3),
        # A dataset that is computed, or made from a packaged table, has no such statistic: it is whole or is not there.
        "coverage": float(stored.statistics.get("coverage", 1.0)),
        "is_simulated": stored.is_simulated,
        "origin": stored.settings.get("origin", "unknown"),
        "missing_count": len(stored.missing),
        "lost_count": sum(stored.lost.values()),
        **({"missing": dg.MetadataValue.md(_missing_table(missing))} if missing else {}),
        "sources": dg.MetadataValue.json(dict(stored.sources)),
        "statistics": dg.MetadataValue.json(dict(stored.statistics)),
        "parquet_bytes": manifest.parquet.bytes,
    }


def verdict_metadata(verdict: Verdict) -> dict[str, Any]:
    """Why the dataset was or was not refreshed."""
    return {"verdict": str(verdict), "rule": str(verdict.rule), "ttl": format_duration(verdict.ttl)}


def arranged(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Metadata in the order in which the web UI shows it: what one looks at first, and what is only kept last."""
    first = {key: metadata[key] for key in _FIRST if key in metadata}
    last = {key: metadata[key] for key in _LAST if key in metadata}
    between = {key: value for key, value in metadata.items() if key not in first and key not in last}
    return {**first, **between, **last}


def _missing_table(missing: Mapping[str, str]) -> str:
    shown = sorted(missing.items())[:_SHOWN_MISSING]
    rows = [f"| {subject} | {reason.replace('|', '/')} |" for subject, reason in shown]
    more = [f"\nand {len(missing) - _SHOWN_MISSING} more"] if len(missing) > _SHOWN_MISSING else []
    return "\n".join(["| subject | reason |\n| --- | --- |", *rows, *more])
