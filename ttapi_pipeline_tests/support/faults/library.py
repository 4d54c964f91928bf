# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Builds the library that stands between a process and its file system, and arms it in a process that preloads it."""

from __future__ import annotations

import ctypes
import errno
import hashlib
import os
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from pathlib import Path
from typing import Final

_SOURCE: Final = Path(__file__).with_name("shim.c")
_COMMAND: Final = (
    "-Wall",
    "-Wextra",
    "-Wno-missing-field-initializers",
    "-Werror",
    "-O1",
    "-shared",
    "-fPIC",
    "-pthread",
)
_RECORD: Final = struct.Struct("=IIqqqqqIIQ")


class Operation(IntEnum):
    """What a program asks of the file system."""

    OPEN, WRITE, TRUNCATE, RENAME, LINK, SYMLINK, UNLINK, MKDIR, RMDIR, SYNC, ATTRIBUTES, CLOSE, MARK = range(13)


class EventFlag(IntFlag):
    """More about an event."""

    CREATED, TRUNCATED, APPENDED, NAMELESS, ALLOCATED = (1 << bit for bit in range(5))


class Action(IntEnum):
    """What happens at the chosen event.

    `KILL` ends the process before it, `TEAR` in the middle of a write. `FAIL` tells an error. `SHORT` writes one half,
    as a disk does that is full, and tells an error where nothing is written.
    """

    COUNT, KILL, TEAR, FAIL, SHORT = range(5)


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a record.

    Attributes:
        operation: What was asked for.
        flags: More about it.
        inode: Of the file that was opened, written, synced or renamed, and of the folder that was made.
        offset, length: Of a write; the length alone of a truncation, and the value of a mark.
        result: As the system answered; negative for an error.
        path: Of the file or folder.
        other: Where it was renamed or linked to.
        data: The bytes that were written.
    """

    operation: Operation
    flags: EventFlag
    inode: int
    offset: int
    length: int
    result: int
    path: str
    other: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong.

    Attributes:
        at: The number of the event, from 1.
        action: What happens to it.
        error: The error that is told.
        lasting: The operations that fail from then on.
    """

    at: int
    action: Action
    error: int = 0
    lasting: Collection[Operation] = ()

    def __str__(self) -> str:
        words = {Action.KILL: "killed", Action.TEAR: "killed within a write"}.get(self.action)
        if words is None:
            words = f"{errno.errorcode[self.error]} {'from then on' if self.lasting else 'once'}"
        return f"event {self.at}: {words}"


def unavailable() -> str | None:
    """Why the library cannot be built here; None where it can."""
    if not sys.platform.startswith("linux"):
        return "faults are injected by LD_PRELOAD, which Linux has"
    return None if _compiler() else "faults are injected by a library in C, and there is no compiler"


def build() -> Path:
    """The library; made once per version of its source, and kept in the machine's temporary folder."""
    compiler = _compiler()
    assert compiler is not None
    key = hashlib.sha256(_SOURCE.read_bytes() + repr((compiler, _COMMAND)).encode()).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"ttapi-faults-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    # What another user put there would be loaded into our processes.
    assert folder.stat().st_uid == os.getuid(), f"{folder} is another user's: remove it, or set TMPDIR"
    target = folder / f"{key}.so"
    if not target.exists():
        staged = target.with_suffix(f".{os.getpid()}.staged")
        subprocess.run([compiler, *_COMMAND, "-o", str(staged), str(_SOURCE), "-ldl"], check=True, timeout=120)
        staged.replace(target)
    return target


class Shim:
    """The library as it is preloaded into this process.

    Args:
        library: Its file, the same that LD_PRELOAD names.
    """

    def __init__(self, library: Path) -> None:
        self._library = ctypes.CDLL(str(library))
        self._library.fault_arm.argtypes = [
            ctypes.c_char_p,
            ctypes.c_long,
            ctypes.c_int,
            ctypes.c_int,
            ctypes.c_uint,
            ctypes.c_int,
        ]
        self._library.fault_arm.restype = None
        self._library.fault_disarm.restype = ctypes.c_long
        self._library.fault_mark.argtypes = [ctypes.c_long]
        self._library.fault_mark.restype = None

    def arm(self, folder: Path, fault: Fault | None, *, record: int = -1) -> None:
        """Begin to count the events below a folder, a real path; `record` is the descriptor that takes them."""
        chosen = fault or Fault(0, Action.COUNT)
        bits = sum(1 << operation for operation in chosen.lasting)
        self._library.fault_arm(os.fsencode(folder), chosen.at, chosen.action, chosen.error, bits, record)

    def disarm(self) -> int:
        """Stop counting; how many events there were."""
        return int(self._library.fault_disarm())

    def mark(self, value: int) -> None:
        """Put a mark between the recorded events."""
        self._library.fault_mark(value)


def read_events(path: Path) -> Iterator[Event]:
    """The events of a record, in their order."""
    content = path.read_bytes()
    at = 0
    while at < len(content):
        operation, flags, _, inode, offset, length, result, *sizes = _RECORD.unpack_from(content, at)
        at += _RECORD.size
        pieces = []
        for size in sizes:
            pieces.append(content[at : at + size])
            at += size
        name, other, data = pieces
        yield Event(
            operation=Operation(operation),
            flags=EventFlag(flags),
            inode=inode,
            offset=offset,
            length=length,
            result=result,
            path=os.fsdecode(name),
            other=os.fsdecode(other),
            data=data,
        )


def _compiler() -> str | None:
    return shutil.which("cc") or shutil.which("gcc")
