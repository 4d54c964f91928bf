# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The figures of the market at an instant as DXLink events, from Quote to Greeks. Candles are in `candle_bars`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from ttapi_pipeline.core.sessions import previous_session, session_hours
from ttapi_pipeline.core.symbology import OptionSymbol
from ttapi_pipeline.simulator.dxlink.candle_bars import milliseconds
from ttapi_pipeline.simulator.dxlink.candle_rows import event_index
from ttapi_pipeline.simulator.market.instruments import HALT_DATE, Instrument
from ttapi_pipeline.simulator.market.market import Market
from ttapi_pipeline.simulator.market.options import OptionQuote
from ttapi_pipeline.simulator.market.prices import Spot

Event = Mapping[str, object]

_EPOCH: Final = date(1970, 1, 1)
_YEAR: Final = timedelta(days=365)
_SECOND: Final = timedelta(seconds=1)
_EXCHANGE_CODES: Final = MappingProxyType({"XNAS": "Q", "XNYS": "N", "ARCX": "P", "BATS": "Z", "XASE": "A"})
_PROFILES_KEPT: Final = 2_048
_MISSING: Final = "NaN"


class EventSource:
    """Events of one market by streamer symbol: equities, funds, indices and equity options.

    An event has every field of its type. A missing number is ``NaN``, a missing time is 0.
    """

    def __init__(self, market: Market) -> None:
        self._market = market
        self._instruments = {instrument.streamer_symbol: instrument for instrument in market.instruments.values()}
        # A profile is made of a year of bars, and changes once a session.
        self._profile = lru_cache(maxsize=_PROFILES_KEPT)(self._make_profile)
        self._makers: Mapping[str, Callable[[Instrument, datetime], Event | None]] = {
            "Quote": self._quote,
            "Trade": self._trade,
            "TimeAndSale": self._time_and_sale,
            "Summary": self._summary,
            "Profile": self._profile_at,
        }

    def is_forming(self, at: datetime) -> bool:
        """Whether a session is in progress, so that values move."""
        return self._market.is_forming(at)

    @property
    def symbols(self) -> Iterable[str]:
        """Every streamer symbol that is not an option: a wildcard stands for them."""
        return self._instruments

    def event(self, event_type: str, streamer_symbol: str, at: datetime) -> Event | None:
        """The event of that type; None when the symbol does not exist, or has no such event at the time."""
        try:
            instrument = self._instruments.get(streamer_symbol)
            if instrument is not None:
                maker = self._makers.get(event_type)
                return None if maker is None else maker(instrument, at)
            option_maker = _OPTION_MAKERS.get(event_type)
            if option_maker is None:
                return None
            option = self._market.option_quote(OptionSymbol.from_streamer(streamer_symbol).occ, at)
        except (KeyError, ValueError):
            # Not listed now: DXLink accepts the subscription and has nothing to send.
            return None
        return option_maker(option)

    def _quote(self, instrument: Instrument, at: datetime) -> Event:
        spot = self._market.spot(instrument.symbol, at)
        is_index = spot.bid is None or spot.ask is None
        code = "" if is_index else _exchange_code(instrument)
        return _quote_event(
            instrument.streamer_symbol,
            code,
            # An index is quoted at its value, without sizes and exchange.
            bid=spot.price if spot.bid is None else spot.bid,
            ask=spot.price if spot.ask is None else spot.ask,
            bid_size=_MISSING if is_index else float(spot.bid_size),
            ask_size=_MISSING if is_index else float(spot.ask_size),
        )

    def _trade(self, instrument: Instrument, at: datetime) -> Event:
        spot = self._market.spot(instrument.symbol, at)
        before = self._before(spot)
        return _trade_event(
            instrument.streamer_symbol,
            _exchange_code(instrument),
            updated_at=spot.updated_at,
            session=spot.session,
            price=spot.price,
            change=spot.price - spot.previous_close,
            size=max(spot.volume - before.volume, 0) if before.session == spot.session else spot.volume,
            day_volume=spot.volume,
            direction=_direction(spot.price, before.price),
        )

    def _time_and_sale(self, instrument: Instrument, at: datetime) -> Event | None:
        """The trades in the second before the newest price, as one sale; None when there were none."""
        spot = self._market.spot(instrument.symbol, at)
        before = self._before(spot)
        size = spot.volume - before.volume if before.session == spot.session else spot.volume
        if size <= 0:
            return None
        updated_ms = milliseconds(spot.updated_at)
        return {
            **_common("TimeAndSale", instrument.streamer_symbol),
            "eventFlags": 0,
            "index": event_index(updated_ms),
            "time": updated_ms,
            "timeNanoPart": 0,
            "sequence": 0,
            "exchangeCode": _exchange_code(instrument),
            "price": spot.price,
            "size": float(size),
            "bidPrice": _number(spot.bid),
            "askPrice": _number(spot.ask),
            "exchangeSaleConditions": "",
            "tradeThroughExempt": "",
            "aggressorSide": {"UP": "BUY", "DOWN": "SELL"}.get(_direction(spot.price, before.price), "UNDEFINED"),
            "spreadLeg": False,
            "extendedTradingHours": False,
            "validTick": True,
            "type": "NEW",
            "buyer": None,
            "seller": None,
        }

    def _before(self, spot: Spot) -> Spot:
        """The instrument a second before."""
        return self._market.spot(spot.symbol, spot.updated_at - _SECOND)

    def _summary(self, instrument: Instrument, at: datetime) -> Event:
        spot = self._market.spot(instrument.symbol, at)
        before = previous_session(spot.session)
        bars = self._market.bars(instrument.symbol, first=before, at=at)
        has_previous = len(bars.sessions) > 0 and bars.sessions[0].astype(object) == before
        return {
            **_common("Summary", instrument.streamer_symbol),
            "dayId": _day_id(spot.session),
            "dayOpenPrice": spot.open,
            "dayHighPrice": spot.high,
            "dayLowPrice": spot.low,
            "dayClosePrice": _MISSING if spot.is_forming else spot.price,
            "dayClosePriceType": "REGULAR" if spot.is_forming else "FINAL",
            "prevDayId": _day_id(before),
            "prevDayClosePrice": spot.previous_close,
            "prevDayClosePriceType": "FINAL",
            "prevDayVolume": float(bars.volume[0]) if has_previous else _MISSING,
            "openInterest": 0,
        }

    def _profile_at(self, instrument: Instrument, at: datetime) -> Event:
        return self._profile(instrument, self._market.spot(instrument.symbol, at).session)

    def _make_profile(self, instrument: Instrument, session: date) -> Event:
        # The figures before the open, so that the profile stays the same through the session.
        at = datetime.combine(session, time.min, UTC)
        metrics = self._market.metrics(instrument.symbol, at)
        year = self._market.bars(instrument.symbol, first=session - _YEAR, at=at)
        dividend, annual = metrics.dividend_rate_per_share, metrics.annual_dividend_per_share
        is_halted = instrument.is_halted and session >= HALT_DATE
        shares = metrics.market_cap / float(year.close[-1]) if len(year.close) and metrics.market_cap else None
        return {
            **_common("Profile", instrument.streamer_symbol),
            "description": instrument.description,
            "shortSaleRestriction": "INACTIVE",
            "tradingStatus": "HALTED" if is_halted else "ACTIVE",
            "statusReason": "",
            "haltStartTime": milliseconds(session_hours(HALT_DATE).closes_at) if is_halted else 0,
            "haltEndTime": 0,
            "highLimitPrice": _MISSING,
            "lowLimitPrice": _MISSING,
            "high52WeekPrice": float(year.high.max()) if len(year.high) else _MISSING,
            "low52WeekPrice": float(year.low.min()) if len(year.low) else _MISSING,
            "beta": _number(metrics.beta),
            "earningsPerShare": _number(metrics.earnings_per_share),
            "dividendFrequency": round(annual / dividend) if annual and dividend else _MISSING,
            "exDividendAmount": _number(dividend),
            "exDividendDayId": _day_id(metrics.dividend_ex_date) if metrics.dividend_ex_date else 0,
            "shares": _MISSING if shares is None else round(shares),
            "freeFloat": _MISSING,
        }


def _option_quote(option: OptionQuote) -> Event:
    return _quote_event(
        option.streamer_symbol,
        "Q",
        bid=option.bid,
        ask=option.ask,
        bid_size=float(option.bid_size),
        ask_size=float(option.ask_size),
    )


def _option_trade(option: OptionQuote) -> Event | None:
    if option.last is None:
        return None
    reference = option.last if option.previous_close is None else option.previous_close
    return _trade_event(
        option.streamer_symbol,
        "Q",
        updated_at=option.updated_at,
        session=option.session,
        price=option.last,
        change=option.last - reference,
        size=min(option.volume, 1),
        day_volume=option.volume,
        direction=_direction(option.last, reference),
    )


def _option_summary(option: OptionQuote) -> Event:
    before = previous_session(option.session)
    return {
        **_common("Summary", option.streamer_symbol),
        "dayId": _day_id(option.session),
        "dayOpenPrice": _number(option.open),
        "dayHighPrice": _number(option.high),
        "dayLowPrice": _number(option.low),
        "dayClosePrice": _MISSING,
        "dayClosePriceType": "REGULAR",
        "prevDayId": _day_id(before),
        "prevDayClosePrice": _number(option.previous_close),
        "prevDayClosePriceType": "FINAL",
        "prevDayVolume": _MISSING,
        "openInterest": option.open_interest,
    }


def _option_greeks(option: OptionQuote) -> Event:
    updated_ms = milliseconds(option.updated_at)
    return {
        **_common("Greeks", option.streamer_symbol),
        "eventFlags": 0,
        "index": event_index(updated_ms),
        "time": updated_ms,
        "sequence": 0,
        "price": option.theoretical_price,
        "volatility": option.implied_volatility,
        "delta": option.delta,
        "gamma": option.gamma,
        "theta": option.theta,
        "rho": option.rho,
        "vega": option.vega,
    }


_OPTION_MAKERS: Final[Mapping[str, Callable[[OptionQuote], Event | None]]] = MappingProxyType(
    {"Quote": _option_quote, "Trade": _option_trade, "Summary": _option_summary, "Greeks": _option_greeks}
)


def _quote_event(
    symbol: str, code: str, *, bid: float, ask: float, bid_size: float | str, ask_size: float | str
) -> Event:
    # tastytrade leaves the times of quotes at 0 (tastyware/tastytrade #119, #195).
    return {
        **_common("Quote", symbol),
        "sequence": 0,
        "timeNanoPart": 0,
        "bidTime": 0,
        "bidExchangeCode": code,
        "bidPrice": bid,
        "bidSize": bid_size,
        "askTime": 0,
        "askExchangeCode": code,
        "askPrice": ask,
        "askSize": ask_size,
    }


def _trade_event(
    symbol: str,
    code: str,
    *,
    updated_at: datetime,
    session: date,
    price: float,
    change: float,
    size: int,
    day_volume: int,
    direction: str,
) -> Event:
    return {
        **_common("Trade", symbol),
        "time": milliseconds(updated_at),
        "timeNanoPart": 0,
        "sequence": 0,
        "exchangeCode": code,
        "price": price,
        "change": round(change, 4),
        "size": float(size),
        "dayId": _day_id(session),
        "dayVolume": float(day_volume),
        "dayTurnover": round(day_volume * price, 2),
        "tickDirection": direction,
        "extendedTradingHours": False,
    }


def _common(event_type: str, symbol: str) -> dict[str, object]:
    return {"eventType": event_type, "eventSymbol": symbol, "eventTime": 0}


def _exchange_code(instrument: Instrument) -> str:
    return "" if instrument.kind == "Index" else _EXCHANGE_CODES.get(instrument.listed_market, "")


def _direction(price: float, before: float) -> str:
    if price == before:
        return "ZERO"
    return "UP" if price > before else "DOWN"


def _number(value: float | None) -> float | str:
    return _MISSING if value is None else value


def _day_id(day: date) -> int:
    return (day - _EPOCH).days
