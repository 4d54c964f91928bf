# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Imports point one way, and each module says what it is for."""

from __future__ import annotations

import ast
import sys
from collections.abc import Collection, Iterator
from functools import cache
from graphlib import TopologicalSorter
from importlib.util import resolve_name
from pathlib import Path

import pytest

import ttapi_pipeline

PACKAGE = Path(ttapi_pipeline.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))

BELOW = {
    "__init__": {"core", "datasets", "quote_recorder"},
    "core": set(),
    "analytics": set(),
    "simulator": {"core"},
    "tables": {"core"},
    "client": {"core"},
    "streaming": {"core"},
    "storage": {"core", "tables"},
    "metastock": {"core", "analytics", "tables", "storage", "client", "streaming"},
    "broker": {"core", "client", "streaming", "simulator", "storage"},
    "plots": {"core", "tables", "analytics", "storage"},
    "datasets": {
        "core",
        "tables",
        "analytics",
        "storage",
        "client",
        "streaming",
        "metastock",
        "plots",
        "broker",
        "simulator",
    },
    "quote_recorder": {"core", "tables", "storage", "client", "streaming", "broker", "datasets"},
    "alerts": {"core", "storage", "datasets"},
    "terminal": {"core", "tables", "analytics", "storage", "metastock", "datasets", "streaming", "quote_recorder"},
}
"""What each part may import besides itself; parts that are not named (defs, definitions, cli) may import all."""

WITH_DAGSTER = {"defs", "definitions"}
FRAMEWORKS_OF_CORE = {"dotenv", "platformdirs"}
"""What core may import besides the standard library: a file format, and where each system keeps data of users."""


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


@cache
def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@cache
def tree_of(path: Path) -> ast.Module:
    """A file's syntax tree, which the tests of a module share."""
    return ast.parse(text_of(path))


@cache
def imports(path: Path, *, at_import: bool = False) -> Collection[str]:
    """Absolute names of the modules that a file imports, or only of those imported when it is imported itself."""
    return frozenset(_imports(path, at_import=at_import))


def _imports(path: Path, *, at_import: bool) -> Iterator[str]:
    package = name_of(path) if path.name == "__init__.py" else name_of(path).rpartition(".")[0]
    for node in _nodes(tree_of(path), at_import=at_import):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = resolve_name("." * node.level + (node.module or ""), package) if node.level else node.module or ""
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _nodes(tree: ast.AST, *, at_import: bool) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if at_import and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        yield node
        yield from _nodes(node, at_import=at_import)


def test_the_walk_finds_the_package() -> None:
    assert {part_of(path) for path in MODULES} >= {"core"}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_imports_only_from_below(path: Path) -> None:
    part = part_of(path)
    if part not in BELOW:
        return
    own = {name.split(".")[1] for name in imports(path) if name.startswith("ttapi_pipeline.")}
    assert own - {part, "__version__"} <= BELOW[part]


ADAPTERS = {
    "apprise": {"alerts.delivery"},
    "aiohttp": {"client.transport", "client.server_clock"},
    "prometheus_client": {"commands.metrics"},
    "pybreaker": {"client.breakers"},
    "tenacity": {"client.retries"},
    "websockets": {"streaming.connection", "streaming.websocket"},
}
"""Libraries that only these modules import, besides the simulator: beyond them, their types and errors are unknown."""


@pytest.mark.parametrize("path", [path for path in MODULES if part_of(path) != "simulator"], ids=name_of)
def test_a_library_is_imported_where_its_errors_become_ours(path: Path) -> None:
    found = {name.split(".")[0] for name in imports(path)} & set(ADAPTERS)
    assert not {library for library in found if name_of(path).removeprefix("ttapi_pipeline.") not in ADAPTERS[library]}


WITHOUT_IO = (
    *("backoff", "candle_symbols", "candles", "channel", "events", "feed_health", "market_data", "messages"),
    *("protocol", "quote_board", "seen_sales", "values"),
)
"""Modules of streaming that decide and compute: they know no socket, clock or task."""


@pytest.mark.parametrize("name", WITHOUT_IO)
def test_what_decides_about_a_feed_does_no_io(name: str) -> None:
    found = imports(PACKAGE / "streaming" / f"{name}.py")
    assert not {"asyncio", "socket", "threading", "time", "ttapi_pipeline.core.clock", "websockets"} & set(found)
    own = {each.split(".")[2] for each in found if each.startswith("ttapi_pipeline.streaming.")}
    assert own <= set(WITHOUT_IO)


FILES_OF_THE_RECORDER = ("compaction", "history", "layout", "log", "log_writer", "schemas")
"""Modules that read and write stored quotes, for which nothing has to be streamed."""


@pytest.mark.parametrize("name", FILES_OF_THE_RECORDER)
def test_stored_quotes_are_read_and_compacted_without_a_feed(name: str) -> None:
    found = {each for each in imports(PACKAGE / "quote_recorder" / f"{name}.py") if each.startswith("ttapi_pipeline.")}
    assert {each.split(".")[1] for each in found} <= {"core", "quote_recorder", "storage", "tables"}
    own = {each.split(".")[2] for each in found if each.startswith("ttapi_pipeline.quote_recorder.")}
    assert own <= set(FILES_OF_THE_RECORDER)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_only_the_definitions_import_dagster(path: Path) -> None:
    part = part_of(path)
    # The command line imports Dagster inside of the functions that run it, so that `tt status` starts at once.
    found = {name.split(".")[0] for name in imports(path, at_import=part in {"cli", "commands"})}
    assert part in WITH_DAGSTER or not {name for name in found if name.startswith("dagster")}


DEFINITIONS = [path for path in MODULES if part_of(path) == "defs"]
UNPROMISED = {
    *("all_asset_keys", "all_logs", "asset_graph_view", "calculate_delay", "compute_log_manager", "engine_event_data"),
    *("event_log_storage", "get_latest_data_version_record", "get_materialized_partitions", "get_run_ids", "get_runs"),
    *("get_step_execution_context", "report_run_failed", "step_context", "step_failure_data"),
}
"""Attributes of Dagster's public classes that Dagster does not mark as public."""


@pytest.mark.parametrize("path", DEFINITIONS, ids=name_of)
def test_what_dagster_does_not_promise_is_used_in_one_module(path: Path) -> None:
    if name_of(path) == "ttapi_pipeline.defs.dagster_internals":
        return
    assert not {name for name in imports(path) if name.startswith("dagster") and "._" in name}
    assert not {node.attr for node in ast.walk(tree_of(path)) if isinstance(node, ast.Attribute)} & UNPROMISED


def test_the_definitions_import_one_another_in_one_direction() -> None:
    """Also inside of functions: a module that imports another when it runs does not have to be imported by it."""
    graph = {name_of(path): set(imports(path)) & set(map(name_of, DEFINITIONS)) for path in DEFINITIONS}
    assert set(TopologicalSorter(graph).static_order()) == set(graph)


@pytest.mark.parametrize("path", [path for path in MODULES if part_of(path) == "core"], ids=name_of)
def test_core_imports_no_framework(path: Path) -> None:
    outside = {name.split(".")[0] for name in imports(path)} - set(sys.stdlib_module_names)
    assert outside <= FRAMEWORKS_OF_CORE | {"ttapi_pipeline"}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_opens_with_its_licence_and_its_purpose(path: Path) -> None:
    # With whose it is above it; `test_licences` sees to that in every file.
    assert any(line.startswith("# SPDX-License-") for line in text_of(path).splitlines()[:2])
    assert ast.get_docstring(tree_of(path))


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_annotations_are_postponed_except_where_dagster_reads_them(path: Path) -> None:
    definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    if not any(isinstance(node, definition) for node in ast.walk(tree_of(path))):
        return
    is_postponed = "__future__.annotations" in imports(path)
    assert is_postponed == (part_of(path) != "defs")


LOGGERS_OF_OTHERS = {
    "ttapi_pipeline.alerts.delivery",
    "ttapi_pipeline.core.logs",
    "ttapi_pipeline.streaming.websocket",
    "ttapi_pipeline.terminal.held_logs",
}
"""Modules that take hold of a logger that is not their own: to set its level, to quieten a library, to hold records."""


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_logger_has_the_name_of_its_module(path: Path) -> None:
    tree = tree_of(path)
    made = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and "getLogger" in ast.unparse(node.func)]
    if name_of(path) not in LOGGERS_OF_OTHERS:
        assert {ast.unparse(call) for call in made} <= {"logging.getLogger(__name__)"}
    bound = [node for node in tree.body if isinstance(node, ast.Assign | ast.AnnAssign) and node.value in made]
    targets = [node.target if isinstance(node, ast.AnnAssign) else node.targets[0] for node in bound]
    assert {ast.unparse(target) for target in targets} <= {"_LOGGER"}


LONGEST_MODULE = 400
LONGEST_FUNCTION = 60
LONG_WITH_REASON = "# Reads better in one piece: "
"""Begins the comment that says why a module or a function is longer than these."""


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_and_its_functions_are_short_or_say_why_not(path: Path) -> None:
    lines = text_of(path).splitlines()
    licence = sum(line.startswith("# SPDX-") for line in lines[:2])
    assert len(lines) - licence < LONGEST_MODULE or any(line.startswith(LONG_WITH_REASON) for line in lines)
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            own = lines[node.lineno - 1 : node.end_lineno]
            assert len(own) <= LONGEST_FUNCTION or any(LONG_WITH_REASON in line for line in own), node.name
