# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Names in backticks exist: what docstrings and documents call a module, class or function is one."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

from ttapi_pipeline.core.settings import KNOWN_VARIABLES, SECRET_FILE_VARIABLES
from ttapi_pipeline.datasets.registry import DATASETS, HISTORIES, REPORTS
from ttapi_pipeline.terminal.status_metrics import NAMES as METRICS
from ttapi_pipeline_tests.support.documents import DOCUMENTS, PACKAGE, ROOT, name_of, text_of

BACKTICKED = re.compile(r"(?<!`)`([A-Za-z_][\w.]*)`(?!`)")
A_FILE = re.compile(r"\w+\.(?:csv|json|jsonl|lock|md|parquet|thrift|toml|yaml)")
NOT_OURS = {
    "_effect": "the end of field names",
    "bokeh_sampledata": "of Bokeh",
    "call_async": "of pybreaker",
    "get_status_by_partition": "of Dagster",
    "load_sp500_implied_vol_dataset": "of skfolio",
    "q": "a key",
    "run_retries": "in dagster.yaml",
    "var0": "of a formula",
    "yang_zhang_21": "one of many column names",
}
"""Words in backticks that are no names of the package, and what they are."""

FOR_USERS = [
    path for path in DOCUMENTS if path.parent.name in {ROOT.name, "docs", "data"} and path.name != "CHANGELOG.md"
]
"""Protocols and decisions also name what others have, and the changelog what there was."""

NAMES_OF_OTHERS = {"asyncio", "dataclasses", "pl"}
"""Libraries that a docstring may name without the module's importing them by that name."""


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def trees() -> Mapping[str, ast.Module]:
    """Every module by its name below the package."""
    return {module_name(path): ast.parse(path.read_text(encoding="utf-8")) for path in PACKAGE.rglob("*.py")}


@cache
def classes() -> Mapping[str, ast.ClassDef]:
    return {node.name: node for tree in trees().values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}


@cache
def identifiers() -> frozenset[str]:
    """Every name that is written somewhere in the package, and every string that could be one."""
    found = {part for name in trees() for part in name.split(".")} | set(dir(builtins))
    for tree in trees().values():
        found |= names_in(tree)
    return frozenset(found)


@cache
def columns() -> frozenset[str]:
    """The columns of every table."""
    schemas = [*(dataset.schema for dataset in DATASETS.values()), *REPORTS.values()]
    schemas += [history.schema for history in HISTORIES.values()]
    return frozenset(column.name for schema in schemas for column in schema.columns)


def names_in(tree: ast.AST) -> set[str]:
    """Everything in a tree that is a name, or a string that could be one."""
    found: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name) | ast.keyword(arg=str(name)):
                found.add(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                found.add(name)
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                found.update(part for alias in names for part in f"{alias.name}.{alias.asname}".split("."))
            case ast.Constant(value=str(text)) if text.isidentifier():
                found.add(text)
    return found


def members(node: ast.Module | ast.ClassDef) -> Mapping[str, ast.ClassDef | None]:
    """What a module or class defines or imports, with the node of each class."""
    found: dict[str, ast.ClassDef | None] = {}
    for each in ast.walk(node):
        match each:
            case ast.ClassDef(name=name):
                found[name] = each
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                found[name] = None
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(value=ast.Name(id="self"), attr=name):
                found.setdefault(name)
            case ast.ImportFrom(names=names):
                found.update((alias.asname or alias.name, None) for alias in names)
    return found


def exists(name: str) -> bool | None:
    """Whether a dotted name below the package is a module, or something that one has; None when no module is in it."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        node: ast.Module | ast.ClassDef | None = trees().get(".".join(parts[:length]))
        if node is None:
            continue
        for part in parts[length:]:
            known = members(node) if node is not None else {}
            if node is not None and part not in known:
                return False
            node = known.get(part)
        return True
    return None


@cache
def names_of_tests() -> frozenset[str]:
    """Every module and function of tests by its name."""
    files = list((ROOT / "ttapi_pipeline_tests").rglob("test_*.py"))
    found = {path.stem for path in files}
    for path in files:
        found.update(re.findall(r"def (test_\w+)", path.read_text(encoding="utf-8")))
    return frozenset(found)


def is_known(name: str, module: str) -> bool:
    """Whether a name in a docstring of a module is one that a reader can look up."""
    first, _, rest = name.removeprefix("ttapi_pipeline.").partition(".")
    if not rest:
        return first in identifiers() | names_of_tests() or first in NOT_OURS
    # A module is called by its last names, wherever it lies.
    named = [each for each in trees() if each == first or each.endswith(f".{first}")]
    if named:
        return any(exists(f"{each}.{rest}") for each in named) or exists(f"{module}.{name}") is True
    if first in classes():
        return rest in members(classes()[first])
    # What a parameter or an import of this module has is not looked up.
    return first in names_in(trees()[module]) | NAMES_OF_OTHERS


def docstrings(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.value.value


@pytest.mark.parametrize("module", sorted(trees()))
def test_a_name_in_a_docstring_exists(module: str) -> None:
    named = {name for text in docstrings(trees()[module]) for name in BACKTICKED.findall(text)}
    assert {name for name in named if not A_FILE.fullmatch(name) and not is_known(name, module)} == set()


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_a_dotted_name_in_a_document_that_begins_like_one_of_ours_exists(path: Path) -> None:
    names = {name for name in BACKTICKED.findall(text_of(path)) if "." in name and not A_FILE.fullmatch(name)}
    assert {name for name in names if exists(name.removeprefix("ttapi_pipeline.")) is False} == set()


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_a_setting_that_a_document_names_is_one(path: Path) -> None:
    named = set(re.findall(r"\bTT_[A-Z_]+[A-Z]\b", path.read_text(encoding="utf-8")))
    assert {name for name in named - KNOWN_VARIABLES - SECRET_FILE_VARIABLES if not name.startswith("TT_TTL")} - {
        "TT_SOAK_MINUTES",
        "TT_SOAK_FIGURES",
    } == set()


@pytest.mark.parametrize("path", FOR_USERS, ids=name_of)
def test_a_word_with_underscores_in_a_document_for_users_is_a_name_or_a_column_of_the_program(path: Path) -> None:
    named = {name for name in BACKTICKED.findall(text_of(path)) if re.fullmatch(r"[a-z]+(?:_[a-z0-9]+)+", name)}
    assert named - identifiers() - names_of_tests() - columns() - METRICS - NOT_OURS.keys() == set()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("analytics.horizons", True),
        ("analytics.horizons.horizon_statistics", True),
        ("core.verdict.Verdict.is_hit", True),
        ("analytics.horizons.nothing", False),
        ("core.verdict.Verdict.nothing", False),
        ("elsewhere.horizons", None),
    ],
)
def test_the_search_finds_modules_and_what_they_have(name: str, expected: bool | None) -> None:
    assert exists(name) is expected
