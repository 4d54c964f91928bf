# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Coverage of a collection."""

from __future__ import annotations

import pytest

from ttapi_pipeline.core.collection import Collection, no_progress, summarize
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
    assert str(caught.value) == (
        "symbols: 7 of 10 are missing: S0, S1, S2 and 4 more: HTTP 404; at least 80% must come (TT_MIN_COVERAGE), the "
        "stored data stays as it was"
    )
    assert caught.value.missing == missing
    assert caught.value.coverage == pytest.approx(0.3)


def test_a_summary_groups_subjects_by_reason_the_commonest_first() -> None:
    missing = {"A": "timed out", "B": "HTTP 502", "C": "HTTP 502", "D": "no row", "E": "gone"}
    assert summarize(missing) == "B, C: HTTP 502; A: timed out; D: no row; and 1 other reasons"


def test_a_collection_shows_how_much_came_and_not_what() -> None:
    rows = [{"canary": number} for number in range(500)]
    collection = Collection(rows, {"A": "canary"}, frozenset({"B"}), requested=502, rejected=[("A", "canary")])
    assert repr(collection) == "Collection(500 rows for 502 subjects, 1 missing, 1 empty, 1 rejected)"


def test_a_caller_that_does_not_watch_hears_nothing() -> None:
    no_progress(1, 2)
