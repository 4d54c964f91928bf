# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Secrets and account numbers through failures of every kind: they are nowhere but in `.env` and the table of accounts.

The broker says everything back that it was told or has given. Whole commands run at debug level, in processes of their
own, and afterwards every byte that they wrote is searched: tables, caches, Dagster's databases, its compute logs.
"""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl
import pytest

from ttapi_pipeline.simulator.process import SimulatorProcess
from ttapi_pipeline_tests.support.canary_broker import (
    ACCOUNTS,
    ALERTS,
    CANARIES,
    CLIENT_SECRET,
    REFRESH_TOKEN,
    CanaryBroker,
    all_is_well,
    always,
    canary_broker,
    now_and_then,
)
from ttapi_pipeline_tests.support.echoes import WAYS, Said
from ttapi_pipeline_tests.support.projects import environment_of_users, make_project

# Whole commands, several of them per test.
pytestmark = pytest.mark.timeout(900)

FORMATS = ("text", "json")
FETCHED = ("accounts", "universe", "symbols", "expiration_series", "trading_calendar", "daily_candles", "quotes")


@pytest.fixture(scope="module")
def simulator() -> Iterator[str]:
    # A Friday, 10:00 in New York, so that quotes come.
    with SimulatorProcess(seed=7, arguments=["--now", "2026-11-20T15:00:00Z"]) as process:
        yield process.url


@pytest.fixture
def broker(simulator: str) -> Iterator[CanaryBroker]:
    with canary_broker(simulator) as broker:
        yield broker


@pytest.fixture
def project(tmp_path: Path, broker: CanaryBroker) -> Path:
    """A user's folder, with the secrets where users have them."""
    make_project(tmp_path)
    variables = {
        "TT_ENV": "production",
        "TT_API_URL": broker.url,
        "TT_CLIENT_SECRET": CLIENT_SECRET,
        "TT_REFRESH_TOKEN": REFRESH_TOKEN,
        "TT_ALERT_URLS": f"json://user:{ALERTS}@{broker.url.removeprefix('http://')}/{ALERTS}",
        "DAGSTER_HOME": str(tmp_path),
    }
    (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in variables.items()))
    (tmp_path / ".env").chmod(0o600)
    return tmp_path


def run(project: Path, log_format: str, *command: str) -> tuple[int, str]:
    """A command in a process of its own: its exit code, and all that it printed."""
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=project,
        env={
            **environment_of_users(),
            "TT_LOG_LEVEL": "debug",
            "TT_LOG_FORMAT": log_format,
            "DAGSTER_HOME": str(project),
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def forms(path: Path) -> Iterator[bytes]:
    """The bytes of a file, and what they hold when they are unpacked."""
    content = path.read_bytes()
    yield content
    if path.suffix == ".parquet":
        yield pl.read_parquet(content).write_ndjson().encode()
    start = content.find(b"PK\x03\x04")
    if start >= 0 and zipfile.is_zipfile(io.BytesIO(content[start:])):
        with zipfile.ZipFile(io.BytesIO(content[start:])) as archive:
            for name in archive.namelist():
                yield archive.read(name)


def found(project: Path, printed: Sequence[str]) -> list[tuple[str, str]]:
    """Where canaries are that should not be there, as (file, canary)."""
    places = [(f"output {number}", [text.encode()]) for number, text in enumerate(printed)]
    files = (path for path in sorted(project.rglob("*")) if path.is_file() and path.name != ".env")
    places.extend((str(path.relative_to(project)), list(forms(path))) for path in files)
    return [
        (name, canary)
        for name, contents in places
        for canary in CANARIES
        for content in contents
        if canary.encode() in content and not (canary == ACCOUNTS and is_of_accounts(name))
    ]


def is_of_accounts(name: str) -> bool:
    """Whether a file is the table of accounts, or the history of their balances: users keep both for themselves."""
    first, *others = Path(name).parts
    return first == "data" and bool(others) and others[0].split(".")[0] in {"accounts", "balances_history"}


def every_command(project: Path, log_format: str, *names: str) -> list[str]:
    """Refresh, examine, show, stream, and materialise by Dagster's own command."""
    printed = [
        run(project, log_format, "ttapi_pipeline.cli", *command)[1]
        for command in (
            ("refresh", "--force", *names),
            ("doctor",),
            ("status", "--json"),
            ("alert", "--test"),
            ("alert", "--json"),
            ("metrics",),
            ("stream", "AAPL", "--json", "--duration", "3s", "--report-seconds", "1"),
        )
    ]
    dagster = ("dagster", "asset", "materialize", "-m", "ttapi_pipeline.definitions", "--select", "accounts,symbols")
    return [*printed, run(project, log_format, *dagster)[1]]


def test_no_secret_is_anywhere_when_all_is_well_and_when_every_other_answer_fails(
    project: Path, broker: CanaryBroker
) -> None:
    code, said = run(project, "json", "ttapi_pipeline.cli", "refresh")
    assert code in {0, 3}, said
    # The search finds what is there.
    assert ACCOUNTS in (project / "data" / "accounts.csv").read_text()
    assert ACCOUNTS in "".join(broker.said)
    assert found(project, [said]) == []
    broker.plan, broker.dxlink = now_and_then(*WAYS), "error"
    printed = every_command(project, "text", *FETCHED)
    assert broker.failures > 5
    assert found(project, printed) == []
    # The webhook was told, and what it was told has no secret in it either.
    assert any("failed" in told for told in broker.alerts)
    assert [canary for canary in CANARIES for told in broker.alerts if canary in told] == []
    assert len("".join(printed)) > 10_000


def test_no_secret_is_anywhere_when_the_grant_fails(project: Path, broker: CanaryBroker) -> None:
    broker.plan = always(WAYS[1], of="/oauth/token")
    printed = [run(project, "json", "ttapi_pipeline.cli", *command)[1] for command in (("refresh",), ("doctor",))]
    assert broker.failures
    assert found(project, printed) == []


@pytest.mark.soak
@pytest.mark.parametrize("log_format", FORMATS)
@pytest.mark.parametrize("of", ["/oauth/token", "/accounts/", "/api-quote-tokens", "/"])
@pytest.mark.parametrize("way", WAYS)
def test_no_secret_is_anywhere_whatever_fails(
    project: Path, broker: CanaryBroker, way: Said, of: str, log_format: str
) -> None:
    broker.plan = all_is_well
    printed = [run(project, log_format, "ttapi_pipeline.cli", "refresh", "accounts", "symbols", "quotes")[1]]
    broker.plan = always(way, of=of, spared="/oauth/token" if of == "/" else "")
    printed += every_command(project, log_format, "accounts", "symbols", "quotes")
    assert broker.failures
    assert found(project, printed) == []


@pytest.mark.soak
@pytest.mark.parametrize("log_format", FORMATS)
@pytest.mark.parametrize("way", ["error", "event", "state", "close"])
def test_no_secret_is_anywhere_whatever_a_link_says(
    project: Path, broker: CanaryBroker, way: str, log_format: str
) -> None:
    broker.dxlink = way
    printed = every_command(project, log_format, "universe", "trading_calendar", "daily_candles", "quotes")
    assert broker.failures
    assert broker.links
    assert found(project, printed) == []
