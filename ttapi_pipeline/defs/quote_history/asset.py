# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The asset `quote_history` as the web UI shows it: a partition per session. What fills the partitions: see `job`."""

import dagster as dg

from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.defs.assets.source_code import reference_to
from ttapi_pipeline.quote_recorder.schemas import DESCRIPTIONS, TABLES, TableName
from ttapi_pipeline.storage.places import quotes_folder

QUOTE_HISTORY = "quote_history"
QUOTE_HISTORY_JOB = "compact_quotes"

quote_sessions = dg.DynamicPartitionsDefinition(name="quote_sessions")


def quote_history_asset(settings: Settings) -> dg.AssetSpec:
    """The asset: an external one, which is Dagster's word for an asset that it does not execute itself.

    If Dagster executed it, every run of ``--select '*'`` would ask for a partition. Its job makes a partition and
    records the materialisation.
    """
    simulated = "\n\n**Simulated data**: no credentials are set." if settings.is_simulated else ""
    return dg.AssetSpec(
        QUOTE_HISTORY,
        description="What `tt stream` received in a session: quotes, conflated every few seconds, and every sale.\n\n"
        f"Source: DXLink. `{QUOTE_HISTORY}/quotes/<session>.parquet`, the same under `trades/`, and a manifest with "
        f"the gaps. The job `{QUOTE_HISTORY_JOB}` records it.{simulated}",
        group_name="market_data",
        kinds={"python", "polars", "parquet"},
        owners=["team:data"],
        metadata={
            "source": "DXLink",
            "dagster/uri": _uri(settings),
            "dagster/code_references": reference_to(
                "ttapi_pipeline.quote_recorder.compaction", "def compact_session", label=f"{QUOTE_HISTORY}: compaction"
            ),
            "dagster/column_schema": _columns("quotes"),
            "columns_of_trades": _columns("trades"),
        },
        partitions_def=quote_sessions,
    )


def _uri(settings: Settings) -> str:
    folder = quotes_folder(settings)
    return "nowhere: TT_QUOTE_LOG_DIR is not set" if folder is None else str(folder.absolute() / QUOTE_HISTORY)


def _columns(table: TableName) -> dg.TableSchema:
    descriptions = DESCRIPTIONS[table]
    return dg.TableSchema(
        columns=[dg.TableColumn(name, str(dtype), descriptions[name]) for name, dtype in TABLES[table].items()]
    )
