# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What is said after a block is read, also when the streams were pointed elsewhere in it and could not be written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_PROGRAM = """
import os, sys
from ttapi_pipeline.core.standard_streams import standard_streams_restored
try:
    with standard_streams_restored():
        full = os.open("/dev/full", os.O_WRONLY)
        os.dup2(full, 1)
        os.dup2(full, 2)
        print("into the file")
        sys.stdout.flush()
except OSError as error:
    print("error:", error.strerror, file=sys.stderr)
"""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_an_error_is_read_although_the_streams_led_to_a_full_disk() -> None:
    done = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "error: No space left on device\n")
