# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Log records as text and as JSON."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from ttapi_pipeline.core.logs import JsonFormatter, TextFormatter, configure_logging
from ttapi_pipeline.core.settings import Settings


@contextmanager
def bare_root() -> Iterator[logging.Logger]:
    """The root logger as a new process has it; afterwards everything is as it was."""
    root, package = logging.getLogger(), logging.getLogger("ttapi_pipeline")
    before = root.level, package.level, root.handlers
    root.handlers = []
    try:
        yield root
    finally:
        root.setLevel(before[0])
        package.setLevel(before[1])
        root.handlers = before[2]


def record(**extra: object) -> logging.LogRecord:
    # 1,700,000,000.25 s after the epoch is 2023-11-14 22:13:20.250 UTC.
    fields = {"name": "ttapi_pipeline.client", "levelno": logging.INFO, "levelname": "INFO", "created": 1.70000000025e9}
    return logging.makeLogRecord({**fields, "msg": "sent %d", "args": (3,), **extra})


def test_a_json_line_has_the_extra_fields_as_they_are() -> None:
    line = JsonFormatter().format(record(request_id="a1-1", status=None, elapsed_ms=1.5))
    assert "\n" not in line
    assert json.loads(line) == {
        "at": "2023-11-14T22:13:20.250+00:00",
        "level": "info",
        "logger": "ttapi_pipeline.client",
        "message": "sent 3",
        "request_id": "a1-1",
        "status": None,
        "elapsed_ms": 1.5,
    }


def test_an_exception_stays_on_the_line_of_its_record() -> None:
    try:
        raise ValueError("no such\nthing")
    except ValueError as error:
        line = JsonFormatter().format(record(exc_info=(ValueError, error, error.__traceback__)))
    assert "\n" not in line
    assert json.loads(line)["exception"].endswith("ValueError: no such\nthing")


def test_a_traceback_is_set_in_and_visible_also_after_another_handler_has_kept_its_own_form() -> None:
    try:
        raise ValueError("one\n2026-11-20 INFO forged \x1b[2J")
    except ValueError as error:
        failed = record(exc_info=(ValueError, error, error.__traceback__))
    logging.Formatter().format(failed)
    first, *others = TextFormatter().format(failed).split("\n")
    assert first.endswith("sent 3")
    assert [line for line in others if not line.startswith("  ")] == []
    assert "\x1b" not in "".join(others)


def test_a_field_that_json_does_not_know_becomes_text() -> None:
    assert json.loads(JsonFormatter().format(record(where={1})))["where"] == "{1}"


def test_a_text_line_has_the_time_in_utc() -> None:
    assert TextFormatter().format(record()) == "2023-11-14T22:13:20.250+00:00 INFO ttapi_pipeline.client: sent 3"


@pytest.mark.parametrize(("log_format", "start"), [("json", "{"), ("text", "2")])
def test_the_settings_choose_format_and_level(log_format: str, start: str) -> None:
    with bare_root() as root:
        configure_logging(replace(Settings(), log_format=log_format, log_level="info"))
        (handler,) = root.handlers
        assert isinstance(handler, logging.StreamHandler)
        written = io.StringIO()
        handler.setStream(written)
        logging.getLogger("ttapi_pipeline.client").info("ours")
        logging.getLogger("ttapi_pipeline.client").debug("too fine")
        logging.getLogger("some.library").info("not ours")
    (line,) = written.getvalue().splitlines()
    assert line.startswith(start)
    assert "ours" in line


def test_an_interrupt_that_a_library_met_at_work_is_no_error_of_it() -> None:
    written = io.StringIO()
    with bare_root() as root:
        configure_logging(Settings())
        (handler,) = root.handlers
        assert isinstance(handler, logging.StreamHandler)
        handler.setStream(written)
        for error in (KeyboardInterrupt(), SystemExit(1), OSError("the disk")):
            try:
                raise error
            except BaseException:
                logging.getLogger("sqlalchemy.pool").exception("closing a connection")
        logging.getLogger("sqlalchemy.pool").error("without any")
    said = written.getvalue()
    assert [
        said.count(words) for words in ("Traceback", "OSError: the disk", "closing a connection\n", "without any")
    ] == [1] * 4


def test_an_application_with_handlers_keeps_them() -> None:
    own = logging.NullHandler()
    with bare_root() as root:
        root.addHandler(own)
        configure_logging(Settings())
        assert root.handlers == [own]
