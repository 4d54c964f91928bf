# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What is told, and what is not: looks at given times with given troubles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from ttapi_pipeline.alerts.news import Memory, Notice, review
from ttapi_pipeline.alerts.troubles import Kind, Trouble

TEN = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
HALF_A_MINUTE = timedelta(seconds=30)


def failed(name: str, cause: str = "broker", sentence: str = "no answer") -> Trouble:
    return Trouble(subject=name, kind=Kind.FAILED, cause=cause, sentence=sentence, since=TEN)


def overdue(name: str) -> Trouble:
    return Trouble(subject=name, kind=Kind.OVERDUE, cause="overdue", sentence="1h old", since=TEN)


def incomplete(name: str, percent: float, *, is_slight: bool = False) -> Trouble:
    return Trouble(
        subject=name,
        kind=Kind.INCOMPLETE,
        cause=f"coverage of {name}",
        sentence="12 did not come",
        since=TEN,
        percent=percent,
        is_slight=is_slight,
    )


@dataclass
class Looks:
    """One look after the other."""

    memory: Memory = field(default_factory=Memory)
    now: datetime = TEN

    def look(self, *troubles: Trouble, after: timedelta = HALF_A_MINUTE) -> Notice | None:
        self.now += after
        self.memory, notice = review(self.memory, {each.subject: each for each in troubles}, now=self.now)
        return notice

    def told(self, *troubles: Trouble, after: timedelta = HALF_A_MINUTE) -> tuple[Sequence[str], Sequence[str]]:
        """What begins and what is well again, by name."""
        notice = self.look(*troubles, after=after)
        if notice is None:
            return [], []
        return [each.subject for each in notice.begun], [each.subject for each in notice.recovered]


NOTHING: tuple[Sequence[str], Sequence[str]] = ([], [])


def test_nothing_wrong_is_nothing_to_tell() -> None:
    assert Looks().look() is None


def test_a_failure_is_told_once_and_its_recovery_once() -> None:
    looks = Looks()
    assert looks.told(failed("symbols")) == (["symbols"], [])
    assert looks.told(failed("symbols")) == NOTHING
    assert looks.told(failed("symbols"), after=timedelta(days=3)) == NOTHING
    assert looks.told() == ([], ["symbols"])
    assert looks.told() == NOTHING
    assert looks.memory.told == {}


def test_a_storm_of_fifteen_is_one_notice_and_its_end_another() -> None:
    looks = Looks()
    storm = [failed(f"dataset_{number}", cause=f"cause {number % 3}") for number in range(15)]
    notice = looks.look(*storm)
    assert notice is not None
    assert len(notice.begun) == 15
    assert looks.look(*storm) is None
    end = looks.look()
    assert end is not None
    assert len(end.recovered) == 15


def test_what_joins_a_cause_that_goes_on_waits_for_an_hour_and_is_told_together() -> None:
    looks = Looks()
    assert looks.told(failed("quotes")) == (["quotes"], [])
    assert looks.told(failed("quotes"), failed("accounts")) == NOTHING
    troubles = [failed("quotes"), failed("accounts"), failed("universe")]
    assert looks.told(*troubles, after=timedelta(minutes=58)) == NOTHING
    notice = looks.look(*troubles, after=timedelta(minutes=2))
    assert notice is not None
    assert [each.subject for each in notice.begun] == ["accounts", "universe"]
    assert notice.going_on == ["quotes"]


def test_what_joins_and_is_well_again_within_the_hour_is_never_told() -> None:
    looks = Looks()
    looks.look(failed("quotes"))
    assert looks.told(failed("quotes"), failed("accounts")) == NOTHING
    assert looks.told(failed("quotes"), after=timedelta(hours=2)) == NOTHING
    assert looks.told() == ([], ["quotes"])


def test_another_cause_is_told_at_once() -> None:
    looks = Looks()
    looks.look(failed("quotes"))
    assert looks.told(failed("quotes"), failed("earnings", cause="storage")) == (["earnings"], [])


def test_another_class_of_error_of_the_same_dataset_is_told_and_another_sentence_is_not() -> None:
    looks = Looks()
    looks.look(failed("quotes", cause="KeyError: first"))
    assert looks.told(failed("quotes", cause="KeyError: second")) == NOTHING
    assert looks.told(failed("quotes", cause="credentials")) == (["quotes"], [])


def test_an_overdue_dataset_that_then_fails_is_told_again() -> None:
    looks = Looks()
    assert looks.told(overdue("quotes")) == (["quotes"], [])
    assert looks.told(failed("quotes")) == (["quotes"], [])


def test_a_recovery_before_the_rest_is_told_when_it_has_held_for_ten_minutes() -> None:
    looks = Looks()
    looks.look(failed("quotes"), failed("accounts"))
    assert looks.told(failed("accounts")) == NOTHING
    assert looks.told(failed("accounts"), after=timedelta(minutes=9)) == NOTHING
    assert looks.told(failed("accounts"), after=timedelta(minutes=1)) == ([], ["quotes"])
    assert looks.told() == ([], ["accounts"])


def test_a_recovery_that_did_not_hold_is_not_told() -> None:
    looks = Looks()
    looks.look(failed("quotes"), failed("accounts"))
    assert looks.told(failed("accounts")) == NOTHING
    assert looks.told(failed("quotes"), failed("accounts"), after=timedelta(minutes=20)) == NOTHING


def test_what_comes_and_goes_is_told_three_times_an_hour() -> None:
    looks = Looks()
    told = [looks.told(*([failed("quotes")] if number % 2 == 0 else []))[0] for number in range(20)]
    assert sum(map(len, told)) == 3
    assert looks.told(failed("quotes"), after=timedelta(hours=1)) == (["quotes"], [])


def test_lost_coverage_is_told_again_only_when_five_more_percent_are_lost() -> None:
    looks = Looks()
    assert looks.told(incomplete("symbols", 3.0)) == (["symbols"], [])
    assert looks.told(incomplete("symbols", 7.9)) == NOTHING
    assert looks.told(incomplete("symbols", 8.0)) == (["symbols"], [])
    assert looks.told(incomplete("symbols", 2.0)) == NOTHING
    assert looks.told() == ([], ["symbols"])


def test_slight_gaps_neither_begin_a_trouble_nor_end_one() -> None:
    looks = Looks()
    slight = incomplete("symbols", 0.8, is_slight=True)
    assert looks.told(slight) == NOTHING
    looks.look(incomplete("symbols", 1.1))
    assert looks.told(slight) == NOTHING
    assert looks.told() == ([], ["symbols"])


def test_a_dataset_that_waited_is_not_told_to_be_well_again() -> None:
    looks = Looks()
    waiting = Trouble(subject="symbols", kind=Kind.WAITING, cause="broker", sentence="universe", since=TEN)
    assert looks.told(failed("universe"), waiting) == (["universe", "symbols"], [])
    assert looks.told() == ([], ["universe"])
