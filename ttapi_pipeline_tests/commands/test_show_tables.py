# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""`tt show DATASET`: which rows and columns, in which order, and who may see them."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import termios
from datetime import date
from pathlib import Path

import pytest

from ttapi_pipeline.datasets.accounts.table import ACCOUNTS
from ttapi_pipeline.datasets.earnings.table import EARNINGS
from ttapi_pipeline.datasets.universe.table import UNIVERSE
from ttapi_pipeline.datasets.volatility.table import VOLATILITY
from ttapi_pipeline_tests.support.projects import Tt, environment_of_users
from ttapi_pipeline_tests.support.stored_tables import store

DAYS = [("AAPL", date(2026, 1, 29)), ("AAPL", date(2026, 10, 29)), ("BRK/B", date(2026, 11, 2))]


@pytest.fixture(autouse=True)
def tables(project: Path) -> None:
    store(project, EARNINGS, *({"symbol": symbol, "announced_date": day} for symbol, day in DAYS))
    store(project, UNIVERSE, *({"symbol": symbol} for symbol in ("AAPL", "BRK/B", "QUOTES", "EARNINGS")))


def rows(tt: Tt, *arguments: str) -> list[tuple[str, str]]:
    done = tt("show", "earnings", "--json", *arguments)
    assert done.code == 0, done.err
    return [(row["symbol"], row["announced_date"]) for row in json.loads(done.out)["rows"]]


def test_rows_are_chosen_sorted_and_counted(tt: Tt) -> None:
    everything = [(symbol, str(day)) for symbol, day in DAYS]
    assert rows(tt) == everything
    assert rows(tt, "--rows", "2") == everything[:2]
    assert rows(tt, "--symbol", "brk.b") == everything[2:]
    assert rows(tt, "--since", "2026-10-01", "--sort", "announced_date:desc") == [everything[2], everything[1]]
    assert rows(tt, "--sort", "symbol:desc,announced_date:desc", "--rows", "all") == everything[::-1]


def test_named_columns_are_shown_and_the_age_is_said(tt: Tt) -> None:
    done = tt("show", "earnings", "--columns", "announced_date,symbol", COLUMNS="80")
    assert done.out.startswith("earnings: miss, ")
    assert [line.split() for line in done.out.splitlines() if line.startswith("2026")] == [
        [str(day), symbol] for symbol, day in DAYS
    ]
    assert done.out.endswith("all 3 rows\n")


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["earning"], 4, "yet; `tt refresh volatility` makes it (did you mean earnings?)"),
        (["implied_vol"], 2, "there is no dataset 'implied_vol' (did you mean implied_volatility?)"),
        (["earnings", "--columns", "symbl"], 2, "no column of earnings 'symbl' (did you mean symbol?)"),
        (["earnings", "--sort", "announced:desc"], 2, "'announced' (did you mean announced_date?)"),
        (["earnings", "--symbol", "BRKB"], 2, "earnings has no such rows: of BRKB (did you mean BRK/B?)"),
        (["earnings", "--plot"], 2, "earnings is a dataset, and --plot draws the charts of a symbol"),
        (["AAPL", "--sort", "close"], 2, "--sort is for a dataset, and AAPL is none"),
        (["quotes"], 4, "yet; `tt refresh quotes` makes it"),
    ],
)
def test_what_cannot_be_shown_is_said_with_the_way_out(tt: Tt, arguments: list[str], code: int, sentence: str) -> None:
    done = tt("show", *arguments)
    assert (done.code, done.out) == (code, "")
    assert sentence in done.err


def test_a_word_that_is_both_is_the_table_in_small_letters(tt: Tt) -> None:
    done = tt("show", "earnings")
    assert done.out.startswith("earnings: ")
    assert done.err == "earnings is the dataset; `tt show EARNINGS` shows the symbol of that name\n"
    # Of the symbol nothing but the universe is stored.
    assert "volatility is not stored in" in tt("show", "EARNINGS").err


def test_accounts_are_shown_on_a_terminal_and_nowhere_else(tt: Tt, project: Path) -> None:
    store(project, ACCOUNTS, {"account_number": "5WT00001", "nickname": None, "currency": "USD"})
    for arguments in (["accounts"], ["accounts", "--json"]):
        done = tt("show", *arguments)
        assert (done.code, done.out) == (2, "")
        assert "accounts is private, and is shown on a terminal only; `tt export accounts`" in done.err
        assert "5WT00001" not in done.err
    reader, writer = pty.openpty()
    # A terminal of a pty has no size until somebody sets one.
    termios.tcsetwinsize(writer, (40, 80))
    words = [sys.executable, "-m", "ttapi_pipeline.cli", "show", "accounts"]
    subprocess.run(words, cwd=project, env=environment_of_users(), stdout=writer, timeout=60, check=True)
    os.close(writer)
    shown = os.read(reader, 65_536).decode()
    os.close(reader)
    assert "5WT00001" in shown


def test_what_columns_mean_is_said_of_tables_that_are_not_stored_at_any_width(tt: Tt) -> None:
    done = tt("show", "accounts", "--describe", "--columns", "nickname,account_number", COLUMNS="60")
    assert done.code == 0
    head, described = done.out.split("\n\n", 1)
    assert head.replace("\n ", "").startswith("accounts: Brokerage accounts with their balances; one row per account.")
    assert described.startswith(
        "nickname  text\n  The holder's name for it\naccount_number  text, never null\n  Account"
    )
    assert described.split("\n\n")[1].startswith("2 of 24 columns; ")
    assert max(map(len, done.out.splitlines())) <= 60


def test_the_columns_that_do_not_fit_are_named_with_the_command_that_says_what_they_mean(tt: Tt, project: Path) -> None:
    store(project, VOLATILITY, {"symbol": "AAPL"})
    done = tt("show", "volatility", COLUMNS="60")
    assert "... `tt show volatility --describe` says what each of them\n  means\n" in done.out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["earnings", "--rows", "3"], "--describe shows no rows, which --rows is for; leave one of the two out"),
        (["earnings", "--as-of", "2026-11-24"], "--describe shows no rows, which --as-of is for"),
        (["earnings", "--columns", "symbl"], "no column of earnings 'symbl' (did you mean symbol?)"),
        (["AAPL"], "--describe is for a dataset, and AAPL is none"),
        (["earning_s"], "there is no dataset 'earning_s' (did you mean earnings?)"),
    ],
)
def test_what_cannot_be_described_is_said(tt: Tt, arguments: list[str], sentence: str) -> None:
    done = tt("show", *arguments, "--describe")
    assert (done.code, done.out) == (2, "")
    assert sentence in done.err
