# SPDX-License-Identifier: MIT
"""Asset checks: schema, keys, coverage, plausible values, and the CSV beside the Parquet file.

Five of each dataset do not block: `publish` has refused repeated keys, nulls and foreign types before anything was
replaced. They look at what is stored, so they say the same of data that was reused. Two block what is below them,
because everything computed from there would be wrong without anything failing: a calendar that does not reach the
present, and a snapshot whose import has lost or invented a row.
"""

from collections.abc import Iterator

import dagster as dg
import polars as pl

from ttapi_pipeline.core.clock import SYSTEM_CLOCK, Clock
from ttapi_pipeline.core.errors import TTError
from ttapi_pipeline.core.privacy import masked_subjects
from ttapi_pipeline.core.sessions import NEW_YORK
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.datasets.eod_snapshot.table import EOD_NOTICES, EOD_REJECTS, EOD_SNAPSHOT
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.datasets.trading_calendar.table import TRADING_CALENDAR
from ttapi_pipeline.datasets.volatility.table import VOLATILITY
from ttapi_pipeline.defs.resources import Storage
from ttapi_pipeline.storage.layout import Folder
from ttapi_pipeline.storage.stored import read_stored
from ttapi_pipeline.tables.schema import DatasetSchema

_DESCRIPTIONS = {
    "schema": "The stored columns and types are those of the schema.",
    "unique_keys": "No key is there more than once.",
    "coverage": "Everything that should be in the dataset came with this refresh, and could be read.",
    "plausible_values": "Every row satisfies the rules of its dataset.",
    "csv": "The CSV and the manifest belong to the stored Parquet file.",
}


def build_checks(settings: Settings, *, clock: Clock = SYSTEM_CLOCK) -> list[dg.AssetChecksDefinition]:
    """One set of checks per dataset, the two that block, and those of files and broker."""
    shared = [_checks_of(name, settings) for name in DATASETS]
    calendar = [_calendar_reach(clock), _calendar_agreement()]
    return [*shared, *calendar, _import_account(), _import_notices(), _broker_agreement()]


def _stored(folder: Folder, schema: DatasetSchema) -> pl.LazyFrame:
    """As `storage.scan.scan`."""
    from ttapi_pipeline.storage.scan import scan  # noqa: PLC0415 - see `defs`

    return scan(folder, schema)


def _broker_agreement() -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=VOLATILITY.name,
        name="agrees_with_broker",
        description="Our volatilities over 30, 60 and 90 days are within three points of the broker's.",
    )
    def agrees_with_broker(io_manager: dg.ResourceParam[Storage]) -> dg.AssetCheckResult:
        compared = pl.col("is_far_from_broker")
        try:
            frame = _stored(io_manager.folder, VOLATILITY).filter(compared.is_not_null()).select("symbol", compared)
            rows = frame.collect()
        except TTError as error:
            return _result(dg.AssetKey(VOLATILITY.name), "agrees_with_broker", passed=False, seen=str(error))
        far = rows.filter(compared)["symbol"].sort().to_list()
        return dg.AssetCheckResult(
            passed=not far,
            severity=dg.AssetCheckSeverity.WARN,
            description=f"{len(far)} of {rows.height} symbols differ",
            metadata={"symbols": dg.MetadataValue.json(far[:50])},
        )

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
            sessions = _stored(io_manager.folder, TRADING_CALENDAR).select(
                first=pl.col("session").min(), last=pl.col("session").max()
            )
            first, last = sessions.collect().row(0)
        except TTError as error:
            return _result(dg.AssetKey(TRADING_CALENDAR.name), "reaches_the_present", passed=False, seen=str(error))
        return _result(
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
            return _result(key, name, passed=False, seen="nothing is stored")
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


def _import_account() -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=EOD_SNAPSHOT.name,
        name="accounts_for_every_row",
        blocking=True,
        description="Rows read from MetaStock files = rows kept + duplicates + rejected, per file and in total.",
    )
    def accounts_for_every_row(io_manager: dg.ResourceParam[Storage]) -> dg.AssetCheckResult:
        from ttapi_pipeline.datasets.eod_snapshot.build import account_problems  # noqa: PLC0415 - see `defs`

        key, check = dg.AssetKey(EOD_SNAPSHOT.name), "accounts_for_every_row"
        try:
            manifest = read_stored(io_manager.folder, EOD_SNAPSHOT.name).manifest
            if manifest is None:
                return _result(key, check, passed=False, seen="nothing is stored")
            if "metastock_rows_read" not in manifest.provenance.statistics:
                return _result(key, check, passed=True, seen="there was no MetaStock folder to import")
            rows = _stored(io_manager.folder, EOD_SNAPSHOT).filter(source="metastock").select(pl.len())
            bars = int(rows.collect(engine="streaming").item())
            rejects = int(_stored(io_manager.folder, EOD_REJECTS).select(pl.col("rows").sum()).collect().item())
        except TTError as error:
            return _result(key, check, passed=False, seen=str(error))
        problems = account_problems(manifest.provenance, bars=bars, rejects=rejects)
        return _result(key, check, passed=not problems, seen="; ".join(problems) or f"{bars} bars, {rejects} rejects")

    return accounts_for_every_row


def _import_notices() -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=EOD_SNAPSHOT.name,
        name="files_are_understood",
        description="No row of the MetaStock files was rejected or set aside, and nothing about them is doubtful.",
    )
    def files_are_understood(io_manager: dg.ResourceParam[Storage]) -> dg.AssetCheckResult:
        key, check = dg.AssetKey(EOD_SNAPSHOT.name), "files_are_understood"
        try:
            manifest = read_stored(io_manager.folder, EOD_SNAPSHOT.name).manifest
            if manifest is None or "metastock_rows_read" not in manifest.provenance.statistics:
                return _result(key, check, passed=manifest is not None, seen="no MetaStock folder was imported")
            notices = _stored(io_manager.folder, EOD_NOTICES).collect()
            rejects = _stored(io_manager.folder, EOD_REJECTS).group_by("reason").agg(pl.col("rows").sum()).collect()
        except TTError as error:
            return _result(key, check, passed=False, seen=str(error))
        told = {str(kind): group["notice"].head(50).to_list() for (kind,), group in notices.group_by("kind")}
        reasons = dict(rejects.sort("rows", "reason", descending=[True, False]).head(50).iter_rows())
        rows, doubts = int(rejects["rows"].sum()), notices.filter(pl.col("kind").is_in(["warning", "conflict"])).height
        return dg.AssetCheckResult(
            passed=not rows and not doubts,
            severity=dg.AssetCheckSeverity.WARN,
            description=f"{rows} rows are not used, {doubts} notices to look at",
            metadata={"notices": dg.MetadataValue.json(told), "rejected": dg.MetadataValue.json(reasons)},
        )

    return files_are_understood


def _checks_of(name: str, settings: Settings) -> dg.AssetChecksDefinition:
    schema, key = DATASETS[name].schema, dg.AssetKey(name)

    @dg.multi_asset_check(
        name=f"check_{name}",
        specs=[
            dg.AssetCheckSpec(check, asset=key, description=description) for check, description in _DESCRIPTIONS.items()
        ],
        # Whatever else can run goes first: the last check waits for the CSV.
        op_tags={"dagster/priority": "-10"},
    )
    def check(io_manager: dg.ResourceParam[Storage]) -> Iterator[dg.AssetCheckResult]:
        from ttapi_pipeline.tables.rules import repeated_keys, violations  # noqa: PLC0415 - see `defs`

        folder = io_manager.folder
        try:
            frame = _stored(folder, schema)
        except TTError as error:
            for each in _DESCRIPTIONS:
                yield _result(key, each, passed=False, seen=str(error))
            return
        yield _result(key, "schema", passed=True, seen=f"{len(schema.columns)} columns")
        repeated = repeated_keys(frame, schema.key)
        shown = repeated.height if DATASETS[name].is_private else repeated.rows()
        yield _result(key, "unique_keys", passed=repeated.is_empty(), seen=shown or "no repetition")
        yield _coverage(key, name, io_manager, settings)
        broken = violations(frame, DATASETS[name].rules)
        yield _result(key, "plausible_values", passed=not broken, seen=dict(broken) or "every rule holds")
        yield _csv(key, name, io_manager)

    return check


def _coverage(key: dg.AssetKey, name: str, io_manager: Storage, settings: Settings) -> dg.AssetCheckResult:
    manifest = read_stored(io_manager.folder, name).manifest
    missing = {} if manifest is None else dict(manifest.provenance.missing)
    if DATASETS[name].is_private:
        missing = masked_subjects(missing)
    lost = {} if manifest is None else manifest.provenance.lost
    seen = {
        "missing": dict(sorted(missing.items())[:20]),
        "count": len(missing),
        "required": settings.min_coverage,
        "lost": dict(lost),
    }
    said = [f"{len(missing)} missing" if missing else "", "" if manifest is None else manifest.provenance.lost_in_words]
    return dg.AssetCheckResult(
        asset_key=key,
        check_name="coverage",
        passed=not missing and not lost,
        severity=dg.AssetCheckSeverity.WARN,
        description=", ".join(filter(None, said)) or "nothing is missing",
        metadata={"seen": dg.MetadataValue.json(seen)},
    )


def _csv(key: dg.AssetKey, name: str, io_manager: Storage) -> dg.AssetCheckResult:
    try:
        io_manager.wait_for_csv(name)
        stored = read_stored(io_manager.folder, name)
    except TTError as error:
        return _result(key, "csv", passed=False, seen=str(error))
    if stored.manifest is None or stored.lost_files or stored.is_lagging or stored.manifest.csv is None:
        return _result(
            key, "csv", passed=False, seen="the CSV or the manifest is behind; `tt doctor --repair` mends it"
        )
    return _result(key, "csv", passed=True, seen=f"{stored.manifest.csv.bytes} bytes")


def _result(key: dg.AssetKey, check: str, *, passed: bool, seen: object) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        asset_key=key, check_name=check, passed=passed, metadata={"seen": dg.MetadataValue.text(str(seen))}
    )
