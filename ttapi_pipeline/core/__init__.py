# SPDX-License-Identifier: MIT
"""Errors, value types, settings, TTLs, the clock, universes and symbology; no third-party framework."""
