# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The project's documents and sources, for tests that read them."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Final

import ttapi_pipeline

ROOT: Final = Path(ttapi_pipeline.__file__).parents[1]
PACKAGE: Final = ROOT / "ttapi_pipeline"
DOCUMENTS: Final = sorted({*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "data" / "README.md"})

_FENCED: Final = re.compile(r"^( *)```.*?^\1```$", re.DOTALL | re.MULTILINE)
_PYTHON: Final = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_HEADING: Final = re.compile(r"^#+ (.+)$", re.MULTILINE)


def name_of(path: Path) -> str:
    """A file's path in the project, for the ids of tests."""
    return path.relative_to(ROOT).as_posix()


@cache
def text_of(path: Path) -> str:
    """A document without its blocks of code."""
    return _FENCED.sub("", path.read_text(encoding="utf-8"))


def headings(path: Path) -> list[str]:
    """A document's headings, in order."""
    return _HEADING.findall(text_of(path))


def python_blocks(path: Path) -> list[str]:
    """The programs that a document shows."""
    return _PYTHON.findall(path.read_text(encoding="utf-8"))
