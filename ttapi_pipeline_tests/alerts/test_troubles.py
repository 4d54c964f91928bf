# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What counts as wrong: verdicts, failures and coverage of a moment."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ttapi_pipeline.alerts.troubles import (
    GRACE,
    Kind,
    StepOutcome,
    Trouble,
    due_times,
    find_troubles,
    last_failures,
)
from ttapi_pipeline.core.manifest import FileFacts, Manifest, Provenance
from ttapi_pipeline.core.verdict import Rule, Verdict
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.datasets.status import DatasetStatus
from ttapi_pipeline.storage.stored import Stored

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def status(name: str, *, is_hit: bool = True, fetched_at: datetime = NOW - MINUTE, **facts: Any) -> DatasetStatus:
    """Of a dataset that is stored; the facts are those of its provenance."""
    provenance = Provenance(dataset=name, code_version="1", fetched_at=fetched_at, **facts)
    manifest = Manifest(
        provenance=provenance, data_version="1", write_id="1", rows=1, schema={}, parquet=FileFacts(1, "0")
    )
    rule, reason = (Rule.FRESH, "1m old, TTL 1h") if is_hit else (Rule.EXPIRED, "2h old, TTL 1h is over")
    return DatasetStatus(DATASETS[name], Stored(manifest), Verdict(name, is_hit, rule, reason, 60 * MINUTE))


def failure(step: str, error: str = "TransportError", sentence: str = "no answer", at: datetime = NOW) -> StepOutcome:
    return StepOutcome(step=step, at=at, error=error, sentence=f"{step}: {sentence}")


def troubles(
    statuses: Mapping[str, DatasetStatus], *failures: StepOutcome, due: Mapping[str, datetime] | None = None, **kw: Any
) -> Mapping[str, Trouble]:
    by_step = {each.step: each for each in failures}
    return find_troubles(statuses, by_step, due or {}, under_way=kw.get("under_way", ()), now=NOW)


def test_fresh_and_whole_datasets_have_no_trouble() -> None:
    assert troubles({"symbols": status("symbols"), "quotes": status("quotes")}) == {}


def test_a_failed_dataset_is_in_trouble_although_its_data_is_fresh() -> None:
    found = troubles({"symbols": status("symbols")}, failure("symbols"))
    assert found["symbols"] == Trouble(
        subject="symbols", kind=Kind.FAILED, cause="broker", sentence="no answer", since=NOW
    )


@pytest.mark.parametrize(
    ("error", "sentence", "cause"),
    [
        ("TransportError", "GET /a: no response", "broker"),
        ("CoverageError", "12 of 503 came", "broker"),
        ("HttpError", "GET /a: HTTP 503, down", "broker"),
        ("HttpError", "GET /a: HTTP 404, nothing", "HTTP 404"),
        ("AuthError", "refused", "credentials"),
        ("LockTimeoutError", "held", "storage"),
        ("KeyError", "row 17 of a1b2", "KeyError: row # of #"),
    ],
)
def test_errors_that_one_thing_causes_have_one_cause(error: str, sentence: str, cause: str) -> None:
    assert troubles({}, failure("symbols", error, sentence))["symbols"].cause == cause


def test_the_last_outcome_of_a_step_counts_in_whatever_order_they_come() -> None:
    first, then = failure("symbols", at=NOW), StepOutcome(step="symbols", at=NOW + MINUTE)
    assert last_failures({}, [then, first], {}) == {}
    assert last_failures({"symbols": first}, [], {}) == {"symbols": first}
    again = failure("symbols", at=NOW + 2 * MINUTE)
    assert last_failures({"symbols": first}, [again, then], {}) == {"symbols": again}


def test_a_dataset_that_was_collected_after_its_failure_is_well() -> None:
    stored = {"symbols": status("symbols", fetched_at=NOW + MINUTE)}
    assert last_failures({"symbols": failure("symbols")}, [], stored) == {}


def test_a_due_dataset_below_a_failed_one_waits_for_it_and_a_fresh_one_does_not() -> None:
    statuses = {
        "universe": status("universe", is_hit=False),
        "symbols": status("symbols", is_hit=False),
        "earnings": status("earnings", is_hit=False),
        "quotes": status("quotes"),
    }
    found = troubles(statuses, failure("universe"))
    assert {name: (each.kind, each.cause) for name, each in found.items()} == {
        "universe": (Kind.FAILED, "broker"),
        "symbols": (Kind.WAITING, "broker"),
        "earnings": (Kind.WAITING, "broker"),
    }
    # `earnings` is made from `symbols`, which is made from `universe`.
    assert found["earnings"].sentence == "universe"


def test_a_dataset_is_overdue_when_nothing_has_refreshed_it_for_a_quarter_of_an_hour() -> None:
    statuses = {"quotes": status("quotes", is_hit=False)}
    assert troubles(statuses, due={"quotes": NOW - GRACE + timedelta(seconds=1)}) == {}
    found = troubles(statuses, due={"quotes": NOW - GRACE})
    assert found["quotes"] == Trouble(
        subject="quotes", kind=Kind.OVERDUE, cause="overdue", sentence="2h old, TTL 1h is over", since=NOW - GRACE
    )


def test_time_is_counted_while_a_dataset_is_due_and_nothing_keeps_it() -> None:
    names = ("universe", "symbols", "quotes", "accounts")
    statuses = {name: status(name, is_hit=False) for name in names}
    began = NOW - 5 * MINUTE
    known = dict.fromkeys((*names, "earnings"), began)
    failures = {"universe": failure("universe")}
    # `symbols` and `quotes` are below `universe`, and `earnings` is not due any more.
    assert due_times(known, statuses, failures, under_way=(), now=NOW) == {"accounts": began}
    assert due_times(known, statuses, {}, under_way={"quotes"}, now=NOW) == {
        "universe": began,
        "symbols": began,
        "accounts": began,
    }
    assert due_times({}, statuses, {}, under_way=(), now=NOW) == dict.fromkeys(names, NOW)


def test_lost_coverage_names_some_subjects_and_the_reason_of_most() -> None:
    missing = dict.fromkeys(("AAPL", "A", "MSFT", "KO"), "GET /x: HTTP 500, broken") | {"Z": "unknown symbol"}
    lost = status("symbols", statistics={"coverage": 0.9}, missing=missing)
    assert troubles({"symbols": lost})["symbols"] == Trouble(
        subject="symbols",
        kind=Kind.INCOMPLETE,
        cause="coverage of symbols",
        sentence="5 did not come (A, AAPL, KO, 2 more; HTTP 500, broken)",
        since=NOW - MINUTE,
        percent=10.0,
    )


def test_missing_accounts_are_counted_and_not_named() -> None:
    lost = status("accounts", statistics={"coverage": 0.5}, missing={"5WT12345": "GET /accounts/5WT12345: HTTP 500"})
    assert troubles({"accounts": lost})["accounts"].sentence == "1 did not come"


@pytest.mark.parametrize(
    ("coverage", "is_slight"), [(1.0, None), (0.996, None), (0.993, True), (0.99, True), (0.989, False)]
)
def test_a_hundredth_may_be_missing(coverage: float, is_slight: bool | None) -> None:
    found = troubles({"symbols": status("symbols", statistics={"coverage": coverage})})
    assert (found["symbols"].is_slight if found else None) is is_slight


def test_what_looks_like_a_token_or_an_account_is_in_no_sentence() -> None:
    said = "HTTP 401, Bearer abcdefghijklmnopqrstuvwxyz0123 of 5WT12345\nand more"
    assert troubles({}, failure("symbols", "HttpError", said))["symbols"].sentence == (
        "HTTP 401, Bearer *** of *** and more"
    )
