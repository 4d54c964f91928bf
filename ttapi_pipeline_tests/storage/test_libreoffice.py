# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What LibreOffice reads in a CSV and in a workbook of ours. Excel has no program that could be asked."""

from __future__ import annotations

import re
import shutil
import subprocess
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from ttapi_pipeline.storage.export import ExportFormat, export_rows
from ttapi_pipeline.storage.spreadsheet import sink_csv

SOFFICE = shutil.which("soffice")
SPECIAL_NUMBERS = "CSV:44,34,76,1,,1033,false,true"
"""Commas, quotes, UTF-8, from the first line, US English; the last word ticks "Detect special numbers"."""

AT = datetime(2026, 11, 20, 21, 30, tzinfo=UTC)


@pytest.mark.skipif(SOFFICE is None, reason="soffice, of LibreOffice, is not installed")
def test_libreoffice_reads_times_as_times_and_dust_as_the_number_that_was_meant(tmp_path: Path) -> None:
    assert SOFFICE is not None
    frame = pl.LazyFrame(
        {
            "day": [date(2026, 11, 20)],
            "whole": [AT],
            "precise": [AT.replace(microsecond=120_000)],
            "dust": [0.1 + 0.2],
            "strikes": [[2.5, 150.0]],
            "risky": ["=1+1"],
        },
        schema_overrides={"whole": pl.Datetime("us", "UTC"), "precise": pl.Datetime("us", "UTC")},
    )
    sink_csv(frame, tmp_path / "table.csv")
    profile = f"-env:UserInstallation=file://{tmp_path / 'profile'}"
    convert = ["--headless", f"--infilter={SPECIAL_NUMBERS}", "--convert-to", "fods", "--outdir", str(tmp_path)]
    subprocess.run(
        [SOFFICE, profile, *convert, str(tmp_path / "table.csv")], check=True, capture_output=True, timeout=120
    )
    text = (tmp_path / "table.fods").read_text(encoding="utf-8").partition(">day<")[2]
    cells = re.findall(
        r'office:value-type="(\w+)"(?: office:(?:date-)?value="([^"]*)")?[^>]*>\s*<text:p>([^<]*)<', text
    )
    day, whole, precise, dust, strikes, risky = cells[-6:]
    assert day[:2] == ("date", "2026-11-20")
    assert whole[:2] == ("date", "2026-11-20T21:30:00")
    assert (precise[0], precise[1][:21]) == ("date", "2026-11-20T21:30:00.1")
    assert (dust[0], dust[2]) == ("float", "0.3")
    assert (strikes[0], strikes[2]) == ("string", "2.5 150")
    assert risky[0] == "string"


@pytest.mark.skipif(SOFFICE is None, reason="soffice, of LibreOffice, is not installed")
def test_libreoffice_reads_in_a_workbook_what_is_stored(tmp_path: Path) -> None:
    assert SOFFICE is not None
    rows = pl.LazyFrame(
        {
            "symbol": ["AAPL", "KO"],
            "day": [date(2026, 11, 20), None],
            "at": [AT, AT],
            "move": [0.1 + 0.2, None],
            "is_final": [True, False],
            "strikes": [[2.5, 150.0], []],
            "risky": ["=1+1", "+2"],
        },
        schema_overrides={"at": pl.Datetime("us", "UTC")},
    )
    export_rows(rows, tmp_path / "table.xlsx", ExportFormat.XLSX, is_private=False)
    profile = f"-env:UserInstallation=file://{tmp_path / 'profile'}"
    convert = [SOFFICE, profile, "--headless", "--convert-to", "csv", "--outdir", str(tmp_path)]
    subprocess.run([*convert, str(tmp_path / "table.xlsx")], check=True, capture_output=True, timeout=120)
    head, first, second = (tmp_path / "table.csv").read_text(encoding="utf-8").splitlines()
    assert head.split(",") == rows.collect_schema().names()
    assert first.split(",") == ["AAPL", "2026-11-20", "2026-11-20 21:30:00", "0.3", "TRUE", "2.5 150", "=1+1"]
    assert second.split(",") == ["KO", "", "2026-11-20 21:30:00", "", "FALSE", "", "+2"]
