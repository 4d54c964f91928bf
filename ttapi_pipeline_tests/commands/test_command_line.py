# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The command line as a whole: what is imported for it, and what the simulator's command takes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from ttapi_pipeline import cli
from ttapi_pipeline.core.places import MARKER
from ttapi_pipeline.datasets.registry import DATASETS

HEAVY = {"aiohttp", "asyncio", "dagster", "msgspec", "numpy", "orjson", "polars", "rich.console", "websockets"}


def test_status_needs_neither_polars_nor_dagster_nor_the_client(tmp_path: Path) -> None:
    (tmp_path / MARKER).touch()
    code = "import sys; from ttapi_pipeline import cli; cli.main(['status']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    *grid, modules = done.stdout.splitlines()
    assert sum("nothing stored yet" in line for line in grid) == len(DATASETS)
    assert HEAVY & set(modules.split()) == set()


def test_the_simulator_is_a_command_like_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, shown in (
        (["simulator", "--help"], ("usage: tt simulator ", "--exit-with-parent", "dx-freeze", "[metastock]")),
        (["simulator", "metastock", "--help"], ("usage: tt simulator metastock ", "--first", "folder")),
        (["--help"], ("simulator", "run the local exchange")),
    ):
        with pytest.raises(SystemExit) as end:
            cli.main(arguments)
        assert end.value.code == 0
        text = capsys.readouterr().out
        assert [words for words in shown if words not in text] == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["simulator", "polish"], "invalid choice: 'polish'"),
        (["simulator", "--port", "70000"], "argument --port"),
        (["simulator", "metastock"], "the following arguments are required: folder"),
        (["simulator", "metastock", "x", "--port", "1"], "unrecognized arguments: --port 1"),
    ],
)
def test_wrong_usage_of_the_simulator_is_code_2(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(arguments)
    assert end.value.code == 2
    assert sentence in capsys.readouterr().err


def test_the_simulator_reads_no_settings_and_stays_in_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / MARKER).touch()
    (tmp_path / "deeper").mkdir()
    monkeypatch.chdir(tmp_path / "deeper")
    monkeypatch.setenv("TT_NO_SUCH_SETTING", "1")
    assert cli.main(["simulator", "--host", "0.0.0.0"]) == 2
    assert capsys.readouterr().err.startswith("simulator: --host 0.0.0.0 is not a loopback address")
    files = ["metastock", "files", "--symbols", "AAPL", "--first", "2026-01-02", "--last", "2026-01-30"]
    assert cli.main(["simulator", "--seed", "8", *files]) == 0
    assert "1 files in files, simulated, 2026-01-02 to 2026-01-30" in capsys.readouterr().out
    (of_seed_8,) = (tmp_path / "deeper" / "files").rglob("*.*")
    text = of_seed_8.read_bytes()
    files[1] = "others"
    assert cli.main(["simulator", *files, "--seed", "8"]) == 0
    assert [path.read_bytes() for path in (tmp_path / "deeper" / "others").rglob("*.*")] == [text]
    files[1] = "defaults"
    assert cli.main(["simulator", *files]) == 0
    assert [path.read_bytes() for path in (tmp_path / "deeper" / "defaults").rglob("*.*")] != [text]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["stauts"], "there is no command 'stauts' (did you mean status?); there are init, refresh, status"),
        (["quotes"], "quotes is a dataset, and not a command: `tt show quotes`, `tt refresh quotes`"),
        (["refresh", "quote"], "there is no dataset 'quote' (did you mean quotes?); there are trading_calendar"),
        (["--forse"], "unrecognized arguments: --forse (did you mean --force?)"),
        (["stream", "--flush-second=1", "--no-lgo"], "unrecognized arguments: --no-lgo (did you mean --no-log?)"),
        (
            ["export", "quotes", "--format", "exel"],
            "there is no format 'exel' (did you mean xlsx?); there are csv, parquet",
        ),
        (["export", "quotes", "--format", "cvs"], "there is no format 'cvs' (did you mean csv?)"),
    ],
)
def test_a_mistyped_word_is_answered_with_the_nearest_one(
    words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(words)
    assert end.value.code == 2
    assert sentence in capsys.readouterr().err


def test_a_command_imports_its_own_module_and_no_other() -> None:
    code = "import sys; from ttapi_pipeline import cli; cli.main(['where']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found = {name for name in done.stdout.splitlines()[-1].split() if name.startswith("ttapi_pipeline.commands.")}
    modules = {"exit_codes", "json_output", "parsers", "program", "project_files", "where"}
    assert found == {f"ttapi_pipeline.commands.{name}" for name in modules}


def test_the_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    commands = re.findall(r"^    (\w+)\b", capsys.readouterr().out, re.MULTILINE)
    assert commands == [
        *("init", "refresh", "status", "show", "history", "diff", "quality", "export", "import", "doctor", "stream"),
        *("alert", "metrics", "ui", "where", "completion", "simulator"),
    ]
