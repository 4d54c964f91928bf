# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Turns our errors into Dagster's outcomes: a failure, a second attempt, or a tick that is skipped.

A failure is one sentence, and says that the stored data is as it was.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg

from ttapi_pipeline.core.errors import ConflictError, CoverageError, TTError
from ttapi_pipeline.core.progress import Phase, current_board
from ttapi_pipeline.core.signals import interrupts_outside_polars
from ttapi_pipeline.datasets.dataset import Dataset
from ttapi_pipeline.defs.dagster_internals import retry_delay, step_failure

FETCH_RETRY = dg.RetryPolicy(max_retries=1, delay=2, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)
"""A second attempt within the run, for errors that may pass. The client has repeated single requests by then.

No asset carries it: Dagster applies the policy of an asset to Ctrl-C as well, and would go on with the run.
"""

CONFLICT_RETRIES = 4
"""Lost races after which a step fails; after each it decides anew."""

CONFLICT_SECONDS = 0.1


def failure(name: str, error: TTError) -> dg.Failure:
    """The failure of the step of a dataset."""
    metadata: dict[str, Any] = {"error": type(error).__name__, "stored_data": "unchanged"}
    if isinstance(error, CoverageError):
        metadata |= {"coverage": error.coverage, "missing": dg.MetadataValue.json(dict(sorted(error.missing.items())))}
    return dg.Failure(description=f"{name}: {error}", metadata=metadata)


@contextmanager
def failures_of(dataset: Dataset, *, attempt: int = FETCH_RETRY.max_retries) -> Iterator[None]:
    """Turn an error of ours inside the block into what Dagster is told, and show it on the progress board.

    Args:
        dataset: What the block works on.
        attempt: Attempts before this one. A fetched dataset whose error may pass is tried again while there are fewer
            than FETCH_RETRY allows; without the argument it is not.

    Raises:
        dagster.RetryRequested: The dataset is to be tried again: an error may have passed, or another program has
            published it meanwhile.
        dagster.Failure: It is not.
        dagster.DagsterExecutionInterruptedError: Ctrl-C ended work of Polars.
    """
    try:
        with interrupts_outside_polars():
            yield
    except TTError as error:
        if isinstance(error, ConflictError):
            # The same run decides anew: what the other program has stored is often all that was due.
            raise dg.RetryRequested(CONFLICT_RETRIES, CONFLICT_SECONDS) from error
        current_board().set_phase(dataset.name, Phase.FAILED, str(error))
        if dataset.is_fetched and error.retryable and attempt < FETCH_RETRY.max_retries:
            raise dg.RetryRequested(FETCH_RETRY.max_retries, retry_delay(FETCH_RETRY, attempt + 1)) from error
        raise failure(dataset.name, error) from error
    except BaseException as error:
        if _is_interrupt_within(error):
            # Dagster would take it for a failure of the step, and go on with the run.
            raise dg.DagsterExecutionInterruptedError from error
        raise


def error_and_sentence(event: dg.DagsterEvent) -> tuple[str, str]:
    """Class and words of what a STEP_FAILURE or RUN_FAILURE event is about. The words may be those of a library."""
    kind, sentence = "RunFailure", event.message or "the run failed"
    if event.is_step_failure:
        told = step_failure(event)
        if told.causes:
            innermost, sentence = told.causes[-1]
            kind = innermost or kind
        # A failure that our code foresaw says both better than the error that caused it.
        named = told.metadata.get("error")
        kind = str(named.value) if named is not None else kind
        sentence = told.description or sentence
    return kind, sentence


def _is_interrupt_within(error: BaseException) -> bool:
    """Whether Polars has met the interrupt in a function of Python's that it called, and panicked on it."""
    return type(error).__name__ == "PanicException" and dg.DagsterExecutionInterruptedError.__name__ in str(error)


def skipped(error: TTError) -> dg.SkipReason:
    """The outcome of a tick that could not find out what is due. The next tick looks again."""
    return dg.SkipReason(str(error))
