# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Secrets that stand in files, as Docker, Kubernetes and systemd hand them over."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ttapi_pipeline.core.errors import ConfigError
from ttapi_pipeline.core.settings import SECRET_VARIABLES, Settings

NO_FILE = Path("no-such-folder/.env")


@pytest.fixture
def secrets(tmp_path: Path) -> dict[str, str]:
    """Variables that name a file for each credential."""
    (tmp_path / "client").write_text("s3cr3t-client\n")
    (tmp_path / "refresh").write_text("\ufeff  s3cr3t-refresh\r\n", encoding="utf-8")
    return {"TT_CLIENT_SECRET_FILE": str(tmp_path / "client"), "TT_REFRESH_TOKEN_FILE": str(tmp_path / "refresh")}


def load(environ: dict[str, str]) -> Settings:
    return Settings.load(environ, dotenv=NO_FILE)


def test_credentials_are_read_from_files_without_the_spaces_around_them(secrets: dict[str, str]) -> None:
    settings = load(secrets)
    assert (settings.client_secret, settings.refresh_token) == ("s3cr3t-client", "s3cr3t-refresh")
    assert settings.environment == "production"
    assert set(settings.secrets) == {"s3cr3t-client", "s3cr3t-refresh"}


@pytest.mark.parametrize("text", ["s3cr3t-client\ns3cr3t-refresh\n", "TT_CLIENT_SECRET s3cr3t-client"])
def test_a_file_with_more_than_the_credential_is_refused_and_not_shown(tmp_path: Path, text: str) -> None:
    (tmp_path / "client").write_text(text)
    with pytest.raises(ConfigError, match=r"TT_CLIENT_SECRET is .*it accepts .* in one word") as caught:
        load({"TT_CLIENT_SECRET_FILE": str(tmp_path / "client"), "TT_REFRESH_TOKEN": "s3cr3t-refresh"})
    assert "s3cr3t" not in str(caught.value)


def test_every_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    assert {"TT_CLIENT_SECRET", "TT_REFRESH_TOKEN", "TT_ALERT_URLS"} <= set(SECRET_VARIABLES)
    (tmp_path / "urls").write_text("json://a/b\njson://c/d\n")
    assert load({"TT_ALERT_URLS_FILE": str(tmp_path / "urls")}).alert_urls == ("json://a/b", "json://c/d")


def test_a_setting_that_is_no_secret_does_not(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="TT_LIST_FILE is not a setting"):
        load({"TT_LIST_FILE": str(tmp_path)})


def test_a_misspelt_name_is_told_the_right_one(secrets: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"did you mean TT_REFRESH_TOKEN_FILE\?"):
        load({"TT_REFRESH_TOKN_FILE": secrets["TT_REFRESH_TOKEN_FILE"]})


def test_a_secret_is_set_once(secrets: dict[str, str]) -> None:
    with pytest.raises(ConfigError) as caught:
        load({**secrets, "TT_REFRESH_TOKEN": "another"})
    assert str(caught.value) == "TT_REFRESH_TOKEN and TT_REFRESH_TOKEN_FILE are both set; unset one of them"
    assert load({**secrets, "TT_REFRESH_TOKEN": " "}).refresh_token == "s3cr3t-refresh"


def test_a_file_that_is_missing_empty_or_of_others_is_named_without_what_it_holds(tmp_path: Path) -> None:
    missing, empty = tmp_path / "missing", tmp_path / "empty"
    empty.write_text(" \n")
    packed = tmp_path / "packed"
    packed.write_bytes(b"\x1f\x8b s3cr3t")
    for path, says in ((missing, "No such file"), (empty, "is empty"), (packed, "is packed"), (tmp_path, "cannot be")):
        with pytest.raises(ConfigError) as caught:
            load({"TT_CLIENT_SECRET": "x", "TT_REFRESH_TOKEN_FILE": str(path)})
        assert str(caught.value).startswith(f"TT_REFRESH_TOKEN_FILE is {path}, which ")
        assert says in str(caught.value)
        assert "s3cr3t" not in str(caught.value)


def test_in_a_dotenv_file_the_path_is_relative_to_its_folder(tmp_path: Path, secrets: dict[str, str]) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text("".join(f"{name}={Path(path).name}\n" for name, path in secrets.items()))
    assert Settings.load({}, dotenv=dotenv, folder=tmp_path).refresh_token == "s3cr3t-refresh"


def test_the_environment_wins_over_the_file_in_both_forms(tmp_path: Path, secrets: dict[str, str]) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text("TT_CLIENT_SECRET=old\nTT_REFRESH_TOKEN=old\n")
    assert Settings.load(secrets, dotenv=dotenv).refresh_token == "s3cr3t-refresh"
    dotenv.write_text("".join(f"{name}={path}\n" for name, path in secrets.items()))
    given = Settings.load({"TT_REFRESH_TOKEN": "new"}, dotenv=dotenv)
    assert (given.client_secret, given.refresh_token) == ("s3cr3t-client", "new")
    empty = Settings.load({"TT_CLIENT_SECRET_FILE": "", "TT_REFRESH_TOKEN_FILE": ""}, dotenv=dotenv)
    assert empty.environment == "simulator"


def test_a_file_that_only_another_user_may_read_is_said_to_be_so(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root reads everything")
    path = tmp_path / "closed"
    path.write_text("s3cr3t")
    path.chmod(0)
    with pytest.raises(ConfigError, match="Permission denied"):
        load({"TT_CLIENT_SECRET": "x", "TT_REFRESH_TOKEN_FILE": str(path)})
