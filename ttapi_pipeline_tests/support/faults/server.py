# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A warm process that forks a child per job, so that a thousand faults cost a thousand forks and not as many imports.

The parent imports everything and computes nothing: Polars starts its threads when it first computes, and a fork would
lose them. Each child arms the library for itself, does one job and ends, so it is as good as a process of its own.

Run as a program, it reads a job per line and answers with the exit status of the child. `Server` is its other end.
"""

from __future__ import annotations

import gc
import importlib
import json
import logging
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from ttapi_pipeline.core.errors import TTError
from ttapi_pipeline_tests.support.documents import ROOT
from ttapi_pipeline_tests.support.faults.library import Action, Fault, Operation, Shim
from ttapi_pipeline_tests.support.faults.writer import Writer

_JOB_SECONDS: Final = 150
"""A job that takes longer hangs: it is killed by the alarm."""


class Server:
    """A server with some modules of writers; each has them as `WRITERS`, and may prepare the process in `warm`."""

    def __init__(self, library: Path, modules: Sequence[str], scratch: Path) -> None:
        # Not measured for coverage: a killed process leaves half a coverage file.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
        # One thread of Polars: the same events in the same order, every time.
        environment |= {"LD_PRELOAD": str(library), "POLARS_MAX_THREADS": "1"}
        command = [sys.executable, "-m", __name__, str(library), *modules]
        self._scratch = scratch
        self._process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._process:
            pass

    def do(self, job: str, writer: str, folder: Path, **arguments: Any) -> tuple[int, Mapping[str, Any]]:
        """Have a child do a job.

        Returns:
            The exit status of the child, negative for a signal, and what it told; empty for a child that was killed.
        """
        answer = self._scratch / "answer.json"
        answer.unlink(missing_ok=True)
        request = {"job": job, "writer": writer, "folder": str(folder), "answer": str(answer), "arguments": arguments}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the server has ended"
        status = int(line)
        told = json.loads(answer.read_text()) if status == 0 else {}
        assert status in {0, -signal.SIGKILL}, f"{job} of {writer} in {folder} ended with {status}: {told}"
        return status, told


def _fault_from(document: Mapping[str, Any] | None) -> Fault | None:
    if document is None:
        return None
    lasting = [Operation(each) for each in document["lasting"]]
    return Fault(document["at"], Action(document["action"]), document["error"], lasting)


def document_of(fault: Fault) -> Mapping[str, Any]:
    """A fault as an argument of a job."""
    return asdict(fault) | {"lasting": [int(each) for each in fault.lasting]}


def prepare(writer: Writer, folder: Path, _: Shim) -> Mapping[str, Any]:
    """Make the state to start from."""
    writer.prepare(folder)
    return {}


def learn(writer: Writer, folder: Path, shim: Shim, *, record: str) -> Mapping[str, Any]:
    """Run undisturbed and record the events, with a mark wherever something is acknowledged."""
    descriptor = os.open(record, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    shim.arm(folder, None, record=descriptor)
    writer.run(folder, lambda: shim.mark(0))
    shim.disarm()
    return {"view": writer.view(folder), "files": writer.files(folder)}


def watch(writer: Writer, folder: Path, _: Shim) -> Mapping[str, Any]:
    """Run undisturbed and look at the start, and whenever something is acknowledged."""
    views = [writer.view(folder)]

    def acknowledge() -> None:
        views.append(writer.view(folder))

    writer.run(folder, acknowledge)
    return {"views": views}


def disturb(
    writer: Writer, folder: Path, shim: Shim, *, fault: Mapping[str, Any], acknowledged: str
) -> Mapping[str, Any]:
    """Run with a fault; after an error, the same process tries again."""
    descriptor = os.open(acknowledged, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    shim.arm(folder, _fault_from(fault))
    told = _attempt(lambda: writer.run(folder, lambda: _note(descriptor)))
    events = shim.disarm()
    seen = writer.view(folder)
    again = _attempt(lambda: writer.run(folder, lambda: None)) if told else {}
    return {"error": told, "view": seen, "again": again, "view_again": writer.view(folder), "events": events}


def examine(writer: Writer, folder: Path, _: Shim) -> Mapping[str, Any]:
    """What another process sees, before and after the next plain run."""
    seen = writer.view(folder)
    error = _attempt(lambda: writer.run(folder, lambda: None))
    return {"view": seen, "error": error, "next_view": writer.view(folder), "files": writer.files(folder)}


def mend(writer: Writer, folder: Path, _: Shim) -> Mapping[str, Any]:
    """What repair says and leaves."""
    problems: list[str] = []
    error = _attempt(lambda: problems.extend(writer.repair(folder)))
    return {
        "problems": problems,
        "error": error,
        "view": writer.view(folder),
        "left": list(writer.problems(folder)),
    }


_JOBS: Final[Mapping[str, Callable[..., Mapping[str, Any]]]] = {
    each.__name__: each for each in (prepare, learn, watch, disturb, examine, mend)
}


def _attempt(work: Callable[[], object]) -> Mapping[str, str]:
    """Empty when it went well; otherwise the error."""
    try:
        work()
    except TTError as error:
        return {"kind": "TTError", "sentence": str(error), "trace": traceback.format_exc()}
    except Exception as error:  # noqa: BLE001 - the trial judges every error
        return {"kind": type(error).__name__, "sentence": str(error), "trace": traceback.format_exc()}
    return {}


def _note(descriptor: int) -> None:
    os.write(descriptor, b".")


def _serve(library: Path, modules: Sequence[str]) -> None:
    shim = Shim(library)
    # What a writer warns of is expected here.
    logging.disable()
    found = [importlib.import_module(name) for name in modules]
    writers = {writer.name: writer for module in found for writer in module.WRITERS}
    for module in found:
        getattr(module, "warm", lambda: None)()
    # What is not freed is not copied.
    gc.collect()
    gc.freeze()
    while line := sys.stdin.readline():
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            _child(request, writers, shim)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _child(request: Mapping[str, Any], writers: Mapping[str, Writer], shim: Shim) -> None:
    status = 1
    try:
        signal.alarm(_JOB_SECONDS)
        job, writer = _JOBS[request["job"]], writers[request["writer"]]
        told = job(writer, Path(request["folder"]), shim, **request["arguments"])
        Path(request["answer"]).write_text(json.dumps(told))
        status = 0
    except BaseException:  # noqa: BLE001 - nothing may return into the loop of the parent
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    _serve(Path(sys.argv[1]), sys.argv[2:])
