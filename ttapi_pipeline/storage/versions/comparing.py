# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The difference of two publications of a dataset. Of two tables: see `difference`."""

from __future__ import annotations

from ttapi_pipeline.storage.layout import Folder
from ttapi_pipeline.storage.versions.difference import Difference, difference
from ttapi_pipeline.storage.versions.reading import Version, open_version
from ttapi_pipeline.storage.versions.restoring import read_patch
from ttapi_pipeline.storage.versions.steps import Step
from ttapi_pipeline.tables.schema import DatasetSchema


def compare(folder: Folder, schema: DatasetSchema, first: Version, second: Version) -> Difference:
    """Compare two publications.

    Of tables whose changes are kept, only the rows that changed in between are compared, and held in memory.

    Raises:
        StorageError: The rows of one are not kept.
        CorruptFileError: The kept rows of one are damaged.
    """
    frames = [open_version(folder, schema, each).frame for each in (first, second)]
    between = _between(first, second)
    if between is not None:
        keys = read_patch(between, schema.key).touched.lazy() if between else schema.polars.to_frame().lazy()
        on = list(schema.key)
        frames = [each.join(keys.select(on), on=on, how="semi", nulls_equal=True) for each in frames]
    return difference(frames[0], frames[1], schema.key)


def _between(first: Version, second: Version) -> list[Step] | None:
    """The steps that lead from one version to the other, in no order; None where they are read from two files."""
    if first.file != second.file or (first.trail is None and second.trail is None):
        return None
    sides = [{step.path: step for step in (each.trail.steps() if each.trail else ())} for each in (first, second)]
    if any(step.is_packed or step.is_elsewhere for side in sides for step in side.values()):
        # They say nothing of rows, or would have to be read once more.
        return None
    return [step for one, other in (sides, reversed(sides)) for path, step in one.items() if path not in other]
