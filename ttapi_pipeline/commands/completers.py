# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Words that a shell offers for arguments whose values are not among their options: datasets, columns, symbols.

A completer is called by argcomplete, in a process of its own for each press of the tab key. What goes wrong there
cannot be said, and gives no words. The script for the shell: see `completion`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ttapi_pipeline.core.errors import TTError
from ttapi_pipeline.datasets.descriptions import table_description
from ttapi_pipeline.datasets.membership_schema import MEMBERSHIP
from ttapi_pipeline.datasets.reading import schema_of, stored_symbols
from ttapi_pipeline.datasets.registry import DATASETS, HISTORIES, REPORTS

Completer = Callable[..., Iterable[str]]


def complete_with(action: argparse.Action, completer: Completer) -> None:
    """Have the words for an argument come from a completer."""
    action.completer = completer  # type: ignore[attr-defined]


def datasets(**_: Any) -> Mapping[str, str]:
    """The names of all datasets, and what zsh and fish show beside each."""
    return {name: dataset.description for name, dataset in DATASETS.items()}


def tables(**_: Any) -> Mapping[str, str]:
    """The names of all datasets, of the tables that are published with them, and of the histories."""
    return {name: table_description(name) for name in (*DATASETS, *REPORTS, *HISTORIES, MEMBERSHIP.name)}


def symbols(**_: Any) -> Sequence[str]:
    """The symbols of the universe that is stored where the command is typed; none where none is."""
    from ttapi_pipeline.core.places import find_home
    from ttapi_pipeline.datasets.registry import load_settings_of
    from ttapi_pipeline.storage.layout import open_folder

    try:
        return stored_symbols(open_folder(load_settings_of(find_home()).data_dir))
    except TTError:
        return []


def symbols_or_tables(prefix: str, **_: Any) -> Iterable[str]:
    """Tables for small letters, symbols for capital ones; both before the first letter."""
    if prefix and prefix == prefix.lower():
        return tables()
    return symbols() if prefix else [*tables(), *symbols()]


def columns(prefix: str, parsed_args: argparse.Namespace, **_: Any) -> Mapping[str, str]:
    """The columns of the table that is named before, after those that are named already."""
    named, comma, _last = prefix.rpartition(",")
    try:
        return {f"{named}{comma}{column.name}": column.description for column in schema_of(parsed_args.what).columns}
    except TTError:
        return {}
