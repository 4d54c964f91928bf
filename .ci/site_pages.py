# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Brings what the documents link to into the site: a hook of MkDocs, which by itself knows the folder `docs` alone.

The same links work on the pages of the repository and in the site. A Markdown file elsewhere becomes a page, a notebook
a page with its outputs, and any other file or folder a page that shows it.
"""

from __future__ import annotations

import base64
import json
import posixpath
import re
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page
from pymdownx.slugs import slugify

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "data/README.md")
"""Pages outside of `docs` that are there even if nothing links to them; one that is missing is left out."""

_FENCED = re.compile(r"(^(?P<indent> *)(?P<fence>```+).*?^(?P=indent)(?P=fence)$)", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"(!?\[[^\]]*\]\()([^)\s]+)(\))")
_LANGUAGES = {".py": "python", ".toml": "toml", ".yaml": "yaml", ".yml": "yaml", ".json": "json", ".service": "ini"}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Give headings the fragments that the repository's pages give them, and list every decision."""
    config.mdx_configs.setdefault("toc", {})["slugify"] = slugify(case="lower")
    folder = Path(config.docs_dir)
    for section in config.nav or ():
        for title, pages in section.items() if isinstance(section, dict) else ():
            for place, page in enumerate(pages if isinstance(pages, list) else ()):
                if page == "decisions/README.md":
                    others = sorted(path.name for path in (folder / "decisions").glob("[0-9]*.md"))
                    section[title][place] = {"Decisions": [page, *(f"decisions/{name}" for name in others)]}
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for each file that a document links to and that is not below `docs`."""
    waiting = [f"docs/{file.src_uri}" for file in files.documentation_pages()]
    waiting += [name for name in DOCUMENTS if (ROOT / name).is_file()]
    seen: set[str] = set()
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        text = _text_of(path)
        if not path.startswith("docs/"):
            page = File.generated(config, page_of(path), content=text, inclusion=InclusionLevel.NOT_IN_NAV)
            files.append(page)
        waiting += [target for target in _targets(path, text) if not _is_of_docs(target)]
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001 - called by name
    """Turn the links of a page to files of the repository into links to their pages."""
    return relinked(markdown, repository_path(page.file.src_uri), page.file.src_uri)


def page_of(path: str) -> str:
    """The page, below the site's root, of a file or folder of the repository."""
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    if path.endswith(".md"):
        return f"project/{path}"
    return f"source/{path.rstrip('/')}.md"


def repository_path(page: str) -> str:
    """The file or folder of which a page is made; the other way round of `page_of`."""
    room, _, rest = page.partition("/")
    if room == "project":
        return rest
    return rest.removesuffix(".md") if room == "source" else f"docs/{page}"


def relinked(markdown: str, path: str, page: str) -> str:
    """The text of `path` as it stands on `page`: links lead to pages; code and other addresses are as they were."""

    def link(match: re.Match[str]) -> str:
        before, target, after = match.groups()
        if re.match(r"\w+:", target) or target.startswith("#"):
            return match[0]
        file, _, fragment = target.partition("#")
        there = posixpath.relpath(page_of(_resolved(path, file)), posixpath.dirname(page) or ".")
        return f"{before}{there}{'#' * bool(fragment)}{fragment}{after}"

    # The pattern's groups come with the pieces between fenced blocks: text, block, its indent, its fence, text, ...
    pieces = _FENCED.split(markdown)
    return "".join(
        _LINK.sub(link, piece) if place % 4 == 0 else piece * (place % 4 == 1) for place, piece in enumerate(pieces)
    )


def _targets(path: str, text: str) -> Iterator[str]:
    """What a document links to in the repository."""
    for piece in _FENCED.split(text)[::4] if path.endswith((".md", ".ipynb")) else ():
        for _, target, _ in _LINK.findall(piece):
            file = target.partition("#")[0]
            if file and not re.match(r"\w+:", target):
                yield _resolved(path, file)


def _resolved(path: str, target: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), unquote(target)))


def _is_of_docs(path: str) -> bool:
    return path.startswith("docs/")


def _text_of(path: str) -> str:
    """The Markdown of the page of a file or folder."""
    place = ROOT / path
    if place.is_dir():
        names = sorted(
            each.name + "/" * each.is_dir() for each in place.iterdir() if not each.name.startswith((".", "__"))
        )
        return "\n".join([f"# {path}", "", *(f"- `{name}`" for name in names), ""])
    text = place.read_text(encoding="utf-8")
    if place.suffix == ".md":
        return text
    if place.suffix == ".ipynb":
        return notebook_page(json.loads(text))
    longest = max(map(len, re.findall(r"`{3,}", text)), default=2)
    fence = "`" * (longest + 1)
    return f"# {path}\n\n{fence}{_LANGUAGES.get(place.suffix, 'text')}\n{text}\n{fence}\n"


def notebook_page(notebook: dict[str, Any]) -> str:
    """The Markdown of an executed notebook: its texts, its code, what that printed, and its pictures."""
    parts = []
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
        elif cell["cell_type"] == "code":
            parts.append(f"```python\n{source}\n```")
            parts += [shown for output in cell["outputs"] if (shown := _output(output))]
    return "\n\n".join(parts) + "\n"


def _output(output: dict[str, Any]) -> str:
    data = output.get("data", {})
    if "image/png" in data:
        picture = base64.b64encode(base64.b64decode(data["image/png"])).decode()
        words = escape("".join(data.get("text/plain", "a chart")), quote=True)
        return f'<img alt="{words}" src="data:image/png;base64,{picture}">'
    text = "".join(output.get("text", data.get("text/plain", ""))).rstrip()
    return f"```text\n{text}\n```" if text else ""
