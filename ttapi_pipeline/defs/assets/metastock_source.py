# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The MetaStock folder as an asset that Dagster observes and does not make. Reading its files: see `metastock`."""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.datasets.dataset import METASTOCK_FILES
from ttapi_pipeline.datasets.status import metastock_folder, metastock_version, why_no_simulated_files
from ttapi_pipeline.defs.assets.source_code import reference_to
from ttapi_pipeline.metastock.fingerprint import list_files

GROUP = "market_data"


def metastock_source(settings: Settings) -> dg.AssetsDefinition:
    """The asset; the fingerprint of the folder is its data version."""
    folder = metastock_folder(settings)
    simulated = ""
    if settings.is_simulated and settings.metastock_dir is None:
        why_none = why_no_simulated_files(settings)
        words = "no folder is named, so that the simulator writes one." if why_none is None else f"{why_none}."
        simulated = f"\n\n**Simulated data**: {words}"
    spec = dg.AssetSpec(
        METASTOCK_FILES,
        description="The MetaStock folder that `TT_METASTOCK_DIR` names: ASCII and binary files of daily bars, read "
        "recursively.\n\nSource: files. Its data version is the fingerprint of their names, sizes and times of change; "
        f"the sensor `metastock_folder` looks every minute.{simulated}",
        group_name=GROUP,
        kinds={"file"},
        owners=["team:data"],
        metadata={
            "source": "MetaStock files",
            "dagster/uri": "no folder is set" if folder is None else str(folder.absolute()),
            "dagster/code_references": reference_to(
                "ttapi_pipeline.metastock.importer", "def import_folder", label=f"{METASTOCK_FILES}: import"
            ),
        },
    )

    def observe() -> Iterator[dg.ObserveResult]:
        version = dg.DataVersion(metastock_version(settings))
        yield dg.ObserveResult(asset_key=METASTOCK_FILES, data_version=version, metadata=folder_facts(settings))

    # The decorator is in beta, and has no types.
    made: dg.AssetsDefinition = dg.multi_observable_source_asset(name=METASTOCK_FILES, specs=[spec])(observe)
    return made


def folder_facts(settings: Settings) -> Mapping[str, Any]:
    """How many files the folder has and how many bytes they are, as metadata; nothing without a folder.

    Raises:
        StorageError: The folder cannot be read.
    """
    folder = metastock_folder(settings)
    if folder is None or not folder.is_dir():
        return {}
    files = list_files(folder)
    return {"files": len(files), "bytes": sum(file.size for file in files), "dagster/uri": str(folder.absolute())}
