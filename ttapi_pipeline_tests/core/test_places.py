# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Which folder a command works in, and where its settings, data and Dagster instance are."""

from __future__ import annotations

from pathlib import Path

import pytest

from ttapi_pipeline.core.errors import ConfigError
from ttapi_pipeline.core.places import MARKER, Home, find_home
from ttapi_pipeline.datasets.registry import load_settings, load_settings_of


@pytest.fixture(autouse=True)
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the package was installed from a wheel, and the user had nothing but a home folder."""
    monkeypatch.setattr("ttapi_pipeline.core.places.__file__", str(tmp_path / "site-packages" / "a" / "b" / "c.py"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))


def marked(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARKER).touch()
    return folder


def test_the_nearest_marked_folder_from_the_current_one_up_is_the_one(tmp_path: Path) -> None:
    outer, inner = marked(tmp_path / "outer"), marked(tmp_path / "outer" / "x" / "inner")
    deeper = inner / "y" / "z"
    deeper.mkdir(parents=True)
    assert find_home(deeper, {}).folder == find_home(inner, {}).folder == inner
    assert find_home(inner.parent, {}).folder == outer
    assert not find_home(inner, {}).is_of_user


def test_the_files_of_another_dagster_project_make_no_folder_ours(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    for name in ("dagster.yaml", "workspace.yaml", ".env"):
        (theirs / name).write_text("TT_DATA_DIR: theirs\n")
    here, elsewhere = find_home(theirs, {}), find_home(tmp_path, {})
    assert here.folder == elsewhere.folder == tmp_path / "home" / "ttapi_pipeline"
    assert here.is_of_user
    assert not here.is_made
    assert not here.folder.exists()


def test_an_instance_with_our_marker_brings_its_folder_along_and_any_other_does_not(tmp_path: Path) -> None:
    ours, theirs = marked(tmp_path / "ours"), tmp_path / "theirs"
    assert find_home(tmp_path, {"DAGSTER_HOME": str(ours)}).folder == ours
    elsewhere = find_home(tmp_path, {"DAGSTER_HOME": str(theirs)})
    assert elsewhere.is_of_user
    assert elsewhere.instance().path == theirs
    # A marked folder in which one stands goes first.
    here = find_home(marked(tmp_path / "here"), {"DAGSTER_HOME": str(ours)})
    assert (here.folder, here.instance().path) == (tmp_path / "here", ours)


def test_the_clone_that_the_program_runs_from_is_used_outside_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone = marked(tmp_path / "clone")
    monkeypatch.setattr("ttapi_pipeline.core.places.__file__", str(clone / "ttapi_pipeline" / "core" / "places.py"))
    assert find_home(tmp_path, {}).folder == clone


@pytest.mark.parametrize(
    ("environ", "dotenv", "data", "instance", "why"),
    [
        ({}, "", "ours/data", "ours", "in the project folder, by default"),
        ({}, "TT_DATA_DIR=d\nDAGSTER_HOME=i\n", "ours/d", "ours/i", "TT_DATA_DIR in {ours}/.env"),
        ({"TT_DATA_DIR": "d"}, "TT_DATA_DIR=e\n", "ours/deeper/d", "ours", "TT_DATA_DIR in the environment"),
        ({"TT_DATA_DIR": ""}, "TT_DATA_DIR=e\n", "ours/data", "ours", "in the project folder, by default"),
        ({"DAGSTER_HOME": "i"}, "DAGSTER_HOME=${DAGSTER_HOME:-/x}\n", "ours/data", "ours/deeper/i", "in the project"),
        ({"TT_DATA_DIR": "/d/", "DAGSTER_HOME": "/i"}, "", "/d", "/i", "TT_DATA_DIR in the environment"),
    ],
)
def test_a_path_is_relative_to_where_it_was_written(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    environ: dict[str, str],
    dotenv: str,
    data: str,
    instance: str,
    why: str,
) -> None:
    ours = marked(tmp_path / "ours")
    (ours / ".env").write_text(dotenv)
    (ours / "deeper").mkdir()
    home = find_home(ours / "deeper", environ)
    monkeypatch.chdir(ours)
    settings = load_settings({**environ, **home.environment()}, dotenv=home.dotenv, folder=home.folder)
    assert settings.data_dir == str(home.data(settings).path) == str(tmp_path / data)
    assert home.instance().path == tmp_path / instance
    assert home.data(settings).why.startswith(why.format(ours=ours))


def test_every_path_of_the_environment_is_made_absolute_and_nothing_else(tmp_path: Path) -> None:
    ours = marked(tmp_path / "ours")
    (ours / "deeper").mkdir()
    environ = {"TT_LIST": "mine.txt", "TT_METASTOCK_DIR": "~/files", "TT_WATCHLIST": "mine.txt", "LESS": "mine.txt"}
    changed = find_home(ours / "deeper", environ).environment()
    assert {name: value for name, value in changed.items() if not name.startswith("DAGSTER")} == {
        "TT_LIST": str(ours / "deeper" / "mine.txt")
    }
    several = find_home(ours / "deeper", {"TT_LIST": "2,mine.txt, ~/other.txt"})
    assert several.environment()["TT_LIST"] == f"2,{ours / 'deeper' / 'mine.txt'},~/other.txt"
    for kept in ({"TT_LIST": "2,4"}, {"TT_DATA_DIR": "s3://bucket/prefix"}):
        assert not set(kept) & set(find_home(ours / "deeper", kept).environment())
    # What was typed in the project folder stays as it is: the universe's manifest holds the name of its file.
    assert "TT_LIST" not in find_home(ours, environ).environment()


def test_paths_of_the_settings_file_hold_in_every_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = marked(tmp_path / "ours")
    (ours / ".env").write_text("TT_LIST=mine.txt\nTT_DATA_DIR=tables\n")
    (ours / "mine.txt").write_text("AAPL\n")
    (ours / "deeper").mkdir()
    monkeypatch.chdir(ours / "deeper")
    for name in ("TT_LIST", "TT_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    settings = load_settings_of(find_home())
    assert (settings.universe, settings.data_dir) == (str(ours / "mine.txt"), str(ours / "tables"))


def test_a_deleted_folder_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(ConfigError, match="the current folder is gone"):
        find_home()
    # pytest goes back to the folder that it came from.
    monkeypatch.chdir(tmp_path)


def test_no_representation_shows_the_environment(tmp_path: Path) -> None:
    home = find_home(tmp_path, {"TT_REFRESH_TOKEN": "canary-77"})
    assert isinstance(home, Home)
    assert "canary-77" not in repr(home)
