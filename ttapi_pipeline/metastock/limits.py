# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The sizes that bound how much is read, held and written at a time. Results do not depend on them."""

from __future__ import annotations

from typing import Final

BATCH_BYTES: Final = 64 << 20
"""Text that is scanned together: about a million rows, 200 MB in memory."""

CAREFUL_BATCH_BYTES: Final = 16 << 20
"""The same for files that are read line by line, which takes more memory."""

READERS: Final = 2
"""How many batches are read at the same time, while another is stored."""

MOST_FILE_BYTES: Final = 4 << 30
"""A larger file is not read: all files of 15,000 symbols since the nineties together have half of that."""

MOST_FOUND: Final = 1_000_000
"""Files and folders below a folder of which the listing gives up: it is no folder of price files."""

HEAD_BYTES: Final = 4096
"""How much of each file is read at first: a header and some sixty rows, and one block of a disk."""

TEXT_BLOCK_BYTES: Final = 8 << 20
"""Text of one file that is decoded, scanned and cut at a time."""

BLOCK_LINE_ENDS: Final = TEXT_BLOCK_BYTES // 5
"""A block with more of them has lines that are too short for rows, and a gigabyte of these would take minutes."""

FIRST_ROWS: Final = 1 << 20
"""Where nine of ten of so many rows are none, the file is no file of prices, and it is not read on."""

LINE_CHARACTERS: Final = 1 << 16
"""A line that is longer is no row of prices; its end is not kept."""

TICKER_CHARACTERS: Final = 64
"""A ticker that is longer stands for no symbol, and its end is not kept."""

MOST_TICKERS: Final = 100_000
"""Of one file: six times what all exchanges of a country have. Each is remembered, unlike its rows."""

UNKNOWN_FIELDS: Final = 20
"""Of so many fields that stand for no role a header's names are kept; of the others the number."""

REJECTS_WITH_TEXT: Final = 1_000
"""Of so many rejected rows of a file the text is kept; of the others the line number and the reason."""

BLOCK_LINES: Final = 65_536
"""Lines that are cut at a time by the careful reading: a row as Python objects takes a kilobyte."""

RANGE_ROWS: Final = 1 << 20
"""The most rows of a range of symbols, unless a single symbol has more."""

RANGE_SYMBOLS: Final = 128
"""Symbols of a range, on average: a few hundred thousand rows, which one changed file makes new."""

MOST_SMALL_BATCHES: Final = 16
"""When more small batches than this are in the cache, they are put together."""

ROW_GROUP_ROWS: Final = 65_536
"""Of a cached batch, so that a range of symbols is read without the rest."""

PREVIEW_BYTES: Final = 192 << 20
"""How much a preview reads: some seconds' worth."""
