# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The symbols that `tt stream` subscribes: those that the user names, or the universe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from ttapi_pipeline.client import TastytradeClient
from ttapi_pipeline.core.collection import no_progress
from ttapi_pipeline.core.errors import ConfigError, CorruptFileError, StorageError
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.core.symbology import OptionSymbol, canonical_symbol
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.datasets.status import shaping_settings
from ttapi_pipeline.datasets.universe.build import build_universe
from ttapi_pipeline.datasets.universe.table import UNIVERSE
from ttapi_pipeline.storage.layout import open_folder
from ttapi_pipeline.storage.scan import scan
from ttapi_pipeline.storage.stored import read_manifest


def named_symbols(words: Sequence[str]) -> Sequence[str]:
    """Symbols as a user types them, each once: an equity or index by its symbol, an option by its streamer symbol.

    Raises:
        ConfigError: A word is neither.
    """
    symbols: dict[str, None] = {}
    for word in words:
        try:
            is_option = word.startswith(".")
            symbol = OptionSymbol.from_streamer(word.upper()).streamer if is_option else canonical_symbol(word)
            symbols[symbol] = None
        except ValueError as error:
            raise ConfigError(
                f"{error}; name symbols such as AAPL or BRK/B, or options such as .AAPL261218C150"
            ) from error
    return list(symbols)


async def streamer_symbols(
    client: TastytradeClient, settings: Settings, named: Sequence[str], *, now: datetime
) -> Mapping[str, str]:
    """Symbol by streamer symbol, for the named symbols or, when there are none, for the universe.

    The universe is read from its dataset if that is stored, else fetched.

    Raises:
        ConfigError: The broker does not know a named symbol.
        TTError: The broker was not reached.
    """
    if not named:
        return stored_universe(settings) or await _fetched_universe(client, settings, now=now)
    options = [symbol for symbol in named if symbol.startswith(".")]
    equities = await client.equities([symbol for symbol in named if not symbol.startswith(".")])
    for symbol, reason in equities.missing.items():
        raise ConfigError(f"{symbol} cannot be subscribed: {reason}")
    found = {equity.symbol: equity.streamer_symbol or equity.symbol for equity in equities.rows}
    return {found.get(symbol, symbol): symbol for symbol in named if symbol in found or symbol in options}


def stored_universe(settings: Settings) -> Mapping[str, str]:
    """The stored universe if it was built with these settings; else empty."""
    folder = open_folder(settings.data_dir)
    try:
        manifest = read_manifest(folder, UNIVERSE.name)
        if manifest is None or manifest.provenance.settings != shaping_settings(settings, DATASETS[UNIVERSE.name]):
            return {}
        return dict(scan(folder, UNIVERSE).select("streamer_symbol", "symbol").collect().iter_rows())
    except (CorruptFileError, StorageError):
        # A universe that cannot be read is fetched instead.
        return {}


async def _fetched_universe(client: TastytradeClient, settings: Settings, *, now: datetime) -> Mapping[str, str]:
    built = await build_universe(client, settings, previous=None, now=now, progress=no_progress)
    return dict(built.frame.lazy().select("streamer_symbol", "symbol").collect().iter_rows())
