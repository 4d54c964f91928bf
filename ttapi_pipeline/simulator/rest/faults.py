# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Carries out the faults of REST answers. The plan decides which ones strike; `gateway` decides at which point."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime
from http import HTTPStatus
from typing import Any, Final, cast

import numpy as np
import orjson
from aiohttp import web

from ttapi_pipeline.core.clock import Clock
from ttapi_pipeline.simulator.edits import Action, Edit
from ttapi_pipeline.simulator.faults import Fault
from ttapi_pipeline.simulator.rest.wire import Answer, RequestError, error_answer, html_answer

CHANGES_SENDING: Final = frozenset({"reset", "drip", "truncate", "huge"})

_BLOCK: Final = b" " * 65_536

# Fields that the models of clients require, by family of endpoints. Answers of other families keep all fields.
_ENVELOPE: Final = "data items context api-version pagination per-page page-offset total-items total-pages"
_REQUIRED_NAMES: Final = {
    "instruments": (
        "id symbol instrument-type is-index description lendability market-time-instrument-collection "
        "is-closing-only is-options-closing-only active is-illiquid is-etf streamer-symbol value strike-price "
        "root-symbol underlying-symbol expiration-date exercise-style shares-per-contract option-type "
        "option-chain-type expiration-type settlement-type stops-trading-at days-to-expiration listed-market "
        "product-code tick-size notional-multiplier display-factor last-trade-date active-month "
        "next-active-month expires-at product-group exchange streamer-exchange-code back-month-first-calendar-symbol"
    ),
    "option-chains": (
        "symbol instrument-type active strike-price underlying-symbol root-symbol option-chain-type "
        "shares-per-contract tick-sizes value expirations expiration-type expiration-date days-to-expiration "
        "settlement-type strikes call put call-streamer-symbol put-streamer-symbol exercise-style option-type "
        "stops-trading-at market-time-instrument-collection is-closing-only"
    ),
    "market-metrics": (
        "symbol market-cap updated-at expiration-date settlement-type option-chain-type estimated late-flag "
        "visible sum count started-at occurred-date amount eps"
    ),
    "market-data": (
        "symbol instrument-type updated-at bid-size ask-size close-price-type summary-date prev-close-date "
        "prev-close-price-type halt-start-time halt-end-time"
    ),
    "market-time": ("instrument-collection state open-at session-date start-at market-holidays market-half-days"),
}
_REQUIRED: Final = {family: frozenset(f"{_ENVELOPE} {names}".split()) for family, names in _REQUIRED_NAMES.items()}


async def delay(fault: Fault, clock: Clock) -> None:
    """Wait for as long as a latency fault says."""
    seconds = fault.number("seconds")
    match fault.text("distribution"):
        case "uniform":
            seconds = float(fault.random.uniform(fault.number("low"), seconds))
        case "exponential":
            seconds = float(fault.random.exponential(seconds))
    await clock.sleep(seconds)


def status_answer(fault: Fault, clock: Clock) -> Answer:
    """The error status of a `status` fault, with or without Retry-After."""
    status = int(fault.number("status"))
    title = HTTPStatus(status).phrase if status in set(HTTPStatus) else "Error"
    match fault.text("body"):
        case "html":
            answer = html_answer(status, title)
        case "empty":
            answer = Answer(b"", status)
        case _:
            code = title.lower().replace(" ", "_")
            answer = error_answer(RequestError(status, code, f"{title} (a fault of the simulator)"))
    seconds = fault.number("retry_after")
    if seconds < 0:
        return answer
    at = format_datetime(clock.now() + timedelta(seconds=seconds), usegmt=True)
    return replace(answer, headers={"Retry-After": at if fault.text("form") == "date" else f"{seconds:.0f}"})


def changed(answer: Answer, faults: Sequence[Fault], *, family: str) -> Answer:
    """The answer with other content; error answers keep their fields."""
    # A body is cut last, since the other edits need valid JSON.
    for fault in sorted(faults, key=lambda fault: fault.kind == "malformed"):
        match fault.kind:
            case "content-type":
                answer = replace(answer, content_type=fault.text("value"))
            case "malformed":
                answer = replace(answer, body=answer.body[: len(answer.body) // 2] + b"}],")
            case "missing-optional" if answer.status == 200 and family in _REQUIRED:
                payload = orjson.loads(answer.body)
                share, required = fault.number("share"), _REQUIRED[family]
                answer = replace(answer, body=orjson.dumps(_without_optional(payload, fault.random, share, required)))
            case "replace-field" if answer.status == 200:
                edit = Edit(fault.text("path"), cast("Action", fault.text("action")), fault.text("value"))
                answer = replace(answer, body=edit.apply(answer.body))
            case "drop-symbols" | "shrink-pages" if answer.status == 200:
                answer = replace(answer, body=_with_fewer_items(answer.body, fault))
    return answer


def _with_fewer_items(body: bytes, fault: Fault) -> bytes:
    payload = orjson.loads(body)
    match payload:
        case {"data": {"items": list(items)} as data}:
            if fault.kind == "drop-symbols":
                share = fault.number("share")
                data["items"] = [item for item in items if fault.random.random() >= share]
            else:
                data["items"] = items[: max(0, len(items) - int(fault.number("items")))]
                if payload.get("pagination"):
                    payload["pagination"]["current-item-count"] = len(data["items"])
    return orjson.dumps(payload)


def _without_optional(value: Any, random: np.random.Generator, share: float, required: Collection[str]) -> Any:
    if isinstance(value, dict):
        return {
            name: _without_optional(inner, random, share, required)
            for name, inner in value.items()
            if name in required or random.random() >= share
        }
    if isinstance(value, list):
        return [_without_optional(inner, random, share, required) for inner in value]
    return value


async def send(request: web.Request, answer: Answer, faults: Sequence[Fault], clock: Clock) -> web.StreamResponse:
    """Send an answer, and carry out the faults that disturb the sending."""
    kinds = {fault.kind: fault for fault in faults if fault.kind in CHANGES_SENDING}
    headers = {**answer.headers, "Content-Type": answer.content_type}
    if not kinds:
        return web.Response(body=answer.body, status=answer.status, headers=headers)
    extra = int(kinds["huge"].number("megabytes") * 2**20) if "huge" in kinds else 0
    response = web.StreamResponse(status=answer.status, headers=headers)
    response.content_length = len(answer.body) + extra
    await response.prepare(request)
    if request.transport is not None:
        # Each write waits until the kernel has the bytes, so that they are on their way before a reset or a pause.
        request.transport.set_write_buffer_limits(high=0)
    body = answer.body
    reset = kinds["reset"].text("when") if "reset" in kinds else None
    if reset == "during":
        body = body[: len(body) // 2]
    elif "truncate" in kinds:
        body = body[: int(len(body) * kinds["truncate"].number("share"))]
    # A client may well give up during a fault.
    with contextlib.suppress(ConnectionError):
        if "drip" in kinds:
            await _drip(response, body, kinds["drip"], clock)
        else:
            await response.write(body)
        if reset == "after":
            await response.write_eof()
        if reset is not None:
            abort(request)
        elif "truncate" in kinds:
            if request.transport is not None:
                request.transport.close()
        else:
            # Blanks after the value: still JSON, and it costs this process no memory.
            while extra > 0:
                await response.write(_BLOCK[: min(extra, len(_BLOCK))])
                extra -= len(_BLOCK)
            await response.write_eof()
    return response


async def _drip(response: web.StreamResponse, body: bytes, fault: Fault, clock: Clock) -> None:
    size = max(1, int(fault.number("chunk_bytes")))
    for start in range(0, len(body), size):
        await response.write(body[start : start + size])
        await clock.sleep(fault.number("seconds"))


def abort(request: web.Request) -> None:
    """End the connection with a TCP reset."""
    if request.transport is None:
        return
    raw = request.transport.get_extra_info("socket")
    if raw is not None:
        # Linger for 0 seconds: the kernel sends RST instead of FIN.
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    request.transport.abort()
