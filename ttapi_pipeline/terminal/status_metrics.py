# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The status of datasets as metrics, for a program that watches. Their text: see `commands.metrics`.

Instants and not ages: a file that nobody writes any more then shows a dataset that grows older, and not one that stays
as young as it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ttapi_pipeline.datasets.status import DatasetStatus
from ttapi_pipeline.terminal.dataset_rows import coverage

_PREFIX: Final = "ttapi_dataset_"
_BREAKER: Final = "ttapi_breaker_open"
_LOOKED: Final = "ttapi_looked_timestamp_seconds"


@dataclass(frozen=True, slots=True)
class Metric:
    """One gauge.

    Attributes:
        name: With its unit, as Prometheus names metrics.
        meaning: One sentence.
        label: The name of its label; None for a metric of one value.
        values: By the value of the label, or by an empty text.
    """

    name: str
    meaning: str
    label: str | None
    values: Mapping[str, float]


def status_metrics(
    statuses: Mapping[str, DatasetStatus],
    *,
    failures: Mapping[str, datetime],
    breakers: Mapping[str, str],
    now: datetime,
) -> list[Metric]:
    """Every metric that has a value. Labels are names of datasets and of endpoint families, and nothing else.

    Args:
        statuses: By dataset.
        failures: When a step last failed, aware UTC, by dataset.
        breakers: State of each circuit breaker that is remembered, by endpoint family.
        now: When the statuses were read, aware UTC.
    """
    facts = {name: dict(_facts(status, failures.get(name))) for name, status in statuses.items()}
    metrics = [
        Metric(
            f"{_PREFIX}{fact}",
            meaning,
            "dataset",
            {name: each[fact] for name, each in facts.items() if fact in each},
        )
        for fact, meaning in _OF_DATASETS.items()
    ]
    are_open = {family: float(state != "closed") for family, state in breakers.items()}
    metrics.append(Metric(_BREAKER, "1 while the broker is not asked, as it failed.", "family", are_open))
    looked = {"": now.timestamp()}
    metrics.append(Metric(_LOOKED, "When these metrics were read.", None, looked))
    return [metric for metric in metrics if metric.values]


_OF_DATASETS: Final[Mapping[str, str]] = {
    "fresh": "1 if it can be used as it is, 0 if it is due to be refreshed.",
    "damaged": "1 if its files cannot be read or believed.",
    "failed": "1 if its last failure came after its last refresh; known where the daemon runs.",
    "last_failure_timestamp_seconds": "When it last failed; absent where no failure is on record.",
    "ttl_seconds": "How long it stays fresh; while the exchange is closed, prices stay fresh for longer.",
    "fetched_timestamp_seconds": "When its collection or computation began; its age counts from here.",
    "refreshed_timestamp_seconds": "When the refresh began that stored it.",
    "refresh_duration_seconds": "How long that refresh took.",
    "rows": "Rows that are stored.",
    "parquet_bytes": "Size of its Parquet file.",
    "missing": "Subjects (symbols, accounts) that should have come and did not.",
    "coverage_ratio": "Share of the subjects that came, 0 to 1.",
    "lost_values": "Values that came and could not be read.",
    "doubts": "What was taken over as it came, and a person should look at.",
    "requests": "Requests to the broker by its last refresh, with repetitions.",
    "retries": "Repetitions among these requests.",
    "throttled": "Answers with status 429 among these requests.",
}

NAMES: Final = frozenset({*(f"{_PREFIX}{fact}" for fact in _OF_DATASETS), _BREAKER, _LOOKED})
"""Of every metric that there can be."""


def _facts(status: DatasetStatus, failed_at: datetime | None) -> Iterator[tuple[str, float]]:
    verdict, manifest = status.verdict, status.manifest
    yield "fresh", float(verdict.is_hit)
    yield "damaged", float(status.damage is not None)
    yield "ttl_seconds", verdict.ttl.total_seconds()
    if failed_at is not None:
        yield "last_failure_timestamp_seconds", failed_at.timestamp()
    if manifest is None:
        yield "failed", float(failed_at is not None)
        return
    provenance = manifest.provenance
    refreshed_at = provenance.began_at or provenance.fetched_at
    yield "failed", float(failed_at is not None and failed_at > refreshed_at)
    yield "fetched_timestamp_seconds", provenance.fetched_at.timestamp()
    yield "refreshed_timestamp_seconds", refreshed_at.timestamp()
    yield "refresh_duration_seconds", provenance.fetch_seconds
    yield "rows", manifest.rows
    yield "parquet_bytes", manifest.parquet.bytes
    yield "missing", len(provenance.missing)
    yield "lost_values", sum(provenance.lost.values())
    yield "doubts", provenance.doubts
    share = coverage(provenance.statistics)
    if share is not None:
        yield "coverage_ratio", share
    for fact in ("requests", "retries", "throttled"):
        count = provenance.statistics.get(fact, 0)
        if status.dataset.is_fetched and isinstance(count, int):
            yield fact, count
