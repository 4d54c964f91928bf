# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Asset checks that one dataset alone has: of the calendar, the import of files, and agreement with the broker.

Two block what is below them, because everything computed from there would be wrong without anything failing: a calendar
that does not reach the present, and a snapshot whose import has lost or invented a row. What every dataset has: see
`dataset_checks`.
"""

import dagster as dg
import polars as pl

from ttapi_pipeline.core.clock import SYSTEM_CLOCK, Clock
from ttapi_pipeline.core.errors import TTError
from ttapi_pipeline.core.sessions import NEW_YORK
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.datasets.eod_snapshot.table import EOD_NOTICES, EOD_REJECTS, EOD_SNAPSHOT
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.datasets.trading_calendar.table import TRADING_CALENDAR
from ttapi_pipeline.datasets.volatility.table import VOLATILITY
from ttapi_pipeline.defs.dataset_checks import check_result, dataset_checks, stored_table
from ttapi_pipeline.defs.examinations import Examination
from ttapi_pipeline.defs.resources import Storage
from ttapi_pipeline.storage.stored import read_stored


def build_checks(settings: Settings, *, clock: Clock = SYSTEM_CLOCK) -> list[dg.AssetChecksDefinition]:
    """One set of checks per dataset, the two that block, and those of files and broker."""
    shared = [dataset_checks(name, settings, clock=clock) for name in DATASETS]
    calendar = [_calendar_reach(clock), _calendar_agreement()]
    return [*shared, *calendar, _import_account(clock), _import_notices(clock), _broker_agreement(clock)]


def _broker_agreement(clock: Clock) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=VOLATILITY.name,
        name="agrees_with_broker",
        description="Our volatilities over 30, 60 and 90 days are within three points of the broker's.",
    )
    def agrees_with_broker(
        context: dg.AssetCheckExecutionContext, io_manager: dg.ResourceParam[Storage]
    ) -> dg.AssetCheckResult:
        compared = pl.col("is_far_from_broker")
        try:
            table = stored_table(io_manager.folder, VOLATILITY)
            examined = Examination.of(context, VOLATILITY.name, table, clock=clock)
            before = examined.found_before("agrees_with_broker")
            if before is not None:
                return before
            rows = table.frame.filter(compared.is_not_null()).select("symbol", compared).collect()
        except TTError as error:
            return check_result(dg.AssetKey(VOLATILITY.name), "agrees_with_broker", passed=False, seen=str(error))
        far = rows.filter(compared)["symbol"].sort().to_list()
        found = dg.AssetCheckResult(
            passed=not far,
            severity=dg.AssetCheckSeverity.WARN,
            description=f"{len(far)} of {rows.height} symbols differ",
            metadata={"symbols": dg.MetadataValue.json(far[:50])},
        )
        return examined.noted(found)

    return agrees_with_broker


def _calendar_reach(clock: Clock) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=TRADING_CALENDAR.name,
        name="reaches_the_present",
        blocking=True,
        description="The calendar has a session before today and one after it.",
    )
    def reaches_the_present(io_manager: dg.ResourceParam[Storage]) -> dg.AssetCheckResult:
        today = clock.now().astimezone(NEW_YORK).date()
        try:
            sessions = stored_table(io_manager.folder, TRADING_CALENDAR).frame.select(
                first=pl.col("session").min(), last=pl.col("session").max()
            )
            first, last = sessions.collect().row(0)
        except TTError as error:
            return check_result(
                dg.AssetKey(TRADING_CALENDAR.name), "reaches_the_present", passed=False, seen=str(error)
            )
        return check_result(
            dg.AssetKey(TRADING_CALENDAR.name),
            "reaches_the_present",
            passed=first is not None and first < today < last,
            seen=f"{first} to {last}",
        )

    return reaches_the_present


def _calendar_agreement() -> dg.AssetChecksDefinition:
    key, name = dg.AssetKey(TRADING_CALENDAR.name), "agrees_with_exchange"

    @dg.asset_check(
        asset=TRADING_CALENDAR.name,
        name=name,
        description="The broker contradicts neither exchange_calendars nor itself about any day.",
    )
    def agrees_with_exchange(io_manager: dg.ResourceParam[Storage]) -> dg.AssetCheckResult:
        manifest = read_stored(io_manager.folder, TRADING_CALENDAR.name).manifest
        if manifest is None:
            return check_result(key, name, passed=False, seen="nothing is stored")
        cautions = dict(manifest.provenance.cautions)
        return dg.AssetCheckResult(
            asset_key=key,
            check_name=name,
            passed=not cautions,
            severity=dg.AssetCheckSeverity.WARN,
            description="; ".join(f"{day}: {said}" for day, said in cautions.items()) or "they agree about every day",
            metadata={"cautions": dg.MetadataValue.json(cautions)},
        )

    return agrees_with_exchange


def _import_account(clock: Clock) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=EOD_SNAPSHOT.name,
        name="accounts_for_every_row",
        blocking=True,
        description="Rows read from MetaStock files = rows kept + duplicates + rejected, per file and in total.",
    )
    def accounts_for_every_row(
        context: dg.AssetCheckExecutionContext, io_manager: dg.ResourceParam[Storage]
    ) -> dg.AssetCheckResult:
        from ttapi_pipeline.datasets.eod_snapshot.account import account_problems  # noqa: PLC0415 - see `defs`

        key, check = dg.AssetKey(EOD_SNAPSHOT.name), "accounts_for_every_row"
        try:
            manifest = read_stored(io_manager.folder, EOD_SNAPSHOT.name).manifest
            if manifest is None:
                return check_result(key, check, passed=False, seen="nothing is stored")
            if "metastock_rows_read" not in manifest.provenance.statistics:
                return check_result(key, check, passed=True, seen="there was no MetaStock folder to import")
            tables = [stored_table(io_manager.folder, schema) for schema in (EOD_SNAPSHOT, EOD_REJECTS)]
            examined = Examination.of(context, EOD_SNAPSHOT.name, *tables, clock=clock)
            before = examined.found_before(check)
            if before is not None:
                return before
            rows = tables[0].frame.filter(source="metastock").select(pl.len())
            bars = int(rows.collect(engine="streaming").item())
            rejects = int(tables[1].frame.select(pl.col("rows").sum()).collect().item())
        except TTError as error:
            return check_result(key, check, passed=False, seen=str(error))
        problems = account_problems(manifest.provenance, bars=bars, rejects=rejects)
        seen = "; ".join(problems) or f"{bars} bars, {rejects} rejects"
        return examined.noted(check_result(key, check, passed=not problems, seen=seen))

    return accounts_for_every_row


def _import_notices(clock: Clock) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=EOD_SNAPSHOT.name,
        name="files_are_understood",
        description="No row of the MetaStock files was rejected or set aside, and nothing about them is doubtful.",
    )
    def files_are_understood(
        context: dg.AssetCheckExecutionContext, io_manager: dg.ResourceParam[Storage]
    ) -> dg.AssetCheckResult:
        key, check = dg.AssetKey(EOD_SNAPSHOT.name), "files_are_understood"
        try:
            manifest = read_stored(io_manager.folder, EOD_SNAPSHOT.name).manifest
            if manifest is None or "metastock_rows_read" not in manifest.provenance.statistics:
                return check_result(key, check, passed=manifest is not None, seen="no MetaStock folder was imported")
            tables = [stored_table(io_manager.folder, schema) for schema in (EOD_NOTICES, EOD_REJECTS)]
            examined = Examination.of(context, EOD_SNAPSHOT.name, *tables, clock=clock)
            before = examined.found_before(check)
            if before is not None:
                return before
            notices = tables[0].frame.collect()
            rejects = tables[1].frame.group_by("reason").agg(pl.col("rows").sum()).collect()
        except TTError as error:
            return check_result(key, check, passed=False, seen=str(error))
        told = {str(kind): group["notice"].head(50).to_list() for (kind,), group in notices.group_by("kind")}
        reasons = dict(rejects.sort("rows", "reason", descending=[True, False]).head(50).iter_rows())
        rows, doubts = int(rejects["rows"].sum()), notices.filter(pl.col("kind").is_in(["warning", "conflict"])).height
        found = dg.AssetCheckResult(
            passed=not rows and not doubts,
            severity=dg.AssetCheckSeverity.WARN,
            description=f"{rows} rows are not used, {doubts} notices to look at",
            metadata={"notices": dg.MetadataValue.json(told), "rejected": dg.MetadataValue.json(reasons)},
        )
        return examined.noted(found)

    return files_are_understood
