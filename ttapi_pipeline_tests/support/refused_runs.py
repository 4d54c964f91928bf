# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A program that takes its turn at the broker for ten runs, one after the other, and is refused: see the caller."""

from __future__ import annotations

import asyncio
import sys
import uuid

import dagster as dg

from ttapi_pipeline.broker.broker import Broker
from ttapi_pipeline.core.errors import AuthError
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.datasets.registry import load_settings
from ttapi_pipeline.defs.operations.pools import broker_turn


async def ask(broker: Broker) -> bool:
    """Whether the broker refuses."""
    async with broker.connect() as client:
        try:
            await client.accounts()
        except AuthError:
            return True
        return False


def run(settings: Settings, instance: dg.DagsterInstance) -> bool:
    """Do what a step of a run does that fetches accounts; whether it was refused."""
    run_id = str(uuid.uuid4())
    with broker_turn(instance, run_id, "accounts", lambda _: None):
        broker = Broker(settings, run=run_id)
        try:
            return asyncio.run(ask(broker))
        finally:
            broker.close()


if __name__ == "__main__":
    with dg.DagsterInstance.get() as found:
        refused = sum(run(load_settings(), found) for _ in range(10))
    sys.stdout.write(f"{refused}\n")
