# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The asset checks that every dataset has: schema, keys, coverage, the CSV, and one for each of its rules.

None of them blocks: `publish` has refused repeated keys, nulls and foreign types before anything was replaced. They
look at what is stored, so they say the same of data that was reused: what was found in the same file before is used
again, see `examinations`. Each can be executed by itself, and has a history of its own, with a number that the web UI
plots.
"""

import re
from collections.abc import Iterator, Mapping

import dagster as dg
import polars as pl

from ttapi_pipeline.core.clock import Clock
from ttapi_pipeline.core.csv_choice import CsvChoice
from ttapi_pipeline.core.errors import TTError
from ttapi_pipeline.core.privacy import masked_subjects
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.datasets.dataset import Dataset
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.defs.examinations import Examination
from ttapi_pipeline.defs.operations.engines import LAST
from ttapi_pipeline.defs.resources import Storage
from ttapi_pipeline.storage.layout import Folder
from ttapi_pipeline.storage.stored import read_stored
from ttapi_pipeline.storage.table import StoredTable
from ttapi_pipeline.tables.schema import DatasetSchema

_DESCRIPTIONS = {
    "schema": "The stored columns and types are those of the schema.",
    "unique_keys": "No key is there more than once.",
    "coverage": "Everything that should be in the dataset came with this refresh, and could be read.",
    "csv": "The CSV and the manifest belong to the stored Parquet file.",
}
_LONGEST_CONDITION = 200
"""Characters of SQL that the description of a check shows."""
_WORDS = {"<=": " is at most ", ">=": " is at least ", "'s ": " "}


def rule_checks(dataset: Dataset) -> Mapping[str, str]:
    """The sentence of each rule of a dataset, by the name of its check."""
    return {_name_of(sentence): sentence for sentence in dataset.rules}


def _name_of(sentence: str) -> str:
    for sign, words in _WORDS.items():
        sentence = sentence.replace(sign, words)
    return re.sub(r"[^a-z0-9]+", "_", sentence.lower()).strip("_")


def dataset_checks(name: str, settings: Settings, *, clock: Clock) -> dg.AssetChecksDefinition:
    """The checks of a dataset, executed together or one by one."""
    dataset, key, rules = DATASETS[name], dg.AssetKey(name), rule_checks(DATASETS[name])
    descriptions = {**_DESCRIPTIONS, **{check: _description(dataset, rule) for check, rule in rules.items()}}

    @dg.multi_asset_check(
        name=f"check_{name}",
        specs=[dg.AssetCheckSpec(check, asset=key, description=text) for check, text in descriptions.items()],
        can_subset=True,
        # Whatever else can run goes first: the last check waits for the CSV.
        op_tags=LAST,
    )
    def check(
        context: dg.AssetCheckExecutionContext, io_manager: dg.ResourceParam[Storage]
    ) -> Iterator[dg.AssetCheckResult]:
        wanted = {each.name for each in context.selected_asset_check_keys}
        try:
            table = stored_table(io_manager.folder, dataset.schema)
        except TTError as error:
            yield from (check_result(key, each, passed=False, seen=str(error)) for each in sorted(wanted))
            return
        rows = Examination.of(context, name, table, clock=clock)
        if "schema" in wanted:
            yield check_result(key, "schema", passed=True, seen=f"{len(dataset.schema.columns)} columns")
        if "unique_keys" in wanted:
            yield _unique_keys(rows, table.frame, dataset)
        if "coverage" in wanted:
            yield _coverage(key, dataset, io_manager, settings)
        yield from _rules(rows, table.frame, dataset, {check: rules[check] for check in rules if check in wanted})
        if "csv" in wanted:
            yield _csv(key, name, io_manager)

    return check


def _description(dataset: Dataset, rule: str) -> str:
    condition = dataset.rules[rule]
    shown = f": `{condition}`" if len(condition) <= _LONGEST_CONDITION else ""
    return f"Of every row: {rule}{shown}."


def stored_table(folder: Folder, schema: DatasetSchema) -> StoredTable:
    """As `storage.scan.open_table`."""
    from ttapi_pipeline.storage.scan import open_table  # noqa: PLC0415 - see `defs`

    return open_table(folder, schema)


def _unique_keys(rows: Examination, frame: pl.LazyFrame, dataset: Dataset) -> dg.AssetCheckResult:
    from ttapi_pipeline.tables.rules import repeated_keys  # noqa: PLC0415 - see `defs`

    by = ", ".join(dataset.schema.key)
    before = rows.found_before("unique_keys", by)
    if before is not None:
        return before
    repeated = repeated_keys(frame, dataset.schema.key)
    shown = repeated.height if dataset.is_private else repeated.rows()
    found = check_result(rows.key, "unique_keys", passed=repeated.is_empty(), seen=shown or "no repetition")
    return rows.noted(found, by)


def _rules(
    rows: Examination, frame: pl.LazyFrame, dataset: Dataset, rules: Mapping[str, str]
) -> Iterator[dg.AssetCheckResult]:
    """The results of checks of rules, those that are not known from one pass over the rows.

    Examples of rows that break a rule cost another pass.
    """
    from ttapi_pipeline.tables.rules import broken_keys, violations  # noqa: PLC0415 - see `defs`

    before = {check: rows.found_before(check, dataset.rules[rule]) for check, rule in rules.items()}
    yield from (found for found in before.values() if found is not None)
    unknown = {check: rule for check, rule in rules.items() if before[check] is None}
    broken = violations(frame, {rule: dataset.rules[rule] for rule in unknown.values()}) if unknown else {}
    for check, rule in unknown.items():
        count, metadata = broken.get(rule, 0), dict[str, dg.MetadataValue]()
        if count and not dataset.is_private:
            examples = broken_keys(frame, dataset.rules[rule], dataset.schema.key)
            metadata["examples"] = dg.MetadataValue.json([[str(value) for value in row] for row in examples.rows()])
        found = dg.AssetCheckResult(
            asset_key=rows.key,
            check_name=check,
            passed=not count,
            description=f"{count} rows break it: {rule}" if count else f"holds: {rule}",
            metadata={"broken_rows": count, **metadata},
        )
        yield rows.noted(found, dataset.rules[rule])


def _coverage(key: dg.AssetKey, dataset: Dataset, io_manager: Storage, settings: Settings) -> dg.AssetCheckResult:
    manifest = read_stored(io_manager.folder, dataset.name).manifest
    missing = {} if manifest is None else dict(manifest.provenance.missing)
    if dataset.is_private:
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
        metadata={"missing_count": len(missing), "seen": dg.MetadataValue.json(seen)},
    )


def _csv(key: dg.AssetKey, name: str, io_manager: Storage) -> dg.AssetCheckResult:
    try:
        io_manager.wait_for_csv(name)
        stored = read_stored(io_manager.folder, name)
    except TTError as error:
        return check_result(key, "csv", passed=False, seen=str(error))
    is_off = stored.manifest is not None and stored.manifest.csv_choice is CsvChoice.OFF
    if is_off and not stored.is_lagging:
        return check_result(key, "csv", passed=True, seen="none, as TT_CSV=off wants it")
    if stored.manifest is None or stored.lost_files or stored.is_lagging or stored.manifest.csv is None:
        return check_result(
            key, "csv", passed=False, seen="the CSV or the manifest is behind; `tt doctor --repair` mends it"
        )
    return check_result(key, "csv", passed=True, seen=f"{stored.manifest.csv.bytes} bytes")


def check_result(key: dg.AssetKey, check: str, *, passed: bool, seen: object) -> dg.AssetCheckResult:
    """The result of a check that has seen something, which is its metadata and its description."""
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=check,
        passed=passed,
        description=str(seen),
        metadata={"seen": dg.MetadataValue.text(str(seen))},
    )
