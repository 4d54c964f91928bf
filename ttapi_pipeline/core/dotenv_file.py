# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Reading a `.env` file. What its variables mean: see `settings`; the text of a new one: see `datasets.env_file`."""

from __future__ import annotations

from collections.abc import Mapping
from io import StringIO
from pathlib import Path

from dotenv import dotenv_values

from ttapi_pipeline.core.errors import ConfigError, TTError
from ttapi_pipeline.core.user_files import read_user_text


def read_dotenv(file: Path) -> Mapping[str, str | None]:
    """The variables of a file; empty where there is none.

    Raises:
        ConfigError: It cannot be read, or is no text.
    """
    try:
        return dotenv_values(stream=StringIO(read_user_text(file, str(file)))) if file.is_file() else {}
    except (OSError, TTError) as error:
        raise ConfigError(str(error)) from error
