# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Column lineage for the web UI; what a dataset's columns are made from is said in its `table`."""

from fnmatch import fnmatchcase

import dagster as dg

from ttapi_pipeline.datasets.dataset import Dataset


def column_lineage(dataset: Dataset) -> dg.TableColumnLineage | None:
    """What each column of a dataset is made from; None for a dataset that says nothing about it."""
    if not dataset.lineage:
        return None
    found: dict[str, list[dg.TableColumnDep]] = {}
    for column in dataset.schema.columns:
        for pattern, sources in dataset.lineage.items():
            if fnmatchcase(column.name, pattern):
                found.setdefault(column.name, []).extend(map(_dep, sources))
    return dg.TableColumnLineage({name: list(dict.fromkeys(deps)) for name, deps in found.items()})


def _dep(source: str) -> dg.TableColumnDep:
    asset, _, column = source.partition(".")
    return dg.TableColumnDep(dg.AssetKey(asset.split("/")), column)
