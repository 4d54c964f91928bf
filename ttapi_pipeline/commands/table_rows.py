# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Reads the rows of a stored table that `tt show DATASET` shows. How they look: see `terminal.table_lines`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from datetime import datetime

import polars as pl

from ttapi_pipeline.commands.row_choice import known_column, no_rows, row_filters, words
from ttapi_pipeline.core.errors import ConfigError
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.core.signals import interrupts_outside_polars
from ttapi_pipeline.core.verdict import Rule
from ttapi_pipeline.datasets.membership_schema import MEMBERSHIP
from ttapi_pipeline.datasets.reading import (
    dataset_of,
    not_stored,
    open_stored,
    schema_of,
    table_as_of,
    version_as_of,
)
from ttapi_pipeline.datasets.registry import HISTORIES
from ttapi_pipeline.datasets.status import read_status
from ttapi_pipeline.storage.layout import open_folder
from ttapi_pipeline.storage.versions.reading import open_version
from ttapi_pipeline.terminal.table_lines import ShownTable

_DESCENDING = ":desc"


def read_rows(settings: Settings, options: argparse.Namespace, *, now: datetime) -> ShownTable:
    """Read the rows that the options ask for.

    Args:
        settings: Where the data is, and what the verdict is decided by.
        options: `what` names the table; `symbol` and `since` choose rows, `sort` orders them, of which the first `rows`
            are taken (None for all) with the `columns` that are named; `as_of` says when the table was known.
        now: For the verdict.

    Raises:
        ConfigError: A column is not known; no row is left; nothing was known at the instant; or the table is private
            and would be kept somewhere.
        StorageError: Nothing is stored, it cannot be read, or the rows of that instant are not kept.
    """
    schema, dataset = schema_of(options.what), dataset_of(options.what)
    if dataset.is_private and (options.json or not sys.stdout.isatty()):
        raise ConfigError(
            f"{schema.name} is private, and is shown on a terminal only; `tt export {schema.name}` writes a file that "
            "nobody but you can read"
        )
    folder = open_folder(settings.data_dir)
    status = read_status(dataset, settings, now=now, folder=folder)
    has_versions = schema.name not in {*HISTORIES, MEMBERSHIP.name}
    known = version_as_of(folder, schema, options.as_of) if options.as_of and has_versions else None
    if options.as_of is None and has_versions and status.verdict.rule is Rule.NOTHING_STORED:
        raise not_stored(folder, schema.name)
    if known is not None:
        table = open_version(folder, schema, known)
    elif options.as_of is not None:
        table = table_as_of(folder, schema, options.as_of)
    else:
        table = open_stored(folder, schema)
    names = table.frame.collect_schema().names()
    columns = [known_column(name, schema, names) for name in words(options.columns)]
    order = {
        known_column(name.removesuffix(_DESCENDING), schema, names): name.endswith(_DESCENDING)
        for name in words(options.sort)
    }
    filters = row_filters(schema, options)
    frame = _sorted(table.frame.filter(*filters), order)
    with interrupts_outside_polars():
        stored = table.frame.select(pl.len()).collect().item() if table.manifest is None else table.manifest.rows
        chosen = frame.select(pl.len()).collect().item() if filters else stored
        if filters and not chosen:
            raise no_rows(schema, options, folder)
        rows = frame if options.rows is None else frame.head(options.rows)
        shown = rows.select(columns or names).collect()
    return ShownTable(
        schema=schema,
        rows=shown,
        chosen=chosen,
        stored=stored,
        verdict=status.verdict,
        is_simulated=table.is_simulated,
        data_version=table.data_version,
        cautions={} if table.manifest is None else table.manifest.provenance.cautions,
        has_named_columns=bool(columns),
        known=None if known is None else (options.as_of, known),
    )


def _sorted(frame: pl.LazyFrame, order: Mapping[str, bool]) -> pl.LazyFrame:
    """The rows by some columns, each of them ascending or descending; as they are without any."""
    if not order:
        return frame
    return frame.sort([*order], descending=[*order.values()], nulls_last=True, maintain_order=True)
