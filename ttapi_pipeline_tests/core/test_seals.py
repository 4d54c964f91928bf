# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A seal fits what was sealed, to the last bit, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttapi_pipeline.core.seals import (
    check_document,
    seal,
    sealed_document,
    unseal,
    unsealed_document,
    with_checksum,
)


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


def test_a_document_carries_its_checksum() -> None:
    document = with_checksum({"rows": 1, "note": "é"})
    check_document(document, keys_without=())
    with pytest.raises(ValueError, match="another checksum"):
        check_document({**document, "rows": 2}, keys_without=("rows", "note"))


def test_a_document_from_before_there_were_checksums_is_believed_and_one_that_lost_it_is_not() -> None:
    check_document({"rows": 1}, keys_without=("rows",))
    with pytest.raises(ValueError, match="no checksum"):
        check_document({"rows": 1, "checksun": "0"}, keys_without=("rows",))


def test_no_single_bit_of_a_sealed_document_may_differ() -> None:
    """Spaces between its values may, since they say nothing."""
    content = {"orders": {"state": "open", "failures": 3}}
    text = sealed_document(content, by="state 1").encode()
    assert unsealed_document(text, by="state 1") == content
    for position in range(len(text)):
        for bit in range(8):
            flipped = bytearray(text)
            flipped[position] ^= 1 << bit
            try:
                read = unsealed_document(bytes(flipped), by="state 1")
            except ValueError:
                continue
            assert read == content


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"written_by": "state 1", "content": 1, "checksum": "0"}'])
def test_a_document_without_a_seal_is_not_believed(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        unsealed_document(text, by="state 1")


def test_a_document_of_other_code_is_not_believed() -> None:
    with pytest.raises(ValueError, match="'state 1' wrote it, and 'state 2' reads it"):
        unsealed_document(sealed_document({}, by="state 1"), by="state 2")
