# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Nothing that a server, a file name or a description says begins a line of its own or commands a terminal."""

from __future__ import annotations

import io
import json
import logging
import unicodedata
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttapi_pipeline.core.errors import DataError, HttpError, InvalidValueError, ProtocolError, TTError
from ttapi_pipeline.core.lines import one_line, visible_lines
from ttapi_pipeline.core.logs import JsonFormatter, TextFormatter
from ttapi_pipeline.core.progress import Phase, Progress
from ttapi_pipeline.terminal.console import SafeConsole
from ttapi_pipeline.terminal.dataset_rows import DatasetRow, Mood
from ttapi_pipeline.terminal.status_grid import Frame, grid_lines, progress_line
from ttapi_pipeline.terminal.streams import print_error

hostile = st.text(st.characters(codec=None) | st.sampled_from("\n\r\x1b\x07\x9b\u2028\u202e\x00\t\x7f"), max_size=40)


def is_harmless(text: str) -> bool:
    return all(unicodedata.category(each) not in {"Cc", "Cf", "Cs", "Zl", "Zp"} for each in text)


@given(hostile)
def test_any_text_becomes_one_harmless_line(text: str) -> None:
    assert is_harmless(one_line(text))
    assert is_harmless(visible_lines(text).replace("\n", ""))
    assert one_line(one_line(text)) == one_line(text)


def test_what_can_be_seen_stays_and_the_rest_is_shown() -> None:
    assert one_line("Café 東京\u00a0…") == "Café 東京\u00a0…"
    assert one_line("a\r\nb\x1b[31m\u202ec") == r"a\r\nb\x1b[31m\u202ec"
    assert visible_lines("a\nb\x1b[2J") == "a\nb\\x1b[2J"


@given(hostile)
def test_an_error_is_one_line(text: str) -> None:
    named = InvalidValueError("TT_LIST", text, text)
    for error in (TTError(text), DataError(text), ProtocolError(text), HttpError(502, text), named):
        assert is_harmless(str(error))


@given(hostile)
def test_a_record_is_one_line_and_its_traceback_is_set_in(text: str) -> None:
    try:
        raise ValueError(text)
    except ValueError as error:
        exc_info = (ValueError, error, error.__traceback__)
    record = logging.makeLogRecord({"msg": "said %s", "args": (text,), "exc_info": exc_info, "created": 1.7e9})
    first, *others = TextFormatter().format(record).split("\n")
    assert first.endswith(f"said {one_line(text)}")
    assert others
    assert all(line.startswith("  ") and is_harmless(line) for line in others)
    line = JsonFormatter().format(logging.makeLogRecord({"msg": "said %s", "args": (text,), "created": 1.7e9}))
    assert is_harmless(line)
    assert json.loads(line)["message"] == f"said {text}"


@given(hostile)
def test_a_console_shows_what_it_is_given_and_obeys_none_of_it(text: str) -> None:
    work = Progress(phase=Phase.FAILED, note=text)
    row = DatasetRow(name="symbols", state="failed", mood=Mood.BAD, ttl=timedelta(1), detail=text, is_told=True)
    frame = Frame(rows=[row], headline="1 failed", source="x", places={"data": f"/{text}"})
    assert all(map(is_harmless, grid_lines(frame, width=60)))
    assert is_harmless(progress_line("symbols", work))
    written = io.StringIO()
    SafeConsole(file=written, width=400, color_system=None).print(text, markup=False)
    assert is_harmless(written.getvalue().replace("\n", ""))


def test_an_error_is_printed_on_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_error("error: \x1b[2Jforged\nok   storage: fine")
    assert capsys.readouterr().err == "error: \\x1b[2Jforged\\nok   storage: fine\n"


def test_colours_of_our_own_pass() -> None:
    written = io.StringIO()
    SafeConsole(file=written, force_terminal=True, color_system="standard").print("[red]bad[/]")
    assert written.getvalue() == "\x1b[31mbad\x1b[0m\n"
