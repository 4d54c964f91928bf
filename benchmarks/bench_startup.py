# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""How long the commands take to start, and what Dagster itself takes for a project of trivial assets.

Run it as ``python benchmarks/bench_startup.py [ROUNDS]``. Each figure is the median of whole processes, ours and the
trivial projects' in turn, so that a busy machine slows all; ratios are of processor time, which other programs disturb
least, and of wall time. Two trivial projects are compared with: `bare` has as many assets as ours with the same
upstream and nothing in them; `shaped` has as many checks on each too, since recording what a check found is Dagster's
work whoever wrote the check. The data folder is a temporary one, filled from the simulator with six symbols.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ttapi_pipeline.core.places import MARKER
from ttapi_pipeline.datasets.dataset import METASTOCK_FILES
from ttapi_pipeline.datasets.registry import DATASETS

ROOT = Path(__file__).resolve().parents[1]
FIRST = "2025-01-02"
SYMBOLS = ("AAPL", "BRK/B", "IBM", "KO", "MSFT", "SPY")

TRIVIAL = """
import dagster as dg

GRAPH, CHECKS = {graph!r}, {checks!r}

def asset(name, upstream):
    @dg.asset(name=name, deps=upstream)
    def empty() -> None: ...
    return empty

def checks(name):
    specs = [dg.AssetCheckSpec(check, asset=name) for check in CHECKS]
    @dg.multi_asset_check(name="check_" + name, specs=specs)
    def empty():
        for spec in specs:
            yield dg.AssetCheckResult(passed=True, asset_key=name, check_name=spec.name)
    return empty

defs = dg.Definitions(
    assets=[asset(name, upstream) for name, upstream in GRAPH.items()],
    asset_checks=[checks(name) for name in GRAPH] if CHECKS else [],
    executor=dg.in_process_executor,
)
"""
CHECKS = ("schema", "unique_keys", "coverage", "plausible_values", "csv")

WARM = """
import time
from ttapi_pipeline.core.clock import SYSTEM_CLOCK
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.datasets.status import read_statuses
settings, taken = Settings.load(), []
for _ in range(20):
    started = time.perf_counter()
    read_statuses(settings, now=SYSTEM_CLOCK.now())
    taken.append(time.perf_counter() - started)
print(sorted(taken)[10])
"""

UNNEEDED = (
    *("aiohttp", "alembic", "dagster_polars", "exchange_calendars", "matplotlib", "numpy", "pandas", "pyarrow"),
    *("scipy", "sqlalchemy"),
)
"""What loading the code location should not import."""


class Cost(NamedTuple):
    """Of one process with its children, in seconds."""

    wall: float
    processor: float


def cost(
    command: Sequence[str], environment: Mapping[str, str], folder: Path, *, accepted: Sequence[int] = (0,)
) -> Cost:
    """Run a process to its end."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in accepted:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return Cost(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def median(costs: Sequence[Cost]) -> Cost:
    """Of each part on its own."""
    return Cost(*map(statistics.median, zip(*costs, strict=True)))


def imported(code: str, environment: Mapping[str, str], folder: Path) -> set[str]:
    """The modules that a piece of code imports, by ``python -X importtime``."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}


def prepare(folder: Path) -> Mapping[str, dict[str, str]]:
    """Environments of our project and of the trivial ones, by name; each has a Dagster instance of its own."""
    universe = folder / "universe.txt"
    universe.write_text("\n".join(SYMBOLS))
    graph = {METASTOCK_FILES: [], **{name: list(each.upstream) for name, each in DATASETS.items()}}
    (folder / MARKER).touch()
    (folder / "bare.py").write_text(TRIVIAL.format(graph=graph, checks=()))
    (folder / "shaped.py").write_text(TRIVIAL.format(graph=graph, checks=CHECKS))
    base = {name: value for name, value in os.environ.items() if not name.startswith(("TT_", "DAGSTER_"))}
    environments = {}
    for name in ("ours", "bare", "shaped"):
        home = folder / f"home_{name}"
        home.mkdir()
        (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
        environments[name] = {
            **base,
            "DAGSTER_HOME": str(home),
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(folder)]),
            "TT_ENV": "simulator",
            "TT_LIST": str(universe),
            "TT_DATA_DIR": str(folder / "data"),
            "TT_METASTOCK_DIR": str(folder / "metastock"),
            "TT_HISTORY_START": FIRST,
            # The first commands of the benchmark must not be the ones after which something has expired.
            "TT_TTL_ACCOUNTS": "7d",
        }
    return environments


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rounds", type=int, nargs="?", default=5)
    rounds: int = parser.parse_args().rounds
    tt = [sys.executable, "-m", "ttapi_pipeline.cli"]
    dagster = [sys.executable, "-m", "dagster"]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        environments = prepare(folder)
        ours = environments["ours"]
        files = ["simulator", "metastock", str(folder / "metastock"), "--first", FIRST, "--symbols", *SYMBOLS]
        cost([*tt, *files], ours, folder)
        print(f"first fill, {len(SYMBOLS)} symbols: {cost([*tt, 'refresh'], ours, folder, accepted=(0, 3)).wall:.1f} s")
        # The benchmark may run in an hour in which something expires; what follows finds nothing due.
        cost([*dagster, "asset", "materialize", "--select", "*", "-m", "ttapi_pipeline.definitions"], ours, folder)

        for words in (["status"], ["refresh"]):
            taken = median([cost([*tt, *words], ours, folder, accepted=(0, 3)) for _ in range(rounds)])
            print(f"tt {words[0]:8} with nothing due: {taken.wall:.2f} s (to stay below 0.5)")
        verdicts = subprocess.run(
            [sys.executable, "-c", WARM], env=ours, cwd=folder, capture_output=True, text=True, check=True
        )
        print(f"verdict of every dataset, warm: {float(verdicts.stdout) * 1000:.1f} ms (to stay below 20)")

        modules = {"ours": "ttapi_pipeline.definitions", "bare": "bare", "shaped": "shaped"}
        load = "from {} import defs; defs.get_repository_def()"
        compared = {
            "loading the code location": {
                name: [sys.executable, "-c", load.format(module)] for name, module in modules.items()
            },
            # A hit here, an empty function there.
            "dagster asset materialize": {
                name: [*dagster, "asset", "materialize", "--select", "accounts", "-m", module]
                for name, module in modules.items()
            },
        }
        for label, commands in compared.items():
            costs: dict[str, list[Cost]] = {name: [] for name in commands}
            for _ in range(rounds):
                for name, command in commands.items():
                    costs[name].append(cost(command, environments[name], folder))
            own = median(costs.pop("ours"))
            print(f"{label}: {own.processor:.2f} s of processor time, {own.wall:.2f} s")
            for name, each in costs.items():
                peer = median(each)
                print(
                    f"  {name:6} project: {peer.processor:.2f} s and {peer.wall:.2f} s; ratio "
                    f"{own.processor / peer.processor:.2f} and {own.wall / peer.wall:.2f} (to stay below 1.3)"
                )
        found = imported("import ttapi_pipeline.definitions", ours, folder)
        print("imported and not needed:", ", ".join(each for each in UNNEEDED if each in found) or "nothing")


if __name__ == "__main__":
    main()
