# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""`tt init`: what it makes, what it leaves alone, and that the clone has the same files."""

from __future__ import annotations

import json
import stat
import tomllib
from pathlib import Path

import dagster as dg
import msgspec
import pytest
from dagster._core.workspace.load_target import PyProjectFileTarget, WorkspaceFileTarget
from dotenv import dotenv_values

from ttapi_pipeline import cli
from ttapi_pipeline.commands.project_files import instance_text, project_files
from ttapi_pipeline.core.places import MARKER, find_home
from ttapi_pipeline.datasets.env_file import env_text
from ttapi_pipeline.defs.launch import CODE_LOCATION
from ttapi_pipeline_tests.support.documents import ROOT

FILES = [".env", ".gitignore", MARKER, "README.md", "dagster.yaml", "workspace.yaml"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    return tmp_path


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_it_makes_a_folder_that_tt_and_dagster_find(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["init", "my options"]) == 0
    folder = here / "my options"
    assert sorted(path.name for path in folder.iterdir()) == sorted([*FILES, "data"])
    assert stat.S_IMODE((folder / ".env").stat().st_mode) == 0o600
    said = capsys.readouterr().out
    assert f"{folder} is set up:" in said
    assert [name for name in FILES if f"  made  {name}" not in said] == []
    assert f"  cd {folder}\n  tt refresh" in said
    assert dotenv_values(folder / ".env") == {"DAGSTER_HOME": str(folder)}
    assert find_home(folder, {}).folder == folder
    with dg.DagsterInstance.from_config(str(folder)) as instance:
        assert not instance.telemetry_enabled
        assert Path(instance.storage_directory()).is_relative_to(folder / "data" / ".dagster")
        limits = instance.get_concurrency_config()
        assert limits.run_queue_config is not None
        assert limits.run_queue_config.max_concurrent_runs == 2


def test_a_second_time_it_changes_nothing_and_completes_what_is_missing(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["init"]) == 0
    (here / ".env").write_text("TT_LIST=2\n")
    before = content(here)
    assert cli.main(["init", "."]) == 0
    assert content(here) == before
    assert "is set up already; nothing was written" in capsys.readouterr().out
    (here / "workspace.yaml").unlink()
    assert cli.main(["init", "--json"]) == 0
    done = json.loads(capsys.readouterr().out)
    assert (done["folder"], done["made"]) == (str(here), [str(here / "workspace.yaml")])
    assert content(here) == before


@pytest.mark.parametrize("theirs", [".env", "dagster.yaml", "workspace.yaml", "data/quotes.csv"])
def test_files_of_others_stay_and_nothing_is_written_beside_them(
    here: Path, capsys: pytest.CaptureFixture[str], theirs: str
) -> None:
    (here / "data").mkdir()
    (here / theirs).write_text("theirs: true\n")
    before = content(here)
    assert cli.main(["init"]) != 0
    assert str(here / theirs) in capsys.readouterr().err
    assert content(here) == before


def test_a_readme_of_the_user_is_kept(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "README.md").write_text("mine")
    assert cli.main(["init"]) == 0
    assert "  kept  README.md" in capsys.readouterr().out
    assert (here / "README.md").read_text() == "mine"


def test_one_that_was_cut_short_is_completed(here: Path) -> None:
    files = project_files(here)
    for name in list(files)[:3]:
        (here / name).write_text(files[name])
    assert cli.main(["init"]) == 0
    assert (here / MARKER).is_file()


def test_a_folder_that_cannot_be_is_a_sentence(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "file").touch()
    for name in ("file/folder", "costs ${MUCH}"):
        assert cli.main(["init", name]) == 2
        seen = capsys.readouterr()
        assert seen.err.startswith("error: ")
        assert "another" in seen.err
    assert sorted(path.name for path in here.iterdir()) == ["file"]


def test_the_clone_has_the_same_files_relative_to_itself() -> None:
    def text(name: str) -> str:
        return (ROOT / name).read_text(encoding="utf-8")

    files = project_files(Path("/anywhere"))
    assert text("dagster.yaml") == instance_text("data/.dagster")
    assert text("workspace.yaml") == files["workspace.yaml"]
    assert text(MARKER) == files[MARKER]
    assert text(".env.example") == env_text("/path/to/this/folder", about="Copied to .env by `make`.")


def test_every_way_to_start_the_web_ui_names_the_location_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    targets = [PyProjectFileTarget("pyproject.toml"), WorkspaceFileTarget(["workspace.yaml"])]
    names = [origin.location_name for target in targets for origin in target.create_origins()]
    assert names == [CODE_LOCATION] * 2
    stated = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["dg"]["project"]
    assert stated["code_location_name"] == CODE_LOCATION


def test_a_path_that_yaml_would_not_take_as_it_is_is_quoted() -> None:
    path = '/home/a: "b" # c/files'
    stated = msgspec.yaml.decode(instance_text(path))
    assert stated["storage"]["sqlite"]["base_dir"] == f"{path}/storage"
    assert stated["local_artifact_storage"]["config"]["base_dir"] == path
    assert stated["compute_logs"]["config"]["base_dir"] == f"{path}/logs"
