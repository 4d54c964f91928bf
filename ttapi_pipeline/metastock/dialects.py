# SPDX-License-Identifier: MIT
"""The field names, headers and headerless forms that vendors write. `sniff` compares a file with them.

There is no single MetaStock format. There is a grammar (a header names the fields) and a dozen dialects of it. The
rules here come from the MetaStock Help text and from published files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from ttapi_pipeline.metastock.layout import PRICES

ROLES: Final[Mapping[str, Sequence[str]]] = MappingProxyType(
    {
        "ticker": ("TICKER", "SYMBOL"),
        "name": ("NAME",),
        "period": ("PER",),
        "date": ("DTYYYYMMDD", "DTYYMMDD", "DATE"),
        "time": ("TIME", "HHMMSS"),
        # TSETMC keeps the open in FIRST and a reference price in OPEN, hence the order.
        "open": ("FIRST", "OPEN"),
        "high": ("HIGH", "MAX"),
        "low": ("LOW", "MIN"),
        "close": ("CLOSE", "LAST"),
        "volume": ("VOL", "VOLUME"),
        "open_interest": ("OPENINT", "O/I", "OI", "OPENINTEREST"),
    }
)
"""The field names of each column that is read, in upper case, the preferred one first."""

FIELD_NAMES: Final = frozenset(name for names in ROLES.values() for name in names)

BY_HEADER: Final[Mapping[tuple[str, ...], str]] = MappingProxyType(
    {
        tuple(names.split()): letter
        for letter, names in (
            ("A", "TICKER PER DTYYYYMMDD TIME OPEN HIGH LOW CLOSE VOL OPENINT"),
            ("B", "TICKER DTYYYYMMDD OPEN HIGH LOW CLOSE VOL"),
            ("C", "TICKER PER DATE TIME OPEN HIGH LOW CLOSE VOL OPENINT"),
            ("D", "TICKER DATE OPEN HIGH LOW CLOSE VOL"),
            ("H", "TICKER DTYYYYMMDD OPEN HIGH LOW CLOSE VOLUME"),
            ("J", "TICKER DTYYYYMMDD FIRST HIGH LOW CLOSE VALUE VOL OPENINT PER OPEN LAST"),
            ("K", "TICKER PER DATE TIME OPEN HIGH LOW CLOSE VOL"),
            ("L", "TICKER DTYYYYMMDD TIME OPEN HIGH LOW CLOSE VOL"),
        )
    }
)
"""The dialect of a header: its field names without brackets, in upper case."""

BY_COLUMNS: Final[Mapping[tuple[str, ...], str]] = MappingProxyType(
    {
        ("ticker", "date", *PRICES, "volume", "open_interest"): "E",
        ("ticker", "date", *PRICES, "volume"): "F",
        ("ticker", "period", "date", *PRICES, "volume"): "G",
    }
)
"""The dialect of a file without a header: the roles of its columns."""

AFTER_DATE: Final[Mapping[int, tuple[str, ...]]] = MappingProxyType(
    {1: ("close",), 4: PRICES, 5: (*PRICES, "volume"), 6: (*PRICES, "volume", "open_interest")}
)
"""Without a header: the roles of the columns after date and time, by how many these columns are."""

DELIMITERS: Final = (",", ";", "\t", " ")
