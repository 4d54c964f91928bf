# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The entry point of the image: secrets of other programs come from files into their environment, or it ends."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ttapi_pipeline_tests.support.documents import ROOT

ENTRY_POINT = ROOT / "deploy" / "image" / "entrypoint.sh"
SHOW = 'printf "%s|%s" "$DAGSTER_PG_PASSWORD" "${DAGSTER_PG_PASSWORD_FILE-gone}"'


def enter(file: Path) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": "/usr/bin:/bin", "DAGSTER_PG_PASSWORD_FILE": str(file)}
    command = ["sh", str(ENTRY_POINT), "sh", "-c", SHOW]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("text", ["s3cr3t", "s3cr3t\n", "s3cr3t\r\n", "s3cr3t\n\n"])
def test_a_secret_is_handed_on_without_its_line_end_and_its_file(tmp_path: Path, text: str) -> None:
    file = tmp_path / "password"
    file.write_bytes(text.encode())
    assert enter(file).stdout == "s3cr3t|gone"


@pytest.mark.parametrize("text", [" \n", "\r\n", "s3cr3t\nother\n", "a s3cr3t"])
def test_what_is_no_secret_ends_it_and_is_not_shown(tmp_path: Path, text: str) -> None:
    file = tmp_path / "password"
    file.write_bytes(text.encode())
    done = enter(file)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"DAGSTER_PG_PASSWORD_FILE is {file}, which has to hold one word: the secret\n"


def test_an_empty_file_a_folder_and_nothing_end_it(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    for file in (tmp_path / "empty", tmp_path, tmp_path / "missing"):
        done = enter(file)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(f"DAGSTER_PG_PASSWORD_FILE is {file}, which is empty, or no file, or cannot be")
