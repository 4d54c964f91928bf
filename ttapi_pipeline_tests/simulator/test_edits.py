# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A path finds its places in a body, and the body says what the edit says."""

from __future__ import annotations

import json

import pytest

from ttapi_pipeline.core.errors import ConfigError
from ttapi_pipeline.simulator.edits import Action, Edit
from ttapi_pipeline_tests.support.simulator import Api

BODY = {"data": {"items": [{"symbol": "A", "beta": "1"}, {"symbol": "B", "beta": "2"}, {"symbol": "C", "beta": "3"}]}}


def edited(path: str, value: str = "null", action: Action = "set") -> object:
    return json.loads(Edit(path, action, value).apply(json.dumps(BODY).encode()))["data"]


def items(path: str, value: str = "null", action: Action = "set") -> list[dict[str, object]]:
    match edited(path, value, action):
        case {"items": list(found)}:
            return found
    raise AssertionError("no items")


@pytest.mark.parametrize(
    ("path", "betas"),
    [
        ("data.items[0].beta", ["NaN", "2", "3"]),
        ("data.items[-1].beta", ["1", "2", "NaN"]),
        ("data.items[*].beta", ["NaN", "NaN", "NaN"]),
        ("data.items[1:].beta", ["1", "NaN", "NaN"]),
        ("data.items[1:-1].beta", ["1", "NaN", "3"]),
        ("data.items[symbol=B].beta", ["1", "NaN", "3"]),
        ("data.items[symbol=Z].beta", ["1", "2", "3"]),
        ("data.items[7].beta", ["1", "2", "3"]),
        ("data.rows[0].beta", ["1", "2", "3"]),
        ("data.items[0].beta.deeper", ["1", "2", "3"]),
    ],
)
def test_a_value_is_put_where_the_path_leads(path: str, betas: list[str]) -> None:
    assert [each["beta"] for each in items(path, "NaN")] == betas


@pytest.mark.parametrize(
    ("value", "read"), [("null", None), ('""', ""), ('"NaN"', "NaN"), ("N/A", "N/A"), ("7", 7), ("[1]", [1])]
)
def test_a_value_is_json_or_a_text(value: str, read: object) -> None:
    assert items("data.items[0].beta", value)[0]["beta"] == read
    # The last name is added where it is not there.
    assert items("data.items[0].new", value)[0]["new"] == read
    assert edited("data", value) == read


def test_what_is_dropped_is_gone() -> None:
    assert [each["symbol"] for each in items("data.items[1:-1]", action="drop")] == ["A", "C"]
    assert items("data.items[*]", action="drop") == []
    assert items("data.items[0].beta", action="drop")[0] == {"symbol": "A"}
    assert items("data.items[0].gone", action="drop")[0] == {"symbol": "A", "beta": "1"}


def test_what_is_repeated_comes_again_with_what_the_value_changes() -> None:
    found = items("data.items[0]", '{"beta": "9"}', action="repeat")
    assert [(each["symbol"], each["beta"]) for each in found] == [("A", "1"), ("B", "2"), ("C", "3"), ("A", "9")]


def test_a_body_that_is_no_json_stays_as_it_is() -> None:
    assert Edit("data", "set", "1").apply(b"<html>") == b"<html>"


@pytest.mark.parametrize("path", ["", "data.items[x]", "data.items[0", "data..items", "]"])
async def test_what_is_no_path_is_refused_when_the_fault_is_switched_on(simulator: Api, path: str) -> None:
    with pytest.raises(ConfigError, match="fault replace-field"):
        Edit(path, "set", "1").apply(b"{}")
    reply = await simulator.post("/simulator/faults", json={"kind": "replace-field", "parameters": {"path": path}})
    assert reply.status == 400


async def test_the_fault_changes_answers_of_its_route_alone(simulator: Api) -> None:
    parameters = {"path": "data.items[symbol=AAPL].beta", "value": "NaN"}
    await simulator.fault("replace-field", "/market-metrics", count=1, parameters=parameters)
    asked = "/market-metrics?symbols=AAPL,MSFT"
    first, second = await simulator.get(asked), await simulator.get(asked)
    betas = [{row["symbol"]: row.get("beta") for row in reply.items} for reply in (first, second)]
    assert betas[0] == betas[1] | {"AAPL": "NaN"}
    assert betas[1]["AAPL"] != "NaN"


async def test_a_grant_is_refused_with_any_code_in_each_of_three_forms(simulator: Api) -> None:
    said = {
        "object": {"error": {"code": "invalid_request", "message": "User is not a TastyTrade customer"}},
        "string": {"error": "invalid_request", "error_description": "User is not a TastyTrade customer"},
        "error-code": {"error_code": "invalid_request", "error_description": "User is not a TastyTrade customer"},
    }
    for form, body in said.items():
        parameters = {"form": form, "code": "invalid_request"}
        await simulator.fault("refuse-grant", "/oauth/token", count=1, parameters=parameters)
        reply = await simulator.post("/oauth/token", json={"grant_type": "refresh_token"})
        assert (reply.status, reply.json) == (400, body)
