# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Which process is at work, noted so that another process can tell later whether it is still there.

An id alone is not enough: it is given again, and in every container the first process is number 1.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """One process on one machine, told apart from every other one that has or had its id.

    Attributes:
        pid: Its id, as it sees itself.
        host: Name of its machine or container.
        boot: Id of the start of the machine; empty where the system has none.
        pid_namespace: Within which processes its id means it; empty where the system has none.
        started: Ticks from the start of the machine to the start of the process; empty where the system has none.
        since: When it began what it was noted for, ISO 8601, UTC.
    """

    pid: int
    host: str
    boot: str
    pid_namespace: str
    started: str
    since: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host} since {self.since}"

    def to_strings(self) -> Mapping[str, str]:
        """Its attributes as text, for tags and files."""
        return {name: str(value) for name, value in asdict(self).items()}

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(self.to_strings())

    @classmethod
    def from_strings(cls, values: Mapping[str, str]) -> ProcessIdentity | None:
        """What `to_strings` gave; None when something is missing or no text."""
        names = [name for name in cls.__slots__ if name != "pid"]
        try:
            texts = {name: values[name] for name in names}
            are_texts = all(isinstance(each, str) for each in texts.values())
            return cls(pid=int(values["pid"]), **texts) if are_texts else None
        except (KeyError, TypeError, ValueError):
            return None

    @classmethod
    def from_json(cls, text: str) -> ProcessIdentity | None:
        """What `to_json` gave; None for anything else."""
        try:
            values = json.loads(text)
        except ValueError:
            return None
        return cls.from_strings(values) if isinstance(values, dict) else None

    def is_gone(self) -> bool | None:
        """Whether the process has ended; None when that cannot be seen from here.

        A process of another machine, of another container, or from before the machine was started again cannot be seen.
        """
        here = this_process()
        if not self.boot or (self.host, self.boot, self.pid_namespace) != (here.host, here.boot, here.pid_namespace):
            return None
        return _start_of(self.pid) != self.started


def this_process(now: datetime | None = None) -> ProcessIdentity:
    """The identity of this process, noted now."""
    pid, at = os.getpid(), now or datetime.now(UTC)
    return ProcessIdentity(
        pid=pid,
        host=socket.gethostname(),
        boot=_boot(),
        pid_namespace=_link(_PROC / "self/ns/pid"),
        started=_start_of(pid) or "",
        since=at.isoformat(timespec="seconds"),
    )


def is_alive(pid: int) -> bool:
    """Whether there is a process with this id here, and it is not merely waiting to be buried by its parent."""
    if _PROC.is_dir():
        return _start_of(pid) is not None
    try:
        # Signal 0 is not delivered: it asks whether there is such a process.
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        # It lives, and is another user's.
        return True
    return True


def command_lines() -> Iterator[tuple[int, list[str]]]:
    """The id and the command line of each process that can be seen; none where the system has no /proc."""
    for folder in _PROC.glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")[:-1]
        except OSError:
            # It has ended.
            continue
        yield int(folder.name), [os.fsdecode(word) for word in words]


def started_at(pid: int) -> datetime | None:
    """When a process was started, to the tenth of a second; None when it is not there, or the system does not tell."""
    ticks = _start_of(pid)
    if not ticks:
        return None
    uptime = float((_PROC / "uptime").read_text().split()[0])
    age = uptime - int(ticks) / os.sysconf("SC_CLK_TCK")
    return datetime.fromtimestamp(datetime.now(UTC).timestamp() - age, UTC)


def _start_of(pid: int) -> str | None:
    """Field 22 of /proc/PID/stat: ticks from the start of the machine; None when the process has ended."""
    try:
        stat = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    # The second field is the name of the program, which may contain spaces and parentheses.
    fields = stat.rpartition(")")[2].split()
    is_over = fields[0] in {"Z", "X"}
    return None if is_over else fields[19]


@cache
def _boot() -> str:
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _link(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return ""
