# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Damage to a stored file as a failing disk does it: neither name nor time of the file changes."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

BLOCK: Final = 4096
"""Bytes that a disk loses or repeats together."""


def flip_bit(path: Path, position: int, bit: int) -> None:
    """Turn over one bit; the time of the file stays, as it does where no program has written.

    Args:
        path: The file.
        position: Of the byte, from 0; negative ones count from the end.
        bit: 0 to 7.
    """
    content = bytearray(path.read_bytes())
    content[position] ^= 1 << bit
    put_bytes(path, bytes(content))


def put_bytes(path: Path, content: bytes) -> None:
    """Put other bytes into a file, which stays the same file with the same time."""
    before = path.stat()
    with path.open("r+b") as file:
        file.write(content)
        file.truncate()
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def flip_any_bit(path: Path, chance: random.Random, *, first: int = 0) -> str:
    """Turn over a random bit from a byte on, and say which."""
    # Drawn as a share: what is drawn must not depend on the size of a file, which differs by a digit of its times.
    size = path.stat().st_size - first
    position, bit = first + (chance.randrange(2**32) * size >> 32), chance.randrange(8)
    flip_bit(path, position, bit)
    return f"{path.name}, byte {position}, bit {bit}"


def _truncate(content: bytes, chance: random.Random) -> bytes:
    return content[: chance.randrange(1, max(len(content), 2))]


def _zero_block(content: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(max(len(content), 1)) // BLOCK * BLOCK
    end = min(at + BLOCK, len(content))
    return content[:at] + bytes(end - at) + content[end:]


def _repeat_block(content: bytes, chance: random.Random) -> bytes:
    """A block is there in place of the one that follows it; of a file of one block, it is there twice."""
    at = chance.randrange(max(len(content) - BLOCK, 1)) // BLOCK * BLOCK
    block, rest = content[at : at + BLOCK], content[at + 2 * BLOCK :]
    return content[: at + len(block)] + block + rest


CHANGES: Final[Mapping[str, Callable[[bytes, random.Random], bytes]]] = {
    "truncated": _truncate,
    "zeroed": _zero_block,
    "repeated": _repeat_block,
    "emptied": lambda _, __: b"",
}
"""What a disk does to a file besides turning over a bit: the bytes that are there afterwards."""
