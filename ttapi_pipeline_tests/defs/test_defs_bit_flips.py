# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Random bits that turn over in stored files: noticed before they reach a table or a screen, named, mended by a run.

`make soak` turns over 400 bits of tables and manifests and 100 of caches. Dagster's databases, 100 more: see
`commands/test_dagster_databases`.
"""

from __future__ import annotations

import os
import random
from collections.abc import Mapping
from typing import Any, Final

import pytest

from ttapi_pipeline.commands.refresh import select
from ttapi_pipeline.core.errors import CorruptFileError
from ttapi_pipeline.core.manifest import Manifest
from ttapi_pipeline.datasets.reading import open_dataset
from ttapi_pipeline.datasets.registry import DATASETS, REPORTS
from ttapi_pipeline.datasets.status import DatasetStatus, read_statuses
from ttapi_pipeline.datasets.verification import verify_stored
from ttapi_pipeline.storage.hashing import data_version
from ttapi_pipeline.storage.repair import check
from ttapi_pipeline.storage.stored import read_manifest
from ttapi_pipeline_tests.support.flips import flip_any_bit
from ttapi_pipeline_tests.support.worlds import World

TABLES: Final = (*(dataset.schema for dataset in DATASETS.values()), *REPORTS.values())
COMPUTED: Final = ("returns_stddev", "volatility", "volatility_cone")
QUICK: Final = 3
ALL: Final = 400
CACHES: Final = 100


def seeds(quick: int, full: int) -> list[Any]:
    """Seeds of which some are tried in every run, and all by `make soak`."""
    return [*range(quick), *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(quick, full))]


def statuses(world: World) -> Mapping[str, DatasetStatus]:
    return read_statuses(world.settings, now=world.clock.now())


def manifest_of(world: World, name: str) -> Manifest | str | None:
    try:
        return read_manifest(world.data, name)
    except CorruptFileError as error:
        return str(error)


def facts(world: World) -> Mapping[str, tuple[str, int]]:
    """Data version and number of rows that the manifest of each table states."""
    found = {schema.name: manifest_of(world, schema.name) for schema in TABLES}
    return {name: (each.data_version, each.rows) for name, each in found.items() if isinstance(each, Manifest)}


def content(world: World) -> Mapping[str, str]:
    """The data version of each table, computed from the rows that a reader gets."""
    return {
        schema.name: data_version(open_dataset(schema.name, world.data))
        for schema in TABLES
        if (world.data / f"{schema.name}.parquet").exists()
    }


def refresh(world: World) -> None:
    """What `tt refresh` does."""
    verify_stored(world.data, now=world.clock.now())
    selection = select(statuses(world), [])
    assert not selection or world.run(*selection).success


def damaged_files(world: World) -> str:
    """What the status says of damage."""
    return " ".join(str(status.damage) for status in statuses(world).values() if status.damage)


def assert_sound(world: World) -> None:
    assert [problem for schema in TABLES for problem in check(world.data, schema)] == []
    assert damaged_files(world) == ""


@pytest.mark.parametrize("seed", seeds(QUICK, ALL))
def test_a_bit_of_a_stored_file_is_noticed_named_and_mended(world: World, seed: int) -> None:
    chance = random.Random(seed)
    before, stated, writes = content(world), facts(world), world.writes()
    kind = (".parquet", ".csv", ".json")[seed % 3]
    path = chance.choice(sorted(path for path in world.data.glob(f"*{kind}") if path.stat().st_size))
    name = path.stem
    manifest = manifest_of(world, name)
    where = flip_any_bit(path, chance)
    if kind == ".parquet":
        with pytest.raises(CorruptFileError, match=path.name):
            open_dataset(name, world.data).collect()
        below = [each for each in COMPUTED if name in DATASETS[each].upstream]
        if below:
            assert not world.run(chance.choice(below), force=True).success, where
        assert world.writes() == writes
    verify_stored(world.data, now=world.clock.now())
    # A bit of the space between the values of a manifest says nothing.
    says_nothing = kind == ".json" and manifest_of(world, name) == manifest
    assert path.name in damaged_files(world) or says_nothing, where
    refresh(world)
    assert content(world) == before, where
    assert facts(world) == stated, where
    assert_sound(world)


@pytest.mark.parametrize("seed", seeds(1, CACHES))
def test_a_bit_of_a_cache_costs_time_and_changes_no_value(world: World, seed: int) -> None:
    chance = random.Random(seed)
    state = world.data / ".state"
    path = chance.choice(sorted(path for path in state.rglob("*") if path.is_file() and path.stat().st_size))
    where = flip_any_bit(path, chance)
    # A file that changed makes the snapshot due; every other file is taken from the caches.
    file = chance.choice(sorted(path for path in world.metastock.rglob("*") if path.is_file()))
    os.utime(file)
    refresh(world)
    found = content(world)
    assert_sound(world)
    assert world.run("eod_snapshot", force=True).success
    assert content(world) == found, f"{path.relative_to(state)}: {where}"
