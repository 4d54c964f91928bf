# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What `--json` prints is what docs/json says of it."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from ttapi_pipeline.commands import program
from ttapi_pipeline.core.clock import SYSTEM_CLOCK
from ttapi_pipeline.core.privacy import masked_subjects
from ttapi_pipeline.core.progress import Phase
from ttapi_pipeline.core.verdict import Rule
from ttapi_pipeline.datasets.membership_schema import MEMBERSHIP
from ttapi_pipeline.datasets.registry import DATASETS, HISTORIES, REPORTS, load_settings
from ttapi_pipeline.datasets.status import read_statuses
from ttapi_pipeline.simulator.process import SimulatorProcess
from ttapi_pipeline.storage.scan import scan
from ttapi_pipeline.streaming.feed_health import LinkState
from ttapi_pipeline.terminal.status_document import status_document
from ttapi_pipeline_tests.support.documents import ROOT
from ttapi_pipeline_tests.support.listeners import webhook
from ttapi_pipeline_tests.support.projects import Tt, environment_of_users

FOLDER = ROOT / "docs" / "json"
NOBODY = {"TT_ENV": "simulator", "TT_API_URL": "http://127.0.0.1:9"}


def schema(command: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((FOLDER / f"{command}.schema.json").read_text(encoding="utf-8"))
    return document


def check(command: str, text: str) -> Any:
    """The document, which is of the schema of the command."""
    document = json.loads(text)
    faults = [f"{error.json_path}: {error.message}" for error in _validator(command).iter_errors(document)]
    assert faults == []
    return document


def _validator(command: str) -> Draft202012Validator:
    return Draft202012Validator(schema(command), format_checker=Draft202012Validator.FORMAT_CHECKER)


def objects(part: Any) -> Iterator[dict[str, Any]]:
    """Every object that a schema describes with its keys."""
    if isinstance(part, dict):
        if "properties" in part:
            yield part
        for each in part.values():
            yield from objects(each)
    elif isinstance(part, list):
        for each in part:
            yield from objects(each)


@pytest.mark.parametrize("command", program.COMMANDS)
def test_every_command_has_a_schema_that_describes_each_key(command: str) -> None:
    Draft202012Validator.check_schema(schema(command))
    found = list(objects(schema(command)))
    assert found
    assert all(each["additionalProperties"] is False for each in found)
    described = [value for each in found for value in each["properties"].values()]
    assert [value for value in described if not {"description", "const"} & set(value)] == []
    assert f"]({command}.schema.json)" in (FOLDER / "README.md").read_text(encoding="utf-8")


def test_there_is_no_schema_of_anything_else() -> None:
    assert {path.name.partition(".")[0] for path in FOLDER.glob("*.json")} == set(program.COMMANDS)


def test_the_words_of_rules_outcomes_and_states_are_those_of_the_program() -> None:
    of_dataset = schema("refresh")["properties"]["datasets"]["items"]["properties"]
    assert set(of_dataset["rule"]["enum"]) == set(map(str, Rule))
    assert set(of_dataset["outcome"]["enum"]) == {*map(str, Phase), None}
    of_connection = schema("stream")["properties"]["connections"]["items"]["properties"]
    assert set(of_connection["state"]["enum"]) == set(map(str, LinkState))


def test_the_grid_of_a_filled_and_of_an_empty_folder(tt: Tt, filled: Path) -> None:
    rows = check("status", tt("status", "--json", **NOBODY).out)["datasets"]
    assert [row["dataset"] for row in rows] == list(DATASETS)
    check("refresh", tt("refresh", "--json", **NOBODY).out)
    empty = check("status", tt("status", "--json", TT_DATA_DIR="elsewhere", **NOBODY).out)
    assert {row["rule"] for row in empty["datasets"]} == {"nothing stored"}


def test_a_failed_refresh_says_what_became_of_each_dataset(tt: Tt, filled: Path) -> None:
    done = tt("refresh", "universe", "--force", "--json", **NOBODY)
    outcomes = {row["dataset"]: row["outcome"] for row in check("refresh", done.out)["datasets"]}
    assert done.code == 4
    assert outcomes["universe"] == "failed"
    assert outcomes["accounts"] is None


def test_the_findings_of_the_doctor_are_those_that_it_prints(tt: Tt, filled: Path, exchange: SimulatorProcess) -> None:
    broker = {"TT_ENV": "simulator", "TT_API_URL": exchange.url}
    found = check("doctor", tt("doctor", "--json", **broker).out)
    assert found["is_good"]
    printed = [line[5:] for line in tt("doctor", **broker).out.splitlines()]
    assert [f"{finding['subject']}: {finding['text']}" for finding in found["findings"]] == printed
    done = tt("doctor", "--json", **NOBODY)
    assert (done.code, check("doctor", done.out)["is_good"]) == (4, False)


def test_rows_of_a_table_are_those_that_are_stored(tt: Tt, filled: Path) -> None:
    shown = check("show", tt("show", "daily_candles", "--symbol", "brk.b", "--rows", "3", "--json", **NOBODY).out)
    stored = scan(filled / "data", DATASETS["daily_candles"].schema)
    expected = stored.filter(symbol="BRK/B").collect()
    assert (shown["rows_stored"], shown["rows_chosen"]) == (stored.collect().height, expected.height)
    assert [row["session"] for row in shown["rows"]] == [str(day) for day in expected["session"][:3]]
    assert [row["close"] for row in shown["rows"]] == expected["close"][:3].to_list()
    for name in DATASETS:
        if name != "accounts":
            check("show", tt("show", name, "--rows", "1", "--json", **NOBODY).out)


def test_the_columns_that_are_described_are_those_of_the_table(tt: Tt) -> None:
    for name, dataset in DATASETS.items():
        described = check("show", tt("show", name, "--describe", "--json", **NOBODY).out)
        assert [column["name"] for column in described["columns"]] == dataset.schema.polars.names()
    for name in (*REPORTS, *HISTORIES, MEMBERSHIP.name):
        assert check("show", tt("show", name, "--describe", "--json", **NOBODY).out)["table"] == name


def test_a_symbol_has_the_rows_of_its_datasets(tt: Tt, filled: Path) -> None:
    shown = check("show", tt("show", "AAPL", "--json", **NOBODY).out)
    assert {verdict["verdict"] for verdict in shown["verdicts"].values()} == {"hit"}
    for name in ("volatility_cone", "returns_stddev", "variance_premium"):
        stored = scan(filled / "data", DATASETS[name].schema).filter(symbol="AAPL").collect()
        assert len(shown[name]) == stored.height
        assert set(shown[name][0]) == set(stored.columns)


def test_what_is_written_is_said(tt: Tt, filled: Path) -> None:
    said = check("export", tt("export", "quotes", "--json").out)
    assert said["bytes"] == (filled / "quotes.csv").stat().st_size
    views = check("export", tt("export", "--format", "duckdb", "--output", "t.duckdb", "--json").out)
    assert set(DATASETS) <= set(views["views"])
    made = check("init", tt("init", "fresh", "--json").out)
    assert str(filled / "fresh" / ".env") in made["made"]
    check("where", tt("where", "--json").out)
    check("metrics", tt("metrics", "--json", **NOBODY).out)
    script = check("completion", tt("completion", "zsh", "--json").out)
    assert script["script"] == tt("completion", "zsh").out


def test_an_import_is_told_beforehand(tt: Tt, project: Path) -> None:
    files = ["metastock", "files", "--symbols", "AAPL", "KO", "--first", "2026-01-02", "--last", "2026-01-30"]
    assert check("simulator", tt("simulator", *files, "--json").out)["files"] == 2
    file = next(path for path in (project / "files").rglob("*.*") if path.is_file())
    lines = file.read_text().splitlines()
    no_date = ",".join("x" if "2026" in cell else cell for cell in lines[-1].split(","))
    file.write_text("\n".join([*lines, no_date, ""]))
    told = check("import", tt("import", "--dry-run", "files", "--json").out)
    assert told["symbols"] == ["AAPL", "KO"]
    assert told["has_losses"]
    assert told["reasons"]


def test_a_stream_reports_its_health_line_by_line(tt: Tt, project: Path, exchange: SimulatorProcess) -> None:
    broker = {"TT_ENV": "simulator", "TT_API_URL": exchange.url}
    done = tt("stream", "AAPL", "--json", "--duration", "1", "--report-seconds", "0.4", **broker)
    reports = [check("stream", line) for line in done.out.splitlines()]
    assert len(reports) >= 2
    assert all(report["symbols"] == 1 and report["log"] is not None for report in reports)
    assert check("stream", tt("stream", "KO", "--no-log", "--json", "--duration", "0.5", **broker).out.splitlines()[-1])


def test_an_alert_says_what_was_found_and_told(tt: Tt, filled: Path) -> None:
    with webhook() as hook:
        check("alert", tt("alert", "--test", "--json", TT_ALERT_URLS=hook.url).out)
        assert check("alert", tt("alert", "--json", TT_ALERT_URLS=hook.url, **NOBODY).out)["not_accepted_by"] == []
        hook.status = 401
        check("alert", tt("alert", "--test", "--json", TT_ALERT_URLS=hook.url).out)


@pytest.mark.parametrize(
    ("command", "arguments"),
    [("simulator", ["simulator", "--port", "0", "--json"]), ("ui", ["ui", "--port", "{free}", "--json"])],
)
def test_a_server_says_where_it_is_in_its_first_line(project: Path, command: str, arguments: list[str]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        words = [word.format(free=free.getsockname()[1]) for word in arguments]
    process = subprocess.Popen(
        [sys.executable, "-m", "ttapi_pipeline.cli", *words],
        cwd=project,
        env={**environment_of_users(), "DAGSTER_HOME": str(project)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    try:
        check(command, process.stdout.readline().decode())
    finally:
        process.terminate()
        process.communicate(timeout=60)


def test_no_account_number_is_in_any_document(tt: Tt, filled: Path) -> None:
    numbers = scan(filled / "data", DATASETS["accounts"].schema).collect()["account_number"].to_list()
    assert numbers
    for words in (["status"], ["doctor"], ["where"], ["show", "AAPL"], ["show", "symbols"]):
        text = tt(*words, "--json", **NOBODY).out
        assert text
        assert [number for number in numbers if number in text] == []
    refused = tt("show", "accounts", "--json", **NOBODY)
    assert (refused.code, refused.out) == (2, "")
    assert "is shown on a terminal only" in refused.err


def test_the_number_of_an_account_that_did_not_come_is_masked(filled: Path) -> None:
    settings = load_settings({"TT_DATA_DIR": str(filled / "data")}, dotenv=filled / "none")
    statuses = dict(read_statuses(settings, now=SYSTEM_CLOCK.now()))
    manifest = statuses["accounts"].manifest
    assert manifest is not None
    provenance = replace(manifest.provenance, missing={"5WT12345": "GET /accounts/5WT12345/balances: HTTP 502"})
    stored = replace(statuses["accounts"].stored, manifest=replace(manifest, provenance=provenance))
    (row,) = status_document({"accounts": replace(statuses["accounts"], stored=stored)})
    assert row["missing"] == masked_subjects(provenance.missing)
    assert "5WT12345" not in json.dumps(row)
