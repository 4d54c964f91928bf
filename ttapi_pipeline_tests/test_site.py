# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The site of the documents is built without a warning and without a network, has every document, and is whole."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree

import pytest
import yaml  # type: ignore[import-untyped]

from ttapi_pipeline_tests.support.documents import ROOT

NAVIGATION = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]

NO_NETWORK = """
import socket, sys
def refuse(*arguments, **named): raise PermissionError("a network is asked for", arguments)
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
from mkdocs.__main__ import cli
cli(["build", "--strict", "--quiet", "--site-dir", sys.argv[1]])
"""


def pages(entry: Any) -> Iterator[str]:
    """The pages of an entry of the navigation."""
    match entry:
        case str():
            yield entry
        case dict():
            for each in entry.values():
                yield from pages(each)
        case list():
            for each in entry:
                yield from pages(each)


class Page(HTMLParser):
    """What a page of the site loads, links to, and can be linked to."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value for name, value in attrs if value}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        if tag in {"script", "img", "iframe", "source"} and "src" in values:
            self.loads.append(values["src"])
        if tag == "link" and values.get("rel") != "canonical" and "href" in values:
            self.loads.append(values["href"])
        if tag == "a" and "href" in values:
            self.links.append(values["href"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("material", reason="`make ci` installs what builds the site")
    folder = tmp_path_factory.mktemp("site")
    # The warnings of MkDocs alone make a build fail; that of material about its own future is none of them.
    done = subprocess.run(
        [sys.executable, "-c", NO_NETWORK, str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_the_navigation_has_every_document_once() -> None:
    listed = [page for page in pages(NAVIGATION) if not page.startswith(("project/", "source/"))]
    assert len(listed) == len(set(listed))
    there = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    # Decisions are listed by the hook, each by its title.
    assert {page for page in there if not re.match(r"decisions/\d", page)} - set(listed) == set()


@pytest.mark.parametrize("picture", sorted((ROOT / "docs").rglob("*.svg")), ids=lambda path: path.stem)
def test_a_drawn_picture_loads_nothing_and_names_no_machine(picture: Path) -> None:
    text = picture.read_text(encoding="utf-8")
    ElementTree.fromstring(text)
    assert re.findall(r"url\((?!#)[^)]*|href=[\"'](?!#)[^\"']*|@import", text) == []
    assert re.findall(r"/(?:root|tmp|work|Users)/", text) == []


@pytest.mark.thorough
class TestTheBuiltSite:
    def test_every_document_is_a_page(self, site: Path) -> None:
        documents = [path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md")]
        expected = [
            path.parent / "index.html" if path.name == "README.md" else path.with_suffix(".html") for path in documents
        ]
        assert [path for path in expected if not (site / path).is_file()] == []
        for name in ("index", "CHANGELOG", "CONTRIBUTING"):
            assert (site / "project" / f"{name}.html").is_file()
        assert (site / "source" / "examples" / "four_questions.ipynb.html").is_file()

    def test_nothing_is_loaded_from_another_host(self, site: Path) -> None:
        for path in site.rglob("*.html"):
            assert [each for each in Page(path).loads if urlsplit(each).netloc] == [], path
        styles = "".join(path.read_text(encoding="utf-8") for path in site.rglob("*.css"))
        assert re.findall(r"url\(\s*[\"']?(?:https?:)?//[^)]*", styles) == []

    def test_every_link_within_the_site_leads_to_a_page_and_a_heading(self, site: Path) -> None:
        found = {path: Page(path) for path in site.rglob("*.html") if path.name != "404.html"}
        broken = []
        for path, page in found.items():
            for link in page.links:
                parts = urlsplit(link)
                if parts.scheme or parts.netloc:
                    continue
                target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
                target = target / "index.html" if target.is_dir() else target
                anchor = unquote(parts.fragment)
                is_whole = target.is_file() and (not anchor or target not in found or anchor in found[target].anchors)
                broken += [] if is_whole else [f"{path.relative_to(site)}: {link}"]
        assert broken == []

    def test_no_page_has_markup_that_was_not_understood(self, site: Path) -> None:
        for path in site.rglob("*.html"):
            text = re.sub(r"<(pre|code)\b.*?</\1>", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
            body = re.sub(r"<[^>]+>", "", text)
            assert "```" not in body, path
            assert re.findall(r"^\|.*\|$", body, re.MULTILINE) == [], path

    def test_the_notebook_is_shown_with_its_pictures(self, site: Path) -> None:
        text = (site / "source" / "examples" / "four_questions.ipynb.html").read_text(encoding="utf-8")
        assert text.count('src="data:image/png;base64,') == 4
