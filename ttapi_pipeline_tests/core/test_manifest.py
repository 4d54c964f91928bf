# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Manifests go to JSON and come back."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttapi_pipeline.core.errors import CorruptFileError, StorageError
from ttapi_pipeline.core.manifest import FORMAT, FileFacts, Manifest, Provenance
from ttapi_pipeline.core.seals import with_checksum

WORDS = st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=3)
FACTS = st.builds(FileFacts, bytes=st.integers(0), xxh3_128=st.text("0123456789abcdef", min_size=4, max_size=8))
PROVENANCES = st.builds(
    Provenance,
    dataset=st.text(max_size=8),
    code_version=st.text(max_size=4),
    fetched_at=st.datetimes(timezones=st.just(UTC)),
    inputs=WORDS,
    settings=WORDS,
    sources=st.dictionaries(st.text(max_size=8), st.integers(0), max_size=3),
    missing=WORDS,
    statistics=st.dictionaries(
        st.text(max_size=8), st.text(max_size=8) | st.integers() | st.floats(-1e9, 1e9) | st.booleans(), max_size=3
    ),
    is_simulated=st.booleans(),
    fetch_seconds=st.integers(0, 10**6).map(lambda milliseconds: milliseconds / 1000),
)
MANIFESTS = st.builds(
    Manifest,
    provenance=PROVENANCES,
    data_version=st.text(max_size=8),
    write_id=st.text(max_size=8),
    rows=st.integers(0),
    schema=WORDS,
    parquet=FACTS,
    csv=st.none() | FACTS,
)
STORED = Manifest(
    provenance=Provenance(dataset="symbols", code_version="1", fetched_at=datetime(2026, 1, 5, tzinfo=UTC)),
    data_version="aa",
    write_id="bb",
    rows=3,
    schema={"symbol": "String"},
    parquet=FileFacts(bytes=9, xxh3_128="cc"),
)


@given(MANIFESTS)
def test_a_manifest_survives_json(manifest: Manifest) -> None:
    assert Manifest.from_json(manifest.to_json(), name="symbols.json") == manifest


def test_times_are_written_in_utc() -> None:
    east = datetime(2026, 1, 5, 9, 0, tzinfo=timezone(timedelta(hours=9)))
    document = Provenance(dataset="symbols", code_version="1", fetched_at=east).to_document()
    assert document["fetched_at"] == "2026-01-05T00:00:00+00:00"


def test_the_document_states_its_format_and_what_is_simulated() -> None:
    document = json.loads(STORED.to_json())
    assert (document["format"], document["is_simulated"], document["csv"]) == (FORMAT, False, None)


@pytest.mark.parametrize("text", ["", "null", "[]", "{}", "not json", '{"format": 1}'])
def test_what_is_not_a_manifest_is_a_corrupt_file_with_its_name(text: str) -> None:
    with pytest.raises(CorruptFileError, match=r"symbols\.json is not a manifest"):
        Manifest.from_json(text, name="symbols.json")


@pytest.mark.parametrize(
    "change",
    [{"format": 99}, {"parquet": None}, {"parquet": {"bytes": 1}}, {"fetched_at": "soon"}, {"inputs": 7}, {"csv": 7}],
)
def test_a_manifest_that_is_damaged_is_a_corrupt_file(change: dict[str, Any]) -> None:
    document = json.loads(STORED.to_json()) | change
    with pytest.raises(CorruptFileError, match="is not a manifest"):
        Manifest.from_json(json.dumps(document), name="symbols.json")


def test_no_single_bit_of_a_manifest_may_differ() -> None:
    """Spaces between its values may, since they say nothing."""
    content = STORED.to_json().encode()
    for position in range(len(content)):
        for bit in range(8):
            flipped = bytearray(content)
            flipped[position] ^= 1 << bit
            try:
                read = Manifest.from_json(flipped.decode("utf-8", "surrogateescape"), name="symbols.json")
            except CorruptFileError:
                continue
            assert read == STORED


def test_a_manifest_from_before_there_were_checksums_is_believed() -> None:
    document = json.loads(STORED.to_json())
    newer = {"after", "checksum", "input_files", "damaged_files", "csv_choice", "csv_rows", "why", "run", "began_at"}
    older = {key: value for key, value in document.items() if key not in newer}
    assert Manifest.from_json(json.dumps(older), name="symbols.json") == STORED


def test_a_manifest_of_a_later_version_says_so() -> None:
    document = json.loads(STORED.to_json())
    later = with_checksum({**document, "format": FORMAT + 1, "something": "new"})
    with pytest.raises(StorageError, match=f"format {FORMAT + 1} of a later version"):
        Manifest.from_json(json.dumps(later), name="symbols.json")
