# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Keeps what a program writes to its outputs away from a grid, until the grid is gone.

Log records that go through `logging`: see `held_logs`.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def capturing_stderr() -> Iterator[None]:
    """Hold what this process and its children write to standard error during the block, and write it afterwards.

    Libraries write there past `sys.stderr` and `logging`: banners, warnings of C code.
    """
    sys.stderr.flush()
    with os.fdopen(os.dup(2), "wb") as terminal, tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            # A stream of a terminal that is gone cannot be flushed.
            with suppress(OSError, ValueError):
                sys.stderr.flush()
            os.dup2(terminal.fileno(), 2)
            held.seek(0)
            with suppress(OSError):
                shutil.copyfileobj(held, terminal)
