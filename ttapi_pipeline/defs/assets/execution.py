# SPDX-License-Identifier: MIT
"""One execution of a dataset's asset: decide, then reuse what is stored or build it anew.

A hit ends with events that let the steps below run. A miss ends with a `Publication`, which Dagster hands to the IO
manager to be stored.
"""

import inspect
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import dagster as dg

from ttapi_pipeline.broker.broker import Broker
from ttapi_pipeline.core.errors import CorruptFileError, StorageError
from ttapi_pipeline.core.manifest import Provenance
from ttapi_pipeline.core.progress import Phase, current_board
from ttapi_pipeline.core.verdict import Rule
from ttapi_pipeline.datasets.dataset import Dataset
from ttapi_pipeline.datasets.refresh import Refresh
from ttapi_pipeline.datasets.status import DatasetStatus, read_status, refuse_to_overwrite, shaping_settings
from ttapi_pipeline.defs.assets.interrupts import run_async
from ttapi_pipeline.defs.assets.lineage import column_lineage
from ttapi_pipeline.defs.assets.metadata import verdict_metadata
from ttapi_pipeline.defs.assets.reuse import note_input, reuse
from ttapi_pipeline.defs.failures import failures_of
from ttapi_pipeline.defs.io_manager import ParquetCsvIOManager, Publication
from ttapi_pipeline.defs.resources import ApiResource
from ttapi_pipeline.storage.repair import repair
from ttapi_pipeline.storage.table import StoredTable


def execute(
    context: dg.AssetExecutionContext,
    dataset: Dataset,
    *,
    api: ApiResource,
    io_manager: ParquetCsvIOManager,
    inputs: Mapping[str, StoredTable],
    is_forced: bool,
) -> Any:
    """Reuse the stored rows of a dataset, or build new ones.

    Args:
        context: Of the step.
        dataset: What is executed.
        api: Settings, clock and, for a miss, the broker.
        io_manager: Where the dataset is stored.
        inputs: The upstream datasets as they were read for this step.
        is_forced: Whether to build in any case.

    Returns:
        The events of a hit, or the publication of a miss.

    Raises:
        dagster.Failure: The dataset could not be refreshed; what is stored is as it was.
        dagster.RetryRequested: The same, and the error may have passed in a moment.
    """
    name, board = dataset.name, current_board()
    board.set_phase(name, Phase.RUNNING)
    with failures_of(dataset, attempt=context.retry_number):
        status = _mended_status(context, dataset, api, io_manager, is_forced=is_forced)
        verdict = status.verdict
        context.log.info("%s: %s", name, verdict)
        if verdict.is_hit and status.manifest is not None:
            board.set_phase(name, Phase.HIT, verdict.reason)
            described = io_manager.describe(status.manifest, dataset.schema, now=api.clock.now())
            return reuse(context, verdict, status.manifest, {**described, **verdict_metadata(verdict)})
        refuse_to_overwrite(api.settings, io_manager.folder)
        publication = _build(context, status, api.get(), io_manager, inputs)
    missing = len(publication.build.missing)
    notes = [verdict.reason, f"{missing} missing" if missing else "", publication.provenance.lost_in_words]
    board.set_phase(name, Phase.REFRESHED, "; ".join(filter(None, notes)))
    return publication


def _mended_status(
    context: dg.AssetExecutionContext,
    dataset: Dataset,
    api: ApiResource,
    io_manager: ParquetCsvIOManager,
    *,
    is_forced: bool,
) -> DatasetStatus:
    """The status of the dataset, after what a crash left behind has been mended."""

    def status() -> DatasetStatus:
        return read_status(dataset, api.settings, now=api.clock.now(), folder=io_manager.folder, is_forced=is_forced)

    found = status()
    if not found.stored.is_lagging or found.stored.lost_files:
        return found
    try:
        for problem in repair(io_manager.folder, dataset.schema):
            context.log.warning("repaired: %s", problem)
    except CorruptFileError as error:
        # The file cannot be used, and the refresh replaces it.
        return replace(found, verdict=replace(found.verdict, is_hit=False, rule=Rule.FILE_LOST, reason=str(error)))
    except StorageError as error:
        # The Parquet file is good. The check of the CSV tells what is wrong with the rest.
        context.log.warning("not repaired: %s", error)
    return status()


def _build(
    context: dg.AssetExecutionContext,
    status: DatasetStatus,
    broker: Broker,
    io_manager: ParquetCsvIOManager,
    inputs: Mapping[str, StoredTable],
) -> Publication:
    """Collect or compute the dataset's new rows, and note what they were made from."""
    dataset = status.dataset
    settings, before = broker.settings, broker.request_counts()
    started, now = time.perf_counter(), broker.clock.now()
    refresh = Refresh(settings, now, broker.clock, broker, dataset, io_manager.folder, status.manifest)
    result = dataset.builder()(refresh, **{name: table.frame for name, table in inputs.items()})
    build = run_async(result) if inspect.isawaitable(result) else result
    for name, version in build.inputs.items():
        note_input(context, name, version)
    spent = {f"api_{kind}": count - before.get(kind, 0) for kind, count in broker.request_counts().items()}
    lineage = column_lineage(dataset)
    context.add_output_metadata(
        {
            **verdict_metadata(status.verdict),
            **spent,
            "circuit_breakers": dg.MetadataValue.json(dict(broker.breaker_states())),
            **({"dagster/column_lineage": lineage} if lineage else {}),
        }
    )
    provenance = Provenance(
        dataset=dataset.name,
        code_version=dataset.code_version,
        fetched_at=now,
        inputs={**{name: table.data_version for name, table in inputs.items()}, **build.inputs},
        settings=shaping_settings(settings, dataset),
        sources=build.sources,
        missing=build.missing,
        statistics=build.statistics,
        is_simulated=settings.is_simulated or build.is_simulated or any(each.is_simulated for each in inputs.values()),
        fetch_seconds=time.perf_counter() - started,
    )
    return Publication(build, provenance)
