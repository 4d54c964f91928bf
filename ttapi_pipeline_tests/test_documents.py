# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The documents are where the code and other documents say that they are."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest

from ttapi_pipeline_tests.support.documents import DOCUMENTS, ROOT, headings, name_of, text_of
from ttapi_pipeline_tests.test_architecture import BELOW

SOURCES = sorted(
    path
    for folder in ("ttapi_pipeline", "ttapi_pipeline_tests", "benchmarks")
    for path in (ROOT / folder).rglob("*.py")
)
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
CITATION = re.compile(r'(docs/[\w./-]+\.md)(?:, "([^"]+)")?')


def test_the_picture_of_the_graph_is_that_of_the_declarations() -> None:
    program = [sys.executable, str(ROOT / ".ci" / "asset_graph.py")]
    drawn = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert (ROOT / "docs" / "asset-graph.svg").read_text(encoding="utf-8") == drawn, "`make docs` draws it"


def anchor(heading: str) -> str:
    """The fragment that GitHub gives to a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def prose(path: Path) -> str:
    """A source text in which a sentence of a comment or docstring is in one piece."""
    return re.sub(r"\n\s*(?:#\s?)?", " ", path.read_text(encoding="utf-8"))


def citations() -> Iterator[tuple[str, str, str]]:
    for path in SOURCES:
        if path.name != "test_documents.py":
            yield from ((name_of(path), *found) for found in CITATION.findall(prose(path)))


def links() -> Iterator[tuple[str, str]]:
    for path in DOCUMENTS:
        targets = LINK.findall(text_of(path))
        yield from ((name_of(path), target) for target in targets if not re.match(r"\w+:", target))


def test_the_walk_finds_documents_and_citations() -> None:
    assert {"README.md", "docs/volatility.md", "docs/protocols/dxlink.md"} <= {name_of(path) for path in DOCUMENTS}
    assert len(list(citations())) > 20
    assert len(list(links())) > 10


@pytest.mark.parametrize(("source", "document", "heading"), sorted(set(citations())))
def test_a_cited_document_and_its_heading_exist(source: str, document: str, heading: str) -> None:
    path = ROOT / document
    assert path.is_file(), f"{source} cites {document}"
    assert not heading or heading in headings(path), f"{source} cites {heading!r}; there are {headings(path)}"


@pytest.mark.parametrize(("source", "target"), sorted(set(links())))
def test_a_relative_link_leads_to_a_file_and_a_heading(source: str, target: str) -> None:
    file, _, fragment = target.partition("#")
    path = (ROOT / source).parent / unquote(file) if file else ROOT / source
    assert path.exists(), f"{source} links to {target}"
    assert not fragment or fragment in {anchor(heading) for heading in headings(path)}, f"{source} links to {target}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_no_heading_of_a_document_stands_twice(path: Path) -> None:
    found = headings(path)
    assert len(found) == len(set(found))


@pytest.mark.parametrize("path", DECISIONS, ids=name_of)
def test_a_decision_has_the_parts_of_the_template_and_a_line_in_the_index(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences", "What was rejected"]
    number = path.name.partition("-")[0]
    (title,) = re.findall(rf"^# {number}\. (.+)$", text, re.MULTILINE)
    assert f"| [{number}]({path.name}) | {title} |" in (path.parent / "README.md").read_text(encoding="utf-8")


def test_the_map_of_the_rooms_has_what_a_room_imports_below_it() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    (rows,) = re.findall(r"^```text\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    # Names stand in the columns before what is said of them.
    row_of = {name: row for row, line in enumerate(rows.splitlines()) for name in re.findall(r"\w+", line[:38])}
    rooms = {name for name in BELOW if name != "__init__"}
    assert rooms <= row_of.keys()
    assert [(room, other) for room in rooms for other in BELOW[room] if row_of[other] <= row_of[room]] == []
