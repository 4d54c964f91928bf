# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""`tt quality`: a word per dataset and session, and a sentence for each that is not as it should be."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ttapi_pipeline.core.declaration import Keeps
from ttapi_pipeline.core.manifest import Provenance
from ttapi_pipeline.core.sessions import previous_session, session_hours
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.storage.publish import publish
from ttapi_pipeline.storage.versions.keeping import Retention, session_of
from ttapi_pipeline_tests.commands.test_json_documents import check
from ttapi_pipeline_tests.support.projects import Tt


def published(project: Path, name: str, at: datetime, **missing: str) -> None:
    schema = DATASETS[name].schema
    provenance = Provenance(dataset=name, code_version="1", fetched_at=at, missing=missing, is_simulated=True)
    retention = Retention(Keeps.LAST_OF_SESSION, newest=1)
    publish(schema.polars.to_frame(), schema, project / "data", provenance, retention=retention)


def test_each_session_has_a_word_and_what_is_wrong_a_sentence(tt: Tt, project: Path) -> None:
    present = session_of(datetime.now(UTC))
    gap = previous_session(present)
    bad, good = previous_session(gap), previous_session(previous_session(gap))
    for session, missing in ((good, {}), (bad, {"IBM": "HTTP 500"})):
        published(project, "symbols", session_hours(session).closes_at + timedelta(hours=5), **missing)
    done = tt("quality", COLUMNS="100")
    assert done.code == 3
    (row,) = (line.split() for line in done.out.splitlines() if line.startswith("symbols "))
    assert row == ["symbols", "ok", "part", "none", "wait"]
    assert f"symbols, {bad}: degraded, 1 did not come (1: HTTP 500)" in done.out
    assert f"symbols, {gap}: missing, nothing was published while the session lasted" in done.out
    document = check("quality", tt("quality", "symbols", "--since", str(gap), "--json").out)
    assert [(each["session"], each["state"]) for each in document["sessions"]] == [
        (str(gap), "missing"),
        (str(present), "pending"),
    ]
    narrow = tt("quality", COLUMNS="40")
    assert max(map(len, narrow.out.splitlines())) <= 40


def test_nothing_published_is_said_in_a_sentence(tt: Tt) -> None:
    done = tt("quality", "--json")
    assert (done.code, done.out) == (4, "")
    assert "nothing was published in" in done.err
    assert json.dumps({}) not in done.err
