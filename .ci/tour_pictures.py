# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Makes the pictures of the terminal that the tour shows, in tmux, from a filled project folder.

``python .ci/tour_pictures.py FOLDER [NAME...]``, in the environment of the clone; FOLDER is one that `tt init` has made
and `tt refresh` has filled from the simulator. Without names all of them are made, into `docs/tour`. `refresh` begins a
forced run in the folder, and ends it by Ctrl-C once it has a step with a pace to show.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from terminal_pictures import picture

TOUR = Path(__file__).resolve().parents[1] / "docs" / "tour"
TT = str(Path(sys.executable).with_name("tt"))
PATIENCE_SECONDS = 900

STREAMED = ("AAPL", "AMZN", "BRK/B", "GOOGL", "JPM", "KO", "MSFT", "NVDA", "SPY", "TSLA", "WMT", "XOM")
A_FRIDAY_MORNING = "2026-11-20T15:00:00Z"


@dataclass(frozen=True)
class Shown:
    """A command, and when its screen is the picture.

    Attributes:
        command: Words after ``tt``.
        columns: Of the terminal.
        lines: Of the terminal.
        until: What the screen has by then, as a regular expression.
        variables: Of the command.
    """

    command: tuple[str, ...]
    columns: int
    lines: int
    until: str
    variables: Mapping[str, str] = field(default_factory=dict)


PICTURES = {
    "refresh": Shown(("refresh", "--force"), 120, 24, r"(?s)(refreshed.*){3}metrics \d+/\d+, [\d.]+k?/s"),
    "status": Shown(("status",), 120, 24, "dagster and logs", {"TT_TTL_ACCOUNTS": "1m", "TT_TTL_EARNINGS": "2m"}),
    "show": Shown(("show", "AAPL"), 80, 60, "volatility: "),
    "stream": Shown(("stream", *STREAMED), 80, 16, r"(?s)XOM .*live +\d\d+ ev/s"),
}


def run(*words: str) -> str:
    """What a command of tmux prints, of a server that no user of this machine has."""
    done = subprocess.run(["tmux", "-L", "tour_pictures", "-f", os.devnull, *words], check=True, capture_output=True)
    return done.stdout.decode()


def is_there(name: str) -> bool:
    """Whether a session still runs."""
    look = ["tmux", "-L", "tour_pictures", "has-session", "-t", name]
    return subprocess.run(look, check=False, capture_output=True).returncode == 0


@contextmanager
def exchange(name: str) -> Iterator[Mapping[str, str]]:
    """The variables of a simulator whose market is open, for what is streamed; none for what is not."""
    if name != "stream":
        yield {}
        return
    command = [TT, "simulator", "--now", A_FRIDAY_MORNING, "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        found = re.search(rb"http://[\d.:]+", process.stdout.readline())
        assert found is not None
        yield {"TT_ENV": "simulator", "TT_API_URL": found[0].decode()}
        process.terminate()


def captured(name: str, folder: Path) -> str:
    """The screen of a command, with its colours."""
    shown = PICTURES[name]
    with exchange(name) as variables:
        settings = [f"{key}={value}" for key, value in {**shown.variables, **variables}.items()]
        # The shell stays, so that the screen does.
        line = " ".join(["env", *settings, TT, *shown.command, "; sleep 5"])
        size = ["-x", str(shown.columns), "-y", str(shown.lines)]
        run("new-session", "-d", "-s", name, "-c", str(folder), *size, "sh", "-c", line)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not re.search(shown.until, run("capture-pane", "-t", name, "-p")):
            if time.monotonic() > deadline:
                sys.exit(f"{name}: {run('capture-pane', '-t', name, '-p')}")
            time.sleep(0.2)
        screen = run("capture-pane", "-t", name, "-ep")
        run("send-keys", "-t", name, "C-c")
        while is_there(name) and time.monotonic() < deadline:
            time.sleep(0.2)
    return screen


def main(folder: Path, names: list[str]) -> None:
    """Write the pictures."""
    for name in names or PICTURES:
        # Whose machine it was does not matter.
        screen = captured(name, folder).replace(str(folder.resolve()), "/home/you/options")
        title = " ".join(["tt", *(PICTURES[name].command if name != "stream" else ["stream"])])
        (TOUR / f"{name}.svg").write_text(picture(screen, title), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
