# SPDX-License-Identifier: MIT
"""The status grid and the progress of a run, for a terminal and for plain text."""
