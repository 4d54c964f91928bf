# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Commands in processes that are forked from one that has imported everything: a run without the seconds of imports.

The forked process executes the command as the installed program does: its own process group, environment, folder and
output. Run as a program, this module is the process that forks.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, NoReturn, Self

_PROC: Final = Path("/proc")
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_NO_THREADS: Final = {"OPENBLAS_NUM_THREADS": "1"}
"""NumPy starts threads when it is imported otherwise."""


class Forked:
    """A process that was started.

    Attributes:
        pid: Its id, and that of its process group.
        log: What it writes to its output and to its errors.
    """

    def __init__(self, pid: int, log: Path) -> None:
        self.pid, self.log = pid, log
        self._started = _fields(pid)[19] if _fields(pid) else ""

    @property
    def is_over(self) -> bool:
        """Whether the process has ended."""
        fields = _fields(self.pid)
        return not fields or fields[0] in {"Z", "X"} or fields[19] != self._started

    @property
    def code(self) -> int | None:
        """Its exit code; None when it was killed, or is not over."""
        with suppress(OSError, ValueError):
            return int(self.log.with_suffix(".code").read_text())
        return None

    def cpu_seconds(self) -> float:
        """Seconds of processor time that it has taken."""
        fields = _fields(self.pid)
        return (int(fields[11]) + int(fields[12])) / _TICKS if fields else 0.0

    def kill(self, *, is_group: bool) -> None:
        """End it by SIGKILL, alone or with the processes that it has started."""
        with suppress(ProcessLookupError):
            if not self.is_over:
                (os.killpg if is_group else os.kill)(self.pid, signal.SIGKILL)

    def kill_group(self) -> None:
        """End what it has started, also after its own end."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    def has_group(self) -> bool:
        """Whether a process of its group is left."""
        try:
            os.killpg(self.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def wait(self, seconds: float) -> int | None:
        """Its exit code once it has ended, after these seconds at most."""
        deadline = time.monotonic() + seconds
        while not self.is_over and time.monotonic() < deadline:
            time.sleep(0.05)
        return self.code

    def output(self) -> str:
        """What it has written."""
        return self.log.read_text(errors="replace")


class Forks:
    """Starts commands. The process that forks them ends with the block; the commands do not.

    Args:
        folder: For the output of the commands.
        environment: All variables of the commands but DAGSTER_HOME.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder, self._count, self._lock = folder, 0, threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            cwd=folder,
            env={**environment, **_NO_THREADS},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._stdout.readline() == "ready\n"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stdin.close()
        self._process.wait()
        self._stdout.close()

    @property
    def _stdin(self) -> IO[str]:
        assert self._process.stdin is not None
        return self._process.stdin

    @property
    def _stdout(self) -> IO[str]:
        assert self._process.stdout is not None
        return self._process.stdout

    def start(self, project: Path, program: str, *arguments: str, is_new: bool = False) -> Forked:
        """Start a command; may be called from any thread.

        Args:
            project: The current folder of the command, and that of its Dagster instance.
            program: ``tt``, ``dagster`` or ``read``.
            arguments: Of the program.
            is_new: Whether the fork is replaced by a new interpreter, as a shell would start one.
        """
        with self._lock:
            self._count += 1
            log = self._folder / f"{self._count}.log"
            request = json.dumps([str(project), program, list(arguments), is_new, str(log)])
            print(request, file=self._stdin, flush=True)
            return Forked(int(self._stdout.readline()), log)


def _fields(pid: int) -> Sequence[str]:
    """/proc/PID/stat from the third field on; empty when there is no such process."""
    try:
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ()


def read_on(seed: str) -> NoReturn:
    """Read stored tables without end, and write a line of JSON per read: the table, and what was wrong with it.

    A table is torn when it cannot be read, or when its rows have another data version than the manifest that was in
    place before and after.
    """
    import polars as pl

    from ttapi_pipeline import open_dataset
    from ttapi_pipeline.datasets.registry import DATASETS
    from ttapi_pipeline.storage.hashing import data_version
    from ttapi_pipeline.storage.stored import read_manifest

    data, chance = Path("data").resolve(), random.Random(seed)
    while True:
        name, wrong = chance.choice(list(DATASETS)), ""
        try:
            before = read_manifest(data, name)
            version = data_version(open_dataset(name, data))
            after = read_manifest(data, name)
            pl.read_parquet(data / f"{name}.parquet")
            is_same = before is not None and after is not None and before.write_id == after.write_id
            if is_same and before is not None and version != before.data_version:
                wrong = f"{version} was read, and the manifest says {before.data_version}"
        except Exception as error:  # noqa: BLE001 - any is a finding
            wrong = repr(error)
        print(json.dumps({"read": name, "wrong": wrong}), flush=True)  # noqa: T201
        time.sleep(0.2)


def _tt(*arguments: str) -> NoReturn:
    from ttapi_pipeline import cli

    sys.exit(cli.main(arguments))


def _dagster(*arguments: str) -> NoReturn:
    from dagster._cli import main

    sys.argv = ["dagster", *arguments]
    run: Callable[[], object] = main
    run()
    sys.exit(0)


_PROGRAMS: Final[Mapping[str, Callable[..., Any]]] = {"tt": _tt, "dagster": _dagster, "read": read_on}
_MODULES: Final = {"tt": "ttapi_pipeline.cli", "dagster": "dagster"}


def _be(program: str, arguments: Sequence[str], *, is_new: bool, log: Path) -> NoReturn:
    """Become a command."""
    os.setpgid(0, 0)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o644)
    silence = os.open(os.devnull, os.O_RDONLY)
    for target, source in ((0, silence), (1, output), (2, output)):
        os.dup2(source, target)
    code: object = 1
    try:
        if is_new:
            done = subprocess.run([sys.executable, "-m", _MODULES[program], *arguments], check=False)
            code = done.returncode
        else:
            _PROGRAMS[program](*arguments)
    except SystemExit as end:
        code = end.code or 0
    except BaseException:  # noqa: BLE001 - as the interpreter does
        traceback.print_exc()
    finally:
        # As the interpreter ends after any program, without taking everything that was imported apart.
        wait_for_threads: Callable[[], None] = vars(threading)["_shutdown"]
        wait_for_threads()
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        number = code if isinstance(code, int) else 1
        log.with_suffix(".code").write_text(str(number))
        os._exit(number)


def _import_all() -> None:
    """Import what commands import, and what they import while they run."""
    import pkgutil
    from importlib import import_module

    import dagster._cli
    import dagster._core.storage.event_log.sqlite
    import dagster._core.storage.runs.sqlite
    import dagster._core.storage.schedules.sqlite  # noqa: F401 - imported for the forks

    import ttapi_pipeline

    # The definitions and a worker are made by the settings of their process; the others are programs.
    others = ("ttapi_pipeline.definitions", "ttapi_pipeline.defs.celery_worker", "ttapi_pipeline.simulator")
    for module in pkgutil.walk_packages(ttapi_pipeline.__path__, "ttapi_pipeline."):
        if not module.name.startswith(others):
            import_module(module.name)


def _serve() -> None:
    from ttapi_pipeline_tests.support.instances import opening_databases_quickly

    _import_all()
    with opening_databases_quickly():
        import dagster as dg

        # The scripts that make a database are read here once.
        with dg.DagsterInstance.local_temp() as instance:
            instance.get_runs()
        gc.collect()
        gc.freeze()
        _answer()


def _answer() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    requests, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    print("ready", file=answers, flush=True)
    while line := requests.readline():
        project, program, arguments, is_new, log = json.loads(line)
        pid = os.fork()
        if pid == 0:
            os.close(requests.fileno())
            os.close(answers.fileno())
            os.chdir(project)
            os.environ["DAGSTER_HOME"] = project
            _be(program, arguments, is_new=is_new, log=Path(log))
        with suppress(OSError):
            os.setpgid(pid, pid)
        print(pid, file=answers, flush=True)


if __name__ == "__main__":
    _serve()
