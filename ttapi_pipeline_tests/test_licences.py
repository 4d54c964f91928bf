# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Every file says whose it is and under which licence, by its own lines or in REUSE.toml; `.ci/licences.py` looks."""

from __future__ import annotations

import importlib.util
import re
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

from ttapi_pipeline_tests.support.documents import ROOT


def program() -> ModuleType:
    """`.ci/licences.py`, which is in no package."""
    spec = importlib.util.spec_from_file_location("licences", ROOT / ".ci" / "licences.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def tracked() -> list[str]:
    if not (ROOT / ".git").exists():
        pytest.skip("git knows which files there are, and this is no clone")
    names: list[str] = program().tracked()
    return names


def test_every_file_has_the_lines_of_copyright_and_licence() -> None:
    names = tracked()
    assert len(names) > 700
    assert list(program().without_lines(names)) == []


def test_the_holder_is_that_of_the_licence() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    (holder,) = re.findall(r"^Copyright \(c\) (.*)$", text, re.MULTILINE)
    assert f"SPDX-FileCopyrightText: {holder}" == program().COPYRIGHT
    assert text.startswith("MIT License")
    assert (ROOT / "LICENSES" / "MIT.txt").read_text(encoding="utf-8") == text


# REUSE-IgnoreStart: these are no statements about this file.
OURS = "SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors"
MIT = "SPDX-License-Identifier: MIT"
# REUSE-IgnoreEnd


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("a.py", f'# {MIT}\n"""Text."""\n', f'# {OURS}\n# {MIT}\n"""Text."""\n'),
        ("run.sh", "#!/bin/sh\nset -e\n", f"#!/bin/sh\n# {OURS}\n# {MIT}\nset -e\n"),
        ("page.md", "# Title\n", f"<!-- {OURS} -->\n<!-- {MIT} -->\n\n# Title\n"),
    ],
)
def test_lines_are_added_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, before: str, after: str
) -> None:
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    reuse = f'version = 1\n# {OURS}\n# {MIT}\n[[annotations]]\npath = ["**/*.csv"]\n'
    (tmp_path / "REUSE.toml").write_text(reuse)
    (tmp_path / name).write_text(before)
    (tmp_path / "rows.csv").write_text("a,b\n")
    subprocess.run(["git", "add", "."], cwd=tmp_path, check=True)
    licences = program()
    monkeypatch.setattr(licences, "ROOT", tmp_path)
    assert licences.main([]) == 1
    assert licences.main(["--add"]) == 0
    assert licences.main([]) == 0
    assert (tmp_path / name).read_text() == after
