# SPDX-License-Identifier: MIT
"""A miss: the dataset's step is run, and what it made goes to the IO manager with what it was made from."""

import inspect
import time
from collections.abc import Iterable, Mapping

import dagster as dg
import polars as pl

from ttapi_pipeline.broker.broker import Broker
from ttapi_pipeline.core.declaration import Declaration
from ttapi_pipeline.core.manifest import Manifest, Provenance
from ttapi_pipeline.core.verdict import Verdict
from ttapi_pipeline.datasets.refresh import Refresh
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.datasets.status import shaping_settings
from ttapi_pipeline.defs.assets.interrupts import run_async
from ttapi_pipeline.defs.assets.lineage import column_lineage
from ttapi_pipeline.defs.assets.metadata import verdict_metadata
from ttapi_pipeline.defs.assets.reuse import note_input
from ttapi_pipeline.defs.assets.steps import STEPS
from ttapi_pipeline.defs.io_manager import ParquetCsvIOManager, Publication
from ttapi_pipeline.storage.layout import Folder, read_manifest


def build_publication(
    context: dg.AssetExecutionContext,
    declaration: Declaration,
    *,
    verdict: Verdict,
    manifest: Manifest | None,
    api: Broker,
    io_manager: ParquetCsvIOManager,
    frames: Mapping[str, pl.LazyFrame],
) -> Publication:
    """Run the step of a dataset.

    Args:
        context: Gets the metadata of the refresh: why, how many requests, which breakers.
        declaration: Of the dataset.
        verdict: Why it is refreshed.
        manifest: What is stored of it now.
        api: For the step.
        io_manager: Knows which versions of the inputs this run has loaded.
        frames: The inputs, by dataset.

    Raises:
        TTError: It could not be collected or computed.
    """
    settings, before = api.settings, api.request_counts()
    started, now = time.perf_counter(), api.clock.now()
    refresh = Refresh(settings, now, api.clock, api, declaration, io_manager.folder, manifest)
    result = STEPS[declaration.name](refresh, **frames)
    build = run_async(result) if inspect.isawaitable(result) else result
    for name, version in build.inputs.items():
        note_input(context, name, version)
    spent = {f"api_{kind}": count - before.get(kind, 0) for kind, count in api.request_counts().items()}
    lineage = column_lineage(DATASETS[declaration.name])
    context.add_output_metadata(
        {
            **verdict_metadata(verdict),
            **spent,
            "circuit_breakers": dg.MetadataValue.json(dict(api.breaker_states())),
            **({"dagster/column_lineage": lineage} if lineage else {}),
        }
    )
    loaded = {name: io_manager.loaded_version(name) or "unknown" for name in frames}
    provenance = Provenance(
        dataset=declaration.name,
        code_version=declaration.code_version,
        fetched_at=now,
        inputs={**loaded, **build.inputs},
        settings=shaping_settings(settings, declaration),
        sources=build.sources,
        missing=build.missing,
        statistics=build.statistics,
        is_simulated=settings.is_simulated or build.is_simulated or _has_simulated_input(io_manager.folder, frames),
        fetch_seconds=time.perf_counter() - started,
    )
    return Publication(
        build.frame,
        provenance,
        build.reports,
        build.charts,
        is_sorted=build.is_sorted,
        after_publication=build.after_publication,
    )


def _has_simulated_input(folder: Folder, names: Iterable[str]) -> bool:
    manifests = (read_manifest(folder, name) for name in names)
    return any(manifest is not None and manifest.provenance.is_simulated for manifest in manifests)
