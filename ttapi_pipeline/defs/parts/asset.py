# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The partitioned assets as the web UI shows them. What fills a partition: see `computing`."""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.defs.assets.source_code import reference_to
from ttapi_pipeline.defs.automation.jobs import RUN_TAGS
from ttapi_pipeline.defs.resources import CacheResource
from ttapi_pipeline.tables.symbol_buckets import bucket_keys

PARTITIONED = ("returns_stddev", "volatility", "variance_premium", "volatility_cone")
"""Datasets of which buckets are computed ahead. What is fetched is not among them: the broker answers an account at one
pace, whatever number of workers asks."""

PARTS_GROUP = "parts"
PARTS_JOB = "parts"

_BUCKETS_PER_RUN = 4
"""Of a back-fill. A run costs 3 to 5 s of imports, so that one per bucket can cost more than what is computed. A single
run of all buckets is what the table does by itself."""


def parts_of(dataset: str) -> str:
    """The name of the asset with the parts of a dataset."""
    return f"{dataset}_parts"


def parts_assets(settings: Settings) -> Sequence[dg.AssetsDefinition]:
    """The assets, a partition per bucket; none where TT_PARTITIONS wants none."""
    if not settings.partitions:
        return []
    buckets = dg.StaticPartitionsDefinition(bucket_keys(settings.partitions))
    return [_asset(name, buckets) for name in PARTITIONED]


def parts_jobs(settings: Settings) -> Sequence[Any]:
    """The job of all of them, which `dagster job backfill` takes; none without them."""
    if not settings.partitions:
        return []
    job = dg.define_asset_job(
        PARTS_JOB,
        selection=dg.AssetSelection.assets(*map(parts_of, PARTITIONED)),
        description="Computes a bucket of symbols of every partitioned dataset; fetches nothing.",
        tags=RUN_TAGS,
    )
    return [job]


def _asset(name: str, buckets: dg.StaticPartitionsDefinition) -> dg.AssetsDefinition:
    dataset = DATASETS[name]

    @dg.asset(
        name=parts_of(name),
        deps=[each for each in dataset.upstream if each in DATASETS],
        partitions_def=buckets,
        backfill_policy=dg.BackfillPolicy.multi_run(max_partitions_per_run=_BUCKETS_PER_RUN),
        code_version=dataset.code_version,
        group_name=PARTS_GROUP,
        description=f"The rows of `{name}` of a bucket of symbols each, computed ahead for `{name}`, which takes them "
        "over. A bucket that is not here is computed there.",
        kinds={"python", "polars", "parquet"},
        owners=["team:data"],
        metadata={
            "source": dataset.source,
            "dagster/code_references": reference_to(
                "ttapi_pipeline.datasets.parts", "def write_part(", label=f"{parts_of(name)}: storing"
            ),
        },
    )
    def compute(
        context: dg.AssetExecutionContext,
        cache: CacheResource,
        api: dg.ResourceParam[object],
        io_manager: dg.ResourceParam[object],
    ) -> dg.MaterializeResult[None]:
        from ttapi_pipeline.defs.parts.computing import compute_parts  # noqa: PLC0415 - see `defs`

        is_forced = cache.is_forced(parts_of(name))
        return compute_parts(context, dataset, api=api, io_manager=io_manager, is_forced=is_forced)

    return compute
