# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Makes a folder of ours: the files that belong in it, and putting them there without replacing anything.

The command: see `init`. Which folder is used: see `core.places`.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ttapi_pipeline.core.errors import ConfigError
from ttapi_pipeline.core.files import staging, sync
from ttapi_pipeline.core.places import MARKER, Home
from ttapi_pipeline.datasets.env_file import env_text
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.datasets.status import places
from ttapi_pipeline.storage.claims import refuse_foreign_files
from ttapi_pipeline.storage.layout import Folder

DATA_FOLDER: Final = "data"
INSTANCE_FILES: Final = f"{DATA_FOLDER}/.dagster"

_TEMPLATES: Final = Path(__file__).with_name("templates")

WORKSPACE: Final = _TEMPLATES / "workspace.yaml"
"""For Dagster, where a folder has none."""

_OPTIONAL: Final = frozenset({"README.md", ".gitignore"})
"""A folder that has these already keeps its own."""

_PLAIN: Final = re.compile(r"[\w./-]+")
_NOT_IN_A_DOTENV: Final = frozenset("${}\"'\\\n\r")


@dataclass(frozen=True, slots=True)
class Made:
    """What was done to a folder.

    Attributes:
        made: The files that were written, in order.
        kept: The files that were there, and stayed as they were.
    """

    made: Sequence[Path]
    kept: Sequence[Path]


def project_files(folder: Path) -> Mapping[str, str]:
    """The text of each file of a folder of ours by name, the marker last: with it, the folder is whole."""
    return {
        ".env": env_text(_in_dotenv(str(folder)), about="Written by `tt init`."),
        "dagster.yaml": instance_text(str(folder / INSTANCE_FILES)),
        "workspace.yaml": _template("workspace.yaml"),
        "README.md": _template("README.md"),
        ".gitignore": f".env\n{DATA_FOLDER}/\n",
        MARKER: _template("marker"),
    }


def instance_text(files: str) -> str:
    """The text of `dagster.yaml`.

    Args:
        files: Where the instance keeps its files.
    """
    text = _template("dagster.yaml")
    for name, path in (("files", files), ("storage", f"{files}/storage"), ("logs", f"{files}/logs")):
        text = text.replace(f"{{{name}}}", path if _PLAIN.fullmatch(path) else json.dumps(path, ensure_ascii=False))
    return text


def make_project(folder: Path) -> Made:
    """Make a folder one of ours, or complete it.

    Args:
        folder: Absolute; it is made where it is not there.

    Raises:
        ConfigError: Files are in the way, and the folder is not one of ours; or it cannot be written. Nothing was
            written, or so much that the same call completes it.
        StorageError: Its data folder has files in the places of datasets that are not ours.
    """
    files = project_files(folder)
    is_ours = (folder / MARKER).is_file()
    there = {name: folder / name for name in files if os.path.lexists(folder / name)}
    in_the_way = [str(path) for name, path in there.items() if name not in _OPTIONAL and not _is(path, files[name])]
    if in_the_way and not is_ours:
        raise ConfigError(
            f"{', '.join(in_the_way)} {'is' if len(in_the_way) == 1 else 'are'} there already, nothing was written: "
            "name another folder, `tt init DIR`. If an earlier version of this program has worked in this one, "
            f"`touch {folder / MARKER}` makes it one of ours as it is"
        )
    refuse_foreign_files(folder / DATA_FOLDER, places(DATASETS.values()))
    made = []
    try:
        (folder / DATA_FOLDER).mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            if name not in there and _put(folder / name, text, mode=0o600 if name == ".env" else 0o644):
                made.append(folder / name)
    except OSError as error:
        raise ConfigError(
            f"{folder} cannot be made a project folder: {error.strerror or error}; `tt init DIR` makes another one"
        ) from error
    return Made(made, [path for name, path in there.items() if name != MARKER])


def ensure_home(home: Home, *, uses: Sequence[Folder]) -> None:
    """Make the folder of this user before the first thing is written in it, and work in it from then on.

    Args:
        home: The folder that the program works in. One that somebody has made is left as it is.
        uses: What is about to be written: the data folder, the instance. When all of it is elsewhere, nothing is made.

    Raises:
        ConfigError: It cannot be made.
    """
    is_used = any(isinstance(path, Path) and path.is_relative_to(home.folder) for path in uses)
    if home.is_to_be_made and is_used:
        make_project(home.folder)
        os.chdir(home.folder)


def _put(target: Path, text: str, *, mode: int) -> bool:
    """Put a file where none is; False where another process was faster."""
    with staging(target, mode=mode) as staged:
        staged.write_text(text, encoding="utf-8")
        sync(staged)
        try:
            # Unlike a rename, a link never replaces anything.
            os.link(staged, target)
        except FileExistsError:
            return False
        except OSError:
            # A file system without links.
            if os.path.lexists(target):
                return False
            staged.rename(target)
    return True


def _is(path: Path, text: str) -> bool:
    """Whether a file is the one that we would write: it is of a `tt init` that was cut short."""
    try:
        return path.read_text(encoding="utf-8") == text
    except (OSError, UnicodeDecodeError):
        return False


def _in_dotenv(folder: str) -> str:
    if _NOT_IN_A_DOTENV & set(folder) or " #" in folder:
        raise ConfigError(
            f"{folder} has a character that a .env file cannot hold ($, braces, quotes, #): name another folder"
        )
    return folder


def _template(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")
