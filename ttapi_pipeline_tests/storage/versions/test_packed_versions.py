# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Computed tables keep the last version of every session, packed, and each is read as it was."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

import polars as pl
import pytest

from ttapi_pipeline.core.declaration import Keeps
from ttapi_pipeline.core.errors import CorruptFileError
from ttapi_pipeline.core.manifest import Manifest, Provenance
from ttapi_pipeline.core.sessions import sessions_between
from ttapi_pipeline.storage.hashing import data_version
from ttapi_pipeline.storage.publish import publish
from ttapi_pipeline.storage.versions.comparing import compare
from ttapi_pipeline.storage.versions.keeping import Retention
from ttapi_pipeline.storage.versions.packed_versions import RUN_VERSIONS
from ttapi_pipeline.storage.versions.reading import Version, open_version, version_at, versions
from ttapi_pipeline.storage.versions.usage import damaged_versions, history_bytes
from ttapi_pipeline.tables.schema import DATE, SMALL, STRING, Column, DatasetSchema, estimate, required

SCHEMA: Final = DatasetSchema(
    "ratios",
    (
        required("symbol", STRING, "Symbol"),
        required("session", DATE, "Day"),
        Column("sessions_used", SMALL, "Sessions"),
        *(estimate(f"ratio_{number}", "Ratio") for number in range(4)),
        Column("reason", STRING, "Why it is null"),
    ),
    key=("symbol",),
)
SYMBOLS: Final = 500
SESSIONS: Final = sessions_between(date(2026, 1, 5), date(2026, 6, 30))


def ratios(number: int) -> pl.DataFrame:
    """Estimates that move with each session; a symbol comes, another one goes, and a few have none."""
    at = pl.arange(number % 3, SYMBOLS, eager=True)
    moves = {
        f"ratio_{column}": (0.5 + (at * 0.618 + column * 0.1) % 1) * (1 + 1e-3 * ((at * 0.777 * (number + 1)) % 1))
        for column in range(4)
    }
    frame = pl.DataFrame({"symbol": at.cast(pl.String).str.zfill(4), **moves}).with_columns(
        session=pl.lit(SESSIONS[0] + timedelta(days=number)),
        sessions_used=pl.lit(252 + number, pl.Int32),
        reason=pl.when(at % 50 == number % 50).then(pl.lit("short_history")),
    )
    return frame.with_columns(ratio_0=pl.when(pl.col("reason").is_null()).then("ratio_0")).select(SCHEMA.polars.names())


@dataclass
class Desk:
    """A data folder, and what was published into it."""

    folder: Path
    stored: list[Manifest] = field(default_factory=list)

    def publish(self, number: int, session: date, *, hour: int = 21) -> Manifest:
        """Publish a table at an hour of a session, in UTC."""
        at = datetime(session.year, session.month, session.day, hour, tzinfo=UTC)
        provenance = Provenance(dataset="ratios", code_version="1", fetched_at=at)
        retention = Retention(Keeps.LAST_OF_SESSION, newest=2)
        self.stored.append(publish(ratios(number), SCHEMA, self.folder, provenance, retention=retention).wait())
        return self.stored[-1]

    @property
    def whole(self) -> set[str]:
        """Write ids of the versions with a file of their own."""
        return {path.stem for path in (self.folder / "ratios").glob("*.parquet")}

    @property
    def packed(self) -> list[Path]:
        """The files of the others."""
        return sorted((self.folder / "ratios" / "changes").glob("*.packed.parquet"))

    def check(self) -> None:
        """Every version that is kept has the rows that were published."""
        known = versions(self.folder, "ratios")
        assert [each.manifest.write_id for each in known] == [each.write_id for each in self.stored]
        for each, manifest in zip(known, self.stored, strict=True):
            if each.file is not None:
                assert data_version(open_version(self.folder, SCHEMA, each).frame) == manifest.data_version


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def steps_to(version: Version) -> int:
    return len(version.files()) - 1


def test_the_last_version_of_each_session_is_packed_once_the_next_session_has_one(desk: Desk) -> None:
    for number, session in enumerate(SESSIONS[:12]):
        desk.publish(number, session)
        desk.check()
    assert desk.whole == {desk.stored[0].write_id, desk.stored[-1].write_id}
    assert len(desk.packed) == 10
    # The n-th is packed against the one whose number is n without its lowest binary 1.
    assert [steps_to(each) for each in versions(desk.folder, "ratios")] == [0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 0]
    # What is stored now counts as stored, and not as history.
    whole = desk.stored[0].parquet.bytes
    log = (desk.folder / "ratios" / "publications.jsonl").stat().st_size
    assert history_bytes(desk.folder)["ratios"] - log - whole < 10 * whole // 2


def test_versions_within_a_session_stay_whole_and_what_follows_them_is_packed(desk: Desk) -> None:
    for number in range(12):
        desk.publish(number, SESSIONS[number // 3], hour=21 + number % 3)
        desk.check()
    assert desk.whole == {desk.stored[index].write_id for index in (2, 10, 11)}
    assert len(desk.packed) == 2


def test_a_run_begins_with_a_whole_file(desk: Desk) -> None:
    for number, session in enumerate(SESSIONS[: RUN_VERSIONS + 3]):
        desk.publish(number, session)
    desk.check()
    first, second = desk.stored[0], desk.stored[RUN_VERSIONS]
    assert desk.whole == {first.write_id, second.write_id, desk.stored[-1].write_id}
    assert max(map(steps_to, versions(desk.folder, "ratios"))) == 6


def test_the_same_rows_in_the_next_session_are_kept_once_and_found_when_they_are_packed(desk: Desk) -> None:
    numbers = (0, 1, 1, 2, 3)
    for number, session in zip(numbers, SESSIONS, strict=False):
        desk.publish(number, session)
        desk.check()
    known = versions(desk.folder, "ratios")
    assert all(each.file is not None for each in known)
    assert known[1].files() == known[2].files()


def test_a_damaged_packed_file_costs_the_versions_that_are_read_through_it_and_is_named(desk: Desk) -> None:
    for number, session in enumerate(SESSIONS[:8]):
        desk.publish(number, session)
    known = versions(desk.folder, "ratios")
    damaged = known[2].files()[1]
    assert isinstance(damaged, Path)
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    for number, each in enumerate(known):
        if number in {2, 3}:
            with pytest.raises(CorruptFileError, match=rf"{damaged.name} is damaged"):
                open_version(desk.folder, SCHEMA, each)
        else:
            assert data_version(open_version(desk.folder, SCHEMA, each).frame) == each.manifest.data_version
    assert [str(damaged) in sentence for sentence in damaged_versions(desk.folder)] == [True]
    # What would be packed against it stays whole.
    desk.publish(8, SESSIONS[8])
    desk.publish(9, SESSIONS[9])
    assert desk.stored[8].write_id not in desk.whole
    assert version_at(desk.folder, "ratios", known[5].known_at).manifest.write_id == desk.stored[5].write_id


def test_a_difference_of_two_packed_versions_is_that_of_their_tables(desk: Desk) -> None:
    for number, session in enumerate(SESSIONS[:6]):
        desk.publish(number, session)
    known = versions(desk.folder, "ratios")
    for first, second in ((1, 3), (3, 2), (0, 4), (4, 5)):
        rows = open_version(desk.folder, SCHEMA, known[first]).frame.collect()
        made = compare(desk.folder, SCHEMA, known[first], known[second]).apply(rows)
        assert data_version(made) == known[second].manifest.data_version


def test_a_whole_file_that_a_killed_writer_has_left_beside_the_packed_one_goes(desk: Desk) -> None:
    first, second = (desk.publish(number, SESSIONS[number]) for number in range(2))
    left = desk.folder / "ratios" / f"{second.write_id}.parquet"
    content = left.read_bytes()
    desk.publish(2, SESSIONS[2])
    packed = desk.packed
    assert len(packed) == 1
    left.write_bytes(content)
    desk.check()
    desk.publish(3, SESSIONS[2], hour=22)
    assert desk.packed == packed
    assert desk.whole == {first.write_id, *(each.write_id for each in desk.stored[2:])}
    desk.check()
