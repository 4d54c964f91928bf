# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Commands that the documents show are taken by the programs that they name."""

from __future__ import annotations

import re

import pytest

from ttapi_pipeline.core.settings import KNOWN_VARIABLES
from ttapi_pipeline_tests.support.documents import DOCUMENTS, name_of
from ttapi_pipeline_tests.support.shown_commands import (
    complaint,
    complaint_of_synopsis,
    console_commands,
    inline_commands,
)

HISTORY = {"CHANGELOG.md"}
"""What it says of earlier versions is no longer so."""

SHOWN = sorted({(name_of(path), command) for path in DOCUMENTS for command in console_commands(path)})
INLINE = sorted(
    {(name_of(path), each) for path in DOCUMENTS if name_of(path) not in HISTORY for each in inline_commands(path)}
)


def test_the_walk_finds_commands() -> None:
    assert len(SHOWN) > 25
    assert len(INLINE) > 40
    assert ("docs/account.md", "tt doctor") in SHOWN
    assert ("README.md", "tt init") in INLINE


@pytest.mark.parametrize(("document", "command"), SHOWN)
def test_a_command_in_a_block_is_taken_by_its_program(document: str, command: str) -> None:
    assert complaint(command) is None


@pytest.mark.parametrize(("document", "command"), INLINE)
def test_a_command_in_a_sentence_has_options_that_its_program_knows(document: str, command: str) -> None:
    assert complaint_of_synopsis(command) is None


@pytest.mark.parametrize(("document", "command"), [*SHOWN, *INLINE])
def test_a_variable_before_a_command_is_a_setting(document: str, command: str) -> None:
    named = set(re.findall(r"\b(TT_[A-Z_]+)=", command))
    assert {name for name in named - KNOWN_VARIABLES if not name.startswith(("TT_TTL_", "TT_SOAK_"))} == set()


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("tt refesh", "invalid choice"),
        ("tt refresh quotes --forse", "unrecognized arguments: --forse"),
        ("tt refresh quote", "quote"),
        ("make rum", "no target"),
        ("dagster asset materialise", "No such command"),
        ("dagster asset materialize --selekt '*'", "No such option"),
    ],
)
def test_a_command_that_does_not_exist_is_named(command: str, said: str) -> None:
    assert said in (complaint(command) or "")


def test_an_option_of_a_synopsis_that_does_not_exist_is_named() -> None:
    assert complaint_of_synopsis("tt show SYMBOL [--plott]") == "no option ['--plott'] of tt show"
    assert complaint_of_synopsis("tt show SYMBOL [--plot]") is None
    assert complaint_of_synopsis("tt chow SYMBOL") == "no command chow"
