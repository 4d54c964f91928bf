# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A user's folder whose fifteen datasets were filled on a Monday, and what keeps them fresh from then on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import dagster as dg
import pytest

from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.datasets.build import Build
from ttapi_pipeline.datasets.dataset import Dataset
from ttapi_pipeline_tests.support.clocks import FakeClock
from ttapi_pipeline_tests.support.folders import copy_with_links
from ttapi_pipeline_tests.support.instances import memory_instance, save_instance
from ttapi_pipeline_tests.support.keepers import ALL, DAYS, MONDAY, DagsterKeeper, Keeper
from ttapi_pipeline_tests.support.outside import Outside
from ttapi_pipeline_tests.support.shared import made_once


def settings_in(folder: Path) -> Settings:
    """Settings of a user whose data is in this folder, with a MetaStock file in it."""
    (folder / "metastock").mkdir(exist_ok=True)
    file = folder / "metastock" / "IBM.csv"
    if not file.exists():
        file.write_text("one")
    return replace(
        Settings(),
        # Nothing listens there, and nothing asks.
        api_url="http://127.0.0.1:9",
        data_dir=str(folder / "data"),
        metastock_dir=folder / "metastock",
        # Their five minutes are a scenario of their own.
        ttls=MappingProxyType({"quotes": 30 * DAYS}),
    )


def stand_in(patch: pytest.MonkeyPatch) -> Outside:
    """Have the datasets built from an `Outside`, for as long as the patch lasts."""
    outside = Outside()

    # A function and not the bound method, which would not be given the dataset.
    def builder(dataset: Dataset) -> Callable[..., Build]:
        return outside.builder(dataset)

    patch.setattr(Dataset, "builder", builder)
    # A second attempt within a run waits for seconds of the machine's clock.
    patch.setattr("ttapi_pipeline.defs.failures.FETCH_RETRY", dg.RetryPolicy(max_retries=0))
    return outside


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> Outside:
    return stand_in(monkeypatch)


@pytest.fixture
def form() -> type[Keeper]:
    """Which keeper a test is about; see `keepers.BOTH_FORMS`."""
    return DagsterKeeper


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_in(tmp_path)


@pytest.fixture
def open_keeper(outside: Outside, form: type[Keeper], settings: Settings) -> Iterator[Callable[..., Keeper]]:
    """Begins to keep the folder's data, at a time and with changed settings; each has a Dagster instance of its own."""
    with ExitStack() as opened:

        def begin(at: datetime = MONDAY, *, saved: Path | None = None, **changed: Any) -> Keeper:
            instance = opened.enter_context(memory_instance(saved))
            return form(replace(settings, **changed), outside, instance, FakeClock(at))

        yield begin


@pytest.fixture(scope="session")
def filled_on_monday(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything was missing and was made, in one run of the daemon."""

    def make(folder: Path) -> None:
        (folder / "instance").mkdir()
        with pytest.MonkeyPatch.context() as patch, memory_instance() as instance:
            keeper = DagsterKeeper(settings_in(folder), stand_in(patch), instance, FakeClock(MONDAY))
            assert keeper.tick() == (ALL, ALL)
            assert instance.get_runs_count() == 1
            save_instance(instance, folder / "instance")

    return made_once(tmp_path_factory, "filled_on_monday", make)


@pytest.fixture
def keeper(filled_on_monday: Path, open_keeper: Callable[..., Keeper], tmp_path: Path) -> Keeper:
    """Keeps a copy of what was filled on Monday at 10:00 in New York."""
    for name in ("data", "metastock"):
        copy_with_links(filled_on_monday / name, tmp_path / name, dirs_exist_ok=True)
    return open_keeper(saved=filled_on_monday / "instance")
