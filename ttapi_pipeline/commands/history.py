# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""`tt history`: the publications of a dataset. What changed between two of them: see `diff`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any, Final

from ttapi_pipeline.commands.completers import complete_with, datasets
from ttapi_pipeline.commands.exit_codes import OK
from ttapi_pipeline.commands.json_output import print_json
from ttapi_pipeline.commands.parsers import CommandParser, one_of
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.storage.layout import open_folder
from ttapi_pipeline.storage.versions.reading import Version, versions
from ttapi_pipeline.terminal.pen import Pen, glyphs_for, wrapped
from ttapi_pipeline.terminal.sizes import size_in_words
from ttapi_pipeline.terminal.streams import is_coloured, output_width, print_lines

EXAMPLES: Final = {
    "tt history symbols": "the last publications, the newest first",
    "tt history accounts --all --json": "every one, with the reason of each",
}

_SHOWN: Final = 20


def add_options(parser: CommandParser) -> None:
    """Give the command its options and its help."""
    parser.explain(
        "List the publications of a dataset, the newest first: since when each was\n"
        "known, why it was made, how many rows were new, changed and gone, and whether\n"
        "its rows are kept. `tt diff` compares two of them.",
        examples=EXAMPLES,
    )
    name = parser.add_argument("dataset", type=one_of(DATASETS, what="dataset"), metavar="DATASET")
    complete_with(name, datasets)
    parser.add_argument("--all", action="store_true", help=f"all, and not the last {_SHOWN} only")
    parser.add_argument("--json", action="store_true", help="print them as a JSON object")


def run(settings: Settings, options: argparse.Namespace) -> int:
    """Print the publications.

    Raises:
        StorageError: The log cannot be read, or the data is in an object store.
        CorruptFileError: The manifest is damaged.
    """
    known = versions(open_folder(settings.data_dir), options.dataset)
    shown = list(reversed(known if options.all else known[-_SHOWN:]))
    if options.json:
        print_json({"dataset": options.dataset, "publications": len(known), "versions": [*map(_document, shown)]})
        return OK
    pen = Pen(is_coloured=is_coloured(sys.stdout), glyphs=glyphs_for(sys.stdout), width=output_width())
    print_lines(_lines(options.dataset, known, shown, pen))
    return OK


def _document(version: Version) -> dict[str, Any]:
    manifest, facts = version.manifest, version.manifest.provenance
    return {
        "version": manifest.write_id,
        "known_at": version.known_at.isoformat(),
        "is_current": version.is_current,
        "is_kept": version.file is not None,
        "is_simulated": facts.is_simulated,
        "why": facts.why or None,
        "run": facts.run or None,
        "code_version": facts.code_version,
        "data_version": manifest.data_version,
        "rows": manifest.rows,
        "rows_new": facts.statistics.get("rows_new"),
        "rows_changed": facts.statistics.get("rows_changed"),
        "rows_gone": facts.statistics.get("rows_gone"),
        "bytes": manifest.parquet.bytes,
    }


def _lines(dataset: str, known: Sequence[Version], shown: Sequence[Version], pen: Pen) -> Sequence[str]:
    import polars as pl

    from ttapi_pipeline.terminal.table_lines import ID_LETTERS, row_lines

    if not known:
        return wrapped(f"nothing of {dataset} has been stored yet; `tt refresh {dataset}` makes it", pen.width)
    counts = ("rows", "rows_new", "rows_changed", "rows_gone")
    rows = [
        {
            "known_at": version.known_at,
            "version": version.manifest.write_id[:ID_LETTERS],
            "why": version.manifest.provenance.why.partition(":")[0] or None,
            **{name.removeprefix("rows_"): document[name] for name in counts},
            "kept": "now" if version.is_current else "yes" if version.file else "no",
        }
        for version, document in ((each, _document(each)) for each in shown)
    ]
    schema = {"why": pl.String, **{name.removeprefix("rows_"): pl.Int64 for name in counts}}
    lines, _ = row_lines(pl.DataFrame(rows, schema_overrides=schema), pen)
    kept = {each.written_by.write_id: each.written_by.parquet.bytes for each in known if each.file is not None}
    size = f"{size_in_words(sum(kept.values()))} of rows kept"
    count = f"the last {len(shown):,} of {len(known):,}" if len(shown) < len(known) else f"{len(known):,}"
    return [*lines, "", *wrapped(f"{count} publication{'' if len(known) == 1 else 's'}, {size}", pen.width)]
