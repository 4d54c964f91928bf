# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Files of the user in the places of datasets: they are named, nothing is asked, nothing is replaced."""

from __future__ import annotations

import json
from pathlib import Path

import dagster as dg
import pytest

from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.defs.assembly import build_definitions
from ttapi_pipeline_tests.support.projects import Tt

NOBODY = "http://127.0.0.1:9"
"""Nothing listens there: a request would fail otherwise than these tests expect."""


@pytest.fixture
def theirs(project: Path) -> Path:
    """Their quotes, in the data folder of the project."""
    (project / "data").mkdir()
    (project / "data" / "quotes.csv").write_text("author,quote\nTwain,Never the twain\n")
    return project / "data" / "quotes.csv"


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_refresh_refuses_names_the_file_and_says_what_to_do(tt: Tt, project: Path, theirs: Path) -> None:
    before = tree(project)
    for arguments in (["refresh", "quotes"], ["refresh"], ["refresh", "quotes", "--force"]):
        refused = tt(*arguments, TT_ENV="simulator", TT_API_URL=NOBODY)
        assert refused.code == 4
        assert f"error: {theirs} is in the place of a dataset" in refused.err
        assert "move it away, or set TT_DATA_DIR to another folder" in refused.err
    assert theirs.read_text() == "author,quote\nTwain,Never the twain\n"
    assert tree(project) == before


def test_the_grid_and_the_doctor_name_it(tt: Tt, theirs: Path) -> None:
    (row,) = (row for row in json.loads(tt("status", "--json").out)["datasets"] if row["dataset"] == "quotes")
    assert (row["verdict"], row["rows"]) == ("miss", None)
    assert row["reason"].startswith(f"{theirs} is in the place of a dataset")
    doctor = tt("doctor", "--repair", TT_ENV="simulator", TT_API_URL=NOBODY)
    assert f"bad  quotes: {theirs} is in the place of a dataset" in doctor.out
    assert theirs.exists()


def test_a_step_that_dagster_starts_refuses_before_it_asks_the_broker(
    theirs: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    settings = Settings.from_values({"TT_ENV": "simulator", "TT_API_URL": NOBODY, "TT_DATA_DIR": str(theirs.parent)})
    theirs.rename(theirs.with_name("accounts.csv"))
    with dg.DagsterInstance.ephemeral() as instance:
        job = build_definitions(settings).resolve_implicit_global_asset_job_def()
        result = job.execute_in_process(
            instance=instance, asset_selection=[dg.AssetKey("accounts")], raise_on_error=False
        )
    (failed,) = (event for event in result.all_events if event.is_step_failure)
    assert failed.step_failure_data.error is not None
    assert "accounts.csv is in the place of a dataset" in str(failed.step_failure_data.error)
    assert not (theirs.parent / "accounts.json").exists()
