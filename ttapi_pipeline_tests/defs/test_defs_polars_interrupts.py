# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""An interrupt that Polars meets in a function of Python's is an interrupt, and no failure of a step."""

from __future__ import annotations

import dagster as dg
import polars as pl
import pytest

from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.defs.failures import failures_of


class PanicException(BaseException):
    """By the name that Polars gives to a panic of its own code."""


def test_a_panic_on_an_interrupt_is_the_interrupt() -> None:
    said = "called `Result::unwrap()` on an `Err` value: PyErr { type: <class 'DagsterExecutionInterruptedError'> }"
    with pytest.raises(dg.DagsterExecutionInterruptedError), failures_of(DATASETS["volatility"]):
        raise PanicException(said)
    with pytest.raises(PanicException), failures_of(DATASETS["volatility"]):
        raise PanicException("index out of bounds")
    assert pl.exceptions.PanicException.__name__ == PanicException.__name__
