# SPDX-License-Identifier: MIT
"""Day and month: proven by the file, by other files of its dialect, or by the setting, and never guessed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttapi_pipeline import cli
from ttapi_pipeline.commands.exit_codes import INCOMPLETE, OK
from ttapi_pipeline.metastock.dates import AMBIGUOUS
from ttapi_pipeline.metastock.importer import FolderImport, import_folder
from ttapi_pipeline.metastock.options import ImportOptions
from ttapi_pipeline_tests.support.examples import examples
from ttapi_pipeline_tests.support.metastock import check_account, folder_of

PLAIN = "Date,Open,High,Low,Close,Volume\n"
EODDATA = "<ticker>,<date>,<open>,<high>,<low>,<close>,<vol>\n"


def dates_of(result: FolderImport, symbol: str) -> list[date]:
    return check_account(result).filter(symbol=symbol)["session"].to_list()


def plain(*days: str) -> str:
    return PLAIN + "".join(f"{day},10,11,9,10.5,100\n" for day in days)


def test_one_file_per_day_takes_the_order_that_another_day_proves() -> None:
    days = {"NYSE_20261109.txt": "11/09/2026", "NYSE_20261120.txt": "11/20/2026"}
    with folder_of({name: f"{EODDATA}A,{day},130,131,129,130.5,1\n" for name, day in days.items()}) as folder:
        result = import_folder(folder)
    assert dates_of(result, "A") == [date(2026, 11, 9), date(2026, 11, 20)]
    assert "dialect D: dates are month first, by the dates of 1 file; 1 other read likewise" in set(
        result.notices["notice"]
    )


def test_proofs_that_contradict_each_other_prove_nothing_to_others() -> None:
    files = {
        "AAA.csv": plain("01/02/2026"),
        "BBB.csv": plain("13/02/2026"),
        "CCC.csv": plain("02/13/2026"),
        "DDD.csv": plain("13/02/2026", "02/13/2026"),
    }
    with folder_of(files) as folder:
        result = import_folder(folder)
    assert dates_of(result, "AAA") == []
    assert result.rejects.select("file", "reason").rows() == [("AAA.csv", AMBIGUOUS)]
    (warning,) = result.notices.filter(kind="warning")["notice"]
    assert "files prove both orders; set TT_METASTOCK_DATE_ORDER to dmy or mdy" in warning


def test_another_dialect_proves_nothing() -> None:
    with folder_of({"AAA.csv": plain("01/02/2026"), "b.txt": f"{EODDATA}B,13/02/2026,1,1,1,1,1\n"}) as folder:
        assert dates_of(import_folder(folder), "AAA") == []


def test_files_are_read_again_when_the_evidence_changes(tmp_path: Path) -> None:
    folder, cache = tmp_path / "files", tmp_path / "cache"
    folder.mkdir()
    (folder / "AAA.csv").write_text(plain("01/02/2026", "02/02/2026"))
    first = import_folder(folder, cache=cache)
    assert dates_of(first, "AAA") == [date(2026, 2, 2)]
    (folder / "BBB.csv").write_text(plain("13/02/2026"))
    second = import_folder(folder, cache=cache)
    assert dates_of(second, "AAA") == [date(2026, 2, 1), date(2026, 2, 2)]
    assert second.files_read == 2
    assert second.versions(second.ranges())[0] != first.versions(first.ranges())[0]
    assert import_folder(folder, cache=cache).files_read == 0
    # The file that proves it is replaced by one that proves the other order, and then is gone.
    (folder / "BBB.csv").write_text(plain("02/13/2026", "02/14/2026"))
    third = import_folder(folder, cache=cache)
    assert (third.files_read, dates_of(third, "AAA")) == (2, [date(2026, 1, 2), date(2026, 2, 2)])
    (folder / "BBB.csv").unlink()
    last = import_folder(folder, cache=cache)
    assert (last.files_read, dates_of(last, "AAA")) == (1, [date(2026, 2, 2)])


DAYS = st.lists(st.dates(date(2025, 1, 1), date(2026, 12, 31)), min_size=1, max_size=4, unique=True)


@settings(max_examples=examples(50), deadline=None)
@given(
    files=st.dictionaries(st.sampled_from(["AAA", "BBB", "CCC", "DDD"]), DAYS, min_size=1),
    order=st.sampled_from(["dmy", "mdy"]),
)
def test_a_date_is_the_one_that_was_written_or_is_rejected(files: Mapping[str, list[date]], order: str) -> None:
    form = {"dmy": "%d/%m/%Y", "mdy": "%m/%d/%Y"}[order]
    contents = {f"{name}.csv": plain(*(f"{day:{form}}" for day in days)) for name, days in files.items()}
    with folder_of(contents) as folder:
        result = import_folder(folder)
    is_proven = any(day.day > 12 for days in files.values() for day in days)
    for name, days in files.items():
        read = dates_of(result, name)
        assert set(read) <= set(days)
        assert not is_proven or sorted(days) == read
    assert set(result.rejects["reason"]) <= {AMBIGUOUS}


def test_the_dry_run_names_the_setting_and_the_setting_reads_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "AAA.csv").write_text(plain("01/02/2026"))
    assert cli.main(["import", "--dry-run", str(tmp_path)]) == INCOMPLETE
    text = " ".join(capsys.readouterr().out.split())
    assert "set TT_METASTOCK_DATE_ORDER to dmy or mdy" in text
    monkeypatch.setenv("TT_METASTOCK_DATE_ORDER", "dmy")
    assert cli.main(["import", "--dry-run", str(tmp_path)]) == OK
    text = " ".join(capsys.readouterr().out.split())
    assert "2026-02-01 to 2026-02-01" in text
    assert "dates such as 3/4/2021 are day first, as TT_METASTOCK_DATE_ORDER says" in text


def test_every_setting_changes_what_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "all.txt").write_text(
        "<TICKER>,<PER>,<DATE>,<CLOSE>,<VOL>\nX.WA,1440,20260105,10,5\nY,1440,20260105,10,5\n"
    )
    for name, value in {"PERIODS": "1440", "SUFFIXES": "wa", "CODE_PAGE": "cp1252", "VOLUME_MULTIPLIER": "100"}.items():
        monkeypatch.setenv(f"TT_METASTOCK_{name}", value)
    assert cli.main(["import", "--dry-run", str(tmp_path)]) == OK
    text = " ".join(capsys.readouterr().out.split())
    for said in (
        "periods that are daily: 1440 (as TT_METASTOCK_PERIODS says)",
        "TT_METASTOCK_SUFFIXES says what is stripped: WA",
        "text that is not Unicode is cp1252 (as TT_METASTOCK_CODE_PAGE says)",
        "volumes are in units of 100 (as TT_METASTOCK_VOLUME_MULTIPLIER says)",
    ):
        assert said in text
    options = ImportOptions(exchange_suffixes=frozenset({"WA"}), daily_periods=frozenset({"1440"}))
    assert check_account(import_folder(tmp_path, options=options))["symbol"].to_list() == ["X", "Y"]
