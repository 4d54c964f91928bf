# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The rules by which options are listed: roots, expiration dates and strikes, in the listing cycles of the exchanges.

A chain depends on the date and on the closes before it, so it stays the same within a day. A contract stays listed
until it expires: strikes are added as the price moves and as the expiration comes near, and never taken away. The rules
are applied to a market in `contracts`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import cache, lru_cache
from itertools import count, islice
from typing import Final, Literal

from ttapi_pipeline.core.sessions import next_session, previous_session, session_on_or_before
from ttapi_pipeline.core.symbology import option_root
from ttapi_pipeline.simulator.market.instruments import Listing
from ttapi_pipeline.simulator.market.randomness import uniforms

ExpirationType = Literal["Regular", "Weekly", "Quarterly", "End-Of-Month"]
ChainType = Literal["Standard", "Non-standard"]
Settlement = Literal["AM", "PM"]

_WEDNESDAY, _FRIDAY = 2, 4
_LEAPS_DAYS: Final = 761  # 25 months
_STEPS: Final = (500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000)
_MIN_STRIKES, _MAX_STRIKES = 20, 80
_ADDED_STEPS: Final = 5
_REVIEW_DAYS: Final = (365, 120, 35)
"""At these times before the expiration, strikes closer to the price, and to each other, are added."""
# The root settled at the opening price (third Fridays) and the root settled at the closing price; None without one.
_INDEX_ROOTS: Final[dict[str, tuple[str | None, str | None]]] = {
    "SPX": ("SPX", "SPXW"),
    "NDX": ("NDX", "NDXP"),
    "RUT": ("RUT", "RUTW"),
    "DJX": ("DJX", None),
    "XSP": (None, "XSP"),
}
_VIX_ROOTS: Final = ("VIX", "VIXW")

ClosesSince = Callable[[date], tuple[float, float, float]]
Schedule = Iterator[tuple[str, ChainType, Settlement, dict[date, ExpirationType]]]


@dataclass(frozen=True, slots=True)
class Expiration:
    """The contracts of one root for one date and settlement; `strikes` ascending, US dollars.

    `settlement_type` is AM (the opening price of `expiration_date` settles) or PM (the closing price).
    """

    root_symbol: str
    option_chain_type: ChainType
    expiration_type: ExpirationType
    expiration_date: date
    settlement_type: Settlement
    strikes: tuple[Decimal, ...]


@cache
def third_friday(year: int, month: int) -> date:
    """The monthly expiration: the third Friday, or the session before it when that is a holiday."""
    first = date(year, month, 1)
    return session_on_or_before(first + timedelta(days=(_FRIDAY - first.weekday()) % 7 + 14))


@cache
def volatility_expiration(year: int, month: int) -> date:
    """VIX settles 30 days before the third Friday of the following month, a Wednesday, or on the session before."""
    following = third_friday(year + month // 12, month % 12 + 1)
    return session_on_or_before(following - timedelta(days=30))


def option_roots(listing: Listing) -> Sequence[str]:
    """Root symbols of the options on an underlying, the standard root first; empty without options."""
    symbol = listing.instrument.symbol
    if listing.option_cycle == "none":
        return ()
    if listing.option_cycle == "index":
        return _VIX_ROOTS if symbol == "VIX" else tuple(root for root in _INDEX_ROOTS[symbol] if root is not None)
    root = option_root(symbol)
    return (root, f"{root}1") if _is_adjusted(listing) else (root,)


def list_expirations(
    listing: Listing, *, day: date, closes_since: ClosesSince, volatility: float
) -> Sequence[Expiration]:
    """The chain on a day, by root and then by date.

    Args:
        day: In New York; contracts that expire on it are still listed.
        closes_since: Given a date, the first, the lowest and the highest of the closes from the session before that
            date to the session before `day`.
        volatility: Annual, the usual one of the symbol; it decides how far the strikes reach.
    """
    found: list[Expiration] = []
    reviews: dict[tuple[date, int], Sequence[int]] = {}
    for root, chain_type, settlement, dates in _schedule(listing, day):
        for expiration_date, expiration_type in sorted(dates.items()):
            longest = _longest_listing(listing, expiration_type, expiration_date)
            strikes: set[int] = set()
            for days in (longest, *(review for review in _REVIEW_DAYS if review < longest)):
                start = expiration_date - timedelta(days=days)
                if start > day:
                    break
                key = (start, days)
                if key not in reviews:
                    reviews[key] = listed_strikes(*closes_since(start), volatility=volatility, days=days)
                strikes.update(reviews[key])
            prices = tuple(map(_dollars, sorted(strikes)))
            found.append(Expiration(root, chain_type, expiration_type, expiration_date, settlement, prices))
    return tuple(found)


def listed_strikes(price: float, lowest: float, highest: float, *, volatility: float, days: int) -> Sequence[int]:
    """Strikes in thousandths of a US dollar.

    Args:
        price: The close when they were listed. Strikes reach three standard deviations to both sides of it, at the
            smallest distance from each other that needs no more than 80 of them, and there are at least 20.
        lowest: The lowest close since then, as `highest`. As far to both sides of these, strikes were added at five
            times that distance.
        volatility: Annual.
        days: From the listing to the expiration.
    """
    reach = math.exp(min(0.75, max(0.08, 3 * volatility * math.sqrt(max(days, 5) / 365))))
    smallest = 0 if price < 25 else 1 if price < 200 else 2 if price < 500 else 3
    for step in _STEPS[smallest:]:
        first, last = math.floor(1000 * price / reach / step), math.ceil(1000 * price * reach / step)
        if last - first < _MAX_STRIKES:
            break
    else:
        raise ValueError(f"no listed strike interval suits a price of {price}")
    more = max(0, _MIN_STRIKES - (last - first + 1))
    first, last = max(1, first - more // 2), max(_MIN_STRIKES, last + (more + 1) // 2)
    wide = _ADDED_STEPS * step
    below = range(max(1, math.floor(1000 * lowest / reach / wide)) * wide, first * step, wide)
    above = range((last // _ADDED_STEPS + 1) * wide, math.ceil(1000 * highest * reach / wide) * wide + 1, wide)
    return (*below, *range(first * step, (last + 1) * step, step), *above)


@lru_cache(maxsize=65_536)
def _dollars(thousandths: int) -> Decimal:
    return Decimal(thousandths).scaleb(-3).normalize() + 0


def _longest_listing(listing: Listing, expiration_type: ExpirationType, expiration_date: date) -> int:
    """The most days before an expiration at which the schedule lists it, or a few more."""
    is_index = listing.option_cycle == "index"
    match expiration_type:
        case "Weekly":
            return 160 if is_index else 90
        case "End-Of-Month":
            return 250 if is_index else 95
        case "Quarterly":
            return 460 if is_index else 370
    if expiration_date.month in {1, 6} and (is_index or _has_leaps(listing)):
        return _LEAPS_DAYS + 380
    if is_index:
        return 375
    return 285 if expiration_date.month % 3 == 0 else 130


def _schedule(listing: Listing, day: date) -> Schedule:
    symbol, cycle = listing.instrument.symbol, listing.option_cycle
    if cycle == "none":
        return
    if symbol == "VIX":
        yield from _volatility_index_schedule(day)
        return
    if cycle == "index":
        yield from _index_schedule(symbol, day)
        return
    root = option_root(symbol)
    dates = _monthlies(day, consecutive=3 if cycle == "monthly" else 4, has_leaps=_has_leaps(listing))
    if cycle == "daily":
        _add(dates, islice(_from(day, _quarter_end), 4), "Quarterly")
        _add(dates, islice(_from(day, month_end), 3), "End-Of-Month")
        _add(dates, islice(_sessions(day), 10), "Weekly")
    if cycle in {"weekly", "daily"}:
        _add(dates, _weeklys(day, 5, besides=dates), "Weekly")
    yield root, "Standard", "PM", dates
    if _is_adjusted(listing):
        # Older contracts deliver something else since a spin-off; no new ones are listed under this root.
        yield f"{root}1", "Non-standard", "PM", _typed(islice(_from(day, third_friday), 2), "Regular")


def _index_schedule(symbol: str, day: date) -> Schedule:
    opening_root, closing_root = _INDEX_ROOTS[symbol]
    months = _monthlies(day, consecutive=12, has_leaps=True)
    if opening_root is not None:
        yield opening_root, "Standard", "AM", months
    if closing_root is not None:
        # The third Friday is listed under both roots, settled in the morning and in the afternoon.
        dates = months if opening_root is None else _typed(islice(_from(day, third_friday), 6), "Regular")
        _add(dates, islice(_from(day, _quarter_end), 5), "Quarterly")
        _add(dates, islice(_from(day, month_end), 8), "End-Of-Month")
        _add(dates, islice(_sessions(day), 25), "Weekly")
        _add(dates, _weeklys(day, 10, besides=dates), "Weekly")
        yield closing_root, "Standard", "PM", dates


def _volatility_index_schedule(day: date) -> Schedule:
    opening_root, weekly_root = _VIX_ROOTS
    monthly = list(islice(_from(day, volatility_expiration), 9))
    yield opening_root, "Standard", "AM", _typed(monthly, "Regular")
    wednesday = day + timedelta(days=(_WEDNESDAY - day.weekday()) % 7)
    weeks = (session_on_or_before(wednesday + timedelta(weeks=week)) for week in range(9))
    weekly = [at for at in weeks if at >= day and at not in monthly]
    yield weekly_root, "Standard", "AM", _typed(weekly[:5], "Weekly")


def _monthlies(day: date, *, consecutive: int, has_leaps: bool) -> dict[date, ExpirationType]:
    """The next months, then every third one up to three quarters ahead, then Januaries and Junes beyond."""
    dates: list[date] = []
    for number, at in enumerate(_from(day, third_friday)):
        ahead = (at - day).days
        if number < consecutive or (ahead < 280 and at.month % 3 == 0):
            dates.append(at)
        elif has_leaps and at.month in {1, 6}:
            dates.append(at)
            if at.month == 1 and ahead >= _LEAPS_DAYS:
                break
        elif not has_leaps and ahead >= 280:
            break
    return _typed(dates, "Regular")


def _weeklys(day: date, wanted: int, *, besides: Collection[date]) -> list[date]:
    """The next Fridays, or the sessions before those that are holidays, that are not listed as something else."""
    friday = day + timedelta(days=(_FRIDAY - day.weekday()) % 7)
    weeks = (session_on_or_before(friday + timedelta(weeks=week)) for week in range(3 * wanted))
    return list(islice((at for at in weeks if at >= day and at not in besides), wanted))


def _from(day: date, rule: Callable[[int, int], date]) -> Iterator[date]:
    """The dates that a rule gives for each month, each date once, from the first that is not before the day."""
    last = day - timedelta(days=1)
    for number in count(12 * day.year + day.month - 1):
        at = rule(number // 12, number % 12 + 1)
        if at > last:
            yield at
            last = at


@cache
def _quarter_end(year: int, month: int) -> date:
    return month_end(year, month + (-month) % 3)


@cache
def month_end(year: int, month: int) -> date:
    """The last session of a month."""
    following = date(year + month // 12, month % 12 + 1, 1)
    return previous_session(following)


def _sessions(day: date) -> Iterator[date]:
    at = previous_session(day)
    while True:
        at = next_session(at)
        yield at


def _typed(dates: Iterable[date], expiration_type: ExpirationType) -> dict[date, ExpirationType]:
    return dict.fromkeys(dates, expiration_type)


def _add(known: dict[date, ExpirationType], dates: Iterable[date], expiration_type: ExpirationType) -> None:
    """Add dates of a type; a date that is listed already keeps its own."""
    for at in dates:
        known.setdefault(at, expiration_type)


def _has_leaps(listing: Listing) -> bool:
    return listing.option_cycle != "monthly" or uniforms("leaps", listing.instrument.symbol, count=1)[0] < 0.4


def _is_adjusted(listing: Listing) -> bool:
    return (
        listing.instrument.kind == "Equity"
        and len(option_root(listing.instrument.symbol)) < 6
        and uniforms("adjusted", listing.instrument.symbol, count=1)[0] < 0.008
    )
