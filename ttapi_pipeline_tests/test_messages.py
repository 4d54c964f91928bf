# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What the documents quote of messages is what the program says."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import re
import sys
from collections.abc import Iterator
from functools import cache
from types import ModuleType

import pytest

from ttapi_pipeline.core.verdict import Rule, decide
from ttapi_pipeline_tests.support.documents import ROOT

TROUBLESHOOTING = ROOT / "docs" / "troubleshooting.md"
QUOTED = re.compile(r"`([^`]+)`")


@cache
def collector() -> ModuleType:
    """The program that makes the page of messages."""
    specification = importlib.util.spec_from_file_location("messages", ROOT / ".ci" / "messages.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module
    specification.loader.exec_module(module)
    return module


@cache
def said() -> str:
    """Every string of the program, one after the other."""
    return "\n".join(sorted(collector().strings()))


def quoted_messages() -> Iterator[str]:
    """What stands in backticks in the first column of the tables."""
    for line in TROUBLESHOOTING.read_text(encoding="utf-8").splitlines():
        if line.startswith("| `"):
            yield from QUOTED.findall(line.split(" | ")[0])


def test_the_walk_finds_messages() -> None:
    assert len(list(quoted_messages())) > 40
    assert "… is …; it accepts …" in said()


@pytest.mark.parametrize("message", sorted(set(quoted_messages())))
def test_a_message_that_troubleshooting_quotes_is_one_of_the_program(message: str) -> None:
    assert message in said()


@pytest.mark.parametrize(
    "error",
    ["AuthError", "CircuitOpenError", "CoverageError", "LockTimeoutError", "MissingEnvVarError", "RateLimitError"],
)
def test_troubleshooting_has_every_message_of_the_errors_that_only_a_user_can_mend(error: str) -> None:
    quoted = set(quoted_messages())
    made = {text for text in collector().messages()[error] if len(text) > 20}
    assert {text for text in made if not any(message in text for message in quoted)} == set()


def test_no_message_sends_the_user_of_a_wheel_to_what_a_clone_alone_has() -> None:
    of_clones = re.compile(r"\bdocs/|README|\bmake (?:run|ui|test|docs)\b|\.ci/")
    texts = {
        node.value
        for tree in collector().sources()
        for statement in ast.walk(tree)
        # A string that is a statement is a docstring.
        if not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
        for node in ast.iter_child_nodes(statement)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    named = {text for text in texts if of_clones.search(text)}
    # `tt init` makes a README of its own; the other is the head of the page that `make docs` makes.
    assert {text for text in named if text != "README.md" and "Made from the descriptions" not in text} == set()


@pytest.mark.thorough
def test_the_page_of_messages_is_what_the_program_says() -> None:
    assert (ROOT / "docs" / "messages.md").read_text(encoding="utf-8") == collector().page(), "run `make docs`"


def test_concepts_has_every_rule_of_a_verdict_in_order() -> None:
    text = (ROOT / "docs" / "concepts.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([a-z ]+) \| (hit|miss) \|", text, re.MULTILINE)
    asked = list(dict.fromkeys(Rule[name].value for name in re.findall(r"Rule\.([A-Z_]+)", inspect.getsource(decide))))
    assert [rule for rule, _ in rows] == asked
    assert set(asked) == set(Rule)
    assert [rule for rule, verdict in rows if verdict == "hit"] == [Rule.FRESH, Rule.MARKET_CLOSED]


@pytest.mark.parametrize(
    ("code", "template"),
    [
        ("f'{a}: {b} of {c}'", "…: … of …"),
        ("f'{a} {b} there'", "… there"),
        ("'one ' 'sentence'", "one sentence"),
        ("'one ' + name + f' of {b}'", "one … of …"),
        ("name", None),
    ],
)
def test_a_template_has_an_ellipsis_for_what_is_put_in(code: str, template: str | None) -> None:
    assert collector().template(ast.parse(code, mode="eval").body) == template
