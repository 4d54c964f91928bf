# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""`tt metrics`: a parser of Prometheus reads what it prints, and the figures are those of the stored tables."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from prometheus_client.parser import text_string_to_metric_families

from ttapi_pipeline.core.seals import sealed_document
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline_tests.support.projects import Tt

NOBODY = {"TT_ENV": "simulator", "TT_API_URL": "http://127.0.0.1:9"}
SAMPLE = re.compile(r'ttapi_[a-z_]+(\{(dataset|family)="[a-z_/-]+"\})? [-+.0-9e]+')
"""A line of the text format, as its specification has it, with the labels that there may be."""


def read(text: str) -> Mapping[str, Mapping[str, float]]:
    """Values by metric and label, as a parser that did not write them reads them."""
    return {
        family.name: {next(iter(sample.labels.values()), ""): sample.value for sample in family.samples}
        for family in text_string_to_metric_families(text)
    }


def test_the_figures_are_those_of_the_stored_tables(tt: Tt, filled: Path) -> None:
    done = tt("metrics", **NOBODY)
    assert done.code == 0
    assert [line for line in done.out.splitlines() if not line.startswith("# ") and not SAMPLE.fullmatch(line)] == []
    metrics = read(done.out)
    assert metrics["ttapi_dataset_fresh"] == dict.fromkeys(DATASETS, 1.0)
    assert metrics["ttapi_dataset_failed"] == dict.fromkeys(DATASETS, 0.0)
    for name in DATASETS:
        path = filled / "data" / f"{name}.parquet"
        assert metrics["ttapi_dataset_rows"][name] == pl.scan_parquet(path).select(pl.len()).collect().item()
        assert metrics["ttapi_dataset_parquet_bytes"][name] == path.stat().st_size
        manifest = json.loads((filled / "data" / f"{name}.json").read_text())
        fetched_at = datetime.fromisoformat(manifest["fetched_at"]).timestamp()
        assert metrics["ttapi_dataset_fetched_timestamp_seconds"][name] == fetched_at
        assert metrics["ttapi_dataset_missing"][name] == len(manifest["missing"])
    assert metrics["ttapi_dataset_ttl_seconds"]["expiration_series"] == 7 * 24 * 3600
    fetched = {name for name, dataset in DATASETS.items() if dataset.is_fetched}
    assert set(metrics["ttapi_dataset_requests"]) == fetched
    # A chain for each of the three symbols, at least.
    assert metrics["ttapi_dataset_requests"]["expiration_series"] >= 3
    assert metrics["ttapi_dataset_throttled"]["expiration_series"] == 0


def test_promtool_accepts_the_text(tt: Tt, filled: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("there is no promtool here: `apt-get install prometheus` brings it")
    text = tt("metrics", **NOBODY).out
    done = subprocess.run(
        [promtool, "check", "metrics"], input=text, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_before_anything_is_stored_every_dataset_is_due_and_has_no_age(tt: Tt) -> None:
    metrics = read(tt("metrics", **NOBODY).out)
    assert metrics["ttapi_dataset_fresh"] == dict.fromkeys(DATASETS, 0.0)
    assert "ttapi_dataset_fetched_timestamp_seconds" not in metrics
    assert "ttapi_dataset_rows" not in metrics
    assert set(metrics["ttapi_looked_timestamp_seconds"]) == {""}


def test_failures_and_breakers_that_are_remembered_are_told(tt: Tt, filled: Path) -> None:
    state = filled / "data" / ".state"
    state.mkdir(exist_ok=True)
    failures = [
        {"at": "2020-01-02T00:00:00+00:00", "dataset": "quotes", "sentence": "before it was refreshed"},
        {"at": "2999-01-02T00:00:00+00:00", "dataset": "universe", "sentence": "account 5WT00001"},
    ]
    lines = [*map(json.dumps, failures), "cut sho"]
    (state / "failures.jsonl").write_text("\n".join(lines))
    states = {"market-metrics": {"state": "open"}, "instruments": {"state": "closed"}}
    (state / "breakers.json").write_text(sealed_document({"servers": {NOBODY["TT_API_URL"]: states}}, by="state 1"))
    done = tt("metrics", **NOBODY)
    metrics = read(done.out)
    assert {name for name, value in metrics["ttapi_dataset_failed"].items() if value} == {"universe"}
    assert metrics["ttapi_dataset_last_failure_timestamp_seconds"] == {
        "quotes": datetime(2020, 1, 2, tzinfo=UTC).timestamp(),
        "universe": datetime(2999, 1, 2, tzinfo=UTC).timestamp(),
    }
    assert metrics["ttapi_breaker_open"] == {"market-metrics": 1.0, "instruments": 0.0}
    assert "5WT00001" not in done.out
    assert "circuit breaker open" in tt("status", **NOBODY).out


def test_a_file_is_replaced_as_a_whole_and_lies_where_it_was_typed(tt: Tt, filled: Path) -> None:
    target = filled / "ttapi.prom"
    target.write_text("before")
    done = tt("metrics", "--output", "ttapi.prom", **NOBODY)
    assert (done.code, done.out) == (0, "")
    assert done.err.endswith(f" values in {target}\n")
    assert set(read(target.read_text())["ttapi_dataset_fresh"]) == set(DATASETS)
    done = tt("metrics", "--output", "nowhere/ttapi.prom", **NOBODY)
    assert done.code == 4
    assert "nowhere/ttapi.prom" in done.err


def test_without_the_package_it_says_what_to_install(tt: Tt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    done = tt("metrics", **NOBODY)
    assert (done.code, done.out, done.err) == (
        2,
        "",
        "error: tt metrics needs the package prometheus-client: pip install 'ttapi-pipeline[metrics]'\n",
    )
