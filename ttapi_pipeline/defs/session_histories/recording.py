# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Makes the history of a dataset that was just published, and records sessions as materialised partitions.

Only a run and a tick import this module.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from typing import Final

import dagster as dg

from ttapi_pipeline.core.errors import TTError
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.datasets.history_updates import update_history
from ttapi_pipeline.datasets.quality_table import QUALITY, update_quality
from ttapi_pipeline.datasets.registry import DATASETS, HISTORIES
from ttapi_pipeline.defs.dagster_internals import instance_of_output, log_check_result, version_tags
from ttapi_pipeline.defs.session_histories.asset import history_sessions
from ttapi_pipeline.defs.session_histories.examining import evaluations
from ttapi_pipeline.storage.layout import Folder, absolute
from ttapi_pipeline.storage.session_table import Part, SessionTable, session_table
from ttapi_pipeline.storage.versions.keeping import session_at

_TABLES: Final = {**{name: history.schema for name, history in HISTORIES.items()}, QUALITY.name: QUALITY}

_AT_A_TIME: Final = 20
"""Sessions per tick: a new instance over the data of years is done within an hour."""


def update_and_record(context: dg.OutputContext, dataset: str, folder: Folder, *, now: datetime) -> None:
    """Make what the histories of a dataset lack, and record the newest session that was made.

    The dataset is stored by now, and a history that fails does not make that a failure: it is logged, and made up for
    with the next publication. Sessions that are over are recorded by the sensor, for good.

    Args:
        context: Of the output that was stored.
        dataset: What was published.
        folder: The data folder.
        now: Aware UTC.
    """
    for history in HISTORIES.values():
        if history.of != dataset:
            continue
        try:
            updated = update_history(folder, history, now=now)
            for session, problem in updated.problems.items():
                context.log.warning("%s: session %s is as it was: %s", history.name, session, problem)
            if not updated.parts:
                continue
            context.log.info("%s: %d sessions were made", history.name, len(updated.parts))
            table, part = session_table(folder, history.schema), updated.parts[-1]
            checks = evaluations(table, part.session)
        except TTError as error:
            context.log.warning("%s is as it was: %s", history.name, error)
            continue
        add_sessions(instance_of_output(context), [part.session])
        record(context, [materialization(table, part), *checks])


def record(
    context: dg.OutputContext | dg.OpExecutionContext,
    events: Iterable[dg.AssetMaterialization | dg.AssetCheckEvaluation],
) -> None:
    """Log materialisations and results of checks as events of a step."""
    for event in events:
        if isinstance(event, dg.AssetCheckEvaluation):
            log_check_result(context, event)
        else:
            context.log_event(event)


def add_sessions(instance: dg.DagsterInstance, sessions: Iterable[date]) -> None:
    """Have the partitions of these sessions exist."""
    name = str(history_sessions.name)
    keys = [session.isoformat() for session in sessions]
    if lacking := [key for key in keys if not instance.has_dynamic_partition(name, key)]:
        instance.add_dynamic_partitions(name, lacking)


def materialization(table: SessionTable, part: Part) -> dg.AssetMaterialization:
    """The record of a session. It has numbers of rows and no row, since some are private."""
    return dg.AssetMaterialization(
        asset_key=table.schema.name,
        partition=part.session.isoformat(),
        metadata={
            "dagster/uri": str(absolute(table.folder) / part.file),
            "dagster/partition_row_count": part.rows,
            **dict(part.counts),
            "known_at": dg.MetadataValue.timestamp(part.known_at),
            "made_from": part.made_from,
            "is_simulated": part.is_simulated,
            "bytes": part.facts.bytes,
            "data_version": part.data_version,
            **_lineage(table.schema.name),
        },
        tags=version_tags(part.data_version),
    )


def _lineage(name: str) -> dict[str, dg.TableColumnLineage]:
    """Each column of a history that its dataset has too is made from that."""
    if name not in HISTORIES:
        return {}
    history = HISTORIES[name]
    of, key = DATASETS[history.of].schema.polars, dg.AssetKey(history.of)
    names = [column.name for column in history.schema.columns if column.name in of]
    return {"dagster/column_lineage": dg.TableColumnLineage({each: [dg.TableColumnDep(key, each)] for each in names})}


def make_again(
    folder: Folder, sessions: Sequence[date], settings: Settings, *, now: datetime
) -> dict[str, Sequence[Part]]:
    """Make sessions of every history again from what is kept of their datasets, and decide what became of them.

    Returns:
        What was made, by history; a session of which no rows are kept is left out, and what is stored of it stays.

    Raises:
        TTError: A history cannot be read or written.
    """
    made: dict[str, Sequence[Part]] = {}
    for history in HISTORIES.values():
        made[history.name] = update_history(folder, history, now=now, again=sessions).parts
    update_quality(folder, now=now, ttl_of=settings.ttl, again=sessions)
    return made


def due_sessions(folder: Folder, recorded: date | None, settings: Settings, *, now: datetime) -> Sequence[date]:
    """The sessions that are over and were not recorded, or of which something else is told now; some at a time.

    What became of datasets in them is stored first, so that a session in which nothing came is among them.

    Args:
        folder: The data folder.
        recorded: The last session that was recorded; None for none.
        settings: How long datasets stay fresh.
        now: Aware UTC.

    Raises:
        StorageError: A history or a log cannot be read or written.
        CorruptFileError: A manifest is damaged.
    """
    told = {part.session for part in update_quality(folder, now=now, ttl_of=settings.ttl)}
    present = session_at(now)
    known = {session for schema in _TABLES.values() for session in session_table(folder, schema).parts()}
    due = (session for session in known if session < present)
    return sorted(session for session in due if recorded is None or session > recorded or session in told)[:_AT_A_TIME]


def materializations(folder: Folder, session: date) -> Iterator[dg.AssetMaterialization]:
    """The records of a session, of each table that has it.

    Raises:
        StorageError: A history cannot be read.
    """
    for schema in _TABLES.values():
        table = session_table(folder, schema)
        part = table.parts().get(session)
        if part is not None:
            yield materialization(table, part)


def events_of(folder: Folder, session: date) -> Iterator[dg.AssetMaterialization | dg.AssetCheckEvaluation]:
    """The same, each with the results of its checks.

    Raises:
        StorageError: A history cannot be read.
    """
    for record_of in materializations(folder, session):
        yield record_of
        yield from evaluations(session_table(folder, _TABLES[record_of.asset_key.to_user_string()]), session)
