# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Paths and symbols as a user types them: ~, relative to where it was typed, in any spelling of a symbol."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ttapi_pipeline import cli
from ttapi_pipeline.commands.exit_codes import FAILED, INCOMPLETE, OK
from ttapi_pipeline.core.errors import ConfigError
from ttapi_pipeline.core.places import MARKER
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.core.universes import read_symbol_file
from ttapi_pipeline.quote_recorder.symbols import named_symbols


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home folder, with a project in it; the current folder is one below the project."""
    (tmp_path / "project" / "deeper" / "files").mkdir(parents=True)
    (tmp_path / "project" / MARKER).touch()
    (tmp_path / "project" / "deeper" / "files" / "AAPL.txt").write_text("AAPL,20260105,10,11,9,10,100\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path / "project" / "deeper")
    return tmp_path


@pytest.mark.parametrize("typed", ["files", "./files", "../deeper/files", "~/project/deeper/files"])
@pytest.mark.usefixtures("home")
def test_a_folder_to_be_imported_is_the_one_that_was_typed(typed: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["import", "--dry-run", "--json", typed]) == OK
    assert json.loads(capsys.readouterr().out)["symbols"] == ["AAPL"]


@pytest.mark.usefixtures("home")
def test_a_folder_that_is_not_there_is_named_as_a_whole_path(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["import", "--dry-run", "nowhere"]) == FAILED
    assert "/project/deeper/nowhere" in capsys.readouterr().err
    with pytest.raises(SystemExit) as end:
        cli.main(["import", "--dry-run", "~nobody-of-that-name/files"])
    assert end.value.code == 2


def test_the_simulator_writes_files_into_the_home_folder_for_any_spelling(home: Path) -> None:
    span = ["--first", "2026-01-02", "--last", "2026-01-30"]
    assert cli.main(["simulator", "metastock", "~/made", *span, "--symbols", "brk.b", "Aapl"]) == OK
    assert len(list((home / "made").rglob("*.*"))) == 2


def test_every_path_of_a_setting_may_begin_in_the_home_folder(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "list.txt").write_text("aapl\nBrk.B\nbf-b\n")
    (home / "map.csv").write_text("source,symbol\nFB,meta\n")
    (home / "earnings.csv").write_text("symbol,announced_date\naapl,2026-01-29\n")
    settings = Settings.from_values(
        {
            "TT_LIST": "~/list.txt",
            "TT_DATA_DIR": "~/data/",
            "TT_METASTOCK_DIR": "~/project/deeper/files",
            "TT_METASTOCK_SYMBOL_MAP": "~/map.csv",
            "TT_EARNINGS_FILE": "~/earnings.csv",
        }
    )
    assert settings.universe == str(home / "list.txt")
    assert read_symbol_file(Path(settings.universe)) == ("AAPL", "BRK/B", "BF/B")
    assert settings.data_dir == str(home / "data")
    assert settings.metastock_dir == home / "project" / "deeper" / "files"
    assert (settings.metastock_symbol_map, settings.earnings_file) == (home / "map.csv", home / "earnings.csv")
    (home / "project" / ".env").write_text("TT_LIST=~/list.txt\nTT_DATA_DIR=~/data\n")
    assert cli.main(["status"]) == INCOMPLETE
    assert "nothing stored yet" in capsys.readouterr().out


@pytest.mark.parametrize("variable", ["TT_LIST", "TT_DATA_DIR", "TT_METASTOCK_DIR", "TT_EARNINGS_FILE"])
def test_a_home_that_nobody_has_is_a_wrong_setting(variable: str) -> None:
    with pytest.raises(ConfigError, match=variable):
        Settings.from_values({variable: "~nobody-of-that-name/x"})


def test_symbols_to_stream_may_be_typed_in_any_spelling() -> None:
    assert named_symbols(["aapl", "brk.b", "BRK-B", ".aapl261218c150"]) == ["AAPL", "BRK/B", ".AAPL261218C150"]
