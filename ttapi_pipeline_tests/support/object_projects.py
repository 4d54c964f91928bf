# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A user's project folder whose data lies in an object store, and the programs that the user runs there."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from ttapi_pipeline.core.places import MARKER
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.core.universes import sp500
from ttapi_pipeline.datasets.registry import load_settings

ROOT: Final = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class ObjectProject:
    """A project folder.

    Attributes:
        folder: Where it is.
        environ: The environment of its programs.
    """

    folder: Path
    environ: Mapping[str, str]

    @classmethod
    def make(cls, folder: Path, place: str, *, symbols: int, access: Mapping[str, str]) -> Self:
        """Make one without data.

        Args:
            folder: An empty folder.
            place: For TT_DATA_DIR.
            symbols: How many of the S&P 500 it tracks.
            access: The variables that give access to the store.
        """
        (folder / MARKER).touch()
        (folder / "dagster.yaml").write_bytes((ROOT / "dagster.yaml").read_bytes())
        (folder / "symbols.txt").write_text("".join(f"{each.symbol}\n" for each in sp500()[:symbols]))
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("TT_", "DAGSTER", "AWS_"))}
        ours = {
            "TT_DATA_DIR": place,
            "TT_ENV": "simulator",
            "TT_LIST": str(folder / "symbols.txt"),
            "TT_CACHE_DIR": str(folder / "caches"),
            # Nothing is due in a run of hits, however long the fill takes.
            "TT_TTL_QUOTES": "7d",
            "TT_TTL_ACCOUNTS": "7d",
            "DAGSTER_HOME": str(folder),
            "DAGSTER_DISABLE_TELEMETRY": "1",
        }
        return cls(folder, {**kept, **access, **ours})

    def settings(self) -> Settings:
        """What its programs are set to."""
        return load_settings(self.environ, dotenv=self.folder / ".env")

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment in the folder."""
        program = [str(Path(sys.executable).parent / command[0]), *command[1:]]
        return subprocess.run(program, cwd=self.folder, env=self.environ, capture_output=True, text=True, check=False)
