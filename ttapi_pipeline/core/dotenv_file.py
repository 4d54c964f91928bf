# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Reading a `.env` file. What its variables mean: see `settings`; the text of a new one: see `datasets.env_file`."""

from __future__ import annotations

from collections.abc import Mapping
from io import StringIO
from pathlib import Path

from dotenv import dotenv_values
from dotenv.parser import parse_stream

from ttapi_pipeline.core.errors import ConfigError, TTError
from ttapi_pipeline.core.user_files import read_user_text


def read_dotenv(file: Path) -> Mapping[str, str | None]:
    """The variables of a file; empty where there is none.

    Raises:
        ConfigError: It cannot be read, is no text, or has a line that is no variable.
    """
    try:
        text = read_user_text(file, str(file)) if file.is_file() else ""
    except (OSError, TTError) as error:
        if isinstance(error.__cause__ or error, PermissionError):
            raise ConfigError(
                f"{file}: this user may not read the settings of this folder; work in one of your own, which "
                "`tt init DIR` makes, with TT_DATA_DIR for data that is elsewhere"
            ) from error
        raise ConfigError(str(error)) from error
    _check_lines(text, file)
    return dotenv_values(stream=StringIO(text))


def _check_lines(text: str, file: Path) -> None:
    """Refuse a line that the library passes over: with it, a setting or a secret would count as not set."""
    for binding in parse_stream(StringIO(text)):
        # What is there is not shown: it may be a secret.
        written = binding.original.string
        line = binding.original.line + written[: len(written) - len(written.lstrip())].count("\n")
        if binding.error:
            raise ConfigError(
                f"{file}, line {line}, cannot be read; it has to be NAME=value, with a quote at both ends of the value"
                " or at none, or begin with #"
            )
        # To other programs a name alone means the variable of the process.
        if binding.key is not None and binding.key.startswith("TT_") and binding.value is None:
            raise ConfigError(f"{file}, line {line}, has a name and no =; it has to be NAME=value, or begin with #")
