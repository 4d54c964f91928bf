# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""One execution of some buckets of a dataset: each is computed from what is stored, and stored by itself."""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, Protocol, cast

import dagster as dg
import polars as pl

from ttapi_pipeline.core.errors import TTError
from ttapi_pipeline.datasets.dataset import Dataset
from ttapi_pipeline.datasets.eod_snapshot.bucket import SnapshotBuckets
from ttapi_pipeline.datasets.eod_snapshot.table import EOD_SNAPSHOT
from ttapi_pipeline.datasets.parts import ComputedBuckets
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.defs.failures import failures_of
from ttapi_pipeline.storage.layout import Folder
from ttapi_pipeline.storage.scan import open_table

if TYPE_CHECKING:
    from ttapi_pipeline.defs.io_manager import ParquetCsvIOManager
    from ttapi_pipeline.defs.resources import ApiResource
    from ttapi_pipeline.storage.table import StoredTable


class Buckets(Protocol):
    """The buckets of a dataset, as they are to be made from what is stored."""

    @property
    def facts(self) -> Mapping[str, str]:
        """What they are made from, for the web UI."""
        ...

    def has(self, bucket: str) -> bool:
        """Whether a bucket is there, made from what is stored now."""
        ...

    def make(self, bucket: str) -> int:
        """Compute and store a bucket; the number of its rows."""
        ...


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
    with failures_of(dataset):
        folder = cast("ParquetCsvIOManager", io_manager).folder
        tables = {name: open_table(folder, DATASETS[name].schema) for name in dataset.upstream if name in DATASETS}
        buckets = _buckets(dataset, folder, cast("ApiResource", api), tables, context.partition_keys)
    counts, failed, done = dict[str, int](), dict[str, str](), list[str]()
    for key in context.partition_keys:
        try:
            if not is_forced and buckets.has(key):
                context.log.info("%s: bucket %s is there already", dataset.name, key)
            else:
                counts[key] = buckets.make(key)
        except (TTError, pl.exceptions.PolarsError) as error:
            failed[key] = str(error)
            continue
        done.append(key)
    facts: dict[str, Any] = {
        **buckets.facts,
        "buckets_computed": len(counts),
        "rows_computed": sum(counts.values()),
        "inputs": dg.MetadataValue.json({name: table.data_version for name, table in tables.items()}),
    }
    if failed:
        for key in done:
            context.log_event(dg.AssetMaterialization(context.asset_key, partition=key, metadata=facts))
        words = "; ".join(f"bucket {key}: {reason}" for key, reason in failed.items())
        raise dg.Failure(f"{dataset.name}: {words}", metadata={"error": "DataError", **facts}, allow_retries=False)
    return dg.MaterializeResult(metadata=facts)


def _buckets(
    dataset: Dataset, folder: Folder, api: "ApiResource", tables: "Mapping[str, StoredTable]", keys: Collection[str]
) -> Buckets:
    settings, now = api.settings, api.clock.now()
    frames = {name: table.frame for name, table in tables.items()}
    if dataset.name == EOD_SNAPSHOT.name:
        return SnapshotBuckets.of(folder, settings, frames, keys, now=now)
    versions = {name: table.data_version for name, table in tables.items()}
    return ComputedBuckets.of(folder, dataset, settings, frames, versions, now=now)
