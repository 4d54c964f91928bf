# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Every module can be imported, and datasets can be refreshed, where the modules of POSIX systems are absent.

That is not Windows: it shows that nothing of ours needs these modules, and no more.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from ttapi_pipeline_tests.support.documents import ROOT
from ttapi_pipeline_tests.support.projects import environment_of_users, make_project

WITHOUT_POSIX = """
import builtins, os, signal, sys

ABSENT = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "termios", "tty"}
import_module = builtins.__import__

def import_for_ours(name, globals=None, locals=None, fromlist=(), level=0):
    importer = (globals or {}).get("__name__", "")
    if name.split(".")[0] in ABSENT and importer.split(".")[0] == "ttapi_pipeline":
        raise ModuleNotFoundError(f"no module named {name} for {importer}")
    return import_module(name, globals, locals, fromlist, level)

builtins.__import__ = import_for_ours
del os.pread, os.preadv
"""
"""What others import is theirs: the standard library imports fcntl for its own loop on this system."""

EVERY_MODULE = """
import importlib, pkgutil
import ttapi_pipeline
names = [each.name for each in pkgutil.walk_packages(ttapi_pipeline.__path__, "ttapi_pipeline.")]
for name in names:
    # A worker of Celery is made by its import, and needs the extra.
    if not name.endswith(("__main__", "celery_worker")):
        importlib.import_module(name)
print(len(names))
"""


def run(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_POSIX + code],
        cwd=folder,
        env={**environment_of_users(), "DAGSTER_HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )


def test_the_modules_are_absent_for_ours_alone(tmp_path: Path) -> None:
    code = "import fcntl; exec('import fcntl', {'__name__': 'ttapi_pipeline.x'})"
    assert "no module named fcntl for ttapi_pipeline.x" in run(code, tmp_path).stderr


def test_every_module_is_imported_without_them(tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").write_text("")
    done = run(EVERY_MODULE, make_project(tmp_path))
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.splitlines()[-1]) >= len(list((ROOT / "ttapi_pipeline").rglob("*.py"))) // 2


def test_datasets_are_refreshed_and_reused_without_them(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    refresh = "from ttapi_pipeline.cli import main; sys.exit(main(['refresh', 'symbols', 'daily_candles']))"
    first, second = run(refresh, project), run(refresh, project)
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert "hit" in second.stdout
    assert (project / "data" / "daily_candles.parquet").is_file()
