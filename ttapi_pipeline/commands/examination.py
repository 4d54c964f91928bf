# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The examination behind `tt doctor`: settings, storage, connections and clock. A finding that is bad says what to do.

What is repaired, and how: see `storage.repair`. Printing the findings: see `doctor`.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from ttapi_pipeline.broker.broker import Broker
from ttapi_pipeline.client import QuoteToken
from ttapi_pipeline.client.server_clock import server_clock_offset
from ttapi_pipeline.core.clock import SYSTEM_CLOCK, Clock
from ttapi_pipeline.core.csv_choice import MOST_SHEET_ROWS, CsvChoice
from ttapi_pipeline.core.errors import TTError
from ttapi_pipeline.core.manifest import Manifest
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.core.ttl import format_duration
from ttapi_pipeline.core.verdict import CLOCK_TOLERANCE, Rule
from ttapi_pipeline.datasets.registry import DATASETS, REPORTS
from ttapi_pipeline.datasets.status import metastock_folder, metastock_version, read_statuses
from ttapi_pipeline.storage.databases import (
    check_instance,
    dagster_home,
    database_damage,
    find_databases,
    is_kept_elsewhere,
    put_aside,
)
from ttapi_pipeline.storage.layout import Folder, absolute, open_folder
from ttapi_pipeline.storage.repair import check, repair
from ttapi_pipeline.storage.store import open_store
from ttapi_pipeline.storage.stored import read_manifest, read_stored


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was examined.

    Attributes:
        subject: What it is, such as ``storage`` or the name of a dataset.
        text: What was found; of a bad finding, also what to do.
        is_good: Whether nothing needs to be done.
    """

    subject: str
    text: str
    is_good: bool


async def examine(
    settings: Settings, *, is_repairing: bool, has_instance: bool = True, clock: Clock = SYSTEM_CLOCK
) -> Sequence[Finding]:
    """Examine everything, in the order in which a user would mend it.

    Args:
        settings: Checked already.
        is_repairing: Mend what the stored Parquet files allow to mend; otherwise nothing is created, but damage that is
            found is noted beside the data, and a grant that the broker refuses is remembered.
        has_instance: Whether the folder of the Dagster instance is expected to be there.
        clock: Compared with the server's, and with the times of the stored data.

    Raises:
        TTError: No simulator could be started.
    """
    findings = [
        Finding("settings", settings.origin, is_good=True),
        Finding("data folder", str(absolute(open_folder(settings.data_dir))), is_good=True),
        _instance(dagster_home().absolute(), is_expected=has_instance),
    ]
    findings += _storage(settings, is_repairing=is_repairing)
    findings.append(_databases(dagster_home(), is_repairing=is_repairing))
    findings.append(_metastock(settings))
    findings.append(_stored_times(settings, clock))
    with Broker(settings, clock=clock) as broker:
        # A simulator that does not start ends the examination: there would be no server to examine.
        broker.server_url()
        findings += [finding async for finding in _connections(broker)]
        findings.append(await _server_time(broker))
    return findings


def _storage(settings: Settings, *, is_repairing: bool) -> Iterator[Finding]:
    try:
        folder = absolute(open_folder(settings.data_dir))
        if is_repairing:
            open_store(folder).check_writable()
        else:
            open_store(folder).check_rights()
    except TTError as error:
        yield Finding("storage", str(error), is_good=False)
        return
    for schema in (*(dataset.schema for dataset in DATASETS.values()), *REPORTS.values()):
        try:
            examine = repair if is_repairing else check
            problems = examine(folder, schema, csv_choice=settings.csv)
            manifest = read_stored(folder, schema.name).manifest
        except TTError as error:
            yield Finding(schema.name, f"{error}{_cost(folder, schema.name)}", is_good=False)
            continue
        for problem in problems:
            is_mended = is_repairing and problem.is_repairable
            cost = "" if problem.is_repairable else _cost(folder, schema.name)
            yield Finding(schema.name, f"{problem}{cost}{' (mended)' if is_mended else ''}", is_good=is_mended)
        if not problems:
            yield Finding(schema.name, _agreement(manifest), is_good=True)


def _agreement(manifest: Manifest | None) -> str:
    """What to say of a table with which nothing is wrong."""
    if manifest is None:
        return "nothing is stored; `tt refresh` fills it"
    if manifest.csv_choice is CsvChoice.OFF:
        return "Parquet and manifest agree; there is no CSV, as TT_CSV=off wants it"
    if manifest.is_csv_too_long:
        return (
            f"Parquet, CSV and manifest agree; the CSV has more rows than the {MOST_SHEET_ROWS:,} that a spreadsheet "
            "opens: TT_CSV=recent has the newest sessions, `tt export` the rows of some symbols and days"
        )
    return "Parquet, CSV and manifest agree"


def _cost(folder: Folder, name: str) -> str:
    """What it will take to make a table anew, as it took when it was made; empty where its manifest does not say."""
    try:
        manifest = read_manifest(folder, name)
    except TTError:
        return ""
    if manifest is None or name not in DATASETS:
        return ""
    stored = manifest.provenance
    requests = stored.statistics.get("requests")
    asks = f"{requests} requests to the broker and " if isinstance(requests, int) and requests else ""
    return f" (making it anew takes {asks}about {format_duration(timedelta(seconds=max(stored.fetch_seconds, 1.0)))})"


def _instance(home: Path, *, is_expected: bool) -> Finding:
    """The folder of Dagster, which may not be there yet where nothing was written so far."""
    if not is_expected and not os.path.lexists(home):
        return Finding("instance", f"{home}, which the first `tt refresh` makes", is_good=True)
    try:
        check_instance()
    except TTError as error:
        return Finding("instance", str(error), is_good=False)
    return Finding("instance", str(home), is_good=True)


def _databases(home: Path, *, is_repairing: bool) -> Finding:
    """Dagster's record of runs."""
    try:
        databases = find_databases(home)
    except TTError as error:
        return Finding("dagster", str(error), is_good=False)
    damaged = {path: damage for path in databases if (damage := database_damage(path)) is not None}
    if not damaged:
        if databases:
            text = f"{len(databases)} databases are sound"
        else:
            text = f"{home} keeps its runs elsewhere" if is_kept_elsewhere(home) else "no run was started yet"
        return Finding("dagster", text, is_good=True)
    named = "; ".join(f"{path} is damaged ({damage})" for path, damage in damaged.items())
    if not is_repairing:
        return Finding(
            "dagster", f"{named}; `tt doctor --repair` puts it aside, stored data is as it was", is_good=False
        )
    try:
        kept = [put_aside(path).name for path in damaged]
    except TTError as error:
        return Finding("dagster", str(error), is_good=False)
    return Finding("dagster", f"{named} (put aside as {', '.join(kept)}; restart `tt ui` if it runs)", is_good=True)


def _metastock(settings: Settings) -> Finding:
    try:
        metastock_version(settings)
        folder = metastock_folder(settings)
    except TTError as error:
        return Finding("metastock", str(error), is_good=False)
    return Finding("metastock", "no folder is set" if folder is None else str(folder.absolute()), is_good=True)


def _stored_times(settings: Settings, clock: Clock) -> Finding:
    """Whether every stored dataset was fetched before now; a later time means that a clock is or was wrong."""
    try:
        statuses = read_statuses(settings, now=clock.now())
    except TTError as error:
        return Finding("stored times", str(error), is_good=False)
    for status in statuses.values():
        if status.verdict.rule is Rule.CLOCK:
            return Finding(
                "stored times", f"{status.dataset.name}: {status.verdict.reason}; set the clock", is_good=False
            )
    return Finding("stored times", "nothing stored is from the future", is_good=True)


async def _connections(broker: Broker) -> AsyncIterator[Finding]:
    """REST with the credentials, then the feed with the quote token that REST gave."""
    try:
        async with broker.connect() as client:
            accounts = await client.accounts()
            token = await client.quote_token()
    except TTError as error:
        yield Finding("connection", str(error), is_good=False)
        return
    yield Finding("connection", f"{broker.settings.origin} answers, {len(accounts)} accounts", is_good=True)
    yield await _feed(broker, token)


async def _feed(broker: Broker, token: QuoteToken) -> Finding:
    try:
        async with broker.open_link_with(token):
            return Finding("feed", "DXLink opens and accepts the quote token", is_good=True)
    except TTError as error:
        return Finding("feed", str(error), is_good=False)


async def _server_time(broker: Broker) -> Finding:
    try:
        offset = await server_clock_offset(broker.server_url(), clock=broker.clock)
    except TTError as error:
        return Finding("clock", str(error), is_good=False)
    if offset is None:
        return Finding("clock", "the server does not say what time it is", is_good=True)
    if abs(offset) < CLOCK_TOLERANCE:
        return Finding("clock", "agrees with the server's", is_good=True)
    way = "behind" if offset > timedelta(0) else "ahead of"
    text = f"{format_duration(abs(offset))} {way} the server's: ages and TTLs are wrong; set the clock"
    return Finding("clock", text, is_good=False)
