# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Says in sentences what was assumed of a folder, what was left out of it, and what is doubtful.

Rows that are rejected one by one are not told here; each of them has its line in the rejects.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final, get_args

import polars as pl

from ttapi_pipeline.core.nearest import did_you_mean
from ttapi_pipeline.metastock.claims import CONFLICTS
from ttapi_pipeline.metastock.current_bars import CurrentBars
from ttapi_pipeline.metastock.dates import CONVENTIONS, WHOLE_YEAR, DateForm, orders_of
from ttapi_pipeline.metastock.evidence import Scheme
from ttapi_pipeline.metastock.frames import order_of_form
from ttapi_pipeline.metastock.identity import Symbols, file_ticker
from ttapi_pipeline.metastock.options import DEFAULT_OPTIONS, ImportOptions

NOTICES: Final = pl.Schema(
    {"kind": pl.String(), "subject": pl.String(), "file": pl.String(), "rows": pl.UInt32(), "notice": pl.String()}
)
"""One row per notice. `kind`: ``assumption``; ``left out``, which is in no table; ``warning``, which a person should
look at; or ``conflict``, rows that are set aside since another spelling has their symbol, or other files of the same
spelling. `subject` is a dialect, the folder, a file or a symbol; `file` and `rows` are null where it is not about a
file, or about rows."""


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


_WORDS: Final[Mapping[str, str]] = {"dmy": "day first", "mdy": "month first", "ymd": "year first"}

_MOST_UNKNOWN: Final = 10
"""Symbols that a notice lists."""

_Notice = tuple[str, str, str | None, int | None, str]


def notices(
    bars: CurrentBars, known: pl.DataFrame, names: pl.Series, symbols: Symbols, options: ImportOptions
) -> pl.DataFrame:
    """All notices of an import, schema NOTICES.

    Args:
        bars: For schemes and conflicts.
        known: Schema KNOWN_FILES.
        names: Of the files, by rank.
        symbols: The meaning of spellings.
        options: How the files were read.
    """
    told: list[_Notice] = [
        *_schemes(bars.schemes, options),
        *_file_names(bars, known, names),
        *_date_orders(known, options),
        *_settings(options),
        *_unread(known, names),
        *_no_rows(known, names),
        *_other_names(bars, names, symbols),
        *_contradictions(bars, known, names),
        *_conflicts(bars.conflicts, names),
    ]
    return pl.DataFrame(told, schema=NOTICES, orient="row").unique(maintain_order=True)


def _schemes(schemes: pl.DataFrame, options: ImportOptions) -> Iterator[_Notice]:
    for dialect, name, folders, spellings, example in schemes.iter_rows():
        scheme = Scheme[name]
        where = f"dialect {dialect}, {_counted(spellings, 'ticker')} in {_counted(folders, 'folder')}"
        if options.exchange_suffixes is not None:
            suffixes = ", ".join(sorted(options.exchange_suffixes)) or "none"
            yield "assumption", dialect, None, None, f"{where}: TT_METASTOCK_SUFFIXES says what is stripped: {suffixes}"
        elif scheme is Scheme.UNPROVEN:
            yield (
                "warning",
                dialect,
                None,
                None,
                f"{where}: {scheme}, as in {example}; TT_METASTOCK_SUFFIXES names the exchanges, or none",
            )
        else:
            yield "assumption", dialect, None, None, f"{where}: {scheme}"


def _date_orders(known: pl.DataFrame, options: ImportOptions) -> Iterator[_Notice]:
    """How dates were read whose form does not tell the order of day, month and year."""
    stated = known.filter(pl.any_horizontal(pl.col("proven_orders", "open_forms").list.len() > 0)).sort("dialect")
    facts = stated.select("dialect", "proven_orders", "open_forms", "taken_orders")
    for form in get_args(DateForm):
        if options.date_order in orders_of(form) and form not in CONVENTIONS:
            continue
        for (dialect,), files in facts.group_by("dialect", maintain_order=True):
            yield from _orders_of_form(str(dialect), form, files)
    if options.date_order is not None:
        example = "20/09/01" if options.date_order == "ymd" else WHOLE_YEAR
        sentence = f"dates such as {example} are {_WORDS[options.date_order]}, as TT_METASTOCK_DATE_ORDER says"
        yield "assumption", "folder", None, None, sentence


def _orders_of_form(dialect: str, form: DateForm, files: pl.DataFrame) -> Iterator[_Notice]:
    """The same for the files of a dialect that have dates of one form."""
    told = {order_of_form(form, order): order for order in orders_of(form)}
    is_open = pl.col("open_forms").list.contains(form)
    proofs = files.select(proof=pl.col("proven_orders").list.set_intersection(list(told))).filter(
        pl.col("proof").list.len() > 0
    )
    proven = sorted({told[each] for each in proofs["proof"].explode()})
    taken = files.filter(is_open)["taken_orders"].list.set_intersection(list(told)).explode().drop_nulls()
    undecided = files.filter(is_open).height - taken.len()
    such = "dates" if form == WHOLE_YEAR else f"dates such as {form}"
    if len(proven) == 1:
        others = f"; {_counted(taken.len(), 'other')} read likewise" if taken.len() else ""
        sentence = f"{such} are {_WORDS[proven[0]]}, by the dates of {_counted(proofs.height, 'file')}{others}"
        yield "assumption", dialect, None, None, f"dialect {dialect}: {sentence}"
    elif taken.len():
        sentence = f"{such} are {_WORDS[told[taken[0]]]}, by the dates of {_counted(taken.len(), 'file')} together"
        yield "assumption", dialect, None, None, f"dialect {dialect}: {sentence}"
    if undecided and form in CONVENTIONS:
        sentence = f"{such} are {_WORDS[CONVENTIONS[form]]}, as is usual, in {_counted(undecided, 'file')}"
        yield "assumption", dialect, None, None, f"dialect {dialect}: {sentence}"
    elif undecided:
        why = f"files prove {'both' if form == WHOLE_YEAR else 'several'} orders" if proven else "no file proves one"
        parts = "day and month of some dates" if form == WHOLE_YEAR else f"day, month and year of some {such}"
        sentence = f"{parts} cannot be told apart in {_counted(undecided, 'file')}, since {why}"
        orders = "dmy or mdy" if form == WHOLE_YEAR else "dmy, mdy or ymd"
        yield "warning", dialect, None, None, f"dialect {dialect}: {sentence}; set TT_METASTOCK_DATE_ORDER to {orders}"


def _settings(options: ImportOptions) -> Iterator[_Notice]:
    def said(name: str, *, is_default: bool) -> str:
        return f"by default; {name} says otherwise" if is_default else f"as {name} says"

    periods = ", ".join(sorted(options.daily_periods))
    is_default = options.daily_periods == DEFAULT_OPTIONS.daily_periods
    yield (
        "assumption",
        "folder",
        None,
        None,
        f"periods that are daily: {periods} ({said('TT_METASTOCK_PERIODS', is_default=is_default)})",
    )
    is_default = options.volume_multiplier == DEFAULT_OPTIONS.volume_multiplier
    unit = f"volumes are in units of {options.volume_multiplier:g}"
    yield (
        "assumption",
        "folder",
        None,
        None,
        f"{unit} ({said('TT_METASTOCK_VOLUME_MULTIPLIER', is_default=is_default)})",
    )
    is_default = options.code_page == DEFAULT_OPTIONS.code_page
    page = f"text that is not Unicode is {options.code_page}"
    yield "assumption", "folder", None, None, f"{page} ({said('TT_METASTOCK_CODE_PAGE', is_default=is_default)})"


def _unread(known: pl.DataFrame, names: pl.Series) -> Iterator[_Notice]:
    """Fields that are not read, and values beyond the last column, per dialect."""
    fields = (
        known.select("rank", "dialect", "unknown_fields")
        .explode("unknown_fields")
        .drop_nulls("unknown_fields")
        .group_by("dialect", "unknown_fields")
        .agg(pl.len(), pl.col("rank").min())
        .sort("dialect", "unknown_fields")
    )
    for dialect, field, count, rank in fields.iter_rows():
        yield (
            "left out",
            dialect,
            names[rank],
            None,
            f"field {field} is not read ({_counted(count, 'file')}, {names[rank]} for one)",
        )
    extra = (
        known.filter(pl.col("extra_values") > 0)
        .group_by("dialect")
        .agg(pl.len(), pl.col("extra_values").sum(), pl.col("rank").min())
        .sort("dialect")
    )
    for dialect, count, rows, rank in extra.iter_rows():
        sentence = f"values beyond the last column are not read ({_counted(count, 'file')}, {names[rank]} for one)"
        yield "left out", dialect, names[rank], rows, sentence


def _other_names(bars: CurrentBars, names: pl.Series, symbols: Symbols) -> Iterator[_Notice]:
    """Files of one ticker whose name says another one."""
    alone = bars.contents.filter(pl.len().over("rank") == 1, pl.col("symbol").is_not_null())
    # In most folders every file has the name of its ticker, and there are thousands of them.
    stems = names.gather(alone["rank"]).str.extract(r"([^/]+?)(?:\.[^./]*)?$")
    alone = alone.filter(stems.ne_missing(alone["spelling"]))
    for rank, spelling, symbol in alone.select("rank", "spelling", "symbol").sort("rank").iter_rows():
        name = names[rank]
        stem = file_ticker(name)
        if stem == spelling:
            continue
        said = symbols.file_name(stem, "").ticker
        if said is None or not symbols.is_possible(said):
            continue
        if not any(symbols.symbol(said, scheme) == symbol for scheme in Scheme):
            sentence = f"{name}: its ticker is {spelling}, and its name says {stem}; the ticker counts"
            yield "warning", name, name, None, sentence


def _contradictions(bars: CurrentBars, known: pl.DataFrame, names: pl.Series) -> Iterator[_Notice]:
    """Files with rows that a later row of the same ticker and session replaces by another close."""
    within = known.select("rank", rows="contradicted")
    across = bars.duplicates.select("rank", rows="contradicted")
    counts = pl.concat([within, across]).group_by("rank").agg(pl.col("rows").sum()).filter(pl.col("rows") > 0)
    for rank, rows in counts.sort("rank").iter_rows():
        name = names[rank]
        sentence = (
            f"{name}: later rows of the same tickers and sessions replace {_counted(rows, 'row')}, with other closes"
        )
        yield "warning", name, name, rows, sentence


def _conflicts(conflicts: pl.DataFrame, names: pl.Series) -> Iterator[_Notice]:
    for symbol, kept, spelling, rank, rows, files, why in conflicts.select(CONFLICTS.names()).iter_rows():
        name = names[rank]
        where = name if files == 1 else f"{name} and {_counted(files - 1, 'other file')}"
        count = f"{_counted(rows, 'row')} of {spelling} in {where} {'is' if rows == 1 else 'are'} set aside"
        sentence = f"{symbol}: {kept} has it, and {count}{'' if why is None else f', since {why}'}"
        yield "conflict", symbol, name, rows, sentence


def _file_names(bars: CurrentBars, known: pl.DataFrame, names: pl.Series) -> Iterator[_Notice]:
    """The rules by which tickers were read from names of files, each with one of these."""
    found = bars.contents.filter(pl.col("rule").is_not_null() & pl.col("symbol").is_not_null())
    rules = (
        found.join(known.select("rank", "dialect"), on="rank", how="left")
        .sort("rank")
        .group_by("dialect", "rule", maintain_order=True)
        .agg(pl.len(), pl.first("rank"), pl.first("symbol"))
    )
    for dialect, rule, count, rank, symbol in rules.iter_rows():
        others = f" and {_counted(count - 1, 'other file')}" if count > 1 else ""
        sentence = f"{names[rank]} is {symbol}{others}, assumed since {rule}; TT_METASTOCK_SYMBOL_MAP says otherwise"
        yield "assumption", dialect, names[rank], None, sentence


def unknown_symbols(contents: pl.DataFrame, names: pl.Series, symbols: Collection[str], where: str) -> pl.DataFrame:
    """A notice about symbols of the files that the broker has not been asked about, schema NOTICES; empty without any.

    A name that looks like a ticker is not always one.

    Args:
        contents: rank, symbol and rows.
        names: Of the files, by rank.
        symbols: Those that are known; without any, nothing is said.
        where: What has them, in words.
    """
    if not symbols:
        return pl.DataFrame(schema=NOTICES)
    used = contents.filter(pl.col("rows") > 0, pl.col("symbol").is_not_null()).sort("symbol", "rank")
    first = used.unique("symbol", keep="first", maintain_order=True).filter(~pl.col("symbol").is_in(list(symbols)))
    if first.is_empty():
        return pl.DataFrame(schema=NOTICES)
    some = first.head(_MOST_UNKNOWN).select("symbol", "rank").iter_rows()
    listed = ", ".join(f"{symbol} of {names[rank]}" for symbol, rank in some)
    others = f" and {first.height - _MOST_UNKNOWN:,} others" if first.height > _MOST_UNKNOWN else ""
    count = f"{_counted(first.height, 'symbol')} of the files {'is' if first.height == 1 else 'are'}"
    sentence = f"{count} not in {where}, unknown whether the broker has them: {listed}{others}"
    return pl.DataFrame([("assumption", "folder", None, None, sentence)], schema=NOTICES, orient="row")


def left_out_symbols(symbols: Sequence[str], rows: int | None, setting: str) -> pl.DataFrame:
    """A notice about symbols of the files that the user does not want, schema NOTICES; empty without any.

    Args:
        symbols: In order.
        rows: Bars of theirs; None where they are not counted.
        setting: The variable that says so.
    """
    if not symbols:
        return pl.DataFrame(schema=NOTICES)
    others = f" and {len(symbols) - _MOST_UNKNOWN:,} others" if len(symbols) > _MOST_UNKNOWN else ""
    counted = f"{_counted(len(symbols), 'symbol')} of the files {'is' if len(symbols) == 1 else 'are'}"
    sentence = (
        f"{counted} neither in the universe nor named by {setting}, and left out:"
        f" {', '.join(symbols[:_MOST_UNKNOWN])}{others}"
    )
    return pl.DataFrame([("left out", "folder", None, rows, sentence)], schema=NOTICES, orient="row")


def absent_symbols(wanted: Collection[str], found: Collection[str], setting: str) -> pl.DataFrame:
    """A warning about each symbol that a setting names and no file holds, schema NOTICES, by symbol."""
    told = [
        (
            "warning",
            symbol,
            None,
            None,
            f"{setting} names {symbol}, of which no file has a row{did_you_mean(symbol, found)}",
        )
        for symbol in sorted(set(wanted).difference(found))
    ]
    return pl.DataFrame(told, schema=NOTICES, orient="row")


def _no_rows(known: pl.DataFrame, names: pl.Series) -> Iterator[_Notice]:
    """Lines that are recognised as no rows."""
    for column, what in (
        ("footers", "of text at the end of a file is a footer of its site"),
        ("events", "that tells of a dividend or a split is no bar"),
    ):
        counts = known.filter(pl.col(column) > 0).sort("rank").group_by("dialect", maintain_order=True)
        for dialect, lines, rank in counts.agg(pl.sum(column), pl.first("rank")).iter_rows():
            sentence = f"dialect {dialect}: a line {what}, as in {names[rank]}: {_counted(lines, 'line')} left out"
            yield "left out", dialect, names[rank], lines, sentence
