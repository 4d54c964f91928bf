# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What the last sign of a process says; signs through Postgres are tested by `make distributed`."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from ttapi_pipeline.core.processes import ProcessIdentity, this_process
from ttapi_pipeline.defs.operations.signs_of_life import Sign, give_signs, signs_by_run, signs_of_step

NOW = datetime(2026, 11, 20, 15, tzinfo=UTC)
ELSEWHERE = replace(this_process(), host="another-machine")


@pytest.mark.parametrize(
    ("process", "silent_seconds", "why"),
    [
        (ELSEWHERE, 55, None),
        (ELSEWHERE, 65, "has given no sign for 65 s"),
        # A clock that is ahead.
        (ELSEWHERE, -30, None),
        # This process can be seen, so that its silence proves nothing.
        (this_process(), 3600, None),
        # A note that cannot be read.
        (None, 80, "has given no sign for 80 s"),
    ],
)
def test_a_process_that_cannot_be_seen_is_gone_when_it_is_silent(
    process: ProcessIdentity | None, silent_seconds: float, why: str | None
) -> None:
    sign = Sign("accounts", process, NOW - timedelta(seconds=silent_seconds))
    assert sign.why_gone(NOW) == why


def test_a_process_that_can_be_seen_is_gone_at_once() -> None:
    program = "from ttapi_pipeline.core.processes import this_process; print(this_process().to_json())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert Sign("", ProcessIdentity.from_json(done.stdout), NOW).why_gone(NOW) == "is gone"


def test_an_instance_in_local_files_has_locks_and_no_signs(tmp_path: Path) -> None:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        give_signs(instance, "4711")
        with signs_of_step(instance, "4711", "accounts"):
            assert signs_by_run(instance) == set()
