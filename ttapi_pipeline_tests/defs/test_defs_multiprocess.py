# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A run that is held, with a process per step."""

from __future__ import annotations

import os
from pathlib import Path

import dagster as dg

from ttapi_pipeline.defs.operations.executor import holding


@dg.op
def first() -> int:
    return os.getpid()


@dg.op
def second(other: int) -> list[int]:
    return [other, os.getpid()]


@dg.job(executor_def=holding(dg.multiprocess_executor))
def two_steps() -> None:
    second(first())


def test_a_held_run_executes_each_step_in_a_process_of_its_own(tmp_path: Path) -> None:
    with dg.instance_for_test(temp_dir=str(tmp_path)) as instance:
        with dg.execute_job(dg.reconstructable(two_steps), instance) as result:
            assert result.success
            processes = result.output_for_node("second")
        assert len({os.getpid(), *processes}) == 3
        run = instance.get_run_by_id(result.run_id)
        assert run is not None
        assert "process" in run.tags
