# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What datasets keep between runs, with a fault at every point and a loss of power after every one."""

from __future__ import annotations

from typing import Final

import pytest

from ttapi_pipeline_tests.support.faults import dataset_writers
from ttapi_pipeline_tests.support.faults.suite import ALL, SOME, faulty, lost_with_power
from ttapi_pipeline_tests.support.faults.trials import Trials

WRITERS_OF: Final = dataset_writers.__name__

pytestmark = pytest.mark.parametrize("trials", dataset_writers.WRITERS, indirect=True, ids=lambda writer: writer.name)


@pytest.mark.parametrize("count", [SOME, ALL])
def test_what_is_read_is_whole_whatever_goes_wrong_and_the_next_run_mends_it(trials: Trials, count: int | None) -> None:
    assert faulty(trials, count) == []


@pytest.mark.parametrize("count", [SOME, ALL])
def test_what_was_stored_is_there_after_a_loss_of_power(trials: Trials, count: int | None) -> None:
    assert lost_with_power(trials, count) == []
