# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What processes and folders take up: descriptors, threads, memory, files, bytes; and whether it grows."""

from __future__ import annotations

import os
import statistics
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")


@dataclass(frozen=True)
class Usage:
    """Of a process and all that it has started.

    Attributes:
        processes, descriptors, threads: Their number.
        pss_mb: Memory, with a fair share of what is shared, in MiB.
    """

    processes: int
    descriptors: int
    threads: int
    pss_mb: float


def descendants(pid: int) -> Sequence[int]:
    """A process and all that it has started, as long as none of those in between has ended."""
    children: dict[int, list[int]] = {}
    for path in _PROC.iterdir():
        if path.name.isdigit():
            with suppress(OSError):
                fields = (path / "stat").read_text().rpartition(")")[2].split()
                if fields[0] not in {"Z", "X"}:
                    children.setdefault(int(fields[1]), []).append(int(path.name))
    found, left = [], [pid]
    while left:
        each = left.pop()
        found.append(each)
        left += children.get(each, [])
    return found


def usage_of(pids: Sequence[int]) -> Usage:
    """What processes take up together; one that has just ended counts for nothing."""
    processes = descriptors = threads = 0
    kilobytes = 0
    for pid in pids:
        with suppress(OSError, ValueError):
            home = _PROC / str(pid)
            held, tasks = (len(list((home / name).iterdir())) for name in ("fd", "task"))
            rollup = (home / "smaps_rollup").read_text()
            pss = next(line for line in rollup.splitlines() if line.startswith("Pss:"))
            kilobytes += int(pss.split()[1])
            processes, descriptors, threads = processes + 1, descriptors + held, threads + tasks
    return Usage(processes, descriptors, threads, round(kilobytes / 1024, 1))


def bytes_and_files(folder: Path) -> tuple[int, int]:
    """Bytes and number of the files below a folder; a file that goes away meanwhile counts for nothing."""
    size = count = 0
    for root, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                size, count = size + os.stat(os.path.join(root, name)).st_size, count + 1  # noqa: PTH116, PTH118
    return size, count


def growth(samples: Sequence[Mapping[str, float]], name: str) -> tuple[float, float]:
    """The median of a value in the second third of samples, and in the last."""
    values = [each[name] for each in samples]
    third = len(values) // 3
    return statistics.median(values[third : 2 * third]), statistics.median(values[2 * third :])
