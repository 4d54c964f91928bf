# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""`tt diff`: what became of the rows of a dataset between two of its versions, which `tt history` lists."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ttapi_pipeline.commands.completers import complete_with, datasets
from ttapi_pipeline.commands.exit_codes import OK
from ttapi_pipeline.commands.instants import HELP, chosen_version
from ttapi_pipeline.commands.json_output import print_json
from ttapi_pipeline.commands.parsers import CommandParser, one_of, typed_path
from ttapi_pipeline.commands.row_choice import add_rows
from ttapi_pipeline.core.errors import ConfigError, StorageError
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.core.signals import interrupts_outside_polars
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.storage.layout import open_folder
from ttapi_pipeline.storage.versions.reading import Version, versions
from ttapi_pipeline.terminal.pen import Pen, glyphs_for, wrapped
from ttapi_pipeline.terminal.streams import is_coloured, output_width, print_error, print_lines

if TYPE_CHECKING:
    import polars as pl

    from ttapi_pipeline.storage.versions.difference import Difference

EXAMPLES: Final = {
    "tt diff symbols": "what the newest version changed",
    "tt diff universe 2026-11-24 2026-11-27": "what was known at the end of two days",
    "tt diff expiration_series 2026-11-24T16:00 --csv changes.csv": "since an instant, as a file",
}

_SHOWN: Final = 20


def add_options(parser: CommandParser) -> None:
    """Give the command its options and its help."""
    parser.explain(
        "Compare two versions of a dataset: rows that are new or gone, and values before\n"
        "and after. Without A, the newest version with other rows; without B, what is\n"
        "stored now.",
        examples=EXAMPLES,
        notes=f"A and B are instants:\n  {HELP}\nor the beginning of a version's id, as `tt history` shows it.",
    )
    name = parser.add_argument("dataset", type=one_of(DATASETS, what="dataset"), metavar="DATASET")
    complete_with(name, datasets)
    parser.add_argument("first", nargs="?", metavar="A", help="the version to compare with")
    parser.add_argument("second", nargs="?", metavar="B", help="the version to compare; what is stored now")
    add_rows(parser, f"of each kind, or all (default {_SHOWN})", default=_SHOWN)
    parser.add_argument("--csv", type=typed_path, metavar="FILE", help="write the changed values to a new file")
    parser.add_argument("--json", action="store_true", help="print all of it as a JSON object")


def run(settings: Settings, options: argparse.Namespace) -> int:
    """Print what is different.

    Raises:
        ConfigError: A or B names no version; the table is private and would be kept somewhere; the file is there.
        StorageError: There is no version to compare with, or the rows of one are not kept.
        CorruptFileError: The kept rows of a version are damaged.
    """
    from ttapi_pipeline.storage.versions.comparing import compare

    dataset = DATASETS[options.dataset]
    if dataset.is_private and (options.json or options.csv or not sys.stdout.isatty()):
        raise ConfigError(f"{dataset.name} is private, and its changes are shown on a terminal only")
    if options.csv is not None and options.csv.exists():
        raise ConfigError(f"{options.csv} is there already; name another file with --csv")
    folder = open_folder(settings.data_dir)
    known = versions(folder, dataset.name)
    if not known:
        raise StorageError(f"{dataset.name} is not stored yet; `tt refresh {dataset.name}` makes it")
    second = known[-1] if options.second is None else chosen_version(known, dataset.name, options.second)
    first = _before(known, second) if options.first is None else chosen_version(known, dataset.name, options.first)
    with interrupts_outside_polars():
        found = compare(folder, dataset.schema, first, second)
    if options.csv is not None:
        _write_csv(found, options.csv)
    if options.json:
        print_json(_document(dataset.name, first, second, found))
    else:
        pen = Pen(is_coloured=is_coloured(sys.stdout), glyphs=glyphs_for(sys.stdout), width=output_width())
        print_lines(_lines(dataset.name, first, second, found, rows=options.rows, pen=pen))
    return OK


def _before(known: Sequence[Version], second: Version) -> Version:
    """The newest version before the second one that has other rows and is kept; else the newest with other rows."""
    data_version = second.manifest.data_version
    others = [each for each in known if each.known_at < second.known_at and each.manifest.data_version != data_version]
    kept = [each for each in others if each.file is not None]
    if not others:
        raise StorageError(
            f"{second.manifest.provenance.dataset} has no earlier version with other rows; one is kept whenever a "
            "refresh changes it"
        )
    return (kept or others)[-1]


def _write_csv(found: Difference, path: Path) -> None:
    from ttapi_pipeline.storage.export import ExportFormat, export_rows

    export_rows(_changes(found).lazy(), path, ExportFormat.CSV, is_private=False)
    print_error(f"changes in {path}")


def _changes(found: Difference) -> pl.DataFrame:
    """One row per new row, gone row and changed value: the key, `change`, `column`, `before` and `after`."""
    import polars as pl

    def whole(rows: pl.DataFrame, change: str) -> pl.DataFrame:
        nothing = pl.lit(None, pl.String)
        return rows.select(*found.key, change=pl.lit(change), column=nothing, before=nothing, after=nothing)

    values = found.cells().select(*found.key, pl.lit("changed").alias("change"), "column", "before", "after")
    return pl.concat([whole(found.new, "new"), whole(found.gone, "gone"), values])


def _document(dataset: str, first: Version, second: Version, found: Difference) -> dict[str, Any]:
    from ttapi_pipeline.terminal.json_rows import json_rows

    def side(version: Version) -> dict[str, Any]:
        facts = version.manifest
        return {"version": facts.write_id, "known_at": version.known_at.isoformat(), "data_version": facts.data_version}

    return {
        "dataset": dataset,
        "first": side(first),
        "second": side(second),
        "columns_new": list(found.columns_new),
        "columns_gone": list(found.columns_gone),
        "rows_new": found.new.height,
        "rows_gone": found.gone.height,
        "rows_changed": found.after.height,
        "changed_per_column": dict(found.per_column()),
        "new": json_rows(found.new),
        "gone": json_rows(found.gone),
        "changed": json_rows(found.cells()),
    }


def _lines(
    dataset: str, first: Version, second: Version, found: Difference, *, rows: int | None, pen: Pen
) -> Sequence[str]:
    from ttapi_pipeline.terminal.table_lines import ID_LETTERS, row_lines

    def name(version: Version) -> str:
        return f"{version.manifest.write_id[:ID_LETTERS]} of {version.known_at:%Y-%m-%d %H:%M:%S}Z"

    lines = [pen.styled(line, "1") for line in wrapped(f"{dataset}: {name(first)} to {name(second)}", pen.width)]
    for words, columns in (("new", found.columns_new), ("gone", found.columns_gone)):
        if columns:
            lines += wrapped(f"columns {words}: {', '.join(columns)}", pen.width)
    if found.is_empty:
        return [*lines, "no row differs"]
    per_column = ", ".join(f"{name} {count:,}" for name, count in found.per_column().items())
    lines += wrapped(
        f"{found.new.height:,} rows new, {found.gone.height:,} gone, {found.after.height:,} changed"
        f"{': ' if per_column else ''}{per_column}",
        pen.width,
    )
    for title, frame in (("new", found.new), ("gone", found.gone), ("changed", found.cells())):
        if not frame.is_empty():
            first_rows = frame if rows is None else frame.head(rows)
            shown, _ = row_lines(first_rows, pen)
            of = f", the first {first_rows.height:,} of {frame.height:,}" if frame.height > first_rows.height else ""
            lines += ["", pen.styled(f"{title}{of}", "1"), *shown]
    return lines
