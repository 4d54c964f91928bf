# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A sealed folder has the files that were sealed, to the last bit, and no others."""

from __future__ import annotations

from pathlib import Path

from ttapi_pipeline.storage.sealed_folder import SEAL, is_folder_sealed, seal_folder
from ttapi_pipeline_tests.support.flips import flip_bit


def test_a_folder_is_sealed_with_its_files_and_no_others(tmp_path: Path) -> None:
    (tmp_path / "rows").write_bytes(b"1234")
    (tmp_path / "known").write_bytes(b"5")
    assert not is_folder_sealed(tmp_path, by="batch 1")
    seal_folder(tmp_path, by="batch 1")
    assert is_folder_sealed(tmp_path, by="batch 1")
    assert not is_folder_sealed(tmp_path, by="batch 2")
    for name in ("rows", "known", SEAL):
        flip_bit(tmp_path / name, 0, 5)
        assert not is_folder_sealed(tmp_path, by="batch 1")
        flip_bit(tmp_path / name, 0, 5)
    (tmp_path / "more").write_bytes(b"")
    assert not is_folder_sealed(tmp_path, by="batch 1")
