# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Holds the pinned packages to a list of known advisories, without a network: ``python .ci/audit.py LOCK...``.

The exit code is 1 when a lock pins a version with a known fault, or a package without a hash. A list that is older than
half a year is told, because what was published since is not in it.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from packaging.version import Version

LIST = Path(__file__).with_name("advisories.toml")
OLD = timedelta(days=183)

_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)(.*?)(?=^\S|\Z)", re.MULTILINE | re.DOTALL)


def problems(lock: Path) -> Iterator[str]:
    """What is wrong with the pins of a file, a line each."""
    known = tomllib.loads(LIST.read_text(encoding="utf-8"))["first_sound_version"]
    pins = list(_PIN.finditer(lock.read_text(encoding="utf-8")))
    if not pins:
        yield f"{lock}: no package is pinned"
    for name, version, rest in (pin.groups() for pin in pins):
        if "--hash=sha256:" not in rest:
            yield f"{lock}: {name} {version} has no hash"
        advisory = known.get(name.lower().replace("_", "-"))
        if advisory is not None and Version(version) < Version(advisory["version"]):
            yield f"{lock}: {name} {version} is below {advisory['version']}: {advisory['advisories']}"


def main(locks: list[str]) -> int:
    """Print the problems of the locks, and return the exit code."""
    found = [problem for lock in locks for problem in problems(Path(lock))]
    until = tomllib.loads(LIST.read_text(encoding="utf-8"))["published_until"]
    assert isinstance(until, date)  # noqa: S101 - the file is ours
    lines = [*found, f"{len(found)} problems in {len(locks)} locks, by advisories published until {until}"]
    if datetime.now(UTC).date() - until > OLD:
        lines.append(f"the list is old: look for what was published after {until}, and append it to {LIST.name}")
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
