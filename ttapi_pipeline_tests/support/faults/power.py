# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A disk that loses power: which bytes and names are there afterwards.

The model promises what POSIX promises and no more. Bytes of a file are durable after an fsync of the file, names in a
folder after an fsync of the folder; the name of a new folder after an fsync of the folder above it. Of anything later,
any part may have reached the disk: a name without the bytes behind it, the second write without the first, half a
write. A rename reaches it whole or not at all. Modes and times do not matter here.
"""

from __future__ import annotations

import copy
import hashlib
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from ttapi_pipeline_tests.support.faults.library import Event, EventFlag, Operation


@dataclass(frozen=True, slots=True)
class Kept:
    """What reached the disk of what was not synced.

    Attributes:
        names, content: The share of the changes that are kept, each by chance.
        seed: Of the chance.
    """

    names: float
    content: float
    seed: int = 0

    def __str__(self) -> str:
        return f"{self.names:.0%} of the names and {self.content:.0%} of the bytes kept, seed {self.seed}"


CLEAR_CUT: Final = (Kept(0, 0), Kept(1, 1), Kept(1, 0), Kept(0, 1))
"""Nothing, everything, and one without the other."""


@dataclass
class _File:
    content: bytes = b""
    times_ns: tuple[int, int] | None = None
    changes: list[_Change] = field(default_factory=list)

    def sync(self) -> None:
        for change in self.changes:
            self.content = change.applied(self.content)
        self.changes.clear()

    def left(self, kept: Kept, chance: random.Random) -> bytes:
        content = self.content
        for change in self.changes:
            if chance.random() < kept.content:
                is_torn = kept.content < 1 and chance.random() < 0.2
                content = (change.torn(chance) if is_torn else change).applied(content)
        return content


@dataclass(frozen=True)
class _Change:
    """A write at an offset, or with `data` None a change of the size."""

    offset: int
    data: bytes | None

    def applied(self, content: bytes) -> bytes:
        if self.data is None:
            return content[: self.offset].ljust(self.offset, b"\0")
        return content[: self.offset].ljust(self.offset, b"\0") + self.data + content[self.offset + len(self.data) :]

    def torn(self, chance: random.Random) -> _Change:
        return self if self.data is None else _Change(self.offset, self.data[: chance.randrange(len(self.data) + 1)])


@dataclass
class _Folder:
    names: dict[str, _File | _Folder] = field(default_factory=dict)
    changes: list[dict[str, _File | _Folder | None]] = field(default_factory=list)

    @property
    def live(self) -> dict[str, _File | _Folder]:
        """The names as a program sees them."""
        return self._with(self.changes)

    def sync(self) -> None:
        self.names = self.live
        self.changes.clear()

    def left(self, kept: Kept, chance: random.Random) -> dict[str, _File | _Folder]:
        return self._with([change for change in self.changes if chance.random() < kept.names])

    def _with(self, changes: list[dict[str, _File | _Folder | None]]) -> dict[str, _File | _Folder]:
        names: dict[str, _File | _Folder | None] = {**self.names}
        for change in changes:
            names |= change
        return {name: node for name, node in names.items() if node is not None}


class Disk:
    """A folder on a disk, all of it durable, and what happens to it.

    Args:
        folder: As it is now.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder
        self._by_inode: dict[int, _File | _Folder] = {}
        self._root = self._read(folder)

    def _read(self, folder: Path) -> _Folder:
        found = _Folder()
        for path in folder.iterdir():
            facts = path.stat()
            times = facts.st_atime_ns, facts.st_mtime_ns
            node = self._read(path) if path.is_dir() else _File(path.read_bytes(), times)
            found.names[path.name] = node
            self._by_inode[facts.st_ino] = node
        self._by_inode[folder.stat().st_ino] = found
        return found

    def copy(self) -> Self:
        """Another disk with the same content."""
        return copy.deepcopy(self)

    def apply(self, event: Event) -> None:
        """Have something happen."""
        if event.result < 0:
            return
        match event.operation:
            case Operation.OPEN if EventFlag.CREATED in event.flags:
                self._by_inode[event.inode] = new = _File()
                if EventFlag.NAMELESS not in event.flags:
                    self._name(event.path, new)
            case Operation.OPEN if EventFlag.TRUNCATED in event.flags:
                self._file(event).changes.append(_Change(0, None))
            case Operation.WRITE:
                self._file(event).changes.append(_Change(event.offset, event.data))
            case Operation.TRUNCATE if EventFlag.ALLOCATED not in event.flags:
                self._file(event).changes.append(_Change(event.length, None))
            case Operation.SYNC:
                self._by_inode[event.inode].sync()
            case Operation.MKDIR:
                self._by_inode[event.inode] = folder = _Folder()
                self._name(event.path, folder)
            case Operation.UNLINK | Operation.RMDIR:
                self._name(event.path, None)
            case Operation.RENAME:
                above, name = self._place(event.path)
                above_target, target = self._place(event.other)
                assert above is above_target, f"{event.path} is renamed into another folder"
                above.changes.append({target: above.live[name], name: None})
            case Operation.LINK:
                above, name = self._place(event.path)
                self._name(event.other, above.live[name])
            case Operation.SYMLINK:
                raise AssertionError(f"{event.path} is a symbolic link, which the model does not know")
            case _:
                pass

    def write(self, folder: Path, kept: Kept) -> str:
        """Write what is there after a loss of power; returns a digest of it."""
        chance, digest = random.Random(repr(kept)), hashlib.sha256()
        for path, file in _left(self._root, folder, kept, chance):
            content = None if file is None else file.left(kept, chance)
            digest.update(repr((path.relative_to(folder).as_posix(), content)).encode())
            if file is None or content is None:
                path.mkdir()
                continue
            path.write_bytes(content)
            if file.times_ns is not None:
                # A file that nobody wrote is known by its time.
                os.utime(path, ns=file.times_ns)
        return digest.hexdigest()

    def _file(self, event: Event) -> _File:
        found = self._by_inode[event.inode]
        assert isinstance(found, _File)
        return found

    def _place(self, path: str) -> tuple[_Folder, str]:
        *above, name = Path(path).relative_to(self._path).parts
        folder = self._root
        for part in above:
            inner = folder.live[part]
            assert isinstance(inner, _Folder)
            folder = inner
        return folder, name

    def _name(self, path: str, node: _File | _Folder | None) -> None:
        folder, name = self._place(path)
        folder.changes.append({name: node})


def _left(folder: _Folder, path: Path, kept: Kept, chance: random.Random) -> Iterator[tuple[Path, _File | None]]:
    yield path, None
    for name, node in sorted(folder.left(kept, chance).items()):
        if isinstance(node, _Folder):
            yield from _left(node, path / name, kept, chance)
        else:
            yield path / name, node
