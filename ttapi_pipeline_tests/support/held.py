# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Processes that hold a run as those that execute it do, to be killed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

from ttapi_pipeline.defs.dagster_internals import run_lock_file

_HOLD = """
import fcntl, os, sys
descriptor = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
fcntl.flock(descriptor, fcntl.LOCK_SH)
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def holder(file: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lock of a run; killed at the end of the block, if not before."""
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _HOLD, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdin is not None
    assert process.stdout.readline() == "held\n"
    try:
        yield process
    finally:
        kill(process)
        process.stdout.close()
        process.stdin.close()


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()


def lock_file(instance: dg.DagsterInstance, run_id: str) -> Path:
    file = run_lock_file(instance, run_id)
    assert file is not None
    return file


@dg.job
def job() -> None: ...


def started_run(instance: dg.DagsterInstance, **tags: str) -> dg.DagsterRun:
    """A run that counts as started."""
    run = instance.create_run_for_job(job, tags=tags)
    instance.report_dagster_event(dg.DagsterEvent("PIPELINE_START", run.job_name), run.run_id)
    return run
