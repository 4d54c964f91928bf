# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Random numbers as a pure function of a seed and names: the same on every machine, in every process.

They become traits in `instruments` and prices in `paths`.
"""

from __future__ import annotations

from hashlib import blake2b
from statistics import NormalDist
from typing import Final

import numpy as np

_NORMAL: Final = NormalDist()


def stable_key(*names: object) -> int:
    """128 bits from the text of these names; unlike `hash`, the same in every process."""
    text = "\x1f".join(map(str, names))
    return int.from_bytes(blake2b(text.encode(), digest_size=16).digest(), "big")


def uniforms(*names: object, count: int) -> list[float]:
    """`count` numbers in (0, 1) that belong to these names; at most 16."""
    text = "\x1f".join(map(str, names))
    digest = blake2b(text.encode(), digest_size=4 * count).digest()
    return [(int.from_bytes(digest[at : at + 4], "big") + 0.5) / 2**32 for at in range(0, 4 * count, 4)]


def normal(uniform: float) -> float:
    """The standard normal number with that cumulative probability."""
    return _NORMAL.inv_cdf(uniform)


def generator(*names: object) -> np.random.Generator:
    """A stream of random numbers that belongs to these names."""
    return np.random.Generator(np.random.SFC64(stable_key(*names)))
