# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The shape of a dataset's description, which each `table` module fills in; the list of all is `registry`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Final

from ttapi_pipeline.core.declaration import Declaration
from ttapi_pipeline.tables.schema import DatasetSchema

METASTOCK_FILES: Final = "metastock_files"
"""Name of the observable source asset, whose data version is the fingerprint of the MetaStock folder."""

if TYPE_CHECKING:
    from ttapi_pipeline.datasets.build import Build

    Builder = Callable[..., Build | Awaitable[Build]]


@dataclass(frozen=True, slots=True)
class Preview:
    """Which rows of a table are worth a look: those where one column is highest and lowest.

    Attributes:
        columns: What is shown, in this order.
        by: The column, which is one of them; None for rows at even distances.
        latest: A column whose highest value the rows have: of bars, those of the last session.
    """

    columns: Sequence[str]
    by: str | None = None
    latest: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset(Declaration):
    """All that is known of a dataset without building it.

    The Dagster asset, its checks, the verdict, the status grid and the page of columns are made from it.

    Attributes:
        schema: Its table.
        rules: What its rows must satisfy besides types and nullability: a condition in SQL for each sentence, see
            `tables.rules`.
        lineage: What its columns are made from: for a column, or a pattern of column names, the columns upstream as
            ``asset.column``. Endpoints of the API and events of the feed stand in for assets, as ``tastytrade/...`` and
            ``dxlink/...``, with the names that they have for their fields.
        reports: Tables that are published with it and say what became of its rows.
        preview: What the web UI shows of its rows.
        charts: Names of the charts that its builds draw.
    """

    schema: DatasetSchema
    rules: Mapping[str, str] = field(default_factory=dict)
    lineage: Mapping[str, Sequence[str]] = field(default_factory=dict)
    reports: Sequence[DatasetSchema] = ()
    preview: Preview | None = None
    charts: Sequence[str] = ()

    def builder(self) -> Builder:
        """The function `build` of the module `build` beside the table; it is called with a `Refresh` and the inputs.

        Importing it may load the API client, the feed and the analytics, so only a miss asks for it.
        """
        build: Builder = import_module(f"ttapi_pipeline.datasets.{self.name}.build").build
        return build
