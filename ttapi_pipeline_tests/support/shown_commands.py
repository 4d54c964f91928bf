# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Command lines that the documents show, and whether the programs that they start would take them."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from ttapi_pipeline.commands import program
from ttapi_pipeline_tests.support.documents import ROOT, text_of

CONSOLE = re.compile(r"^( *)```console\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"(?<!`)`((?:[A-Z_]+=\S+ )*(?:tt|make|dagster|dg) [^`]+)`(?!`)")
VARIABLE = re.compile(r"[A-Z][A-Z_]*=")
PLACEHOLDER = re.compile(r"[A-Z]{2,}…?|…|\S*…\S*")


def console_commands(path: Path) -> Iterator[str]:
    """The commands of a document's console blocks: the lines after a prompt, or all where no line has one."""
    for _, block in CONSOLE.findall(path.read_text(encoding="utf-8")):
        lines = [line.strip() for line in block.splitlines()]
        with_prompt = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        yield from with_prompt or [line for line in lines if line and not line.startswith("#")]


def inline_commands(path: Path) -> Iterator[str]:
    """The commands of ours that stand in a sentence or a table, as they are or as a synopsis."""
    text = re.sub(r"\s*\n\s*", " ", text_of(path))
    yield from (found.replace("\\|", "|") for found in INLINE.findall(text))


def words_of(command: str) -> Sequence[str]:
    """The words of a command, without its comment and the variables before it."""
    words = shlex.split(command, comments=True)
    while words and VARIABLE.match(words[0]):
        del words[0]
    return words


def complaint(command: str) -> str | None:
    """What the program says that a command starts, if it does not take it; None if it does, or is not one of ours."""
    words = words_of(command)
    match words[:1]:
        case ["tt"]:
            return complaint_of_tt(words[1:])
        case ["make"]:
            return complaint_of_make(words[1:])
        case ["dagster"]:
            return complaint_of_dagster(words[1:])
    return None


def complaint_of_tt(words: Sequence[str]) -> str | None:
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        try:
            program._parsers()[0].parse_args(program._with_command(words))
        except SystemExit as end:
            return said.getvalue() if end.code else None
    return None


def complaint_of_make(words: Sequence[str]) -> str | None:
    targets = set(re.findall(r"^([a-z][\w-]*):(?!=)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    unknown = [word for word in words if "=" not in word and word not in targets]
    return f"no target {unknown}" if unknown else None


def complaint_of_dagster(words: Sequence[str]) -> str | None:
    from dagster._cli import create_dagster_cli

    command: click.Command = create_dagster_cli()  # type: ignore[no-untyped-call]
    rest = list(words)
    try:
        while isinstance(command, click.Group):
            context = command.make_context(command.name, rest)
            _, found, rest = command.resolve_command(context, [*context._protected_args, *context.args])
            assert found is not None
            command = found
        command.make_context(command.name, rest)
    except click.ClickException as error:
        return error.format_message()
    except click.exceptions.Exit:
        return None
    return None


def complaint_of_synopsis(command: str) -> str | None:
    """As `complaint`, for a command with placeholders and optional parts: its options alone are looked up."""
    words = [part for word in words_of(command) for part in re.split(r"[\[\]|=]", word) if part]
    if words[0] != "tt":
        said = None if any(PLACEHOLDER.fullmatch(word) for word in words) else complaint(command)
        # A sentence names a command without what it always needs.
        return None if said is None or said.startswith("Missing option") else said
    if words[1:2] in (["--version"], ["--help"]):
        return complaint(command)
    name = next((word for word in words[1:] if not word.startswith("-")), "refresh")
    options = [word for word in words if word.startswith("-")]
    if PLACEHOLDER.fullmatch(name) or name.startswith("…"):
        return None
    known = help_of(name if name in program.COMMANDS else "refresh")
    if name not in program.COMMANDS:
        return f"no command {name}"
    unknown = [option for option in options if not re.search(rf"{re.escape(option)}\b", known)]
    return f"no option {unknown} of tt {name}" if unknown else None


def help_of(name: str) -> str:
    """The help of a command, with that of its own commands."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
        program._parsers()[0].parse_args([name, "--help"])
    inner = re.search(r"\{([\w,-]+)\}", said.getvalue()) if name == "simulator" else None
    for each in inner[1].split(",") if inner else ():
        with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
            program._parsers()[0].parse_args([name, each, "--help"])
    return said.getvalue()
