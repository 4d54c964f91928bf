# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The pipeline on several machines, which are processes here: code server, daemon, web server, two workers of Celery.

Each program has a host name of its own where the system allows that, and another one after each start, as pods have:
then none of them can see whether the process of another is there. What ends is started again, as systemd would.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

import dagster as dg
import yaml  # type: ignore[import-untyped]

from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.simulator.market.market import Market
from ttapi_pipeline.simulator.market.metastock_files import default_last, write_metastock_files
from ttapi_pipeline.simulator.process import SimulatorProcess
from ttapi_pipeline_tests.support.clocks import StoppedClock
from ttapi_pipeline_tests.support.documents import ROOT
from ttapi_pipeline_tests.support.object_store import access_to, make_bucket, object_server
from ttapi_pipeline_tests.support.postgres import PASSWORD, USER, Postgres, postgres_server
from ttapi_pipeline_tests.support.servers import answers, free_port, redis, wait_until
from ttapi_pipeline_tests.support.simulator import SimulatorControl
from ttapi_pipeline_tests.support.slow_proxy import Traffic, slow_proxy

SATURDAY: Final = datetime(2026, 11, 21, 15, 0, tzinfo=UTC)
"""The exchange is closed, so that what it answers does not change within minutes."""
SYMBOLS: Final = ("AAPL", "BRK/B", "IBM", "KO", "MSFT", "SPY")
IN_FILES: Final = SYMBOLS[:5]
FIRST: Final = date(2025, 1, 2)

CODE: Final = """
from datetime import datetime
from ttapi_pipeline.datasets.registry import load_settings
from ttapi_pipeline.defs.assembly import build_definitions
from ttapi_pipeline_tests.support.clocks import StoppedClock

defs = build_definitions(load_settings(), clock=StoppedClock(datetime.fromisoformat("{at}")))
"""
"""The definitions of a user, for whom it is always the same moment."""

LAUNCH: Final = """
mutation ($run: ExecutionParams!) {
  launchRun(executionParams: $run) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
  }
}
"""

ENDED: Final = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)


@dataclass
class Program:
    """A program of the cluster, which is started again when it ends."""

    name: str
    command: Sequence[str]
    folder: Path
    variables: Mapping[str, str]
    starts: int = 0
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.starts += 1
        host = f"{self.name}-{self.starts}"
        alone = ["unshare", "--uts", "sh", "-c", f'hostname {host}; exec "$@"', "sh"] if _may_unshare() else []
        with (self.folder / f"{self.name}.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*alone, *self.command],
                cwd=self.folder,
                env=dict(self.variables),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # With its children it is killed as one.
                start_new_session=True,
            )

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        """Kill it and all that it has started, as a machine that fails does."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def log(self) -> str:
        """What it has said."""
        return (self.folder / f"{self.name}.log").read_text(errors="replace")


def _may_unshare() -> bool:
    done = subprocess.run(["unshare", "--uts", "true"], check=False, capture_output=True)
    return done.returncode == 0


@dataclass
class Cluster:
    """Everything that runs, and what a test asks of it.

    Attributes:
        folder: Its instance is here, and the logs of its programs.
        settings: Of the user.
        clock: The time of day of everything.
        exchange: The simulator that the settings name.
        database: The Postgres of the instance.
        store: What goes to the object store, whose answers come 30 ms later.
    """

    folder: Path
    settings: Settings
    clock: StoppedClock
    exchange: SimulatorControl
    database: Postgres
    store: Traffic
    variables: Mapping[str, str]
    programs: dict[str, Program] = field(default_factory=dict)
    port: int = 0
    is_supervised: bool = True

    @contextmanager
    def instance(self) -> Iterator[dg.DagsterInstance]:
        """The instance, as each of the programs opens it."""
        with dg.DagsterInstance.from_config(str(self.folder)) as instance:
            yield instance

    def submit(self, job: str, *, select: Sequence[str] = (), force: bool = True) -> str:
        """Have the web server queue a run; returns its id."""
        selector = {
            "repositoryLocationName": "ttapi_pipeline",
            "repositoryName": "__repository__",
            "pipelineName": job,
            "assetSelection": [{"path": [name]} for name in select] or None,
        }
        config = {"resources": {"cache": {"config": {"force": force, "only": list(select)}}}}
        variables = {"run": {"selector": selector, "runConfigData": config, "mode": "default"}}
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/graphql",
            data=json.dumps({"query": LAUNCH, "variables": variables}).encode(),
            headers={"Content-Type": "application/json"},
        )
        answers: list[Any] = []

        def is_answered() -> bool:
            # Right after its database was away, the web server says that it is not well.
            with suppress(urllib.error.HTTPError), urllib.request.urlopen(request, timeout=60) as response:
                answers.append(json.load(response))
            return bool(answers)

        wait_until(is_answered, seconds=60, every=2, what="the web server takes a run")
        launched = answers[0]["data"]["launchRun"]
        if launched["__typename"] != "LaunchRunSuccess":
            raise RuntimeError(f"{job} is not launched: {launched}")
        return str(launched["run"]["runId"])

    def statuses(self, run_ids: Sequence[str]) -> Mapping[str, dg.DagsterRunStatus]:
        with self.instance() as instance:
            found = {run_id: instance.get_run_by_id(run_id) for run_id in run_ids}
        return {run_id: run.status for run_id, run in found.items() if run is not None}

    def wait_for_runs(self, run_ids: Sequence[str], *, seconds: float) -> Mapping[str, dg.DagsterRunStatus]:
        """Wait until the runs have ended; returns how."""
        found: dict[str, Any] = {}

        def have_ended() -> bool:
            found.update(self.statuses(run_ids))
            return all(status in ENDED for status in found.values())

        wait_until(have_ended, seconds=seconds, every=1, what=f"runs end: {found}")
        return found

    def outcome(self, run_id: str, *, seconds: float) -> dg.DagsterRunStatus:
        """How a run has ended, or the last of those that repeat it."""
        began = time.monotonic()
        while True:
            with self.instance() as instance:
                group = instance.get_run_group(run_id)
            runs = list(group[1]) if group is not None else []
            last = max(runs, key=lambda run: run.tags.get("dagster/retry_number", "0"))
            if last.status is dg.DagsterRunStatus.SUCCESS:
                return last.status
            if time.monotonic() - began > seconds:
                raise TimeoutError(f"not within {seconds:g} s: {[(run.status, run.tags) for run in runs]}")
            time.sleep(1)

    def keep_running(self) -> None:
        """Start again what has ended, until `is_supervised` is false."""
        while self.is_supervised:
            for program in self.programs.values():
                if not program.is_running and self.is_supervised:
                    program.start()
            time.sleep(1)


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """The cluster for the length of the block; the test is skipped where one of the servers cannot be had."""
    with ExitStack() as stack:
        database, queue = stack.enter_context(postgres_server()), stack.enter_context(redis())
        server = stack.enter_context(object_server())
        store = stack.enter_context(slow_proxy(server))
        exchange = stack.enter_context(SimulatorProcess(arguments=["--now", SATURDAY.isoformat()]))
        clock = StoppedClock(SATURDAY)
        code_port = free_port()
        given = {
            **access_to(store.url),
            "DAGSTER_PG_HOST": "127.0.0.1",
            "DAGSTER_PG_PORT": str(database.port),
            "DAGSTER_PG_DB": "postgres",
            "DAGSTER_PG_USERNAME": USER,
            "DAGSTER_PG_PASSWORD": PASSWORD,
            "DAGSTER_LOGS_BUCKET": make_bucket(server),
            "DAGSTER_CODE_SERVER_HOST": "127.0.0.1",
            "DAGSTER_CODE_SERVER_PORT": str(code_port),
            "TT_API_URL": exchange.url,
            "TT_LIST": str(folder / "universe.txt"),
            "TT_METASTOCK_DIR": str(folder / "metastock"),
            "TT_HISTORY_START": FIRST.isoformat(),
            "TT_DATA_DIR": f"s3://{make_bucket(server)}/tables",
            "TT_QUOTE_LOG_DIR": str(folder / "quote_log"),
            "TT_CACHE_DIR": str(folder / "caches"),
            "TT_EXECUTOR": "celery",
            "TT_CELERY_BROKER": queue,
            "TT_CSV": "recent",
        }
        (folder / "universe.txt").write_text("\n".join(SYMBOLS) + "\n")
        write_metastock_files(
            Market(7, clock=clock), folder / "metastock", first=FIRST, last=default_last(SATURDAY), symbols=IN_FILES
        )
        (folder / "dagster.yaml").write_text(_instance(folder))
        (folder / "pipeline_code.py").write_text(CODE.format(at=SATURDAY.isoformat()))
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("TT_", "DAGSTER", "AWS_"))}
        quiet = {"PYTHONWARNINGS": "ignore:Found version mismatch:UserWarning", "PYTHONUNBUFFERED": "1"}
        variables = {**kept, **given, **quiet, "DAGSTER_HOME": str(folder), "PYTHONPATH": str(ROOT)}
        found = Cluster(
            folder,
            Settings.from_values({name: value for name, value in given.items() if name.startswith("TT_")}),
            clock,
            SimulatorControl(exchange.url),
            database,
            store,
            variables,
            port=free_port(),
        )
        _lay_out(found, code_port)
        supervisor = threading.Thread(target=found.keep_running, daemon=True)
        supervisor.start()
        try:
            wait_until(lambda: answers(found.port), seconds=90, what="the web server answers")
            yield found
        finally:
            found.is_supervised = False
            supervisor.join()
            for program in found.programs.values():
                program.kill()


def _instance(folder: Path) -> str:
    """The instance file of a deployment, for folders of this machine, and without what Dagster's chart leaves out.

    The chart says nothing of pools, so that the code has to see to the limit of the broker's.
    """
    document = yaml.safe_load((ROOT / "deploy" / "dagster.yaml").read_text())
    del document["concurrency"]["pools"]
    document["local_artifact_storage"]["config"]["base_dir"] = str(folder / "artifacts")
    document["compute_logs"]["config"]["local_dir"] = str(folder / "printed")
    return str(yaml.safe_dump(document))


def _lay_out(found: Cluster, code_port: int) -> None:
    """Name the programs of the cluster."""
    python = [sys.executable, "-m"]
    workspace = ["-w", str(ROOT / "deploy" / "workspace.yaml")]
    worker = [*python, "celery", "-A", "ttapi_pipeline.defs.celery_worker", "worker", "--queues", "dagster"]
    commands = {
        "code": [*python, "dagster", "api", "grpc", "-f", "pipeline_code.py", "-h", "127.0.0.1", "-p", str(code_port)],
        "daemon": [*python, "dagster._daemon", "run", *workspace],
        "web": [*python, "dagster_webserver", *workspace, "-h", "127.0.0.1", "-p", str(found.port)],
        **{name: [*worker, "--concurrency", "1", "--hostname", f"{name}@%h"] for name in ("worker-a", "worker-b")},
    }
    for name, command in commands.items():
        found.programs[name] = Program(name, command, found.folder, found.variables)
