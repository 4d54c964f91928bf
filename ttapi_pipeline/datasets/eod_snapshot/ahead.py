# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Ranges of symbols of the snapshot that other processes have merged, by buckets.

A range is whole in one bucket: that of the name it begins with. A part is one file beside the data (see
`datasets.parts`): a ZIP with what was surveyed of its ranges, and the rows of each as Parquet, by the key that stands
for the files, candles and options that they are made from. A refresh takes the rows of the keys that it would merge.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Final, Self

import polars as pl

from ttapi_pipeline.core.manifest import Fact
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.datasets.eod_snapshot.survey import RANGES
from ttapi_pipeline.datasets.eod_snapshot.table import DATASET
from ttapi_pipeline.datasets.parts import MadeFrom, empty_parts, read_verified, write_verifiable
from ttapi_pipeline.datasets.refresh import Refresh
from ttapi_pipeline.storage.hashing import HASHED_BY
from ttapi_pipeline.storage.layout import Folder
from ttapi_pipeline.storage.places import cache_folder
from ttapi_pipeline.storage.scratch import ScratchFile
from ttapi_pipeline.tables.symbol_buckets import bucket_keys

_SURVEY: Final = "survey"


@dataclass(frozen=True, slots=True)
class SnapshotParts:
    """What was there of all buckets when it was opened.

    Attributes:
        folder: The data folder.
        buckets: How many there are.
        surveys: Schema RANGES, of their ranges.
        seen: The buckets of which something was there.
    """

    folder: Folder
    buckets: int
    surveys: pl.DataFrame
    seen: Collection[str]
    _file: ScratchFile
    _places: Mapping[str, tuple[int, int, str]] = field(default_factory=dict)

    @classmethod
    def open(cls, refresh: Refresh) -> Self | None:
        """Read those that a refresh may take, each into a temporary file; None where it may take none.

        Raises:
            StorageError: The temporary file cannot be written.
        """
        settings, buckets = refresh.settings, refresh.settings.partitions
        if not buckets or refresh.is_forced:
            return None
        scratch, seen, surveys = ScratchFile(cache_folder(settings)), [], [RANGES.to_frame()]
        places: dict[str, tuple[int, int, str]] = {}
        for key in bucket_keys(buckets):
            content = read_verified(refresh.folder, DATASET, key)
            if content is None:
                continue
            seen.append(key)
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                if archive.comment != _made_from(settings):
                    continue
                for name in archive.namelist():
                    parquet = archive.read(name)
                    if name == _SURVEY:
                        surveys.append(pl.read_parquet(io.BytesIO(parquet)))
                    else:
                        places[name] = (scratch.append(parquet), len(parquet), key)
        return cls(refresh.folder, buckets, pl.concat(surveys), seen, scratch, places)

    def rows(self, key: str) -> pl.DataFrame | None:
        """The rows of a range, in the schema of the snapshot; None where they are not there."""
        place = self._places.get(key)
        if place is None:
            return None
        start, size, _ = place
        return pl.read_parquet(io.BytesIO(self._file.read(start, size)))

    def clear(self) -> None:
        """Forget what was there: it is published, or out of date, and as large as the table."""
        empty_parts(self.folder, DATASET, self.seen)

    def counted(self, keys: Iterable[str]) -> Mapping[str, Fact]:
        """Figures for the manifest: how many of the ranges with these keys are there, and in how many buckets."""
        taken = [self._places[key][2] for key in keys if key in self._places]
        return {"buckets": self.buckets, "buckets_taken": len(set(taken)), "ranges_taken": len(taken)}


def put_part(
    folder: Folder, settings: Settings, bucket: str, surveys: pl.DataFrame, rows: Iterable[tuple[str, pl.DataFrame]]
) -> int:
    """Store a bucket in place of that of before; the number of its rows.

    Args:
        folder: The data folder.
        settings: By which it was made.
        bucket: Its name.
        surveys: Schema RANGES, of its ranges.
        rows: Of each range, with the key that stands for them.

    Raises:
        StorageError: It cannot be written.
    """
    content, count = io.BytesIO(), 0
    with zipfile.ZipFile(content, "w") as archive:
        archive.comment = _made_from(settings)
        for name, frame in chain([(_SURVEY, surveys)], rows):
            parquet = io.BytesIO()
            frame.write_parquet(parquet)
            # Its time is always the same, so that the same rows are the same file.
            archive.writestr(zipfile.ZipInfo(name), parquet.getvalue())
            count += 0 if name == _SURVEY else frame.height
    write_verifiable(folder, DATASET, bucket, content.getvalue())
    return count


def has_part(folder: Folder, settings: Settings, bucket: str, keys: Collection[str]) -> bool:
    """Whether the ranges with these keys are there in a bucket."""
    if not keys:
        return True
    content = read_verified(folder, DATASET, bucket)
    if content is None:
        return False
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return archive.comment == _made_from(settings) and set(keys) <= set(archive.namelist())


def _made_from(settings: Settings) -> bytes:
    # What the keys of ranges do not say. They are hashes by this version of Polars.
    return MadeFrom.of(DATASET, settings, {"keys": HASHED_BY}, as_of=None).to_text().encode()
