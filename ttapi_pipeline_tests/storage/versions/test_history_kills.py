# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Writers of versions are killed while they publish, prune and merge: no version is lost, no reader sees a torn one.

`make soak` kills HISTORY_KILLS of them, by default a thousand. What was seen is appended to the file that
HISTORY_KILL_FIGURES names, a line of JSON per round of kills, so that a run that is cut short counts.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from pathlib import Path
from typing import Final

import pytest

from ttapi_pipeline.core.errors import TTError
from ttapi_pipeline.storage.hashing import data_version
from ttapi_pipeline.storage.versions.keeping import session_of
from ttapi_pipeline.storage.versions.reading import Version, open_version, versions
from ttapi_pipeline_tests.support.history_writers import KEPT, SCHEMAS, Writers, expected

KILLS: Final = int(os.environ.get("HISTORY_KILLS", "1000"))
FIGURES: Final = os.environ.get("HISTORY_KILL_FIGURES")
SEED: Final = 20261129

ROUND: Final = 50
"""Kills in one folder: its history is looked through whole at the end."""
RECENT: Final = 12
"""Versions that are looked at after each kill."""
MOST_PUBLISHED: Final = 2
"""Tables that a writer publishes before it is killed in the middle of the next ones."""
LONGEST_SECONDS: Final = 0.3
"""That it lives from then on."""
PATIENCE_SECONDS: Final = 60.0

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes are looked up in /proc")


def number_of(version: Version) -> int:
    return int(str(version.manifest.provenance.statistics["number"]))


def problems(folder: Path, *, recent: int | None) -> list[str]:
    """What is wrong with the history after a kill: of all tables, or of so many of the newest versions."""
    done = folder / "done"
    acknowledged = [int(line) for line in done.read_text().splitlines()] if done.exists() else []
    found = []
    for name in KEPT:
        known = versions(folder / "data", name)
        lost = set(acknowledged) - {number_of(each) for each in known}
        if lost:
            found.append(f"{name} has no publication of {sorted(lost)}")
        last = {session_of(each.known_at): each for each in known}
        required = {id(each) for each in (*last.values(), *known[-1:])}
        for version in known if recent is None else known[-recent:]:
            number = number_of(version)
            if version.file is None:
                if id(version) in required:
                    found.append(f"{name} {number} was the last of its session, and is not kept")
                continue
            try:
                rows = open_version(folder / "data", SCHEMAS[name], version).frame.collect()
            except TTError as error:
                found.append(f"{name} {number}: {error}")
                continue
            if data_version(rows) != version.manifest.data_version or not rows.equals(expected(name, number)):
                found.append(f"{name} {number} has other rows than were published")
    return found


def reads_of(folder: Path) -> tuple[int, list[str]]:
    """How many versions the readers have read, and what was wrong with some."""
    lines = [line for line in (folder / "reads").read_text().splitlines() if line.endswith("]")]
    told = [json.loads(line) for line in lines]
    return len(told), [wrong for _, _, wrong in told if wrong]


def wait_for(folder: Path, count: int) -> None:
    """Wait until so many publications more than now are in the logs."""

    def lines() -> int:
        logs = (folder / "data" / name / "publications.jsonl" for name in KEPT)
        return sum(log.read_bytes().count(b"\n") for log in logs if log.exists())

    aim, deadline = lines() + count, time.monotonic() + PATIENCE_SECONDS
    while lines() < aim and time.monotonic() < deadline:
        time.sleep(0.002)


def kill_round(writers: Writers, folder: Path, kills: int, chance: random.Random) -> dict[str, object]:
    """Kill so many writers one after the other beside a reader, some of the readers as well."""
    folder.mkdir()
    (folder / "reads").touch()
    found: list[str] = []
    started, killed = time.monotonic(), 0
    reader = writers.start("read", folder, chance.randrange(10**6))
    while killed < kills:
        writer = writers.start("write", folder, chance.randrange(10**6))
        wait_for(folder, chance.randint(0, MOST_PUBLISHED))
        time.sleep(chance.uniform(0, LONGEST_SECONDS))
        if writers.kill(writer):
            killed += 1
        else:
            found.append("a writer has ended by itself")
            break
        found += problems(folder, recent=RECENT)
        if chance.random() < 0.1:
            if not writers.kill(reader):
                found.append("a reader has ended by itself")
            reader = writers.start("read", folder, chance.randrange(10**6))
    writers.kill(reader)
    found += problems(folder, recent=None)
    reads, torn = reads_of(folder)
    published = {name: len(versions(folder / "data", name)) for name in KEPT}
    kept = {name: sum(each.file is not None for each in versions(folder / "data", name)) for name in KEPT}
    return {
        "kills": killed,
        "seconds": round(time.monotonic() - started, 1),
        "published": published,
        "kept": kept,
        "reads": reads,
        "findings": [*found, *torn],
    }


@pytest.mark.parametrize(
    "kills", [10, pytest.param(KILLS, marks=[pytest.mark.soak, pytest.mark.timeout(6 * 3600)], id="all")]
)
def test_no_version_is_lost_and_none_is_torn_whenever_writers_are_killed(tmp_path: Path, kills: int) -> None:
    chance = random.Random(SEED)
    total, findings = 0, list[object]()
    with Writers() as writers:
        while total < kills:
            seen = kill_round(writers, tmp_path / f"{total}", min(ROUND, kills - total), chance)
            total += int(str(seen["kills"]))
            findings.append(seen["findings"])
            if FIGURES:
                with Path(FIGURES).open("a") as file:
                    file.write(json.dumps({**seen, "all_kills": total}) + "\n")
            assert not seen["findings"], seen
    assert total == kills
