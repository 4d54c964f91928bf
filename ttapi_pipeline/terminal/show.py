# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""One symbol on the terminal, for `tt show`: its volatility, its cone, its expirations.

Charts of many symbols are in `plots`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import polars as pl
from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.table import Table
from rich.text import Text

from ttapi_pipeline.analytics.estimators import ESTIMATORS, WINDOWS
from ttapi_pipeline.core.errors import ConfigError, StorageError
from ttapi_pipeline.core.nearest import did_you_mean
from ttapi_pipeline.core.symbology import canonical_symbol
from ttapi_pipeline.datasets.reading import open_stored, version_as_of
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.datasets.returns_stddev.table import RETURNS_STDDEV
from ttapi_pipeline.datasets.symbols.table import SYMBOLS
from ttapi_pipeline.datasets.variance_premium.table import VARIANCE_PREMIUM
from ttapi_pipeline.datasets.volatility.table import VOLATILITY
from ttapi_pipeline.datasets.volatility_cone.table import VOLATILITY_CONE
from ttapi_pipeline.storage.layout import Folder
from ttapi_pipeline.storage.stored import read_manifest
from ttapi_pipeline.storage.versions.reading import Version, open_version
from ttapi_pipeline.tables.schema import DatasetSchema
from ttapi_pipeline.terminal.expirations import LABELS, expirations, notes
from ttapi_pipeline.terminal.symbol_cells import fitting, in_words, named_table, percent, points

_LEAST_WORDS: Final = 12
"""Columns for the words at the end of a row, which go on in the next line where they are longer."""

# Drawn in this order, so that the inner range of the cone covers the outer one.
_CONE_MARKS: Final = (("minimum", "maximum", "─"), ("p10", "p90", "░"), ("p25", "p75", "▒"))


@dataclass(frozen=True, slots=True)
class SymbolRows:
    """The stored rows of one symbol.

    Attributes:
        volatility: Its row of `volatility`.
        metrics: Its row of `symbols`; empty for a symbol that has bars and no metrics.
        cone: Its rows of `volatility_cone`, by horizon.
        series: Its rows of `returns_stddev`, by expiration.
        is_simulated: Whether any of the rows is invented.
        premium: Its rows of `variance_premium`; empty in a folder that has none yet.
        known: The instant that was asked for and the version that was known then, by dataset; empty for what is stored
            now.
    """

    volatility: dict[str, Any]
    metrics: dict[str, Any]
    cone: pl.DataFrame
    series: pl.DataFrame
    is_simulated: bool
    premium: pl.DataFrame
    known: Mapping[str, tuple[datetime, Version]] = field(default_factory=dict)


def read_symbol(folder: Folder, symbol: str, *, as_of: datetime | None = None) -> SymbolRows:
    """Read the stored rows of a symbol.

    Args:
        folder: The data folder.
        symbol: As tastytrade writes it; small letters, and a dot for the slash of BRK/B, are accepted as well.
        as_of: An instant: what was known then. A column that a table did not have then is null.

    Raises:
        ConfigError: The stored data does not know the symbol, or nothing was known at that instant.
        StorageError: A dataset is not stored, cannot be read, or its rows of that instant are not kept.
    """
    try:
        wanted = canonical_symbol(symbol)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    try:
        tables = _stored(folder) if as_of is None else _known(folder, as_of)
    except StorageError as error:
        # Maybe a dataset was meant.
        raise StorageError(f"{error}{did_you_mean(symbol, DATASETS)}") from error

    def rows(schema: DatasetSchema) -> pl.DataFrame:
        frame = tables[schema.name].frame
        names = frame.collect_schema().names()
        lacking = [pl.lit(None, dtype).alias(name) for name, dtype in schema.polars.items() if name not in names]
        return frame.filter(symbol=wanted).with_columns(lacking).collect()

    volatility = rows(VOLATILITY)
    if volatility.is_empty():
        known = tables[VOLATILITY.name].frame.select("symbol").collect()["symbol"].to_list()
        hint = did_you_mean(symbol, [*known, *DATASETS], most=3)
        then = "" if as_of is None else " as it was then"
        raise ConfigError(f"{symbol!r} is not among the {len(known):,} symbols of the stored data{then}{hint}")
    metrics = rows(SYMBOLS)
    return SymbolRows(
        volatility=volatility.row(0, named=True),
        metrics={} if metrics.is_empty() else metrics.row(0, named=True),
        cone=rows(VOLATILITY_CONE).sort("horizon_sessions"),
        series=rows(RETURNS_STDDEV).sort("expiration_date", "root_symbol", "settlement_type"),
        is_simulated=any(table.is_simulated for table in tables.values()),
        premium=rows(VARIANCE_PREMIUM),
        known={}
        if as_of is None
        else {name: (as_of, table.version) for name, table in tables.items() if table.version is not None},
    )


@dataclass(frozen=True, slots=True)
class _Table:
    """A table of which one symbol is shown."""

    frame: pl.LazyFrame
    is_simulated: bool = False
    version: Version | None = None


_TABLES: Final = (VOLATILITY, SYMBOLS, VOLATILITY_CONE, RETURNS_STDDEV, VARIANCE_PREMIUM)


def _stored(folder: Folder) -> Mapping[str, _Table]:
    """What is stored now; a dataset that a folder of an earlier version lacks has no rows."""
    tables = {}
    for schema in _TABLES:
        if schema is VARIANCE_PREMIUM and read_manifest(folder, schema.name) is None:
            tables[schema.name] = _Table(schema.polars.to_frame().lazy())
            continue
        table = open_stored(folder, schema)
        tables[schema.name] = _Table(table.frame, table.is_simulated)
    return tables


def _known(folder: Folder, instant: datetime) -> Mapping[str, _Table]:
    """What was known at an instant; a dataset that came later has no rows, but for the volatility."""
    tables = {}
    for schema in _TABLES:
        try:
            version = version_as_of(folder, schema, instant)
        except ConfigError:
            if schema is VOLATILITY:
                raise
            tables[schema.name] = _Table(schema.polars.to_frame().lazy())
            continue
        table = open_version(folder, schema, version)
        tables[schema.name] = _Table(table.frame, table.is_simulated, version)
    return tables


@dataclass(frozen=True, slots=True)
class SymbolView:
    """The tables of a symbol, laid out for the width of the console on which they are printed."""

    rows: SymbolRows

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        rows, width = self.rows, options.max_width

        def cone(*, is_wide: bool) -> Table:
            return _cone(rows.cone, width=max(width - (74 if is_wide else 50), 12), is_wide=is_wide)

        series = [expirations(rows.series, labels) for labels in LABELS] if rows.series.height else []
        yield Group(
            _headline(rows),
            *_facts(rows),
            fitting([_windows(rows.volatility, is_wide=is_wide) for is_wide in (True, False)], console, width),
            fitting([cone(is_wide=is_wide) for is_wide in (True, False)], console, width),
            *([fitting(series, console, width)] if series else []),
            *notes(rows.series),
        )


def _headline(rows: SymbolRows) -> Text:
    row, line = rows.volatility, Text()
    line.append(str(row["symbol"]), style="bold")
    if rows.metrics.get("description"):
        line.append(f"  {rows.metrics['description']}")
    close = "no close" if row["close"] is None else f"{row['close']:,.2f}"
    line.append(f"  {close} on {row['as_of_session']}")
    if rows.is_simulated:
        line.append("  SIMULATED DATA", style="bold yellow")
    return line


def _facts(rows: SymbolRows) -> Sequence[Text]:
    row, metrics = rows.volatility, rows.metrics
    facts = [
        f"IV 30 {percent(row['implied_volatility_30_day'])}",
        f"HV 30 {percent(row['close_to_close_30'])}",
        f"IV−HV {points(row['iv_rv_spread_30'])}",
        _placed("IV rank", row["iv_rank"], metrics.get("implied_volatility_rank")),
        _placed("IV percentile", row["iv_percentile"], metrics.get("implied_volatility_percentile")),
        f"HV rank {percent(row['hv_rank'], digits=0)}",
        f"HV percentile {percent(row['hv_percentile'], digits=0)}",
    ]
    if row["iv_5_day_change"] is not None:
        facts.append(f"IV 5 days {points(row['iv_5_day_change'])}, 21 days {points(row['iv_21_day_change'])}")
    left_out = row["earnings_sessions_left_out_30"]
    if left_out:
        ex_earnings = percent(row["close_to_close_30_ex_earnings"])
        facts.append(f"HV 30 ex-earnings {ex_earnings}, {left_out} sessions left out")
    if row["earnings_date"] is not None:
        facts.append(f"earnings {row['earnings_date']} {row['earnings_time_of_day'] or ''}".strip())
    lines = [Text(" · ".join(facts)), *_premium(rows.premium)]
    warnings = [] if row["cautions"] is None else [f"cautions: {in_words(row['cautions'].replace(' ', ', '))}"]
    if row["is_index"]:
        warnings.append("an index: estimators with a range read low")
    if row["is_far_from_broker"]:
        warnings.append("the broker's historical volatility is more than 3 points away")
    return [*lines, *(Text(warning, style="yellow") for warning in warnings)]


def _placed(name: str, own: float | None, brokers: float | None) -> str:
    """Our own place in the year, with the broker's beside it; the broker's alone when there is none."""
    if own is None or brokers is None:
        return f"{name} {percent(brokers if own is None else own, digits=0)}"
    return f"{name} {percent(own, digits=0)} (broker {percent(brokers, digits=0)})"


def _premium(premium: pl.DataFrame) -> Sequence[Text]:
    """How 30-day implied volatility has done over 21 sessions, and which forecast was best; nothing without scores."""
    scored = premium.filter((pl.col("tenor_sessions") == 21) & pl.col("volatility_ratio").is_not_null())
    implied = scored.filter(pl.col("method") == "iv_30_day")
    if implied.is_empty():
        return []
    row = implied.row(0, named=True)
    error = row["volatility_ratio_error"]
    ratio = f"{row['volatility_ratio']:.2f}" + ("" if error is None else f" ± {error:.2f}")
    since = f"{row['spans_apart']} months since {row['first_session']}"
    return [
        Text(f"30-day IV over realised: {ratio}, {row['verdict'] or 'no verdict'} ({since})"),
        Text(f"moves inside its 68% band: {percent(row['inside_68'], digits=0)} · best forecast: {row['best_method']}"),
    ]


def _windows(row: dict[str, Any], *, is_wide: bool) -> Table:
    table = named_table("Realised volatility, annualised")
    shown = list(ESTIMATORS) if is_wide else ["close_to_close", "yang_zhang"]
    table.add_column("sessions", justify="right", no_wrap=True)
    for name in shown:
        table.add_column(name.replace("_", " "), justify="right", no_wrap=True)
    table.add_column("broker", justify="right", no_wrap=True)
    table.add_column("why none", overflow="fold", min_width=_LEAST_WORDS)
    for window in WINDOWS:
        broker = row.get(f"historical_volatility_{window}_day")
        reasons = (row[f"close_to_close_{window}_reason"], row[f"yang_zhang_{window}_reason"])
        table.add_row(
            str(window),
            *(percent(row[f"{name}_{window}"]) for name in shown),
            "" if broker is None else percent(broker),
            ", ".join(dict.fromkeys(in_words(reason) for reason in reasons if reason)),
        )
    return table


def _cone(cone: pl.DataFrame, *, width: int, is_wide: bool) -> Table:
    table = named_table("Volatility cone: ─ min to max  ░ 10–90%  ▒ 25–75%  ● today")
    table.add_column("sessions", justify="right", no_wrap=True)
    quantiles = {"minimum": "min", "p25": "25%", "median": "median", "p75": "75%", "maximum": "max"}
    shown = quantiles if is_wide else {"minimum": "min", "maximum": "max"}
    for label in shown.values():
        table.add_column(label, justify="right", no_wrap=True)
    table.add_column("today", justify="right", no_wrap=True)
    table.add_column("above", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    most = cone["maximum"].max()
    for row in cone.iter_rows(named=True):
        table.add_row(
            str(row["horizon_sessions"]),
            *(percent(row[name]) for name in shown),
            Text(percent(row["current"]), style="bold"),
            percent(row["current_percentile"], digits=0),
            _strip(row, width=width, most=most if isinstance(most, float) else 0.0)
            if row["median"]
            else in_words(row["reason"]),
        )
    return table


def _strip(row: dict[str, Any], *, width: int, most: float) -> Text:
    """The cone at one horizon as `width` characters: the left end is 0, the right end is `most`."""

    def place(value: float) -> int:
        return min(int(value / most * width), width - 1) if most > 0 else 0

    cells = [" "] * width
    for low, high, mark in _CONE_MARKS:
        for cell in range(place(row[low]), place(row[high]) + 1):
            cells[cell] = mark
    text = Text("".join(cells), style="blue")
    if row["current"] is not None:
        at = place(row["current"])
        text = Text.assemble((text.plain[:at], "blue"), ("●", "bold yellow"), (text.plain[at + 1 :], "blue"))
    text.rstrip()
    return text
