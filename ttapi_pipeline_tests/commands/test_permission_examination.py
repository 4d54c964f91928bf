# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Files that other users may read: named with the way out, closed by `--repair`, and they stay closed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ttapi_pipeline.commands.permission_examination import examine_permissions
from ttapi_pipeline.core.environments import Environment
from ttapi_pipeline.core.files import replacing
from ttapi_pipeline.core.settings import Settings

REAL = replace(Settings(), environment=Environment.PRODUCTION, api_url="https://example.test")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "data").mkdir()
    for name in ("accounts.csv", "accounts.json", "quotes.csv"):
        (tmp_path / "data" / name).write_text("rows")
    return replace(REAL, data_dir=str(tmp_path / "data"))


def modes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mode & 0o777 for path in sorted(folder.iterdir()) if path.is_file()}


def test_open_files_are_named_and_closed_and_stay_closed(settings: Settings, tmp_path: Path) -> None:
    dotenv, data = tmp_path / ".env", tmp_path / "data"
    dotenv.write_text("# TT_REFRESH_TOKEN=\nexport TT_CLIENT_SECRET=canary-4711\n")
    for path in (dotenv, *data.iterdir()):
        path.chmod(0o644)
    found = list(examine_permissions(settings, is_repairing=False, dotenv=dotenv))
    assert [finding.is_good for finding in found] == [False] * 3
    assert [
        f"chmod 600 {path}" in finding.text
        for path, finding in zip((dotenv, data / "accounts.csv", data / "accounts.json"), found, strict=True)
    ] == [True] * 3
    assert all(finding.is_good for finding in examine_permissions(settings, is_repairing=True, dotenv=dotenv))
    assert modes(data) == {"accounts.csv": 0o600, "accounts.json": 0o600, "quotes.csv": 0o644}
    kept = [data / "accounts" / "1.parquet", data / "balances_history" / "2026-11-20-1.parquet"]
    for path in kept:
        path.parent.mkdir()
        path.write_text("rows")
        path.chmod(0o644)
    found = list(examine_permissions(settings, is_repairing=False, dotenv=dotenv))
    assert [f"chmod 600 {path}" in finding.text for path, finding in zip(kept, found, strict=True)] == [True, True]
    assert all(finding.is_good for finding in examine_permissions(settings, is_repairing=True, dotenv=dotenv))
    with replacing(data / "accounts.csv") as staging:
        staging.write_text("new rows")
    (finding,) = examine_permissions(settings, is_repairing=False, dotenv=dotenv)
    assert finding.is_good


@pytest.mark.parametrize("text", ["", "TT_CLIENT_SECRET=\n", "# TT_CLIENT_SECRET=x\n", "TT_LIST=2\n"])
def test_a_file_without_credentials_and_invented_accounts_may_be_read(
    settings: Settings, tmp_path: Path, text: str
) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text(text)
    simulated = replace(settings, environment=Environment.SIMULATOR)
    for file in (dotenv, tmp_path / "missing"):
        (finding,) = examine_permissions(simulated, is_repairing=False, dotenv=file)
        assert finding.is_good
