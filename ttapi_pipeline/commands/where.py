# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""`tt where`: which folders and files are used here, and why each. Finding them: see `core.places`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, TypeAlias

from ttapi_pipeline.commands.exit_codes import OK
from ttapi_pipeline.commands.json_output import print_json
from ttapi_pipeline.commands.parsers import CommandParser
from ttapi_pipeline.commands.project_files import INSTANCE_FILES
from ttapi_pipeline.core.places import Home, Place
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.datasets.status import metastock_folder
from ttapi_pipeline.storage.places import cache_folder, quotes_folder

Places: TypeAlias = Mapping[str, tuple[str, Place]]


EXAMPLES: Final = {
    "tt where": "each folder and file, and why it is the one",
    "tt where --json": "the same for a program",
}


def add_options(parser: CommandParser) -> None:
    """Give the command its options and its help."""
    parser.explain("Show which folders and files are used here, and why. Nothing is created.", examples=EXAMPLES)
    parser.add_argument("--json", action="store_true", help="print them as JSON")


def run(settings: Settings, options: argparse.Namespace) -> int:
    """Print each place, and why it is the one.

    Raises:
        ConfigError: The settings file cannot be read.
    """
    places = find_places(options.home, settings)
    if options.json:
        document = {
            name: {"path": str(place.path), "exists": _exists(place), "why": place.why}
            for name, (_, place) in places.items()
        }
        print_json({"typed_in": str(options.home.typed_in), **document})
        return OK
    sys.stdout.write("\n".join(_lines(places)))
    return OK


def find_places(home: Home, settings: Settings) -> Places:
    """Every place by its name in JSON, with its name for people."""
    data, instance = home.data(settings), home.instance()
    found: dict[str, tuple[str, Place]] = {
        "folder": ("project folder", Place(home.folder, home.why)),
        "settings_file": ("settings file", Place(home.dotenv, "in the project folder")),
        "data": ("data folder", data),
        "instance": ("Dagster instance", instance),
    }
    if (logs := _logs(home, Path(instance.path))) is not None:
        found["logs"] = ("logs of runs", logs)
    beside = "beside the data" if "://" not in str(data.path) else "of this user, as the data is in an object store"
    why = beside if settings.cache_dir is None else "TT_CACHE_DIR"
    caches = cache_folder(settings).absolute()
    found["caches"] = ("caches and notes", Place(caches, f"{why}; may be deleted while nothing runs"))
    if (quotes := quotes_folder(settings)) is not None:
        why = "beside the data" if settings.quote_log_dir is None else "TT_QUOTE_LOG_DIR"
        found["quote_log"] = ("log of streamed quotes", Place(quotes.absolute() / "quote_log", why))
    if (metastock := metastock_folder(settings)) is not None:
        is_named = settings.metastock_dir is not None
        why = "TT_METASTOCK_DIR" if is_named else "the simulator's, made when first needed"
        found["metastock"] = ("MetaStock files", Place(metastock.absolute(), why))
    return found


def _logs(home: Home, instance: Path) -> Place | None:
    from ttapi_pipeline.storage.databases import find_logs

    if home.is_to_be_made and instance == home.folder:
        return Place(instance / INSTANCE_FILES / "logs", "as its dagster.yaml will say")
    logs = find_logs(instance)
    if logs is None:
        return None
    return Place(
        logs.absolute(), "as dagster.yaml says" if (instance / "dagster.yaml").is_file() else "in the Dagster instance"
    )


def _lines(places: Places) -> Iterator[str]:
    """Each path on a line of its own, so that it can be copied whole."""
    for name, place in places.values():
        yield name
        yield f"  {place.path}"
        yield f"  {place.why}{'' if _exists(place) else '; not there yet'}"
    yield ""


def _exists(place: Place) -> bool:
    return not isinstance(place.path, Path) or os.path.lexists(place.path)
