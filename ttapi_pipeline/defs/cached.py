# SPDX-License-Identifier: MIT
"""From a dataset function to a Dagster asset: the verdict comes first, the function runs on a miss alone."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import dagster as dg
import polars as pl

from ttapi_pipeline.client import TastytradeClient
from ttapi_pipeline.core.clock import Clock
from ttapi_pipeline.core.collection import ProgressCallback
from ttapi_pipeline.core.declaration import Changes, Declaration
from ttapi_pipeline.core.errors import CorruptFileError, StorageError, TTError
from ttapi_pipeline.core.manifest import Manifest, Provenance
from ttapi_pipeline.core.progress import Phase, current_board
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.core.store import Folder, read_manifest
from ttapi_pipeline.core.verdict import Rule
from ttapi_pipeline.datasets.build import Build
from ttapi_pipeline.datasets.declarations import DATASETS
from ttapi_pipeline.datasets.survey import (
    DatasetStatus,
    refuse_to_overwrite,
    shaping_settings,
    survey,
)
from ttapi_pipeline.defs.failures import failure
from ttapi_pipeline.defs.freshness import freshness_policy
from ttapi_pipeline.defs.io_manager import ParquetCsvIOManager, Publication
from ttapi_pipeline.defs.jobs import BROKER_POOL, FETCH_RETRY
from ttapi_pipeline.defs.lineage import column_lineage
from ttapi_pipeline.defs.metadata import table_schema, verdict_metadata
from ttapi_pipeline.defs.resources import Api, CacheResource
from ttapi_pipeline.defs.reuse import note_input, reuse
from ttapi_pipeline.frames.repair import repair
from ttapi_pipeline.frames.schemas import SCHEMAS
from ttapi_pipeline.frames.store import scan


@dataclass(frozen=True, slots=True)
class Refresh:
    """What a dataset function may use besides its inputs.

    Attributes:
        settings: The checked settings.
        now: When the refresh began; the dataset's age counts from here.
        clock: For deadlines.
        api: What opens clients and links.
    """

    settings: Settings
    now: datetime
    clock: Clock
    api: Api
    _declaration: Declaration
    _folder: Folder
    _manifest: Manifest | None

    def connect(self) -> AbstractAsyncContextManager[TastytradeClient]:
        """A REST client."""
        return self.api.connect()

    def previous(self) -> pl.LazyFrame | None:
        """The stored rows, when they were made by the same code from the same settings; None otherwise."""
        manifest, declaration = self._manifest, self._declaration
        if (
            manifest is None
            or manifest.provenance.code_version != declaration.code_version
            or dict(manifest.provenance.settings) != dict(shaping_settings(self.settings, declaration))
        ):
            return None
        try:
            return scan(self._folder, SCHEMAS[declaration.name])
        except (CorruptFileError, StorageError):
            # What cannot be read cannot be carried over; the refresh replaces it.
            return None

    def progress(self, step: str) -> ProgressCallback:
        """A callback that shows how far a step has come."""
        board, name = current_board(), self._declaration.name

        def report(done: int, total: int) -> None:
            board.count(name, step, done, total)

        return report


DatasetFunction = Callable[..., Build | Awaitable[Build]]


def dataset_asset(
    name: str,
    *,
    settings: Settings,
    automation_condition: dg.AutomationCondition[Any] | None = None,
    is_fetched: bool = True,
) -> Callable[[DatasetFunction], dg.AssetsDefinition]:
    """Make the asset of a declared dataset from a function ``(refresh, **upstream LazyFrames) -> Build``.

    Args:
        name: Of the declaration.
        settings: Its TTL becomes the freshness policy.
        automation_condition: When the daemon refreshes it.
        is_fetched: Whether it comes from the broker, whose API one step at a time may use.
    """
    declaration = DATASETS[name]

    def decorate(function: DatasetFunction) -> dg.AssetsDefinition:
        inputs = [parameter for parameter in inspect.signature(function).parameters if parameter != "refresh"]

        def body(
            context: dg.AssetExecutionContext,
            cache: CacheResource,
            api: Api,
            io_manager: ParquetCsvIOManager,
            **frames: pl.LazyFrame,
        ) -> Any:
            return _Step(context, declaration, api, io_manager, cache.force).run(function, frames)

        body.__name__ = name
        body.__doc__ = function.__doc__
        parameters = {
            "context": dg.AssetExecutionContext,
            "cache": CacheResource,
            "api": dg.ResourceParam[Api],
            "io_manager": dg.ResourceParam[ParquetCsvIOManager],
            **dict.fromkeys(inputs, pl.LazyFrame),
        }
        body.__annotations__ = {**parameters, "return": Any}
        body.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [
                inspect.Parameter(each, inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=annotation)
                for each, annotation in parameters.items()
            ],
            return_annotation=Any,
        )
        return dg.asset(
            name=name,
            deps=[upstream for upstream in declaration.upstream if upstream not in inputs],
            code_version=declaration.code_version,
            group_name=declaration.group,
            description=_description(declaration, settings),
            kinds={"python", "polars", "parquet"},
            owners=["team:data"],
            metadata={
                "dagster/column_schema": table_schema(SCHEMAS[name]),
                "ttl_seconds": settings.ttls[name].total_seconds(),
                "source": declaration.source,
            },
            freshness_policy=freshness_policy(declaration, settings),
            automation_condition=automation_condition,
            output_required=False,
            # What is old again within minutes goes last, so that it is fresh when the run ends.
            op_tags={"dagster/priority": "-5"} if declaration.changes is Changes.WHILE_OPEN else None,
            pool=BROKER_POOL if is_fetched else None,
            retry_policy=FETCH_RETRY if is_fetched else None,
            io_manager_key="io_manager",
        )(body)

    return decorate


def _description(declaration: Declaration, settings: Settings) -> str:
    simulated = "\n\n**Simulated data**: no credentials are set." if settings.is_simulated else ""
    return f"{declaration.description}\n\nSource: {declaration.source}.{simulated}"


@dataclass(frozen=True, slots=True)
class _Step:
    """One execution of a dataset's asset."""

    context: dg.AssetExecutionContext
    declaration: Declaration
    api: Api
    io_manager: ParquetCsvIOManager
    is_forced: bool

    def run(self, function: DatasetFunction, frames: Mapping[str, pl.LazyFrame]) -> Any:
        """The events of a hit, or the publication of a miss."""
        name, board = self.declaration.name, current_board()
        board.set_phase(name, Phase.RUNNING)
        try:
            status = self._status()
            verdict, manifest = status.verdict, status.manifest
            self.context.log.info("%s: %s", name, verdict)
            if verdict.is_hit and manifest is not None:
                board.set_phase(name, Phase.HIT, verdict.reason)
                described = self.io_manager.describe(manifest, SCHEMAS[name], now=self.api.clock.now())
                return reuse(self.context, verdict, manifest, {**described, **verdict_metadata(verdict)})
            before = self.api.request_counts()
            publication = self._build(manifest, function, frames)
        except TTError as error:
            board.set_phase(name, Phase.FAILED, str(error))
            raise failure(name, error) from error
        spent = {f"api_{kind}": count - before.get(kind, 0) for kind, count in self.api.request_counts().items()}
        lineage = column_lineage(name)
        self.context.add_output_metadata(
            {
                **verdict_metadata(verdict),
                **spent,
                "circuit_breakers": dg.MetadataValue.json(dict(self.api.breaker_states())),
                **({"dagster/column_lineage": lineage} if lineage else {}),
            }
        )
        missing = len(publication.provenance.missing)
        board.set_phase(name, Phase.REFRESHED, f"{verdict.reason}; {missing} missing" if missing else verdict.reason)
        return publication

    def _status(self) -> DatasetStatus:
        """The status of the dataset, after what a crash left behind has been mended."""
        status = self._survey()
        if not status.stored.is_lagging or status.stored.lost_files:
            return status
        try:
            for problem in repair(self.io_manager.folder, SCHEMAS[self.declaration.name]):
                self.context.log.warning("repaired: %s", problem)
        except CorruptFileError as error:
            # What cannot be read cannot be used; the refresh replaces it.
            return replace(
                status, verdict=replace(status.verdict, is_hit=False, rule=Rule.FILE_LOST, reason=str(error))
            )
        except StorageError as error:
            # The Parquet file is good; the check of the CSV says what is not.
            self.context.log.warning("not repaired: %s", error)
        return self._survey()

    def _survey(self) -> DatasetStatus:
        forced = {self.declaration.name} if self.is_forced else ()
        settings = self.api.settings
        statuses = survey(settings, now=self.api.clock.now(), forced=forced, folder=self.io_manager.folder)
        refuse_to_overwrite(settings, statuses)
        return statuses[self.declaration.name]

    def _build(
        self, manifest: Manifest | None, function: DatasetFunction, frames: Mapping[str, pl.LazyFrame]
    ) -> Publication:
        declaration, settings = self.declaration, self.api.settings
        started, now = time.perf_counter(), self.api.clock.now()
        refresh = Refresh(settings, now, self.api.clock, self.api, declaration, self.io_manager.folder, manifest)
        result = function(refresh, **frames)
        build = asyncio.run(_awaited(result)) if inspect.isawaitable(result) else result
        loaded = {name: self.io_manager.loaded_version(name) or "unknown" for name in frames}
        for name, version in build.inputs.items():
            note_input(self.context, name, version)
        provenance = Provenance(
            dataset=declaration.name,
            code_version=declaration.code_version,
            fetched_at=now,
            inputs={**loaded, **build.inputs},
            settings=shaping_settings(settings, declaration),
            sources=build.sources,
            missing=build.missing,
            statistics=build.statistics,
            is_simulated=settings.is_simulated or build.is_simulated or self._has_simulated_input(frames),
            fetch_seconds=time.perf_counter() - started,
        )
        return Publication(
            build.frame,
            provenance,
            build.rejects,
            build.charts,
            is_sorted=build.is_sorted,
            after_publication=build.after_publication,
        )

    def _has_simulated_input(self, names: Iterable[str]) -> bool:
        manifests = (read_manifest(self.io_manager.folder, name) for name in names)
        return any(manifest is not None and manifest.provenance.is_simulated for manifest in manifests)


async def _awaited(result: Awaitable[Build]) -> Build:
    return await result
