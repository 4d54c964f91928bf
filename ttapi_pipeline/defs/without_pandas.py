# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""dagster-polars' IO manager, imported without pandas. What this project makes of it: see `io_manager`.

dagster-polars imports pyarrow.dataset, which imports pandas where pandas is installed (exchange_calendars needs it).
That is a quarter of the time that the code location takes to load, and nothing here uses it. So pandas is hidden for
the length of this one import. Code that imports pandas later gets it. Only pyarrow goes on without pandas in this
process, and Polars, not pyarrow, converts the tables.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from types import ModuleType


class _Hiding:
    """An import hook that reports one package as not installed."""

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
    """Make imports of a package fail inside the block, as if it were not installed.

    A package that is in ``sys.modules`` already stays importable.
    """
    hook = _Hiding(package)
    sys.meta_path.insert(0, hook)
    try:
        yield
    finally:
        sys.meta_path.remove(hook)


with hidden("pandas"):
    from dagster_polars import PolarsParquetIOManager

__all__ = ["PolarsParquetIOManager", "hidden"]
