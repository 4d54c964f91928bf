# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Any optional field of any row may be unreadable: that field alone is null, and it is named."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttapi_pipeline.client.holidays import decode_holidays
from ttapi_pipeline.client.models import (
    Account,
    Balance,
    Equity,
    MarketMetrics,
    MarketSession,
    OptionRoot,
    Row,
)
from ttapi_pipeline.client.payloads import list_decoder, lost_in
from ttapi_pipeline.core.errors import PayloadError
from ttapi_pipeline_tests.support.examples import examples

EXPIRATION_IV = {
    "expiration-date": "2026-12-18", "option-chain-type": "Standard", "settlement-type": "PM",
    "implied-volatility": "0.2481",
}  # fmt: skip
EXPIRATION = {
    "expiration-date": "2026-12-18", "expiration-type": "Regular", "settlement-type": "PM", "days-to-expiration": 28,
    "strikes": [{"strike-price": "2.5", "call": "F", "put": "F"}, {"strike-price": "5.0"}],
}  # fmt: skip

# As docs/protocols/tastytrade.md writes them: every field that a model reads, and some that none does.
RECORDED: dict[type[Row], dict[str, Any]] = {
    MarketMetrics: {
        "symbol": "AAPL", "implied-volatility-index": "0.24", "implied-volatility-index-5-day-change": "-0.01",
        "implied-volatility-index-rank": "0.3", "tos-implied-volatility-index-rank": "0.3",
        "tw-implied-volatility-index-rank": "0.2", "implied-volatility-index-rank-source": "tos",
        "implied-volatility-percentile": "0.5", "implied-volatility-30-day": "27.1",
        "historical-volatility-30-day": "20.1", "historical-volatility-60-day": "20.2",
        "historical-volatility-90-day": "20.3", "iv-hv-30-day-difference": "7.0", "liquidity-value": "5000.1",
        "liquidity-rank": "0.9", "liquidity-rating": 4, "beta": "1.2", "corr-spy-3month": "0.7",
        "dividend-rate-per-share": "0.26", "annual-dividend-per-share": "1.04", "dividend-yield": "0.004",
        "dividend-ex-date": "2026-11-09", "dividend-next-date": "2027-02-08", "dividend-pay-date": "2026-11-12",
        "earnings-per-share": "6.5", "price-earnings-ratio": "38.7", "lendability": "Easy To Borrow",
        "borrow-rate": "0.0", "market-cap": 3846000000000, "updated-at": "2026-11-20T20:54:11.250Z",
        "earnings": {"visible": True, "expected-report-date": "2027-01-28", "estimated": True, "time-of-day": "AMC",
                     "actual-eps": "1.8", "consensus-estimate": "2.1", "late-flag": 0},
        "option-expiration-implied-volatilities": [EXPIRATION_IV, EXPIRATION_IV | {"settlement-type": "AM"}],
        "beta-updated-at": "2026-11-20T20:54:11.250Z", "sector": "Technology",
    },
    Equity: {
        "symbol": "AAPL", "instrument-type": "Equity", "description": "APPLE INC", "is-index": False, "is-etf": False,
        "listed-market": "XNAS", "is-closing-only": False, "is-options-closing-only": False, "active": True,
        "is-illiquid": False, "streamer-symbol": "AAPL", "option-tick-sizes": [{"value": "0.01"}], "id": 726,
        "cusip": "037833100", "tick-sizes": [{"value": "0.01"}],
    },
    OptionRoot: {
        "underlying-symbol": "F", "root-symbol": "F", "option-chain-type": "Standard", "shares-per-contract": 100,
        "deliverables": [{"percent": "100"}], "expirations": [EXPIRATION, EXPIRATION | {"settlement-type": "AM"}],
    },
    Balance: {
        "account-number": "5WT00001", "currency": "USD", "cash-balance": "1.5", "long-equity-value": "2.5",
        "short-equity-value": "0.0", "long-derivative-value": "1.0", "short-derivative-value": "1.0",
        "margin-equity": "9.0", "equity-buying-power": "9.0", "derivative-buying-power": "9.0",
        "maintenance-requirement": "1.0", "net-liquidating-value": "9.0", "cash-available-to-withdraw": "1.0",
        "pending-cash": "12.0", "pending-cash-effect": "Debit", "updated-at": "2026-11-20T20:54:11.250Z",
        "bond-margin-requirement": "0.0",
    },
    Account: {
        "account-number": "5WT00001", "nickname": "Mine", "account-type-name": "Individual", "margin-or-cash": "Margin",
        "opened-at": "2024-01-02T15:04:05.000+00:00", "is-closed": False, "is-futures-approved": True,
        "authority-level": "owner", "is-foreign": False,
    },
    MarketSession: {
        "session-date": "2026-11-20", "open-at": "2026-11-20T14:30:00.000+00:00",
        "close-at": "2026-11-20T21:00:00.000+00:00", "start-at": "2026-11-20T13:15:00.000+00:00",
    },
}  # fmt: skip

NEEDED = {"symbol", "root-symbol", "session-date", "expiration-date", "strike-price"}


def unreadable(value: object) -> list[object]:
    """What stands where a value of this kind should be, and that no field reads as one."""
    if isinstance(value, dict):
        return ["N/A", "", 7, [{}]]
    if isinstance(value, list):
        return ["N/A", "", 7, {"?": 1}]
    of_another_kind: list[object] = [{"?": 1}, [[]], ["NaN"]]
    # Numbers and times are texts on the wire, and any other text is neither.
    is_word = isinstance(value, str) and not value[:4].replace(".", "").lstrip("-").isdigit()
    return of_another_kind if is_word else [*of_another_kind, "N/A", "", "?"]


@dataclass(frozen=True)
class Place:
    """A field of a payload: the keys that lead to it, and how it is named when it is lost."""

    keys: tuple[str | int, ...]
    name: str


def places(value: object, keys: tuple[str | int, ...] = (), name: str = "") -> Iterator[Place]:
    if isinstance(value, dict):
        for key, inner in value.items():
            here = f"{name}.{key}" if name else key
            yield Place((*keys, key), here)
            yield from places(inner, (*keys, key), here)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from places(inner, (*keys, number), f"{name}[]")


def put(payload: dict[str, Any], keys: tuple[str | int, ...], value: object) -> dict[str, Any]:
    changed: dict[str, Any] = json.loads(json.dumps(payload))
    at: Any = changed
    for key in keys[:-1]:
        at = at[key]
    at[keys[-1]] = value
    return changed


def decoded(row_type: type[Row], *payloads: dict[str, Any]) -> Any:
    return list_decoder(row_type)(json.dumps({"data": {"items": payloads}}).encode(), "GET /x")


def without(payload: dict[str, Any], keys: tuple[str | int, ...]) -> dict[str, Any]:
    changed: dict[str, Any] = json.loads(json.dumps(payload))
    at: Any = changed
    for key in keys[:-1]:
        at = at[key]
    del at[keys[-1]]
    return changed


def value_at(payload: Any, keys: tuple[str | int, ...]) -> Any:
    for key in keys:
        payload = payload[key]
    return payload


def is_needed(row_type: type[Row], place: Place) -> bool:
    return place.keys[-1] in NEEDED or (row_type is Account and place.name == "account-number")


CASES = [(row_type, place) for row_type, payload in RECORDED.items() for place in places(payload)]
# Of the steps of option prices nothing is read but whether there are any.
OPTIONAL = [
    (row_type, place)
    for row_type, place in CASES
    if not is_needed(row_type, place) and not place.name.startswith("option-tick-sizes[]")
]


@settings(max_examples=examples(600))
@given(st.sampled_from(OPTIONAL), st.data())
def test_a_field_that_cannot_be_read_costs_itself_and_nothing_else(case: tuple[type[Row], Place], data: Any) -> None:
    row_type, place = case
    payload = RECORDED[row_type]
    value = data.draw(st.sampled_from(unreadable(value_at(payload, place.keys))))
    page = decoded(row_type, payload, put(payload, place.keys, value), payload)
    assert len(page.rejected) == 0
    before, mended, after = page.rows
    (expected,) = decoded(row_type, without(payload, place.keys)).rows
    # As if it had not been sent, except that it is named where a model has it.
    assert msgspec.structs.replace(mended, lost_fields=()) == expected
    assert mended.lost_fields == ((place.name,) if expected != before else ())
    assert before == after
    assert before.lost_fields == ()


@pytest.mark.parametrize(("row_type", "place"), [case for case in CASES if len(case[1].keys) == 1 and is_needed(*case)])
def test_a_row_without_what_it_needs_is_set_aside_alone(row_type: type[Row], place: Place) -> None:
    payload = RECORDED[row_type]
    page = decoded(row_type, payload, put(payload, place.keys, None), payload)
    assert (len(page.rows), len(page.rejected)) == (2, 1)
    assert place.name in page.rejected[0][1]


def test_an_element_without_what_it_needs_is_left_out_alone() -> None:
    payload = put(RECORDED[OptionRoot], ("expirations", 0, "strikes", 0, "strike-price"), "")
    payload = put(payload, ("expirations", 1, "expiration-date"), "soon")
    (root,) = decoded(OptionRoot, payload).rows
    assert [[strike.strike_price for strike in each.strikes] for each in root.expirations] == [[5.0]]
    assert lost_in([root]) == {"expirations[].strikes[]": 1, "expirations[]": 1}


def test_pages_that_cannot_be_counted_are_said_to_be_so() -> None:
    body = json.dumps({"data": {"items": [{"symbol": "A"}]}, "pagination": {"total-pages": "N/A"}}).encode()
    page = list_decoder(Equity)(body, "GET /x")
    assert [row.symbol for row in page.rows] == ["A"]
    assert page.pagination is not None
    assert page.pagination.lost_fields == ("total-pages",)


@pytest.mark.parametrize(
    "data",
    [
        {"market-holidays": ["2026-12-25", "2026-11-26"], "market-half-days": ["2026-11-27"]},
        [{"market-holidays": ["2026-11-26"]}, {"market-holidays": ["2026-12-25"], "market-half-days": ["2026-11-27"]}],
        {"items": [{"market-holidays": ["2026-11-26", "2026-12-25"], "market-half-days": ["2026-11-27"]}]},
        {"market-holidays": {"2026-11-26": {}, "2026-12-25": {}}, "market-half-days": {"2026-11-27": {}}},
        {
            "market-holidays": [{"2026-11-26": "Thanksgiving"}, {"date": "2026-12-25"}],
            "market-half-days": [{"2026-11-27": "13:00"}],
        },
        {"2026-11-26": "Holiday", "2026-12-25": {"type": "Holiday"}, "2026-11-27": {"type": "Half Day"}},
        {"market-holidays": ["2026-11-26T00:00:00.000Z", "2026-12-25"], "market-half-days": ["2026-11-27"]},
    ],
)
def test_holidays_of_every_shape_are_read_alike(data: object) -> None:
    read = decode_holidays(json.dumps({"data": data}).encode(), "GET /x")
    assert [day.isoformat() for day in read.holidays] == ["2026-11-26", "2026-12-25"]
    assert [day.isoformat() for day in read.half_days] == ["2026-11-27"]
    assert read.lost_fields == ()


@pytest.mark.parametrize("data", [None, 7, "", {}, [], [[]], {"holidays": []}, {"market-holidays": None}])
def test_an_answer_with_neither_list_is_an_error_and_not_a_year_without_holidays(data: object) -> None:
    with pytest.raises(PayloadError, match="neither market-holidays nor market-half-days"):
        decode_holidays(json.dumps({"data": data}).encode(), "GET /x")


def test_a_holiday_that_cannot_be_read_is_named() -> None:
    data = {"market-holidays": ["Christmas", "2026-11-26", 7, {"name": "x"}], "market-half-days": []}
    read = decode_holidays(json.dumps({"data": data}).encode(), "GET /x")
    assert [day.isoformat() for day in read.holidays] == ["2026-11-26"]
    assert lost_in([read]) == {"market-holidays[]": 3}
