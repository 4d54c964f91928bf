# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Tables that older versions stored are read in the types of now, from Parquet and from CSV."""

from __future__ import annotations

import zipfile
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from ttapi_pipeline.core.errors import CorruptFileError, DataError
from ttapi_pipeline.core.manifest import Provenance
from ttapi_pipeline.datasets.expiration_series.table import EXPIRATION_SERIES
from ttapi_pipeline.storage.export import ExportFormat, export_rows
from ttapi_pipeline.storage.hashing import data_version
from ttapi_pipeline.storage.publish import publish
from ttapi_pipeline.storage.repair import check, repair
from ttapi_pipeline.storage.scan import read_csv_back, scan
from ttapi_pipeline.tables.conform import conform
from ttapi_pipeline_tests.support.older_tables import SERIES_WITH_TEXTS, with_texts

AT = datetime(2026, 11, 20, 21, tzinfo=UTC)
PROVENANCE = Provenance(dataset="expiration_series", code_version="1.1", fetched_at=AT)


@pytest.fixture
def series() -> pl.DataFrame:
    rows = [
        {
            "symbol": symbol,
            "root_symbol": symbol,
            "expiration_date": date(2026, 12, 18),
            "settlement_type": "PM",
            "option_chain_type": "Standard",
            "expiration_type": "Regular",
            "strike_count": len(strikes),
            "strikes": strikes,
            "source": "tastytrade",
            "fetched_at": AT,
        }
        for symbol, strikes in (("AAPL", [2.5, 150.0, 1000.25]), ("BRK/B", [0.1, 485.0]), ("NONE", []))
    ]
    return conform(pl.DataFrame(rows, schema=EXPIRATION_SERIES.polars), EXPIRATION_SERIES)


def test_strikes_of_a_text_are_read_as_a_list(tmp_path: Path, series: pl.DataFrame) -> None:
    publish(with_texts(series), SERIES_WITH_TEXTS, tmp_path, PROVENANCE)
    texts = pl.read_parquet(tmp_path / "expiration_series.parquet")["strikes"].to_list()
    assert texts == ["2.5 150 1000.25", "0.1 485", ""]
    assert_frame_equal(scan(tmp_path, EXPIRATION_SERIES).collect(), series)
    assert_frame_equal(read_csv_back(tmp_path, EXPIRATION_SERIES), series)
    assert check(tmp_path, EXPIRATION_SERIES) == []


def test_the_csv_of_a_list_is_the_csv_of_its_text(tmp_path: Path, series: pl.DataFrame) -> None:
    for name, frame, schema in (("old", with_texts(series), SERIES_WITH_TEXTS), ("new", series, EXPIRATION_SERIES)):
        publish(frame, schema, tmp_path / name, PROVENANCE)
    old, new = ((tmp_path / name / "expiration_series.csv").read_bytes() for name in ("old", "new"))
    assert old == new
    assert new.splitlines()[1].endswith(b",2.5 150 1000.25,tastytrade,2026-11-20 21:00:00")


def test_a_damaged_file_of_texts_is_made_as_a_file_of_lists_from_its_csv(tmp_path: Path, series: pl.DataFrame) -> None:
    publish(with_texts(series), SERIES_WITH_TEXTS, tmp_path, PROVENANCE)
    path = tmp_path / "expiration_series.parquet"
    path.write_bytes(path.read_bytes()[:-40] + b"\0" * 40)
    assert [problem.is_repairable for problem in repair(tmp_path, EXPIRATION_SERIES)] == [True]
    assert_frame_equal(pl.read_parquet(path), series)
    assert check(tmp_path, EXPIRATION_SERIES) == []


def test_another_type_than_the_older_one_is_refused(tmp_path: Path, series: pl.DataFrame) -> None:
    publish(series, EXPIRATION_SERIES, tmp_path, PROVENANCE)
    with pytest.raises(CorruptFileError, match="is not what expiration_series holds now"):
        scan(tmp_path, SERIES_WITH_TEXTS)


def test_the_data_version_of_lists_is_the_same_in_any_order_and_from_the_file(
    tmp_path: Path, series: pl.DataFrame
) -> None:
    published = publish(series, EXPIRATION_SERIES, tmp_path, PROVENANCE)
    versions = {data_version(frame) for frame in (series, series.reverse(), pl.concat([series[1:], series[:1]]))}
    assert versions == {published.data_version, data_version(tmp_path / "expiration_series.parquet")}
    other = series.with_columns(strikes=pl.Series([[2.5, 150.0, 1000.5], [0.1, 485.0], []]))
    assert data_version(other) not in versions


@pytest.mark.parametrize("gap", [None, float("nan"), float("inf")])
def test_a_list_with_a_gap_is_refused_by_the_key_of_its_row(
    tmp_path: Path, series: pl.DataFrame, gap: float | None
) -> None:
    torn = series.with_columns(strikes=pl.Series([[2.5], [0.1, gap], []], dtype=pl.List(pl.Float64)))
    with pytest.raises(DataError, match=r"expiration_series BRK/B, .*: strikes has a value that is no number"):
        publish(torn, EXPIRATION_SERIES, tmp_path, PROVENANCE)


def test_a_list_is_a_text_in_a_workbook(tmp_path: Path, series: pl.DataFrame) -> None:
    pytest.importorskip("xlsxwriter")
    export_rows(series.lazy(), tmp_path / "x.xlsx", ExportFormat.XLSX, is_private=False)
    with zipfile.ZipFile(tmp_path / "x.xlsx") as parts:
        assert b"<t>2.5 150 1000.25</t>" in parts.read("xl/sharedStrings.xml")
