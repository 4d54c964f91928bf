# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What only real processes show: Ctrl-C within a collection, and a refused grant that the next run knows of."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

from ttapi_pipeline_tests.support.simulator import SimulatorControl

PATIENCE_SECONDS = 60.0

COLLECTION = """
import asyncio, sys
from pathlib import Path
from ttapi_pipeline.client import TastytradeClient
from ttapi_pipeline.core.errors import AuthError
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.core.universes import sp500

async def main(url, state_dir, collections):
    symbols = [member.symbol for member in sp500()]
    for _ in range(collections):
        async with TastytradeClient(Settings(), base_url=url, state_dir=state_dir) as client:
            try:
                await client.nested_option_chains(symbols)
            except AuthError as error:
                print(error)

asyncio.run(main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])))
"""


def wait_for(simulator: SimulatorControl, *, in_flight: int) -> None:
    give_up = time.monotonic() + PATIENCE_SECONDS
    while (now := simulator.requests_in_flight()) != in_flight:
        assert time.monotonic() < give_up, f"{now} in flight, {in_flight} expected"
        time.sleep(0.02)


def start(simulator: SimulatorControl, state_dir: Path, *, collections: int = 1) -> subprocess.Popen[str]:
    # Otherwise Python keeps unclosed sockets to itself.
    command = [
        sys.executable,
        "-W",
        "default::ResourceWarning",
        "-c",
        COLLECTION,
        simulator.url,
        str(state_dir),
        str(collections),
    ]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_ctrl_c_ends_a_collection_without_a_task_or_a_warning(simulator: SimulatorControl, tmp_path: Path) -> None:
    simulator.fault("latency", "option-chains", parameters={"seconds": 3600})
    with start(simulator, tmp_path) as process:
        # The default limit: a hundred requests wait for their answers.
        wait_for(simulator, in_flight=100)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == -signal.SIGINT
    assert said.rstrip().endswith("KeyboardInterrupt")
    for complaint in ("Task was destroyed", "never", "nclosed", "Warning", "exception was", "ExceptionGroup"):
        assert complaint not in said
    # Its connections are gone as well.
    wait_for(simulator, in_flight=0)
    assert simulator.requests()["GET /option-chains/{symbol}/nested"] == 100


def test_refused_credentials_are_tried_twice_and_left_alone_by_the_next_process(
    simulator: SimulatorControl, tmp_path: Path
) -> None:
    simulator.fault("refuse-grant", parameters={"form": "string"})
    outputs = []
    for _ in range(2):
        with start(simulator, tmp_path, collections=3) as process:
            said, complaints = process.communicate(timeout=PATIENCE_SECONDS)
        assert (process.returncode, complaints) == (0, "")
        outputs.append(said.splitlines())
        # Two from the first process, none from the second, and nothing was asked without a token.
        assert simulator.requests() == {"POST /oauth/token": 2}
    refused = "tastytrade refused the refresh token (invalid_grant: Grant revoked): create a new grant under OAuth"
    assert [line.startswith(refused) for line in outputs[0]] == [True, True, False]
    for line in (outputs[0][2], *outputs[1]):
        assert "refused these credentials 2 times" in line
        assert "not tried again before 20" in line
        assert "set TT_CLIENT_SECRET and TT_REFRESH_TOKEN" in line
    assert (tmp_path / "auth.json").is_file()
