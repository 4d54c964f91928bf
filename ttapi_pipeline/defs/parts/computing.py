# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""One execution of some buckets of a dataset: each is computed from what is stored, and stored by itself."""

from typing import TYPE_CHECKING, Any, cast

import dagster as dg
import polars as pl

from ttapi_pipeline.core.errors import TTError
from ttapi_pipeline.datasets.dataset import Dataset
from ttapi_pipeline.datasets.parts import MadeFrom, has_part, planned, write_part
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.defs.failures import failures_of
from ttapi_pipeline.storage.scan import open_table
from ttapi_pipeline.tables.symbol_buckets import in_buckets

if TYPE_CHECKING:
    from ttapi_pipeline.defs.io_manager import ParquetCsvIOManager
    from ttapi_pipeline.defs.resources import ApiResource


def compute_parts(
    context: dg.AssetExecutionContext, dataset: Dataset, *, api: object, io_manager: object, is_forced: bool
) -> dg.MaterializeResult[None]:
    """Compute the buckets of a run that are not there yet, one after the other.

    Args:
        context: Of the step, with the buckets.
        dataset: Whose rows.
        api: Settings and clock.
        io_manager: Where the tables are stored.
        is_forced: Whether to compute also what is there.

    Raises:
        dagster.Failure: Buckets could not be computed, each named with its reason. The others are stored and recorded.
    """
    settings, clock = cast("ApiResource", api).settings, cast("ApiResource", api).clock
    folder = cast("ParquetCsvIOManager", io_manager).folder
    with failures_of(dataset):
        tables = {name: open_table(folder, DATASETS[name].schema) for name in dataset.upstream if name in DATASETS}
        frames = {name: table.frame for name, table in tables.items()}
        table = planned(dataset, settings, frames, now=clock.now())
        versions = {name: each.data_version for name, each in tables.items()}
        made_from = MadeFrom.of(dataset, settings, versions, as_of=table.as_of)
        buckets = in_buckets(table.symbols(), settings.partitions)
    counts, failed, done = dict[str, int](), dict[str, str](), list[str]()
    for key in context.partition_keys:
        if not is_forced and has_part(folder, dataset, key, made_from):
            context.log.info("%s: bucket %s is there already", dataset.name, key)
            done.append(key)
            continue
        try:
            rows = table.rows(buckets[key])
            write_part(folder, dataset, key, made_from, rows)
        except (TTError, pl.exceptions.PolarsError) as error:
            failed[key] = str(error)
            continue
        done.append(key)
        counts[key] = rows.height
    facts: dict[str, Any] = {
        "as_of_session": table.as_of.isoformat(),
        "buckets_computed": len(counts),
        "rows_computed": sum(counts.values()),
        "inputs": dg.MetadataValue.json(versions),
    }
    if failed:
        for key in done:
            context.log_event(dg.AssetMaterialization(context.asset_key, partition=key, metadata=facts))
        words = "; ".join(f"bucket {key}: {reason}" for key, reason in failed.items())
        raise dg.Failure(f"{dataset.name}: {words}", metadata={"error": "DataError", **facts}, allow_retries=False)
    return dg.MaterializeResult(metadata=facts)
