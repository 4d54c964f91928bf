# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What other programs may import: the package's own names, what the documents show, and the types in the wheel."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from types import ModuleType

import polars as pl
import pytest
from hatchling.builders.wheel import WheelBuilder

import ttapi_pipeline
from ttapi_pipeline import Dataset, Settings, TTError, analytics, open_dataset
from ttapi_pipeline.core.errors import ConfigError, CorruptFileError, StorageError
from ttapi_pipeline.core.manifest import Provenance
from ttapi_pipeline.core.places import MARKER
from ttapi_pipeline.datasets.registry import DATASETS, REPORTS
from ttapi_pipeline.storage.publish import publish
from ttapi_pipeline.storage.stored import read_manifest
from ttapi_pipeline_tests.support.documents import DOCUMENTS, ROOT, name_of, python_blocks

PUBLIC = (ttapi_pipeline, analytics)
TO_BE_WRITTEN = "ttapi_pipeline.datasets.dividends"
"""The dataset that CONTRIBUTING adds as an example."""
NOW = datetime(2026, 11, 20, 21, tzinfo=UTC)


def shown_imports() -> Iterator[tuple[str, str, str]]:
    """Document, module and name of every import from our package that a document shows."""
    for path in DOCUMENTS:
        for block in python_blocks(path):
            for node in ast.walk(ast.parse(block)):
                if isinstance(node, ast.ImportFrom) and (module := node.module or "").startswith("ttapi_pipeline"):
                    names = () if module.startswith(TO_BE_WRITTEN) else node.names
                    yield from ((name_of(path), module, each.name) for each in names)


def store(name: str, folder: Path) -> None:
    schema = {**{known: dataset.schema for known, dataset in DATASETS.items()}, **REPORTS}[name]
    publish(schema.polars.to_frame(), schema, folder, Provenance(dataset=name, code_version="1", fetched_at=NOW))


@pytest.mark.parametrize("package", PUBLIC, ids=lambda package: package.__name__)
def test_every_public_name_is_there_and_no_other_one_is_made_up(package: ModuleType) -> None:
    assert set(package.__all__) <= set(dir(package))
    assert all(getattr(package, name) for name in package.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = package.nothing


def test_public_names_are_those_of_their_modules() -> None:
    assert (Settings.__module__, TTError.__module__) == ("ttapi_pipeline.core.settings", "ttapi_pipeline.core.errors")
    functions = {getattr(analytics, name) for name in analytics.__all__}
    assert {function.__name__ for function in functions} == set(analytics.__all__)


def test_every_public_function_of_the_analytics_is_called_like_no_module() -> None:
    """A module that is imported becomes an attribute of its package, and would take the function's place."""
    modules = {path.stem for path in Path(str(analytics.__file__)).parent.glob("*.py")}
    assert modules.isdisjoint(analytics.__all__)


def test_the_readme_imports_public_names_alone_and_all_that_read_what_is_stored() -> None:
    shown = {(module, name) for document, module, name in shown_imports() if document == "README.md"}
    assert shown <= {(package.__name__, name) for package in PUBLIC for name in package.__all__}
    assert {("ttapi_pipeline", name) for name in ("Dataset", "open_dataset", "scan_quote_log")} <= shown


@pytest.mark.parametrize(("document", "module", "name"), sorted(set(shown_imports())))
def test_what_a_document_imports_can_be_imported(document: str, module: str, name: str) -> None:
    assert hasattr(import_module(module), name), f"{document} imports {name} from {module}"


def test_importing_the_package_loads_nothing_that_it_may_not_need() -> None:
    program = "import sys, ttapi_pipeline.analytics; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert {"polars", "dagster", "dotenv", "msgspec", "numpy"}.isdisjoint(done.stdout.split())


def test_a_stored_dataset_is_opened_by_its_name(tmp_path: Path) -> None:
    store("accounts", tmp_path)
    for data_dir in (tmp_path, str(tmp_path), f"file://{tmp_path}"):
        frame = open_dataset("accounts", data_dir)
        assert isinstance(frame, pl.LazyFrame)
        assert frame.collect_schema() == DATASETS["accounts"].schema.polars


def test_the_data_folder_is_that_of_tt_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store("accounts", tmp_path / "data")
    (tmp_path / MARKER).touch()
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    monkeypatch.delenv("TT_DATA_DIR", raising=False)
    assert open_dataset("accounts").collect().height == 0


def test_a_table_that_belongs_to_a_dataset_is_opened_too(tmp_path: Path) -> None:
    store("eod_rejects", tmp_path)
    assert open_dataset("eod_rejects", tmp_path).collect_schema() == REPORTS["eod_rejects"].polars


def test_a_name_that_is_no_dataset_is_refused_with_the_one_that_was_meant(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"no dataset 'symbol' \(did you mean symbols\?\); there are trading_calendar"
    ):
        open_dataset("symbol", tmp_path)


def test_a_dataset_that_is_not_stored_is_named_with_what_makes_it(tmp_path: Path) -> None:
    for opened in (open_dataset, Dataset.open):
        with pytest.raises(StorageError, match=rf"accounts is not stored in {tmp_path} yet; `tt refresh accounts`"):
            opened("accounts", tmp_path)


def test_a_dataset_comes_with_what_is_known_of_it(tmp_path: Path) -> None:
    store("accounts", tmp_path)
    opened = Dataset.open("accounts", tmp_path, now=NOW + timedelta(minutes=20))
    assert opened.frame.collect().equals(open_dataset("accounts", tmp_path).collect())
    assert (opened.name, opened.rows, opened.missing, opened.is_simulated) == ("accounts", 0, {}, False)
    assert (opened.fetched_at, opened.age, opened.path) == (NOW, timedelta(minutes=20), tmp_path / "accounts.parquet")
    assert opened.manifest == read_manifest(tmp_path, "accounts")
    assert opened.data_version == opened.manifest.data_version
    assert [column.name for column in opened.columns] == opened.frame.collect_schema().names()


def test_the_verdict_is_that_of_tt_and_of_a_table_that_of_its_dataset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / MARKER).touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TT_DATA_DIR", raising=False)
    for name in ("accounts", "eod_rejects"):
        store(name, tmp_path / "data")
    # Stored with another code version than that of the declaration.
    assert str(Dataset.open("accounts").verdict).startswith("miss: code version 1 is now ")
    verdict = Dataset.open("eod_rejects").verdict
    assert (verdict.dataset, verdict.reason) == ("eod_snapshot", "nothing stored yet")


def test_a_dataset_stays_as_it_was_opened(tmp_path: Path) -> None:
    store("accounts", tmp_path)
    opened = Dataset.open("accounts", tmp_path)
    store("accounts", tmp_path)
    assert opened.manifest.write_id != Dataset.open("accounts", tmp_path).manifest.write_id
    assert opened.frame.collect().height == 0
    assert "LazyFrame" not in repr(opened)


def test_a_parquet_file_of_another_program_is_no_dataset(tmp_path: Path) -> None:
    DATASETS["accounts"].schema.polars.to_frame().write_parquet(tmp_path / "accounts.parquet")
    with pytest.raises(CorruptFileError, match="no manifest or footer says what it is"):
        Dataset.open("accounts", tmp_path)
    assert open_dataset("accounts", tmp_path).collect().height == 0


def test_the_wheel_says_that_the_package_is_typed() -> None:
    files = {file.distribution_path for file in WheelBuilder(str(ROOT)).recurse_included_files()}
    assert "ttapi_pipeline/py.typed" in files
    assert "ttapi_pipeline/__init__.py" in files
