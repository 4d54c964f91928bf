# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Runs the asynchronous work of a step so that Ctrl-C ends it. Steps without an event loop: Dagster interrupts them."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

import dagster as dg

from ttapi_pipeline.defs.dagster_internals import pythons_own_interrupts
from ttapi_pipeline.defs.operations.database_outages import wait_no_longer

T = TypeVar("T")


def run_async(work: Awaitable[T]) -> T:
    """`asyncio.run` for a step: an interrupt cancels its tasks and ends it as Dagster expects.

    Raises:
        DagsterExecutionInterruptedError: After SIGINT or SIGTERM, when every task has ended.
    """
    try:
        with pythons_own_interrupts():
            return asyncio.run(_awaited(work))
    except dg.DagsterExecutionInterruptedError:
        wait_no_longer()
        raise


async def _awaited(work: Awaitable[T]) -> T:
    return await work
