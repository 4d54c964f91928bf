# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Buckets of symbols: the same on every machine, in every process and with every version of Polars and Python."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from ttapi_pipeline.tables.symbol_buckets import bucket_keys, bucket_of, in_buckets
from ttapi_pipeline_tests.support.documents import ROOT

# `printf AAPL | xxhsum -H3`, of xxHash 0.8.1; the last line is also the hash of nothing in xxHash's own tests.
XXH3 = {
    "AAPL": "dfb0aa5c25cce8c5",
    "MSFT": "95036c0284b0988d",
    "BRK/B": "708671452d24c0e4",
    "SPX": "0c54cd6564ad5792",
    "ES": "ffc2425826fc448e",
    "": "2d06800538d394c2",
}


@pytest.mark.parametrize("symbol", XXH3)
@pytest.mark.parametrize("buckets", [1, 2, 7, 16, 256])
def test_the_bucket_is_the_remainder_of_the_published_hash(symbol: str, buckets: int) -> None:
    assert bucket_of(symbol, buckets) == int(XXH3[symbol], 16) % buckets


def test_each_symbol_is_in_one_bucket_and_a_bucket_may_be_empty() -> None:
    found = in_buckets(["SPX", "MSFT", "AAPL", "BRK/B"], 16)
    # The last hexadecimal digit of each hash.
    assert {key: names for key, names in found.items() if names} == {
        "02-of-16": ["SPX"],
        "04-of-16": ["BRK/B"],
        "05-of-16": ["AAPL"],
        "13-of-16": ["MSFT"],
    }
    assert list(found) == bucket_keys(16)
    assert not set(bucket_keys(16)) & set(bucket_keys(8))


def test_another_process_has_the_same_buckets_whatever_seeds_the_hashes_of_python() -> None:
    code = "from ttapi_pipeline.tables.symbol_buckets import bucket_of; print(bucket_of('AAPL', 16))"
    said = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout
        for seed in ("0", "1", "4711")
    }
    assert said == {"5\n"}
