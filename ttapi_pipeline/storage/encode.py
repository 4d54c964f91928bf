# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Writing rows to a local Parquet file whose footer says what they are, and the CSV of it. Where they go: `publish`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import polars as pl

from ttapi_pipeline.core.csv_choice import CsvChoice
from ttapi_pipeline.core.errors import CorruptFileError, DataError
from ttapi_pipeline.core.manifest import FileFacts, Manifest, Provenance
from ttapi_pipeline.core.seals import with_checksum
from ttapi_pipeline.storage.errors import storage_errors
from ttapi_pipeline.storage.files import file_for_polars
from ttapi_pipeline.storage.footer import FOOTER_KEY
from ttapi_pipeline.storage.hashing import HASHED_BY, ContentHash, rule
from ttapi_pipeline.storage.incremental.pieces import Pieces
from ttapi_pipeline.storage.incremental.stored_pieces import StoredPieces
from ttapi_pipeline.storage.incremental.write_parquet import WrittenParquet, write_parquet
from ttapi_pipeline.storage.layout import Folder
from ttapi_pipeline.storage.parquet import COMPRESSION_LEVEL, ROW_GROUP_ROWS, scan_file
from ttapi_pipeline.storage.recent_rows import recent_rows
from ttapi_pipeline.storage.spreadsheet import sink_csv
from ttapi_pipeline.tables.conform import conform
from ttapi_pipeline.tables.constraints import check_keys, check_nulls
from ttapi_pipeline.tables.schema import DatasetSchema


@dataclass(frozen=True, slots=True)
class EncodedTable:
    """A Parquet file that was written and is not in its place yet.

    Attributes:
        footer: The facts in its footer.
        content: The hash of its rows.
        written: Its pieces; None for a table that came as a whole.
    """

    footer: Mapping[str, Any]
    content: ContentHash
    written: WrittenParquet | None = None

    @property
    def facts(self) -> FileFacts | None:
        """Size and hash of the file, where they are known already."""
        return None if self.written is None else self.written.facts

    def manifest(self, facts: FileFacts, csv_choice: CsvChoice) -> Manifest:
        """The manifest of the file, without a CSV."""
        return replace(Manifest.from_footer(self.footer, facts), csv_choice=csv_choice)


def encode(
    path: Path,
    frame: pl.DataFrame | pl.LazyFrame | Pieces,
    schema: DatasetSchema,
    provenance: Provenance,
    known: StoredPieces | None,
    *,
    is_sorted: bool,
    target: Folder,
) -> EncodedTable:
    """Conform, check and write rows.

    Args:
        path: A local file.
        frame: As of `publish`.
        schema: Of the dataset.
        provenance: What the rows were made from.
        known: Stored pieces, for a table in pieces.
        is_sorted: Whether a table that is not in pieces comes in the order of `schema.sort_by`.
        target: The place that messages name.

    Raises:
        MissingColumnError, DataError: As of `publish`.
        StorageError: The file cannot be written.
    """
    footer: dict[str, Any] = {}
    write_id = uuid4().hex

    def key_values(content: ContentHash) -> dict[str, str]:
        footer.update(_footer(provenance, schema, content, write_id))
        return {FOOTER_KEY: json.dumps(footer, ensure_ascii=False)}

    content = ContentHash(schema.polars)
    with _computing(target, schema):
        if not isinstance(frame, Pieces):
            ordered = conform(frame.lazy(), schema)
            if not is_sorted:
                ordered = ordered.sort(schema.sort_by, nulls_last=False, maintain_order=False)
            _sink(path, ordered, schema, content, lambda: key_values(content))
            return EncodedTable(footer, content)
        if known is None:
            raise ValueError("a table in pieces needs the stored ones")

        def of_pieces(hashed: ContentHash) -> dict[str, str]:
            content.add(hashed.rows, hashed.sums)
            return key_values(content)

        return EncodedTable(footer, content, write_parquet(path, frame, schema, known, key_values=of_pieces))


def _sink(
    path: Path,
    ordered: pl.LazyFrame,
    schema: DatasetSchema,
    content: ContentHash,
    key_values: Callable[[], dict[str, str]],
) -> None:
    def inspect(batch: pl.DataFrame) -> pl.DataFrame:
        check_nulls(batch, schema)
        content.update(batch)
        return batch

    # Polars asks for the metadata when it writes the footer, and by then every row has been through `inspect`: the
    # footer holds the hash of the rows above it after a single pass. On 4 million rows x 12 columns, the detour over
    # `collect_batches` and pyarrow's writer takes 1.5 times as long for a file 14% larger, in the same memory.
    with file_for_polars(path) as file:
        ordered.map_batches(inspect, streamable=True, schema=schema.polars).sink_parquet(
            file,
            compression="zstd",
            compression_level=COMPRESSION_LEVEL,
            statistics=True,
            row_group_size=ROW_GROUP_ROWS,
            maintain_order=True,
            metadata=lambda _: key_values(),
        )
    check_keys(pl.scan_parquet(path, glob=False), schema)


def encode_csv(path: Path, parquet: Path, choice: CsvChoice) -> int | None:
    """Write the CSV of a local Parquet file.

    Args:
        path: Where to.
        parquet: The rows.
        choice: Which of them; not OFF.

    Returns:
        The number of its rows; None where it has all of them.

    Raises:
        OSError, PolarsError: See `making_csv`.
    """
    table, rows = scan_file(parquet), None
    if choice is CsvChoice.RECENT:
        table, rows = recent_rows(table)
    sink_csv(table, path)
    return rows


def making_csv(path: Folder) -> AbstractContextManager[None]:
    """Our errors for a block in which Polars reads the Parquet file and writes the CSV."""
    return storage_errors(path, of_polars=lambda error: CorruptFileError(f"{path} cannot be made: {error}"))


def _computing(path: Folder, schema: DatasetSchema) -> AbstractContextManager[None]:
    """Our errors for a block in which Polars computes a dataset's rows and writes them."""
    return storage_errors(
        path, of_polars=lambda error: DataError(f"{schema.name} cannot be computed: {error}"), is_writing=True
    )


def _footer(provenance: Provenance, schema: DatasetSchema, content: ContentHash, write_id: str) -> Mapping[str, Any]:
    """The facts of the manifest that a Parquet footer repeats about the rows above it."""
    facts = provenance.to_document() | {
        "data_version": content.hexdigest(),
        "write_id": write_id,
        "rows": content.rows,
        "schema": {name: str(dtype) for name, dtype in schema.polars.items()},
        "hashed_by": HASHED_BY + rule(schema.polars),
    }
    return with_checksum(facts)
