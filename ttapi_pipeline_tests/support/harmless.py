# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What a hostile server can reach of a client: its errors, its log records, its memory.

As a program (``python -m ttapi_pipeline_tests.support.harmless``) it is a client whose peak memory can be measured: it
reads cases from standard input, a JSON list per line, and writes a JSON object per case.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import re
import sys
import unicodedata
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ttapi_pipeline.client import BreakerPolicy, Breakers, RetryPolicy, TastytradeClient, TransportOptions
from ttapi_pipeline.core.environments import Environment
from ttapi_pipeline.core.errors import TTError
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline_tests.support.documents import ROOT
from ttapi_pipeline_tests.support.hostile_dxlink_calls import dxlink_case

if TYPE_CHECKING:
    from collections.abc import Iterable

CLIENT_SECRET: Final = "canary-client-secret-4711"
REFRESH_TOKEN: Final = "canary-refresh-token-0815"

LONGEST_ERROR: Final = 1_500
"""Characters of one error: a sentence, with what the server said cut short."""

CALLS: Final[Mapping[str, Callable[[TastytradeClient], Awaitable[object]]]] = {
    "accounts": lambda client: client.accounts(),
    "balance": lambda client: client.balance("5WT00001"),
    "equities": lambda client: client.equities(["AAPL", "KO"]),
    "active_equities": lambda client: client.active_equities(),
    "nested_option_chains": lambda client: client.nested_option_chains(["AAPL"]),
    "market_metrics": lambda client: client.market_metrics(["AAPL", "KO"]),
    "market_data": lambda client: client.market_data(["AAPL"]),
    "market_sessions": lambda client: client.market_sessions(date(2026, 11, 20), date(2026, 11, 20)),
    "market_holidays": lambda client: client.market_holidays(),
    "public_watchlist": lambda client: client.public_watchlist("S&P 500"),
    "quote_token": lambda client: client.quote_token(),
}
"""Every endpoint, asked once."""


def client_of(url: str, *, seed: int = 0, seconds: float = 0.5, **options: Any) -> TastytradeClient:
    """A client with the canaries as its secrets, which gives an answer up after this time."""
    settings = Settings(
        environment=Environment.PRODUCTION,
        client_secret=CLIENT_SECRET,
        refresh_token=REFRESH_TOKEN,
        max_concurrency=100,
    )
    defaults: dict[str, Any] = {
        "retry_policy": RetryPolicy(attempts=2, base_seconds=0.01, deadline_seconds=seconds * 2),
        "transport_options": TransportOptions(connect_seconds=seconds, read_seconds=seconds, total_seconds=seconds),
        "breakers": Breakers(policy=BreakerPolicy(failures=1_000)),
        "rates": {},
    }
    return TastytradeClient(settings, base_url=url, rng=random.Random(seed), **{**defaults, **options})


async def outcome(client: TastytradeClient, call: str) -> tuple[object, str]:
    """The value of a call, or the sentence of its error. Any other exception goes through."""
    try:
        value = await CALLS[call](client)
    except TTError as error:
        return None, str(error)
    reasons = getattr(value, "missing", {})
    return value, " / ".join(reasons.values())


def unseen(text: str) -> set[str]:
    """What of a text would command a terminal, begin a line or turn its direction. Ends of lines are not among it."""
    odd = {each for each in set(text) if not each.isprintable() and unicodedata.category(each) != "Zs"}
    return odd - {"\n"}


def told(texts: Iterable[str], secrets: Iterable[str]) -> list[str]:
    """The secrets that are in any of these texts, or a half of them."""
    joined = "\n".join(texts)
    return [secret for secret in secrets if secret in joined]


def started_lines(log: str) -> list[str]:
    """Lines of a log, text and JSON, that no record of ours began."""
    begins = re.compile(r"\{\"at\": |\d{4}-\d\d-\d\dT\S+ [A-Z]+ \S+: |  |$")
    return [line for line in log.split("\n") if not begins.match(line)]


# Peak memory

_STATUS: Final = Path("/proc/self/status")
_CLEAR: Final = Path("/proc/self/clear_refs")


def can_measure() -> bool:
    """Whether this system tells a process its peak memory since a moment."""
    return _STATUS.exists() and _CLEAR.exists()


def _megabytes(name: str) -> float:
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) / 1024


async def _measured(work: Awaitable[str]) -> dict[str, Any]:
    # Written to by the kernel: 5 sets the peak to the present size.
    _CLEAR.write_text("5")
    before = _megabytes("VmRSS")
    began = asyncio.get_running_loop().time()
    said = await work
    seconds = asyncio.get_running_loop().time() - began
    return {"growth": _megabytes("VmHWM") - before, "said": said[:2_000], "seconds": seconds}


@asynccontextmanager
async def client_in_a_process(*arguments: str) -> AsyncIterator[Callable[..., Awaitable[dict[str, Any]]]]:
    """A client whose memory can be measured; the value sends it a case and waits for what came of it."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ttapi_pipeline_tests.support.harmless", *arguments),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    writer, reader = process.stdin, process.stdout

    async def ask(*case: object) -> dict[str, Any]:
        writer.write(json.dumps(case).encode() + b"\n")
        await writer.drain()
        result: dict[str, Any] = json.loads(await reader.readline())
        return result

    try:
        yield ask
    finally:
        writer.close()
        await process.wait()


async def _rest(url: str, deed: str, call: str, times: int) -> str:
    async with client_of(f"{url}/{deed}", seconds=20.0 if times > 1 else 4.0) as client:
        results = await asyncio.gather(*(outcome(client, call) for _ in range(times)))
        return results[0][1] or type(results[0][0]).__name__


async def _main(case: Callable[..., Awaitable[str]]) -> None:
    # What is logged is held by tests in which the client is in their own process.
    logging.getLogger().addHandler(logging.NullHandler())
    for line in iter(sys.stdin.readline, ""):
        sys.stdout.write(f"{json.dumps(await _measured(case(*json.loads(line))))}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(_main(dxlink_case if "dxlink" in sys.argv else _rest))
