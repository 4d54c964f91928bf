# SPDX-License-Identifier: MIT
"""The state of every dataset at once: what is stored, and the verdict on it. Needs neither Polars nor Dagster."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from ttapi_pipeline.core.declaration import Declaration, SettingName
from ttapi_pipeline.core.errors import ConfigError, CorruptFileError, StorageError
from ttapi_pipeline.core.manifest import Manifest
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.core.verdict import Verdict, decide
from ttapi_pipeline.datasets.dataset import METASTOCK_FILES
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.metastock.fingerprint import folder_fingerprint
from ttapi_pipeline.storage.layout import Folder, Stored, open_folder, read_stored

NO_METASTOCK: Final = "none"
"""Data version of `metastock_files` without a folder."""


@dataclass(frozen=True, slots=True)
class DatasetStatus:
    """One dataset, stored or not.

    Attributes:
        declaration: What it is.
        stored: What is there of it; a manifest that cannot be read counts as none.
        verdict: Whether it can be used as it is.
        damage: Why its manifest, or the MetaStock folder that it is made from, cannot be read; None when all is well.
    """

    declaration: Declaration
    stored: Stored
    verdict: Verdict
    damage: str | None = None

    @property
    def manifest(self) -> Manifest | None:
        return self.stored.manifest


def metastock_folder(settings: Settings) -> Path | None:
    """Where the MetaStock files are, or will be once the simulator's are generated; None when there are none."""
    if settings.metastock_dir is not None:
        return settings.metastock_dir
    root = open_folder(settings.data_dir)
    if settings.is_simulated and isinstance(root, Path):
        return root / ".simulator" / f"metastock-seed-{settings.simulator_seed}"
    return None


def metastock_version(settings: Settings) -> str:
    """Data version of `metastock_files`: the folder's fingerprint.

    Raises:
        StorageError: A folder that the user named cannot be read.
    """
    folder = metastock_folder(settings)
    if folder is None or (settings.metastock_dir is None and not folder.is_dir()):
        return NO_METASTOCK
    return folder_fingerprint(folder)


def shaping_settings(settings: Settings, declaration: Declaration) -> Mapping[str, str]:
    """The settings that shape a dataset, as its manifest names them."""
    return {name: _setting(settings, name) for name in declaration.shaped_by}


def _setting(settings: Settings, name: SettingName) -> str:
    match name:
        case "origin":
            return settings.origin
        case "universe" if settings.universe not in {"1", "2", "3"}:
            # The file is the universe: another content is another universe.
            return f"{settings.universe} sha256 {_digest(Path(settings.universe), 'TT_LIST')}"
        case "universe":
            return settings.universe
        case "watchlist":
            return settings.watchlist if settings.universe == "1" else "not used"
        case "history_start":
            return settings.history_start.isoformat()
        case "lookback_sessions":
            return str(settings.lookback_sessions)
        case "annualization_sessions":
            return str(settings.annualization_sessions)
        case "metastock_symbol_map":
            path = settings.metastock_symbol_map
            return "none" if path is None else f"sha256 {_digest(path, 'TT_METASTOCK_SYMBOL_MAP')}"
        case "earnings_file":
            path = settings.earnings_file
            return "none" if path is None else f"sha256 {_digest(path, 'TT_EARNINGS_FILE')}"
        case "metastock_adjustment":
            return settings.metastock_adjustment
        case "rescale_candles":
            return str(settings.rescale_candles).lower()


def _digest(path: Path, variable: str) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    except OSError as error:
        raise StorageError(f"{variable}: {path} cannot be read: {error}") from error


def survey(
    settings: Settings, *, now: datetime, forced: Collection[str] = (), folder: Folder | None = None
) -> Mapping[str, DatasetStatus]:
    """The status of every dataset, upstream first.

    Args:
        settings: Where the data is, TTLs, and what shapes it.
        now: Aware UTC.
        forced: Datasets that are refreshed in any case.
        folder: The data folder, when it is open already.

    Raises:
        StorageError: The data folder cannot be read.
    """
    root = open_folder(settings.data_dir) if folder is None else folder
    stored: dict[str, Stored] = {}
    damage: dict[str, str] = {}
    for name in DATASETS:
        try:
            stored[name] = read_stored(root, name)
        except CorruptFileError as error:
            stored[name], damage[name] = Stored(None), str(error)
    versions: dict[str, str | None] = {
        name: each.manifest.data_version if each.manifest else None for name, each in stored.items()
    }
    try:
        versions[METASTOCK_FILES] = metastock_version(settings)
    except StorageError as error:
        # A folder that is gone is a matter of what is made from it; accounts and chains need not wait for it.
        versions[METASTOCK_FILES] = None
        damage.update({name: str(error) for name, each in DATASETS.items() if METASTOCK_FILES in each.upstream})
    return {
        name: DatasetStatus(
            declaration,
            stored[name],
            decide(
                declaration,
                stored[name].manifest,
                ttl=settings.ttls[name],
                now=now,
                upstream={upstream: versions[upstream] for upstream in declaration.upstream},
                settings=shaping_settings(settings, declaration),
                lost_files=stored[name].lost_files,
                is_calendar_aware=settings.calendar_aware_ttl,
                is_forced=name in forced,
            ),
            damage.get(name),
        )
        for name, declaration in DATASETS.items()
    }


def refuse_to_overwrite(settings: Settings, statuses: Mapping[str, DatasetStatus]) -> None:
    """Keep the simulator away from real data.

    Raises:
        ConfigError: The data folder holds tables that are not simulated, and the settings name the simulator.
    """
    if not settings.is_simulated:
        return
    for name, status in statuses.items():
        if status.manifest is not None and not status.manifest.provenance.is_simulated:
            origin = status.manifest.provenance.settings.get("origin", "another environment")
            raise ConfigError(
                f"{settings.data_dir} holds {name} from {origin}, and the simulator does not overwrite real data: "
                "set the credentials again, or set TT_DATA_DIR to another folder"
            )
