# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What filling every fetched dataset costs a real account: requests per dataset and route, and seconds.

Run it as ``python benchmarks/bench_account_cost.py [--symbols N ...] [--history DATE]``. A simulator in a process of
its own answers, and the program believes it to be production, so that it keeps the rates that it keeps with the
broker. Requests are those of the manifests, and must add up to what the simulator has counted; the first dataset has
the grant of the access token among its own. Seconds are this machine's and this server's; what a distant server adds
is not in them. A test holds the table of requests in `docs/cost.md` to these figures.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ttapi_pipeline.core.environments import SIMULATOR_CLIENT_SECRET, SIMULATOR_REFRESH_TOKEN
from ttapi_pipeline.core.places import MARKER
from ttapi_pipeline.core.universes import sp500
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.simulator.process import SimulatorProcess

ROOT = Path(__file__).resolve().parents[1]
FETCHED = [name for name, dataset in DATASETS.items() if dataset.is_fetched]
GRANT = "POST /oauth/token"


@dataclass(frozen=True)
class Cost:
    """Of filling the fetched datasets once.

    Attributes:
        requests: Per dataset.
        seconds: Per dataset, from the first request to the last answer.
        routes: Requests per route, as the server counted them.
        candles: Events of candles.
    """

    requests: Mapping[str, int]
    seconds: Mapping[str, float]
    routes: Mapping[str, int]
    candles: int


def new_account(project: Path, url: str, *, universe: str, history: str) -> Mapping[str, str]:
    """Lay out the folder of an account without any data.

    Args:
        project: The folder.
        url: Of a simulator, which is taken for production, so that the rates are those that are kept with the broker.
        universe: As of TT_LIST.
        history: First day of the candles.

    Returns:
        The environment of a program in it.
    """
    (project / MARKER).touch()
    (project / "dagster.yaml").write_bytes((ROOT / "dagster.yaml").read_bytes())
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TT_", "DAGSTER"))}
    settings = {
        "PYTHONPATH": str(ROOT),
        "DAGSTER_HOME": str(project),
        "TT_ENV": "production",
        "TT_API_URL": url,
        "TT_CLIENT_SECRET": SIMULATOR_CLIENT_SECRET,
        "TT_REFRESH_TOKEN": SIMULATOR_REFRESH_TOKEN,
        "TT_LIST": universe,
        "TT_HISTORY_START": history,
    }
    return kept | settings


def measure(symbols: Sequence[str], history: str) -> Cost:
    """Fill the fetched datasets in a temporary folder, as an account without any data would."""
    with tempfile.TemporaryDirectory() as folder, SimulatorProcess() as simulator:
        project = Path(folder)
        (project / "symbols.txt").write_text("\n".join(symbols) + "\n")
        environment = new_account(project, simulator.url, universe="symbols.txt", history=history)
        command = [sys.executable, "-m", "ttapi_pipeline.cli", "refresh", *FETCHED]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"tt refresh ended with {done.returncode}: {done.stderr[-2000:]}")
        manifests = {name: json.loads((project / "data" / f"{name}.json").read_text()) for name in FETCHED}
        with urllib.request.urlopen(f"{simulator.url}/simulator/counters", timeout=10) as answer:
            counted = json.load(answer)["data"]["requests"]
    routes = {route: count for route, count in counted.items() if "/simulator" not in route}
    cost = Cost(
        requests={name: int(manifest["statistics"].get("requests", 0)) for name, manifest in manifests.items()},
        seconds={name: float(manifest["fetch_seconds"]) for name, manifest in manifests.items()},
        routes=routes,
        candles=int(manifests["daily_candles"]["statistics"]["bars_fetched"]),
    )
    asked, answered = sum(cost.requests.values()), sum(routes.values())
    if asked != answered:
        raise SystemExit(f"the manifests count {asked} requests and the server {answered}: {routes}")
    return cost


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--symbols", type=int, nargs="+", default=[50, len(sp500())], help="of the S&P 500, from A on")
    parser.add_argument("--history", default="2010-01-04", help="first day of the candles")
    options = parser.parse_args()
    for number in options.symbols:
        cost = measure([member.symbol for member in sp500()][:number], options.history)
        print(f"\n{number} symbols, candles from {options.history}")
        for name in FETCHED:
            print(f"  {name:20} {cost.requests[name]:5} requests {cost.seconds[name]:8.1f} s")
        print(f"  {'all':20} {sum(cost.requests.values()):5} requests {sum(cost.seconds.values()):8.1f} s")
        print(f"  {cost.routes[GRANT]} grants of a token, {cost.candles:,} candles")
        for route, count in cost.routes.items():
            print(f"    {count:5} {route}")


if __name__ == "__main__":
    main()
