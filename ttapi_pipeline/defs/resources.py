# SPDX-License-Identifier: MIT
"""Resources: the API of the settings' environment, the storage, and the cache's switch."""

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import Field, PrivateAttr

from ttapi_pipeline.core.clock import SYSTEM_CLOCK, Clock
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.defs.operations.pools import free_orphaned_slots

if TYPE_CHECKING:
    from ttapi_pipeline.broker.api import Api
    from ttapi_pipeline.defs.io_manager import ParquetCsvIOManager


class CacheResource(dg.ConfigurableResource["CacheResource"]):
    """The cache's only switch: `force` refreshes whatever the verdict is, for one run."""

    force: bool = Field(default=False, description="Refresh every selected dataset, whatever its age and inputs.")


class StorageResource(dg.ConfigurableIOManagerFactory["ParquetCsvIOManager"]):
    """Parquet and CSV files in the data folder: one IO manager per run, whose end waits for the CSV files."""

    base_dir: str = Field(description="The data folder, a path or an fsspec URL.")
    _manager: "ParquetCsvIOManager | None" = PrivateAttr(default=None)

    def create_io_manager(self, context: dg.InitResourceContext) -> "ParquetCsvIOManager":
        from ttapi_pipeline.defs.io_manager import ParquetCsvIOManager  # noqa: PLC0415 - a run's, see `defs`

        self._manager = ParquetCsvIOManager(base_dir=self.base_dir)
        self._manager.setup_for_execution(context)
        return self._manager

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        if self._manager is not None:
            self._manager.teardown_after_execution(context)


class ApiResource:
    """The API for the length of a run, made when a step first asks for it: a run of hits needs none."""

    def __init__(self, settings: Settings, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self.settings = settings
        self.clock = clock
        self._guard = threading.Lock()
        self._opened: Api | None = None

    def get(self) -> "Api":
        """The run's API, shared by its steps."""
        from ttapi_pipeline.broker.api import Api  # noqa: PLC0415 - a run's, see `defs`

        with self._guard:
            if self._opened is None:
                self._opened = Api(self.settings, clock=self.clock)
            return self._opened

    def close(self) -> None:
        """End what was opened."""
        with self._guard:
            opened, self._opened = self._opened, None
        if opened is not None:
            opened.close()


def api_resource(settings: Settings, *, clock: Clock = SYSTEM_CLOCK) -> dg.ResourceDefinition:
    """The `api` resource: one per run, closed with it. Its config is empty: secrets stay in the settings."""

    @dg.resource(description=f"The API client, {settings.origin}")
    def api(context: dg.InitResourceContext) -> Iterator[ApiResource]:
        if context.instance is not None:
            free_orphaned_slots(context.instance)
        resource = ApiResource(settings, clock=clock)
        try:
            yield resource
        finally:
            resource.close()

    return api
