# SPDX-License-Identifier: MIT
"""The resources that assets and checks are given: the API, the data folder, and the switch of the cache.

Cheap to import. The classes behind the resources (`broker.broker`, `io_manager`) are imported when a run first needs
them.
"""

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

import dagster as dg
from pydantic import Field, PrivateAttr

from ttapi_pipeline.core.clock import SYSTEM_CLOCK, Clock
from ttapi_pipeline.core.manifest import Manifest
from ttapi_pipeline.core.progress import current_board
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.defs.operations.held_runs import hold_run
from ttapi_pipeline.storage.layout import Folder

if TYPE_CHECKING:
    from ttapi_pipeline.broker.broker import Broker
    from ttapi_pipeline.defs.io_manager import ParquetCsvIOManager


class CacheResource(dg.ConfigurableResource["CacheResource"]):
    """The switch of the cache: `force` refreshes datasets of one run whatever the verdict is, all or `only` some."""

    force: bool = Field(default=False, description="Refresh every selected dataset, whatever its age and inputs.")
    only: list[str] = Field(default=[], description="With `force`: refresh these in any case; empty for all selected.")
    history: bool = Field(default=True, description="With `force`: fetch whole histories, and not only what is new.")

    def is_forced(self, dataset: str) -> bool:
        """Whether a dataset is refreshed whatever its verdict is."""
        return self.force and (not self.only or dataset in self.only)


class Storage(Protocol):
    """The `io_manager` resource as a check sees it: `io_manager.ParquetCsvIOManager` without its imports."""

    @property
    def folder(self) -> Folder:
        """The data folder."""
        ...

    def wait_for_csv(self, dataset: str) -> Manifest | None:
        """Wait until the CSV that this run writes for a dataset is there.

        Returns:
            The complete manifest; None when this run did not publish the dataset.

        Raises:
            StorageError: The CSV could not be written.
        """
        ...


class StorageResource(dg.ConfigurableIOManagerFactory["ParquetCsvIOManager"]):
    """Parquet and CSV files in the data folder: one IO manager per run. The run ends when its CSV files are written."""

    base_dir: str = Field(description="The data folder, a path or an fsspec URL.")
    _manager: "ParquetCsvIOManager | None" = PrivateAttr(default=None)

    def create_io_manager(self, context: dg.InitResourceContext) -> "ParquetCsvIOManager":
        from ttapi_pipeline.defs.io_manager import ParquetCsvIOManager  # noqa: PLC0415 - see `defs`

        self._manager = ParquetCsvIOManager(base_dir=self.base_dir)
        self._manager.setup_for_execution(context)
        return self._manager

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        if self._manager is not None:
            self._manager.teardown_after_execution(context)


class ApiResource:
    """The API for the length of a run, opened when a step first asks for it. A run of hits opens nothing."""

    def __init__(self, settings: Settings, *, clock: Clock = SYSTEM_CLOCK, run: str | None = None) -> None:
        self.settings = settings
        self.clock = clock
        self._run = run
        self._guard = threading.Lock()
        self._opened: Broker | None = None

    def get(self) -> "Broker":
        """The API of the run, shared by its steps."""
        from ttapi_pipeline.broker.broker import Broker  # noqa: PLC0415 - see `defs`

        with self._guard:
            if self._opened is None:
                self._opened = Broker(self.settings, clock=self.clock, run=self._run)
                current_board().follow_traffic(self._opened.traffic)
            return self._opened

    def close(self) -> None:
        """Close the API if a step has opened it."""
        with self._guard:
            opened, self._opened = self._opened, None
        if opened is not None:
            opened.close()


def api_resource(settings: Settings, *, clock: Clock = SYSTEM_CLOCK) -> dg.ResourceDefinition:
    """The `api` resource: one per run, closed when the run ends.

    It has no config, which Dagster would store and show: secrets stay in the settings.
    """

    @dg.resource(description=f"The API client, {settings.origin}")
    def api(context: dg.InitResourceContext) -> Iterator[ApiResource]:
        if context.instance is not None and context.run is not None:
            # Under an executor with a process per step, this is one of those.
            hold_run(context.instance, context.run.run_id, is_noted=False)
        resource = ApiResource(settings, clock=clock, run=None if context.run is None else context.run.run_id)
        try:
            yield resource
        finally:
            resource.close()

    return api
