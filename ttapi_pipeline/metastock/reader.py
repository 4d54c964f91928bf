# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Reads one batch of MetaStock files: the rows of each that are good daily bars, and an account of all others.

There are two ways. `scan` reads many files of one layout at once. `careful` reads one file line by line: files that do
not show a plain layout at the first look, and files in which the scan finds anything amiss. Both keep to `row_rules`.
Which files there are, and which of them have been read before: see `importer`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from ttapi_pipeline.metastock.batch import Batch
from ttapi_pipeline.metastock.candidates import Candidate
from ttapi_pipeline.metastock.careful import read_carefully
from ttapi_pipeline.metastock.frames import FilesRead
from ttapi_pipeline.metastock.identity import Symbols
from ttapi_pipeline.metastock.options import DEFAULT_OPTIONS, ImportOptions
from ttapi_pipeline.metastock.scan import scan_together


def read_files(
    folder: Path,
    candidates: Sequence[Candidate],
    symbols: Symbols,
    options: ImportOptions = DEFAULT_OPTIONS,
    *,
    today: date | None = None,
) -> FilesRead:
    """Read some files. Only daily rows are kept.

    Args:
        folder: The folder that the files' names are relative to.
        candidates: Files of one layout, or files without one (see `Candidate`), which are read one by one.
        symbols: The canonical symbol of each spelling.
        options: How to read what the files leave open.
        today: The exchange's date, see `import_folder`.

    Returns:
        The rows and the account, with each file known by its position among the candidates.
    """
    batch = Batch(folder, candidates, symbols, options, today=today)
    layout = candidates[0].layout if candidates else None
    for position in range(len(candidates)) if layout is None else scan_together(batch, layout):
        read_carefully(batch, position)
    return batch.finish()
