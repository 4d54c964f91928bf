# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A wheel, installed and used from other folders: it does the main job, touches nothing but its own, phones nowhere."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import venv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline_tests.support.documents import ROOT

GUARD = """
import os, sys

def _is_here(address):
    if not isinstance(address, tuple):
        return True  # a socket of this machine that has a path, and no address
    host = address[0]
    host = host.decode() if isinstance(host, bytes) else host
    return host in (None, "", "localhost", "::1", "0.0.0.0", "::") or str(host).startswith("127.")

def _watch(event, arguments):
    if event in ("socket.connect", "socket.sendto"):
        address = arguments[1]
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        address = (arguments[0],)
    else:
        return
    if not _is_here(address):
        with open(os.environ["GUARD_LOG"], "a") as log:
            log.write(f"{event} {address} {sys.argv}\\n")
        raise PermissionError(f"{event} {address}: this machine alone")

sys.addaudithook(_watch)
"""
"""Imported by every Python process of the environment before all else: it notes and refuses what goes elsewhere."""


@dataclass(frozen=True)
class User:
    """A user who has installed the wheel.

    Attributes:
        environment: The bin folder of it is the first of PATH.
        home: The home folder.
        variables: Of every command.
    """

    environment: Path
    home: Path
    variables: Mapping[str, str]

    def tt(self, *arguments: str, cwd: Path, code: int = 0) -> str:
        """Run a command to its end; returns its output."""
        done = subprocess.run(
            [self.environment / "bin" / "tt", *arguments],
            cwd=cwd,
            env=self.variables,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout

    @property
    def folder(self) -> Path:
        return self.home / ".local" / "share" / "ttapi_pipeline"

    def strangers(self) -> list[str]:
        """What is in the home folder, the folder of temporary files and the environment, and should not be."""
        found = [
            path
            for root in (self.home, self.home.parent / "tmp")
            for path in root.rglob("*")
            if not path.is_relative_to(self.folder) and not self.folder.is_relative_to(path)
        ]
        log = self.home.parent / "guard.log"
        return [str(path) for path in found] + (log.read_text().splitlines() if log.exists() else [])


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> User:
    """An environment with the wheel, which has everything else from the environment of the tests."""
    root = tmp_path_factory.mktemp("user")
    for name in ("home", "tmp", "metastock"):
        (root / name).mkdir()
    (root / "symbols.txt").write_text("AAPL\nMSFT\nBRK.B\n")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(root / "dist")]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = (root / "dist").glob("*.whl")
    venv.create(root / "environment", with_pip=False)
    (site,) = (root / "environment" / "lib").glob("python*/site-packages")
    # A line of a .pth file is a folder, whose own .pth files (such as that of the clone) do not count.
    (site / "shared.pth").write_text("".join(f"{path}\n" for path in sys.path if path.endswith("site-packages")))
    (site / "guard_the_network.py").write_text(GUARD)
    (site / "a_guard.pth").write_text("import guard_the_network\n")
    pip = [sys.executable, "-m", "pip", "--python", str(root / "environment"), "install", "--quiet", "--no-compile"]
    subprocess.run([*pip, "--no-deps", "--no-index", str(wheel)], check=True, capture_output=True)
    return User(
        root / "environment",
        root / "home",
        {
            "PATH": f"{root / 'environment' / 'bin'}:/usr/bin:/bin",
            "HOME": str(root / "home"),
            "TMPDIR": str(root / "tmp"),
            "GUARD_LOG": str(root / "guard.log"),
            "TT_LIST": str(root / "symbols.txt"),
            "TT_METASTOCK_DIR": str(root / "metastock"),
            "TT_HISTORY_START": "2025-01-02",
            # Whether the exchange is open while the tests run is not the question.
            "TT_TTL_QUOTES": "1d",
        },
    )


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of another Dagster project, with files that have our names."""
    folder = tmp_path_factory.mktemp("foreign")
    (folder / "data" / "plots").mkdir(parents=True)
    (folder / "dagster.yaml").write_text("telemetry: {enabled: true}\n")
    (folder / "workspace.yaml").write_text("load_from: [{python_module: theirs}]\n")
    (folder / ".env").write_text("TT_DATA_DIR=data\nDAGSTER_HOME=.\n")
    (folder / "data" / "quotes.csv").write_text("author,quote\n")
    (folder / "data" / "accounts.json").write_text("[]")
    (folder / "theirs.py").write_text("import dagster as dg\n\ndefs = dg.Definitions()\n")
    return folder


@pytest.fixture(scope="module")
def filled(user: User, foreign: Path) -> Iterator[User]:
    """The user after a first `tt refresh` in the folder of the other project, of which nothing may change."""
    before, installed = content(foreign), content(user.environment)
    assert "SIMULATED DATA" in user.tt("refresh", cwd=foreign)
    assert content(foreign) == before
    assert user.strangers() == []
    yield user
    # Whatever the tests have done.
    assert content(foreign) == before
    assert content(user.environment) == installed
    assert user.strangers() == []


def content(folder: Path) -> Mapping[str, tuple[int, str]]:
    """Mode and hash of every file by its path; without compiled code, which Python and Numba keep beside the source."""
    return {
        str(path.relative_to(folder)): (path.stat().st_mode, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_from_the_folder_of_another_project_every_dataset_goes_into_the_folder_of_the_user(filled: User) -> None:
    names = {path.name for path in (filled.folder / "data").iterdir()}
    assert {f"{name}.{ending}" for name in DATASETS for ending in ("parquet", "csv", "json")} <= names
    assert not [path for path in filled.folder.rglob("*") if path.name in {".telemetry", ".logs_queue"}]


def test_from_an_empty_folder_it_is_the_same_data_and_nothing_is_due(filled: User, tmp_path: Path) -> None:
    before = content(filled.folder)
    rows = json.loads(filled.tt("refresh", "--json", cwd=tmp_path))["datasets"]
    assert {row["verdict"] for row in rows} == {"hit"}
    found = json.loads(filled.tt("where", "--json", cwd=tmp_path))
    assert found["data"]["path"] == str(filled.folder / "data")
    assert found["instance"]["path"] == str(filled.folder)
    assert content(filled.folder) == before
    assert list(tmp_path.iterdir()) == []


def test_the_doctor_finds_it_well_and_creates_nothing(filled: User, foreign: Path) -> None:
    before = sorted(filled.folder.rglob("*"))
    said = filled.tt("doctor", cwd=foreign)
    assert f"data folder: {filled.folder / 'data'}\n" in said
    assert sorted(filled.folder.rglob("*")) == before


def test_a_folder_that_init_has_made_is_used_from_below(filled: User, tmp_path: Path) -> None:
    filled.tt("init", "mine", cwd=tmp_path)
    deeper = tmp_path / "mine" / "notebooks"
    deeper.mkdir()
    before = content(filled.folder)
    filled.tt("refresh", "accounts", cwd=deeper)
    assert (tmp_path / "mine" / "data" / "accounts.parquet").is_file()
    assert (tmp_path / "mine" / "data" / ".dagster" / "storage").is_dir()
    assert list(deeper.iterdir()) == []
    assert content(filled.folder) == before


def test_the_web_ui_starts_from_the_folder_of_another_project_and_has_our_location_alone(
    filled: User, foreign: Path, tmp_path: Path
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(filled.environment / "bin" / "tt"), "ui", "--port", str(port)]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            command, cwd=foreign, env=filled.variables, stdout=log, stderr=log, start_new_session=True
        )
        try:
            assert _locations(process, f"http://127.0.0.1:{port}/graphql") == ["ttapi_pipeline"]
        finally:
            # Ctrl-C goes to every process of the terminal.
            os.killpg(process.pid, signal.SIGINT)
            process.wait(timeout=120)
    said = (tmp_path / "log").read_text()
    address = f"http://127.0.0.1:{port}"
    assert said.startswith(f"web UI    {address}\ngraph     {address}/graph\ndata      {filled.folder / 'data'}\n")


def _locations(process: subprocess.Popen[bytes], url: str) -> list[str]:
    """The names of the code locations, once the web UI answers."""
    query = "{workspaceOrError {... on Workspace {locationEntries {name loadStatus}}}}"
    request = urllib.request.Request(
        url, data=json.dumps({"query": query}).encode(), headers={"Content-Type": "application/json"}
    )
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline:
        assert process.poll() is None
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:
                entries = json.load(reply)["data"]["workspaceOrError"]["locationEntries"]
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            time.sleep(1)
            continue
        if all(entry["loadStatus"] == "LOADED" for entry in entries):
            return [entry["name"] for entry in entries]
        time.sleep(1)
    raise AssertionError("the web UI did not answer")
