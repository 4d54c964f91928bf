# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The status of datasets: what is stored of them, and the verdict on it. Needs neither Polars nor Dagster."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final

from ttapi_pipeline.core.declaration import Declaration, SettingName
from ttapi_pipeline.core.errors import ConfigError, CorruptFileError, StorageError
from ttapi_pipeline.core.extra_symbols import ALL, VARIABLE, is_symbol, words_of
from ttapi_pipeline.core.manifest import Manifest
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.core.universes import SymbolList, lists_of
from ttapi_pipeline.core.user_files import read_user_file
from ttapi_pipeline.core.verdict import Verdict, decide
from ttapi_pipeline.datasets.dataset import METASTOCK_FILES, Dataset
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.metastock.fingerprint import folder_fingerprint
from ttapi_pipeline.storage.claims import in_the_way
from ttapi_pipeline.storage.layout import Folder, open_folder
from ttapi_pipeline.storage.store import Store, VersionedManifest, open_store
from ttapi_pipeline.storage.stored import Stored, with_csv_choice

NO_METASTOCK: Final = "none"
"""Data version of `metastock_files` without a folder."""


@dataclass(frozen=True, slots=True)
class DatasetStatus:
    """One dataset, stored or not.

    Attributes:
        dataset: What it is.
        stored: What is there of it; a manifest that cannot be read counts as none.
        verdict: Whether it can be used as it is.
        damage: Why a file of it, its manifest, or the MetaStock folder that it is made from cannot be read or believed.
            None when no damage is known.
    """

    dataset: Dataset
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
    root = open_store(open_folder(settings.data_dir)).local_folder
    if settings.is_simulated and root is not None:
        return root / ".simulator" / f"metastock-seed-{settings.simulator_seed}"
    return None


NO_SIMULATED_FILES: Final = (
    "no MetaStock files: the simulator writes its own only where the data is in a folder of this machine; `tt simulator"
    " metastock DIR` writes them, and TT_METASTOCK_DIR names the folder"
)
"""Where the data is elsewhere, each machine would have files of its own, and their fingerprints would differ."""


def why_no_simulated_files(settings: Settings) -> str | None:
    """Why the simulator has no MetaStock files; None when it has, or a folder is named, or nothing is simulated."""
    is_without = settings.is_simulated and metastock_folder(settings) is None
    return NO_SIMULATED_FILES if is_without else None


def metastock_version(settings: Settings) -> str:
    """Data version of `metastock_files`: the folder's fingerprint.

    Raises:
        StorageError: A folder that the user named cannot be read.
    """
    folder = metastock_folder(settings)
    if folder is None or (settings.metastock_dir is None and not folder.is_dir()):
        return NO_METASTOCK
    # The simulator's files are a function of its seed, and lie in the data folder: a back-up of it changes their times.
    return folder_fingerprint(folder, is_by_time=settings.metastock_dir is not None)


def shaping_settings(settings: Settings, declaration: Declaration) -> Mapping[str, str]:
    """The settings that shape a dataset, as its manifest names them.

    One that came later than manifests is not named while it has its default, so that what was stored before it came is
    carried on.
    """
    return {
        name: _setting(settings, name)
        for name in declaration.shaped_by
        if not (name == "metastock_extra" and settings.metastock_extra == ALL)
    }


def _setting(settings: Settings, name: SettingName) -> str:
    match name:
        case "origin":
            return settings.origin
        case "universe":
            return ",".join(_list(each) for each in lists_of(settings.universe))
        case "watchlist":
            return settings.watchlist if SymbolList.WATCHLIST in lists_of(settings.universe) else "not used"
        case "history_start":
            return settings.history_start.isoformat()
        case "lookback_sessions":
            return str(settings.lookback_sessions)
        case "annualization_sessions":
            return str(settings.annualization_sessions)
        case "metastock_symbol_map":
            path = settings.metastock_symbol_map
            return "none" if path is None else f"sha256 {_digest(path, 'TT_METASTOCK_SYMBOL_MAP')}"
        case "metastock_extra":
            return ",".join(_words(settings.metastock_extra))
        case "earnings_file":
            path = settings.earnings_file
            return "none" if path is None else f"sha256 {_digest(path, 'TT_EARNINGS_FILE')}"
        case "metastock_periods":
            return ",".join(sorted(set(settings.metastock_periods)))
        case (
            "metastock_adjustment"
            | "metastock_date_order"
            | "metastock_suffixes"
            | "metastock_code_page"
            | "metastock_volume_multiplier"
        ):
            return str(getattr(settings, name))
        case "rescale_candles":
            return str(settings.rescale_candles).lower()


def _list(named: str) -> str:
    # The file is the universe: another content is another universe.
    return named if named in set(SymbolList) else f"{named} sha256 {_digest(Path(named), 'TT_LIST')}"


def _words(extra: str) -> Iterator[str]:
    for word in words_of(extra):
        yield word if is_symbol(word) else f"{word} sha256 {_digest(Path(word), VARIABLE)}"


def _digest(path: Path, variable: str) -> str:
    return hashlib.sha256(read_user_file(path, f"{variable}: {path}")).hexdigest()[:16]


def read_status(
    dataset: Dataset, settings: Settings, *, now: datetime, folder: Folder | None = None, is_forced: bool = False
) -> DatasetStatus:
    """The status of one dataset. Besides its own files this reads the manifests of what is directly upstream.

    Args:
        dataset: Which one.
        settings: Where the data is, TTLs, and what shapes it.
        now: Aware UTC.
        folder: The data folder, when it is open already.
        is_forced: Whether it is refreshed in any case.

    Raises:
        InvalidFormatError: A file that a setting names is no text, or too large.
        StorageError: The data folder, or such a file, cannot be read.
    """
    root = open_folder(settings.data_dir) if folder is None else folder
    look = _Look(settings, root, now)
    look.read([dataset, *(DATASETS[name] for name in dataset.upstream if name in DATASETS)])
    return look.status(dataset, is_forced=is_forced)


def read_statuses(
    settings: Settings, *, now: datetime, forced: Collection[str] = (), folder: Folder | None = None
) -> Mapping[str, DatasetStatus]:
    """The status of every dataset, upstream first.

    Args:
        settings: Where the data is, TTLs, and what shapes it.
        now: Aware UTC.
        forced: Datasets that are refreshed in any case.
        folder: The data folder, when it is open already.

    Raises:
        StorageError: As `read_status`.
    """
    look = _Look(settings, open_folder(settings.data_dir) if folder is None else folder, now)
    look.read(DATASETS.values(), is_survey=True)
    return {name: look.status(dataset, is_forced=name in forced) for name, dataset in DATASETS.items()}


class _Look:
    """One look at the data folder: each manifest is read, and the MetaStock folder fingerprinted, once at most."""

    def __init__(self, settings: Settings, folder: Folder, now: datetime) -> None:
        self._settings = settings
        self._store = open_store(folder)
        self._now = now
        self._found: dict[str, Stored | CorruptFileError] = {}
        self._stored: dict[str, Stored] = {}
        self._damage: dict[str, str] = {}
        self._beside: dict[str, str] = {}
        self._metastock: str | None = None

    def read(self, datasets: Iterable[Dataset], *, is_survey: bool = False) -> None:
        """Read what is stored of several datasets at the same time, where that is faster."""
        self._found.update(self._store.read_all_stored(list(places(datasets)), is_survey=is_survey))

    def status(self, dataset: Dataset, *, is_forced: bool) -> DatasetStatus:
        stored = self._read(dataset.name)
        upstream = {name: self._version(name) for name in dataset.upstream}
        damage = self._damage.get(dataset.name) or _damage_of_rows(stored, dataset.name)
        verdict = decide(
            dataset,
            stored.manifest,
            ttl=self._settings.ttl(dataset),
            now=self._now,
            upstream=upstream,
            settings=shaping_settings(self._settings, dataset),
            lost_files=stored.lost_files,
            damage=damage,
            damaged_inputs=self._damaged_inputs(dataset),
            is_calendar_aware=self._settings.calendar_aware_ttl,
            is_forced=is_forced,
        )
        # Every file is named: one of a table beside the dataset may be damaged besides its own.
        named = (damage, *map(str, stored.damage.values()), self._beside.get(dataset.name))
        damage = "; ".join(dict.fromkeys(filter(None, named))) or None
        if METASTOCK_FILES in dataset.upstream:
            damage = self._damage.get(METASTOCK_FILES, damage)
        return DatasetStatus(dataset, stored, verdict, damage)

    def _damaged_inputs(self, dataset: Dataset) -> Mapping[str, Collection[str]]:
        manifests = {name: self._read(name).manifest for name in dataset.upstream if name in DATASETS}
        return {name: each.provenance.damaged_files for name, each in manifests.items() if each is not None}

    def _read(self, name: str) -> Stored:
        if name not in self._stored:
            try:
                stored = with_csv_choice(self._read_stored(name), self._settings.csv)
                self._stored[name] = self._with_reports(DATASETS[name], stored)
            except CorruptFileError as error:
                beside = self._with_reports(DATASETS[name], Stored(None))
                self._stored[name], self._damage[name] = Stored(None, damage=beside.damage), str(error)
            if self._stored[name].manifest is None and (
                foreign := [path for each in places([DATASETS[name]]) for path in self._store.foreign_files(each)]
            ):
                self._stored[name], self._damage[name] = Stored(None), in_the_way(foreign)
        return self._stored[name]

    def _read_stored(self, name: str) -> Stored:
        found = self._found.get(name)
        if found is None:
            return self._store.read_stored(name)
        if isinstance(found, CorruptFileError):
            raise found
        return found

    def _with_reports(self, dataset: Dataset, stored: Stored) -> Stored:
        """What is there of a dataset, with what is damaged or behind of the tables that are published with it."""
        for report in dataset.reports:
            try:
                found = with_csv_choice(self._read_stored(report.name), self._settings.csv)
                is_lagging = stored.is_lagging or (found.is_lagging and stored.manifest is not None)
                stored = replace(stored, damage={**stored.damage, **found.damage}, is_lagging=is_lagging)
            except CorruptFileError as error:
                # Its manifest is made anew from its Parquet file; nothing is wrong with the rows of the dataset.
                stored, self._beside[dataset.name] = replace(stored, is_lagging=True), str(error)
        return stored

    def _version(self, name: str) -> str | None:
        """The present data version of something upstream; None when it is not stored, or cannot be read."""
        if name != METASTOCK_FILES:
            manifest = self._read(name).manifest
            return None if manifest is None else manifest.data_version
        if self._metastock is None and METASTOCK_FILES not in self._damage:
            try:
                self._metastock = metastock_version(self._settings)
            except StorageError as error:
                # A folder that is gone concerns what is made from it. Accounts and chains need not wait for it.
                self._damage[METASTOCK_FILES] = str(error)
        return self._metastock


def _damage_of_rows(stored: Stored, dataset: str) -> str | None:
    """Why the rows cannot be believed; a damaged CSV says nothing against them."""
    damage = stored.damage.get(f"{dataset}.parquet")
    return None if damage is None else str(damage)


def places(datasets: Iterable[Dataset]) -> Iterator[str]:
    """The names of datasets and of the tables that are published with them."""
    for dataset in datasets:
        for schema in (dataset.schema, *dataset.reports):
            yield schema.name


def refuse_to_overwrite(settings: Settings, folder: Folder | None = None) -> None:
    """Keep the simulator away from real data.

    Args:
        settings: Which environment, and where the data is.
        folder: The data folder, when it is open already.

    Raises:
        ConfigError: The data folder holds a table that is not simulated, and the settings name the simulator.
        StorageError: The data folder cannot be read.
    """
    if not settings.is_simulated:
        return
    store = open_store(open_folder(settings.data_dir) if folder is None else folder)
    for name, found in store.read_manifests(DATASETS).items():
        origin = _real_origin(store, name, found)
        if origin is not None:
            raise ConfigError(
                f"{settings.data_dir} holds {name} from {origin}, and the simulator does not overwrite real data: "
                "set the credentials again, or set TT_DATA_DIR to another folder"
            )


def _real_origin(store: Store, name: str, found: VersionedManifest | CorruptFileError | None) -> str | None:
    """Where a stored dataset comes from that is not simulated; None for a simulated one, and when nothing is stored.

    A manifest that is gone or cannot be read says neither. Then the rows are asked, whose file repeats it.
    """
    is_readable = not isinstance(found, CorruptFileError)
    manifest = found.manifest if isinstance(found, VersionedManifest) else None
    if manifest is None:
        try:
            manifest = store.manifest_of_rows(name)
        except CorruptFileError:
            return None if is_readable else "somewhere (neither its manifest nor its Parquet file can be read)"
    if manifest is None or manifest.provenance.is_simulated:
        return None
    return manifest.provenance.settings.get("origin", "another environment")
