# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What shapes a dataset, as its manifest names it, and what the simulator may not replace."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from ttapi_pipeline.core.declaration import SettingName
from ttapi_pipeline.core.environments import Environment
from ttapi_pipeline.core.errors import ConfigError, StorageError
from ttapi_pipeline.core.manifest import Manifest, Provenance
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.datasets.registry import DATASETS, REPORTS
from ttapi_pipeline.datasets.status import (
    NO_METASTOCK,
    metastock_version,
    read_status,
    refuse_to_overwrite,
    shaping_settings,
)
from ttapi_pipeline.datasets.verification import verify_stored
from ttapi_pipeline.storage.layout import DatasetFiles
from ttapi_pipeline.storage.publish import publish, write_manifest
from ttapi_pipeline.storage.verification import stored_footer
from ttapi_pipeline_tests.support.flips import flip_bit

NOW = datetime(2026, 11, 21, 15, 0, tzinfo=UTC)


def shaped(settings: Settings, name: SettingName) -> str:
    """The value of one setting, as a manifest has it."""
    return shaping_settings(settings, replace(DATASETS["universe"], shaped_by=(name,)))[name]


@pytest.mark.parametrize(
    ("changes", "name", "value"),
    [
        ({}, "universe", "2,4"),
        ({"universe": "2"}, "universe", "2"),
        ({}, "watchlist", "not used"),
        ({"universe": "1", "watchlist": "High Options Volume"}, "watchlist", "High Options Volume"),
        ({"history_start": date(2020, 1, 2)}, "history_start", "2020-01-02"),
        ({"lookback_sessions": 60}, "lookback_sessions", "60"),
        ({"annualization_sessions": 260}, "annualization_sessions", "260"),
        ({}, "metastock_symbol_map", "none"),
        ({"metastock_adjustment": "split"}, "metastock_adjustment", "split"),
        ({"metastock_extra": "BRK/B,SLV"}, "metastock_extra", "BRK/B,SLV"),
        ({"rescale_candles": True}, "rescale_candles", "true"),
        ({"simulator_seed": 8}, "origin", "simulator seed 8"),
    ],
)
def test_a_setting_is_written_like_this(changes: dict[str, object], name: SettingName, value: str) -> None:
    assert shaped(replace(Settings(), **changes), name) == value  # type: ignore[arg-type]


def test_a_universe_from_a_file_is_its_content(tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_text("AAPL")
    settings = replace(Settings(), universe=str(path))
    digest = hashlib.sha256(b"AAPL").hexdigest()[:16]
    assert shaped(settings, "universe") == f"{path} sha256 {digest}"
    path.write_text("KO")
    assert digest not in shaped(settings, "universe")


def test_a_file_that_cannot_be_read_names_its_variable(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"TT_LIST: .*gone.txt cannot be read"):
        shaped(replace(Settings(), universe=str(tmp_path / "gone.txt")), "universe")
    with pytest.raises(StorageError, match=r"TT_METASTOCK_EXTRA: .*gone.txt cannot be read"):
        shaped(replace(Settings(), metastock_extra=f"GLD,{tmp_path / 'gone.txt'}"), "metastock_extra")
    with pytest.raises(StorageError, match="TT_METASTOCK_SYMBOL_MAP"):
        shaped(replace(Settings(), metastock_symbol_map=tmp_path / "gone.csv"), "metastock_symbol_map")


def test_a_dataset_names_only_what_shapes_it() -> None:
    for declaration in DATASETS.values():
        named = list(shaping_settings(replace(Settings(), metastock_extra="none"), declaration))
        assert named == list(declaration.shaped_by)


def test_a_setting_that_came_later_is_not_named_while_it_has_its_default() -> None:
    snapshot = DATASETS["eod_snapshot"]
    assert [name for name in snapshot.shaped_by if name not in shaping_settings(Settings(), snapshot)] == [
        "metastock_extra"
    ]


def test_without_a_metastock_folder_there_is_a_version_all_the_same(tmp_path: Path) -> None:
    assert metastock_version(replace(Settings(), data_dir=str(tmp_path))) == NO_METASTOCK


class TestRefusal:
    def store(self, folder: Path, *, is_simulated: bool) -> None:
        schema = DATASETS["universe"].schema
        provenance = Provenance(
            dataset="universe",
            code_version="1",
            fetched_at=NOW,
            settings={"origin": "production api.tastyworks.com"},
            is_simulated=is_simulated,
        )
        publish(schema.polars.to_frame(), schema, folder, provenance)

    def test_the_simulator_refuses_to_replace_real_tables(self, tmp_path: Path) -> None:
        self.store(tmp_path, is_simulated=False)
        settings = replace(Settings(), data_dir=str(tmp_path))
        with pytest.raises(ConfigError, match=r"universe from production api\.tastyworks\.com"):
            refuse_to_overwrite(settings)

    def test_it_replaces_its_own(self, tmp_path: Path) -> None:
        self.store(tmp_path, is_simulated=True)
        settings = replace(Settings(), data_dir=str(tmp_path))
        refuse_to_overwrite(settings)

    def test_the_broker_replaces_either(self, tmp_path: Path) -> None:
        self.store(tmp_path, is_simulated=True)
        settings = replace(
            Settings(),
            data_dir=str(tmp_path),
            environment=Environment.PRODUCTION,
            client_secret="secret",
            refresh_token="token",
        )
        refuse_to_overwrite(settings)


def test_a_real_table_whose_manifest_cannot_be_read_is_not_overwritten(tmp_path: Path) -> None:
    schema = DATASETS["universe"].schema
    simulated = Settings(data_dir=str(tmp_path))
    for is_simulated in (False, True):
        provenance = Provenance(
            dataset="universe",
            code_version="1",
            fetched_at=NOW,
            settings={"origin": "production"},
            is_simulated=is_simulated,
        )
        publish(schema.polars.to_frame(), schema, tmp_path, provenance)
        for spoil in (lambda path: flip_bit(path, 100, 3), Path.unlink):
            spoil(tmp_path / "universe.json")
            if is_simulated:
                refuse_to_overwrite(simulated)
            else:
                with pytest.raises(ConfigError, match="holds universe from production"):
                    refuse_to_overwrite(simulated)
            write_manifest(DatasetFiles.of(tmp_path, "universe"), truth(tmp_path))
    (tmp_path / "universe.json").write_bytes(b"{")
    flip_bit(tmp_path / "universe.parquet", -200, 1)
    with pytest.raises(ConfigError, match="neither its manifest nor its Parquet file can be read"):
        refuse_to_overwrite(simulated)


def truth(folder: Path) -> Manifest:
    manifest = stored_footer(folder / "universe.parquet")
    assert manifest is not None
    return manifest


def test_a_damaged_table_beside_a_damaged_manifest_is_named_too(tmp_path: Path) -> None:
    for schema in (DATASETS["eod_snapshot"].schema, REPORTS["eod_rejects"]):
        provenance = Provenance(dataset=schema.name, code_version="1", fetched_at=NOW)
        publish(schema.polars.to_frame(), schema, tmp_path, provenance).wait()
    flip_bit(tmp_path / "eod_rejects.parquet", 10, 3)
    (tmp_path / "eod_snapshot.json").write_bytes(b"{")
    verify_stored(tmp_path, now=NOW)
    status = read_status(DATASETS["eod_snapshot"], Settings(data_dir=str(tmp_path)), now=NOW)
    assert status.damage is not None
    assert "eod_snapshot.json" in status.damage
    assert "eod_rejects.parquet is damaged" in status.damage
    assert not status.verdict.is_hit
