# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Computed tables keep the last version of every session, packed, and each is read as it was."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from ttapi_pipeline.core.declaration import Keeps
from ttapi_pipeline.core.errors import CorruptFileError
from ttapi_pipeline.core.manifest import Manifest, Provenance
from ttapi_pipeline.core.seals import with_checksum
from ttapi_pipeline.core.sessions import sessions_between
from ttapi_pipeline.storage.changes import RowChanges, count_changes
from ttapi_pipeline.storage.files import file_facts
from ttapi_pipeline.storage.footer import FOOTER_KEY
from ttapi_pipeline.storage.hashing import data_version
from ttapi_pipeline.storage.publish import publish
from ttapi_pipeline.storage.repair import check, repair
from ttapi_pipeline.storage.scan import scan
from ttapi_pipeline.storage.store import Store, open_store
from ttapi_pipeline.storage.stored import read_manifest
from ttapi_pipeline.storage.verification import find_damage
from ttapi_pipeline.storage.versions.by_session import LastOfSession, last_of_sessions
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
        required("as_of_session", DATE, "Day"),
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
        as_of_session=pl.lit(SESSIONS[0] + timedelta(days=number)),
        sessions_used=pl.lit(252 + number, pl.Int32),
        reason=pl.when(at % 50 == number % 50).then(pl.lit("short_history")),
    )
    return frame.with_columns(ratio_0=pl.when(pl.col("reason").is_null()).then("ratio_0")).select(SCHEMA.polars.names())


def to_six_digits(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows, with their estimates as Python writes them to six digits."""
    shown = {
        name: pl.Series([None if value is None else float(f"{value:.5e}") for value in rows[name]], dtype=pl.Float64)
        for name in SCHEMA.digits
    }
    return rows.with_columns(**shown)


@dataclass
class Desk:
    """A data folder, and what was published into it."""

    folder: Path
    stored: list[Manifest] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)

    def publish(self, number: int, session: date, *, hour: int = 21, minute: int = 0, is_kept: bool = True) -> Manifest:
        """Publish a table at an hour of a session, in UTC."""
        self.numbers.append(number)
        return self.put(ratios(number), session, hour=hour, minute=minute, is_kept=is_kept)

    def put(
        self, rows: pl.DataFrame, session: date, *, hour: int = 21, minute: int = 0, is_kept: bool = True
    ) -> Manifest:
        """Publish rows, with a policy for its versions or without."""
        at = datetime(session.year, session.month, session.day, hour, minute, tzinfo=UTC)
        provenance = Provenance(dataset="ratios", code_version="1", fetched_at=at)
        retention = Retention(Keeps.LAST_OF_SESSION, newest=2)
        policy = retention if is_kept else None
        self.stored.append(publish(rows, SCHEMA, self.folder, provenance, retention=policy).wait())
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
        """Every version that is kept has the rows that were published, to six digits; what is stored now has all."""
        now = pl.read_parquet(self.folder / "ratios.parquet")
        assert_frame_equal(now, ratios(self.numbers[-1]), check_exact=True)
        assert data_version(now) == self.stored[-1].data_version
        known = versions(self.folder, "ratios")
        assert [each.manifest.write_id for each in known] == [each.write_id for each in self.stored]
        for each, manifest, number in zip(known, self.stored, self.numbers, strict=True):
            if each.file is not None:
                rows = open_version(self.folder, SCHEMA, each).frame.collect()
                assert data_version(rows) == manifest.data_version
                assert_frame_equal(rows, to_six_digits(ratios(number)), check_exact=True)


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


def test_the_last_of_each_session_is_found_and_opened_packed_or_whole(desk: Desk) -> None:
    for number, session in enumerate(SESSIONS[:7]):
        desk.publish(number, session)
    store = open_store(desk.folder)
    found = last_of_sessions(store, "ratios")
    assert [last.session for last in found] == list(SESSIONS[:7])
    for last, manifest in zip(found, desk.stored, strict=True):
        assert data_version(store.open_rows(last.publication, last.file)) == manifest.data_version
    # Through a file that another one has taken the place of, nothing is read.
    shutil.copyfile(desk.folder / "ratios.parquet", desk.folder / "ratios" / f"{desk.stored[0].write_id}.parquet")
    with pytest.raises(CorruptFileError, match=r"rows"):
        store.open_rows(found[3].publication, found[3].file)
    (desk.folder / "ratios" / f"{desk.stored[0].write_id}.parquet").unlink()
    with pytest.raises(CorruptFileError, match=r"a file that it is packed against is gone"):
        store.open_rows(found[3].publication, found[3].file)


def test_a_run_goes_on_however_much_is_published_within_a_session(desk: Desk) -> None:
    for number in range(90):
        desk.publish(number, SESSIONS[number // 15], hour=20, minute=number % 15)
    last = [desk.stored[15 * session + 14].write_id for session in range(6)]
    assert desk.whole == {last[0], *(each.write_id for each in desk.stored[-2:])}
    assert len(desk.packed) == 4
    desk.check()


def test_a_clock_that_is_set_back_costs_nothing_that_others_are_packed_against(desk: Desk) -> None:
    for number, session in enumerate(SESSIONS[:5]):
        desk.publish(number, session)
    # Another publication is the last one of the first session now, and of no file is there a second one.
    for number in range(5, 10):
        desk.publish(number, SESSIONS[0], hour=22)
    first = desk.stored[0].write_id
    assert first in desk.whole
    known = {each.manifest.write_id: each for each in versions(desk.folder, "ratios")}
    for number, manifest in enumerate(desk.stored[:4]):
        rows = open_version(desk.folder, SCHEMA, known[manifest.write_id]).frame.collect()
        assert_frame_equal(rows, to_six_digits(ratios(number)), check_exact=True)


def test_rows_that_differ_where_no_digit_counts_are_the_same(desk: Desk) -> None:
    # In the middle of two numbers of six digits, noise can decide for one.
    rows = to_six_digits(ratios(0))
    noisy = rows.with_columns(pl.col("ratio_1") * (1 + 1e-13))
    assert not rows.equals(noisy)
    assert count_changes(rows.lazy(), noisy, SCHEMA) == RowChanges(new=0, changed=0, gone=0)
    for number, table in enumerate((rows, noisy)):
        desk.put(table, SESSIONS[number])
    first, second = versions(desk.folder, "ratios")
    assert first.manifest.data_version == second.manifest.data_version
    assert second.publication.rows_of == first.manifest.write_id
    assert compare(desk.folder, SCHEMA, first, second).is_empty
    # What is stored now has the digits of now, and a change of one that counts is one.
    assert_frame_equal(scan(desk.folder, SCHEMA).collect(), noisy, check_exact=True)
    moved = noisy.with_columns(pl.col("ratio_1") * pl.when(pl.col("symbol") == "0007").then(1.0001).otherwise(1.0))
    assert count_changes(noisy.lazy(), moved, SCHEMA) == RowChanges(new=0, changed=1, gone=0)


def of_all_digits(rows: pl.DataFrame) -> str:
    """The data version as it was taken before six digits of an estimate counted."""
    sums = [sum(rows.hash_rows(seed).to_list()) % 2**64 for seed in (0x5EED, 0xC0FFEE)]
    facts = [[name, str(dtype)] for name, dtype in rows.schema.items()], rows.height, sums
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]


def as_published_before(folder: Path) -> Manifest:
    """Make what is stored a publication of the version of the program before."""
    parquet, path = folder / "ratios.parquet", folder / "ratios.json"
    rows = pl.read_parquet(parquet)
    told = json.loads(pl.read_parquet_metadata(parquet)[FOOTER_KEY])
    told |= {"data_version": of_all_digits(rows), "hashed_by": told["hashed_by"].removesuffix(", 6 digits")}
    rows.write_parquet(parquet, metadata={FOOTER_KEY: json.dumps(with_checksum(told))})
    facts = file_facts(parquet)
    document = json.loads(path.read_text()) | {
        "data_version": told["data_version"],
        "parquet": {"bytes": facts.bytes, "xxh3_128": facts.xxh3_128},
    }
    path.write_text(json.dumps(with_checksum(document)))
    manifest = read_manifest(folder, "ratios")
    assert manifest is not None
    return manifest


def test_a_table_of_the_version_before_is_sound_and_is_read_and_stays_whole(desk: Desk) -> None:
    desk.publish(0, SESSIONS[0], is_kept=False)
    before = as_published_before(desk.folder)
    assert before.data_version != data_version(ratios(0))
    desk.stored = [before]
    assert check(desk.folder, SCHEMA) == []
    assert not find_damage(desk.folder, "ratios")
    assert_frame_equal(scan(desk.folder, SCHEMA).collect(), ratios(0), check_exact=True)
    # Without a manifest, nobody says that the rows are damaged, since they were hashed by another rule.
    (desk.folder / "ratios.json").unlink()
    assert_frame_equal(scan(desk.folder, SCHEMA).collect(), ratios(0), check_exact=True)
    repair(desk.folder, SCHEMA)
    assert read_manifest(desk.folder, "ratios") == before
    for number, session in enumerate(SESSIONS[1:6], start=1):
        desk.publish(number, session)
    assert damaged_versions(desk.folder) == []
    known = versions(desk.folder, "ratios")
    assert [each.manifest.write_id for each in known] == [each.write_id for each in desk.stored]
    for number, each in enumerate(known):
        rows = open_version(desk.folder, SCHEMA, each).frame.collect()
        assert_frame_equal(rows, to_six_digits(ratios(number)), check_exact=True)
        assert (data_version(rows) == each.manifest.data_version) is (number > 0)
    # Others are packed against it, once its rows have been rounded.
    assert desk.whole == {before.write_id, desk.stored[-1].write_id}
    store = open_store(desk.folder)
    assert [each.height for each in map(opened(store), last_of_sessions(store, "ratios"))] == [
        ratios(number).height for number in range(6)
    ]


def opened(store: Store) -> Callable[[LastOfSession], pl.DataFrame]:
    """What opens the rows of a session."""
    return lambda last: store.open_rows(last.publication, last.file).collect()


def test_whole_files_of_the_version_before_that_follow_each_other_stay(desk: Desk) -> None:
    desk.publish(0, SESSIONS[0])
    desk.publish(1, SESSIONS[1], is_kept=False)
    before = as_published_before(desk.folder)
    desk.publish(2, SESSIONS[2])
    desk.publish(3, SESSIONS[3])
    assert desk.whole == {desk.stored[0].write_id, before.write_id, desk.stored[3].write_id}
    assert_frame_equal(
        open_version(desk.folder, SCHEMA, versions(desk.folder, "ratios")[1]).frame.collect(),
        to_six_digits(ratios(1)),
        check_exact=True,
    )
