# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Who is told by a refresh that nobody watches, in processes of its own."""

from __future__ import annotations

import json
from pathlib import Path

from ttapi_pipeline_tests.support.listeners import webhook
from ttapi_pipeline_tests.support.projects import run_tt

NOBODY = "http://127.0.0.1:9"
"""Nothing listens there."""


def test_a_refresh_that_nobody_watches_tells_once_and_a_look_has_nothing_to_add(project: Path) -> None:
    with webhook() as hook:
        variables = {"TT_ALERT_URLS": hook.url, "TT_API_URL": NOBODY, "DAGSTER_HOME": str(project)}
        done = run_tt(project, "refresh", "accounts", **variables)
        assert done.code == 4
        assert hook.titles == ["ttapi_pipeline: accounts failed"]
        assert "127.0.0.1:9 cannot be reached" in hook.posted[0]["message"]
        look = run_tt(project, "alert", "--json", **variables)
        assert look.code == 0, look.err
        document = json.loads(look.out)
        assert document["not_well"]["accounts"]["kind"] == "failed"
        assert (document["told"], document["told_recovered"], document["not_accepted_by"]) == ([], [], [])
        assert len(hook.posted) == 1
        assert "canary" not in done.out + done.err + look.out + look.err
