# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What `tt show` prints as JSON: rows of a stored table, or what is stored of one symbol."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import polars as pl

from ttapi_pipeline.core.verdict import Verdict
from ttapi_pipeline.terminal.json_rows import json_rows
from ttapi_pipeline.terminal.show import SymbolRows
from ttapi_pipeline.terminal.status_document import verdict_document
from ttapi_pipeline.terminal.table_lines import ShownTable

if TYPE_CHECKING:
    from ttapi_pipeline.storage.versions.reading import Version


def table_document(table: ShownTable) -> dict[str, Any]:
    """The shown rows, and what is known of the table."""
    return {
        "kind": "dataset",
        "table": table.schema.name,
        "dataset": table.verdict.dataset,
        **verdict_document(table.verdict),
        "is_simulated": table.is_simulated,
        "data_version": table.data_version,
        "as_of": None if table.known is None else known_document(*table.known),
        "rows_stored": table.stored,
        "rows_chosen": table.chosen,
        "cautions": dict(table.cautions),
        "rows": json_rows(table.rows),
    }


def known_document(instant: datetime, version: Version) -> dict[str, Any]:
    """An instant, and the version of a table that was known then."""
    return {
        "instant": instant.astimezone(UTC).isoformat(),
        "version": version.manifest.write_id,
        "known_at": version.known_at.isoformat(),
    }


def symbol_document(rows: SymbolRows, verdicts: Mapping[str, Verdict]) -> dict[str, Any]:
    """What is stored of a symbol, by dataset, and the verdict on each dataset.

    Args:
        rows: Of the symbol.
        verdicts: By dataset.
    """
    return {
        "kind": "symbol",
        "symbol": str(rows.volatility["symbol"]),
        "is_simulated": rows.is_simulated,
        "as_of": {name: known_document(*known) for name, known in rows.known.items()} or None,
        "verdicts": {name: verdict_document(verdict) for name, verdict in verdicts.items()},
        "volatility": _object(rows.volatility),
        "symbols": _object(rows.metrics) if rows.metrics else None,
        "volatility_cone": json_rows(rows.cone),
        "returns_stddev": json_rows(rows.series),
        "variance_premium": json_rows(rows.premium),
    }


def _object(row: Mapping[str, Any]) -> dict[str, Any]:
    return json_rows(pl.DataFrame([row]))[0]
