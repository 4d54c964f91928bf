# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The assets, each made from the description of its dataset. What one does when it is executed: see `execution`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import dagster as dg

from ttapi_pipeline.core.clock import SYSTEM_CLOCK, Clock
from ttapi_pipeline.core.declaration import Changes
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.datasets.dataset import Dataset
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.defs.assets.metadata import table_schema
from ttapi_pipeline.defs.assets.metastock_source import metastock_source
from ttapi_pipeline.defs.assets.source_code import code_references
from ttapi_pipeline.defs.automation.conditions import when_due
from ttapi_pipeline.defs.automation.freshness import freshness_policy
from ttapi_pipeline.defs.automation.jobs import BROKER_POOL
from ttapi_pipeline.defs.operations.engines import LATE
from ttapi_pipeline.defs.parts.asset import PARTITIONED, parts_of
from ttapi_pipeline.defs.resources import CacheResource
from ttapi_pipeline.storage.layout import open_folder, parquet_uri
from ttapi_pipeline.storage.table import StoredTable

if TYPE_CHECKING:
    from ttapi_pipeline.defs.io_manager import ParquetCsvIOManager
    from ttapi_pipeline.defs.resources import ApiResource

# Dagster wants one type per name, so all inputs share this one.
_STORED = dg.AssetIn(dagster_type=dg.PythonObjectDagsterType(StoredTable))


def build_assets(settings: Settings, *, clock: Clock = SYSTEM_CLOCK) -> Sequence[dg.AssetsDefinition]:
    """Every asset, upstream first, with TTLs and automation by these settings."""
    condition = when_due(settings, clock=clock)
    datasets = [_dataset_asset(dataset, settings, condition) for dataset in DATASETS.values()]
    return [metastock_source(settings), *datasets]


def _dataset_asset(dataset: Dataset, settings: Settings, condition: dg.AutomationCondition[Any]) -> dg.AssetsDefinition:
    """The asset of a dataset. What is upstream of it is read lazily, with its data version."""

    @dg.asset(
        name=dataset.name,
        ins={name: _STORED for name in dataset.upstream if name in DATASETS},
        deps=[*(name for name in dataset.upstream if name not in DATASETS), *_parts(dataset, settings)],
        code_version=dataset.code_version,
        group_name=dataset.group,
        description=_description(dataset, settings),
        kinds={"python", "polars", "parquet"},
        owners=["team:data"],
        metadata={
            "dagster/column_schema": table_schema(dataset.schema),
            "ttl_seconds": settings.ttl(dataset).total_seconds(),
            "source": dataset.source,
            "dagster/uri": parquet_uri(open_folder(settings.data_dir), dataset.name),
            "dagster/code_references": code_references(dataset),
            # Its step stands in the queue of the pool by itself: see `operations.pools`.
            **({"pool": BROKER_POOL} if dataset.is_fetched else {}),
        },
        freshness_policy=freshness_policy(dataset, settings),
        automation_condition=condition,
        output_required=False,
        # Quotes are old again within minutes. They go last, so that they are fresh when the run ends.
        op_tags=LATE if dataset.changes is Changes.WHILE_OPEN else None,
        io_manager_key="io_manager",
    )
    def refresh(
        context: dg.AssetExecutionContext,
        cache: CacheResource,
        api: dg.ResourceParam[object],
        io_manager: dg.ResourceParam[object],
        **inputs: StoredTable,
    ) -> Any:
        from ttapi_pipeline.defs.assets.execution import execute  # noqa: PLC0415 - see `defs`

        return execute(
            context,
            dataset,
            api=cast("ApiResource", api),
            io_manager=cast("ParquetCsvIOManager", io_manager),
            inputs=inputs,
            is_forced=cache.is_forced(dataset.name),
            is_whole=cache.is_forced(dataset.name) and cache.history,
        )

    return refresh


def _parts(dataset: Dataset, settings: Settings) -> Sequence[str]:
    """The asset with the parts of a dataset, which it takes over; none where there are none."""
    return [parts_of(dataset.name)] if settings.partitions and dataset.name in PARTITIONED else []


def _description(dataset: Dataset, settings: Settings) -> str:
    simulated = "\n\n**Simulated data**: no credentials are set." if settings.is_simulated else ""
    return f"{dataset.description}\n\nSource: {dataset.source}.{simulated}"
