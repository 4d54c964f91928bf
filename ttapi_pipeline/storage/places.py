# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Where settings put what is no dataset: state that processes share; caches and quotes, which each machine has."""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.storage.layout import STATE_FOLDER, open_folder
from ttapi_pipeline.storage.store import open_store

if TYPE_CHECKING:
    from ttapi_pipeline.core.shared_state import StatePlace


def shared_state(settings: Settings) -> StatePlace:
    """The place of state that every process on the same data has to know: refused grants, breakers, failures.

    Raises:
        StorageError: As `open_folder`.
    """
    return open_store(open_folder(settings.data_dir)).state_place()


def cache_folder(settings: Settings) -> Path:
    """The folder of caches on this machine: TT_CACHE_DIR, or beside the data, or of this user for remote data.

    Raises:
        StorageError: As `open_folder`.
    """
    if settings.cache_dir is not None:
        return settings.cache_dir
    folder = open_folder(settings.data_dir)
    local = open_store(folder).local_folder
    if local is not None:
        return local / STATE_FOLDER
    from platformdirs import user_cache_path  # noqa: PLC0415 - for data elsewhere alone

    # Caches of one place are no good for another.
    name = blake2b(str(folder).encode(), digest_size=8).hexdigest()
    return user_cache_path("ttapi_pipeline", appauthor=False) / name


def quotes_folder(settings: Settings) -> Path | None:
    """The folder of the log and the history of quotes; None without TT_QUOTE_LOG_DIR where the data is not local.

    Raises:
        StorageError: TT_DATA_DIR names no place for data.
    """
    if settings.quote_log_dir is not None:
        return settings.quote_log_dir
    return open_store(open_folder(settings.data_dir)).local_folder
