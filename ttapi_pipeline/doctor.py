# SPDX-License-Identifier: MIT
"""`tt doctor`: what is wrong with settings, storage, connection or clock, and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ttapi_pipeline.client import TastytradeClient
from ttapi_pipeline.core.errors import TTError
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.core.store import open_folder, state_folder
from ttapi_pipeline.frames.files import make_folder
from ttapi_pipeline.frames.repair import check, repair
from ttapi_pipeline.frames.schemas import EOD_REJECTS, SCHEMAS
from ttapi_pipeline.simulator.process import SimulatorProcess


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was examined."""

    subject: str
    text: str
    is_good: bool


async def examine(settings: Settings, *, is_repairing: bool) -> Sequence[Finding]:
    """Examine everything; nothing is changed unless it repairs."""
    findings = [Finding("settings", f"{settings.origin}, data in {settings.data_dir}", is_good=True)]
    findings += _storage(settings, is_repairing=is_repairing)
    if settings.is_simulated and settings.api_url is None:
        with SimulatorProcess(seed=settings.simulator_seed) as simulator:
            findings.append(await _connection(settings, simulator.url))
    else:
        findings.append(await _connection(settings, settings.api_url))
    return findings


def _storage(settings: Settings, *, is_repairing: bool) -> Iterator[Finding]:
    try:
        folder = open_folder(settings.data_dir)
        make_folder(folder)
    except TTError as error:
        yield Finding("storage", str(error), is_good=False)
        return
    for schema in (*SCHEMAS.values(), EOD_REJECTS):
        try:
            problems = repair(folder, schema) if is_repairing else check(folder, schema)
        except TTError as error:
            yield Finding(schema.name, str(error), is_good=False)
            continue
        for problem in problems:
            is_mended = is_repairing and problem.is_repairable
            yield Finding(schema.name, f"{problem}{' (mended)' if is_mended else ''}", is_good=is_mended)
        if not problems:
            yield Finding(schema.name, "Parquet, CSV and manifest agree, or nothing is stored", is_good=True)


async def _connection(settings: Settings, url: str | None) -> Finding:
    try:
        async with TastytradeClient(settings, base_url=url, state_dir=state_folder(settings.data_dir)) as client:
            accounts = await client.accounts()
    except TTError as error:
        return Finding("connection", str(error), is_good=False)
    return Finding("connection", f"{settings.origin} answers, {len(accounts)} accounts", is_good=True)
