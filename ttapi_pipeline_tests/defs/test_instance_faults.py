# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Pruning a Dagster instance and recording failures, with a fault at every point."""

from __future__ import annotations

from typing import Final

import pytest

from ttapi_pipeline_tests.support.faults import instance_writers
from ttapi_pipeline_tests.support.faults.suite import ALL, faulty, lost_with_power
from ttapi_pipeline_tests.support.faults.trials import Trials
from ttapi_pipeline_tests.support.faults.writer import Writer

WRITERS_OF: Final = instance_writers.__name__


def writers(*chosen: Writer) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("trials", chosen, indirect=True, ids=lambda writer: writer.name)


# Most of what Dagster does is done by SQLite, in eight hundred events.
@writers(*instance_writers.WRITERS)
@pytest.mark.parametrize("count", [pytest.param(2, marks=pytest.mark.thorough), ALL])
def test_what_is_read_is_whole_whatever_goes_wrong_and_the_next_run_mends_it(trials: Trials, count: int | None) -> None:
    assert faulty(trials, count) == []


# After a loss of power, the logs of steps of deleted runs may be back, which nobody looks for.
@writers(instance_writers.Failures())
@pytest.mark.parametrize("count", [pytest.param(4, marks=pytest.mark.thorough), ALL])
def test_what_was_stored_is_there_after_a_loss_of_power(trials: Trials, count: int | None) -> None:
    assert lost_with_power(trials, count) == []
