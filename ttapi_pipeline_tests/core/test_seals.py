# SPDX-License-Identifier: MIT
"""A seal fits what was sealed, to the last bit, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttapi_pipeline.core.seals import (
    check_document,
    is_folder_sealed,
    seal,
    seal_folder,
    unseal,
    with_checksum,
)
from ttapi_pipeline_tests.support.flips import flip_bit


@given(content=st.binary(max_size=40), by=st.text(st.characters(codec="ascii", exclude_characters="\n"), max_size=8))
def test_what_was_sealed_comes_back(content: bytes, by: str) -> None:
    assert unseal(seal(content, by=by), by=by) == content
    assert unseal(seal(content, by=by), by=f"{by}2") is None


def test_no_single_bit_may_differ() -> None:
    sealed = seal(b'{"rows": 1}', by="notes 1")
    for position in range(len(sealed)):
        for bit in range(8):
            flipped = bytearray(sealed)
            flipped[position] ^= 1 << bit
            assert unseal(bytes(flipped), by="notes 1") is None


@pytest.mark.parametrize("content", [b"", b"sealed ", b"{}", b"sealed 0 notes 1\n{}"])
def test_what_was_never_sealed_is_not_believed(content: bytes) -> None:
    assert unseal(content, by="notes 1") is None


def test_a_folder_is_sealed_with_its_files_and_no_others(tmp_path: Path) -> None:
    (tmp_path / "rows").write_bytes(b"1234")
    (tmp_path / "known").write_bytes(b"5")
    assert not is_folder_sealed(tmp_path, by="batch 1")
    seal_folder(tmp_path, by="batch 1")
    assert is_folder_sealed(tmp_path, by="batch 1")
    assert not is_folder_sealed(tmp_path, by="batch 2")
    for name in ("rows", "known", "seal"):
        flip_bit(tmp_path / name, 0, 5)
        assert not is_folder_sealed(tmp_path, by="batch 1")
        flip_bit(tmp_path / name, 0, 5)
    (tmp_path / "more").write_bytes(b"")
    assert not is_folder_sealed(tmp_path, by="batch 1")


def test_a_document_carries_its_checksum() -> None:
    document = with_checksum({"rows": 1, "note": "é"})
    check_document(document, keys_without=())
    with pytest.raises(ValueError, match="another checksum"):
        check_document({**document, "rows": 2}, keys_without=("rows", "note"))


def test_a_document_from_before_there_were_checksums_is_believed_and_one_that_lost_it_is_not() -> None:
    check_document({"rows": 1}, keys_without=("rows",))
    with pytest.raises(ValueError, match="no checksum"):
        check_document({"rows": 1, "checksun": "0"}, keys_without=("rows",))
