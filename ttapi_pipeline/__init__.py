# SPDX-License-Identifier: MIT
"""Local, always-fresh options tables from tastytrade, DXLink and MetaStock files."""

__version__ = "0.1.0"
