# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console

from ttapi_pipeline import cli
from ttapi_pipeline.commands.exit_codes import FAILED, INCOMPLETE
from ttapi_pipeline.core.errors import StorageError
from ttapi_pipeline.core.places import MARKER
from ttapi_pipeline.metastock.preview import preview_folder
from ttapi_pipeline.terminal.import_report import import_document, import_report


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four plain files, one with a bad row, one that is no MetaStock file."""
    folder = tmp_path / "files"
    folder.mkdir()
    for number in range(4):
        rows = "".join(f"S{number},2026010{day},10,11,9,10,100\n" for day in (5, 6, 7))
        (folder / f"S{number}.txt").write_text(rows)
    (folder / "S4.txt").write_text("S4,20260102,10,11,9,x,100\nS4,20260108,10,11,9,10,100\n")
    (folder / "README.md").write_text("# Prices\n\nFrom the vendor.\n")
    return folder


def text_of(folder: Path, *, most_bytes: int = 1 << 20) -> str:
    console = Console(width=120, highlight=False)
    with console.capture() as capture:
        console.print(import_report(preview_folder(folder, most_bytes=most_bytes)))
    return capture.get()


def test_a_small_folder_is_told_exactly(folder: Path) -> None:
    preview = preview_folder(folder)
    assert preview.is_complete
    assert (preview.first, preview.last) == (date(2026, 1, 5), date(2026, 1, 8))
    assert preview.symbols == ["S0", "S1", "S2", "S3", "S4"]
    counts = preview.dialects.select("dialect", "files", "files_read", "rows", "rejected")
    assert counts.rows() == [("F", 5, 5, 14, 1), ("unreadable", 1, 1, 1, 1)]
    assert preview.reasons.select("rows", "example").rows() == [(1, "S4.txt, line 1"), (1, "README.md")]
    text = text_of(folder)
    assert "6 files, 15 rows, 5 symbols, 2026-01-05 to 2026-01-08\n" in text
    assert "close is not a number" in text
    assert "nothing was written" in text


@pytest.mark.parametrize("width", [60, 80, 200])
def test_no_number_is_cut_at_any_width(folder: Path, width: int) -> None:
    large = [[14_700, 2_900_000_000, 14_700, 29_123_456, 1_234_567, 12_345_678]] * 2
    names = ("files", "bytes", "files_read", "rows", "duplicates", "rejected")
    preview = preview_folder(folder)
    dialects = preview.dialects.with_columns(
        pl.Series(name, values, dtype=preview.dialects.schema[name])
        for name, values in zip(names, zip(*large, strict=True), strict=True)
    )
    console = Console(width=width, highlight=False)
    with console.capture() as capture:
        console.print(import_report(replace(preview, dialects=dialects)))
    lines = capture.get().splitlines()
    assert "29,123,456" in next(line for line in lines if line.split()[:1] == ["F"])
    assert "…" not in capture.get()
    assert max(map(len, lines)) <= width


def test_of_a_large_folder_some_files_are_read(folder: Path) -> None:
    size = sum(path.stat().st_size for path in folder.iterdir())
    preview = preview_folder(folder, most_bytes=size // 2)
    assert not preview.is_complete
    assert preview.symbols == ["S0", "S1", "S2", "S3", "S4"]
    assert preview.dialects["files"].sum() == 6
    assert 0 < preview.dialects["files_read"].sum() < 6
    assert "estimates" in text_of(folder, most_bytes=size // 2)


def test_symbols_that_the_user_does_not_want_are_named_beforehand(folder: Path) -> None:
    preview = preview_folder(folder, universe=frozenset({"S0", "S1"}), extra=frozenset({"S2", "S9"}))
    told = dict(preview.notices.select("kind", "notice").iter_rows())
    assert told["left out"] == (
        "2 symbols of the files are neither in the universe nor named by TT_METASTOCK_EXTRA, and left out: S3, S4"
    )
    assert told["warning"].startswith("TT_METASTOCK_EXTRA names S9, of which no file has a row")
    assert "1 symbol of the files is not in the universe" in told["assumption"]


def test_an_empty_folder_is_told_and_a_missing_one_is_an_error(tmp_path: Path) -> None:
    assert "0 files, 0 rows, 0 symbols" in text_of(tmp_path)
    assert json.loads(json.dumps(import_document(preview_folder(tmp_path))))["last_session"] is None
    with pytest.raises(StorageError, match="nowhere"):
        preview_folder(tmp_path / "nowhere")


def test_the_command_prints_json_and_writes_nothing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / MARKER).touch()
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert cli.main(["import", "--dry-run", "--json", str(folder)]) == INCOMPLETE
    assert json.loads(capsys.readouterr().out)["symbols"][-1] == "S4"
    assert cli.main(["import", "--dry-run", str(folder)]) == INCOMPLETE
    assert "5 symbols" in capsys.readouterr().out
    assert sorted(tmp_path.rglob("*")) == before
    assert cli.main(["import", "--dry-run", str(tmp_path / "nowhere")]) == FAILED
    with pytest.raises(SystemExit):
        cli.main(["import", str(folder)])
