# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""`tt import --dry-run`: the outcome of an import of a MetaStock folder, told beforehand. `tt refresh` imports."""

from __future__ import annotations

import argparse
from typing import Final

from ttapi_pipeline.commands.exit_codes import INCOMPLETE, OK
from ttapi_pipeline.commands.json_output import print_json
from ttapi_pipeline.commands.parsers import CommandParser, typed_path
from ttapi_pipeline.core.arguments import accepting
from ttapi_pipeline.core.clock import SYSTEM_CLOCK
from ttapi_pipeline.core.extra_symbols import extra_symbols
from ttapi_pipeline.core.sessions import NEW_YORK
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.datasets.reading import stored_symbols
from ttapi_pipeline.storage.layout import open_folder

EXAMPLES: Final = {
    "tt import --dry-run ~/metastock": "files, symbols, rows, and every reason for a reject",
    "tt import --dry-run ~/metastock --json": "the same for a program",
}


def add_options(parser: CommandParser) -> None:
    """Give the command its options and its help."""
    parser.explain(
        "Say what an import of a MetaStock folder would give: files, symbols, rows, rejects.", examples=EXAMPLES
    )
    parser.add_argument("--dry-run", action="store_true", required=True, help="write nothing; `tt refresh` imports")
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    parser.add_argument("folder", type=accepting(typed_path, "a path"), metavar="DIR", help="read recursively")


def run(settings: Settings, options: argparse.Namespace) -> int:
    """Look at the folder and print the report, as tables or as one JSON object; nothing is written.

    Returns:
        0 when every row would be kept and nothing is doubtful, else 3.

    Raises:
        InvalidFormatError: The symbol map of the settings, or a list of symbols, is not one.
        StorageError: The folder, or such a file, cannot be read.
    """
    from ttapi_pipeline.metastock.options import import_options
    from ttapi_pipeline.metastock.preview import preview_folder
    from ttapi_pipeline.metastock.symbol_map import read_symbol_map
    from ttapi_pipeline.terminal.console import output_console
    from ttapi_pipeline.terminal.import_report import import_document, import_report

    path = settings.metastock_symbol_map
    preview = preview_folder(
        options.folder,
        symbol_map=None if path is None else read_symbol_map(path),
        options=import_options(settings),
        today=SYSTEM_CLOCK.now().astimezone(NEW_YORK).date(),
        # A dry run needs no data folder.
        universe=frozenset(stored_symbols(open_folder(settings.data_dir))) or None,
        extra=extra_symbols(settings.metastock_extra),
    )
    if options.json:
        print_json(import_document(preview))
    else:
        output_console().print(import_report(preview))
    return INCOMPLETE if preview.has_losses else OK
