# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The only reader of environment variables; every value is checked before anything runs.

`Settings` is the table of all variables. Its columns and the parsers are in `variables`.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Final

from ttapi_pipeline.core import variables
from ttapi_pipeline.core.csv_choice import CsvChoice
from ttapi_pipeline.core.declaration import Declaration
from ttapi_pipeline.core.dotenv_file import read_dotenv
from ttapi_pipeline.core.engines import Engine, check_engine
from ttapi_pipeline.core.environments import (
    API_URLS,
    SIMULATOR_CLIENT_SECRET,
    SIMULATOR_REFRESH_TOKEN,
    Environment,
    check_credentials,
    environment_of,
)
from ttapi_pipeline.core.errors import ConfigError
from ttapi_pipeline.core.hosts import can_be_read_on_the_way, public_part
from ttapi_pipeline.core.secret_files import secret_file_variables, with_secrets_of_files
from ttapi_pipeline.core.sessions import FIRST_DATE
from ttapi_pipeline.core.universes import TRADED
from ttapi_pipeline.core.unknown_variables import refuse_unknown, without_services
from ttapi_pipeline.core.variables import Variable, read_ttls, setting, variables_of

# Reads better in one piece: the table of all variables, an attribute each.


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Checked settings, and the table of the variables that they are read from, see `variables.Variable`.

    README's table and `.env.example` say the same; a test compares them with this class. Relative paths are relative to
    the process's current folder. Where an attribute is not simply the value of its variable:

    Attributes:
        environment: Production when the variable is not set and a credential is.
        client_secret, refresh_token: The simulator's own in its environment.
        api_url: Without a final slash; by default the environment's, or None for a simulator that is started on demand.
        ttls: How long a dataset stays fresh where ``TT_TTL_<DATASET>`` says so; see `ttl`.
    """

    environment: Environment = setting(
        "TT_ENV",
        variables.member_of(Environment),
        accepts=", ".join(Environment),
        default=Environment.SIMULATOR,
        default_in_words="simulator; production as soon as credentials are set",
        meaning="which service answers; sandbox is tastytrade's certification environment",
    )
    client_secret: str = setting(
        "TT_CLIENT_SECRET",
        variables.one_word,
        accepts="the client secret of an OAuth2 application, in one word",
        default=SIMULATOR_CLIENT_SECRET,
        meaning="OAuth2 credentials, together with TT_REFRESH_TOKEN",
        is_secret=True,
    )
    refresh_token: str = setting(
        "TT_REFRESH_TOKEN",
        variables.one_word,
        accepts="the refresh token of a grant, in one word",
        default=SIMULATOR_REFRESH_TOKEN,
        meaning="OAuth2 credentials, together with TT_CLIENT_SECRET",
        is_secret=True,
    )
    api_url: str | None = setting(
        "TT_API_URL",
        variables.web_url,
        accepts="an http or https URL",
        default=None,
        default_in_words="that of the environment",
        meaning="base URL of the REST API: any server that speaks it",
    )
    allow_http: bool = setting(
        "TT_ALLOW_HTTP",
        variables.boolean,
        accepts="true or false",
        default=False,
        meaning="whether credentials may go to another machine without encryption (http, ws), where everybody on the"
        " way can read them",
    )
    universe: str = setting(
        "TT_LIST",
        variables.universe,
        accepts="1, 2, 3, 4, the path of a text file that exists, or several of these with commas",
        default="2,4",
        meaning="the universe: 1 the broker's watchlist TT_WATCHLIST, 2 the S&P 500, 3 every active optionable equity,"
        f" 4 the ETFs and indices that are traded most ({', '.join(TRADED)}), files with one symbol per line",
    )
    watchlist: str = setting(
        "TT_WATCHLIST",
        str,
        accepts="the name of a public watchlist",
        default="S&P 500",
        meaning="the broker's list that TT_LIST=1 takes",
    )
    data_dir: str = setting(
        "TT_DATA_DIR",
        variables.location,
        accepts="a path, or s3://bucket/prefix",
        default="data",
        meaning="where datasets go; an object store needs the extra s3, and takes its keys and its address from the"
        " variables AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_ENDPOINT_URL",
    )
    cache_dir: Path | None = setting(
        "TT_CACHE_DIR",
        variables.folder,
        accepts="the path of a folder of this machine, which is made when it is needed",
        default=None,
        meaning="caches, which may be deleted while nothing runs; by default beside the data, of data in an object"
        " store in the caches of this user",
    )
    quote_log_dir: Path | None = setting(
        "TT_QUOTE_LOG_DIR",
        variables.folder,
        accepts="the path of a folder of this machine, which is made when it is needed",
        default=None,
        meaning="the log and the history of streamed quotes; by default in the data folder, and needed where that is in"
        " an object store",
    )
    csv: CsvChoice = setting(
        "TT_CSV",
        variables.member_of(CsvChoice),
        accepts=", ".join(CsvChoice),
        default=CsvChoice.FULL,
        meaning="the CSV beside each table: full has every row, recent the newest sessions that a spreadsheet opens of"
        " a table with more rows than it opens, off is no CSV; a change makes the CSVs anew and fetches nothing",
    )
    metastock_dir: Path | None = setting(
        "TT_METASTOCK_DIR",
        variables.existing_folder,
        accepts="the path of a folder that exists",
        default=None,
        meaning="MetaStock folder, read recursively; the simulator generates one where the data is on this machine",
    )
    metastock_symbol_map: Path | None = setting(
        "TT_METASTOCK_SYMBOL_MAP",
        variables.existing_file,
        accepts="the path of a CSV file that exists",
        default=None,
        meaning="CSV of source,symbol for MetaStock tickers that the rules of symbology get wrong",
    )
    metastock_adjustment: str = setting(
        "TT_METASTOCK_ADJUSTMENT",
        variables.one_of("unknown", "raw", "split"),
        accepts="unknown, raw or split",
        default="unknown",
        meaning="what MetaStock prices are adjusted for where candles do not prove it: raw ones are divided by the"
        " splits that they show, split ones are taken as they are, unknown ones are taken with a caution",
    )
    metastock_date_order: str = setting(
        "TT_METASTOCK_DATE_ORDER",
        variables.one_of("auto", "dmy", "mdy", "ymd"),
        accepts="auto, dmy, mdy or ymd",
        default="auto",
        meaning="whether MetaStock dates such as 3/4/2021 and 20/09/01 are day first, month first or (the latter) year"
        " first; auto takes the order that other dates of the file prove, else that of other files of its dialect, and"
        " rejects what nothing proves",
    )
    metastock_periods: tuple[str, ...] = setting(
        "TT_METASTOCK_PERIODS",
        variables.words,
        accepts="words between commas",
        default=("D", "DAILY", "8"),
        meaning="values of a period column of MetaStock files that mean daily, in capital or small letters; other rows"
        " are rejected",
    )
    metastock_suffixes: str = setting(
        "TT_METASTOCK_SUFFIXES",
        variables.suffixes,
        accepts="auto, none, or suffixes between commas such as us,n,oq",
        default="auto",
        meaning="suffixes that are stripped from MetaStock tickers since they are exchanges; auto strips what the"
        " tickers of a folder prove together",
    )
    metastock_code_page: str = setting(
        "TT_METASTOCK_CODE_PAGE",
        variables.code_page,
        accepts="the name of an encoding such as cp1250, cp1252 or cp1256",
        default="cp1250",
        meaning="encoding of MetaStock files that are not Unicode",
    )
    metastock_extra: str = setting(
        "TT_METASTOCK_EXTRA",
        variables.extra,
        accepts="all, none, or symbols and paths of text files that exist, between commas",
        default="all",
        meaning="symbols of MetaStock files outside the universe that eod_snapshot, and what is made from it, also has",
    )
    metastock_volume_multiplier: float = setting(
        "TT_METASTOCK_VOLUME_MULTIPLIER",
        variables.multiplier,
        accepts="a number above 0",
        default=1.0,
        meaning="what every volume of MetaStock files is multiplied by: 100 where they count lots, 1000 thousands",
    )
    metastock_by_content: bool = setting(
        "TT_METASTOCK_BY_CONTENT",
        variables.boolean,
        accepts="true or false",
        default=False,
        meaning="know MetaStock files by their SHA-256 instead of size and time of change, so that every file is read;"
        " `tt refresh eod_snapshot --force` then finds a file that was changed behind both",
    )
    rescale_candles: bool = setting(
        "TT_RESCALE_CANDLES",
        variables.boolean,
        accepts="true or false",
        default=False,
        meaning="re-base MetaStock bars beside the candles by the ratio of closes also where it is not that of splits,"
        " instead of leaving a step; candles are never rescaled, and splits are divided by in any case",
    )
    earnings_file: Path | None = setting(
        "TT_EARNINGS_FILE",
        variables.existing_file,
        accepts="the path of a CSV file that exists",
        default=None,
        meaning="CSV of symbol,announced_date,time_of_day (BTO, AMC or nothing): reports of the past, which the broker"
        " does not tell",
    )
    history_start: date = setting(
        "TT_HISTORY_START",
        variables.history_start,
        accepts=f"a date as YYYY-MM-DD from {FIRST_DATE} on",
        default=date(2010, 1, 4),
        meaning="how far back candles are fetched",
    )
    max_concurrency: int = setting(
        "TT_MAX_CONCURRENCY",
        variables.integer(1, 1000),
        accepts="a whole number from 1 to 1000",
        default=100,
        meaning="REST requests in flight",
    )
    min_coverage: float = setting(
        "TT_MIN_COVERAGE",
        variables.share,
        accepts="a number from 0 to 1",
        default=0.8,
        meaning="share of the universe below which a dataset is not replaced",
    )
    ttls: Mapping[str, timedelta] = field(default_factory=lambda: MappingProxyType({}))
    calendar_aware_ttl: bool = setting(
        "TT_CALENDAR_AWARE_TTL",
        variables.boolean,
        accepts="true or false",
        default=True,
        meaning="whether daily bars stay fresh until another session has ended, and quotes until the exchange opens"
        " again",
    )
    annualization_sessions: int = setting(
        "TT_ANNUALIZATION_SESSIONS",
        variables.integer(200, 366),
        accepts="a whole number from 200 to 366",
        default=252,
        meaning="sessions per year in annualised columns",
    )
    lookback_sessions: int = setting(
        "TT_LOOKBACK_SESSIONS",
        variables.integer(20, 5040),
        accepts="a whole number from 20 to 5040",
        default=252,
        meaning="least number of daily returns behind the figures of a horizon; longer horizons look back ten times "
        "their length",
    )
    keep_versions: int = setting(
        "TT_KEEP_VERSIONS",
        variables.integer(1, 10_000),
        accepts="a whole number from 1 to 10000",
        default=20,
        meaning="newest versions of a dataset whose rows stay besides the last of each session",
    )
    keep_bytes: int | None = setting(
        "TT_KEEP_BYTES",
        variables.size,
        accepts="a number of bytes such as 750 MB or 20 GB",
        default=None,
        meaning="room for earlier versions of all datasets; when they need more, versions within a session go, oldest "
        "first",
    )
    executor: Engine = setting(
        "TT_EXECUTOR",
        variables.member_of(Engine),
        accepts=", ".join(Engine),
        default=Engine.IN_PROCESS,
        meaning="what executes the steps of a run that Dagster starts: its own process, a process per step, workers of"
        " Celery (extra celery), or a pod of Kubernetes per step (extra k8s); `tt refresh` executes its own",
    )
    partitions: int = setting(
        "TT_PARTITIONS",
        variables.integer(0, 256),
        accepts="a whole number from 0 to 256",
        default=0,
        meaning="buckets of symbols, such as 16, that back-fills fetch (daily_candles), merge (eod_snapshot) or compute"
        " (returns_stddev, volatility, variance_premium, volatility_cone) ahead; 0 is none",
    )
    celery_broker: str | None = setting(
        "TT_CELERY_BROKER",
        variables.url,
        accepts="a URL such as redis://host:6379/0 or amqp://user:password@host//",
        default=None,
        meaning="the queue between runs and workers, which TT_EXECUTOR=celery needs",
        is_secret=True,
    )
    celery_backend: str | None = setting(
        "TT_CELERY_BACKEND",
        variables.url,
        accepts="a URL such as redis://host:6379/1 or rpc://",
        default=None,
        meaning="where workers put what became of a step; by default the broker where that is Redis, else rpc://",
        is_secret=True,
    )
    simulator_seed: int = setting(
        "TT_SIMULATOR_SEED",
        variables.integer(0, 2**31),
        accepts="a whole number from 0",
        default=7,
        meaning="which market the simulator invents",
    )
    alert_urls: tuple[str, ...] = setting(
        "TT_ALERT_URLS",
        variables.urls,
        accepts="URLs of Apprise between spaces, such as json://host/path or mailto://user:password@host",
        default=(),
        meaning="who is told when a dataset fails, is overdue or lost coverage, and when it is well again",
        is_secret=True,
    )
    log_format: str = setting(
        "TT_LOG_FORMAT",
        variables.one_of("text", "json"),
        accepts="text or json",
        default="text",
        meaning="how log records are written",
    )
    log_level: str = setting(
        "TT_LOG_LEVEL",
        variables.one_of("debug", "info", "warning", "error"),
        accepts="debug, info, warning or error",
        default="warning",
        meaning="the least level that is logged",
    )

    @property
    def is_simulated(self) -> bool:
        """Whether everything that is fetched is invented."""
        return self.environment is Environment.SIMULATOR

    @property
    def secrets(self) -> tuple[str, ...]:
        """The values that may be in no text: credentials, and URLs that hold tokens and passwords."""
        urls = (*self.alert_urls, self.celery_broker, self.celery_backend)
        return tuple(filter(None, (self.client_secret, self.refresh_token, *urls)))

    @property
    def origin(self) -> str:
        """Where fetched data comes from, for manifests and verdicts: data of two origins never mixes."""
        if self.is_simulated:
            return f"simulator seed {self.simulator_seed}"
        return f"{self.environment} {self.api_url}"

    def check_encryption(self, url: str, *, named_by: str) -> None:
        """Check that credentials may go to a URL: it is encrypted or of this machine, or TT_ALLOW_HTTP is set.

        The credentials of the simulator are known to everybody, and may go anywhere.

        Raises:
            ConfigError: They may not.
        """
        if not (self.is_simulated or self.allow_http) and can_be_read_on_the_way(url):
            raise ConfigError(
                f"{named_by} is {public_part(url)}: credentials would go to another machine without encryption; "
                "it has to be encrypted (https, wss), unless TT_ALLOW_HTTP=true lets everybody on the way read them"
            )

    def ttl(self, dataset: Declaration) -> timedelta:
        """How long a dataset stays fresh: by its variable where that is set, else by its declaration."""
        return self.ttls.get(dataset.name, dataset.ttl)

    @classmethod
    def load(
        cls,
        environ: Mapping[str, str] | None = None,
        *,
        dotenv: Path | None = None,
        folder: Path | None = None,
        datasets: Collection[str] | None = None,
    ) -> Settings:
        """Read the process's environment over a `.env` file, and check every variable.

        Args:
            environ: Variables; the process's own by default. One that is empty counts as not set, and hides the one in
                the file. Secrets may stand in files that ``<variable>_FILE`` names, see `secret_files`.
            dotenv: The file; `.env` in the current folder by default. It may be absent.
            folder: The folder that paths in the file, and the default of the data folder, are relative to; the data
                folder is absolute then. By default everything stays relative to the current folder.
            datasets: Names that ``TT_TTL_<DATASET>`` may end in; any by default. `datasets.registry.load_settings`
                gives them.

        Raises:
            ConfigError: A variable is unknown, is not what it accepts, or contradicts another one.
        """
        file = Path(".env") if dotenv is None else dotenv
        values = {name: value for name, value in read_dotenv(file).items() if value is not None}
        process = without_services(os.environ if environ is None else environ, KNOWN_VARIABLES)
        places = dict.fromkeys(values, str(file)) | dict.fromkeys(process, "the environment")
        if folder is not None and folder != Path.cwd():
            values = dict(variables.with_absolute_paths(values, VARIABLES.values(), folder))
        values = with_secrets_of_files(values, SECRET_VARIABLES, folder or Path())
        values.update(with_secrets_of_files(process, SECRET_VARIABLES, Path()))
        given = {name: value.strip() for name, value in values.items() if value.strip()}
        refuse_unknown(
            {name: places.get(name, "") for name in given}, KNOWN_VARIABLES | SECRET_FILE_VARIABLES, datasets
        )
        settings = cls.from_values(given, datasets=datasets)
        if folder is None:
            return settings
        # Of the environment: relative to the current folder, which is `folder` itself for what stayed relative.
        base = Path.cwd() if VARIABLES["data_dir"].name in given else folder
        return replace(settings, data_dir=variables.absolute(settings.data_dir, base))

    @classmethod
    def from_values(cls, values: Mapping[str, str], *, datasets: Collection[str] | None = None) -> Settings:
        """Check variables that are already gathered; unset ones are absent, and those of other programs are ignored.

        Raises:
            ConfigError: As `load` does.
        """
        refuse_unknown(dict.fromkeys(values, ""), KNOWN_VARIABLES, datasets)
        environment = environment_of(values, VARIABLES["environment"], CREDENTIAL_VARIABLES)
        check_credentials(values, environment, CREDENTIAL_VARIABLES)
        given = {
            name: variable.read(values[variable.name])
            for name, variable in VARIABLES.items()
            if variable.name in values
        }
        derived = {"environment": environment, "ttls": read_ttls(values)}
        settings = cls(**({"api_url": API_URLS.get(environment)} | given | derived))
        if settings.api_url is not None:
            settings.check_encryption(settings.api_url, named_by=VARIABLES["api_url"].name)
        named_by = {name: variable.name for name, variable in VARIABLES.items()}
        check_engine(settings.executor, settings.celery_broker, named_by=named_by)
        return settings


VARIABLES: Final[Mapping[str, Variable]] = variables_of(Settings)
"""By attribute. The variables of `Settings.ttls` are not among them, see `variables.ttl_variable`."""

SECRET_VARIABLES: Final = tuple(variable.name for variable in VARIABLES.values() if variable.is_secret)

SECRET_FILE_VARIABLES: Final = secret_file_variables(SECRET_VARIABLES)
"""The names of files that secrets stand in, see `secret_files`. They are in no row of the table."""

CREDENTIAL_VARIABLES: Final = (VARIABLES["client_secret"].name, VARIABLES["refresh_token"].name)
"""The secrets that a real environment needs."""

KNOWN_VARIABLES: Final = frozenset(variable.name for variable in VARIABLES.values())
"""All but those of the TTLs."""
