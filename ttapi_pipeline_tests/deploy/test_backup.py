# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The programs in `deploy/backup`, with a real Postgres and a store that speaks S3."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ttapi_pipeline_tests.support.documents import ROOT
from ttapi_pipeline_tests.support.object_store import access_to, make_bucket
from ttapi_pipeline_tests.support.postgres import PASSWORD, Postgres

PROGRAMS = ROOT / "deploy" / "backup"


def run(program: str, *arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", PROGRAMS / program, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


class TestRecords:
    @pytest.fixture
    def environment(self, postgres: Postgres, tmp_path: Path) -> dict[str, str]:
        """Variables of a back-up of a database with one run in it; the password stands in a file."""
        database = f"records_{tmp_path.name.replace('-', '_')}".lower()
        postgres.make_database(database)
        sql = "create table runs (id int primary key, status text); insert into runs values (1, 'SUCCESS')"
        postgres.run("psql", "--command", sql, database=database)
        (tmp_path / "password").write_text(f"{PASSWORD}\n")
        environment = postgres.environment(database) | {"PGPASSWORD_FILE": str(tmp_path / "password")}
        del environment["PGPASSWORD"]
        return environment | {"PATH": f"{postgres.programs}:{os.environ['PATH']}"}

    def test_what_was_saved_comes_back_and_what_came_later_goes(
        self, environment: dict[str, str], postgres: Postgres, tmp_path: Path
    ) -> None:
        saved = tmp_path / "dagster.dump"
        done = run("records.sh", "save", saved, **environment)
        assert (done.returncode, done.stderr) == (0, "")
        assert saved.stat().st_mode & 0o077 == 0
        database = environment["PGDATABASE"]
        postgres.run("psql", "--command", "update runs set status = 'lost'", database=database)
        done = run("records.sh", "restore", saved, **environment)
        assert (done.returncode, done.stderr) == (0, "")
        listed = postgres.run("psql", "--csv", "--command", "select * from runs", database=database)
        assert listed.splitlines() == ["id,status", "1,SUCCESS"]

    def test_a_file_that_is_there_is_not_replaced(self, environment: dict[str, str], tmp_path: Path) -> None:
        saved = tmp_path / "dagster.dump"
        saved.write_text("of yesterday")
        done = run("records.sh", "save", saved, **environment)
        assert (done.returncode, done.stderr) == (2, f"{saved} is there already\n")
        assert saved.read_text() == "of yesterday"

    def test_a_server_that_refuses_leaves_no_file(self, environment: dict[str, str], tmp_path: Path) -> None:
        (tmp_path / "password").write_text("wrong")
        done = run("records.sh", "save", tmp_path / "dagster.dump", **environment)
        assert done.returncode != 0
        assert "password authentication failed" in done.stderr
        assert not (tmp_path / "dagster.dump").exists()


class TestTables:
    @pytest.fixture
    def environment(self, store_url: str, tmp_path: Path) -> dict[str, str]:
        """Variables of a pipeline whose tables are in an empty bucket; the keys stand in files."""
        if shutil.which("rclone") is None:
            pytest.skip("there is no rclone here: `apt-get install rclone` brings it")
        environment = dict(access_to(store_url))
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            (tmp_path / name).write_text(environment.pop(name))
            environment[f"{name}_FILE"] = str(tmp_path / name)
        return environment | {"TT_DATA_DIR": f"s3://{make_bucket(store_url)}/some/tables"}

    def tt(self, folder: Path, environment: dict[str, str], store_url: str, *arguments: str) -> str:
        """What a command prints, in a project folder with its tables in the bucket."""
        given = {name: value for name, value in environment.items() if not name.endswith("_FILE")}
        done = subprocess.run(
            [sys.executable, "-m", "ttapi_pipeline.cli", *arguments],
            cwd=folder,
            env={
                **os.environ,
                **access_to(store_url),
                **given,
                "DAGSTER_HOME": "",
                "TT_CACHE_DIR": str(folder / "cache"),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        # The other datasets are due, says the status.
        assert done.returncode == (3 if arguments == ("status",) else 0), done.stderr
        return done.stdout

    def test_tables_that_were_lost_come_back_as_they_were(
        self, environment: dict[str, str], store_url: str, tmp_path: Path
    ) -> None:
        folder = tmp_path / "options"
        folder.mkdir()
        self.tt(folder, environment, store_url, "init", ".")
        self.tt(folder, environment, store_url, "refresh", "trading_calendar")
        saved = tmp_path / "tables"
        done = run("tables.sh", "save", saved, **environment)
        assert done.returncode == 0, done.stderr
        assert (saved / "trading_calendar.json").is_file()
        (rows,) = (saved / "trading_calendar").glob("*.parquet")
        assert rows.stat().st_size > 10_000

        moved = environment | {"TT_DATA_DIR": environment["TT_DATA_DIR"].replace("some/tables", "another/prefix")}
        done = run("tables.sh", "restore", saved, **moved)
        assert done.returncode == 0, done.stderr
        status = self.tt(folder, moved, store_url, "status")
        assert "trading_calendar   hit" in status
        shown, before = (
            json.loads(self.tt(folder, place, store_url, "show", "trading_calendar", "--json"))
            for place in (moved, environment)
        )
        same = ("data_version", "is_simulated", "rows_stored", "rows")
        assert [shown[name] for name in same] == [before[name] for name in same]

    def test_a_folder_that_is_there_is_not_written_into(self, environment: dict[str, str], tmp_path: Path) -> None:
        done = run("tables.sh", "save", tmp_path, **environment)
        assert (done.returncode, done.stderr) == (2, f"{tmp_path} is there already\n")


@pytest.mark.parametrize("program", ["records.sh", "tables.sh"])
def test_a_wrong_word_is_told_the_right_ones(program: str) -> None:
    done = run(program, "safe", "somewhere", TT_DATA_DIR="s3://nowhere/at/all", PGDATABASE="none")
    assert done.returncode == 2
    assert done.stderr.startswith(f"{program} save ")
