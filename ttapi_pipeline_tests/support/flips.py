# SPDX-License-Identifier: MIT
"""One bit of a stored file turned over, as a failing disk does it: neither size nor time of the file changes."""

from __future__ import annotations

import os
import random
from pathlib import Path


def flip_bit(path: Path, position: int, bit: int) -> None:
    """Turn over one bit; the time of the file stays, as it does where no program has written.

    Args:
        path: The file.
        position: Of the byte, from 0; negative ones count from the end.
        bit: 0 to 7.
    """
    before = path.stat()
    content = bytearray(path.read_bytes())
    content[position] ^= 1 << bit
    with path.open("r+b") as file:
        file.write(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def flip_any_bit(path: Path, chance: random.Random) -> str:
    """Turn over a random bit, and say which."""
    # Drawn as a share: what is drawn must not depend on the size of a file, which differs by a digit of its times.
    position, bit = chance.randrange(2**32) * path.stat().st_size >> 32, chance.randrange(8)
    flip_bit(path, position, bit)
    return f"{path.name}, byte {position}, bit {bit}"
