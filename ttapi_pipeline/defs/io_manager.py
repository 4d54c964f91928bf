# SPDX-License-Identifier: MIT
"""The Parquet and CSV IO manager: dagster-polars' loading over `storage.publish`'s storing.

Two parts of `PolarsParquetIOManager` are replaced: it reads with an argument that Polars 2 removed, and it writes in
place, so that a reader meets half a file.
"""

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import dagster as dg
import polars as pl
from pydantic import PrivateAttr
from upath import UPath

from ttapi_pipeline.core.errors import StorageError, TTError
from ttapi_pipeline.core.manifest import Manifest, Provenance
from ttapi_pipeline.core.progress import Phase, current_board
from ttapi_pipeline.datasets.build import Chart
from ttapi_pipeline.datasets.registry import DATASETS, REPORTS
from ttapi_pipeline.defs.assets.charts import draw_charts
from ttapi_pipeline.defs.assets.failures import failure
from ttapi_pipeline.defs.assets.metadata import manifest_metadata, preview, table_schema
from ttapi_pipeline.defs.without_pandas import PolarsParquetIOManager
from ttapi_pipeline.storage.incremental.pieces import Pieces
from ttapi_pipeline.storage.layout import Folder, open_folder, read_manifest
from ttapi_pipeline.storage.publish import Published, publish
from ttapi_pipeline.storage.scan import scan
from ttapi_pipeline.tables.schema import DatasetSchema

_CSV_DEADLINE_SECONDS = 900.0


@dataclass(frozen=True, slots=True)
class Publication:
    """What a dataset's step hands to the IO manager."""

    frame: pl.DataFrame | pl.LazyFrame | Pieces
    provenance: Provenance
    reports: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    charts: Mapping[str, Chart] = field(default_factory=dict)
    is_sorted: bool = False
    after_publication: Callable[[], None] | None = None


class ParquetCsvIOManager(PolarsParquetIOManager):
    """Stores a `Publication` as Parquet, CSV and manifest; loads `pl.LazyFrame` or `pl.DataFrame`.

    The Parquet file is durable when a step ends. CSV files are written by threads meanwhile; `wait_for_csv` waits for
    one, and the end of the run for all.
    """

    _csv_writers: ThreadPoolExecutor | None = PrivateAttr(default=None)
    _published: dict[str, Published] = PrivateAttr(default_factory=dict)
    _loaded: dict[str, str | None] = PrivateAttr(default_factory=dict)
    _guard: threading.Lock = PrivateAttr(default_factory=threading.Lock)

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        super().setup_for_execution(context)
        self._published.clear()
        self._loaded.clear()
        self._csv_writers = ThreadPoolExecutor(max_workers=2, thread_name_prefix="csv")

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        writers, self._csv_writers = self._csv_writers, None
        if writers is not None:
            writers.shutdown(wait=True)
        for name, published in self._published.items():
            if published.csv_error is not None and context.log is not None:
                context.log.error("%s: %s", name, published.csv_error)

    @property
    def folder(self) -> Folder:
        """The data folder."""
        return open_folder(self.base_dir or "data")

    def loaded_version(self, dataset: str) -> str | None:
        """Data version of an upstream dataset as this run loaded it last."""
        with self._guard:
            return self._loaded.get(dataset)

    def wait_for_csv(self, dataset: str) -> Manifest | None:
        """Wait until the CSV that this run writes for a dataset is there.

        Returns:
            The complete manifest; None when this run did not publish the dataset.

        Raises:
            StorageError: The CSV could not be written.
        """
        published = self._published.get(dataset)
        return None if published is None else published.wait(_CSV_DEADLINE_SECONDS)

    def scan_df_from_path(
        self,
        path: UPath,
        context: dg.InputContext,  # noqa: ARG002 - the base class's signature
        partition_key: str | None = None,  # noqa: ARG002
    ) -> pl.LazyFrame:
        name = path.stem
        # Read before the table: a publication between the two makes the table newer than the version that is noted,
        # which costs a rebuild; the other way round, the rebuild would be lost.
        manifest = read_manifest(self.folder, name)
        with self._guard:
            self._loaded[name] = None if manifest is None else manifest.data_version
        return scan(self.folder, DATASETS[name].schema) if name in DATASETS else pl.scan_parquet(str(path))

    def handle_output(self, context: dg.OutputContext, obj: object) -> None:
        if not isinstance(obj, Publication):
            super().handle_output(context, obj)
            return
        name, ready_at = (
            obj.provenance.dataset,
            obj.provenance.fetched_at + timedelta(seconds=obj.provenance.fetch_seconds),
        )
        try:
            published = self._publish_all(obj)
            if obj.after_publication is not None:
                obj.after_publication()
            described = self.describe(published.parquet_manifest, DATASETS[name].schema, now=ready_at)
        except TTError as error:
            current_board().set_phase(name, Phase.FAILED, str(error))
            raise failure(name, error) from error
        context.step_context.set_data_version(context.asset_key, dg.DataVersion(published.data_version))
        charts = draw_charts(obj.charts, self.folder, is_simulated=obj.provenance.is_simulated, log=context.log)
        context.add_output_metadata({**described, **charts})

    def _publish_all(self, obj: Publication) -> Published:
        for name, report in obj.reports.items():
            beside = Provenance(
                dataset=name,
                code_version=obj.provenance.code_version,
                fetched_at=obj.provenance.fetched_at,
                settings=obj.provenance.settings,
                is_simulated=obj.provenance.is_simulated,
            )
            self._publish(report, REPORTS[name], beside)
        return self._publish(
            obj.frame, DATASETS[obj.provenance.dataset].schema, obj.provenance, is_sorted=obj.is_sorted
        )

    def describe(self, manifest: Manifest, schema: DatasetSchema, *, now: datetime) -> dict[str, Any]:
        """Metadata of a stored dataset, with its first rows."""
        uri = str(self.folder / f"{schema.name}.parquet")
        if isinstance(self.folder, UPath):
            uri = self.folder.joinpath(f"{schema.name}.parquet").as_uri()
        return {
            **manifest_metadata(manifest, uri=uri, now=now),
            "dagster/column_schema": table_schema(schema),
            "preview": preview(scan(self.folder, schema)),
        }

    def _publish(
        self,
        frame: pl.DataFrame | pl.LazyFrame | Pieces,
        schema: DatasetSchema,
        provenance: Provenance,
        *,
        is_sorted: bool = False,
    ) -> Published:
        if self._csv_writers is None:
            raise StorageError(f"{schema.name}: the IO manager is not set up")
        published = publish(frame, schema, self.folder, provenance, executor=self._csv_writers, is_sorted=is_sorted)
        self._published[schema.name] = published
        return published
