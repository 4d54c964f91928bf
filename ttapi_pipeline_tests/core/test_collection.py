# SPDX-License-Identifier: MIT
"""Coverage of a collection."""

from __future__ import annotations

import pytest

from ttapi_pipeline.core.collection import Collection, no_progress
from ttapi_pipeline.core.errors import CoverageError


def test_coverage_is_the_share_that_the_source_answered_for() -> None:
    collection = Collection(rows=[1, 2], missing={"A": "HTTP 404"}, empty=frozenset({"B"}), requested=4)
    assert collection.coverage == 0.75


def test_nothing_asked_for_is_complete() -> None:
    nothing: Collection[int] = Collection(rows=[])
    assert nothing.coverage == 1.0


def test_enough_coverage_passes_and_too_little_names_what_is_missing() -> None:
    missing = {f"S{n}": "HTTP 404" for n in range(7)}
    collection: Collection[int] = Collection(rows=[], missing=missing, requested=10)
    collection.require(0.3, subject="symbols")
    with pytest.raises(CoverageError) as caught:
        collection.require(0.8, subject="symbols")
    assert str(caught.value).startswith("symbols: 7 of 10 are missing (S0: HTTP 404; S1: HTTP 404;")
    assert "and 2 more); at least 80% must come (TT_MIN_COVERAGE)" in str(caught.value)
    assert caught.value.missing == missing
    assert caught.value.coverage == pytest.approx(0.3)


def test_a_caller_that_does_not_watch_hears_nothing() -> None:
    no_progress(1, 2)
