# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What a person should look at in the bars of the two sources, in sentences. Next door: their merge in `sources`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import polars as pl

from ttapi_pipeline.datasets.eod_snapshot.sources import UNLIKE_SHARE

WARNING: Final = "warning"
"""The kind of the notices; see the table `eod_notices`."""


def doubts(steps: pl.DataFrame, possible_splits: pl.DataFrame) -> pl.DataFrame:
    """Notices about single symbols whose bars contradict themselves.

    Args:
        steps: From `price_steps`.
        possible_splits: Schema SPLITS: those that bars show and are not divided by.

    Returns:
        kind, subject, file, rows and notice, by subject; see `eod_notices`.
    """
    schema = {"kind": pl.String, "subject": pl.String, "file": pl.String, "rows": pl.Int64, "notice": pl.String}
    about = (*_about_steps(steps), *_about_splits(possible_splits))
    rows = [(WARNING, symbol, None, None, notice) for symbol, notice in about]
    return pl.DataFrame(rows, schema=schema, orient="row").sort("subject", "notice")


def _about_steps(steps: pl.DataFrame) -> Iterator[tuple[str, str]]:
    for found in steps.partition_by("symbol", maintain_order=True):
        row = found.row(-1, named=True)
        others = len(found) - 1
        more = f", and {others} more such step{'' if others == 1 else 's'} before" if others else ""
        lasting = found.filter("is_lasting")["session"].to_list()
        used = f"; volatility and moves are computed from {lasting[-1]} on" if lasting else ""
        notice = (
            f"the close of {row['previous_session']} is {row['close_before']:.10g} and that of {row['session']}"
            f" {row['close']:.10g}, which no split explains{more}{used}; if the older bars are of another instrument,"
            " give its ticker another symbol in the file of TT_METASTOCK_SYMBOL_MAP; else correct or remove their file"
        )
        yield row["symbol"], notice


def _about_splits(splits: pl.DataFrame) -> Iterator[tuple[str, str]]:
    for found in splits.partition_by("symbol", maintain_order=True):
        seen = ", ".join(f"{row['factor']:.4g}:1 on {row['session']}" for row in found.tail(3).iter_rows(named=True))
        more = f" and {len(found) - 3} older ones" if len(found) > 3 else ""
        yield (
            found["symbol"][0],
            (
                f"bars of the files, older than all that candles prove, open as after a split: {seen}{more}; nothing is"
                " divided: TT_METASTOCK_ADJUSTMENT=raw divides by such splits, split says that prices are adjusted"
            ),
        )


def explain_conflicts(comparison: pl.DataFrame) -> Mapping[str, str]:
    """A sentence, with the numbers, for each symbol whose sources contradict each other; nothing about those apart."""
    reasons = {}
    for row in comparison.filter(pl.col("newest_divisor").is_null()).iter_rows(named=True):
        common, ratio, first = row["common_sessions"], row["median_ratio"], row["first_candle"]
        instead = f"candles stand from {first} on, and MetaStock's older bars are on their own scale"
        match row["verdict"]:
            case "no_overlap":
                continue
            case "short_overlap":
                why = f"MetaStock and candles share {common} sessions, too few to compare them"
            case "scale":
                why = f"candles are {ratio:.4f} times MetaStock over {common} sessions, which is no split"
            case "other":
                why = f"MetaStock and candles do not move together over {common} sessions, as if of two instruments"
                instead = "candles stand alone"
            case _:
                why = _changing_ratio(row)
        reasons[row["symbol"]] = f"{why}; {instead}"
    return reasons


def _changing_ratio(row: Mapping[str, Any]) -> str:
    """How the ratio of a symbol changes, as far as it was seen to."""
    common, ratio, spread, oldest = (
        row[name] for name in ("common_sessions", "median_ratio", "ratio_spread", "oldest_ratio")
    )
    subject = "the ratio of candle to MetaStock closes"
    match row["verdict"]:
        case "drift":
            return f"{subject} drifts by {spread:.4f} around {ratio:.4f}"
        case "changed":
            unexplained = "the splits between them do not explain" if row["splits"] else "no split explains"
            return f"{subject} was {oldest:.4f} at first and is {ratio:.4f} now, which {unexplained}"
    return (
        f"{subject} is {ratio:.4f} at first and now, and is another one in more than {UNLIKE_SHARE:.0%} of the"
        f" {common} common sessions"
    )
