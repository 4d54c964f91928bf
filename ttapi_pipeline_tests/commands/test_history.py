# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What `tt history` and `tt diff` say of a universe that was changed after the first refresh."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from ttapi_pipeline import open_dataset
from ttapi_pipeline.commands.history_examination import examine_history
from ttapi_pipeline.core.errors import ConfigError
from ttapi_pipeline.core.manifest import Manifest
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.simulator.process import SimulatorProcess
from ttapi_pipeline.storage.stored import read_manifest
from ttapi_pipeline_tests.commands.test_json_documents import NOBODY, check
from ttapi_pipeline_tests.support.flips import flip_bit
from ttapi_pipeline_tests.support.projects import Tt

A_SECOND = timedelta(seconds=1)


def stored(project: Path) -> Manifest:
    manifest = read_manifest(project / "data", "universe")
    assert manifest is not None
    return manifest


@pytest.fixture
def changed(tt: Tt, filled: Path, exchange: SimulatorProcess) -> tuple[Path, Manifest, Manifest]:
    """The project after BRK/B has left the universe and NVDA has come; the manifests before and after."""
    before = stored(filled)
    (filled / "symbols.txt").write_text("AAPL\nMSFT\nNVDA\n")
    done = tt("refresh", "universe", TT_ENV="simulator", TT_API_URL=exchange.url)
    assert done.code == 0, done.err
    return filled, before, stored(filled)


def test_history_says_when_why_and_what_changed_and_diff_shows_the_rows(
    tt: Tt, changed: tuple[Path, Manifest, Manifest], tmp_path: Path
) -> None:
    _, before, after = changed
    told = check("history", tt("history", "universe", "--json", **NOBODY).out)
    newest, first = told["versions"]
    assert (newest["version"], first["version"]) == (after.write_id, before.write_id)
    assert (newest["is_current"], first["is_current"], first["is_kept"]) == (True, False, True)
    assert newest["why"].startswith("settings: ")
    assert first["why"].startswith("nothing stored: ")
    assert (newest["rows_new"], newest["rows_changed"], newest["rows_gone"]) == (1, 0, 1)
    assert len(newest["run"]) == 36
    printed = tt("history", "universe", **NOBODY).out
    assert f"{after.write_id[:8]}  settings" in printed
    assert "2 publications" in printed

    compared = check("diff", tt("diff", "universe", "--json", **NOBODY).out)
    assert [row["symbol"] for row in compared["new"]] == ["NVDA"]
    assert [row["symbol"] for row in compared["gone"]] == ["BRK/B"]
    assert compared["changed"] == []
    back = check("diff", tt("diff", "universe", after.write_id[:8], before.write_id[:8], "--json", **NOBODY).out)
    assert ([row["symbol"] for row in back["new"]], back["rows_gone"]) == (["BRK/B"], 1)
    file = tmp_path / "changes.csv"
    lines = tt("diff", "universe", "--csv", str(file), **NOBODY).out.splitlines()
    assert lines[1] == "1 rows new, 1 gone, 0 changed"
    with file.open(newline="") as opened:
        rows = list(csv.DictReader(opened))
    assert [(row["symbol"], row["change"]) for row in rows] == [("NVDA", "new"), ("BRK/B", "gone")]
    again = tt("diff", "universe", "--csv", str(file), **NOBODY)
    assert (again.code, "is there already" in again.err) == (2, True)


def test_a_table_is_read_as_it_was_known_at_an_instant(tt: Tt, changed: tuple[Path, Manifest, Manifest]) -> None:
    project, before, after = changed
    versions = json.loads(tt("history", "universe", "--json", **NOBODY).out)["versions"]
    known_at = datetime.fromisoformat(versions[0]["known_at"])
    assert known_at >= after.provenance.fetched_at

    def symbols(as_of: datetime | None) -> list[str]:
        return open_dataset("universe", project / "data", as_of=as_of).select("symbol").collect()["symbol"].to_list()

    assert symbols(known_at - timedelta(microseconds=1)) == ["AAPL", "BRK/B", "MSFT"]
    assert symbols(known_at) == symbols(None) == ["AAPL", "MSFT", "NVDA"]
    with pytest.raises(ConfigError, match="nothing was known of universe at"):
        symbols(before.provenance.fetched_at - A_SECOND)
    with pytest.raises(ConfigError, match="no time zone"):
        symbols(datetime(2026, 11, 24, 16))  # noqa: DTZ001 - what is refused


def test_rows_are_shown_and_exported_as_they_were_known_at_an_instant(
    tt: Tt, changed: tuple[Path, Manifest, Manifest], tmp_path: Path
) -> None:
    _, before, after = changed
    newest, first = json.loads(tt("history", "universe", "--json", **NOBODY).out)["versions"]
    then = (datetime.fromisoformat(newest["known_at"]) - timedelta(microseconds=1)).isoformat()
    told = check("show", tt("show", "universe", "--as-of", then, "--json", **NOBODY).out)
    assert [row["symbol"] for row in told["rows"]] == ["AAPL", "BRK/B", "MSFT"]
    assert told["as_of"] == {"instant": then, "version": before.write_id, "known_at": first["known_at"]}
    assert told["data_version"] == before.data_version
    assert check("show", tt("show", "universe", "--json", **NOBODY).out)["as_of"] is None
    head = tt("show", "universe", "--as-of", then, COLUMNS="160", **NOBODY).out.splitlines()[0]
    assert head.startswith("universe as it was known at ")
    assert f"version {before.write_id[:8]} of " in head
    file = tmp_path / "then.csv"
    exported = tt("export", "universe", "--as-of", then, "--symbol", "BRK/B", "--output", str(file), **NOBODY)
    assert (exported.code, len(file.read_text().splitlines())) == (0, 2)
    now = tt("export", "universe", "--symbol", "BRK/B", "--output", str(tmp_path / "now.csv"), **NOBODY)
    assert (now.code, after.rows) == (2, 3)


def test_a_symbol_is_shown_as_it_was_known_at_an_instant(tt: Tt, changed: tuple[Path, Manifest, Manifest]) -> None:
    project, _, _ = changed
    manifests = {name: read_manifest(project / "data", name) for name in ("volatility", "symbols")}
    told = check("show", tt("show", "BRK/B", "--as-of", "2126-11-24", "--json", **NOBODY).out)
    assert told["symbol"] == "BRK/B"
    versions = {name: told["as_of"][name]["version"] for name in manifests}
    assert versions == {name: manifest.write_id for name, manifest in manifests.items() if manifest}
    printed = tt("show", "BRK/B", "--as-of", "2126-11-24", COLUMNS="120", **NOBODY).out
    assert "volatility as it was known at 2126-11-24 23:59:59 in New York: version " in printed


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("diff", "universe", "--rows", "0"), 2, "'0'; it accepts a number from 1 on, or all"),
        (("show", "universe", "--as-of", "yesterday"), 2, "'yesterday'; it accepts 2026-11-24 (to its end)"),
        (("show", "AAPL", "--as-of", "1999-01-04"), 2, "nothing was known of volatility at 1999-01-04"),
        (("show", "AAPL", "--as-of", "2126-11-24", "--plot"), 2, "--plot draws what is stored now"),
        (("export", "universe", "--as-of", "1999-01-04"), 2, "nothing was known of universe at 1999-01-04"),
        (("export", "--format", "duckdb", "--as-of", "2126-11-24"), 2, "--as-of goes with csv, parquet and xlsx"),
        (("history", "univers"), 2, "universe"),
        (("diff", "universe"), 4, "no earlier version with other rows"),
        (("diff", "universe", "0000000000"), 2, "no version begins with '0000000000'"),
        (("diff", "universe", "yesterday"), 2, "'yesterday' is no instant"),
        (("diff", "universe", "1999-01-04"), 2, "nothing was known of universe at 1999-01-04"),
        (("diff", "accounts", "--json"), 2, "accounts is private"),
    ],
)
def test_what_cannot_be_compared_is_said_in_a_sentence(
    tt: Tt, filled: Path, words: tuple[str, ...], code: int, sentence: str
) -> None:
    done = tt(*words, **NOBODY)
    assert (done.code, done.out) == (code, "")
    assert sentence in done.err
    assert "Traceback" not in done.err


def test_an_empty_folder_has_no_history(tt: Tt, project: Path) -> None:
    assert tt("history", "symbols", **NOBODY).out == (
        "nothing of symbols has been stored yet; `tt refresh symbols` makes it\n"
    )
    assert check("history", tt("history", "symbols", "--json", **NOBODY).out)["versions"] == []
    assert not (project / "data").exists()


def test_doctor_says_what_history_takes_and_names_a_damaged_version(
    changed: tuple[Path, Manifest, Manifest],
) -> None:
    project, before, _ = changed
    settings = Settings(data_dir=str(project / "data"))
    (finding,) = examine_history(settings)
    assert finding.is_good
    assert re.fullmatch(
        r"[\d,]+ versions of \d+ tables take \d+\.\d MB; what a year costs is known after three sessions", finding.text
    )
    flip_bit(project / "data" / "universe" / f"{before.write_id}.parquet", 100, 3)
    much, damaged = examine_history(replace(settings, keep_bytes=0))
    assert not much.is_good
    assert "TT_KEEP_BYTES allows 0.0 MB" in much.text
    assert f"{before.write_id}.parquet is damaged; this version of universe is lost" in damaged.text


def test_doctor_finds_no_history_in_an_empty_folder(tmp_path: Path) -> None:
    (finding,) = examine_history(Settings(data_dir=str(tmp_path)))
    assert (finding.is_good, finding.text) == (True, "nothing was published yet")
