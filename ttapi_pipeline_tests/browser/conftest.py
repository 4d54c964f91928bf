# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A project's folder that `tt refresh` has filled, `tt ui` on it, and a browser that looks at it.

The browser is Debian's chromium, driven by Playwright. Where either is missing, the tests are skipped and say so.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from ttapi_pipeline.simulator.process import SimulatorProcess
from ttapi_pipeline_tests.support.projects import environment_of_users, make_project, run_tt

if TYPE_CHECKING:
    from playwright.sync_api import Page

CHROMIUM: Final = shutil.which("chromium")
STARTED_WITHIN: Final = 120.0
FINISHED_WITHIN: Final = 120.0


@dataclass(frozen=True)
class WebUi:
    """`tt ui`, as it runs.

    Attributes:
        url: Of the web UI.
        project: Its folder.
    """

    url: str
    project: Path

    def ask(self, query: str, **variables: object) -> Mapping[str, Any]:
        """The answer to a GraphQL query."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(f"{self.url}/graphql", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as reply:
            answer: dict[str, Any] = json.load(reply)
        assert "errors" not in answer, answer
        data: dict[str, Any] = answer["data"]
        return data

    def runs(self) -> list[dict[str, Any]]:
        """Every run, newest first."""
        query = "{runsOrError{... on Runs{results{runId status assetSelection{path} assetCheckSelection{name}}}}}"
        found: list[dict[str, Any]] = self.ask(query)["runsOrError"]["results"]
        return found

    def wait_for_run(self, known: int) -> dict[str, Any]:
        """The run after as many as were known, when it has ended."""
        deadline = time.monotonic() + FINISHED_WITHIN
        while time.monotonic() < deadline:
            runs = self.runs()
            if len(runs) > known and runs[0]["status"] in {"SUCCESS", "FAILURE", "CANCELED"}:
                return runs[0]
            time.sleep(0.5)
        pytest.fail(f"no run has ended: {self.runs()[:2]}")


@pytest.fixture(scope="module")
def web_ui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebUi]:
    pytest.importorskip("playwright", reason="Playwright is not installed: pip install playwright")
    if CHROMIUM is None:
        pytest.skip("no chromium is installed: apt-get install chromium")
    project = make_project(tmp_path_factory.mktemp("browser"))
    with SimulatorProcess(seed=7) as exchange, socket.socket() as free:
        settings = {"TT_ENV": "simulator", "TT_API_URL": exchange.url}
        filled = run_tt(project, "refresh", **settings)
        assert filled.code == 0, filled.err
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        with (project / "ui.log").open("w") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "ttapi_pipeline.cli", "ui", "--port", str(port)],
                cwd=project,
                env={**environment_of_users(), **settings},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                ui = WebUi(f"http://127.0.0.1:{port}", project)
                _wait_until_served(ui, process)
                yield ui
            finally:
                process.send_signal(signal.SIGINT)
                try:
                    process.wait(timeout=60)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)


def _wait_until_served(ui: WebUi, process: subprocess.Popen[bytes]) -> None:
    """Wait until the definitions are loaded, then stop the sensor that would refresh before a test can."""
    deadline = time.monotonic() + STARTED_WITHIN
    while True:
        assert process.poll() is None, (ui.project / "ui.log").read_text()
        assert time.monotonic() < deadline, (ui.project / "ui.log").read_text()
        try:
            sensors = ui.ask("{repositoriesOrError{... on RepositoryConnection{nodes{sensors{name id}}}}}")
        except OSError:
            sensors = {}
        nodes = sensors.get("repositoriesOrError", {}).get("nodes", [])
        ids = {each["name"]: each["id"] for node in nodes for each in node["sensors"]}
        if "refresh_when_due" in ids:
            ui.ask("mutation($id: String!){stopSensor(id: $id){__typename}}", id=ids["refresh_when_due"])
            return
        time.sleep(0.5)


@pytest.fixture
def page(web_ui: WebUi) -> Iterator[Page]:
    """A page of a new browser at 1,280 pixels, which is given time: the machine may have other work."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900}, base_url=web_ui.url)
        page.set_default_timeout(60_000)
        yield page
        browser.close()
