# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What is logged under a grid is not lost, and is not written across it."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from ttapi_pipeline.terminal import held_logs
from ttapi_pipeline.terminal.held_logs import holding_logs

LOGGER = logging.getLogger("ttapi_pipeline.test")


class Listed(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


@pytest.fixture
def written() -> Iterator[list[str]]:
    handler, root = Listed(), logging.getLogger()
    root.addHandler(handler)
    yield handler.messages
    root.removeHandler(handler)


def test_records_are_written_when_the_grid_is_gone(written: list[str]) -> None:
    LOGGER.warning("before")
    with holding_logs() as held:
        assert held.latest() == ""
        LOGGER.warning("the link was lost")
        LOGGER.error("the disk refuses %d times", 2)
        assert held.latest() == "the disk refuses 2 times"
        assert written == ["before"]
    assert written == ["before", "the link was lost", "the disk refuses 2 times"]
    LOGGER.warning("after")
    assert written[-1] == "after"


def test_the_newest_records_are_kept(written: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_logs, "HELD_RECORDS", 2)
    with holding_logs():
        for number in range(5):
            LOGGER.warning("%d", number)
    assert written == ["3", "4"]
