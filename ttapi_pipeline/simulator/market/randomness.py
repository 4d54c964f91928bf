# SPDX-License-Identifier: MIT
"""Chance that is a pure function of a seed and names: the same on every machine, in every process.

What the draws mean is decided next door, in `instruments` and `paths`.
"""

from __future__ import annotations

from hashlib import blake2b
from statistics import NormalDist
from typing import Final

import numpy as np

_NORMAL: Final = NormalDist()


def stable_key(*parts: object) -> int:
    """128 bits from the text of the parts; unlike `hash`, the same in every process."""
    text = "\x1f".join(map(str, parts))
    return int.from_bytes(blake2b(text.encode(), digest_size=16).digest(), "big")


def uniforms(*parts: object, count: int) -> list[float]:
    """Up to 16 numbers in (0, 1), named by the parts."""
    text = "\x1f".join(map(str, parts))
    digest = blake2b(text.encode(), digest_size=4 * count).digest()
    return [(int.from_bytes(digest[at : at + 4], "big") + 0.5) / 2**32 for at in range(0, 4 * count, 4)]


def normal(uniform: float) -> float:
    """The standard normal number with that cumulative probability."""
    return _NORMAL.inv_cdf(uniform)


def generator(*parts: object) -> np.random.Generator:
    """A stream of numbers named by the parts."""
    return np.random.Generator(np.random.SFC64(stable_key(*parts)))
