# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Finding what is stored, quickly, and saying what stands in the way."""

from __future__ import annotations

import errno
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from ttapi_pipeline.core.errors import CorruptFileError, StorageError
from ttapi_pipeline.core.manifest import Provenance
from ttapi_pipeline.storage.errors import storage_error, storage_errors
from ttapi_pipeline.storage.layout import open_folder
from ttapi_pipeline.storage.objects.location import ObjectPath
from ttapi_pipeline.storage.publish import publish
from ttapi_pipeline.storage.scan import read_csv_back, scan
from ttapi_pipeline.storage.stored import Stored, read_manifest, read_stored
from ttapi_pipeline.tables.schema import DatasetSchema

Make = Callable[..., pl.DataFrame]


def test_a_folder_is_a_path_or_a_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert open_folder("data") == Path("data")
    assert open_folder(f"file://{tmp_path}") == tmp_path
    assert open_folder("s3://bucket/some/prefix/") == ObjectPath("bucket", "some/prefix")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert open_folder("~/data") == tmp_path / "data"
    with pytest.raises(StorageError, match="TT_DATA_DIR nonsense://x"):
        open_folder("nonsense://x")
    with pytest.raises(StorageError, match="TT_DATA_DIR s3://: it names no bucket"):
        open_folder("s3://")


def test_reading_manifests_imports_no_table_library() -> None:
    program = (
        "import sys; from ttapi_pipeline.storage.layout import open_folder; "
        "from ttapi_pipeline.storage.stored import read_stored; "
        "read_stored(open_folder('.'), 'marks'); "
        "print(sorted({'polars', 'pyarrow', 'obstore', 'dagster'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_nothing_stored_is_none(tmp_path: Path) -> None:
    assert read_manifest(tmp_path, "marks") is None
    assert read_stored(tmp_path / "absent", "marks") == Stored(None)


def test_lost_files_are_named(tmp_path: Path, marks: DatasetSchema, provenance: Provenance, marks_frame: Make) -> None:
    publish(marks_frame(), marks, tmp_path, provenance)
    (tmp_path / "marks.csv").unlink()
    assert read_stored(tmp_path, "marks").lost_files == ("marks.csv",)
    (tmp_path / "marks.parquet").unlink()
    assert read_stored(tmp_path, "marks").lost_files == ("marks.parquet", "marks.csv")


@pytest.mark.parametrize("content", [b"", b"PAR1", b"x" * 12, b"xxxx\xff\xff\xff\xffPAR1"])
def test_a_parquet_file_without_a_footer_is_behind_its_manifest(
    *, tmp_path: Path, marks: DatasetSchema, provenance: Provenance, marks_frame: Make, content: bytes
) -> None:
    publish(marks_frame(), marks, tmp_path, provenance)
    manifest = read_manifest(tmp_path, "marks")
    assert manifest is not None
    # As long as the old one, so that only the footer can tell.
    padding = bytes(manifest.parquet.bytes - len(content))
    (tmp_path / "marks.parquet").write_bytes(padding + content)
    assert read_stored(tmp_path, "marks").is_lagging


def test_a_parquet_file_of_another_publication_of_the_same_size_is_seen(
    *, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, marks: DatasetSchema, provenance: Provenance,
    marks_frame: Make,
) -> None:  # fmt: skip
    elsewhere = tmp_path_factory.mktemp("other")
    here = publish(marks_frame(), marks, tmp_path, provenance).wait()
    there = publish(marks_frame(), marks, elsewhere, provenance).wait()
    assert here.parquet.bytes == there.parquet.bytes
    (tmp_path / "marks.parquet").write_bytes((elsewhere / "marks.parquet").read_bytes())
    assert read_stored(tmp_path, "marks").is_lagging


def test_what_cannot_be_read_is_a_storage_error(tmp_path: Path, marks: DatasetSchema) -> None:
    with pytest.raises(StorageError, match=r"marks\.parquet: No such file or directory; check the folder"):
        scan(tmp_path, marks)
    with pytest.raises(StorageError, match=r"marks\.csv: No such file"):
        read_csv_back(tmp_path, marks)
    (tmp_path / "marks.json").mkdir()
    with pytest.raises(StorageError, match=r"marks\.json: Is a directory"):
        read_manifest(tmp_path, "marks")


def test_what_is_not_of_the_schema_is_a_corrupt_file(tmp_path: Path, marks: DatasetSchema, marks_frame: Make) -> None:
    (tmp_path / "marks.parquet").write_bytes(b"no table")
    with pytest.raises(CorruptFileError, match=r"marks\.parquet is damaged"):
        scan(tmp_path, marks)
    marks_frame().drop("note").write_parquet(tmp_path / "marks.parquet")
    with pytest.raises(CorruptFileError, match="not what marks holds now"):
        scan(tmp_path, marks)
    (tmp_path / "marks.csv").write_text("a,b\n1,2\n")
    with pytest.raises(CorruptFileError, match=r"marks\.csv"):
        read_csv_back(tmp_path, marks)
    header = ",".join(marks.polars)
    (tmp_path / "marks.csv").write_text(f"{header}\nAAPL,05/01/2026,1.0,1,1,true,,2026-01-05T21:30:00Z\n")
    with pytest.raises(CorruptFileError, match=r"marks\.csv does not read as marks"):
        read_csv_back(tmp_path, marks)


@pytest.mark.parametrize(
    ("error", "way_out"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device; free some space"),
        (OSError("No space left on device (os error 28)"), "No space left on device; free some space"),
        (OSError(errno.EROFS, "Read-only file system"), "Read-only file system; give this user the right"),
        (OSError("the bucket is gone"), "the bucket is gone; check the folder"),
    ],
)
def test_an_error_of_the_system_comes_with_a_way_out(error: OSError, way_out: str) -> None:
    assert str(storage_error(Path("data"), error)).startswith(f"data: {way_out}")


def test_a_full_disk_that_polars_does_not_name_is_told_from_a_damaged_file(tmp_path: Path) -> None:
    # Seen with a disk that was full when the end of a file was written; the end of a damaged file reads the same.
    said = pl.exceptions.ComputeError("parquet: File out of specification: Invalid thrift: transport error")
    refused = pytest.raises(StorageError, match="could not be written; free some space")
    with refused, storage_errors(tmp_path, is_writing=True):
        raise said
    with pytest.raises(CorruptFileError, match="cannot be read"), storage_errors(tmp_path):
        raise said
