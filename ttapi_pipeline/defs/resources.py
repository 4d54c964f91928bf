# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The resources that assets and checks are given: the API, the data folder, and the switch of the cache.

Cheap to import. The classes behind the resources (`broker.broker`, `io_manager`) are imported when a run first needs
them.
"""

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

import dagster as dg
from pydantic import Field, PrivateAttr, create_model

from ttapi_pipeline.core.clock import SYSTEM_CLOCK, Clock
from ttapi_pipeline.core.manifest import Manifest
from ttapi_pipeline.core.progress import current_board
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.defs.operations.database_outages import database_outages_outlasted
from ttapi_pipeline.defs.operations.held_runs import hold_run
from ttapi_pipeline.storage.layout import Folder
from ttapi_pipeline.storage.outages import outages_outlasted

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


def storage_resource(folder: Folder, *, keep_versions: int, keep_bytes: int | None = None) -> dg.IOManagerDefinition:
    """The `io_manager` resource: one per run. The run ends when its CSV files are written.

    The folder is no config: a run that stores elsewhere would find nothing of what verdicts and checks look at.
    """

    @dg.io_manager(config_schema={}, description=f"Parquet and CSV files in the data folder, `{folder}`")  # type: ignore[arg-type]
    def io_manager(context: dg.InitResourceContext) -> "Iterator[ParquetCsvIOManager]":
        from ttapi_pipeline.defs.io_manager import ParquetCsvIOManager  # noqa: PLC0415 - see `defs`

        manager = ParquetCsvIOManager(base_dir=str(folder), keep_versions=keep_versions, keep_bytes=keep_bytes)
        with outages_outlasted(), database_outages_outlasted():
            manager.setup_for_execution(context)
            try:
                yield manager
            finally:
                manager.teardown_after_execution(context)

    return io_manager


class ApiResource(dg.ConfigurableResource["ApiResource"]):
    """The API for the length of a run, opened when a step first asks for it. A run of hits opens nothing.

    Its config shows which service answers. It comes from the settings, and a run accepts no other value: rows of two
    services must not mix. Secrets are in the settings alone; Dagster stores and shows every config.
    """

    environment: str = Field(description="The service that answers: `simulator`, `sandbox` or `production`.")
    url: str = Field(description="Base URL of the REST API, or that each run starts a simulator of its own.")
    settings: ClassVar[Settings]
    clock: ClassVar[Clock]
    _run: str | None = PrivateAttr(default=None)
    _guard: threading.Lock = PrivateAttr(default_factory=threading.Lock)
    _opened: "Broker | None" = PrivateAttr(default=None)

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        self._run = None if context.run is None else context.run.run_id
        if context.instance is not None and self._run is not None:
            # Under an executor with a process per step, this is one of those.
            hold_run(context.instance, self._run, is_noted=False)

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:  # noqa: ARG002 - the base's signature
        self.close()

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


def api_resource(settings: Settings, *, clock: Clock = SYSTEM_CLOCK) -> ApiResource:
    """The `api` resource of these settings: one per run, closed when the run ends."""
    shown = {
        "environment": str(settings.environment),
        "url": settings.api_url or f"{settings.origin}, started by each run",
    }
    fields = ApiResource.model_fields
    # Dagster makes the resource of a run anew from its class and config, so that the class has to know the settings. A
    # type with one value is Dagster's way to say that a config can only be this.
    only: Any = {
        name: (Literal[value], Field(default=value, description=fields[name].description))
        for name, value in shown.items()
    }
    made: type[ApiResource] = create_model("ApiResource", __base__=ApiResource, __doc__=ApiResource.__doc__, **only)
    made.settings, made.clock = settings, clock
    return made(**shown)
