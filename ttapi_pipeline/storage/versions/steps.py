# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The files that lead from a publication of a table back to the one before, by their names. Their rows: `row_changes`.

In ``<dataset>/changes``, ``<after>-<before>-<hash>.parquet`` has the changes that the publication with the write id
`after` made to the rows of `before`; the hash is the XXH3-128 of the file. With the ending ``.packed.parquet``, a file
has the rows of `before` packed against those of `after`, which was published before it; see `packing`. Standard library
only, as `tt history` looks at the names alone.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ttapi_pipeline.core.errors import CorruptFileError
from ttapi_pipeline.core.manifest import FileFacts
from ttapi_pipeline.storage.errors import storage_error
from ttapi_pipeline.storage.files import file_facts
from ttapi_pipeline.storage.layout import CHANGES

PACKED_SUFFIX: Final = ".packed.parquet"

_NAME: Final = re.compile(r"([0-9a-f]{32})-([0-9a-f]{32})-([0-9a-f]{32})(\.packed)?\.parquet")


@dataclass(frozen=True, slots=True)
class Step:
    """The changes of one publication.

    Attributes:
        after: Its write id.
        before: Write id of the publication that it replaced.
        xxh3_128: Hash of the file.
        path: Of the file.
        is_packed: Whether it has the rows of `before`, packed against those of `after`.
        is_elsewhere: Whether the file is in an object store, and `path` has its name alone.
    """

    after: str
    before: str
    xxh3_128: str
    path: Path
    is_packed: bool = False
    is_elsewhere: bool = False

    def verify(self) -> None:
        """Compare the file with its hash.

        Raises:
            CorruptFileError: It has other bytes than were written.
            StorageError: It cannot be read.
        """
        try:
            seen = file_facts(self.path).xxh3_128
        except OSError as error:
            raise storage_error(self.path, error) from error
        if seen != self.xxh3_128:
            raise CorruptFileError(
                f"{self.path} is damaged: it has XXH3-128 {seen}; the version that it leads to and those that are "
                "read through it are lost, and others are not touched by it"
            )


def step_file(folder: Path, dataset: str, after: str, before: str, facts: FileFacts) -> Path:
    """Where the changes of a publication are kept."""
    return folder / dataset / CHANGES / f"{after}-{before}-{facts.xxh3_128}.parquet"


def packed_file(folder: Path, dataset: str, against: str, write_id: str, facts: FileFacts) -> Path:
    """Where the rows of a publication are kept that are packed against those of another one."""
    return folder / dataset / CHANGES / f"{against}-{write_id}-{facts.xxh3_128}{PACKED_SUFFIX}"


def steps_of(folder: Path, dataset: str) -> Sequence[Step]:
    """The changes that are kept of a dataset, in no order.

    Raises:
        StorageError: The folder cannot be read.
    """
    place = folder / dataset / CHANGES
    try:
        paths = list(place.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise storage_error(place, error) from error
    return [step for path in paths if (step := step_of(path)) is not None]


def step_of(path: Path) -> Step | None:
    """What the name of a file says; None for another file."""
    name = _NAME.fullmatch(path.name)
    return None if name is None else Step(name[1], name[2], name[3], path, is_packed=name[4] is not None)


@dataclass(frozen=True, slots=True)
class Trail:
    """The way from a publication whose rows are in a file back to an earlier one.

    Attributes:
        head: Write id of the publication with the file.
        step: The last step; None at the head itself.
        rest: The way up to that step.
    """

    head: str
    step: Step | None = None
    rest: Trail | None = None

    def steps(self) -> Iterator[Step]:
        """The steps, that of the earliest publication first."""
        at: Trail | None = self
        while at is not None and at.step is not None:
            yield at.step
            at = at.rest


def trails(steps: Sequence[Step], heads: Collection[str]) -> Mapping[str, Trail]:
    """The shortest way to every publication that can be reached, by its write id.

    Args:
        steps: What is kept.
        heads: Write ids of the publications whose rows are in a file.
    """
    of: dict[str, list[Step]] = {}
    for step in steps:
        of.setdefault(step.after, []).append(step)
    found = {head: Trail(head) for head in heads}
    waiting = deque(found)
    while waiting:
        at = found[waiting.popleft()]
        for step in of.get(at.head if at.step is None else at.step.before, ()):
            if step.before not in found:
                found[step.before] = Trail(at.head, step, at)
                waiting.append(step.before)
    return found
