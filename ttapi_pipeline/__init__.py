# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Local, always-fresh options tables from tastytrade, DXLink and MetaStock files.

The names in `__all__` are what other programs may rely on; the functions that compute the tables are in `analytics`.
They are loaded when they are first asked for, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ttapi_pipeline.core.errors import TTError
    from ttapi_pipeline.core.settings import Settings
    from ttapi_pipeline.datasets.opened import Dataset
    from ttapi_pipeline.datasets.reading import open_dataset
    from ttapi_pipeline.quote_recorder.history import scan_quote_log

__version__ = "0.1.0"

__all__ = ["Dataset", "Settings", "TTError", "__version__", "open_dataset", "scan_quote_log"]

_MODULES = {
    "Dataset": "datasets.opened",
    "Settings": "core.settings",
    "TTError": "core.errors",
    "open_dataset": "datasets.reading",
    "scan_quote_log": "quote_recorder.history",
}


def __getattr__(name: str) -> Any:
    """Load a public name (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
