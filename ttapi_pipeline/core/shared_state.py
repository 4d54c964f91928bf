# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Small files that processes change to tell one another something: refused grants, circuit breakers, failures.

Here is what such a file promises, and the one on a disk. The one in an object store: see `storage.objects.state`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

from ttapi_pipeline.core.files import make_folders, remove_abandoned, replacing


class StateFile(Protocol):
    """A small file that is read and replaced as a whole. Its methods raise OSError, or TTError of a place's own."""

    def read(self) -> bytes | None:
        """The content; None where there is no such file."""

    def change(self, how: Callable[[bytes | None], bytes | None]) -> None:
        """Replace the content by what is made of it.

        Args:
            how: Gets the content, None where there is none; gives the new one, None to remove the file. It is called
                again when another process was faster.
        """


class StateFolder(Protocol):
    """A place for such files."""

    def file(self, name: str) -> StateFile:
        """The file of that name; it need not exist."""


StatePlace: TypeAlias = Path | StateFolder
"""A folder of this machine, or another place."""


@dataclass(frozen=True, slots=True)
class LocalStateFile:
    """Such a file on a disk, readable by this user alone. Of two changes at the same instant, the last one stays."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    def read(self) -> bytes | None:
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return None

    def change(self, how: Callable[[bytes | None], bytes | None]) -> None:
        before = None
        with suppress(OSError):
            before = self.read()
        content = how(before)
        if content is None:
            self.path.unlink(missing_ok=True)
            remove_abandoned(self.path)
            return
        make_folders(self.path.parent)
        with replacing(self.path, mode=0o600) as staging:
            staging.write_bytes(content)


def state_file(folder: StatePlace, name: str) -> StateFile:
    """The file of that name in a folder of this machine, or in another place."""
    return LocalStateFile(folder / name) if isinstance(folder, Path) else folder.file(name)
