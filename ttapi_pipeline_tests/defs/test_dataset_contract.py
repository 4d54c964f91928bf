# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What every dataset of the registry owes, after a real run; and a new dataset, added as CONTRIBUTING says."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from ttapi_pipeline.core.ttl import format_duration
from ttapi_pipeline.datasets.columns_page import columns_page
from ttapi_pipeline.datasets.dataset import METASTOCK_FILES
from ttapi_pipeline.datasets.registry import DATASETS, REPORTS
from ttapi_pipeline.storage.hashing import data_version
from ttapi_pipeline.storage.scan import scan
from ttapi_pipeline.storage.spreadsheet import read_csv_back
from ttapi_pipeline.tables.conform import conform
from ttapi_pipeline.tables.rules import repeated_keys, violations
from ttapi_pipeline_tests.support.documents import ROOT
from ttapi_pipeline_tests.support.worlds import FirstRun

OUTSIDE = ("tastytrade/", "dxlink/", METASTOCK_FILES)
"""What columns may come from besides datasets: endpoints of the API, events of the feed, files."""


@pytest.fixture(scope="session")
def data(first_run: FirstRun) -> Path:
    """The data folder after a run of everything; it is only read."""
    return first_run.world.data


@pytest.mark.parametrize("name", DATASETS)
class TestStored:
    def test_the_rows_of_a_real_run_conform(self, name: str, data: Path) -> None:
        schema = DATASETS[name].schema
        rows = scan(data, schema).collect()
        assert rows.height > 0
        assert_frame_equal(conform(rows, schema), rows)
        assert repeated_keys(rows.lazy(), schema.key).is_empty()
        assert [
            column.name for column in schema.columns if not column.is_nullable and rows[column.name].has_nulls()
        ] == []

    def test_its_rules_hold_and_are_about_its_columns(self, name: str, data: Path) -> None:
        assert DATASETS[name].rules
        assert violations(scan(data, DATASETS[name].schema), DATASETS[name].rules) == {}

    def test_the_csv_has_the_same_rows(self, name: str, data: Path) -> None:
        schema = DATASETS[name].schema
        assert_frame_equal(read_csv_back(data, schema), scan(data, schema).collect())

    def test_the_manifest_describes_what_is_stored(self, name: str, data: Path) -> None:
        manifest = json.loads((data / f"{name}.json").read_text())
        schema, rows = DATASETS[name].schema, scan(data, DATASETS[name].schema).collect()
        assert manifest["dataset"] == name
        assert manifest["code_version"] == DATASETS[name].code_version
        assert manifest["rows"] == rows.height
        assert manifest["data_version"] == data_version(rows)
        assert manifest["schema"] == {column.name: str(column.type) for column in schema.columns}
        assert set(manifest["inputs"]) == set(DATASETS[name].upstream)
        # It came later, and is named where it has another value than its default.
        assert set(manifest["settings"]) == set(DATASETS[name].shaped_by) - {"metastock_extra"}
        assert manifest["csv"]["bytes"] == (data / f"{name}.csv").stat().st_size


def test_the_charts_that_a_run_draws_are_those_that_its_datasets_name(data: Path) -> None:
    named = [name for dataset in DATASETS.values() for name in dataset.charts]
    assert sorted(named) == sorted(path.stem for path in (data / "plots").iterdir())


@pytest.mark.parametrize("name", DATASETS)
class TestDescribed:
    def test_its_types_are_written_as_polars_writes_them(self, name: str) -> None:
        assert all(str(column.type) == str(column.dtype) for column in DATASETS[name].schema.columns)

    def test_every_column_says_what_it_is(self, name: str) -> None:
        tables = [DATASETS[name].schema, *DATASETS[name].reports]
        assert all(len(column.description) > 3 for table in tables for column in table.columns)
        assert all(not column.description.endswith(".") for table in tables for column in table.columns)

    def test_its_lineage_names_columns_that_exist(self, name: str) -> None:
        dataset = DATASETS[name]
        columns = pl.Series([column.name for column in dataset.schema.columns])
        for pattern, sources in dataset.lineage.items():
            expression = "^" + re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".") + "$"
            assert columns.str.contains(expression).any(), pattern
            for source in sources:
                upstream, _, column = source.partition(".")
                if not upstream.startswith(OUTSIDE):
                    assert upstream in dataset.upstream, source
                    assert column in DATASETS[upstream].schema.polars, source

    def test_its_preview_shows_columns_that_it_has(self, name: str) -> None:
        dataset = DATASETS[name]
        assert (dataset.preview is None) is dataset.is_private
        if dataset.preview is not None:
            assert set(dataset.preview.columns) <= set(dataset.schema.polars)
            assert dataset.preview.by in {*dataset.preview.columns, None}
            assert dataset.preview.latest in {*dataset.schema.polars, None}

    def test_what_it_is_made_from_comes_before_it(self, name: str) -> None:
        order = list(DATASETS)
        upstream = [each for each in DATASETS[name].upstream if each != METASTOCK_FILES]
        assert all(order.index(each) < order.index(name) for each in upstream)
        assert set(DATASETS[name].consults) <= set(DATASETS[name].upstream)

    def test_the_readme_and_the_example_of_settings_know_it(self, name: str) -> None:
        dataset = DATASETS[name]
        row = next(
            line for line in (ROOT / "README.md").read_text().splitlines() if line.startswith(f"| `{name}` |")
        ).split("|")
        assert all(f"`{each}`" in row[4] for each in dataset.upstream)
        example = (ROOT / ".env.example").read_text()
        assert f"\n# TT_TTL_{name.upper()}={format_duration(dataset.ttl)}\n" in example


def test_the_page_of_columns_is_what_the_datasets_say() -> None:
    assert (ROOT / "docs" / "columns.md").read_text(encoding="utf-8") == columns_page()


def test_no_two_tables_share_a_name() -> None:
    assert not set(DATASETS) & set(REPORTS)
    assert len(REPORTS) == sum(len(dataset.reports) for dataset in DATASETS.values())


_NEW_DATASET = """
import dagster as dg, json, sys
from datetime import datetime
from dataclasses import replace
from pathlib import Path
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.datasets.columns_page import columns_page
from ttapi_pipeline.datasets.registry import DATASETS, load_settings
from ttapi_pipeline.datasets.status import read_statuses
from ttapi_pipeline.defs.assembly import build_definitions
from ttapi_pipeline.defs.automation.jobs import REFRESH_JOB
from ttapi_pipeline.terminal.status_document import status_document

at = datetime.fromisoformat(sys.argv[1])


class Stopped:
    def now(self): return at
    def monotonic(self): return 0.0
    async def sleep(self, seconds): raise AssertionError("nothing is fetched")


settings = load_settings()
definitions = build_definitions(settings, clock=Stopped())
job = definitions.resolve_job_def(REFRESH_JOB)
found = {"order": list(DATASETS), "page": "## dividends" in columns_page()}
with dg.DagsterInstance.ephemeral() as instance:
    for run in ("first", "second"):
        result = job.execute_in_process(instance=instance, asset_selection=[dg.AssetKey("dividends")])
        found[run] = {
            "materialised": [event.asset_key.path[-1] for event in result.get_asset_materialization_events()],
            "observed": [
                event.asset_observation_data.asset_observation.asset_key.path[-1]
                for event in result.get_asset_observation_events()
            ],
            "checks": {each.check_name: each.passed for each in result.get_asset_check_evaluations()},
        }
found["grid"] = [row for row in status_document(read_statuses(settings, now=at)) if row["dataset"] == "dividends"]
found["ttl"] = load_settings({"TT_TTL_DIVIDENDS": "90"}, dotenv=Path("none")).ttl(DATASETS["dividends"]).total_seconds()
print(json.dumps(found))
"""


def test_a_dataset_added_as_contributing_says_is_an_asset_a_hit_and_a_row_of_the_grid(
    world: Any, tmp_path: Path
) -> None:
    """One folder and one line, in a copy of the tree."""
    copy = tmp_path / "tree"
    shutil.copytree(ROOT / "ttapi_pipeline", copy / "ttapi_pipeline")
    section = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split("\n## Add a dataset\n")[1].split("\n## ")[0]
    blocks = re.findall(r"^\*\*\d\.\*\* `(\S+\.py)`.*?^```python\n(.*?)^```$", section, flags=re.DOTALL | re.MULTILINE)
    assert [Path(name).name for name, _ in blocks] == ["__init__.py", "table.py", "build.py"]
    for name, block in blocks:
        file = copy / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(block)
    (line,) = re.findall(r"^\+    (\"\w+\",)$", section, flags=re.MULTILINE)
    registry = copy / "ttapi_pipeline" / "datasets" / "registry.py"
    before = registry.read_text()
    registry.write_text(before.replace('    "volatility_cone",\n', f'    "volatility_cone",\n    {line}\n'))
    assert registry.read_text() != before

    settings = {
        "TT_DATA_DIR": str(world.data),
        "TT_LIST": world.settings.universe,
        "TT_METASTOCK_DIR": str(world.metastock),
        "TT_HISTORY_START": world.settings.history_start.isoformat(),
        "TT_API_URL": world.settings.api_url,
    }
    done = subprocess.run(
        [sys.executable, "-c", _NEW_DATASET, world.clock.now().isoformat()],
        env={**{k: v for k, v in os.environ.items() if not k.startswith("TT_")}, **settings, "PYTHONPATH": str(copy)},
        cwd=copy,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["order"] == [*DATASETS, "dividends"]
    assert found["first"]["materialised"] == ["dividends"]
    assert (found["second"]["materialised"], found["second"]["observed"]) == ([], ["dividends"])
    assert found["first"]["checks"] == dict.fromkeys(
        ("schema", "unique_keys", "coverage", "yields_are_positive", "csv"), True
    )
    (row,) = found["grid"]
    assert (row["verdict"], row["rows"]) == (
        "hit",
        pl.read_parquet(world.data / "symbols.parquet").filter(pl.col("dividend_yield") > 0).height,
    )
    assert (found["page"], found["ttl"]) == (True, 90.0)
