# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Messages on their way, over sockets: who accepts, who does not, what is tried again and what is logged."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from ttapi_pipeline.alerts.delivery import check_destination, destinations, send
from ttapi_pipeline.alerts.outbox import KEPT_FOR, Outbox, deliver, with_message
from ttapi_pipeline.alerts.wording import Message, Tone
from ttapi_pipeline_tests.support.listeners import MailServer, Webhook, mail_server, webhook

pytest.importorskip("apprise")

TEN = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
FIRST = Message(title="quotes failed", body="quotes: no answer.\nStored data is as it was.", tone=Tone.BAD)
SECOND = Message(title="quotes well again", body="after 5m.", tone=Tone.GOOD)


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with webhook() as hook:
        yield hook


@pytest.fixture
def mails() -> Iterator[MailServer]:
    with mail_server() as mails:
        yield mails


def test_a_webhook_gets_title_text_and_tone(hook: Webhook) -> None:
    (place,) = destinations([hook.url])
    assert send(place, FIRST) is None
    (posted,) = hook.posted
    assert (posted["title"], posted["message"], posted["type"]) == (FIRST.title, FIRST.body, "failure")


def test_a_mail_goes_to_every_receiver_with_title_and_text(mails: MailServer) -> None:
    (place,) = destinations([mails.url])
    assert send(place, FIRST) is None
    assert mails.receivers == ["trader@example.test", "desk@example.test"]
    assert {mail["subject"] for mail in mails.mails} == {FIRST.title}
    assert all("Stored data is as it was." in mail.as_string() for mail in mails.mails)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 429, 500, 503])
def test_a_refusal_says_the_status_and_nothing_of_the_url(
    hook: Webhook, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    hook.status = status
    (place,) = destinations([hook.url])
    said = send(place, FIRST)
    assert said is not None
    assert str(status) in said
    assert not {"canary", "user", "127.0.0.1", "http:"} & set(said.split())
    assert not any(each in said + caplog.text + repr(place) for each in ("canary", "127.0.0.1"))


def test_a_place_that_nobody_listens_at_is_a_sentence_without_the_url() -> None:
    with webhook() as hook:
        places = destinations([hook.url, hook.url.replace("json://", "mailto://")])
    for place in places:
        said = send(place, FIRST)
        assert said is not None
        assert "canary" not in said


@pytest.mark.parametrize("url", ["nonsense://token-4711", "slack://", "mailto://"])
def test_a_url_that_cannot_be_used_is_named_by_its_number(url: str) -> None:
    (place,) = destinations([url])
    said = check_destination(place)
    assert said is not None
    assert "4711" not in said + place.name
    assert send(place, FIRST) == said


def test_each_destination_is_told_once_in_order_and_a_failing_one_does_not_hold_up_another(
    hook: Webhook, mails: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    places = destinations([hook.url, mails.url])
    hook.status = 500
    outbox = deliver(with_message(Outbox(), FIRST, places, now=TEN), places, send, now=TEN)
    assert [letter.pending for letter in outbox.letters] == [["1 (json)"]]
    assert len(mails.receivers) == 2
    outbox = with_message(outbox, SECOND, places, now=TEN)
    # Before the pause is over, it is not tried.
    outbox = deliver(outbox, places, send, now=TEN + timedelta(seconds=59))
    assert hook.titles == [FIRST.title]
    assert len(mails.receivers) == 4
    outbox = deliver(outbox, places, send, now=TEN + timedelta(seconds=60))
    assert outbox.refusals["1 (json)"].count == 2
    assert outbox.refusals["1 (json)"].next_at == TEN + timedelta(minutes=3)
    hook.status, hook.posted = 200, []
    outbox = deliver(outbox, places, send, now=TEN + timedelta(minutes=3))
    assert outbox == Outbox()
    assert hook.titles == [FIRST.title, SECOND.title]
    failing, well = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert failing.startswith("alerts: destination 1 (json): Failed to send")
    assert failing.endswith("error=500.; it is tried again")
    assert well == "alerts: destination 1 (json) accepts messages again"
    assert "canary" not in caplog.text


def test_a_pause_doubles_up_to_half_an_hour_and_a_message_is_given_up_after_a_day(
    caplog: pytest.LogCaptureFixture,
) -> None:
    places, tries = destinations(["json://nobody"]), list[datetime]()
    now, outbox = TEN, with_message(Outbox(), FIRST, places, now=TEN)

    def refuse(*_: object) -> str:
        tries.append(now)
        return "down"

    while outbox.letters:
        seen = len(tries)
        outbox = deliver(outbox, places, refuse, now=now)
        assert len(tries) == seen + 1 or not outbox.letters
        now = max(now, outbox.refusals["1 (json)"].next_at)
    pauses = [later - earlier for earlier, later in pairwise(tries)]
    assert [pause // timedelta(minutes=1) for pause in pauses[:7]] == [1, 2, 4, 8, 16, 30, 30]
    assert tries[-1] - TEN < KEPT_FOR <= now - TEN
    assert "1 messages of more than a day ago" in caplog.text


def test_what_was_pending_for_a_place_that_is_not_set_any_more_is_dropped() -> None:
    outbox = with_message(Outbox(), FIRST, destinations(["json://gone"]), now=TEN)
    assert deliver(outbox, destinations([]), send, now=TEN) == Outbox()
