# SPDX-License-Identifier: MIT
"""The plan of faults, from text and from JSON."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttapi_pipeline.core.errors import ConfigError
from ttapi_pipeline.simulator.faults import KINDS, FaultPlan


def test_a_fault_on_the_command_line() -> None:
    fault = FaultPlan().add_option("status:status=429,retry_after=2,count=3,route=/market-metrics,probability=0.5")
    assert (fault.route, fault.remaining, fault.probability) == ("/market-metrics", 3, 0.5)
    assert (fault.number("status"), fault.number("retry_after"), fault.text("body")) == (429, 2, "json")
    with pytest.raises(ConfigError, match="NAME=VALUE"):
        FaultPlan().add_option("status:429")


@given(st.dictionaries(st.text(), st.none() | st.booleans() | st.floats() | st.text() | st.lists(st.integers())))
def test_any_object_is_a_fault_or_a_config_error(spec: dict[str, object]) -> None:
    for kind in KINDS:
        try:
            fault = FaultPlan().add_spec({**spec, "kind": kind})
        except ConfigError:
            continue
        orjson.dumps(fault.summary())
