# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The part of `tt doctor` that looks at who may read the credentials and what is stored of accounts."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

from ttapi_pipeline.commands.examination import Finding
from ttapi_pipeline.core.settings import SECRET_VARIABLES, Settings
from ttapi_pipeline.datasets.registry import DATASETS, HISTORIES
from ttapi_pipeline.storage.layout import open_folder
from ttapi_pipeline.storage.store import open_store

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def examine_permissions(settings: Settings, *, is_repairing: bool, dotenv: Path) -> Iterator[Finding]:
    """Which private files other users of this machine may read. A file that replaces one of them keeps its mode.

    Args:
        settings: Where the data is, and whether it is invented.
        is_repairing: Take the right from the others.
        dotenv: The file of the settings; it may be absent.
    """
    private = [*_with_credentials(dotenv), *_of_accounts(settings)]
    open_to_others = [path for path in private if path.stat().st_mode & _OTHERS]
    for path in open_to_others:
        if is_repairing:
            path.chmod(stat.S_IMODE(path.stat().st_mode) & ~_OTHERS)
        text = (
            f"{path} could be read by other users of this machine (closed)"
            if is_repairing
            else (f"{path} can be read by other users of this machine: chmod 600 {path}, or `tt doctor --repair`")
        )
        yield Finding("permissions", text, is_good=is_repairing)
    if not open_to_others:
        yield Finding("permissions", "credentials and accounts are for this user alone", is_good=True)


def _with_credentials(dotenv: Path) -> Iterator[Path]:
    try:
        lines = dotenv.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    given = [line.split("=", 1) for line in lines if "=" in line and not line.lstrip().startswith("#")]
    if any(name.removeprefix("export ").strip() in SECRET_VARIABLES and value.strip() for name, value in given):
        yield dotenv


def _of_accounts(settings: Settings) -> Iterator[Path]:
    """Accounts of the simulator are invented."""
    folder = open_store(open_folder(settings.data_dir)).local_folder
    if settings.is_simulated or folder is None:
        return
    private = {name for name, dataset in DATASETS.items() if dataset.is_private}
    for name in sorted(private):
        yield from sorted(path for path in folder.glob(f"{name}*") if path.is_file())
    # What was kept of them.
    for name in sorted(private | {history.name for history in HISTORIES.values() if history.of in private}):
        yield from sorted((folder / name).glob("*.parquet"))
