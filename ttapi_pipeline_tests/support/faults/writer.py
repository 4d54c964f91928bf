# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What a trial needs to know of a program that writes: how to run it, and what a reader sees before and after."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Final, TypeAlias

View: TypeAlias = Mapping[str, str]
"""What a reader sees, by the name of a table or file: a digest or a few words. The same content, the same text."""


DROPPED: Final = "dropped"
"""What a reader sees of a cache that does not fit its seal."""


class Writer(ABC):
    """A program that writes below one folder.

    Attributes:
        name: Unique among the writers of a server.
        guesses: Names of a view that need not survive a loss of power: caches, which are dropped where they do not fit.
        reasons: Words that may stand for the reason of an error: those of a library that does not say the system's.
        is_repaired: Whether something else than the next run can mend what an interrupted run left.
        is_silent: Whether it may end well although the system told it an error: whatever it writes is a guess.
    """

    name: ClassVar[str]
    guesses: ClassVar[Collection[str]] = ()
    reasons: ClassVar[Collection[str]] = ("the end of the file could not be written",)
    is_repaired: ClassVar[bool] = False
    is_silent: ClassVar[bool] = False

    @abstractmethod
    def prepare(self, folder: Path) -> None:
        """Make the state that it starts from, in an empty folder."""

    @abstractmethod
    def run(self, folder: Path, acknowledge: Callable[[], None]) -> None:
        """Write; the same run again goes on where one was interrupted.

        Args:
            folder: As `prepare` made it, or with what an interrupted run left.
            acknowledge: To be called when something is stored and must not be lost from then on.

        Raises:
            TTError: The file system has told an error.
        """

    @abstractmethod
    def view(self, folder: Path) -> View:
        """What a reader sees now. An error that a reader would see is a text, too."""

    def files(self, folder: Path) -> Sequence[str]:
        """The files that are there, by a name that is the same in each run."""
        return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())

    def repair(self, folder: Path) -> Sequence[str]:
        """Mend what an interrupted run left, and say what."""
        return []

    def problems(self, folder: Path) -> Sequence[str]:
        """What is still wrong, without mending anything."""
        return []
