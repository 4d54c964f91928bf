# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Where the program works: which folder is its own, which settings file and Dagster instance go with it, and why.

Looked up anew by every command, and nothing is created. What is in such a folder, and making one: see `commands.init`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from ttapi_pipeline.core.dotenv_file import read_dotenv
from ttapi_pipeline.core.errors import ConfigError
from ttapi_pipeline.core.settings import VARIABLES, Settings
from ttapi_pipeline.core.variables import path_of, with_absolute_paths

MARKER: Final = ".ttapi_pipeline"
"""The file that makes a folder one of ours. A `dagster.yaml` does not: other projects have one, too."""

INSTANCE: Final = "DAGSTER_HOME"
DATA: Final = "TT_DATA_DIR"

_WITHOUT_TELEMETRY: Final = "DAGSTER_DISABLE_TELEMETRY"
"""Dagster's switch for one process; it holds for an instance of the user's too, whatever its own file says."""


@dataclass(frozen=True, slots=True)
class Place:
    """A folder or a file, and the reason for it in words.

    Attributes:
        path: Absolute; for data in an object store, the URL.
        why: The reason, without a full stop.
    """

    path: Path | str
    why: str


@dataclass(frozen=True, slots=True)
class Home:
    """The folder that the program works in: settings, data and Dagster instance are there unless a setting differs.

    Attributes:
        folder: Absolute.
        why: The reason for it, in words.
        is_of_user: Whether it is the one of this user for every folder in which something is typed. It may not be there
            yet.
        typed_in: The folder in which the command was typed.
        environ: The variables that it was given there.
    """

    folder: Path
    why: str
    is_of_user: bool = False
    typed_in: Path = field(kw_only=True)
    environ: Mapping[str, str] = field(kw_only=True, repr=False)

    @property
    def is_made(self) -> bool:
        """Whether it is there."""
        return (self.folder / MARKER).is_file()

    @property
    def is_to_be_made(self) -> bool:
        """Whether it is made when something is first written there."""
        return self.is_of_user and not self.is_made

    @property
    def dotenv(self) -> Path:
        """The file of the settings, whether it exists or not."""
        return self.folder / ".env"

    def environment(self) -> Mapping[str, str]:
        """What changes in the environment of a command, so that it and its processes may work in any folder.

        Raises:
            ConfigError: The settings file cannot be read.
        """
        is_elsewhere = self.typed_in != self.folder
        environ = self.environ
        absolute = with_absolute_paths(environ, VARIABLES.values(), self.typed_in) if is_elsewhere else environ
        changed = {name: value for name, value in absolute.items() if value != environ[name]}
        instance = {INSTANCE: str(self.instance().path)}
        return {_WITHOUT_TELEMETRY: "1", **instance, **changed}

    def instance(self) -> Place:
        """The folder of the Dagster instance.

        Raises:
            ConfigError: The settings file cannot be read.
        """
        for value, base, source in (
            (self.environ.get(INSTANCE), self.typed_in, f"{INSTANCE} in the environment"),
            (read_dotenv(self.dotenv).get(INSTANCE), self.folder, f"{INSTANCE} in {self.dotenv}"),
        ):
            if value is not None and value.strip():
                return Place(base / _path(value.strip()), source)
        return Place(self.folder, "the project folder, by default")

    def data(self, settings: Settings) -> Place:
        """The data folder of settings that were read here.

        Raises:
            ConfigError: The settings file cannot be read.
        """
        if self.environ.get(DATA, "").strip():
            why = f"{DATA} in the environment"
        elif DATA not in self.environ and (read_dotenv(self.dotenv).get(DATA) or "").strip():
            why = f"{DATA} in {self.dotenv}"
        else:
            why = "in the project folder, by default"
        is_url = "://" in settings.data_dir
        return Place(settings.data_dir if is_url else self.folder / path_of(settings.data_dir), why)


def _path(text: str) -> Path:
    try:
        return path_of(text)
    except ValueError as error:
        raise ConfigError(f"{INSTANCE} is {text}, and the system knows no such home; name the folder itself") from error


def find_home(typed_in: Path | None = None, environ: Mapping[str, str] | None = None) -> Home:
    """The folder to work in.

    In this order: the nearest folder with our marker, from where the command was typed up; the folder of DAGSTER_HOME,
    if it has the marker; the clone that the program runs from; the folder of this user.

    Args:
        typed_in: The current folder by default.
        environ: The process's own by default.

    Raises:
        ConfigError: The current folder was deleted.
    """
    try:
        here = Path.cwd() if typed_in is None else typed_in.absolute()
    except FileNotFoundError as error:
        raise ConfigError("the current folder is gone; change to another one") from error
    values = dict(os.environ if environ is None else environ)
    home = partial(Home, typed_in=here, environ=values)
    for folder in (here, *here.parents):
        if (folder / MARKER).is_file():
            why = f"it has {MARKER}" if folder == here else f"the nearest folder from {here} up with {MARKER}"
            return home(folder, why)
    stated = values.get(INSTANCE, "").strip()
    if stated and (here / stated / MARKER).is_file():
        return home(here / stated, f"{INSTANCE} names it, and it has {MARKER}")
    clone = Path(__file__).resolve().parents[2]
    if (clone / MARKER).is_file():
        return home(clone, "the clone that the program runs from")
    from platformdirs import user_data_path  # noqa: PLC0415 - a command in a folder of ours does without

    why = f"that of this user, since no folder from {here} up has {MARKER}"
    return home(user_data_path("ttapi_pipeline", appauthor=False), why, is_of_user=True)
