# SPDX-License-Identifier: MIT
"""The execution of a dataset's asset: the verdict comes first, and a hit ends there; a miss is `building`'s."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import dagster as dg
import polars as pl

from ttapi_pipeline.core.declaration import Declaration
from ttapi_pipeline.core.errors import CorruptFileError, StorageError, TTError
from ttapi_pipeline.core.manifest import Manifest
from ttapi_pipeline.core.progress import Phase, current_board
from ttapi_pipeline.core.verdict import Rule, Verdict
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.datasets.status import DatasetStatus, refuse_to_overwrite, survey
from ttapi_pipeline.defs.assets.failures import failure, fetch_failure
from ttapi_pipeline.defs.assets.metadata import verdict_metadata
from ttapi_pipeline.defs.assets.reuse import reuse
from ttapi_pipeline.defs.io_manager import ParquetCsvIOManager, Publication
from ttapi_pipeline.defs.resources import ApiResource
from ttapi_pipeline.storage.repair import repair


def execute(
    context: dg.AssetExecutionContext,
    declaration: Declaration,
    *,
    api: ApiResource,
    io_manager: ParquetCsvIOManager,
    frames: Mapping[str, pl.LazyFrame],
    is_forced: bool,
) -> Any:
    """The events of a hit, or the publication of a miss.

    Raises:
        dagster.Failure: The dataset could not be refreshed; what is stored is as it was.
    """
    return _Execution(context, declaration, api, io_manager, is_forced).run(frames)


@dataclass(frozen=True, slots=True)
class _Execution:
    """One execution of a dataset's asset."""

    context: dg.AssetExecutionContext
    declaration: Declaration
    api: ApiResource
    io_manager: ParquetCsvIOManager
    is_forced: bool

    def run(self, frames: Mapping[str, pl.LazyFrame]) -> Any:
        """The events of a hit, or the publication of a miss."""
        name, board = self.declaration.name, current_board()
        board.set_phase(name, Phase.RUNNING)
        try:
            status = self._status()
            verdict, manifest = status.verdict, status.manifest
            self.context.log.info("%s: %s", name, verdict)
            if verdict.is_hit and manifest is not None:
                board.set_phase(name, Phase.HIT, verdict.reason)
                described = self.io_manager.describe(manifest, DATASETS[name].schema, now=self.api.clock.now())
                return reuse(self.context, verdict, manifest, {**described, **verdict_metadata(verdict)})
            publication = self._refresh(verdict, manifest, frames)
        except TTError as error:
            board.set_phase(name, Phase.FAILED, str(error))
            if self.declaration.is_fetched:
                raise fetch_failure(name, error, retry_number=self.context.retry_number) from error
            raise failure(name, error) from error
        missing = len(publication.provenance.missing)
        board.set_phase(name, Phase.REFRESHED, f"{verdict.reason}; {missing} missing" if missing else verdict.reason)
        return publication

    def _refresh(self, verdict: Verdict, manifest: Manifest | None, frames: Mapping[str, pl.LazyFrame]) -> Publication:
        from ttapi_pipeline.defs.assets.building import build_publication  # noqa: PLC0415 - a miss's, see `defs`

        return build_publication(
            self.context,
            self.declaration,
            verdict=verdict,
            manifest=manifest,
            api=self.api.get(),
            io_manager=self.io_manager,
            frames=frames,
        )

    def _status(self) -> DatasetStatus:
        """The status of the dataset, after what a crash left behind has been mended."""
        status = self._survey()
        if not status.stored.is_lagging or status.stored.lost_files:
            return status
        try:
            for problem in repair(self.io_manager.folder, DATASETS[self.declaration.name].schema):
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
