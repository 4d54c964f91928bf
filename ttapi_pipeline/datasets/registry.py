# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""All datasets. Importing this costs milliseconds, since `tt status` does it too."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Final

from ttapi_pipeline.core.places import Home
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.datasets.dataset import Dataset
from ttapi_pipeline.datasets.history import History
from ttapi_pipeline.tables.schema import DatasetSchema

# Each after everything that it is made from. A name is also the name of the dataset's folder beside this file.
_NAMES: Final = (
    "trading_calendar",
    "accounts",
    "universe",
    "symbols",
    "implied_volatility",
    "earnings",
    "quotes",
    "expiration_series",
    "daily_candles",
    "eod_snapshot",
    "returns_stddev",
    "volatility",
    "variance_premium",
    "expectations",
    "volatility_cone",
)

# Datasets of which rows are kept for every session; the module `history` beside `table` says which.
_WITH_HISTORY: Final = ("accounts", "universe", "symbols", "implied_volatility", "expiration_series")


def _described(name: str) -> Dataset:
    dataset = import_module(f"ttapi_pipeline.datasets.{name}.table").DATASET
    if not isinstance(dataset, Dataset) or dataset.name != name:
        raise TypeError(f"datasets/{name}/table.py has no Dataset of that name as DATASET")
    return dataset


DATASETS: Final[Mapping[str, Dataset]] = MappingProxyType({name: _described(name) for name in _NAMES})
"""By name, each after everything upstream of it."""

REPORTS: Final[Mapping[str, DatasetSchema]] = MappingProxyType(
    {report.name: report for dataset in DATASETS.values() for report in dataset.reports}
)
"""Tables that are published with a dataset, by name."""


def _history_of(name: str) -> History:
    history = import_module(f"ttapi_pipeline.datasets.{name}.history").HISTORY
    if not isinstance(history, History) or history.of != name:
        raise TypeError(f"datasets/{name}/history.py has no History of it as HISTORY")
    return history


HISTORIES: Final[Mapping[str, History]] = MappingProxyType(
    {history.name: history for history in map(_history_of, _WITH_HISTORY)}
)
"""What is kept of datasets for every session, by the name of the table. They are never due: see `datasets.history`."""


def load_settings(
    environ: Mapping[str, str] | None = None, *, dotenv: Path | None = None, folder: Path | None = None
) -> Settings:
    """Read and check the settings, TTLs of the datasets among them; see `core.settings.Settings.load`."""
    return Settings.load(environ, dotenv=dotenv, folder=folder, datasets=DATASETS)


def load_settings_of(home: Home) -> Settings:
    """The settings of the folder that the program works in, with the variables of the process over its file."""
    return load_settings(dotenv=home.dotenv, folder=home.folder)
