# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Lines of a CSV as the reader of Python's standard library sees them, whatever shortcut wrote them."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from ttapi_pipeline.storage.spreadsheet import csv_rows, scan_csv_back, sink_csv
from ttapi_pipeline.tables.schema import COUNT, TIMESTAMP, Column, DatasetSchema, required

SCHEMA = pl.Schema({"symbol": pl.String(), "day": pl.Date(), "at": pl.Datetime("us", "UTC"), "price": pl.Float64()})

risky = st.sampled_from(["=1", "''@x", "\n=1", "＝1", "\t1", "-1"])
texts = st.none() | st.sampled_from(["AAPL", "BRK/B", "", "a,b", 'a"b', "a\nb", "a\r\nb"]) | risky | st.text()
days = st.none() | st.dates(date(2000, 1, 1), date(2030, 1, 1)) | st.dates()
instants = st.none() | st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001 - the zone is another argument's
prices = st.none() | st.floats(-1e9, 1e9).map(lambda price: round(price, 4))
rows = st.lists(st.tuples(texts, days, instants, prices), max_size=8)


def moment(at: datetime) -> str:
    """Without digits of the second, or with three or six of them."""
    digits = "milliseconds" if at.microsecond % 1000 == 0 else "microseconds"
    return at.replace(tzinfo=None).isoformat(" ", timespec="seconds" if at.microsecond == 0 else digits)


def spelled(row: tuple[str | None, date | None, datetime | None, float | None]) -> list[str]:
    """What a spreadsheet shows of a row."""
    text, day, at, _ = row
    return [
        "" if text is None else f"'{text}" if re.match(r"'*[=+\-@\t\r\n＝＋－＠]", text) else text,
        "" if day is None else day.isoformat(),
        "" if at is None else moment(at),
    ]


@settings(deadline=None)
@given(rows)
def test_every_line_reads_back_as_its_row(
    rows: list[tuple[str | None, date | None, datetime | None, float | None]],
) -> None:
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    lines = csv_rows(frame)
    read = list(csv.reader(io.StringIO(lines.decode(), newline="")))
    assert [line[:3] for line in read] == [spelled(row) for row in rows]
    assert [float(line[3]) if line[3] else None for line in read] == [row[3] for row in rows]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "whole.csv"
        sink_csv(frame.lazy(), path)
        assert path.read_bytes() == b"symbol,day,at,price\r\n" + lines


def test_an_empty_text_is_not_null_and_a_formula_is_text() -> None:
    at = datetime(2026, 11, 20, 21, 0, 0, 5, tzinfo=UTC)
    frame = pl.DataFrame(
        [("", date(2026, 11, 20), at, 0.1), (None, None, None, None), ("=A1", date(1, 1, 1), at, 1e-7)],
        schema=SCHEMA,
        orient="row",
    )
    assert csv_rows(frame).decode().split("\r\n") == [
        '"",2026-11-20,2026-11-20 21:00:00.000005,0.1',
        ",,,",
        "'=A1,0001-01-01,2026-11-20 21:00:00.000005,1e-7",
        "",
    ]
    assert csv_rows(frame[1:2]) == b",,,\r\n"
    assert csv_rows(frame.clear()) == b""


def test_timestamps_of_older_files_are_read_as_those_of_now(tmp_path: Path) -> None:
    schema = DatasetSchema("moments", (required("n", COUNT, ""), Column("at", TIMESTAMP, "")), key=("n",))
    whole, precise = datetime(2026, 11, 20, 21, tzinfo=UTC), datetime(2026, 11, 20, 21, 0, 0, 120_005, tzinfo=UTC)
    for number, cells in enumerate(
        (
            ("2026-11-20T21:00:00.000000Z", "2026-11-20T21:00:00.120005Z", ""),
            ("2026-11-20 21:00:00", "2026-11-20 21:00:00.120005", ""),
        )
    ):
        path = tmp_path / f"{number}.csv"
        path.write_bytes(b"n,at\r\n" + "".join(f"{n},{cell}\r\n" for n, cell in enumerate(cells)).encode())
        assert scan_csv_back(path, schema).collect()["at"].to_list() == [whole, precise, None]
