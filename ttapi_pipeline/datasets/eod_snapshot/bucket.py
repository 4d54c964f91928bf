# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Merging buckets of the snapshot ahead of a refresh. What the refresh takes of them: see `ahead`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

import polars as pl

from ttapi_pipeline.core.collection import no_progress
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.datasets.eod_snapshot.ahead import has_part, put_part
from ttapi_pipeline.datasets.eod_snapshot.build import imported_files, members_of, options_of
from ttapi_pipeline.datasets.eod_snapshot.merging import SnapshotMerge
from ttapi_pipeline.datasets.eod_snapshot.survey import Survey
from ttapi_pipeline.datasets.status import metastock_folder
from ttapi_pipeline.storage.layout import Folder
from ttapi_pipeline.tables.symbol_buckets import bucket_keys, bucket_of


@dataclass(frozen=True, slots=True)
class SnapshotBuckets:
    """Some buckets, as they are to be merged from what is stored.

    Attributes:
        folder: The data folder.
        settings: The checked settings.
        calendar: `trading_calendar`.
        merge: Of the ranges that are in them.
        positions: Of these ranges, by bucket.
    """

    folder: Folder
    settings: Settings
    calendar: pl.LazyFrame
    merge: SnapshotMerge
    positions: Mapping[str, Sequence[int]]

    @classmethod
    def of(
        cls,
        folder: Folder,
        settings: Settings,
        tables: Mapping[str, pl.LazyFrame],
        buckets: Collection[str],
        *,
        now: datetime,
    ) -> Self:
        """Import the MetaStock files that are there, and find out what the buckets are made from.

        Args:
            folder: The data folder.
            settings: The checked settings.
            tables: `daily_candles`, `trading_calendar` and `universe`.
            buckets: Their names.
            now: Rows of files that are later are rejected.

        Raises:
            StorageError: The files cannot be read, or the cache cannot be written.
        """
        options, files, names = options_of(settings, now), metastock_folder(settings), bucket_keys(settings.partitions)

        def bucket(start: str) -> str:
            return names[bucket_of(start, settings.partitions)]

        merge = SnapshotMerge(
            None if files is None or not files.is_dir() else imported_files(files, options, no_progress),
            tables["daily_candles"],
            members_of(tables["universe"]),
            options=options,
            is_wanted=lambda start: bucket(start) in buckets,
        )
        positions: dict[str, list[int]] = {key: [] for key in buckets}
        for position, start in enumerate(merge.starts):
            positions[bucket(start)].append(position)
        return cls(folder, settings, tables["trading_calendar"], merge, positions)

    @property
    def facts(self) -> Mapping[str, str]:
        """What they are made from: nothing that is the same for all of them."""
        return {}

    def has(self, bucket: str) -> bool:
        """Whether a bucket is there, made from what is stored now."""
        keys = [self.merge.keys[position] for position in self.positions[bucket]]
        return has_part(self.folder, self.settings, bucket, keys)

    def make(self, bucket: str) -> int:
        """Merge and store a bucket; the number of its rows.

        Raises:
            StorageError: It cannot be written.
        """
        merge, positions = self.merge, self.positions[bucket]
        surveys = merge.surveyed(positions, self.calendar)
        comparison = Survey(surveys).comparison
        rows = ((merge.keys[position], merge.merged(position, comparison)) for position in positions)
        return put_part(self.folder, self.settings, bucket, surveys, rows)
