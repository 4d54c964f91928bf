# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The notebook runs against tables of the simulator, and what is committed of its outputs names no machine."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from ttapi_pipeline_tests.support.documents import ROOT
from ttapi_pipeline_tests.support.projects import make_project, run_tt

NOTEBOOK = ROOT / "examples" / "four_questions.ipynb"
UNIVERSE = ("AAPL", "AMD", "KO", "MSFT", "RUT", "SPX", "T", "VIX", "XOM")
QUESTIONS = 4


def outputs(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    return [output for cell in notebook["cells"] for output in cell.get("outputs", ())]


def pictures(notebook: dict[str, Any]) -> int:
    return sum("image/png" in output.get("data", {}) for output in outputs(notebook))


def test_what_is_committed_has_the_answers_is_said_to_be_simulated_and_names_no_machine() -> None:
    text = NOTEBOOK.read_text(encoding="utf-8")
    notebook = json.loads(text)
    assert "**The outputs below are simulated.**" in "".join(notebook["cells"][0]["source"])
    titles = re.findall(r"## (\d)\. ", "\n".join("".join(cell["source"]) for cell in notebook["cells"]))
    assert titles == [str(number + 1) for number in range(QUESTIONS)]
    assert pictures(notebook) == QUESTIONS
    assert [
        output for output in outputs(notebook) if output["output_type"] == "error" or output.get("name") == "stderr"
    ] == []
    assert re.findall(r"/(?:home|root|tmp|Users|work)/|[A-Z]:\\\\", text) == []
    assert all(cell["outputs"] for cell in notebook["cells"] if cell["cell_type"] == "code")


@pytest.mark.thorough
@pytest.mark.timeout(600)
def test_it_runs_in_a_folder_that_the_simulator_has_filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbclient = pytest.importorskip("nbclient", reason="`make ci` installs what runs notebooks")
    pytest.importorskip("ipykernel", reason="`make ci` installs what runs notebooks")
    import nbformat

    project = make_project(tmp_path)
    (project / "symbols.txt").write_text("\n".join(UNIVERSE) + "\n")
    filled = run_tt(project, "refresh", TT_HISTORY_START="2021-01-04")
    assert filled.code == 0, filled.err
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    nbclient.NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(project)}}
    ).execute()
    assert pictures(notebook) == QUESTIONS
    printed = "".join(output.get("text", "") for output in outputs(notebook))
    assert f"of {len(UNIVERSE)} symbols, as of 20" in printed
    assert "five sessions, since the close of" in printed
