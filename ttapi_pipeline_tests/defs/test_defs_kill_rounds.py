# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Rounds of runs, side by side, each of which is killed at a random moment of its own; after each round one clean run.

`make soak` kills KILLS processes: refreshes, `dagster asset materialize`, streams, and readers. What was done and found
is appended to the file that KILL_FIGURES names, a line of JSON per round, so that a run that is cut short counts.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import dagster as dg
import polars as pl
import pytest

from ttapi_pipeline.core.files import STAGED_SUFFIX
from ttapi_pipeline.core.processes import command_lines
from ttapi_pipeline.datasets.registry import DATASETS, REPORTS
from ttapi_pipeline.defs.automation.jobs import BROKER_POOL
from ttapi_pipeline.defs.dagster_internals import pool_state
from ttapi_pipeline.defs.operations.held_runs import is_held
from ttapi_pipeline.defs.operations.lost_runs import lost_runs
from ttapi_pipeline.simulator.market.market import Market
from ttapi_pipeline.simulator.market.metastock_files import write_metastock_files
from ttapi_pipeline.simulator.process import SimulatorProcess
from ttapi_pipeline.storage.layout import open_folder
from ttapi_pipeline.storage.repair import check
from ttapi_pipeline.storage.scan import scan
from ttapi_pipeline_tests.support.forks import Forked, Forks
from ttapi_pipeline_tests.support.projects import environment_of_users, make_project

KILLS: Final = int(os.environ.get("KILLS", "1000"))
SEED: Final = int(os.environ.get("KILL_SEED", "20261128"))
FIGURES: Final = os.environ.get("KILL_FIGURES")
LANES: Final = int(os.environ.get("KILL_LANES", "1"))
"""Projects that rounds are played in at the same time."""

SLOT_SECONDS: Final = 60.0
TTL_SECONDS: Final = 300.0
"""Of `quotes`, the shortest one."""

FETCHED: Final = tuple(name for name, each in DATASETS.items() if each.is_fetched)
FORCED: Final = ("--config-json", json.dumps({"resources": {"cache": {"config": {"force": True}}}}))

VALUES: Final[Mapping[str, Sequence[str]]] = {
    "daily_candles": ("open", "high", "low", "close", "volume"),
    "eod_snapshot": ("close",),
    "earnings": (),
    "trading_calendar": (),
}
"""The tables that never lose a row, with columns whose values never change; a key is one, too."""

END_STATES: Final = {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}


@dataclass(frozen=True)
class Kind:
    """A kind of process that is killed.

    Attributes:
        program: See `Forks.start`.
        weight: How often it is drawn.
        cpu: Seconds of processor time that it takes when it is left alone, imports excluded.
        codes: Exit codes that it may end with.
    """

    name: str
    program: str
    weight: int
    cpu: float
    codes: Collection[int]


KINDS: Final = (
    Kind("refresh all", "tt", 1, 8.0, {0, 3}),
    Kind("refresh some", "tt", 5, 1.5, {0, 3}),
    Kind("refresh plain", "tt", 2, 1.0, {0, 3}),
    Kind("materialize", "dagster", 3, 1.5, {0}),
    Kind("status", "tt", 1, 0.1, {0, 3}),
    Kind("show", "tt", 1, 0.2, {0}),
    Kind("stream", "tt", 1, 1.0, {0, 3}),
    Kind("read", "read", 2, 1.0, set()),
)


def arguments(kind: Kind, chance: random.Random) -> Sequence[str]:
    """Of a process of this kind."""
    some = chance.sample(list(DATASETS), chance.randint(1, 3))
    match kind.name:
        case "refresh all":
            return ("refresh", "--force")
        case "refresh some":
            return ("refresh", *some, "--force")
        case "refresh plain":
            return ("refresh",)
        case "materialize":
            return ("asset", "materialize", "-m", "ttapi_pipeline.definitions", "--select", ",".join(some), *FORCED)
        case "status":
            return ("status", "--json")
        case "show":
            return ("show", "AAPL")
        case "stream":
            return ("stream", "AAPL", "MSFT", "--json", "--duration", "30", "--flush-seconds", "1")
        case _:
            return (str(chance.randrange(10**6)),)


@dataclass
class Victim:
    """A process, and when it is killed: after this much processor time, or after these seconds if that comes first."""

    kind: Kind
    words: Sequence[str]
    process: Forked
    cpu: float
    seconds: float
    is_group: bool
    began: float = field(default_factory=time.monotonic)
    taken: float = 0.0
    is_killed: bool = False
    end: Mapping[str, Any] = field(default_factory=dict)

    def look(self) -> bool:
        """Kill it if its moment has come; whether it is over."""
        if self.end:
            return True
        took = time.monotonic() - self.began
        cpu = self.taken = max(self.taken, self.process.cpu_seconds())
        if not self.process.is_over and (cpu >= self.cpu or took >= self.seconds):
            self.process.kill(is_group=self.is_group)
            self.is_killed = True
        if self.process.is_over:
            self.end = {"seconds": round(took, 2), "cpu": round(cpu, 2), "code": self.process.code}
        return bool(self.end)


def followers(data: Path) -> Sequence[str]:
    """What still follows the output of steps of a project."""
    lines = (words for _, words in command_lines() if words[:1] == ["tail"])
    return [" ".join(words) for words in lines if str(data) in words[-1]]


class SlotWatch:
    """Notes for how long the broker's slot was held for a run whose process is gone."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance, self.longest = instance, 0.0
        self._since: dict[str, float] = {}

    def look(self) -> None:
        now = time.monotonic()
        dead = {run for run in pool_state(self.instance, BROKER_POOL).run_ids if not is_held(self.instance, run)}
        self._since = {run: self._since.get(run, now) for run in dead}
        self.longest = max([self.longest, *(now - since for since in self._since.values())])

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Look every two seconds inside the block."""
        over = threading.Event()

        def watch() -> None:
            while not over.wait(2.0):
                self.look()

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


class Rounds:
    """A project, its instance, and what has to hold in it."""

    def __init__(self, project: Path, forks: Forks, instance: dg.DagsterInstance) -> None:
        self.project, self.forks, self.instance = project, forks, instance
        self.model: dict[str, pl.DataFrame] = {}
        self.reads, self.began = 0, 0.0

    def play(self, number: int) -> dict[str, Any]:
        """One round and its clean run; what was done and found."""
        chance = random.Random(f"{SEED}/{number}")
        findings: list[str] = []
        self.reads, began = 0, time.monotonic()
        self.began = began
        if chance.random() < 0.3:
            # The snapshot is due.
            os.utime(chance.choice(sorted((self.project / "metastock").rglob("*.txt"))))
        slots = SlotWatch(self.instance)
        with slots.watching():
            victims = self._kill(chance, findings)
            clean = self._clean(chance, findings)
        slots.look()
        if slots.longest > SLOT_SECONDS:
            findings.append(f"a slot was held for a dead run for {slots.longest:.0f} s")
        self._check(findings)
        return {
            "round": number,
            "seed": f"{SEED}/{number}",
            "kills": sum(victim.is_killed for victim in victims),
            "victims": [
                {
                    "kind": each.kind.name,
                    "words": each.words,
                    "killed": each.is_killed,
                    "group": each.is_group,
                    **each.end,
                }
                for each in victims
            ],
            "clean": clean,
            "dead_slot_seconds": round(slots.longest, 1),
            "reads": self.reads,
            "seconds": round(time.monotonic() - began, 1),
            "findings": findings,
        }

    def _kill(self, chance: random.Random, findings: list[str]) -> Sequence[Victim]:
        victims = []
        # Two to six others beside each.
        for _ in range(chance.choice((3, 4, 5, 6, 6, 7, 7))):
            kind = chance.choices(KINDS, [kind.weight for kind in KINDS])[0]
            is_new = chance.random() < 0.02 and kind.program != "read"
            words, moment = arguments(kind, chance), chance.random()
            started = self.forks.start(self.project, kind.program, *words, is_new=is_new)
            cpu = moment * (kind.cpu + 4.0 * is_new)
            victims.append(
                Victim(kind, words, started, cpu, 5.0 + 15.0 * cpu, is_group=chance.random() < 0.5 or is_new)
            )
        left = list(victims)
        while left := [victim for victim in left if not victim.look()]:
            time.sleep(0.05)
        for victim in victims:
            self._examine(victim, findings)
        return victims

    def _examine(self, victim: Victim, findings: list[str]) -> None:
        """What a process said, and whether it left others."""
        deadline = time.monotonic() + 60
        while victim.process.has_group() and time.monotonic() < deadline:
            time.sleep(0.1)
        if victim.process.has_group():
            findings.append(f"{victim.kind.name}: a process of its group is left")
            victim.process.kill_group()
        code, said = victim.process.code, victim.process.output()
        # Of two streams, the second one is told so.
        is_refused = victim.kind.name == "stream" and "is being written by another `tt stream`" in said
        if not victim.is_killed and code not in victim.kind.codes and not is_refused:
            findings.append(f"{victim.kind.name} {victim.words} ended with {code}: {said[-1500:]}")
        if victim.kind.name == "read":
            for line in said.splitlines(keepends=True):
                if line.endswith("\n"):
                    self.reads += 1
                    read = json.loads(line) if line.startswith("{") else {"wrong": line}
                    findings += [f"a torn read: {line}"] if read["wrong"] else []

    def _clean(self, chance: random.Random, findings: list[str]) -> Mapping[str, Any]:
        """One run that fetches, one of all that is due."""
        is_new = chance.random() < 0.03
        seconds = {}
        for words in (("refresh", chance.choice(FETCHED), "--force"), ("refresh", "--json")):
            began = time.monotonic()
            run = self.forks.start(self.project, "tt", *words, is_new=is_new)
            code = run.wait(2 * TTL_SECONDS)
            took = time.monotonic() - began
            seconds[" ".join(words)] = round(took, 1)
            if code != 0:
                findings.append(f"the next run, {words}, ended with {code} after {took:.0f} s: {run.output()[-1500:]}")
                run.kill(is_group=True)
            elif took > TTL_SECONDS:
                findings.append(f"the next run, {words}, took {took:.0f} s")
            elif "--json" in words:
                said = run.output()
                rows = json.loads(said[said.index("{") :])["datasets"]
                findings += [f"not fresh: {row}" for row in rows if row["verdict"] != "hit"]
        return seconds

    def _check(self, findings: list[str]) -> None:
        data = self.project / "data"
        findings += [f"in the queue: {each}" for each in pool_state(self.instance, BROKER_POOL).run_ids]
        # What was never started is below: it can have been lost since the last run looked.
        dead = lost_runs(self.instance).items()
        findings += [f"lost: {each}" for each in dead if "never started" not in each[1]]
        stuck = [status for status in dg.DagsterRunStatus if status not in END_STATES]
        records = self.instance.get_run_records(dg.RunsFilter(statuses=stuck))
        # `dagster` makes and starts a run before a process of ours can hold it. It has no slot then, and is given a
        # while to start, or to be taken up.
        for record in records:
            run, made_at = record.dagster_run, record.create_timestamp
            age = datetime.now(UTC) - made_at.replace(tzinfo=made_at.tzinfo or UTC)
            patience = timedelta(minutes=10 if run.status is dg.DagsterRunStatus.NOT_STARTED else 1)
            if age > patience + timedelta(seconds=time.monotonic() - self.began):
                findings.append(f"run {run.run_id} is {run.status.value}")
        findings += [f"staged: {path.relative_to(data)}" for path in data.rglob(f"*{STAGED_SUFFIX}")]
        # Dagster's own watchers end most of them, and look once a second.
        deadline = time.monotonic() + 20
        while (left := followers(data)) and time.monotonic() < deadline:
            time.sleep(0.1)
        findings += [f"left: {each}" for each in left]
        folder = open_folder(str(data))
        schemas = [*(each.schema for each in DATASETS.values()), *REPORTS.values()]
        findings += [f"{schema.name}: {problem}" for schema in schemas for problem in check(folder, schema)]
        for name, columns in VALUES.items():
            schema = DATASETS[name].schema
            rows = scan(folder, schema).select(*schema.key, *columns).collect()
            before = self.model.get(name, rows.clear())
            lost = before.join(rows, on=rows.columns, how="anti", nulls_equal=True)
            if not lost.is_empty():
                findings.append(f"{name}: {lost.height} rows are lost or changed: {lost.head(3).to_dicts()}")
            self.model[name] = rows


class Soak:
    """Plays rounds in several projects at a time, until there were enough kills.

    Attributes:
        findings: What was found wrong, in words.
    """

    def __init__(self, folder: Path, forks: Forks, say: Callable[[str], None]) -> None:
        self.findings: list[str] = []
        self._folder, self._forks, self._say = folder, forks, say
        self._figures = Path(FIGURES) if FIGURES else folder / "figures.jsonl"
        self._kills = self._rounds = 0
        self._lock = threading.Lock()

    def run(self) -> None:
        filled = self._fill()
        with ThreadPoolExecutor(LANES) as lanes:
            for lane in [lanes.submit(self._lane, filled, self._folder / f"lane-{number}") for number in range(LANES)]:
                lane.result()

    def _fill(self) -> Path:
        """A project after its first refresh."""
        project = self._folder / "filled"
        project.mkdir()
        make_project(project)
        (project / "metastock").rmdir()
        write_metastock_files(
            Market(7), project / "metastock", first=date(2025, 1, 2), last=date(2026, 6, 30), symbols=["AAPL", "BRK/B"]
        )
        first = self._forks.start(project, "tt", "refresh")
        assert first.wait(1800) == 0, first.output()
        return project

    def _lane(self, filled: Path, project: Path) -> None:
        shutil.copytree(filled, project)
        # The folder of an instance is relative to the current one, and there are several.
        settings = project / "dagster.yaml"
        settings.write_text(settings.read_text().replace("data/.dagster", f"{project}/data/.dagster"))
        with dg.DagsterInstance.from_config(str(project)) as instance:
            rounds = Rounds(project, self._forks, instance)
            while (number := self._next()) is not None:
                self._note(rounds.play(number))

    def _next(self) -> int | None:
        with self._lock:
            self._rounds += 1
            return None if self._kills >= KILLS else self._rounds - 1

    def _note(self, played: Mapping[str, Any]) -> None:
        with self._lock:
            self._kills += played["kills"]
            self.findings += [f"round {played['round']}: {each}" for each in played["findings"]]
            with self._figures.open("a") as file:
                file.write(json.dumps({**played, "all_kills": self._kills}) + "\n")
            self._say(f"{self._kills} kills, {played['reads']} reads, {played['clean']}, {played['findings']}")


@pytest.mark.soak
@pytest.mark.timeout(12 * 3600)
def test_the_next_run_succeeds_whenever_runs_beside_each_other_were_killed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def say(words: str) -> None:
        with capsys.disabled():
            print(words, flush=True)  # noqa: T201

    (tmp_path / "logs").mkdir()
    with SimulatorProcess(seed=7) as exchange:
        environment = {**environment_of_users(), "TT_ENV": "simulator", "TT_API_URL": exchange.url}
        with Forks(tmp_path / "logs", environment) as forks:
            soak = Soak(tmp_path, forks, say)
            soak.run()
    assert soak.findings == []
