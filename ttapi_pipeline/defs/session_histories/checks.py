# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The asset checks of the histories, each about one session. What they find: see `examining`.

They are evaluated whenever a session is recorded, and can be executed for a partition by themselves.
"""

import warnings
from collections.abc import Iterator, Mapping
from datetime import date

import dagster as dg

from ttapi_pipeline.datasets.quality_table import QUALITY
from ttapi_pipeline.datasets.registry import HISTORIES
from ttapi_pipeline.defs.resources import Storage
from ttapi_pipeline.defs.session_histories.asset import history_sessions
from ttapi_pipeline.defs.session_histories.examining import DESCRIPTIONS, QUALITY_DESCRIPTIONS, Found, examine
from ttapi_pipeline.storage.session_table import SessionTable, session_table
from ttapi_pipeline.tables.schema import DatasetSchema


def history_checks() -> list[dg.AssetChecksDefinition]:
    """The checks of every history and of the quality table, to be executed together or one by one."""
    with warnings.catch_warnings():
        # Checks of a partition are a preview. The tests watch them; users need no warning.
        warnings.simplefilter("ignore", dg.PreviewWarning)
        of_histories = [_checks(history.schema, DESCRIPTIONS) for history in HISTORIES.values()]
        return [*of_histories, _checks(QUALITY, QUALITY_DESCRIPTIONS)]


def _checks(schema: DatasetSchema, descriptions: Mapping[str, str]) -> dg.AssetChecksDefinition:
    key = dg.AssetKey(schema.name)

    @dg.multi_asset_check(
        name=f"check_{schema.name}",
        specs=[
            dg.AssetCheckSpec(check, asset=key, description=text, partitions_def=history_sessions)
            for check, text in descriptions.items()
        ],
        can_subset=True,
    )
    def check(
        context: dg.AssetCheckExecutionContext, io_manager: dg.ResourceParam[Storage]
    ) -> Iterator[dg.AssetCheckResult]:
        wanted = {each.name for each in context.selected_asset_check_keys}
        table = session_table(io_manager.folder, schema)
        session = _session(context, table)
        found = [] if session is None else examine(table, session)
        by_name = {each.check: each for each in found}
        for name in sorted(wanted):
            result = by_name.get(name, Found(name, is_good=False, said="nothing is stored", metadata={}))
            yield dg.AssetCheckResult(
                asset_key=key,
                check_name=name,
                passed=result.is_good,
                severity=result.severity,
                description=result.said,
                metadata=result.metadata,
            )

    return check


def _session(context: dg.AssetCheckExecutionContext, table: SessionTable) -> date | None:
    """The session of the partition; without one, the newest that is stored."""
    if context.has_partition_key:
        return date.fromisoformat(context.partition_key)
    return max(table.parts(), default=None)
