# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The web UI as somebody uses it: the graph, materialising, force, checks one by one, charts and previews."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.storage.stored import read_manifest
from ttapi_pipeline_tests.browser.conftest import WebUi

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

DATASET = "volatility_cone"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(400),
    # Playwright's own loop, which pytest-asyncio finds when it makes one.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def events(page: Page) -> None:
    page.goto(f"/assets/{DATASET}?view=events")
    page.get_by_text("Metadata", exact=True).first.wait_for()


def button(place: Page | Locator, words: str) -> Locator:
    """The button that says exactly this, whatever its icon is called."""
    return place.get_by_role("button").filter(has_text=re.compile(f"^{words}$")).first


def written(web_ui: WebUi) -> str:
    """The id of the last write of the dataset."""
    manifest = read_manifest(web_ui.project / "data", DATASET)
    return "" if manifest is None else manifest.write_id


def materialise(page: Page, web_ui: WebUi) -> str:
    """Click "Materialize" on the page of the dataset; the status of the run that this starts."""
    known = len(web_ui.runs())
    page.goto(f"/assets/{DATASET}?view=events")
    button(page, "Materialize").click()
    run = web_ui.wait_for_run(known)
    assert [each["path"] for each in run["assetSelection"]] == [[DATASET]]
    return str(run["status"])


def test_the_graph_shows_every_dataset_at_the_address_that_tt_ui_prints(page: Page, web_ui: WebUi) -> None:
    said = (web_ui.project / "ui.log").read_text()
    assert f"graph     {web_ui.url}/graph" in said
    assert "\x1b" not in said, "colours in a file"
    # Large enough that every box of the graph is drawn.
    page.set_viewport_size({"width": 1920, "height": 3000})
    page.goto("/graph")
    for name in (*DATASETS, "metastock_files", "quote_history"):
        page.get_by_text(name, exact=True).first.wait_for()


def test_the_run_of_tt_refresh_is_in_the_timeline_and_on_the_page_of_its_job(page: Page) -> None:
    page.goto("/overview/activity/timeline")
    page.get_by_text("ttapi_pipeline").first.wait_for()
    page.get_by_text("refresh_all").first.wait_for()
    page.goto("/locations/__repository__@ttapi_pipeline/jobs/refresh_all/runs")
    page.get_by_text("Success").first.wait_for()
    page.get_by_text("command: tt refresh").first.wait_for()


def test_a_dataset_materialises_the_second_time_is_a_hit_and_force_makes_it_again(page: Page, web_ui: WebUi) -> None:
    first = written(web_ui)
    for suffix in ("parquet", "csv", "json"):
        (web_ui.project / "data" / f"{DATASET}.{suffix}").unlink()
    assert materialise(page, web_ui) == "SUCCESS"
    second = written(web_ui)
    assert second not in {"", first}
    events(page)
    page.get_by_text("miss: ").first.wait_for()

    assert materialise(page, web_ui) == "SUCCESS"
    assert written(web_ui) == second
    events(page)
    page.get_by_text("reused: ").first.wait_for()
    page.get_by_text("hit: ").first.wait_for()

    known = len(web_ui.runs())
    button(page, "Materialize").click(modifiers=["Shift"])
    editor = page.locator(".CodeMirror").first
    editor.wait_for()
    config = "resources:\n  cache:\n    config:\n      force: true\n"
    editor.evaluate("(node, text) => node.CodeMirror.setValue(text)", config)
    button(page.get_by_role("dialog"), "Materialize").click()
    assert web_ui.wait_for_run(known)["status"] == "SUCCESS"
    assert written(web_ui) != second
    events(page)
    page.get_by_text("miss: forced").first.wait_for()


def test_a_check_of_one_rule_runs_alone(page: Page, web_ui: WebUi) -> None:
    known = len(web_ui.runs())
    page.goto(f"/assets/{DATASET}?view=checks&checkDetail=quantiles_ascend")
    button(page, "Execute").click()
    run = web_ui.wait_for_run(known)
    assert run["status"] == "SUCCESS"
    assert [each["name"] for each in run["assetCheckSelection"]] == ["quantiles_ascend"]
    page.reload()
    page.get_by_text("holds: quantiles ascend").first.wait_for()


def test_the_newest_event_shows_a_chart_and_extreme_rows(page: Page) -> None:
    events(page)
    page.get_by_text("[Show Markdown]").first.click()
    picture = page.get_by_role("dialog").get_by_role("img", name=DATASET)
    picture.wait_for()
    assert picture.evaluate("image => image.naturalWidth") == 972
    button(page, "Close").click()
    page.get_by_text("with the highest and the lowest current_percentile").wait_for()
    # A Markdown table of a few rows stands in the event itself.
    rows = page.locator("td table tbody tr")
    assert rows.count() == 10
    assert len({row.locator("td").first.inner_text() for row in rows.all()}) > 1


def test_the_api_shows_which_service_answers(page: Page) -> None:
    page.goto("/locations/__repository__@ttapi_pipeline/resources/api")
    page.get_by_text('"simulator"').wait_for()
    page.get_by_text("http://127.0.0.1:").first.wait_for()
