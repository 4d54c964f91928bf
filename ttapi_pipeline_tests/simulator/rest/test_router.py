# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Routing on the raw path."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttapi_pipeline.simulator.rest.router import Route, Router
from ttapi_pipeline.simulator.rest.wire import Answer, RequestError


def _route(template: str, method: str = "GET") -> Route:
    return Route(method, template, lambda call: Answer(b""))


@given(st.text(min_size=1).filter(lambda text: text not in {".", ".."}))
def test_any_symbol_comes_back_from_its_encoded_path(symbol: str) -> None:
    router = Router([_route("/x/{symbol}/nested"), _route("/y/{rest*}")])
    encoded = quote(symbol, safe="", errors="surrogatepass")
    route, params = router.match("GET", f"/x/{encoded}/nested")
    assert route.template == "/x/{symbol}/nested"
    if symbol.isprintable():
        assert params["symbol"] == symbol
        assert router.match("GET", f"/y/{encoded}/z")[1]["rest"] == f"{symbol}/z"


def test_of_two_templates_the_first_wins_and_methods_are_told_apart() -> None:
    router = Router([_route("/a/live"), _route("/a/{id}"), _route("/a", "POST")])
    assert router.match("GET", "/a/live")[0].template == "/a/live"
    assert router.match("GET", "/a/7")[1] == {"id": "7"}
    for path, status in (("/a", 405), ("/a/7/b", 404), ("/a/", 404), ("", 404), ("//", 404)):
        with pytest.raises(RequestError) as refused:
            router.match("GET", path)
        assert refused.value.status == status
