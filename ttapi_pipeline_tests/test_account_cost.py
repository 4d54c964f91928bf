# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What the documents say of requests is what a first refresh sends, and of endpoints what the client has."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Mapping
from datetime import timedelta
from types import ModuleType

import pytest

from ttapi_pipeline.client import BROKER_RATES, routes
from ttapi_pipeline.client.client import SYMBOLS_PER_REQUEST
from ttapi_pipeline.client.oauth import BLOCK, REFUSALS_UNTIL_CLOSED
from ttapi_pipeline.client.routes import Family
from ttapi_pipeline.core.ttl import format_duration
from ttapi_pipeline.core.universes import sp500
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.streaming.candle_collection import MAX_IN_FLIGHT
from ttapi_pipeline_tests.support.documents import ROOT

COST = (ROOT / "docs" / "cost.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `(\w+)` \| (\d+) \| (\d+) \| (\w+) \|$", re.MULTILINE)
FETCHED = {name: dataset for name, dataset in DATASETS.items() if dataset.is_fetched}
RECENT = "2026-10-01"
"""Where the candles begin has no part in the number of requests."""


@pytest.fixture(scope="module")
def benchmark_program() -> ModuleType:
    path = ROOT / "benchmarks" / "bench_account_cost.py"
    specification = importlib.util.spec_from_file_location(path.stem, path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[path.stem] = module
    specification.loader.exec_module(module)
    return module


def stated(column: int) -> Mapping[str, int]:
    return {row[0]: int(row[column]) for row in ROW.findall(COST)}


@pytest.mark.thorough
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("column", "symbols"), [(1, 50), (2, 503)])
def test_the_requests_of_a_first_refresh_are_those_of_the_table(
    benchmark_program: ModuleType, column: int, symbols: int
) -> None:
    members = [member.symbol for member in sp500()][:symbols]
    assert len(members) == symbols
    cost = benchmark_program.measure(members, RECENT)
    assert cost.requests == stated(column)
    assert cost.routes["GET /option-chains/{symbol}/nested"] == symbols
    assert cost.routes["POST /oauth/token"] == 1


def test_the_table_adds_up_and_has_every_fetched_dataset_with_its_ttl() -> None:
    assert {row[0]: row[3] for row in ROW.findall(COST)} == {
        name: format_duration(dataset.ttl) for name, dataset in FETCHED.items()
    }
    assert f"| together | {sum(stated(1).values())} | {sum(stated(2).values())} | |" in COST


def test_a_day_with_the_daemon_is_counted_by_the_ttls() -> None:
    times = timedelta(hours=6.5) // FETCHED["quotes"].ttl
    assert f"{times} times: every 5 minutes of 6.5 hours | 2 each, {2 * times}" in COST
    hours = timedelta(days=1) // FETCHED["accounts"].ttl
    assert f"{hours} times | 4 each for two open accounts, {4 * hours}" in COST
    daily = sum(stated(2)[name] for name in ("universe", "symbols", "implied_volatility"))
    assert f"| {daily} for 503 symbols, and 2 tokens |" in COST
    weekly = stated(2)["expiration_series"] + stated(2)["trading_calendar"]
    assert f"{weekly} a week" in COST


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("cost", f"batches of {SYMBOLS_PER_REQUEST} symbols"),
        ("cost", f"at most {MAX_IN_FLIGHT} of these at once"),
        ("cost", f"{BROKER_RATES[Family.OPTION_CHAINS].per_second:.0f} option chains a second at most"),
        ("cost", "left alone for eight hours"),
        ("account", "After two refusals they are not tried again for eight hours"),
    ],
)
def test_a_limit_that_a_page_states_is_that_of_the_program(page: str, words: str) -> None:
    assert words in " ".join((ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8").split())
    assert REFUSALS_UNTIL_CLOSED == 2
    assert timedelta(hours=8) == BLOCK


def test_the_page_of_the_account_has_every_endpoint_and_nothing_is_written_to_the_broker() -> None:
    known = {route.subject for route in vars(routes).values() if isinstance(route, routes.Route)}
    text = (ROOT / "docs" / "account.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `((?:GET|POST|PUT|PATCH|DELETE) [^`]+)` \|", text, re.MULTILINE)) == known
    assert {subject for subject in known if not subject.startswith("GET ")} == {"POST /oauth/token"}
