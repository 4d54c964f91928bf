# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Executes one asset check of the definitions by itself, on a data folder of the test."""

from __future__ import annotations

from pathlib import Path

import dagster as dg

from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.defs.checks import build_checks
from ttapi_pipeline.defs.io_manager import ParquetCsvIOManager
from ttapi_pipeline_tests.support.instances import memory_instance


def check_named(asset: str, name: str) -> dg.AssetChecksDefinition:
    """The definition that has a check."""
    key = dg.AssetCheckKey(dg.AssetKey(asset), name)
    return next(each for each in build_checks(Settings()) if key in each.check_keys)


def evaluated(asset: str, name: str, folder: Path) -> dg.AssetCheckEvaluation:
    """What a check finds in a folder."""
    check = check_named(asset, name)
    definitions = dg.Definitions(
        asset_checks=[check],
        resources={"io_manager": ParquetCsvIOManager(base_dir=str(folder))},
        jobs=[dg.define_asset_job("alone", selection=dg.AssetSelection.checks(check))],
    )
    with memory_instance() as instance:
        result = definitions.resolve_job_def("alone").execute_in_process(instance=instance, raise_on_error=False)
    (found,) = result.get_asset_check_evaluations()
    return found
