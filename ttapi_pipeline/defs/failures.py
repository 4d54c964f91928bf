# SPDX-License-Identifier: MIT
"""From our errors to Dagster's failure: one sentence, and what it means for what is stored."""

from typing import Any

import dagster as dg

from ttapi_pipeline.core.errors import CoverageError, TTError


def failure(name: str, error: TTError) -> dg.Failure:
    """The failure of a dataset's step; whether a retry may help is the error's to say."""
    metadata: dict[str, Any] = {"error": type(error).__name__, "stored_data": "unchanged"}
    if isinstance(error, CoverageError):
        metadata |= {"coverage": error.coverage, "missing": dg.MetadataValue.json(dict(sorted(error.missing.items())))}
    return dg.Failure(description=f"{name}: {error}", metadata=metadata, allow_retries=error.retryable)
