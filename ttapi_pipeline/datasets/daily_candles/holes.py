# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Sessions without a bar in the middle of a history, and the memory of those that the feed does not have either.

A hole is asked for again with each refresh, and its symbol is named as missing. Once the feed has answered without it
twice, in refreshes that are CONFIRMED_AFTER apart, each time with a complete snapshot that has the bars beside it,
nothing was traded then as far as anyone can know. It stays in `candle_absences`, and is not asked for any more.

Bars that end too early are treated alike; the first session after the last bar stands for all that follow. Such a
symbol may be halted or gone, so its end counts as known only when it is also more than BEHIND_SESSIONS old.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Final

import polars as pl

from ttapi_pipeline.core.sessions import SETTLING_TIME
from ttapi_pipeline.datasets.daily_candles.table import CANDLE_ABSENCES
from ttapi_pipeline.tables.dtypes import UTC_DATETIME

CONFIRMED_AFTER: Final = timedelta(hours=12)
"""Between two refreshes: a feed that had lost bars has had the time to find them."""

BEHIND_SESSIONS: Final = 10
"""A symbol whose bars end this many settled sessions ago, or fewer, is missing, even if the feed has confirmed it."""

EVERY_SYMBOL: Final = "every symbol"
"""Is missing in place of a symbol where the feed as a whole has ended."""

_KEY: Final = ("symbol", "session")


def settled_sessions(calendar: pl.DataFrame, *, now: datetime) -> pl.Series:
    """The sessions whose bars are final, ascending."""
    return calendar.filter(pl.col("closes_at") + SETTLING_TIME <= now)["session"].sort()


def holes(bars: pl.LazyFrame, settled: pl.Series) -> pl.DataFrame:
    """Sessions between the first and the last bar of a symbol that have none; by symbol and session.

    Args:
        bars: `symbol` and `session` of each bar.
        settled: Sessions, ascending. Bars on other days do not count.
    """
    sessions = settled.rename("session").to_frame().with_row_index("number").lazy()
    numbered = bars.select(_KEY).join(sessions, on="session")
    spans = numbered.group_by("symbol").agg(
        first=pl.col("number").min(), last=pl.col("number").max(), bars=pl.col("number").n_unique()
    )
    # Nearly all symbols have as many bars as their span has sessions, and are not looked at any further.
    torn = spans.filter(pl.col("last") - pl.col("first") + 1 > pl.col("bars"))
    expected = (
        torn.select("symbol", number=pl.int_ranges("first", pl.col("last") + 1, dtype=pl.get_index_type()))
        .explode("number")
        .join(sessions, on="number")
    )
    return expected.join(numbered, on=_KEY, how="anti").select(_KEY).sort(_KEY).collect()


def tails(bars: pl.LazyFrame, due: pl.Series, symbols: Sequence[str]) -> pl.DataFrame:
    """The first session after the last bar of each symbol whose bars end too early; by symbol and session.

    Args:
        bars: `symbol` and `session` of each bar.
        due: The sessions that a symbol must have bars up to, ascending.
        symbols: Those to look at.
    """
    last = bars.filter(pl.col("symbol").is_in(list(symbols))).group_by("symbol").agg(pl.col("session").max())
    following = due.rename("session").to_frame().lazy()
    ends = last.sort("session").join_asof(
        following.with_columns(next="session"), on="session", strategy="forward", allow_exact_matches=False
    )
    return ends.drop_nulls("next").select("symbol", session="next").sort(_KEY).collect()


def confirmed(absences: pl.LazyFrame | None) -> pl.DataFrame:
    """The holes that the feed has confirmed, by symbol and session."""
    if absences is None:
        return CANDLE_ABSENCES.polars.to_frame().select(_KEY)
    is_confirmed = pl.col("asked_at") - pl.col("first_asked_at") >= CONFIRMED_AFTER
    return absences.filter(is_confirmed).select(_KEY).collect()


def without(found: pl.DataFrame, others: pl.DataFrame) -> pl.DataFrame:
    """The holes that are not among others."""
    return found.join(others, on=_KEY, how="anti")


def starts_before(found: pl.DataFrame, bars: pl.LazyFrame) -> Mapping[str, date]:
    """For each symbol with holes, the session of the last bar before the first of them."""
    first = found.group_by("symbol").agg(hole=pl.col("session").min()).lazy()
    before = (bars.join(first, on="symbol").filter(pl.col("session") < pl.col("hole")).group_by("symbol")).agg(
        pl.col("session").max()
    )
    return dict(before.collect().iter_rows())


def absences(
    left: pl.DataFrame, answers: pl.DataFrame, bars: pl.LazyFrame, recorded: pl.LazyFrame | None, *, now: datetime
) -> pl.DataFrame:
    """The holes that are known to the feed as such, in the schema CANDLE_ABSENCES.

    Args:
        left: The holes and tails that there are, confirmed ones included.
        answers: `symbol` and `session` of every bar that came in answer to a question for holes.
        bars: `symbol` and `session` of every bar.
        recorded: Absences of earlier refreshes; None for none.
        now: When the feed was asked.
    """
    schema = CANDLE_ABSENCES.polars
    known = schema.to_frame() if recorded is None else recorded.collect()
    torn = left["symbol"].unique().to_list()
    around = bars.filter(pl.col("symbol").is_in(torn)).select(*_KEY, bar="session").sort(_KEY).collect()
    witnessed = left.sort(_KEY)
    came = answers.select("symbol", bar="session").unique()
    for strategy in ("backward", "forward"):
        beside = witnessed.join_asof(around, on="session", by="symbol", strategy=strategy, check_sortedness=False)
        # After the last bar of a symbol, there is none that could come.
        is_end = pl.lit(value=strategy == "forward") & pl.col("bar").is_null()
        has_come = beside.join(came, on=("symbol", "bar"), how="semi")
        witnessed = pl.concat([has_come, beside.filter(is_end)]).drop("bar").sort(_KEY)
    moment = pl.lit(now, UTC_DATETIME)
    asked = witnessed.with_columns(first_asked_at=moment, asked_at=moment).select(schema.names())
    return (
        pl.concat([known, asked])
        .group_by(_KEY)
        .agg(pl.col("first_asked_at").min(), pl.col("asked_at").max())
        .join(left, on=_KEY, how="semi")
        .select(schema.names())
        .sort(_KEY)
    )


def holes_in_words(found: pl.DataFrame) -> Mapping[str, str]:
    """A sentence per symbol about its holes."""
    spans = found.group_by("symbol").agg(first=pl.col("session").min(), last=pl.col("session").max(), count=pl.len())
    return {symbol: _hole(first, last, count) for symbol, first, last, count in spans.sort("symbol").iter_rows()}


def _hole(first: date, last: date, count: int) -> str:
    if count == 1:
        return f"the feed has no bar of {first}, between others"
    return f"the feed has no bars of {count} sessions between others, from {first} to {last}"


def due_sessions(
    settled: pl.Series, calendar: pl.DataFrame, fetched_at: datetime | None, *, newest: object
) -> pl.Series:
    """The sessions that a symbol must have bars up to.

    All of them, if any has settled since the stored bars were fetched. Otherwise those that any symbol has: a feed may
    stand still as a whole, as a simulator does whose clock was stopped. Then `standstill` says so once for all symbols.

    Args:
        settled: Sessions whose bars are final, ascending.
        calendar: Schema TRADING_CALENDAR.
        fetched_at: When the newest of the stored bars were fetched; None without any.
        newest: The newest session of any bar; None without one.
    """
    if fetched_at is not None and len(settled_sessions(calendar, now=fetched_at)) < len(settled):
        return settled
    return settled.filter(settled <= newest) if isinstance(newest, date) else settled.clear()


def behind(
    bars: pl.LazyFrame, due: pl.Series, symbols: Sequence[str], *, known: Collection[str]
) -> tuple[Mapping[str, str], int]:
    """The symbols whose bars end too early, with a sentence, and the number of those that are known to have ended.

    Args:
        bars: `symbol` and `session` of each bar.
        due: The sessions that a symbol must have bars up to, ascending.
        symbols: Those to look at.
        known: Symbols that may have ended: the feed has confirmed it, or the broker says that they are not active.
    """
    ends = bars.filter(pl.col("symbol").is_in(list(symbols))).group_by("symbol").agg(pl.col("session").max()).collect()
    reasons: dict[str, str] = {}
    ended = 0
    for symbol, last in ends.sort("symbol").iter_rows():
        since = _closed_since(last, due)
        if since > BEHIND_SESSIONS and symbol in known:
            ended += 1
        elif since:
            reasons[symbol] = f"the feed has no bar after {last}, and {_sessions_have(since)} closed since"
    return reasons, ended


def standstill(settled: pl.Series, due: pl.Series, *, newest: object) -> Mapping[str, str]:
    """A sentence about EVERY_SYMBOL where the bars of all of them end before the last settled session; else nothing.

    Args:
        settled: Sessions whose bars are final, by the trading calendar, ascending.
        due: The sessions that a symbol must have bars up to. Where these are all that settled, `behind` names symbols.
        newest: The newest session of any bar; None without one.
    """
    since = _closed_since(newest, settled) if isinstance(newest, date) else 0
    if not since or len(due) == len(settled):
        return {}
    sentence = f"the feed has no bar of any symbol after {newest}, and by the trading calendar"
    return {EVERY_SYMBOL: f"{sentence} {_sessions_have(since)} closed since"}


def _closed_since(last: date, sessions: pl.Series) -> int:
    return len(sessions) - int(sessions.search_sorted(last, side="right"))


def _sessions_have(count: int) -> str:
    return f"{count} sessions have" if count > 1 else "1 session has"
