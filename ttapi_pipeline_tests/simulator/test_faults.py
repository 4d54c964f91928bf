# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The plan of faults, from text and from JSON."""

from __future__ import annotations

import re

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttapi_pipeline.core.errors import ConfigError
from ttapi_pipeline.simulator.faults import KINDS, FaultPlan
from ttapi_pipeline_tests.support.documents import ROOT
from ttapi_pipeline_tests.support.simulator import Api


def test_a_fault_on_the_command_line() -> None:
    fault = FaultPlan().add_option("status:status=429,retry_after=2,count=3,route=/market-metrics,probability=0.5")
    assert (fault.route, fault.remaining, fault.probability) == ("/market-metrics", 3, 0.5)
    assert (fault.number("status"), fault.number("retry_after"), fault.text("body")) == (429, 2, "json")
    with pytest.raises(ConfigError, match="NAME=VALUE"):
        FaultPlan().add_option("status:429")
    edit = FaultPlan().add_option('replace-field:count=1,path=data.items[symbol=AAPL].x,value=[{"a": 1, "b": "="}]')
    assert (edit.text("path"), edit.text("value")) == ("data.items[symbol=AAPL].x", '[{"a": 1, "b": "="}]')


@pytest.mark.parametrize(
    ("route", "symbols"),
    [
        ("/option-chains/{symbol}/nested", {"AAPL", "BRK/B"}),
        ("/option-chains/{underlying}/nested", {"AAPL", "BRK/B"}),
        ("/option-chains/BRK%2FB/nested", {"BRK/B"}),
        ("option-chains", {"AAPL", "BRK/B"}),
        ("/market-metrics", set()),
    ],
)
async def test_a_fault_strikes_at_its_template_its_path_and_its_family(
    simulator: Api, route: str, symbols: set[str]
) -> None:
    await simulator.fault("status", route, parameters={"status": 418})
    asked = {"AAPL": "AAPL", "BRK/B": "BRK%2FB"}
    statuses = {name: (await simulator.get(f"/option-chains/{path}/nested")).status for name, path in asked.items()}
    assert {name for name, status in statuses.items() if status == 418} == symbols


def test_the_faults_of_the_page_are_faults(simulator: Api) -> None:
    page = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")
    rest = page.partition("## MetaStock files")[0]
    options = [
        *re.findall(r"^\| [^|]+ \| `([a-z][^|]+)` \| [^|]+ \|$", rest, re.MULTILINE),
        *re.findall(r"--fault '(.+)'", page),
    ]
    assert len(options) > 25
    for option in options:
        simulator.simulator.faults.add_option(option)


@pytest.mark.parametrize("route", ["/market-metric", "/option-chains", "metrics", "/", "/option-chains/A/B/nested"])
async def test_a_fault_that_could_never_strike_is_refused(simulator: Api, route: str) -> None:
    reply = await simulator.post("/simulator/faults", json={"kind": "status", "route": route})
    assert reply.status == 400
    assert b"no request has the route" in reply.body


@given(st.dictionaries(st.text(), st.none() | st.booleans() | st.floats() | st.text() | st.lists(st.integers())))
def test_any_object_is_a_fault_or_a_config_error(spec: dict[str, object]) -> None:
    for kind in KINDS:
        try:
            fault = FaultPlan().add_spec({**spec, "kind": kind})
        except ConfigError:
            continue
        orjson.dumps(fault.summary())


@pytest.mark.parametrize(
    ("kind", "route", "status"),
    [
        ("dx-drop", "Candle/KO", 201),
        ("dx-drop", "Quote", 201),
        ("dx-event", "BRK/B", 201),
        ("dx-event", "Trade/.AAPL261218C250", 201),
        ("dx-event", "Candle/NOPE", 400),
        ("dx-event", "Rumour/KO", 400),
        # A connection has no symbol.
        ("dx-freeze", "KO", 400),
    ],
)
async def test_faults_of_events_strike_at_types_and_symbols_that_there_are(
    simulator: Api, kind: str, route: str, status: int
) -> None:
    reply = await simulator.post("/simulator/faults", json={"kind": kind, "route": route})
    assert reply.status == status, reply.body
