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
from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
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

_WIDE: Final = 100
"""A terminal with fewer columns than this gets the most important columns of each table alone."""

_NOTES: Final = {
    "report": "earnings come before the expiration",
    "few": "1 to 4 sessions are left, and a weekend raises the ratio",
}
"""Short words about an expiration, since a terminal of 80 columns has room for six letters, and what they mean."""

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
        is_wide = options.max_width >= _WIDE
        yield Group(
            _headline(self.rows),
            *_facts(self.rows),
            _windows(self.rows.volatility, is_wide=is_wide),
            _cone(self.rows.cone, width=max(options.max_width - (74 if is_wide else 50), 12), is_wide=is_wide),
            _expirations(self.rows.series, is_wide=is_wide),
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
        f"IV 30 {_percent(row['implied_volatility_30_day'])}",
        f"HV 30 {_percent(row['close_to_close_30'])}",
        f"IV−HV {_points(row['iv_rv_spread_30'])}",
        _placed("IV rank", row["iv_rank"], metrics.get("implied_volatility_rank")),
        _placed("IV percentile", row["iv_percentile"], metrics.get("implied_volatility_percentile")),
        f"HV rank {_percent(row['hv_rank'], digits=0)}",
        f"HV percentile {_percent(row['hv_percentile'], digits=0)}",
    ]
    if row["iv_5_day_change"] is not None:
        facts.append(f"IV 5 days {_points(row['iv_5_day_change'])}, 21 days {_points(row['iv_21_day_change'])}")
    left_out = row["earnings_sessions_left_out_30"]
    if left_out:
        ex_earnings = _percent(row["close_to_close_30_ex_earnings"])
        facts.append(f"HV 30 ex-earnings {ex_earnings}, {left_out} sessions left out")
    if row["earnings_date"] is not None:
        facts.append(f"earnings {row['earnings_date']} {row['earnings_time_of_day'] or ''}".strip())
    lines = [Text(" · ".join(facts)), *_premium(rows.premium)]
    warnings = [] if row["cautions"] is None else [f"cautions: {_words(row['cautions'].replace(' ', ', '))}"]
    if row["is_index"]:
        warnings.append("an index: estimators with a range read low")
    if row["is_far_from_broker"]:
        warnings.append("the broker's historical volatility is more than 3 points away")
    return [*lines, *(Text(warning, style="yellow") for warning in warnings)]


def _placed(name: str, own: float | None, brokers: float | None) -> str:
    """Our own place in the year, with the broker's beside it; the broker's alone when there is none."""
    if own is None or brokers is None:
        return f"{name} {_percent(brokers if own is None else own, digits=0)}"
    return f"{name} {_percent(own, digits=0)} (broker {_percent(brokers, digits=0)})"


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
        Text(
            f"moves inside its 68% band: {_percent(row['inside_68'], digits=0)} · best forecast: {row['best_method']}"
        ),
    ]


def _windows(row: dict[str, Any], *, is_wide: bool) -> Table:
    table = _table("Realised volatility, annualised")
    shown = list(ESTIMATORS) if is_wide else ["close_to_close", "yang_zhang"]
    table.add_column("sessions", justify="right", no_wrap=True)
    for name in shown:
        table.add_column(name.replace("_", " "), justify="right", no_wrap=True)
    table.add_column("broker", justify="right", no_wrap=True)
    table.add_column("why none", overflow="fold")
    for window in WINDOWS:
        broker = row.get(f"historical_volatility_{window}_day")
        reasons = (row[f"close_to_close_{window}_reason"], row[f"yang_zhang_{window}_reason"])
        table.add_row(
            str(window),
            *(_percent(row[f"{name}_{window}"]) for name in shown),
            "" if broker is None else _percent(broker),
            ", ".join(dict.fromkeys(_words(reason) for reason in reasons if reason)),
        )
    return table


def _cone(cone: pl.DataFrame, *, width: int, is_wide: bool) -> Table:
    table = _table("Volatility cone: ─ min to max  ░ 10–90%  ▒ 25–75%  ● today")
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
            *(_percent(row[name]) for name in shown),
            Text(_percent(row["current"]), style="bold"),
            _percent(row["current_percentile"], digits=0),
            _strip(row, width=width, most=most if isinstance(most, float) else 0.0)
            if row["median"]
            else _words(row["reason"]),
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


def _expirations(series: pl.DataFrame, *, is_wide: bool) -> RenderableType:
    """Each column explains the next: ratio is implied over forecast, z the logarithm of the ratio over its error."""
    if series.is_empty():
        return Text("No listed expirations.")
    table = _table("Moves until each expiration, one deviation; ratio is implied / forecast")
    table.padding = (0, 1, 0, 0)
    for label in ("expiration", "days", "IV", "implied", "usual", "forecast", "ratio", "z"):
        table.add_column(label, justify="left" if label == "expiration" else "right", no_wrap=True)
    if is_wide:
        for label in ("dollars", "IV−RV", "sessions", "var. ratio"):
            table.add_column(label, justify="right", no_wrap=True)
    table.add_column("note", overflow="fold")
    has_roots = series["root_symbol"].n_unique() > 1
    # A root with one settlement says it by its name, as SPX and SPXW do.
    has_settlements = series.select("root_symbol", "settlement_type").n_unique() > series["root_symbol"].n_unique()
    notes: list[str] = []
    for row in series.iter_rows(named=True):
        name = str(row["expiration_date"])
        name += f" {row['root_symbol']}" if has_roots else ""
        name += f" {row['settlement_type']}" if has_settlements else ""
        implied = None if not row["close"] or row["expected_move"] is None else row["expected_move"] / row["close"]
        cells = [
            name,
            str(row["dte"]),
            _percent(row["implied_volatility"]),
            _percent(implied),
            _percent(row["usual_move"]),
            _forecast(row),
            _number(row["move_ratio"]),
            "–" if row["move_ratio_z"] is None else f"{row['move_ratio_z']:+.1f}".replace("-", "−"),
        ]
        if is_wide:
            cells += [
                "–" if row["expected_move"] is None else f"{row['expected_move']:,.2f}",
                _points(row["iv_rv_spread"]),
                "–" if row["horizon_sessions"] is None else str(row["horizon_sessions"]),
                _number(row["variance_ratio"]),
            ]
        notes.append(_note(row))
        table.add_row(*cells, notes[-1])
    said = {word for note in notes for word in note.split(", ")}
    lines = [Text(f"{word}: {meaning}") for word, meaning in _NOTES.items() if word in said]
    if series["is_written_on_future"].any():
        lines.append(Text("The options are on a future; close and moves are those of the index.", style="yellow"))
    return Group(table, *lines)


def _forecast(row: dict[str, Any]) -> str:
    move, error = row["forecast_move"], row["forecast_move_rel_error"]
    if move is None or error is None:
        return _percent(move)
    return f"{_percent(move)} ± {_percent(move * error, digits=1 if move * error >= 0.001 else 2)}"


def _note(row: dict[str, Any]) -> str:
    """Why a figure is missing, each reason once, and the words of _NOTES that hold."""
    named = (row[f"{name}_reason"] for name in ("expected_move", "move_ratio", "usual_move"))
    words = list(dict.fromkeys(_words(reason) for reason in named if reason))
    cautions = (row["cautions"] or "").split()
    holds = {"report": row["has_earnings_before_expiration"], "few": "few_sessions" in cautions}
    return ", ".join([*words, *(word for word in _NOTES if holds[word])])


def _table(title: str) -> Table:
    return Table(
        box=box.SIMPLE_HEAD, pad_edge=False, title=title, title_justify="left", title_style="bold", padding=(0, 1)
    )


def _words(reason: str | None) -> str:
    return "" if reason is None else reason.replace("_", " ")


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _percent(value: float | None, *, digits: int = 1) -> str:
    return "–" if value is None else f"{value:.{digits}%}"


def _points(value: float | None) -> str:
    return "–" if value is None else f"{value * 100:+.1f}".replace("-", "−")
