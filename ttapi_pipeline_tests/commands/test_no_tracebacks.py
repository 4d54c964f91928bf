# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What surrounds a command, such as pipes, encodings and folders, ends it with a sentence, and no traceback."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from ttapi_pipeline.core.places import MARKER
from ttapi_pipeline.simulator.process import SimulatorProcess
from ttapi_pipeline_tests.support.projects import Finished, environment_of_users

NOBODY = "http://127.0.0.1:9"


def run(line: str, folder: Path, **variables: str | None) -> Finished:
    """Run a line of bash in which ``tt`` is the command; a variable that is None is not set."""
    environment = {**environment_of_users(), "TT_ENV": "simulator", "TT_API_URL": NOBODY, **variables}
    done = subprocess.run(
        ["bash", "-c", f'tt() {{ "{sys.executable}" -m ttapi_pipeline.cli "$@"; }}; {line}'],
        cwd=folder,
        env={name: value for name, value in environment.items() if value is not None},
        capture_output=True,
        timeout=120,
        check=False,
    )
    err = done.stderr.decode()
    assert "Traceback" not in err
    assert "Exception ignored" not in err
    return Finished(done.returncode, done.stdout.decode("utf-8", "replace"), err)


@pytest.mark.parametrize(
    "command",
    [
        "status",
        "show AAPL",
        "show eod_snapshot --symbol AAPL --rows all --json",
        "where",
        "doctor",
        "--help",
        "show --help",
    ],
)
def test_a_reader_that_goes_away_ends_the_command_in_silence(filled: Path, command: str) -> None:
    done = run(f"tt {command} | true; exit ${{PIPESTATUS[0]}}", filled)
    # Code 141 where the pipe was closed before the last write. The doctor finds that nobody answers.
    assert done.code in {0, 141, 4 if command == "doctor" else 141}
    assert done.err == ""


def test_the_first_line_comes_through_a_pipe_that_is_closed_then(filled: Path) -> None:
    reader = '{ read -r line; echo "$line"; }'
    done = run(f"tt show eod_snapshot --symbol AAPL --rows all --json | {reader}; exit ${{PIPESTATUS[0]}}", filled)
    # Some kernels take a write for whole that was waiting when the reader closed.
    assert done.code in {0, 141}
    assert (done.out, done.err) == ("{\n", "")


@pytest.mark.parametrize("command", ["status", "show AAPL", "show quotes --json", "where"])
def test_a_full_disk_behind_the_output_is_said(filled: Path, command: str) -> None:
    done = run(f"tt {command} > /dev/full", filled)
    assert done.code == 4
    assert done.err == "error: standard output cannot be written: No space left on device\n"


@pytest.mark.parametrize(
    ("line", "code"),
    [("tt status >&-", 0), ("tt status 2>&-", 0), ("tt stauts 2>&-", 2), ("tt status <&- >&- 2>&-", 0)],
)
def test_streams_that_are_closed_are_no_error(filled: Path, line: str, code: int) -> None:
    assert run(line, filled).code == code


@pytest.mark.parametrize("command", ["status", "show AAPL", "show volatility --rows 3"])
@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_an_encoding_without_our_signs_gets_the_nearest_ones(filled: Path, command: str, encoding: str) -> None:
    done = run(f"tt {command}", filled, PYTHONIOENCODING=encoding, COLUMNS="80")
    assert done.code == 0
    assert "\\u" not in done.out
    assert not done.out.isascii() or encoding == "ascii" or command != "show AAPL"
    assert done.out.isascii() or encoding != "ascii"
    assert max(map(len, done.out.splitlines())) <= 80


@pytest.mark.parametrize(
    "variables",
    [
        {"LC_ALL": "C"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"LC_ALL": "xx_YY.nonsense"},
        {"TERM": "dumb"},
        {"TERM": None},
        {"HOME": None},
        {"HOME": "/nonexistent"},
        {"COLUMNS": "nonsense"},
    ],
    ids=str,
)
def test_a_poor_environment_shows_what_a_rich_one_shows(filled: Path, variables: dict[str, str | None]) -> None:
    for command in ("status", "show AAPL", "show quotes"):
        assert run(f"tt {command}", filled, **variables).code == 0


@pytest.mark.parametrize("home", ["a file", "relative", "a missing folder", "~nobodyknows/x"])
@pytest.mark.parametrize("command", ["refresh accounts --force", "ui --port 21216"])
def test_an_instance_that_cannot_be_is_named_before_anything_runs(filled: Path, home: str, command: str) -> None:
    if home == "a file":
        (filled / "file").touch()
        home = str(filled / "file")
        words = f"DAGSTER_HOME is {home}, and that is a file; set it to a folder, or unset the variable\n"
    elif home == "a missing folder":
        home = str(filled / "missing" / "x")
        words = f"{home}, and there is no such folder; make it, or unset the variable\n"
    elif home.startswith("~"):
        words = "the system knows no such home"
    else:
        words = f"{home}, and there is no such folder; make it, or unset the variable\n"
    for line, code in ((command, 2), ("doctor", 2 if home.startswith("~") else 4)):
        done = run(f"tt {line}", filled, DAGSTER_HOME=home)
        assert done.code == code
        assert words in done.err + done.out
    # Nothing is due, and what is stored can be read without an instance; what would stop a run is said all the same.
    if not home.startswith("~"):
        done = run("tt status", filled, DAGSTER_HOME=home)
        assert done.code == 0
        assert words[-20:] in done.out


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "storage: [\n",
            "dagster.yaml is no YAML (while parsing a flow node did not find expected node content line 2",
        ),
        (
            "nonsense: {a: 1}\n",
            'cannot be opened: Received unexpected config entry "nonsense" at the root; mend its dagster.yaml, or set',
        ),
        (
            "storage: {custom: {module: dagster_nowhere.storage, class: NowhereStorage}}\n",
            "cannot be opened: Couldn't import module dagster_nowhere.storage when attempting to load the configurable",
        ),
        (
            "compute_logs: {module: dagster_nowhere.s3.compute_log_manager, class: S3ComputeLogManager}\n",
            "cannot be opened: Couldn't import module dagster_nowhere.s3.compute_log_manager when",
        ),
    ],
)
def test_an_instance_of_somebody_else_that_cannot_be_opened_is_named(filled: Path, text: str, words: str) -> None:
    home = filled / "theirs"
    home.mkdir()
    (home / "dagster.yaml").write_text(text)
    for command in ("refresh accounts --force", "ui --port 21220"):
        done = run(f"tt {command}", filled, DAGSTER_HOME=str(home))
        assert done.code == 2
        assert words in done.err
        assert "set DAGSTER_HOME to another folder" in done.err
        assert len([line for line in done.err.splitlines() if line.startswith("error: ")]) == 1
    assert run("tt status", filled, DAGSTER_HOME=str(home)).code == 0
    # The databases of that instance, which only opening it finds, are looked at after all that can be said without.
    assert run("tt doctor", filled, DAGSTER_HOME=str(home)).code == 4


@pytest.mark.skipif(find_spec("dagster_postgres") is not None, reason="dagster-postgres is installed")
def test_a_package_that_an_instance_needs_is_named_with_its_extra(filled: Path) -> None:
    home = filled / "theirs"
    home.mkdir()
    (home / "dagster.yaml").write_text("storage: {postgres: {postgres_url: 'postgresql://h/d'}}\n")
    done = run("tt refresh accounts --force", filled, DAGSTER_HOME=str(home))
    assert done.code == 2
    assert "(pip install 'ttapi-pipeline[postgres]' brings it); mend its dagster.yaml" in done.err


def test_telemetry_of_an_instance_of_the_user_is_not_begun(filled: Path, exchange: SimulatorProcess) -> None:
    home = filled / "theirs"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: true}\n")
    done = run("tt refresh accounts --force", filled, DAGSTER_HOME=str(home), TT_API_URL=exchange.url)
    assert done.code == 0
    assert "Telemetry" not in done.err
    assert {path.name for path in home.iterdir()} == {"dagster.yaml", "history", "schedules", "storage"}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        # No user, not even root, can make files there.
        ("TT_DATA_DIR=/proc/x tt refresh", "error: /proc/x: No such file or directory; check the folder"),
        ("TT_DATA_DIR=/proc/x tt stream AAPL", "error: /proc/x: No such file or directory; check the folder"),
        ("TT_DATA_DIR=/proc/x tt ui --port 21217", "error: /proc/x: No such file or directory; check the folder"),
        (
            "TT_DATA_DIR=/proc/x tt show quotes",
            "error: quotes is not stored in /proc/x yet; `tt refresh quotes`",
        ),
        ("tt init /proc/x", "error: /proc/x cannot be made a project folder"),
        ("touch f; TT_DATA_DIR=f tt status", "a file is where the data folder should be"),
        ("touch f; tt init f", "cannot be made a project folder: Not a directory"),
        ("touch f; tt import --dry-run f", "cannot be read: Not a directory"),
        ("mkdir d; cd d; rmdir ../d; tt status", "error: the current folder is gone"),
        ("TT_DATA_DIR=s3://x/y tt status", "there are no credentials: set AWS_ACCESS_KEY_ID"),
        ("TT_DATA_DIR=foo://x/y tt status", "error: TT_DATA_DIR foo://x/y: it does not begin with s3://"),
        ("printf '\\xff' > .env; tt status", "no UTF-8 text"),
        ("tt init '~nobodyknows/x'", "argument DIR: '~nobodyknows/x'; it accepts a path"),
        ("tt ui --port abc", "argument --port: 'abc'; it accepts a number from 1 to 65535"),
        ("tt stream --flush-seconds x", "'x'; it accepts a number of seconds from 0.1 to 3600"),
        ("tt simulator --now x", "'x'; it accepts a time from 1996 to 2033-06"),
        ("tt simulator metastock m --first x", "'x'; it accepts a date such as 2026-01-31"),
        ("tt simulator metastock m --symbols a/b/c", "'a/b/c'; it accepts symbols such as AAPL or BRK/B"),
        ("tt show quotes --rows 0", "'0'; it accepts a number from 1 on, or all"),
        ("tt show ''", "error: '' is not an equity symbol"),
    ],
)
def test_what_a_user_can_get_wrong_is_said_in_a_sentence(tmp_path: Path, line: str, words: str) -> None:
    (tmp_path / MARKER).touch()
    done = run(line, tmp_path, TT_LIST="2", TT_METASTOCK_DIR=None)
    assert done.code in {2, 4}
    assert words in done.err
    assert done.out == ""


@pytest.mark.parametrize(
    ("package", "line", "words"),
    [
        ("xlsxwriter", "tt export quotes --format xlsx", "pip install 'ttapi-pipeline[xlsx]'"),
        ("duckdb", "tt export --format duckdb", "pip install 'ttapi-pipeline[duckdb]'"),
    ],
)
def test_a_package_that_is_not_installed_is_named_with_what_installs_it(
    filled: Path, package: str, line: str, words: str
) -> None:
    (filled / "sitecustomize.py").write_text(f"import sys\nsys.modules[{package!r}] = None\n")
    done = run(line, filled, PYTHONPATH=f"{filled}:{environment_of_users()['PYTHONPATH']}")
    assert done.code == 2
    assert words in done.err


def test_a_file_that_cannot_be_written_is_named(filled: Path) -> None:
    done = run("tt export quotes --output /proc/x.csv", filled)
    assert (done.code, done.err.partition(";")[0]) == (4, "error: /proc/x.csv: No such file or directory")
