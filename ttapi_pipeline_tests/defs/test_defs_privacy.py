# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What somebody owns is in the stored table, and nowhere else: not in events, metadata, logs or errors."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import polars as pl
import pytest
from dagster._serdes import serialize_value
from hypothesis import given
from hypothesis import strategies as st

from ttapi_pipeline.core.privacy import masked_subjects
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline_tests.support.worlds import World


def test_what_is_private_is_what_belongs_to_accounts() -> None:
    assert {name for name, dataset in DATASETS.items() if dataset.is_private} >= {"accounts"}
    assert not DATASETS["quotes"].is_private


@given(st.dictionaries(st.text(min_size=4, max_size=9), st.text(max_size=20), max_size=5))
def test_every_reason_is_shown_and_no_number(missing: dict[str, str]) -> None:
    shown = masked_subjects(missing)
    assert len(shown) == len(missing)
    assert not set(missing) & set(shown)


@pytest.mark.parametrize("status", [None, 500])
def test_no_account_number_and_no_balance_leaves_the_table(
    world: World,
    status: int | None,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    """A whole refresh, and one in which no balance comes."""
    caplog.set_level(logging.DEBUG)
    stored = pl.read_parquet(world.data / "accounts.parquet")
    if status is not None:
        world.exchange.fault("status", "accounts", parameters={"status": status})
    with world.instance() as instance:
        result = world.run("accounts", force=True, instance=instance)
        assert result.success is (status is None)
        events = [serialize_value(entry) for entry in instance.all_logs(result.run_id)]
    printed = capfd.readouterr()
    amounts = stored.select("net_liquidating_value", "cash_balance", "equity_buying_power").drop_nulls()
    secrets = {*stored["account_number"], *(f"{value:.6g}" for row in amounts.rows() for value in row if value)}
    assert len(secrets) > 3
    texts = [*events, caplog.text, printed.out, printed.err]
    assert [secret for secret in secrets for text in texts if secret in text] == []
    masked = {json.dumps(f"…{number[-3:]}")[1:-1] for number in stored["account_number"]}
    assert bool([each for each in masked for text in events if each in text]) is (status is not None)
