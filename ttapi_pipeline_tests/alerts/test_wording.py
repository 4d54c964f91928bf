# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Messages, word for word."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ttapi_pipeline.alerts.news import Notice
from ttapi_pipeline.alerts.troubles import Kind, Trouble
from ttapi_pipeline.alerts.wording import Message, Tone, message_of, trial_message

NOW = datetime(2026, 11, 20, 15, 30, tzinfo=UTC)


def trouble(name: str, kind: Kind, sentence: str, *, minutes: int, percent: float = 0.0) -> Trouble:
    since = NOW - timedelta(minutes=minutes)
    return Trouble(subject=name, kind=kind, cause="broker", sentence=sentence, since=since, percent=percent)


def test_a_storm_names_each_cause_once_with_what_it_stopped() -> None:
    said = "GET /customers/me/accounts: no response"
    notice = Notice(
        begun=[
            trouble("accounts", Kind.FAILED, said, minutes=1),
            trouble("universe", Kind.FAILED, said, minutes=2),
            trouble("quotes", Kind.OVERDUE, "20m old, TTL 5m is over", minutes=15),
            trouble("earnings", Kind.INCOMPLETE, "12 did not come (A, AA, AAL, 9 more)", minutes=3, percent=2.4),
            trouble("symbols", Kind.WAITING, "universe", minutes=2),
            trouble("implied_volatility", Kind.WAITING, "universe", minutes=2),
            trouble("expiration_series", Kind.WAITING, "universe", minutes=2),
        ],
        going_on=["daily_candles"],
        at=NOW,
    )
    assert message_of(notice, machine="box") == Message(
        title="ttapi_pipeline: accounts and universe failed, quotes overdue, earnings lost coverage, "
        "3 datasets waiting",
        body="accounts, universe: failed at 15:28 UTC: GET /customers/me/accounts: no response.\n"
        "quotes: due for 15m, and nothing refreshes it (20m old, TTL 5m is over).\n"
        "earnings: lost coverage, 97.6% came; 12 did not come (A, AA, AAL, 9 more).\n"
        "symbols, implied_volatility, expiration_series: wait for universe.\n"
        "Not well yet, as told before: daily_candles.\n"
        "Stored data is as it was; `tt status` on box shows all.",
        tone=Tone.BAD,
    )


def test_overdue_datasets_are_one_line() -> None:
    notice = Notice(
        begun=[
            trouble("quotes", Kind.OVERDUE, "1h old, TTL 5m is over", minutes=55),
            trouble("accounts", Kind.OVERDUE, "2h old, TTL 1h is over", minutes=60),
        ],
        at=NOW,
    )
    message = message_of(notice, machine="box")
    assert message.title == "ttapi_pipeline: quotes and accounts overdue"
    assert message.body.splitlines()[0] == "quotes, accounts: due for 1h, and nothing refreshes them."
    assert message.tone is Tone.WARNING


def test_a_recovery_says_how_long_it_took() -> None:
    notice = Notice(recovered=[trouble("quotes", Kind.FAILED, "no answer", minutes=95)], at=NOW)
    assert message_of(notice, machine="box") == Message(
        title="ttapi_pipeline: quotes well again",
        body="quotes is well again after 1h 35m.\nSeen on box.",
        tone=Tone.GOOD,
    )


def test_a_trial_says_what_comes_here() -> None:
    assert trial_message(machine="box") == Message(
        title="ttapi_pipeline: this is a test",
        body="Alerts of box come here: when a dataset fails, is overdue or lost coverage, and when it is well again.",
        tone=Tone.NEUTRAL,
    )
