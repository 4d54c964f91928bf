# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Takes the pictures of the web UI that the documents show, from one that is running.

``tt ui``, then ``python .ci/web_pictures.py http://127.0.0.1:3000 FOLDER [WIDTH]``; the documents have 1280 pixels.
Needs Playwright and chromium, as the tests of ``ttapi_pipeline_tests/browser`` do.
"""

from __future__ import annotations

import shutil
import sys
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image
from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from playwright.sync_api import Page

DATASET = "returns_stddev"
PAGES = {
    "freshness.png": (f"/assets/{DATASET}?view=overview", "Freshness policy", 1250),
    "tour/lineage.png": (f"/assets/{DATASET}?view=lineage&lineageScope=upstream", DATASET, 760),
    "tour/events.png": (f"/assets/{DATASET}?view=events", "Metadata", 790),
    "tour/checks.png": (f"/assets/{DATASET}?view=checks", "Execution history", 620),
    "graph.png": ("/graph", "Materialize all", 900),
    "timeline.png": ("/overview/activity/timeline", "ttapi_pipeline", 620),
    "job.png": ("/locations/__repository__@ttapi_pipeline/jobs/refresh_all/runs", "Success", 620),
}
"""For each picture, its address, a text that is there once the page is, and its height. The last are for looking."""

LEAST_WIDTHS = {"freshness.png": 1500}
"""Where the web UI cuts the descriptions of columns on anything narrower."""

SETTLED_MS = 4_000
"""A page goes on drawing after its text is there."""


def take(page: Page, name: str, folder: Path, width: int) -> None:
    """Write one picture."""
    address, text, height = PAGES[name]
    page.set_viewport_size({"width": max(width, LEAST_WIDTHS.get(name, 0)), "height": height})
    page.goto(address)
    page.get_by_text(text).first.wait_for()
    page.wait_for_timeout(SETTLED_MS)
    target = folder / name
    target.parent.mkdir(parents=True, exist_ok=True)
    # Pictures of an interface have few colours: as a palette they take a third of the bytes.
    Image.open(BytesIO(page.screenshot())).quantize(256).save(target, optimize=True)
    sys.stderr.write(f"{target}\n")


def main(url: str, folder: Path, width: int) -> None:
    """Write all of them."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(base_url=url, timezone_id="America/New_York")
        page.set_default_timeout(60_000)
        for name in PAGES:
            take(page, name, folder, width)
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 1280)
