# SPDX-License-Identifier: MIT
"""dagster-polars, imported without pandas.

It imports pyarrow.dataset, which imports pandas when that is installed (exchange_calendars needs it): a quarter of the
time that the code location takes to load, for nothing that is used here. Pandas is hidden for the length of this import
and there for whoever imports it later; pyarrow alone goes on without it in this process, where Polars converts tables.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from types import ModuleType


class _Hiding:
    """An import hook for which one package is not installed."""

    def __init__(self, package: str) -> None:
        self._package = package

    def find_spec(
        self, fullname: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname == self._package:
            raise ModuleNotFoundError(f"{fullname} is hidden", name=fullname)
        return None


@contextmanager
def hidden(package: str) -> Iterator[None]:
    """Let imports of a package fail inside the block, as if it were not installed; one that is loaded stays."""
    hook = _Hiding(package)
    sys.meta_path.insert(0, hook)
    try:
        yield
    finally:
        sys.meta_path.remove(hook)


with hidden("pandas"):
    from dagster_polars import PolarsParquetIOManager

__all__ = ["PolarsParquetIOManager", "hidden"]
