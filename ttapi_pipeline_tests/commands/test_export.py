# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""`tt export`: what is in the file is what is stored, as another program reads it."""

from __future__ import annotations

import errno
import json
import os
import zipfile
from datetime import date
from pathlib import Path
from xml.etree import ElementTree as ET

import duckdb
import polars as pl
import pytest

from ttapi_pipeline.core.errors import DataError
from ttapi_pipeline.datasets.earnings.table import EARNINGS
from ttapi_pipeline.datasets.expiration_series.table import EXPIRATION_SERIES
from ttapi_pipeline.datasets.universe.table import UNIVERSE
from ttapi_pipeline.storage.errors import storage_error
from ttapi_pipeline.storage.export import ExportFormat, export_rows
from ttapi_pipeline_tests.support.projects import Tt
from ttapi_pipeline_tests.support.stored_tables import store


@pytest.fixture
def earnings(project: Path) -> pl.DataFrame:
    days = [("AAPL", date(2026, 1, 29)), ("AAPL", date(2026, 10, 29)), ("BRK/B", date(2026, 11, 2))]
    return store(project, EARNINGS, *({"symbol": symbol, "announced_date": day} for symbol, day in days))


def sheet_cells(path: Path) -> list[list[tuple[str, str]]]:
    """Type and text of each cell of a workbook's first sheet, by row; read without the library that wrote it."""
    space = {"m": "http://schemas.openxmlformats.org/spreadsheetml/2006/main"}
    with zipfile.ZipFile(path) as parts:
        shared = ET.fromstring(parts.read("xl/sharedStrings.xml"))
        texts = ["".join(each.itertext()) for each in shared.findall("m:si", space)]
        sheet = ET.fromstring(parts.read("xl/worksheets/sheet1.xml"))
    rows = []
    for row in sheet.findall(".//m:row", space):
        cells = []
        for cell in row.findall("m:c", space):
            value = cell.findtext("m:v", "", space)
            kind = "formula" if cell.find("m:f", space) is not None else cell.get("t", "n")
            cells.append(("text", texts[int(value)]) if kind == "s" else (kind, value))
        rows.append(cells)
    return rows


def test_a_csv_has_the_rows_that_were_chosen_and_lies_where_it_was_asked_for(
    tt: Tt, project: Path, earnings: pl.DataFrame
) -> None:
    done = tt("export", "earnings", "--symbol", "aapl", "--since", "2026-06-01")
    assert done.code == 0, done.err
    path = project / "earnings-AAPL.csv"
    assert f"1 rows of earnings in {path}" in done.err
    # The same cells as in the CSV of the data folder, whose lines are in the order of the key.
    header, _, second, _ = (project / "data" / "earnings.csv").read_bytes().splitlines(keepends=True)
    assert path.read_bytes() == header + second
    done = tt("export", "earnings", "--symbol", "BRK.B", "--output", "b.parquet", "--json")
    assert pl.read_parquet(project / "b.parquet").equals(earnings.filter(symbol="BRK/B"))
    said = json.loads(done.out)
    assert (said["dataset"], said["rows"], said["path"]) == ("earnings", 1, str(project / "b.parquet"))


def test_a_file_that_is_there_is_replaced_when_the_user_says_so(tt: Tt, project: Path, earnings: pl.DataFrame) -> None:
    path = project / "earnings.csv"
    path.write_text("mine")
    refused = tt("export", "earnings")
    assert (refused.code, path.read_text()) == (2, "mine")
    assert f"{path} is there already" in refused.err
    assert tt("export", "earnings", "--overwrite").code == 0
    assert path.read_bytes() == (project / "data" / "earnings.csv").read_bytes()


def test_a_workbook_has_dates_and_numbers_and_runs_no_formula(tt: Tt, project: Path) -> None:
    store(
        project,
        UNIVERSE,
        {"symbol": "AAPL", "description": "=cmd|' /C calc'!A0"},
        {"symbol": "SPY", "description": "https://x.example", "is_etf": None},
    )
    assert tt("export", "universe", "--format", "xlsx").code == 0
    head, first, second = sheet_cells(project / "universe.xlsx")
    names = [text for _, text in head]
    assert names == list(UNIVERSE.polars)
    assert first[names.index("description")] == ("text", "=cmd|' /C calc'!A0")
    assert second[names.index("description")] == ("text", "https://x.example")
    # Days since 1899-12-30: 46,346 until 2026-11-20, and 15:30 UTC is 31/48 of a day.
    kind, value = first[names.index("fetched_at")]
    assert kind == "n"
    assert float(value) == pytest.approx(46_346 + 31 / 48)


def test_duckdb_sees_what_is_stored_now(tt: Tt, project: Path, earnings: pl.DataFrame) -> None:
    assert tt("export", "--format", "duckdb", "--output", "t.duckdb").code == 0
    query = "SELECT count(*), max(announced_date) FROM earnings"
    with duckdb.connect(str(project / "t.duckdb"), read_only=True) as database:
        assert database.execute(query).fetchone() == (3, date(2026, 11, 2))
    store(project, EARNINGS, {"symbol": "A", "announced_date": date(2026, 12, 1)})
    with duckdb.connect(str(project / "t.duckdb"), read_only=True) as database:
        assert database.execute(query).fetchone() == (1, date(2026, 12, 1))
    assert not list(project.glob(".*.staged"))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["earning"], "did you mean earnings?"),
        ([], "name a dataset to export"),
        (["earnings", "--symbol", "A/B/C/"], "--symbol: "),
        (["earnings", "--symbol", "ZZZ"], "earnings has no such rows: of ZZZ"),
        (["earnings", "--since", "2030-01-01"], "earnings has no such rows: since 2030-01-01"),
        (["universe", "--since", "2026-01-01"], "--since chooses nothing"),
        (["trading_calendar", "--symbol", "A"], "trading_calendar has no symbols"),
        (["earnings", "--output", "nowhere/x.csv"], "nowhere is not a folder"),
        (["earnings", "--format", "duckdb", "--symbol", "A"], "leave --symbol and --since to its queries"),
    ],
)
def test_what_cannot_be_exported_is_said_in_a_sentence(
    tt: Tt, project: Path, earnings: pl.DataFrame, arguments: list[str], sentence: str
) -> None:
    store(project, UNIVERSE, {"symbol": "AAPL"})
    done = tt("export", *arguments)
    assert done.code in {2, 4}
    assert sentence in done.err
    assert "Traceback" not in done.err


def test_what_is_not_stored_is_said_to_be_missing(tt: Tt, project: Path) -> None:
    done = tt("export", "quotes")
    assert (done.code, done.err) == (
        4,
        f"error: quotes is not stored in {project / 'data'} yet; `tt refresh quotes` makes it\n",
    )
    # A table that is published with a dataset comes with it.
    assert "`tt refresh eod_snapshot` makes it" in tt("export", "eod_rejects").err
    assert "`tt` fills it" in tt("export", "--format", "duckdb").err


def test_lists_are_lists_in_duckdb_and_texts_in_csv_and_workbook(tt: Tt, project: Path) -> None:
    store(project, EXPIRATION_SERIES, {"symbol": "AAPL", "strikes": [2.5, 150.0]}, {"symbol": "KO", "strikes": []})
    assert tt("export", "--format", "duckdb", "--output", "t.duckdb").code == 0
    with duckdb.connect(str(project / "t.duckdb"), read_only=True) as database:
        columns = dict(database.execute("SELECT column_name, column_type FROM (DESCRIBE expiration_series)").fetchall())
        counted = "SELECT symbol, len(strikes), list_max(strikes) FROM expiration_series ORDER BY symbol"
        assert database.execute(counted).fetchall() == [("AAPL", 2, 150.0), ("KO", 0, None)]
        each = "SELECT unnest(strikes) FROM expiration_series WHERE symbol = 'AAPL'"
        assert database.execute(each).fetchall() == [(2.5,), (150.0,)]
    assert (columns["strikes"], columns["expiration_date"]) == ("DOUBLE[]", "DATE")
    assert columns["fetched_at"] == "TIMESTAMP WITH TIME ZONE"
    assert tt("export", "expiration_series", "--format", "xlsx").code == 0
    head, first, _ = sheet_cells(project / "expiration_series.xlsx")
    assert first[[text for _, text in head].index("strikes")] == ("text", "2.5 150")


def test_a_file_that_cannot_be_written_is_told_with_the_option_that_names_another(tt: Tt, project: Path) -> None:
    store(project, UNIVERSE, {"symbol": "AAPL"})
    # No user, not even root, can make files there.
    for name in ("x.csv", "x.parquet", "x.xlsx", "x.duckdb"):
        done = tt("export", "universe", "--output", f"/proc/{name}", "--format", name.partition(".")[2])
        assert done.code == 4
        assert done.err == f"error: /proc/{name}: No such file or directory; name another file with --output\n"


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOSPC, errno.ENOTDIR])
def test_no_error_of_an_export_speaks_of_the_data_folder(number: int) -> None:
    told = str(storage_error(Path("x.csv"), OSError(number, ""), option="--output"))
    assert os.strerror(number) in told
    assert "with --output" in told
    assert "TT_DATA_DIR" not in told


def test_a_private_table_can_be_read_by_its_owner_alone(tmp_path: Path) -> None:
    frame = pl.LazyFrame({"account_number": ["5WT00001"]})
    for file_format in (ExportFormat.CSV, ExportFormat.PARQUET, ExportFormat.XLSX):
        path = tmp_path / f"accounts.{file_format}"
        export_rows(frame, path, file_format, is_private=True)
        assert path.stat().st_mode & 0o077 == 0


def test_more_rows_than_a_sheet_has_are_refused(tmp_path: Path) -> None:
    frame = pl.LazyFrame({"n": range(1_048_576)})
    with pytest.raises(DataError, match="1,048,576 rows, and a sheet of Excel has 1,048,575: choose some"):
        export_rows(frame, tmp_path / "x.xlsx", ExportFormat.XLSX, is_private=False)
    assert not list(tmp_path.iterdir())
