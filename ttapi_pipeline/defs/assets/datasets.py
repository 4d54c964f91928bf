# SPDX-License-Identifier: MIT
"""The assets, each made from its declaration; what one does when it is executed is `cached`'s and `steps`'."""

import inspect
from collections.abc import Sequence
from typing import Any

import dagster as dg
import polars as pl

from ttapi_pipeline.core.clock import SYSTEM_CLOCK, Clock
from ttapi_pipeline.core.declaration import Changes, Declaration
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.datasets.dataset import METASTOCK_FILES
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.datasets.status import metastock_version
from ttapi_pipeline.defs.assets.metadata import table_schema
from ttapi_pipeline.defs.automation.conditions import when_due
from ttapi_pipeline.defs.automation.freshness import freshness_policy
from ttapi_pipeline.defs.automation.jobs import BROKER_POOL
from ttapi_pipeline.defs.resources import CacheResource


def build_assets(settings: Settings, *, clock: Clock = SYSTEM_CLOCK) -> Sequence[dg.AssetsDefinition | dg.SourceAsset]:
    """Every asset, upstream first, with TTLs and automation by these settings."""
    condition = when_due(settings, clock=clock)
    datasets = [_dataset_asset(declaration, settings, condition) for declaration in DATASETS.values()]
    return [_metastock_source(settings), *datasets]


def _dataset_asset(
    declaration: Declaration, settings: Settings, condition: dg.AutomationCondition[Any]
) -> dg.AssetsDefinition:
    """The asset of a declared dataset; the upstream datasets are its inputs, which it reads lazily."""
    name = declaration.name
    return dg.asset(
        name=name,
        deps=[upstream for upstream in declaration.upstream if upstream not in DATASETS],
        code_version=declaration.code_version,
        group_name=declaration.group,
        description=_description(declaration, settings),
        kinds={"python", "polars", "parquet"},
        owners=["team:data"],
        metadata={
            "dagster/column_schema": table_schema(DATASETS[name].schema),
            "ttl_seconds": settings.ttls[name].total_seconds(),
            "source": declaration.source,
        },
        freshness_policy=freshness_policy(declaration, settings),
        automation_condition=condition,
        output_required=False,
        # What is old again within minutes goes last, so that it is fresh when the run ends.
        op_tags={"dagster/priority": "-5"} if declaration.changes is Changes.WHILE_OPEN else None,
        pool=BROKER_POOL if declaration.is_fetched else None,
        io_manager_key="io_manager",
    )(_body(declaration))


def _body(declaration: Declaration) -> Any:
    """The function that Dagster calls, with the signature that it reads resources and inputs from."""

    def body(
        context: dg.AssetExecutionContext, cache: CacheResource, api: Any, io_manager: Any, **frames: pl.LazyFrame
    ) -> Any:
        from ttapi_pipeline.defs.assets.cached import execute  # noqa: PLC0415 - a run's, see `defs`

        return execute(context, declaration, api=api, io_manager=io_manager, frames=frames, is_forced=cache.force)

    parameters = {
        "context": dg.AssetExecutionContext,
        "cache": CacheResource,
        "api": dg.ResourceParam[object],
        "io_manager": dg.ResourceParam[object],
        **{upstream: pl.LazyFrame for upstream in declaration.upstream if upstream in DATASETS},
    }
    body.__name__ = declaration.name
    body.__annotations__ = {**parameters, "return": Any}
    body.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=annotation)
            for name, annotation in parameters.items()
        ],
        return_annotation=Any,
    )
    return body


def _description(declaration: Declaration, settings: Settings) -> str:
    simulated = "\n\n**Simulated data**: no credentials are set." if settings.is_simulated else ""
    return f"{declaration.description}\n\nSource: {declaration.source}.{simulated}"


def _metastock_source(settings: Settings) -> dg.SourceAsset:
    """The folder as an observable source: its fingerprint is its data version."""

    @dg.observable_source_asset(
        name=METASTOCK_FILES,
        group_name="files",
        description="The MetaStock folder; its data version is the fingerprint of its files' names, sizes and times.",
    )
    def metastock_files() -> dg.DataVersion:
        return dg.DataVersion(metastock_version(settings))

    return metastock_files
