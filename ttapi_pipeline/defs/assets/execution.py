# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""One execution of a dataset's asset: decide, then reuse what is stored or build it anew.

A hit ends with events that let the steps below run. A miss ends with a `Publication`, which Dagster hands to the IO
manager to be stored.
"""

import inspect
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

import dagster as dg
import polars as pl

from ttapi_pipeline.broker.broker import Broker
from ttapi_pipeline.core.csv_choice import CsvChoice
from ttapi_pipeline.core.errors import CorruptFileError, StorageError
from ttapi_pipeline.core.manifest import Manifest, Provenance, with_damaged_file
from ttapi_pipeline.core.progress import Phase, current_board, watched
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.core.verdict import Rule
from ttapi_pipeline.datasets.build import Build
from ttapi_pipeline.datasets.dataset import Dataset
from ttapi_pipeline.datasets.refresh import Refresh
from ttapi_pipeline.datasets.status import DatasetStatus, places, read_status, refuse_to_overwrite, shaping_settings
from ttapi_pipeline.defs.assets.interrupts import run_async
from ttapi_pipeline.defs.assets.lineage import column_lineage
from ttapi_pipeline.defs.assets.metadata import arranged, verdict_metadata
from ttapi_pipeline.defs.assets.progress_log import ProgressLog
from ttapi_pipeline.defs.assets.reuse import note_input, reuse, shown_before
from ttapi_pipeline.defs.failures import failures_of
from ttapi_pipeline.defs.io_manager import ParquetCsvIOManager, Publication
from ttapi_pipeline.defs.operations.pools import broker_turn
from ttapi_pipeline.defs.resources import ApiResource
from ttapi_pipeline.storage.changes import count_changes
from ttapi_pipeline.storage.claims import refuse_foreign_files
from ttapi_pipeline.storage.incremental.pieces import Pieces
from ttapi_pipeline.storage.layout import Folder
from ttapi_pipeline.storage.repair import repair
from ttapi_pipeline.storage.scan import scan
from ttapi_pipeline.storage.store import open_store
from ttapi_pipeline.storage.stored import read_stored, with_csv_choice
from ttapi_pipeline.storage.table import StoredTable
from ttapi_pipeline.storage.verification import find_damage

_MOST_CSV_BYTES = 64 * 2**20
"""A larger CSV is not verified by a step, which does not read it: `tt refresh` and `tt doctor` do."""


def execute(
    context: dg.AssetExecutionContext,
    dataset: Dataset,
    *,
    api: ApiResource,
    io_manager: ParquetCsvIOManager,
    inputs: Mapping[str, StoredTable],
    is_forced: bool,
    is_whole: bool,
) -> Any:
    """Reuse the stored rows of a dataset, or build new ones.

    Args:
        context: Of the step.
        dataset: What is executed.
        api: Settings, clock and, for a miss, the broker.
        io_manager: Where the dataset is stored.
        inputs: The upstream datasets as they were read for this step.
        is_forced: Whether to build in any case.
        is_whole: Whether to fetch whole histories, and not only what can be new.

    Returns:
        The events of a hit, or the publication of a miss.

    Raises:
        dagster.Failure: The dataset could not be refreshed; what is stored is as it was.
        dagster.RetryRequested: The same, and the error may have passed in a moment.
    """
    name, settings, board = dataset.name, api.settings, current_board()
    board.set_phase(name, Phase.RUNNING)
    log = ProgressLog(name, context.log)
    with watched(board), board.listening(log), failures_of(dataset, attempt=context.retry_number):
        refuse_foreign_files(io_manager.folder, places([dataset]))
        status = _mended_status(context, dataset, api, io_manager, is_forced=is_forced)
        hit = _hit(context, dataset, api, io_manager, status)
        if hit is not None:
            return hit
        refuse_to_overwrite(settings, io_manager.folder)
        with turn_at_broker(context, dataset, dataset.name) as has_waited:
            if has_waited:
                status = _mended_status(context, dataset, api, io_manager, is_forced=is_forced)
                hit = _hit(context, dataset, api, io_manager, status)
                if hit is not None:
                    return hit
            folder, started = io_manager.folder, time.perf_counter()
            replaces = _looked_at(dataset, folder, status.manifest)
            refresh = refresh_of(dataset, api, folder, status, inputs, is_forced=is_forced, is_whole=is_whole)
            before = refresh.broker.request_counts()
            result = dataset.builder()(refresh, **{each: table.frame for each, table in inputs.items()})
            build = run_async(result) if inspect.isawaitable(result) else result
        changes = _changes(build, dataset, folder, status.manifest)
        spent = spent_by(refresh.broker, before) if dataset.is_fetched else {}
        notes = {**verdict_metadata(status.verdict), **spent, **log.metadata(), **_lineage(dataset)}
        for upstream, version in build.inputs.items():
            note_input(context, upstream, version)
        provenance = _provenance(status, settings, build, inputs, began_at=refresh.now, run=context.run.run_id)
        statistics = {**build.statistics, **changes, **_requests(refresh.broker, before)}
        provenance = replace(provenance, statistics=statistics, fetch_seconds=time.perf_counter() - started)
    board.set_phase(name, Phase.REFRESHED, status.verdict.reason, losses=_losses(build, provenance))
    return Publication(build, provenance, is_forced, notes, settings.csv, replaces)


def _looked_at(dataset: Dataset, folder: Folder, manifest: Manifest | None) -> Mapping[str, str | None]:
    """The stored publications that a build may carry rows over from: it takes the place of no later one."""
    seen = {dataset.name: None if manifest is None else manifest.write_id}
    for name, found in open_store(folder).read_manifests([report.name for report in dataset.reports]).items():
        if not isinstance(found, CorruptFileError):
            seen[name] = None if found is None else found.manifest.write_id
    return seen


def refresh_of(
    dataset: Dataset,
    api: ApiResource,
    folder: Folder,
    status: DatasetStatus,
    inputs: Mapping[str, StoredTable],
    *,
    is_forced: bool,
    is_whole: bool,
) -> Refresh:
    """What the builder may use; its clock starts now."""
    return Refresh(
        api.settings,
        # A spreadsheet takes a time with six digits behind the second for a text.
        api.clock.now().replace(microsecond=0),
        api.clock,
        api.get(),
        is_forced,
        dataset,
        folder,
        status.manifest,
        is_whole=is_whole,
        is_young=status.verdict.is_young,
        input_versions={name: table.data_version for name, table in inputs.items()},
    )


def _losses(build: Build, provenance: Provenance) -> list[str]:
    missing = f"{len(build.missing)} missing" if build.missing else ""
    return [words for words in (missing, provenance.lost_in_words) if words]


def _changes(build: Build, dataset: Dataset, folder: Folder, manifest: Manifest | None) -> Mapping[str, int]:
    """How many rows a build adds, changes and takes away; empty for a table in pieces, and where that is not known."""
    if isinstance(build.frame, Pieces | pl.LazyFrame):
        return {}
    try:
        before = None if manifest is None else scan(folder, dataset.schema)
    except (StorageError, CorruptFileError):
        return {}
    return count_changes(before, build.frame, dataset.schema).to_facts()


@contextmanager
def turn_at_broker(context: dg.AssetExecutionContext, dataset: Dataset, step: str) -> Iterator[bool]:
    """The turn of a step at the broker; whether it had to wait. What is only computed needs no turn."""
    if not dataset.is_fetched:
        yield False
        return

    def say(words: str) -> None:
        context.log.info("%s: %s", step, words)
        current_board().set_phase(dataset.name, Phase.WAITING, words)

    with broker_turn(context.instance, context.run.run_id, step, say) as has_waited:
        current_board().set_phase(dataset.name, Phase.RUNNING)
        yield has_waited


def _hit(
    context: dg.AssetExecutionContext,
    dataset: Dataset,
    api: ApiResource,
    io_manager: ParquetCsvIOManager,
    status: DatasetStatus,
) -> Iterator[Any] | None:
    """The events of a hit; None for a miss."""
    verdict, manifest = status.verdict, status.manifest
    context.log.info("%s: %s", dataset.name, verdict)
    if not verdict.is_hit or manifest is None:
        return None
    current_board().set_phase(dataset.name, Phase.HIT, verdict.reason)
    shown = shown_before(context, manifest)
    described = io_manager.describe_hit(manifest, dataset, now=api.clock.now(), shown=shown)
    return reuse(context, verdict, manifest, arranged({**described, **verdict_metadata(verdict)}))


def _mended_status(
    context: dg.AssetExecutionContext,
    dataset: Dataset,
    api: ApiResource,
    io_manager: ParquetCsvIOManager,
    *,
    is_forced: bool,
) -> DatasetStatus:
    """The status of the dataset, after its files were verified and what can be mended here was mended.

    The reason of a hit says which files were made again.
    """

    def status() -> DatasetStatus:
        return read_status(dataset, api.settings, now=api.clock.now(), folder=io_manager.folder, is_forced=is_forced)

    damage: str | None = None
    mended: list[str] = []
    open_store(io_manager.folder).remove_left_over()
    for schema in (dataset.schema, *dataset.reports):
        if not _is_to_be_repaired(io_manager.folder, schema.name, api.settings.csv):
            continue
        try:
            for problem in repair(io_manager.folder, schema, csv_choice=api.settings.csv):
                if problem.is_repairable:
                    context.log.warning("repaired: %s", problem)
                    mended.append(problem.path.name)
        except CorruptFileError as error:
            # The file cannot be used, and the refresh replaces it.
            damage = str(error)
            context.log.warning("replaced: %s", error)
        except StorageError as error:
            # The Parquet file is good. The check of the CSV tells what is wrong with the rest.
            context.log.warning("not repaired: %s", error)
    found = status()
    if found.verdict.is_hit and mended:
        reason = f"{found.verdict.reason}; made again without a request: {', '.join(dict.fromkeys(mended))}"
        found = replace(found, verdict=replace(found.verdict, reason=reason))
    if damage is None or is_forced:
        return found
    return replace(found, verdict=replace(found.verdict, is_hit=False, rule=Rule.DAMAGED, reason=damage))


def _is_to_be_repaired(folder: Folder, name: str, csv_choice: CsvChoice) -> bool:
    """Whether files of a table are gone, damaged, behind its rows or not as chosen, so that `repair` mends them."""
    find_damage(folder, name, most_csv_bytes=_MOST_CSV_BYTES)
    try:
        stored = with_csv_choice(read_stored(folder, name), csv_choice)
    except CorruptFileError:
        return True
    return stored.is_repairable


def _provenance(
    status: DatasetStatus,
    settings: Settings,
    build: Build,
    inputs: Mapping[str, StoredTable],
    *,
    began_at: datetime,
    run: str,
) -> Provenance:
    """What the new rows were made from and why, and which damaged files they replace."""
    dataset = status.dataset
    provenance = Provenance(
        dataset=dataset.name,
        code_version=dataset.code_version,
        fetched_at=build.fetched_at or began_at,
        inputs={**{name: table.data_version for name, table in inputs.items()}, **build.inputs},
        settings=shaping_settings(settings, dataset),
        sources=build.sources,
        missing=build.missing,
        statistics=build.statistics,
        is_simulated=settings.is_simulated or build.is_simulated or any(each.is_simulated for each in inputs.values()),
        input_files={name: table.xxh3_128 for name, table in inputs.items()},
        damaged_files=() if status.manifest is None else status.manifest.provenance.damaged_files,
        why=f"{status.verdict.rule.value}: {status.verdict.reason}",
        run=run,
        began_at=began_at,
    )
    damage = status.stored.damage.get(f"{dataset.name}.parquet")
    return provenance if damage is None else with_damaged_file(provenance, damage.seen)


def _requests(broker: Broker, before: Mapping[str, int]) -> dict[str, int]:
    """How many requests the build has made, for the manifest, and how they went; nothing where it made none."""
    made = {kind: count - before.get(kind, 0) for kind, count in broker.request_counts().items()}
    counts = {
        "requests": made.get("attempts", 0),
        "retries": made.get("retries", 0),
        "throttled": made.get("throttled", 0),
    }
    return {name: count for name, count in counts.items() if count}


def spent_by(broker: Broker, before: Mapping[str, int]) -> dict[str, Any]:
    """The requests that the build has made, and the circuit breakers after it."""
    requests = {f"api_{kind}": count - before.get(kind, 0) for kind, count in broker.request_counts().items()}
    shut = {family: state for family, state in broker.breaker_states().items() if state != "closed"}
    return {**requests, "circuit_breakers": dg.MetadataValue.json(shut) if shut else "all closed"}


def _lineage(dataset: Dataset) -> dict[str, Any]:
    lineage = column_lineage(dataset)
    return {"dagster/column_lineage": lineage} if lineage else {}
