# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Who may ask the web UI: this machine, by one of its own names, and no page of another site."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttapi_pipeline.defs.web_guard import refusal
from ttapi_pipeline_tests.support.projects import environment_of_users

OURS = {"Host": "127.0.0.1:3000"}


def asked(
    headers: dict[str, str], *, path: str = "/graphql", method: str = "POST", query: str = "", kind: str = "http"
) -> str | None:
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    return refusal({"type": kind, "path": path, "method": method, "query_string": query.encode(), "headers": raw})


@pytest.mark.parametrize(
    "headers",
    [
        OURS,
        {"Host": "localhost"},
        {"Host": "[::1]:3000"},
        {**OURS, "Origin": "http://127.0.0.1:3000"},
        {**OURS, "Origin": "http://127.0.0.1:3000", "Sec-Fetch-Site": "same-origin"},
    ],
)
@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_own_pages_and_programs_are_answered(headers: dict[str, str], kind: str) -> None:
    assert asked(headers, kind=kind) is None


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example:3000"},
        {"Host": "evil.example@127.0.0.1:3000"} | {"Origin": "http://evil.example"},
        {"Host": "0.0.0.0:3000"},
        {"Host": "[::1"},
        {**OURS, "Origin": "http://evil.example"},
        {**OURS, "Origin": "null"},
        {**OURS, "Origin": "http://127.0.0.1:8000"},
        {**OURS, "Origin": "http://localhost:3000"},
        {**OURS, "Sec-Fetch-Site": "cross-site"},
        {**OURS, "Sec-Fetch-Site": "same-site"},
    ],
)
@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_another_host_and_another_site_are_refused(headers: dict[str, str], kind: str, method: str) -> None:
    assert asked(headers, kind=kind, method=method) is not None


@given(st.from_regex(r"[a-z0-9]{1,9}(\.[a-z0-9]{1,9}){1,3}", fullmatch=True).filter(lambda name: name[0].isalpha()))
def test_no_name_of_another_site_is_this_machine(name: str) -> None:
    assert asked({"Host": name}) is not None
    assert asked({**OURS, "Origin": f"https://{name}"}) is not None


def test_a_link_opens_a_page_and_asks_for_nothing() -> None:
    link = {**OURS, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "document"}
    assert asked(link, path="/assets/quotes", method="GET") is None
    for path in ("/graphql", "/logs/1/2", "/download_debug/1", "/report_asset_materialization/quotes"):
        assert asked(link, path=path, method="GET") is not None
    image = {**OURS, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "image"}
    assert asked(image, path="/assets/quotes", method="GET") is not None


def test_a_mutation_cannot_be_a_link_in_a_browser_that_does_not_say_where_it_is_from() -> None:
    assert asked(OURS, method="GET", query="query=mutation+%7B%7D") is not None
    assert asked(OURS, method="GET") is None


def test_a_header_that_comes_twice_is_believed_neither_time() -> None:
    hosts = [(b"host", b"127.0.0.1:3000"), (b"host", b"evil.example")]
    assert refusal({"type": "http", "path": "/", "method": "GET", "query_string": b"", "headers": hosts}) is not None


@pytest.fixture
def web_server(tmp_path: Path) -> Iterator[str]:
    """The web server of an empty code location, as `make ui` starts it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--port", str(port), "--empty-workspace"]
    process = subprocess.Popen(
        [sys.executable, "-m", "ttapi_pipeline.defs.web_ui", "--server", str(os.getpid()), *options],
        cwd=tmp_path,
        env={**environment_of_users(), "DAGSTER_HOME": str(tmp_path), "DAGSTER_DISABLE_TELEMETRY": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 120
    while answer(f"{url}/server_info") != 200:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.2)
    yield url
    process.terminate()
    process.wait()


def answer(url: str, **headers: str) -> int:
    request = urllib.request.Request(url, headers={name.replace("_", "-"): value for name, value in headers.items()})
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def test_dagsters_web_server_stands_behind_the_guard(web_server: str) -> None:
    assert answer(f"{web_server}/server_info", Host="localhost") == 200
    assert answer(f"{web_server}/server_info", Host="evil.example") == 403
    assert answer(f"{web_server}/graphql?query=%7Bversion%7D") == 403
    assert answer(f"{web_server}/graphql", Origin="http://evil.example") == 403
    with urllib.request.urlopen(f"{web_server}/graph") as reply:
        assert reply.url.startswith(f"{web_server}/asset-groups?expanded=global%40global%3Aaccounts%2C")
