# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The Parquet and CSV IO manager: tables are loaded by dagster-polars, and stored by `storage.publish`.

Two parts of `PolarsParquetIOManager` are replaced: it reads with an argument that Polars 2 removed, and it writes in
place, so that a reader meets half a file.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import dagster as dg
import polars as pl
from pydantic import PrivateAttr
from upath import UPath

from ttapi_pipeline.core.csv_choice import CsvChoice
from ttapi_pipeline.core.declaration import Keeps
from ttapi_pipeline.core.errors import StorageError
from ttapi_pipeline.core.manifest import Manifest, Provenance
from ttapi_pipeline.core.progress import current_board
from ttapi_pipeline.datasets.build import Build
from ttapi_pipeline.datasets.dataset import Dataset
from ttapi_pipeline.datasets.registry import DATASETS, REPORTS
from ttapi_pipeline.defs.assets.charts import draw_charts, stored_charts
from ttapi_pipeline.defs.assets.metadata import arranged, manifest_metadata, table_schema
from ttapi_pipeline.defs.assets.previews import preview
from ttapi_pipeline.defs.dagster_internals import set_data_version
from ttapi_pipeline.defs.failures import failures_of
from ttapi_pipeline.defs.session_histories.recording import update_and_record
from ttapi_pipeline.defs.without_pandas import PolarsParquetIOManager
from ttapi_pipeline.storage.layout import Folder, open_folder, parquet_uri
from ttapi_pipeline.storage.publish import Published, publish
from ttapi_pipeline.storage.scan import open_table, scan
from ttapi_pipeline.storage.store import ANY
from ttapi_pipeline.storage.table import StoredTable
from ttapi_pipeline.storage.versions.keeping import Retention

_CSV_DEADLINE_SECONDS = 900.0


@dataclass(frozen=True, slots=True)
class Publication:
    """New content of a dataset on its way to storage.

    Attributes:
        build: The rows, and the tables and charts that come with them.
        provenance: What they were made from.
        is_forced: Whether nothing that is stored may be copied.
        notes: What the step has to say of how they were made, as metadata.
        csv_choice: Which rows the CSV has.
        replaces: By table, the write id of the stored publication that the rows were made with a look at, None where
            there was none. A table that is not named takes the place of whatever is stored.
    """

    build: Build
    provenance: Provenance
    is_forced: bool = False
    notes: Mapping[str, Any] = field(default_factory=dict)
    csv_choice: CsvChoice = CsvChoice.FULL
    replaces: Mapping[str, str | None] = field(default_factory=dict)


class ParquetCsvIOManager(PolarsParquetIOManager):
    """Stores a `Publication` as Parquet, CSV and manifest; loads `pl.LazyFrame` or `pl.DataFrame`.

    The Parquet file is durable when a step ends. CSV files are written by threads meanwhile; `wait_for_csv` waits for
    one, and the end of the run for all.
    """

    keep_versions: int = 20
    keep_bytes: int | None = None
    _csv_writers: ThreadPoolExecutor | None = PrivateAttr(default=None)
    _published: dict[str, Published] = PrivateAttr(default_factory=dict)

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        super().setup_for_execution(context)
        self._published.clear()
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

    def wait_for_csv(self, dataset: str) -> Manifest | None:
        """Wait until the CSV that this run writes for a dataset is there.

        Returns:
            The complete manifest; None when this run did not publish the dataset.

        Raises:
            StorageError: The CSV could not be written.
        """
        published = self._published.get(dataset)
        return None if published is None else published.wait(_CSV_DEADLINE_SECONDS)

    def load_input(self, context: dg.InputContext) -> Any:
        """A `StoredTable` for our own assets; for an asset of the user's, the frame that its annotation names."""
        if context.dagster_type.typing_type is not StoredTable:
            return super().load_input(context)
        table = partial(open_table, self.folder, DATASETS[context.asset_key.path[-1]].schema)
        # Of the step that wants the rows: damaged rows never reach it, and it fails in one sentence.
        reader = DATASETS.get(context.op_def.name)
        if reader is None:
            return table()
        with failures_of(reader):
            return table()

    def scan_df_from_path(
        self,
        path: UPath,
        context: dg.InputContext,  # noqa: ARG002 - the base class's signature
        partition_key: str | None = None,  # noqa: ARG002
    ) -> pl.LazyFrame:
        dataset = DATASETS.get(path.stem)
        return pl.scan_parquet(str(path)) if dataset is None else scan(self.folder, dataset.schema)

    def handle_output(self, context: dg.OutputContext, obj: object) -> None:
        if not isinstance(obj, Publication):
            super().handle_output(context, obj)
            return
        build, provenance = obj.build, obj.provenance
        dataset = DATASETS[provenance.dataset]
        with failures_of(dataset):
            if self._csv_writers is None:
                raise StorageError(f"{dataset.name}: the IO manager is not set up")
            store = partial(publish, folder=self.folder, executor=self._csv_writers, csv_choice=obj.csv_choice)
            for name, report in build.reports.items():
                self._published[name] = store(
                    report,
                    REPORTS[name],
                    provenance=_beside(provenance, name),
                    retention=Retention(Keeps.LAST_OF_SESSION, self.keep_versions, self.keep_bytes),
                    replaces=obj.replaces.get(name, ANY),
                )
            published = store(
                build.frame,
                dataset.schema,
                provenance=provenance,
                is_sorted=build.is_sorted,
                is_note_trusted=not obj.is_forced,
                retention=Retention(dataset.keeps, self.keep_versions, self.keep_bytes),
                replaces=obj.replaces.get(dataset.name, ANY),
            )
            self._published[dataset.name] = published
            current_board().note_stored(dataset.name, published.parquet_manifest)
            if build.after_publication is not None:
                build.after_publication()
            ready_at = provenance.fetched_at + timedelta(seconds=provenance.fetch_seconds)
            described = {**self._rows(dataset), **self._facts(published.parquet_manifest, dataset, now=ready_at)}
        set_data_version(context, published.data_version)
        charts = draw_charts(build.charts, self.folder, is_simulated=provenance.is_simulated, log=context.log)
        context.add_output_metadata(arranged({**described, **charts, **obj.notes}))
        update_and_record(context, dataset.name, self.folder, now=ready_at)

    def describe_hit(
        self, manifest: Manifest, dataset: Dataset, *, now: datetime, shown: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Metadata of a dataset that is reused.

        Args:
            manifest: Of the stored data.
            dataset: What is stored.
            now: The age is counted until then.
            shown: Rows and charts that are known of the stored data, by key. The others are made from the files.
        """
        rows = {} if "preview" in shown else self._rows(dataset)
        charts = (
            {}
            if "charts" in shown
            else stored_charts(dataset.charts, self.folder, since=manifest.provenance.fetched_at)
        )
        return {**shown, **charts, **rows, **self._facts(manifest, dataset, now=now)}

    def _facts(self, manifest: Manifest, dataset: Dataset, *, now: datetime) -> dict[str, Any]:
        uri = parquet_uri(self.folder, dataset.name)
        facts = manifest_metadata(manifest, uri=uri, now=now, is_private=dataset.is_private)
        return {**facts, "dagster/column_schema": table_schema(dataset.schema)}

    def _rows(self, dataset: Dataset) -> dict[str, Any]:
        """Some rows of a stored dataset unless they are private: whoever reaches the web UI sees them."""
        if dataset.is_private:
            return {}
        return {"preview": preview(scan(self.folder, dataset.schema), dataset.preview)}


def _beside(provenance: Provenance, report: str) -> Provenance:
    """What a report was made from: the same as the dataset that it comes with."""
    return Provenance(
        dataset=report,
        code_version=provenance.code_version,
        fetched_at=provenance.fetched_at,
        began_at=provenance.began_at,
        fetch_seconds=provenance.fetch_seconds,
        settings=provenance.settings,
        is_simulated=provenance.is_simulated,
        input_files=provenance.input_files,
    )
