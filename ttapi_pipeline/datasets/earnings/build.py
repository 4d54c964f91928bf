# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""`earnings`: when companies report. The broker names the next date alone, so the ones that pass are kept here.

What a report does to the volatility is `analytics.earnings`.
"""

from __future__ import annotations

from codecs import BOM_UTF8
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Final

import polars as pl

from ttapi_pipeline.core.errors import InvalidFormatError
from ttapi_pipeline.core.lines import shortened
from ttapi_pipeline.core.sessions import NEW_YORK
from ttapi_pipeline.core.symbology import canonical_symbol
from ttapi_pipeline.core.user_files import read_user_file
from ttapi_pipeline.datasets.build import Build, rows_per_source
from ttapi_pipeline.datasets.earnings.table import EARNINGS
from ttapi_pipeline.datasets.refresh import Refresh
from ttapi_pipeline.tables.dtypes import UTC_DATETIME

SAME_REPORT: Final = timedelta(days=45)
"""Two dates of a company that are at most so far apart are one report: they come a quarter apart, moved ones less."""

_KEY: Final = ("symbol", "announced_date")
_FILE: Final = "file"
_MOST_COLUMNS: Final = 100


def build_earnings(symbols: pl.LazyFrame, *, previous: pl.LazyFrame | None, file: Path | None, now: datetime) -> Build:
    """Take over the dates that `symbols` expects and those of the user's file, beside all that have passed.

    Args:
        symbols: `symbols`.
        previous: The stored rows.
        file: TT_EARNINGS_FILE.
        now: Aware UTC; a date has passed when it is before today in New York.

    Raises:
        InvalidFormatError: The file has another form than `read_earnings_file` reads.
        StorageError: It cannot be read at all.
    """
    today = now.astimezone(NEW_YORK).date()
    expected = symbols.select(
        "symbol",
        announced_date="earnings_date",
        time_of_day="earnings_time_of_day",
        is_estimated="is_earnings_date_estimated",
        first_seen_at="fetched_at",
        source=pl.lit("tastytrade"),
        fetched_at="fetched_at",
    ).drop_nulls("announced_date")
    given = None if file is None else read_earnings_file(file, now=now)
    known = None if previous is None else previous.collect()
    frame = merge_announcements(known, expected.collect(), given, today=today)
    return Build(
        frame=frame,
        sources=rows_per_source(frame),
        statistics={
            "announcements_passed": frame.filter(pl.col("announced_date") < today).height,
            "announcements_expected": frame.filter(pl.col("announced_date") >= today).height,
        },
    )


def merge_announcements(
    known: pl.DataFrame | None, expected: pl.DataFrame, given: pl.DataFrame | None, *, today: date
) -> pl.DataFrame:
    """Every date that has passed, and each company's next one.

    The broker's new date replaces the one that it named before if that had not passed, or if both are within
    SAME_REPORT: then the report was moved. A company for which it names none keeps what is known. A date of the file
    replaces the broker's within SAME_REPORT; those of a file are what the file says now.

    Whether a date has passed is asked of the clock, and a clock can be wrong. Where rows of a company are from later
    days than today, all of them stay but a date that was ahead on the latest of these days and is moved now.

    Args:
        known: Rows as they are stored; None at first.
        expected: The broker's, one row per symbol.
        given: The file's; None without one.
        today: Dates before it have passed.

    Returns:
        Rows of the schema EARNINGS, in any order. `first_seen_at` of a date that was known stays as it was.
    """
    stored = EARNINGS.polars.to_frame() if known is None else known
    kept = _kept(stored.filter(pl.col("source") != _FILE), expected, today=today)
    # Beside dates from a later day than today, another one of the same report is not taken for a new one.
    repeated = kept.filter("is_repeated").select("symbol").unique()
    kept = kept.select(stored.columns)
    rows = pl.concat([kept, expected.join(repeated, on="symbol", how="anti").select(kept.columns)])
    if given is not None:
        near = (
            rows.join(given.select("symbol", given_date="announced_date"), on="symbol")
            .filter((pl.col("given_date") - pl.col("announced_date")).abs() <= SAME_REPORT)
            .select(_KEY)
        )
        rows = pl.concat([rows.join(near, on=_KEY, how="anti"), given.select(rows.columns)])
    seen = stored.select(*_KEY, seen_before="first_seen_at")
    first_seen_at = pl.coalesce("seen_before", "first_seen_at")
    return rows.join(seen, on=_KEY, how="left").with_columns(first_seen_at=first_seen_at).drop("seen_before")


def _kept(named: pl.DataFrame, expected: pl.DataFrame, *, today: date) -> pl.DataFrame:
    """The rows that the broker named and its new dates do not replace; whether one of them is the new date itself."""
    named_on = pl.col("fetched_at").dt.convert_time_zone(NEW_YORK.key).dt.date()
    latest = named.group_by("symbol").agg(latest=named_on.max())
    announced, new = pl.col("announced_date"), pl.col("expected_date")
    is_moved = (new - announced).abs() <= SAME_REPORT
    is_in_doubt = pl.col("latest") > today
    # A date of the same report that stays whatever is said now: then the new date is not taken, and replaces nothing.
    is_the_same = is_in_doubt & (announced < pl.col("latest")) & (announced != new) & is_moved
    stays = (
        pl.when("is_repeated")
        .then(statement=True)
        .when(is_in_doubt)
        .then((announced != new) & ((announced < pl.col("latest")) | ~is_moved))
        .otherwise((announced < today) & ~is_moved)
    )
    return (
        named.join(latest, on="symbol")
        .join(expected.select("symbol", expected_date="announced_date"), on="symbol", how="left")
        .with_columns(is_repeated=is_the_same.fill_null(value=False).any().over("symbol"))
        .filter(new.is_null() | stays)
    )


def read_earnings_file(path: Path, *, now: datetime) -> pl.DataFrame:
    """Read a CSV file with a header and `symbol`, `announced_date` (YYYY-MM-DD), and perhaps `time_of_day`.

    Symbols may be written as anybody writes them (``aapl``, ``BRK.B``), as in the file of TT_LIST.

    Returns:
        Rows of the schema EARNINGS, a date once: `time_of_day` is BTO (before the open), AMC (after the close) or null.

    Raises:
        InvalidFormatError: It is no text or too large, a column is missing, or a value is not what it should be; names
            the line.
        StorageError: The file cannot be read.
    """
    read = _rows_as_text(path, f"TT_EARNINGS_FILE: {path}").with_row_index("line", offset=2)
    text = pl.col(pl.String).str.strip_chars()
    rows = read.with_columns(pl.when(text != "").then(text)).with_columns(
        canonical=pl.col("symbol").map_elements(_canonical, return_dtype=pl.String),
        date=pl.col("announced_date").str.to_date("%Y-%m-%d", strict=False),
        time_of_day=pl.col("time_of_day").str.to_uppercase()
        if "time_of_day" in read.columns
        else pl.lit(None, pl.String),
    )
    is_good = pl.all_horizontal(
        pl.col("canonical").is_not_null(),
        pl.col("date").is_not_null(),
        pl.col("time_of_day").is_in(["BTO", "AMC"]).fill_null(value=True),
    )
    bad = rows.filter(~is_good).head(1)
    if bad.height:
        row = bad.select("line", "symbol", "announced_date", "time_of_day").row(0)
        said = ", ".join("nothing" if cell is None else f"'{shortened(cell, 40)}'" for cell in row[1:])
        raise InvalidFormatError(
            f"TT_EARNINGS_FILE: {path}, line {row[0]}: {said}; "
            "a row has an equity symbol, a date as YYYY-MM-DD, and BTO, AMC or nothing"
        )
    moment = pl.lit(now, UTC_DATETIME)
    return rows.select(
        symbol="canonical",
        announced_date="date",
        time_of_day="time_of_day",
        is_estimated=pl.lit(value=False),
        first_seen_at=moment,
        source=pl.lit(_FILE),
        fetched_at=moment,
    ).unique(_KEY, keep="last", maintain_order=True)


def _rows_as_text(path: Path, subject: str) -> pl.DataFrame:
    """The rows of a CSV file below its header, each cell as it is written."""
    content = read_user_file(path, subject).removeprefix(BOM_UTF8)
    header, _, rows = content.partition(b"\n")
    if header.count(b",") > _MOST_COLUMNS:
        raise InvalidFormatError(f"{subject}: its first line has more than {_MOST_COLUMNS} columns")
    names = [name.strip().strip('"').strip() for name in header.decode(errors="replace").split(",")]
    wanted = (*_KEY, "time_of_day")
    for name in wanted:
        if name in _KEY and name not in names:
            raise InvalidFormatError(f"{subject}: no column {name}; its first line names {', '.join(wanted)}")
        if names.count(name) > 1:
            raise InvalidFormatError(f"{subject}: {names.count(name)} columns {name}")
    read = [name for name in wanted if name in names]
    schema = {name if name in wanted else f"column {at}": pl.String for at, name in enumerate(names)}
    places = [names.index(name) for name in read]
    if not rows.strip():
        return pl.DataFrame(schema=dict.fromkeys(read, pl.String))
    # Polars unpacks what begins as a packed stream, and nothing does behind a byte order mark.
    text = BOM_UTF8 + rows
    try:
        return pl.read_csv(text, has_header=False, schema=schema, missing_columns="insert", columns=places)
    except pl.exceptions.PolarsError as error:
        raise InvalidFormatError(f"{subject}: not a CSV file with a header: {shortened(str(error))}") from error


def _canonical(symbol: str) -> str | None:
    try:
        return canonical_symbol(symbol)
    except ValueError:
        return None


def build(refresh: Refresh, symbols: pl.LazyFrame) -> Build:
    """Take over the dates that the metrics name."""
    return build_earnings(symbols, previous=refresh.accumulated(), file=refresh.settings.earnings_file, now=refresh.now)
