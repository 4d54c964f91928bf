# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The pinned packages have no fault that the list of advisories knows, and the program that says so finds one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ttapi_pipeline_tests.support.documents import ROOT


def audit(*locks: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / ".ci" / "audit.py"), *map(str, locks)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_locks_pin_no_version_with_a_known_fault() -> None:
    done = audit(*sorted(ROOT.glob("requirements*.lock")))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("0 problems in 4 locks, by advisories published until ")


@pytest.mark.parametrize(
    ("lock", "problem"),
    [
        ("jinja2==3.1.5 \\\n    --hash=sha256:aa\n", "jinja2 3.1.5 is below 3.1.6: CVE-2024-56201"),
        ("Jinja2==2.0 ; python_version > '3' \\\n    --hash=sha256:aa\n", "Jinja2 2.0 is below 3.1.6"),
        ("idna==3.20\nh11==0.16.0 \\\n    --hash=sha256:aa\n", "idna 3.20 has no hash"),
        ("# nothing\n", "no package is pinned"),
    ],
)
def test_a_fault_is_named(tmp_path: Path, lock: str, problem: str) -> None:
    file = tmp_path / "requirements.lock"
    file.write_text(lock)
    done = audit(file)
    assert done.returncode == 1
    assert f"{file}: {problem}" in done.stdout
