# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The executor of every run: Dagster's own, in a process that counts as executing the run. See `held_runs`.

A run that a signal ends is recorded as cancelled; to Dagster it would be a failure that nobody asked for.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

import dagster as dg

from ttapi_pipeline.core.errors import TTError
from ttapi_pipeline.core.signals import hangups_as_interrupts
from ttapi_pipeline.defs.dagster_internals import mark_canceling, shield_log_mirrors
from ttapi_pipeline.defs.operations.database_outages import wait_no_longer
from ttapi_pipeline.defs.operations.held_runs import hold_run
from ttapi_pipeline.defs.operations.instance_errors import instance_errors
from ttapi_pipeline.defs.operations.lost_runs import end_lost_runs
from ttapi_pipeline.defs.operations.signs_of_life import executing

_LOGGER = logging.getLogger(__name__)

Explanation = Callable[[Exception], TTError | None]


class HoldingExecutor(dg.Executor):
    """Executes a run by another executor, and holds the run meanwhile. Before that it ends runs that were lost."""

    def __init__(self, inner: dg.Executor, explain: Explanation) -> None:
        self._inner, self._explain = inner, explain

    @property
    def retries(self) -> Any:
        return self._inner.retries

    @property
    def step_dependency_config(self) -> Any:
        return self._inner.step_dependency_config

    def __getattr__(self, name: str) -> Any:
        # The loop of Celery's executor asks the executor of the run for the options of its application.
        return getattr(self._inner, name)

    def execute(self, plan_context: Any, execution_plan: Any) -> Iterator[dg.DagsterEvent]:
        hold_run(plan_context.instance, plan_context.run_id)
        end_lost_runs(plan_context.instance)
        shield_log_mirrors()
        with hangups_as_interrupts(), executing(plan_context.run_id):
            try:
                yield from self._inner.execute(plan_context, execution_plan)
            except Exception as error:
                explained = self._explain(error)
                if explained is None:
                    raise
                # Without its cause, whose stack is not of this project.
                raise explained from None
            except (KeyboardInterrupt, dg.DagsterExecutionInterruptedError):
                wait_no_longer()
                _mark_canceling(plan_context.instance, plan_context.run_id)
                raise


def _mark_canceling(instance: dg.DagsterInstance, run_id: str) -> None:
    try:
        with instance_errors(instance.root_directory):
            mark_canceling(instance, run_id, "ended by a signal, such as Ctrl-C")
    except TTError as error:
        _LOGGER.warning("run %s was ended by a signal, which cannot be recorded: %s", run_id, error)


def _unexplained(_: Exception) -> TTError | None:
    return None


def holding(
    executor: dg.ExecutorDefinition,
    *,
    config: Mapping[str, object] | None = None,
    explain: Explanation = _unexplained,
) -> dg.ExecutorDefinition:
    """The same executor, by its name, with a `HoldingExecutor` around it.

    Args:
        executor: What executes the steps.
        config: Values of its config for every run, whatever the run says. No run shows them: they may be secret.
        explain: Our error for one of the executor's, with the way out; None for one that it knows nothing of.
    """

    def create(context: dg.InitExecutorContext) -> dg.Executor:
        make = executor.executor_creation_fn
        if make is None:
            raise TypeError(f"{executor.name} makes no executor")
        values = {**context.executor_config, **(config or {})}
        given = dg.InitExecutorContext(
            job=context.job, executor_def=context.executor_def, executor_config=values, instance=context.instance
        )
        try:
            return HoldingExecutor(make(given), explain)
        except Exception as error:
            explained = explain(error)
            if explained is None:
                raise
            raise explained from None

    return dg.ExecutorDefinition(
        name=executor.name,
        config_schema=cast("Any", executor.config_schema),
        requirements=executor.get_requirements,
        executor_creation_fn=create,
        description=executor.description,
    )


# A process per step would cost 3 to 5 seconds of imports each, and gain little: the long work waits for the network or
# runs in the threads of Polars.
RUN_EXECUTOR = holding(dg.in_process_executor)
