# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The histories as the web UI shows them: below their datasets, with a partition per session."""

from collections.abc import Sequence

import dagster as dg

from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.datasets.history import History
from ttapi_pipeline.datasets.quality_table import CODE_VERSION, QUALITY
from ttapi_pipeline.datasets.registry import DATASETS, HISTORIES
from ttapi_pipeline.defs.assets.metadata import table_schema
from ttapi_pipeline.defs.assets.source_code import reference_to
from ttapi_pipeline.storage.layout import absolute, open_folder

GROUP = "histories"
HISTORIES_JOB = "session_histories"
SENSOR = "finished_sessions"

history_sessions = dg.DynamicPartitionsDefinition(name="history_sessions")
"""Every session from the first one of which something is known. A session without rows stays an empty partition."""


def history_assets(settings: Settings) -> Sequence[dg.AssetSpec]:
    """The assets: external ones, which is Dagster's word for assets that it does not execute itself.

    If Dagster executed them, every run of ``--select '*'`` would ask for a partition, and each publication would cost a
    step more. The step that publishes a dataset makes the rows of its session.
    """
    return [*(_asset(history, settings) for history in HISTORIES.values()), _quality(settings)]


def _quality(settings: Settings) -> dg.AssetSpec:
    return dg.AssetSpec(
        QUALITY.name,
        description="What became of every dataset in each session: available, degraded, pending or missing, and why; "
        "one row per session and dataset.\n\nDecided from the logs of publications and the calendar of the exchange "
        f"when a session is over, by the sensor `{SENSOR}`. `tt quality` shows the present session, too.",
        deps=list(DATASETS),
        group_name=GROUP,
        code_version=CODE_VERSION,
        kinds={"python", "polars", "parquet"},
        owners=["team:data"],
        metadata={
            "source": "the logs of publications",
            "dagster/uri": _uri(settings, QUALITY.name),
            "dagster/code_references": reference_to(
                "ttapi_pipeline.datasets.quality", "def quality_of(", label=f"{QUALITY.name}: decision"
            ),
            "dagster/column_schema": table_schema(QUALITY),
        },
        partitions_def=history_sessions,
    )


def _asset(history: History, settings: Settings) -> dg.AssetSpec:
    simulated = "\n\n**Simulated data**: no credentials are set." if settings.is_simulated else ""
    module = f"ttapi_pipeline.datasets.{history.of}.history"
    return dg.AssetSpec(
        history.name,
        description=f"{history.description}\n\nMade with every publication of `{history.of}`, from what is kept of it, "
        f"without a request. `{history.name}/<session>-<id>.parquet`. The job `{HISTORIES_JOB}` makes sessions "
        f"again.{simulated}",
        deps=[history.of],
        group_name=GROUP,
        code_version=history.code_version,
        kinds={"python", "polars", "parquet"},
        owners=["team:data"],
        metadata={
            "source": f"computed from `{history.of}`",
            "dagster/uri": _uri(settings, history.name),
            "dagster/code_references": reference_to(module, "HISTORY", label=f"{history.name}: declaration"),
            "dagster/column_schema": table_schema(history.schema),
        },
        partitions_def=history_sessions,
    )


def _uri(settings: Settings, table: str) -> str:
    return str(absolute(open_folder(settings.data_dir)) / table)
