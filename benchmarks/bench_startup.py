# SPDX-License-Identifier: MIT
"""How long the commands take to start, and what Dagster itself takes for a project of trivial assets.

Run it as ``python benchmarks/bench_startup.py [ROUNDS]``. Each figure is the median of whole processes, ours and the
trivial project's in turn, so that a busy machine slows both: the ratios are what to look at. The data folder is a
temporary one, filled from the simulator with six symbols.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FIRST = "2025-01-02"
SYMBOLS = ("AAPL", "BRK/B", "IBM", "KO", "MSFT", "SPY")

TRIVIAL = """
import dagster as dg

@dg.asset
def first() -> None: ...

@dg.asset(deps=[first])
def second() -> None: ...

defs = dg.Definitions(assets=[first, second], executor=dg.in_process_executor)
"""

WARM = """
import time
from ttapi_pipeline.core.clock import SYSTEM_CLOCK
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.datasets.survey import survey
settings, taken = Settings.load(), []
for _ in range(20):
    started = time.perf_counter()
    survey(settings, now=SYSTEM_CLOCK.now())
    taken.append(time.perf_counter() - started)
print(sorted(taken)[10])
"""

UNNEEDED = ("pandas", "pyarrow.dataset", "exchange_calendars", "matplotlib", "scipy")
"""What loading the code location should not import."""


def seconds(
    command: Sequence[str], environment: Mapping[str, str], folder: Path, *, accepted: Sequence[int] = (0,)
) -> float:
    """Wall time of one process."""
    started = time.perf_counter()
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    taken = time.perf_counter() - started
    if done.returncode not in accepted:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return taken


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


def prepare(folder: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Environments of our project, filled, and of the trivial one; each has a Dagster instance of its own."""
    universe = folder / "universe.txt"
    universe.write_text("\n".join(SYMBOLS))
    (folder / "trivial.py").write_text(TRIVIAL)
    base = {name: value for name, value in os.environ.items() if not name.startswith(("TT_", "DAGSTER_"))}
    environments = []
    for name in ("ours", "trivial"):
        home = folder / name
        home.mkdir()
        (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
        environments.append(
            {
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
        )
    ours, trivial = environments
    return ours, trivial


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rounds", type=int, nargs="?", default=5)
    rounds: int = parser.parse_args().rounds
    tt = [sys.executable, "-m", "ttapi_pipeline.cli"]
    dagster = [sys.executable, "-m", "dagster"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ours, trivial = prepare(folder)
        files = ["simulator", "metastock", str(folder / "metastock"), "--first", FIRST, "--symbols", *SYMBOLS]
        seconds([*tt, *files], ours, folder)
        print(f"first fill, {len(SYMBOLS)} symbols: {seconds([*tt, 'refresh'], ours, folder, accepted=(0, 3)):.1f} s")
        # Adopts nothing and records everything, so that the next one is all hits.
        seconds([*dagster, "asset", "materialize", "--select", "*", "-m", "ttapi_pipeline.definitions"], ours, folder)

        for words in (["status"], ["refresh"]):
            taken = [seconds([*tt, *words], ours, folder, accepted=(0, 3)) for _ in range(rounds)]
            print(f"tt {words[0]:8} with nothing due: {statistics.median(taken):.2f} s (to stay below 0.5)")
        verdicts = subprocess.run(
            [sys.executable, "-c", WARM], env=ours, cwd=folder, capture_output=True, text=True, check=True
        )
        print(f"verdict of every dataset, warm: {float(verdicts.stdout) * 1000:.1f} ms (to stay below 20)")

        compared = {
            "loading the code location": (
                [sys.executable, "-c", "from ttapi_pipeline.definitions import defs; defs.get_repository_def()"],
                [sys.executable, "-c", "from trivial import defs; defs.get_repository_def()"],
            ),
            "dagster asset materialize, hits": (
                [*dagster, "asset", "materialize", "--select", "accounts", "-m", "ttapi_pipeline.definitions"],
                [*dagster, "asset", "materialize", "--select", "first", "-m", "trivial"],
            ),
        }
        for label, (mine, peer) in compared.items():
            pairs = [(seconds(mine, ours, folder), seconds(peer, trivial, folder)) for _ in range(rounds)]
            own, other = (statistics.median(column) for column in zip(*pairs, strict=True))
            print(f"{label}: {own:.2f} s, trivial project {other:.2f} s, ratio {own / other:.2f} (to stay below 1.3)")
        modules = imported("import ttapi_pipeline.definitions", ours, folder)
        print("imported and not needed:", ", ".join(each for each in UNNEEDED if each in modules) or "nothing")


if __name__ == "__main__":
    main()
