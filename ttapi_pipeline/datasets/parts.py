# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The parts of a table: the rows of a bucket of symbols each, computed ahead by a process of their own.

A part is one file beside the data, `.state/parts/<table>/<bucket>.part`, which is replaced as a whole: a hash, and
Parquet whose footer says what it was made from. Parts are work done ahead and not data: the table itself is put
together from those that were made from what is stored now, and the buckets without one are computed. So parts may be
deleted at any time, and a table with partitions has the rows that it has without.

The parts of `daily_candles` hold histories instead of rows: see `ahead` among its modules.
"""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from importlib import import_module
from typing import Final

import polars as pl
from xxhash import xxh3_128_digest

from ttapi_pipeline.core.errors import StorageError, TTError
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.datasets.by_symbols import BySymbols, Collect, Collected, at_once, of_symbols
from ttapi_pipeline.datasets.dataset import Dataset
from ttapi_pipeline.datasets.refresh import Refresh
from ttapi_pipeline.datasets.status import shaping_settings
from ttapi_pipeline.storage.layout import STATE_FOLDER, Folder
from ttapi_pipeline.storage.store import open_store
from ttapi_pipeline.tables.conform import conform
from ttapi_pipeline.tables.symbol_buckets import in_buckets

_LOGGER = logging.getLogger(__name__)

_MADE_FROM: Final = "ttapi_pipeline.part"
_DIGEST: Final = 16
"""Bytes of XXH3-128, before those of the content: Polars is given no damaged Parquet file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeFrom:
    """What the rows of a part are made from: with the same facts, they are the same.

    Attributes:
        dataset: The table.
        code_version: Of its declaration.
        inputs: Data version of each table upstream.
        settings: The settings that shape it.
        as_of: The session that it is computed as of; None where the rows are the same on any day.
        under_way: The session whose bars still move, where there are bars of it among the rows; None without one.
    """

    dataset: str
    code_version: str
    inputs: Mapping[str, str]
    settings: Mapping[str, str]
    as_of: date | None
    under_way: date | None = None

    @classmethod
    def of(cls, dataset: Dataset, settings: Settings, inputs: Mapping[str, str], *, as_of: date | None) -> MadeFrom:
        """What a part is made from that is computed now."""
        return cls(
            dataset=dataset.name,
            code_version=dataset.code_version,
            inputs=inputs,
            settings=shaping_settings(settings, dataset),
            as_of=as_of,
        )

    def to_text(self) -> str:
        """The same text for the same facts."""
        made_by = [self.dataset, self.code_version, dict(self.inputs), dict(self.settings)]
        return json.dumps([*made_by, str(self.as_of), str(self.under_way)], sort_keys=True)


def planned(dataset: Dataset, settings: Settings, tables: Mapping[str, pl.LazyFrame], *, now: datetime) -> BySymbols:
    """The table of a dataset as it is computed from these tables: `by_symbols` of its module `build`.

    Raises:
        DataError: There is no bar to count from.
    """
    table = import_module(f"ttapi_pipeline.datasets.{dataset.name}.build").by_symbols(settings, now, **tables)
    if not isinstance(table, BySymbols):
        raise TypeError(f"{dataset.name} cannot be computed by symbols")
    return table


@dataclass(frozen=True, slots=True, kw_only=True)
class ComputedBuckets:
    """The buckets of a table that is computed by symbols, as they are to be made from what is stored.

    Attributes:
        folder: The data folder.
        dataset: The table.
        made_from: What it is made from.
        table: The table, not computed yet.
        symbols: Of each bucket.
    """

    folder: Folder
    dataset: Dataset
    made_from: MadeFrom
    table: BySymbols
    symbols: Mapping[str, Sequence[str]]

    @classmethod
    def of(
        cls,
        folder: Folder,
        dataset: Dataset,
        settings: Settings,
        tables: Mapping[str, pl.LazyFrame],
        versions: Mapping[str, str],
        *,
        now: datetime,
    ) -> ComputedBuckets:
        """From the tables upstream and their data versions; errors as of `planned`."""
        table = planned(dataset, settings, tables, now=now)
        return cls(
            folder=folder,
            dataset=dataset,
            made_from=MadeFrom.of(dataset, settings, versions, as_of=table.as_of),
            table=table,
            symbols=in_buckets(table.symbols(), settings.partitions),
        )

    @property
    def facts(self) -> Mapping[str, str]:
        """What they are made from, for the web UI."""
        return {"as_of_session": self.table.as_of.isoformat()}

    def has(self, bucket: str) -> bool:
        """Whether a bucket is there, made from what is stored now."""
        return read_part(self.folder, self.dataset, bucket, self.made_from) is not None

    def make(self, bucket: str) -> int:
        """Compute and store a bucket; the number of its rows.

        Raises:
            TTError, polars.exceptions.PolarsError: It cannot be computed or written.
        """
        rows = self.table.rows(self.symbols[bucket])
        write_part(self.folder, self.dataset, bucket, self.made_from, rows)
        return rows.height


def write_part(folder: Folder, dataset: Dataset, key: str, made_from: MadeFrom, rows: pl.DataFrame) -> None:
    """Store the rows of a bucket in place of those of before.

    Raises:
        MissingColumnError, DataError: They are not of this table.
        StorageError: They cannot be written.
    """
    parquet = io.BytesIO()
    conform(rows, dataset.schema).write_parquet(parquet, metadata={_MADE_FROM: made_from.to_text()})
    write_verifiable(folder, dataset, key, parquet.getvalue())


def read_part(folder: Folder, dataset: Dataset, key: str, made_from: MadeFrom) -> pl.DataFrame | None:
    """The rows of a bucket; None where they are not there, made from something else, or damaged."""
    parquet = read_verified(folder, dataset, key)
    if parquet is None or pl.read_parquet_metadata(io.BytesIO(parquet)).get(_MADE_FROM) != made_from.to_text():
        return None
    return pl.read_parquet(io.BytesIO(parquet))


def write_verifiable(folder: Folder, dataset: Dataset, key: str, content: bytes) -> None:
    """Put the content of a part, which says itself what it was made from, behind its hash.

    Raises:
        StorageError: It cannot be written.
    """
    open_store(folder).write_file(_name(dataset, key), xxh3_128_digest(content) + content)


def read_verified(folder: Folder, dataset: Dataset, key: str) -> bytes | None:
    """What `write_verifiable` has put; None where nothing is there, or where it is damaged or was emptied."""
    try:
        stored = open_store(folder).read_file(_name(dataset, key))
    except StorageError as error:
        _LOGGER.warning("part %s of %s cannot be read, and is made again: %s", key, dataset.name, error)
        return None
    if not stored:
        return None
    digest, content = stored[:_DIGEST], stored[_DIGEST:]
    if xxh3_128_digest(content) != digest:
        _LOGGER.warning("part %s of %s is damaged, and is made again", key, dataset.name)
        return None
    return content


def empty_parts(folder: Folder, dataset: Dataset, keys: Collection[str]) -> None:
    """Free the room of parts that are of no use any more, as far as they can be written."""
    for key in sorted(keys):
        try:
            open_store(folder).write_file(_name(dataset, key), b"")
        except StorageError as error:
            _LOGGER.warning("part %s of %s was taken over, and cannot be removed: %s", key, dataset.name, error)


def _name(dataset: Dataset, key: str) -> str:
    return f"{STATE_FOLDER}/parts/{dataset.name}/{key}.part"


def union_of_parts(refresh: Refresh) -> Collect:
    """How a refresh puts its table together: from parts where the settings want them, else at once."""
    if not refresh.settings.partitions:
        return at_once
    return lambda table: _union(refresh, table)


def _union(refresh: Refresh, table: BySymbols) -> Collected:
    """The parts that are there, and the rows of the other buckets.

    Of a bucket that cannot be computed, the stored rows stay, and its symbols are missing.

    Raises:
        TTError, polars.exceptions.PolarsError: No bucket could be computed.
    """
    dataset, folder, settings = refresh.dataset, refresh.folder, refresh.settings
    made_from = MadeFrom.of(dataset, settings, refresh.input_versions, as_of=table.as_of)
    buckets = in_buckets(table.symbols(), settings.partitions)
    report, frames, missing = refresh.progress("buckets"), [], dict[str, str]()
    taken, failure = 0, None
    for done, (key, symbols) in enumerate(buckets.items(), 1):
        rows = None if refresh.is_forced else read_part(folder, dataset, key, made_from)
        taken += rows is not None
        try:
            frames.append(table.rows(symbols) if rows is None else rows)
        except (TTError, pl.exceptions.PolarsError) as error:
            _LOGGER.warning("%s: bucket %s cannot be computed: %s", dataset.name, key, error)
            missing |= dict.fromkeys(symbols, f"bucket {key} cannot be computed: {error}")
            failure = error
        report(done, len(buckets))
    if failure is not None and not frames:
        raise failure
    frames.append(_kept(refresh, missing))
    statistics = {"buckets": len(buckets), "buckets_taken": taken}
    coverage = {"coverage": 1 - len(missing) / sum(map(len, buckets.values()))} if missing else {}
    # Parts have the nullable types of the schema, and so does all that was computed.
    frame = pl.concat([conform(each, dataset.schema) for each in frames]).sort(dataset.schema.sort_by)
    return Collected(frame, missing, {**statistics, **coverage})


def _kept(refresh: Refresh, symbols: Collection[str]) -> pl.DataFrame:
    """What is stored of these symbols; nothing where nothing is, or where other settings made it."""
    stored = refresh.previous() if symbols else None
    return refresh.dataset.schema.polars.to_frame() if stored is None else of_symbols(stored, symbols).collect()
