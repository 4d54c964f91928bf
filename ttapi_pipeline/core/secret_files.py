# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Secrets from files: ``<variable>_FILE`` names the file that the value of a secret variable stands in.

This is how Docker, Kubernetes and systemd hand secrets to a program: what stands in the environment is shown by
`docker inspect` and handed on to every child. Which variables are secrets: see `settings`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

from ttapi_pipeline.core.errors import ConfigError, TTError
from ttapi_pipeline.core.user_files import read_user_text

SUFFIX: Final = "_FILE"


def secret_file_variables(secrets: Collection[str]) -> frozenset[str]:
    """The names of the variables that name a file, for those of the secrets."""
    return frozenset(f"{name}{SUFFIX}" for name in secrets)


def with_secrets_of_files(values: Mapping[str, str], secrets: Collection[str], folder: Path) -> dict[str, str]:
    """The variables of one place, with what the named files hold instead of the names of the files.

    Args:
        values: Variables by name, of the environment or of one `.env` file. A name of a file that is empty counts as a
            secret that is not set.
        secrets: The names of the variables that may stand in a file.
        folder: What the path of a file is relative to.

    Returns:
        The same without the names of files; what a file holds is without spaces and line ends around it.

    Raises:
        ConfigError: A secret and the name of its file are both set; a file cannot be read, or is empty.
    """
    found = dict(values)
    for name in secrets:
        path = found.pop(f"{name}{SUFFIX}", None)
        if path is None:
            continue
        if not path.strip():
            found.setdefault(name, "")
        elif found.get(name, "").strip():
            raise ConfigError(f"{name} and {name}{SUFFIX} are both set; unset one of them")
        else:
            found[name] = _read(f"{name}{SUFFIX}", folder / path.strip())
    return found


def _read(variable: str, path: Path) -> str:
    try:
        text = read_user_text(path, f"{variable} is {path}, which")
    except TTError as error:
        raise ConfigError(str(error)) from error
    if not text.strip():
        raise ConfigError(f"{variable} is {path}, which is empty; it has to hold the value and nothing else")
    return text.strip()
