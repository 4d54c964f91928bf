# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What an installed `tt` does in a folder that is not ours: it says where it works, and creates nothing by looking."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest

from ttapi_pipeline import cli
from ttapi_pipeline.commands.project_files import ensure_home
from ttapi_pipeline.core.places import MARKER, find_home

NOBODY = "http://127.0.0.1:9"


@pytest.fixture
def foreign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: another Dagster project, of a user who has installed a wheel of ours."""
    for name in list(os.environ):
        if name.startswith(("TT_", "DAGSTER")):
            monkeypatch.delenv(name)
    monkeypatch.setattr("ttapi_pipeline.core.places.__file__", str(tmp_path / "site-packages" / "a" / "b" / "c.py"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    folder = tmp_path / "foreign"
    (folder / "data").mkdir(parents=True)
    (folder / "dagster.yaml").write_text("telemetry: {enabled: true}\n")
    (folder / ".env").write_text("TT_NO_SUCH_SETTING=1\nDAGSTER_HOME=/nowhere\nTT_REFRESH_TOKEN=theirs\n")
    (folder / ".env").chmod(0o644)
    (folder / "data" / "quotes.csv").write_text("author,quote\n")
    monkeypatch.chdir(folder)
    return folder


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_where_says_each_place_whether_it_is_there_and_why(foreign: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before, home = tree(foreign.parent), foreign.parent / "home" / "ttapi_pipeline"
    assert cli.main(["where", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found.pop("typed_in") == str(foreign)
    assert {name: place["path"] for name, place in found.items()} == {
        "folder": str(home),
        "settings_file": str(home / ".env"),
        "data": str(home / "data"),
        "instance": str(home),
        "logs": str(home / "data" / ".dagster" / "logs"),
        "caches": str(home / "data" / ".state"),
        "quote_log": str(home / "data" / "quote_log"),
        "metastock": str(home / "data" / ".simulator" / "metastock-seed-7"),
    }
    assert not any(place["exists"] for place in found.values())
    assert found["folder"]["why"] == f"that of this user, since no folder from {foreign} up has {MARKER}"
    assert cli.main(["where"]) == 0
    # A path that is to be copied has a line of its own.
    assert f"data folder\n  {home / 'data'}\n" in capsys.readouterr().out
    assert tree(foreign.parent) == before


def test_the_doctor_and_the_grid_create_nothing(
    foreign: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before, home = tree(foreign.parent), foreign.parent / "home" / "ttapi_pipeline"
    monkeypatch.setenv("TT_API_URL", NOBODY)
    assert cli.main(["doctor"]) == 4
    said = capsys.readouterr().out
    assert f"ok   data folder: {home / 'data'}\n" in said
    assert f"ok   instance: {home}, which the first `tt refresh` makes\n" in said
    assert "ok   permissions: credentials and accounts are for this user alone\n" in said
    assert cli.main(["status"]) == 3
    assert tree(foreign.parent) == before


def test_the_folder_of_the_user_is_made_when_something_is_about_to_be_written_in_it(foreign: Path) -> None:
    before, home = tree(foreign), find_home()
    ensure_home(home, uses=[Path("/elsewhere/data"), Path("/elsewhere/instance")])
    assert not home.folder.exists()
    ensure_home(home, uses=[home.folder / "data"])
    assert home.is_made
    assert Path.cwd() == home.folder
    (home.folder / "README.md").unlink()
    ensure_home(find_home(), uses=[home.folder / "data"])
    assert not (home.folder / "README.md").exists()
    assert tree(foreign) == before


def test_a_port_that_is_taken_is_said_before_anything_starts(foreign: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = tree(foreign.parent)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert cli.main(["ui", "--port", str(port)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert f"error: another program has port {port} of 127.0.0.1, perhaps another `tt ui`" in said.err
    assert "or take another port: `tt ui --port " in said.err
    assert tree(foreign.parent) == before


@pytest.mark.parametrize("command", [["refresh", "accounts"], ["ui"]])
def test_an_instance_that_is_not_there_is_a_sentence(
    foreign: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    for name, value in (("TT_DATA_DIR", "out"), ("DAGSTER_HOME", "typo"), ("TT_API_URL", NOBODY)):
        monkeypatch.setenv(name, value)
    if command == ["ui"]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            command = ["ui", "--port", str(free.getsockname()[1])]
    assert cli.main(command) == 2
    said = capfd.readouterr().err
    assert f"DAGSTER_HOME is {foreign / 'typo'}, and there is no such folder" in said
    assert not (foreign / "out").exists()
