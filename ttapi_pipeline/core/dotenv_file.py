# SPDX-License-Identifier: MIT
"""Reading a `.env` file. What its variables mean: see `settings`; the text of a new one: see `datasets.env_file`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values

from ttapi_pipeline.core.errors import ConfigError


def read_dotenv(file: Path) -> Mapping[str, str | None]:
    """The variables of a file; empty where there is none.

    Raises:
        ConfigError: It cannot be read.
    """
    try:
        return dotenv_values(file) if file.is_file() else {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} cannot be read: {error}") from error
