# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Modules whose tests run in `make ci` and not in `make test`: days of runs, kills, bits that turned over."""

from __future__ import annotations

from typing import Final

import pytest

THOROUGH: Final = (
    "client/test_client_chaos.py",
    "commands/test_alert_of_refresh.py",
    "commands/test_canaries.py",
    "commands/test_console_grid.py",
    "commands/test_damaged_events.py",
    "commands/test_full_disk.py",
    "commands/test_help_examples.py",
    "commands/test_history.py",
    "commands/test_no_tracebacks.py",
    "commands/test_other_users.py",
    "commands/test_signals.py",
    "datasets/test_eod_snapshot_build.py",
    "datasets/test_splits_between_sources.py",
    "defs/scenarios/test_scenario_alerts.py",
    "defs/scenarios/test_scenario_changes.py",
    "defs/scenarios/test_scenario_tables.py",
    "defs/scenarios/test_sensor_daemon.py",
    "defs/test_defs_bit_flips.py",
    "defs/test_defs_candle_parts.py",
    "defs/test_defs_csv_choice.py",
    "defs/test_defs_damage.py",
    "defs/test_defs_extra_symbols.py",
    "defs/test_defs_golden_values.py",
    "defs/test_defs_history.py",
    "defs/test_defs_hostile_files.py",
    "defs/test_defs_hostile_servers.py",
    "defs/test_defs_kills.py",
    "defs/test_defs_lost_fields.py",
    "defs/test_defs_multiprocess.py",
    "defs/test_defs_parts.py",
    "defs/test_defs_payloads.py",
    "defs/test_defs_quotes.py",
    "defs/test_defs_raw_files.py",
    "defs/test_defs_snapshot_parts.py",
    "defs/test_defs_universe_change.py",
    "deploy/test_backup.py",
    "deploy/test_deployment_tools.py",
    "metastock/test_hostile_folders.py",
    "storage/objects/test_object_fills.py",
    "storage/objects/test_object_kills.py",
    "storage/objects/test_object_outages.py",
    "storage/test_libreoffice.py",
    "storage/versions/test_packed_versions.py",
    "test_installed_wheel.py",
    "test_platforms.py",
)
"""Below the folder of the tests. Together they take about a third of the time of all."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark their tests."""
    for item in items:
        if item.path.as_posix().endswith(THOROUGH):
            item.add_marker(pytest.mark.thorough)
