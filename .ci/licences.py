# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Says which files lack the lines of copyright and licence: ``python .ci/licences.py [--add]``.

Every file that git knows has both at its top, as comments, or its path is in REUSE.toml: data, pictures, and what has
no comments. With ``--add`` the lines are put where they are missing. The exit code is 1 when some are.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
# REUSE-IgnoreStart: these are no statements about this file.
COPYRIGHT: Final = "SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors"
LICENCE: Final = "SPDX-License-Identifier: MIT"
# REUSE-IgnoreEnd

HASH: Final = ("# ", "")
STYLES: Final = {
    **dict.fromkeys((".py", ".sh", ".toml", ".yaml", ".yml", ".service", ".timer", ".cfg"), HASH),
    **dict.fromkeys(("Makefile", ".gitignore", ".ci/run", "Dockerfile"), HASH),
    ".c": ("/* ", " */"),
    **dict.fromkeys((".md", ".svg", ".html"), ("<!-- ", " -->")),
    ".css": ("/* ", " */"),
    ".js": ("/* ", " */"),
}
"""What stands before and after a line of comment, by path, name or suffix."""


def main(arguments: Sequence[str]) -> int:
    """Name the files that lack a line, or add it; the exit code."""
    is_adding = "--add" in arguments
    lacking = list(without_lines(tracked()))
    for name in lacking:
        added = is_adding and add_lines(ROOT / name)
        sys.stdout.write(f"{name}: {'added' if added else 'lacks its lines of copyright and licence'}\n")
    return int(bool(lacking) and not is_adding)


def tracked() -> list[str]:
    """The paths that git knows, and that are there."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S607
    return [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def without_lines(names: Sequence[str]) -> Iterator[str]:
    """Those of these files that neither begin with the lines nor are in REUSE.toml."""
    patterns = covered()
    for name in names:
        if name != "LICENSE" and not name.startswith("LICENSES/") and not any(fnmatch(name, each) for each in patterns):
            top = (ROOT / name).read_bytes()[:600].decode(errors="replace").splitlines()[:6]
            if not all(any(line in each for each in top) for line in (COPYRIGHT, LICENCE)):
                yield name


def covered() -> list[str]:
    """The patterns of REUSE.toml; there `**` is any number of folders, which is what `*` is to `fnmatch`."""
    document = tomllib.loads((ROOT / "REUSE.toml").read_text(encoding="utf-8"))
    return [pattern.replace("**/", "*") for each in document["annotations"] for pattern in each["path"]]


def add_lines(path: Path) -> bool:
    """Put the lines that are missing at the top, below the line of the interpreter; whether the form is known."""
    name = path.relative_to(ROOT).as_posix()
    style = next((STYLES[each] for each in (name, path.name, path.suffix) if each in STYLES), None)
    if style is None:
        return False
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    at = 1 if lines and lines[0].startswith(("#!", "<?xml")) else 0
    before, after = style
    top = "".join(lines[:6])
    added = [f"{before}{line}{after}\n" for line in (COPYRIGHT, LICENCE) if line not in top]
    # An empty line keeps Markdown's first heading apart from the comment.
    is_apart = before == "<!-- " and len(added) == 2
    path.write_text("".join([*lines[:at], *added, *(["\n"] if is_apart else []), *lines[at:]]), encoding="utf-8")
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
