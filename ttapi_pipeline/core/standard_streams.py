# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Standard output and error are where they were, whatever was done to them in between."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def standard_streams_restored() -> Iterator[None]:
    """Have both streams lead where they led before the block, once it ends.

    Dagster points them at a file while a step runs. On a full disk it cannot write what is left for that file, and ends
    without pointing them back: what is said of the error afterwards would go into the file, too, and be lost.
    """
    kept = [(stream, number, os.dup(number)) for number, stream in ((1, sys.stdout), (2, sys.stderr))]
    try:
        yield
    finally:
        for stream, number, copy in kept:
            with suppress(OSError, ValueError):
                stream.flush()
            os.dup2(copy, number)
            os.close(copy)
