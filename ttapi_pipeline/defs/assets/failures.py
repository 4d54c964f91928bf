# SPDX-License-Identifier: MIT
"""From our errors to Dagster's failure: one sentence, what it means for what is stored, and whether to try again."""

from typing import Any

import dagster as dg

from ttapi_pipeline.core.errors import CoverageError, TTError

FETCH_RETRY = dg.RetryPolicy(max_retries=1, delay=2, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)
"""A second attempt within the run, for errors that may pass; the client has repeated single requests by then.

No asset carries it: Dagster applies the policy of an asset to Ctrl-C as well, and would go on with the run.
"""


def failure(name: str, error: TTError) -> dg.Failure:
    """The failure of a dataset's step."""
    metadata: dict[str, Any] = {"error": type(error).__name__, "stored_data": "unchanged"}
    if isinstance(error, CoverageError):
        metadata |= {"coverage": error.coverage, "missing": dg.MetadataValue.json(dict(sorted(error.missing.items())))}
    return dg.Failure(description=f"{name}: {error}", metadata=metadata)


def fetch_failure(name: str, error: TTError, *, retry_number: int) -> dg.RetryRequested | dg.Failure:
    """A second attempt after an error that may pass, else the failure."""
    if error.retryable and retry_number < FETCH_RETRY.max_retries:
        return dg.RetryRequested(FETCH_RETRY.max_retries, FETCH_RETRY.calculate_delay(retry_number + 1))
    return failure(name, error)
