# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Watchlists and searches."""

from __future__ import annotations

import pytest

from ttapi_pipeline_tests.support.simulator import Api


@pytest.mark.parametrize(
    "body", [b"{}", b'{"name": ""}', b'{"name": "x", "watchlist-entries": [1]}', b"nonsense", b"[]"]
)
async def test_a_watchlist_without_name_or_with_odd_entries_is_refused(simulator: Api, body: bytes) -> None:
    assert (await simulator.post("/watchlists", data=body)).status == 400


async def test_renaming_a_watchlist_onto_another_is_refused(simulator: Api) -> None:
    for name in ("one", "two"):
        assert (await simulator.post("/watchlists", json={"name": name})).status == 201
    assert (await simulator.request("PUT", "/watchlists/one", json={"name": "two"})).status == 422
    assert (await simulator.request("PUT", "/watchlists/one", json={"name": "three"})).status == 200
    assert [row["name"] for row in (await simulator.get("/watchlists")).items] == ["two", "three"]
    assert (await simulator.request("DELETE", "/watchlists/one")).status == 404


async def test_search_is_limited_to_100(simulator: Api) -> None:
    assert len((await simulator.get("/instruments/search?query=A&limit=3")).items) == 3
    assert (await simulator.get("/instruments/search?query=A&limit=101")).status == 400
    assert (await simulator.get("/instruments/search?query=apple")).items[0]["symbol"] == "AAPL"
