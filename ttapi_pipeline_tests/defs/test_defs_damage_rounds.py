# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Rounds of damage to files of every kind at once, each followed by one `tt refresh`, which has to mend all of it.

What is damaged: tables (data and footers of Parquet files, CSV, manifests), everything under `.state`, Dagster's
databases, after a run that was killed, and what is kept of earlier publications. How: bits that turned over, files that
were cut, emptied, zeroed in part, exchanged, or are as they were before. `make soak` makes DAMAGES of them; what was
done and found is appended to the file that DAMAGE_FIGURES names, a line of JSON per round.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import sqlite3
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from difflib import ndiff
from pathlib import Path
from typing import Any, Final

import dagster as dg
import pytest

from ttapi_pipeline.client.breakers import BreakerPolicy, Breakers
from ttapi_pipeline.client.routes import Family
from ttapi_pipeline.core.errors import TransportError, TTError
from ttapi_pipeline.datasets.reading import open_dataset
from ttapi_pipeline.datasets.registry import DATASETS, REPORTS
from ttapi_pipeline.datasets.verification import verify_stored
from ttapi_pipeline.defs.operations.lost_runs import lost_runs
from ttapi_pipeline.defs.operations.retention import prune
from ttapi_pipeline.simulator.market.market import Market
from ttapi_pipeline.simulator.market.metastock_files import write_metastock_files
from ttapi_pipeline.simulator.process import SimulatorProcess
from ttapi_pipeline.storage.databases import database_damage, find_databases, is_shared
from ttapi_pipeline.storage.hashing import data_version
from ttapi_pipeline.storage.repair import check
from ttapi_pipeline.storage.versions.reading import versions
from ttapi_pipeline_tests.support.clocks import StoppedClock
from ttapi_pipeline_tests.support.flips import CHANGES, flip_any_bit, put_bytes
from ttapi_pipeline_tests.support.folders import copy_with_links
from ttapi_pipeline_tests.support.forks import Forks
from ttapi_pipeline_tests.support.projects import environment_of_users, make_project
from ttapi_pipeline_tests.support.simulator import SimulatorControl

DAMAGES: Final = int(os.environ.get("DAMAGES", "750"))
SEED: Final = int(os.environ.get("DAMAGE_SEED", "20261129"))
FIRST_ROUND: Final = int(os.environ.get("DAMAGE_ROUND", "0"))
"""A round is repeated by its number and the seed."""
FIGURES: Final = os.environ.get("DAMAGE_FIGURES")

SCHEMAS: Final = {**{name: each.schema for name, each in DATASETS.items()}, **REPORTS}

MOMENTS: Final = "balances_updated_at"
"""What the broker computes anew when it is asked; another moment is no other balance."""

FORMS: Final[Mapping[str, int]] = {
    "bit": 70,
    "truncated": 6,
    "zeroed": 6,
    "repeated": 4,
    "emptied": 4,
    "exchanged": 5,
    "older": 5,
}
"""How often each is drawn."""


@dataclass(frozen=True)
class Damage:
    """What was done to a file: its kind, its path below the data folder, and in which form."""

    kind: str
    path: str
    form: str
    where: str

    def __str__(self) -> str:
        return f"{self.kind} {self.path}: {self.form} {self.where}"


def state_kind(path: Path, state: Path) -> str:
    """The kind of a file under `.state`."""
    parts = path.relative_to(state).parts
    return f"state: {parts[0]}" + (f"/{path.suffix}" if len(parts) > 2 else "")


def state_files(data: Path) -> Mapping[str, list[Path]]:
    """The files under `.state` that hold something, by kind."""
    found: dict[str, list[Path]] = {}
    for path in sorted((data / ".state").rglob("*")):
        if path.is_file() and path.stat().st_size and path.suffix != ".lock":
            found.setdefault(state_kind(path, data / ".state"), []).append(path)
    return found


def history_files(data: Path) -> Mapping[str, list[Path]]:
    """What is kept of publications: their logs, and the rows of those that are not stored any more."""
    folders = [data / name for name in SCHEMAS if (data / name).is_dir()]
    found = {
        "history: log": [path for folder in folders for path in folder.glob("*.jsonl") if path.stat().st_size],
        "history: rows": [path for folder in folders for path in folder.glob("*.parquet")],
    }
    return {kind: sorted(paths) for kind, paths in found.items() if paths}


def database_files(data: Path) -> Mapping[str, list[Path]]:
    """The files of Dagster's databases by kind, with the logs of writes beside them."""
    found: dict[str, list[Path]] = {}
    for path in sorted((data / ".dagster").rglob("*.db*")):
        if path.stat().st_size and not path.name.endswith("-shm"):
            name = path.name if path.name[:2] in {"ru", "in", "sc"} else "a run's " + path.name.partition(".")[2]
            found.setdefault(f"dagster: {name}", []).append(path)
    return found


class Damager:
    """Damages the files of a data folder, no table twice.

    Args:
        data: The data folder.
        older: A copy of it from before.
        chance: Draws everything.
    """

    def __init__(self, data: Path, older: Path, chance: random.Random) -> None:
        self._data, self._older, self._chance = data, older, chance
        self.done: list[Damage] = []
        self.tables: set[str] = set()

    def damage_table(self) -> None:
        kind = self._chance.choice(("data", "footer", "csv", "manifest"))
        suffix = {"data": ".parquet", "footer": ".parquet", "csv": ".csv", "manifest": ".json"}[kind]
        free = [name for name in SCHEMAS if name not in self.tables and (self._data / f"{name}{suffix}").exists()]
        name = self._chance.choice(free)
        path, form = self._data / f"{name}{suffix}", self._form()
        self.tables.add(name)
        if form == "exchanged":
            other = self._chance.choice([each for each in free if each != name])
            self.tables.add(other)
            self._exchange(kind, path, self._data / f"{other}{suffix}")
        else:
            self._damage(kind, path, form, first=_footer_start(path) if kind == "footer" else 0)

    def damage_one_of(self, kinds: Mapping[str, list[Path]], *, is_older_tried: bool) -> None:
        """Damage a file of a random kind."""
        kind = self._chance.choice(sorted(kinds))
        path, form = self._chance.choice(kinds[kind]), self._form()
        if form == "exchanged" and len(kinds[kind]) > 1:
            self._exchange(kind, path, self._chance.choice([each for each in kinds[kind] if each != path]))
        else:
            is_plain = form == "exchanged" or (form == "older" and not is_older_tried)
            self._damage(kind, path, "bit" if is_plain else form)

    def _form(self) -> str:
        return self._chance.choices(list(FORMS), list(FORMS.values()))[0]

    def _damage(self, kind: str, path: Path, form: str, *, first: int = 0) -> None:
        older = self._older / path.relative_to(self._data)
        if form == "older" and older.exists() and older.read_bytes() != path.read_bytes():
            put_bytes(path, older.read_bytes())
            where = ""
        elif form in CHANGES and (changed := CHANGES[form](path.read_bytes(), self._chance)) != path.read_bytes():
            put_bytes(path, changed)
            where = f"from {older.stat().st_size if older.exists() else '?'} to {len(changed)} bytes"
        else:
            form, where = "bit", flip_any_bit(path, self._chance, first=first)
        self.done.append(Damage(kind, str(path.relative_to(self._data)), form, where))

    def _exchange(self, kind: str, path: Path, other: Path) -> None:
        first, second = path.read_bytes(), other.read_bytes()
        put_bytes(path, second)
        put_bytes(other, first)
        for each, with_ in ((path, other), (other, path)):
            self.done.append(Damage(kind, str(each.relative_to(self._data)), "exchanged", f"with {with_.name}"))


def _footer_start(path: Path) -> int:
    """Where the footer of a Parquet file begins: its length stands before the last four bytes."""
    content = path.read_bytes()
    return len(content) - 8 - int.from_bytes(content[-8:-4], "little")


def answer(data: Path, name: str, instant: datetime) -> str | None:
    """The data version of a table as of an instant; None where the rows cannot be read any more."""
    try:
        return data_version(open_dataset(name, data, as_of=instant))
    except TTError:
        return None


def answers(data: Path) -> Mapping[tuple[str, datetime], str | None]:
    """The answer about each publication of each table."""
    stored = [name for name in SCHEMAS if (data / f"{name}.parquet").exists()]
    instants = [(name, version.known_at) for name in stored for version in versions(data, name)]
    return {(name, instant): answer(data, name, instant) for name, instant in instants}


def content(name: str, data: Path) -> str:
    """The data version of a table without its moments."""
    return data_version(open_dataset(name, data).drop(MOMENTS, strict=False))


def contents(data: Path) -> Mapping[str, str]:
    """The data version of each table, computed from the rows that a reader gets."""
    return {name: content(name, data) for name in SCHEMAS if (data / f"{name}.parquet").exists()}


class Damages:
    """A project as it was made once, and rounds of damage to copies of it."""

    def __init__(self, folder: Path, project: Path, forks: Forks) -> None:
        self.folder, self.project, self.forks = folder, project, forks
        self.data = project / "data"
        self.expected: Mapping[str, str] = {}
        self.history: Mapping[tuple[str, datetime], str | None] = {}
        self.shown = ""

    def make(self, exchange: SimulatorControl) -> None:
        """Fill the project twice, of which the first is kept as what was before, and kill a run over it."""
        symbols = self.project / "symbols.txt"
        whole = symbols.read_text()
        symbols.write_text("AAPL\nMSFT\n")
        self._run("refresh")
        copy_with_links(self.data, self.folder / "older")
        symbols.write_text(whole)
        self._run("refresh", "--force")
        left = self._leave_refusals(exchange)
        self._run("refresh")
        self.expected = contents(self.data)
        self.history = answers(self.data)
        self.shown = self._show()
        with ExitStack() as readers:
            # A database that somebody reads keeps the log of its writes beside it.
            for path in filter(is_shared, find_databases(self.project)):
                reader = readers.enter_context(closing(sqlite3.connect(path)))
                reader.execute("SELECT count(*) FROM sqlite_master").fetchone()
            self._kill_a_run(exchange)
            for path, content in left.items():
                path.write_bytes(content)
            # A folder of more than its budget has a note of what was hashed when.
            verify_stored(self.data, now=datetime.now(UTC), budget_bytes=2**16)
            copy_with_links(self.data, self.folder / "pristine")

    def _run(self, *words: str) -> None:
        run = self.forks.start(self.project, "tt", *words)
        assert run.wait(900) == 0, run.output()

    def _show(self) -> str:
        """What `tt show` says of a symbol, without the ages of tables and whether they are due; else why it refuses."""
        shown = self.forks.start(self.project, "tt", "show", "AAPL", "--json")
        code, said = shown.wait(300), shown.output()
        if code == 0:
            said = json.dumps(json.loads(said) | {"verdicts": {}}, indent=1)
        return f"{code}\n{said}"

    def _leave_refusals(self, exchange: SimulatorControl) -> Mapping[Path, bytes]:
        """Have the client write down which services failed, and that its grant was refused: the files."""
        breakers, auth = (self.data / ".state" / f"{name}.json" for name in ("breakers", "auth"))
        # An hour ago, so that it is time to ask the service again.
        clock = StoppedClock(datetime.now(UTC) - timedelta(hours=1))
        remembered = Breakers(clock=clock, server=exchange.url, state_dir=breakers.parent)

        async def fail() -> None:
            for _ in range(BreakerPolicy().failures):
                permit = await remembered[Family.MARKET_METRICS].permit("a test")
                permit.failed(TransportError("GET /market-metrics: no response"))

        asyncio.run(fail())
        left = {breakers: breakers.read_bytes()}
        breakers.unlink()
        exchange.fault("refuse-grant", count=1, route="/oauth/token")
        self.forks.start(self.project, "tt", "refresh", "symbols", "--force").wait(900)
        exchange.reset()
        left[auth] = auth.read_bytes()
        return left

    def _kill_a_run(self, exchange: SimulatorControl) -> None:
        """Kill a run that has fetched some candles and waits for others."""
        exchange.fault("dx-drop", route="Candle/MSFT")
        run = self.forks.start(self.project, "tt", "refresh", "daily_candles", "--force")
        deadline = time.monotonic() + 300
        while not any(kind.startswith("state: candles") for kind in state_files(self.data)):
            assert time.monotonic() < deadline, (run.output(), sorted(state_files(self.data)))
            time.sleep(0.01)
        run.kill(is_group=True)
        exchange.reset()

    def play(self, number: int) -> dict[str, Any]:
        """One round: what was damaged, and what was found wrong afterwards."""
        chance = random.Random(f"{SEED}/{number}")
        began = time.monotonic()
        shutil.rmtree(self.data)
        copy_with_links(self.folder / "pristine", self.data)
        damager = Damager(self.data, self.folder / "older", chance)
        for _ in range(3):
            damager.damage_table()
        for _ in range(2):
            damager.damage_one_of(state_files(self.data), is_older_tried=True)
        damager.damage_one_of(database_files(self.data), is_older_tried=False)
        damager.damage_one_of(history_files(self.data), is_older_tried=False)
        findings = self._notice(damager.done) + self._remembered()
        notes = sorted((self.data / ".state" / "damaged").glob("*.json"))
        if notes:
            # What was found is noted, and the note is a file like any other.
            damager.damage_one_of({"state: damaged": notes}, is_older_tried=False)
        # The snapshot is due, and takes every other file from the caches.
        os.utime(chance.choice(sorted((self.project / "metastock").rglob("*.txt"))))
        if "daily_candles" not in damager.tables:
            # Candles are fetched, from what the killed run has left.
            for path in self.data.glob("daily_candles.*"):
                path.unlink()
        run = self.forks.start(self.project, "tt", "refresh", "--json")
        code = run.wait(900)
        if code != 0:
            findings.append(f"the next run ended with {code}: {run.output()[-2500:]}")
        findings += self._mended() + self._remembered()
        return {
            "round": number,
            "seed": f"{SEED}/{number}",
            "damages": [{"kind": each.kind, "form": each.form, "words": str(each)} for each in damager.done],
            "seconds": round(time.monotonic() - began, 1),
            "findings": findings,
        }

    def _notice(self, done: Sequence[Damage]) -> list[str]:
        """No damaged row reaches a reader or the screen, and the files of tables are named."""
        findings = []
        for damage in done:
            path = Path(damage.path)
            if path.suffix != ".parquet" or path.stem not in SCHEMAS or len(path.parts) > 1:
                continue
            try:
                version = content(path.stem, self.data)
            except TTError:
                continue
            if version != self.expected[path.stem]:
                findings.append(f"a reader got other rows: {damage}")
        shown = self._show()
        is_refused = shown.startswith("4\n") and "Traceback" not in shown
        if shown != self.shown and not is_refused:
            differences = "\n".join(ndiff(self.shown.splitlines(), shown.splitlines()))
            findings.append(f"the screen shows other things: {differences}")
        verify_stored(self.data, now=datetime.now(UTC))
        status = self.forks.start(self.project, "tt", "status", "--json")
        status.wait(300)
        said = status.output()
        for damage in done:
            is_table = len(Path(damage.path).parts) == 1
            # A bit of the space between the values of a manifest says nothing, and of a manifest of before, the
            # Parquet file says more.
            if is_table and Path(damage.path).name not in said and damage.kind != "manifest":
                findings.append(f"not named: {damage}")
        return findings

    def _remembered(self) -> list[str]:
        """Answers about the past that are neither what was known then nor an error."""
        return [
            f"{name} as of {instant} has other rows"
            for (name, instant), expected in self.history.items()
            if answer(self.data, name, instant) not in {expected, None}
        ]

    def _mended(self) -> list[str]:
        """What is still wrong after the run."""
        findings = []
        try:
            found = contents(self.data)
        except TTError as error:
            return [f"not mended: {error}"]
        names = sorted(set(self.expected) | set(found))
        findings += [f"{name} has other rows" for name in names if found.get(name) != self.expected.get(name)]
        findings += [f"{problem}" for schema in SCHEMAS.values() for problem in check(self.data, schema)]
        status = self.forks.start(self.project, "tt", "status", "--json")
        code, said = status.wait(300), status.output()
        if code != 0:
            findings.append(f"the status is {code}: {said[-2000:]}")
        shared = list(filter(is_shared, find_databases(self.project)))
        findings += [f"{path.name}: {damage}" for path in shared if (damage := database_damage(path)) is not None]
        with dg.DagsterInstance.from_config(str(self.project)) as instance:
            findings += [f"lost: {each}" for each in lost_runs(instance).items()]
            newest = instance.get_runs(limit=1)
            if [run.status for run in newest] != [dg.DagsterRunStatus.SUCCESS]:
                findings.append(f"the run is not recorded: {newest}")
            prune(instance, before=datetime.now(UTC) + timedelta(days=1))
        return findings


@pytest.mark.soak
@pytest.mark.timeout(12 * 3600)
def test_damage_of_every_kind_is_noticed_and_mended_by_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "project").mkdir()
    project = make_project(tmp_path / "project")
    monkeypatch.chdir(project)
    (project / "metastock").rmdir()
    # A Saturday: nothing changes while the exchange is closed.
    now = datetime.now(UTC)
    saturday = (now - timedelta(days=(now.weekday() - 5) % 7)).replace(hour=15, minute=0)
    symbols = ["AAPL", "BRK/B"]
    write_metastock_files(
        Market(7), project / "metastock", first=date(2025, 1, 2), last=date(2026, 6, 30), symbols=symbols
    )
    figures = Path(FIGURES) if FIGURES else tmp_path / "figures.jsonl"
    done, number, findings = Counter[str](), FIRST_ROUND, []
    with SimulatorProcess(seed=7, arguments=["--now", saturday.isoformat()]) as process:
        environment = {**environment_of_users(), "TT_ENV": "simulator", "TT_API_URL": process.url}
        with Forks(tmp_path / "logs", environment) as forks:
            damages = Damages(tmp_path, project, forks)
            damages.make(SimulatorControl(process.url))
            while done.total() < DAMAGES:
                played = damages.play(number)
                number += 1
                done.update(f"{each['kind']}, {each['form']}" for each in played["damages"])
                findings += [f"round {played['round']}: {each}" for each in played["findings"]]
                with figures.open("a") as file:
                    file.write(json.dumps(played) + "\n")
                with capsys.disabled():
                    print(f"{done.total()} damages, {played['seconds']} s, {played['findings']}", flush=True)  # noqa: T201
                for log in (tmp_path / "logs").iterdir():
                    log.unlink()
    assert findings == []
