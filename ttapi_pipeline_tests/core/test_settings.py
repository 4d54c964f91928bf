# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Every variable, good and bad; precedence; secrets."""

from __future__ import annotations

import traceback
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from ttapi_pipeline.core.csv_choice import CsvChoice
from ttapi_pipeline.core.engines import Engine
from ttapi_pipeline.core.environments import SIMULATOR_CLIENT_SECRET, SIMULATOR_REFRESH_TOKEN, Environment
from ttapi_pipeline.core.errors import ConfigError, InvalidValueError, MissingEnvVarError
from ttapi_pipeline.core.settings import KNOWN_VARIABLES, Settings

CREDENTIALS = {"TT_CLIENT_SECRET": "s3cr3t-client", "TT_REFRESH_TOKEN": "s3cr3t-refresh"}
NO_FILE = Path("no-such-folder/.env")

GOOD: list[tuple[str, str, str, Any]] = [
    ("TT_ENV", "simulator", "environment", Environment.SIMULATOR),
    ("TT_ENV", "SIMULATOR", "environment", Environment.SIMULATOR),
    ("TT_API_URL", "http://127.0.0.1:8080/", "api_url", "http://127.0.0.1:8080"),
    ("TT_API_URL", "https://example.test/base", "api_url", "https://example.test/base"),
    ("TT_ALLOW_HTTP", "true", "allow_http", True),
    ("TT_LIST", "1", "universe", "1"),
    ("TT_LIST", "3", "universe", "3"),
    ("TT_CSV", "Recent", "csv", CsvChoice.RECENT),
    ("TT_LIST", " 2 , 4,2", "universe", "2,4"),
    ("TT_WATCHLIST", "High Options Volume", "watchlist", "High Options Volume"),
    ("TT_DATA_DIR", "elsewhere/", "data_dir", "elsewhere"),
    ("TT_DATA_DIR", "/", "data_dir", "/"),
    ("TT_DATA_DIR", "s3://bucket/prefix", "data_dir", "s3://bucket/prefix"),
    ("TT_CACHE_DIR", "caches", "cache_dir", Path("caches")),
    ("TT_QUOTE_LOG_DIR", "/var/quotes", "quote_log_dir", Path("/var/quotes")),
    ("TT_HISTORY_START", "1993-01-29", "history_start", date(1993, 1, 29)),
    ("TT_MAX_CONCURRENCY", "1", "max_concurrency", 1),
    ("TT_MAX_CONCURRENCY", "1000", "max_concurrency", 1000),
    ("TT_MIN_COVERAGE", "0", "min_coverage", 0.0),
    ("TT_MIN_COVERAGE", "1.0", "min_coverage", 1.0),
    ("TT_METASTOCK_DATE_ORDER", "DMY", "metastock_date_order", "dmy"),
    ("TT_METASTOCK_PERIODS", "d, 1440", "metastock_periods", ("D", "1440")),
    ("TT_METASTOCK_SUFFIXES", ".us, n", "metastock_suffixes", "US,N"),
    ("TT_METASTOCK_SUFFIXES", "None", "metastock_suffixes", "none"),
    ("TT_METASTOCK_EXTRA", "slv,brk.b", "metastock_extra", "BRK/B,SLV"),
    ("TT_METASTOCK_CODE_PAGE", "CP1256", "metastock_code_page", "cp1256"),
    ("TT_METASTOCK_VOLUME_MULTIPLIER", "100", "metastock_volume_multiplier", 100.0),
    ("TT_METASTOCK_BY_CONTENT", "true", "metastock_by_content", True),
    ("TT_CALENDAR_AWARE_TTL", "off", "calendar_aware_ttl", False),
    ("TT_CALENDAR_AWARE_TTL", "Yes", "calendar_aware_ttl", True),
    ("TT_ANNUALIZATION_SESSIONS", "260", "annualization_sessions", 260),
    ("TT_LOOKBACK_SESSIONS", "504", "lookback_sessions", 504),
    ("TT_KEEP_BYTES", "750 MB", "keep_bytes", 750_000_000),
    ("TT_KEEP_BYTES", "1.5gb", "keep_bytes", 1_500_000_000),
    ("TT_KEEP_BYTES", "0", "keep_bytes", 0),
    ("TT_EXECUTOR", "Multiprocess", "executor", Engine.MULTIPROCESS),
    ("TT_PARTITIONS", "16", "partitions", 16),
    ("TT_CELERY_BROKER", "amqp://me:secret@queue//", "celery_broker", "amqp://me:secret@queue//"),
    ("TT_CELERY_BACKEND", "rpc://", "celery_backend", "rpc://"),
    ("TT_SIMULATOR_SEED", "0", "simulator_seed", 0),
    ("TT_ALERT_URLS", "json://a/b?c=1,2", "alert_urls", ("json://a/b?c=1,2",)),
    (
        "TT_ALERT_URLS",
        "json://a, mailto://u:p@b?to=c@d,e@f dbus://",
        "alert_urls",
        ("json://a", "mailto://u:p@b?to=c@d,e@f", "dbus://"),
    ),
    ("TT_LOG_FORMAT", "JSON", "log_format", "json"),
    ("TT_LOG_LEVEL", "DEBUG", "log_level", "debug"),
]
BAD = [
    ("TT_ENV", "prod", "simulator, sandbox, production"),
    ("TT_API_URL", "api.tastyworks.com", "an http or https URL"),
    ("TT_API_URL", "ftp://example.test", "an http or https URL"),
    ("TT_ALLOW_HTTP", "maybe", "true or false"),
    ("TT_API_URL", "https://", "an http or https URL"),
    ("TT_API_URL", "https://example.test:port", "an http or https URL"),
    ("TT_API_URL", "https://example.test:99999", "an http or https URL"),
    ("TT_API_URL", "https://example.test/?a=b", "an http or https URL"),
    ("TT_LIST", "5", "1, 2, 3, 4, the path of a text file that exists, or several of these"),
    ("TT_LIST", "no-such-file.txt", "1, 2, 3, 4, the path of a text file that exists, or several of these"),
    ("TT_LIST", "2,no-such-file.txt", "several of these with commas: there is no file 'no-such-file.txt'"),
    ("TT_LIST", ",", "1, 2, 3, 4, the path of a text file that exists, or several of these"),
    ("TT_DATA_DIR", "s3://", "a path, or s3://bucket/prefix"),
    ("TT_CACHE_DIR", "s3://bucket/caches", "the path of a folder of this machine, which is made when it is needed"),
    ("TT_METASTOCK_DIR", "no-such-folder", "the path of a folder that exists"),
    ("TT_METASTOCK_SYMBOL_MAP", "no-such-file.csv", "the path of a CSV file that exists"),
    ("TT_EARNINGS_FILE", "no-such-file.csv", "the path of a CSV file that exists"),
    ("TT_METASTOCK_ADJUSTMENT", "dividends", "unknown, raw or split"),
    ("TT_METASTOCK_DATE_ORDER", "ydm", "auto, dmy, mdy or ymd"),
    ("TT_METASTOCK_PERIODS", ",", "words between commas"),
    ("TT_METASTOCK_SUFFIXES", "u$", "auto, none, or suffixes between commas"),
    ("TT_METASTOCK_EXTRA", "all,SLV", "all, none, or symbols and paths"),
    ("TT_METASTOCK_CODE_PAGE", "cp9999", "the name of an encoding"),
    ("TT_METASTOCK_CODE_PAGE", "base64", "the name of an encoding"),
    ("TT_METASTOCK_VOLUME_MULTIPLIER", "0", "a number above 0"),
    ("TT_METASTOCK_VOLUME_MULTIPLIER", "inf", "a number above 0"),
    ("TT_METASTOCK_BY_CONTENT", "sha256", "true or false"),
    ("TT_RESCALE_CANDLES", "perhaps", "true or false"),
    ("TT_CSV", "none", "full, recent, off"),
    ("TT_EXECUTOR", "dask", "in_process, multiprocess, celery, k8s"),
    ("TT_PARTITIONS", "257", "a whole number from 0 to 256"),
    ("TT_HISTORY_START", "2010", "a date as YYYY-MM-DD"),
    ("TT_HISTORY_START", "2010-02-30", "a date as YYYY-MM-DD"),
    ("TT_HISTORY_START", "1900-01-01", "a date as YYYY-MM-DD"),
    ("TT_HISTORY_START", "20100104", "a date as YYYY-MM-DD"),
    ("TT_MAX_CONCURRENCY", "0", "a whole number from 1 to 1000"),
    ("TT_MAX_CONCURRENCY", "1001", "a whole number from 1 to 1000"),
    ("TT_MAX_CONCURRENCY", "many", "a whole number from 1 to 1000"),
    ("TT_MIN_COVERAGE", "80", "a number from 0 to 1"),
    ("TT_MIN_COVERAGE", "80%", "a number from 0 to 1"),
    ("TT_MIN_COVERAGE", "nan", "a number from 0 to 1"),
    ("TT_CALENDAR_AWARE_TTL", "perhaps", "true or false"),
    ("TT_ANNUALIZATION_SESSIONS", "12", "a whole number from 200 to 366"),
    ("TT_LOOKBACK_SESSIONS", "5", "a whole number from 20 to 5040"),
    ("TT_KEEP_VERSIONS", "0", "a whole number from 1 to 10000"),
    ("TT_SIMULATOR_SEED", "-1", "a whole number from 0"),
    ("TT_LOG_FORMAT", "xml", "text or json"),
    ("TT_LOG_LEVEL", "loud", "debug, info, warning or error"),
    ("TT_TTL_SYMBOLS", "soon", "a positive number of seconds"),
]


def load(**environ: str) -> Settings:
    return Settings.load(environ, dotenv=NO_FILE)


def test_without_any_variable_the_simulator_runs_on_the_documented_defaults() -> None:
    settings = load()
    assert settings == Settings()
    assert settings.is_simulated
    assert settings.api_url is None
    assert (settings.universe, settings.data_dir, settings.max_concurrency, settings.min_coverage) == (
        "2,4",
        "data",
        100,
        0.8,
    )
    assert (settings.history_start, settings.ttls, settings.metastock_dir) == (date(2010, 1, 4), {}, None)


@pytest.mark.parametrize(("variable", "value", "attribute", "expected"), GOOD)
def test_a_good_value_is_read(variable: str, value: str, attribute: str, expected: Any) -> None:
    assert getattr(load(**{variable: value}), attribute) == expected


@pytest.mark.parametrize(("variable", "value", "accepts"), BAD)
def test_a_bad_value_is_refused_with_its_name_and_what_is_accepted(variable: str, value: str, accepts: str) -> None:
    with pytest.raises(InvalidValueError) as caught:
        load(**{variable: value})
    assert caught.value.variable == variable
    assert str(caught.value).startswith(f"{variable} is {value!r}; it accepts ")
    assert accepts in str(caught.value)


def test_every_variable_is_tried_here() -> None:
    tried = {variable for variable, *_ in [*GOOD, *BAD]}
    assert tried | set(CREDENTIALS) == KNOWN_VARIABLES | {"TT_TTL_SYMBOLS"}


def test_the_value_of_a_secret_that_is_refused_is_not_shown() -> None:
    secret = "s3" + "cr3t"
    with pytest.raises(InvalidValueError, match=r"TT_ALERT_URLS is '\*\*\*'; it accepts URLs of Apprise") as caught:
        load(TT_ALERT_URLS=f"hooks.example.test/{secret}")
    assert secret not in "".join(traceback.format_exception(caught.value))
    assert secret not in repr(load(TT_ALERT_URLS=f"json://hooks.example.test/{secret}"))


@pytest.mark.parametrize("variable", ["TT_CELERY_BROKER", "TT_CELERY_BACKEND"])
@pytest.mark.parametrize("value", ["localhost:6379", "redis://host name"])
def test_the_address_of_a_queue_is_a_url(variable: str, value: str) -> None:
    with pytest.raises(
        InvalidValueError, match=rf"{variable} is '\*\*\*'; it accepts a URL such as redis://host:6379/"
    ):
        load(**{variable: value})


def test_celery_needs_the_address_of_its_queue() -> None:
    with pytest.raises(ConfigError, match="TT_EXECUTOR is celery, which needs TT_CELERY_BROKER: the URL of the queue"):
        load(TT_EXECUTOR="celery")
    settings = load(TT_EXECUTOR="celery", TT_CELERY_BROKER="redis://:s3cr3t@queue:6379/0")
    assert settings.executor is Engine.CELERY
    assert "s3cr3t" not in repr(settings)


def test_paths_of_files_and_folders_that_exist_are_accepted(tmp_path: Path) -> None:
    symbols = tmp_path / "mine.txt"
    symbols.write_text("AAPL\n")
    settings = load(TT_LIST=str(symbols), TT_METASTOCK_DIR=str(tmp_path))
    assert (settings.universe, settings.metastock_dir) == (str(symbols), tmp_path)


def test_an_empty_variable_is_one_that_is_not_set() -> None:
    assert load(TT_API_URL="", TT_MAX_CONCURRENCY="   ") == Settings()


def test_spaces_around_a_value_do_not_matter() -> None:
    assert load(TT_MAX_CONCURRENCY=" 7 ").max_concurrency == 7


def test_an_unknown_variable_is_refused_with_the_list_of_known_ones() -> None:
    with pytest.raises(ConfigError, match="TT_TTL_SYMBOL is not a setting") as caught:
        Settings.load({"TT_TTL_SYMBOL": "5m"}, dotenv=NO_FILE, datasets=["symbols", "quotes"])
    assert "TT_TTL_SYMBOLS" in str(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        "TT_SIMULATOR_SERVICE_HOST",
        "TT_SIMULATOR_SERVICE_PORT",
        "TT_SIMULATOR_SERVICE_PORT_HTTP",
        "TT_SIMULATOR_PORT",
        "TT_SIMULATOR_PORT_8080_TCP",
        "TT_SIMULATOR_PORT_8080_TCP_PROTO",
        "TT_SIMULATOR_PORT_8080_TCP_PORT",
        "TT_SIMULATOR_PORT_8080_TCP_ADDR",
    ],
)
def test_what_kubernetes_sets_for_a_service_is_no_setting_and_no_mistake(name: str, tmp_path: Path) -> None:
    # Kubernetes documentation, "Service": environment variables of the form {SVCNAME}_SERVICE_HOST, and Docker's links.
    assert load(**{name: "tcp://10.96.0.11:8080"}) == Settings()
    file = tmp_path / ".env"
    file.write_text(f"{name}=tcp://10.96.0.11:8080\n")
    # Nothing but a person writes into a file.
    with pytest.raises(ConfigError, match=f"{name} is not a setting"):
        Settings.load({}, dotenv=file)


def test_a_misspelt_variable_is_named_with_its_place_and_the_nearest_setting(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("TT_MAX_CONCURENCY=5\nTT_LISTT=\ntt_log_level=debug\nLIST=2\n")
    with pytest.raises(ConfigError) as caught:
        Settings.load({"TT_TTL_SYMBOL": "5m"}, dotenv=file, datasets=["symbols", "quotes"])
    *named, known = str(caught.value).split("; ")
    assert named == [
        f"TT_MAX_CONCURENCY is not a setting (did you mean TT_MAX_CONCURRENCY?), and stands in {file}",
        "TT_TTL_SYMBOL is not a setting (did you mean TT_TTL_SYMBOLS?), and stands in the environment",
        f"tt_log_level is not a setting (did you mean TT_LOG_LEVEL?), and stands in {file}",
    ]
    assert known.startswith("known ones are TT_ALERT_URLS, TT_ALERT_URLS_FILE, TT_ALLOW_HTTP, ")


def test_variables_of_other_programs_are_ignored() -> None:
    assert load(PATH="/bin", TTY="x") == Settings()


class TestEnvironment:
    def test_credentials_alone_mean_production(self) -> None:
        settings = load(**CREDENTIALS)
        assert settings.environment is Environment.PRODUCTION
        assert settings.api_url == "https://api.tastyworks.com"
        assert (settings.client_secret, settings.refresh_token) == ("s3cr3t-client", "s3cr3t-refresh")
        assert not settings.is_simulated

    def test_the_sandbox_is_tastytrades_certification_environment(self) -> None:
        assert load(TT_ENV="sandbox", **CREDENTIALS).api_url == "https://api.cert.tastyworks.com"

    def test_another_server_may_stand_in(self) -> None:
        assert load(TT_API_URL="http://127.0.0.1:9", **CREDENTIALS).api_url == "http://127.0.0.1:9"

    @pytest.mark.parametrize("environment", ["sandbox", "production", None])
    @pytest.mark.parametrize("absent", CREDENTIALS)
    def test_one_credential_without_the_other_is_refused_by_name(self, environment: str | None, absent: str) -> None:
        values = {name: value for name, value in CREDENTIALS.items() if name != absent}
        with pytest.raises(MissingEnvVarError) as caught:
            load(**values, **({"TT_ENV": environment} if environment else {}))
        assert caught.value.variable == absent

    def test_the_simulator_never_runs_beside_real_credentials(self) -> None:
        with pytest.raises(ConfigError, match="never runs beside real credentials"):
            load(TT_ENV="simulator", **CREDENTIALS)

    def test_the_simulators_own_credentials_may_be_spelled_out(self) -> None:
        own = {"TT_CLIENT_SECRET": SIMULATOR_CLIENT_SECRET, "TT_REFRESH_TOKEN": SIMULATOR_REFRESH_TOKEN}
        assert load(TT_ENV="simulator", **own) == Settings()

    def test_data_of_different_origins_is_told_apart(self) -> None:
        origins = {
            load().origin,
            load(TT_SIMULATOR_SEED="8").origin,
            load(**CREDENTIALS).origin,
            load(TT_ENV="sandbox", **CREDENTIALS).origin,
            load(TT_API_URL="http://127.0.0.1:9", **CREDENTIALS).origin,
        }
        assert len(origins) == 5


class TestDotenv:
    def test_the_process_environment_wins_over_the_file(self, tmp_path: Path) -> None:
        file = tmp_path / ".env"
        file.write_text("TT_LIST=1\nexport TT_MAX_CONCURRENCY='5'\n# a comment\nOTHER=1\nOF_DOCKER\n")
        settings = Settings.load({"TT_LIST": "3"}, dotenv=file)
        assert (settings.universe, settings.max_concurrency) == ("3", 5)

    def test_an_empty_variable_hides_the_one_in_the_file(self, tmp_path: Path) -> None:
        file = tmp_path / ".env"
        file.write_text("TT_MAX_CONCURRENCY=5\n")
        assert Settings.load({"TT_MAX_CONCURRENCY": ""}, dotenv=file).max_concurrency == 100

    def test_the_file_of_the_current_folder_and_the_process_are_the_default(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in KNOWN_VARIABLES:
            monkeypatch.delenv(name, raising=False)
        monkeypatch.chdir(tmp_path)
        (tmp_path / ".env").write_text("TT_MAX_CONCURRENCY=5\nTT_LIST=1\n")
        monkeypatch.setenv("TT_LIST", "3")
        assert (Settings.load().universe, Settings.load().max_concurrency) == ("3", 5)

    def test_a_bad_value_in_the_file_is_refused_too(self, tmp_path: Path) -> None:
        file = tmp_path / ".env"
        file.write_text("TT_MIN_COVERAGE=2\n")
        with pytest.raises(InvalidValueError, match="TT_MIN_COVERAGE"):
            Settings.load({}, dotenv=file)

    def test_a_file_that_is_not_text_is_refused(self, tmp_path: Path) -> None:
        file = tmp_path / ".env"
        file.write_bytes(b"TT_LIST=\xff\xfe\n")
        with pytest.raises(ConfigError, match="line 1: no UTF-8 text"):
            Settings.load({}, dotenv=file)


class TestSecrets:
    def test_no_secret_is_in_what_is_printed(self) -> None:
        settings = load(**CREDENTIALS)
        assert "s3cr3t" not in repr(settings) + str(settings) + f"{settings}" + settings.origin

    @pytest.mark.parametrize(
        "values",
        [
            {"TT_ENV": "simulator", **CREDENTIALS},
            {"TT_LIST": "5", **CREDENTIALS},
            {"TT_UNKNOWN": "1", **CREDENTIALS},
            {"TT_CLIENT_SECRET": "s3cr3t-client"},
            {"TT_API_URL": "https://user:s3cr3t@example.test"},
            {"TT_API_URL": "https://s3cr3t@example.test:port"},
            {"TT_API_URL": "https://:s3cr3t@"},
        ],
    )
    def test_no_secret_is_in_what_is_raised(self, values: dict[str, str]) -> None:
        with pytest.raises(ConfigError) as caught:
            Settings.from_values(values)
        assert "s3cr3t" not in "".join(traceback.format_exception(caught.value)) + repr(vars(caught.value))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("TT_LIST='2\nTT_MIN_COVERAGE=0.5\n", 1),
        ('# a note\n\n\nTT_REFRESH_TOKEN="s3cr3t\n', 4),
        ("TT_LIST=2\n=s3cr3t\n", 2),
        ("TT_LIST=2\n\nTT_REFRESH_TOKEN s3cr3t\n", 3),
        ("TT_CLIENT_SECRET\n", 1),
    ],
)
def test_a_line_of_a_file_that_is_no_variable_is_named_without_what_it_says(
    tmp_path: Path, text: str, line: int
) -> None:
    file = tmp_path / ".env"
    file.write_text(text)
    with pytest.raises(ConfigError, match=rf"\.env, line {line}, .*NAME=value") as refusal:
        Settings.load({}, dotenv=file)
    assert "s3cr3t" not in str(refusal.value)


def test_a_file_may_have_notes_quotes_and_values_of_several_lines(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("# note\nexport TT_LIST = '2'  # the S&P 500\nTT_WATCHLIST=\"a\nb\"\n\nTT_MIN_COVERAGE=\n")
    settings = Settings.load({}, dotenv=file)
    assert (settings.universe, settings.watchlist, settings.min_coverage) == ("2", "a\nb", 0.8)
