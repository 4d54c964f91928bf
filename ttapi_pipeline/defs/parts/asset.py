# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The partitioned assets as the web UI shows them. What fills a partition: see `computing`."""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.defs.assets.source_code import reference_to
from ttapi_pipeline.defs.automation.jobs import BROKER_POOL, RUN_TAGS
from ttapi_pipeline.defs.resources import CacheResource
from ttapi_pipeline.tables.symbol_buckets import bucket_keys

FETCHED = ("daily_candles",)
"""Datasets of which buckets are fetched ahead, one at a time: the broker answers an account at one pace, whoever
asks. What a bucket has stays when the machine of another one fails."""

MERGED = ("eod_snapshot",)
"""Datasets of which buckets are merged ahead from bars, by as many workers as there are."""

COMPUTED = ("returns_stddev", "volatility", "variance_premium", "volatility_cone")
"""Datasets of which buckets are computed ahead from the snapshot, likewise."""

PARTITIONED = (*FETCHED, *MERGED, *COMPUTED)

PARTS_GROUP = "parts"
PARTS_JOB = "parts"
CANDLE_PARTS_JOB = "candle_parts"
SNAPSHOT_PARTS_JOB = "snapshot_parts"

_STORED_BY = {
    **dict.fromkeys(FETCHED, ("ttapi_pipeline.datasets.daily_candles.ahead", "def put(")),
    **dict.fromkeys(MERGED, ("ttapi_pipeline.datasets.eod_snapshot.ahead", "def put_part(")),
    **dict.fromkeys(COMPUTED, ("ttapi_pipeline.datasets.parts", "def write_part(")),
}
"""Where a part is stored."""

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
    """The jobs of them, which `dagster job backfill` takes; none without them."""
    if not settings.partitions:
        return []
    # Not one job: each is made from the tables that the parts before it are not in yet.
    jobs = {
        CANDLE_PARTS_JOB: (FETCHED, "Fetches the bars of a bucket of symbols, for `daily_candles` to take over."),
        SNAPSHOT_PARTS_JOB: (MERGED, "Merges the files and candles of a bucket of symbols, for `eod_snapshot`."),
        PARTS_JOB: (COMPUTED, "Computes a bucket of symbols of each table that is computed from the snapshot."),
    }
    return [
        dg.define_asset_job(
            name, selection=dg.AssetSelection.assets(*map(parts_of, chosen)), description=words, tags=RUN_TAGS
        )
        for name, (chosen, words) in jobs.items()
    ]


def _asset(name: str, buckets: dg.StaticPartitionsDefinition) -> dg.AssetsDefinition:
    dataset = DATASETS[name]
    made = "fetched" if dataset.is_fetched else "computed"

    @dg.asset(
        name=parts_of(name),
        deps=list(dataset.upstream),
        partitions_def=buckets,
        backfill_policy=dg.BackfillPolicy.multi_run(max_partitions_per_run=_BUCKETS_PER_RUN),
        code_version=dataset.code_version,
        group_name=PARTS_GROUP,
        description=f"The rows of `{name}` of a bucket of symbols each, {made} ahead for `{name}`, which takes them "
        f"over. What is not here is {made} there.",
        kinds={"python", "polars", "parquet"},
        owners=["team:data"],
        metadata={
            "source": dataset.source,
            "dagster/code_references": reference_to(*_STORED_BY[name], label=f"{parts_of(name)}: storing"),
            # Its step stands in the queue of the pool by itself: see `operations.pools`.
            **({"pool": BROKER_POOL} if dataset.is_fetched else {}),
        },
    )
    def compute(
        context: dg.AssetExecutionContext,
        cache: CacheResource,
        api: dg.ResourceParam[object],
        io_manager: dg.ResourceParam[object],
    ) -> dg.MaterializeResult[None]:
        from ttapi_pipeline.defs.parts.computing import compute_parts  # noqa: PLC0415 - see `defs`
        from ttapi_pipeline.defs.parts.fetching import fetch_parts  # noqa: PLC0415 - see `defs`

        is_forced = cache.is_forced(parts_of(name))
        make = fetch_parts if dataset.is_fetched else compute_parts
        return make(context, dataset, api=api, io_manager=io_manager, is_forced=is_forced)

    return compute
