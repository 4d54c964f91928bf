# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What a reader of MetaStock files has to be told, because the files do not say it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from ttapi_pipeline.core.errors import ConfigError
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.metastock.dates import ORDERS, DateOrder


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """How to read what the files leave open.

    A field that is added here becomes part of `file_cache.reading_key`: files are read again when its value changes.

    Attributes:
        as_of: Rows of later dates are rejected; None accepts any date.
        date_order: Of dates such as ``3/4/2021`` and ``20/09/01``; None takes the order that other dates of the file
            prove, else that of other files of its dialect.
        code_page: Encoding of files that are not Unicode.
        volume_multiplier: Every volume is multiplied by it, for sources that count in lots or thousands.
        exchange_suffixes: Suffixes to strip from tickers, in upper case; None strips what the tickers of a folder
            prove together.
        daily_periods: Values of the period column that mean daily, in upper case; Finam writes 8.

    Raises:
        ConfigError: The code page is unknown.
    """

    as_of: date | None = None
    date_order: DateOrder | None = None
    code_page: str = "cp1250"
    volume_multiplier: float = 1.0
    exchange_suffixes: frozenset[str] | None = None
    daily_periods: frozenset[str] = frozenset({"D", "DAILY", "8"})

    def __post_init__(self) -> None:
        try:
            b" ".decode(self.code_page, errors="replace")
        except (LookupError, UnicodeError) as error:
            raise ConfigError(
                f"code page {self.code_page!r} is unknown; cp1250, cp1252 and cp1256 are common"
            ) from error


def import_options(settings: Settings) -> ImportOptions:
    """The options that settings make."""
    orders: Mapping[str, DateOrder] = {order: order for order in ORDERS}
    named = "" if settings.metastock_suffixes == "none" else settings.metastock_suffixes
    return ImportOptions(
        date_order=orders.get(settings.metastock_date_order),
        code_page=settings.metastock_code_page,
        volume_multiplier=settings.metastock_volume_multiplier,
        exchange_suffixes=None if named == "auto" else frozenset(filter(None, named.split(","))),
        daily_periods=frozenset(settings.metastock_periods),
    )


DEFAULT_OPTIONS: Final = ImportOptions()
