# SPDX-License-Identifier: MIT
"""The only reader of environment variables; every value is checked before anything runs."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeVar
from urllib.parse import urlsplit

from dotenv import dotenv_values

from ttapi_pipeline.core.errors import ConfigError, InvalidValueError, MissingEnvVarError
from ttapi_pipeline.core.sessions import FIRST_DATE
from ttapi_pipeline.core.ttl import ACCEPTED_DURATION, DEFAULT_TTLS, parse_duration

T = TypeVar("T")

SECRET_VARIABLES: Final = ("TT_CLIENT_SECRET", "TT_REFRESH_TOKEN")
_PREFIX: Final = "TT_"


class Environment(StrEnum):
    """Which service answers; `sandbox` is tastytrade's certification environment."""

    SIMULATOR = "simulator"
    SANDBOX = "sandbox"
    PRODUCTION = "production"


API_URLS: Final[Mapping[Environment, str]] = MappingProxyType(
    {
        Environment.SANDBOX: "https://api.cert.tastyworks.com",
        Environment.PRODUCTION: "https://api.tastyworks.com",
    }
)

SIMULATOR_CLIENT_SECRET: Final = "simulator-client-secret"  # noqa: S105 - the local simulator's, worth nothing
SIMULATOR_REFRESH_TOKEN: Final = "simulator-refresh-token"  # noqa: S105 - the local simulator's, worth nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Checked settings; see the table in the README for what each variable means.

    Attributes:
        environment: TT_ENV.
        client_secret: TT_CLIENT_SECRET; the simulator's own when that is the environment.
        refresh_token: TT_REFRESH_TOKEN; likewise.
        api_url: TT_API_URL without a final slash, or the environment's; None for a simulator that the pipeline starts.
        universe: TT_LIST: ``1``, ``2``, ``3``, or the path of a text file.
        watchlist: TT_WATCHLIST, the broker's public list behind ``TT_LIST=1``.
        data_dir: TT_DATA_DIR, a local path or an fsspec URL.
        metastock_dir: TT_METASTOCK_DIR; None when not set.
        metastock_symbol_map: TT_METASTOCK_SYMBOL_MAP, a CSV file of source and symbol; None when not set.
        metastock_adjustment: TT_METASTOCK_ADJUSTMENT, what the prices in the files are adjusted for: ``unknown``,
            ``raw`` or ``split``.
        metastock_by_content: TT_METASTOCK_BY_CONTENT: an import knows a file by its SHA-256 instead of its size and
            time of change, so that every file is read.
        rescale_candles: TT_RESCALE_CANDLES: candles that differ from MetaStock by a constant ratio are appended,
            divided by it, instead of being left out.
        earnings_file: TT_EARNINGS_FILE, a CSV file of symbol, announced_date and time_of_day; None when not set.
        history_start: TT_HISTORY_START, how far back candles are fetched.
        max_concurrency: TT_MAX_CONCURRENCY, REST requests in flight.
        min_coverage: TT_MIN_COVERAGE, share of the universe below which a dataset is not published.
        ttls: TTL per dataset, TT_TTL_<DATASET> over the default.
        calendar_aware_ttl: TT_CALENDAR_AWARE_TTL: end-of-day data does not expire before another session has closed,
            quotes not while the exchange is closed.
        annualization_sessions: TT_ANNUALIZATION_SESSIONS, sessions per year in annualised figures.
        lookback_sessions: TT_LOOKBACK_SESSIONS, daily returns in the lookback columns of returns_stddev.
        simulator_seed: TT_SIMULATOR_SEED.
        log_format: TT_LOG_FORMAT, ``text`` or ``json``.
        log_level: TT_LOG_LEVEL, ``debug``, ``info``, ``warning`` or ``error``.
    """

    environment: Environment = Environment.SIMULATOR
    client_secret: str = field(default=SIMULATOR_CLIENT_SECRET, repr=False)
    refresh_token: str = field(default=SIMULATOR_REFRESH_TOKEN, repr=False)
    api_url: str | None = None
    universe: str = "2"
    watchlist: str = "S&P 500"
    data_dir: str = "data"
    metastock_dir: Path | None = None
    metastock_symbol_map: Path | None = None
    metastock_adjustment: str = "unknown"
    metastock_by_content: bool = False
    rescale_candles: bool = False
    earnings_file: Path | None = None
    history_start: date = date(2010, 1, 4)
    max_concurrency: int = 100
    min_coverage: float = 0.8
    ttls: Mapping[str, timedelta] = field(default_factory=lambda: DEFAULT_TTLS)
    calendar_aware_ttl: bool = True
    annualization_sessions: int = 252
    lookback_sessions: int = 252
    simulator_seed: int = 7
    log_format: str = "text"
    log_level: str = "warning"

    @property
    def is_simulated(self) -> bool:
        """Whether everything that is fetched is invented."""
        return self.environment is Environment.SIMULATOR

    @property
    def origin(self) -> str:
        """Where fetched data comes from, for manifests and verdicts: data of two origins never mixes."""
        if self.is_simulated:
            return f"simulator seed {self.simulator_seed}"
        return f"{self.environment} {self.api_url}"

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None, *, dotenv: Path | None = None) -> Settings:
        """Read the process's environment over a `.env` file, and check every variable.

        Args:
            environ: Variables; the process's own by default.
            dotenv: The file; `.env` in the current folder by default. It may be absent.

        Raises:
            ConfigError: A variable is unknown, is not what it accepts, or contradicts another one.
        """
        file = Path(".env") if dotenv is None else dotenv
        values = {name: value for name, value in _read_dotenv(file).items() if value is not None}
        values.update(os.environ if environ is None else environ)
        return cls.from_values({name: value.strip() for name, value in values.items() if value.strip()})

    @classmethod
    def from_values(cls, values: Mapping[str, str]) -> Settings:
        """Check variables that are already gathered; unset ones are absent."""
        _refuse_unknown(values)
        has_secret = {name: name in values for name in SECRET_VARIABLES}
        environment = _choice(values, "TT_ENV", Environment, default=None)
        if environment is None:
            environment = Environment.PRODUCTION if any(has_secret.values()) else Environment.SIMULATOR
        if environment is Environment.SIMULATOR:
            _refuse_credentials(values, has_secret)
        else:
            for name, is_set in has_secret.items():
                if not is_set:
                    raise MissingEnvVarError(name, f"TT_ENV={environment} needs an OAuth2 application's credentials")
        return cls(
            environment=environment,
            client_secret=values.get("TT_CLIENT_SECRET", SIMULATOR_CLIENT_SECRET),
            refresh_token=values.get("TT_REFRESH_TOKEN", SIMULATOR_REFRESH_TOKEN),
            api_url=_read(values, "TT_API_URL", _url, "an http or https URL", API_URLS.get(environment)),
            universe=_read(values, "TT_LIST", _universe, "1, 2, 3 or the path of a text file that exists", "2"),
            watchlist=values.get("TT_WATCHLIST", "S&P 500"),
            data_dir=values.get("TT_DATA_DIR", "data").rstrip("/") or "/",
            metastock_dir=_read(values, "TT_METASTOCK_DIR", _folder, "the path of a folder that exists", None),
            metastock_symbol_map=_read(
                values, "TT_METASTOCK_SYMBOL_MAP", _file, "the path of a CSV file that exists", None
            ),
            metastock_adjustment=_read(
                values,
                "TT_METASTOCK_ADJUSTMENT",
                _one_of("unknown", "raw", "split"),
                "unknown, raw or split",
                "unknown",
            ),
            metastock_by_content=_read(values, "TT_METASTOCK_BY_CONTENT", _boolean, "true or false", False),  # noqa: FBT003
            rescale_candles=_read(values, "TT_RESCALE_CANDLES", _boolean, "true or false", False),  # noqa: FBT003
            earnings_file=_read(values, "TT_EARNINGS_FILE", _file, "the path of a CSV file that exists", None),
            history_start=_read(
                values,
                "TT_HISTORY_START",
                _history_start,
                f"a date as YYYY-MM-DD from {FIRST_DATE} on",
                date(2010, 1, 4),
            ),
            max_concurrency=_read(
                values, "TT_MAX_CONCURRENCY", _integer(1, 1000), "a whole number from 1 to 1000", 100
            ),
            min_coverage=_read(values, "TT_MIN_COVERAGE", _share, "a number from 0 to 1", 0.8),
            ttls=MappingProxyType(
                {
                    name: _read(values, f"TT_TTL_{name.upper()}", parse_duration, ACCEPTED_DURATION, default)
                    for name, default in DEFAULT_TTLS.items()
                }
            ),
            calendar_aware_ttl=_read(values, "TT_CALENDAR_AWARE_TTL", _boolean, "true or false", True),  # noqa: FBT003
            annualization_sessions=_read(
                values, "TT_ANNUALIZATION_SESSIONS", _integer(200, 366), "a whole number from 200 to 366", 252
            ),
            lookback_sessions=_read(
                values, "TT_LOOKBACK_SESSIONS", _integer(20, 5040), "a whole number from 20 to 5040", 252
            ),
            simulator_seed=_read(values, "TT_SIMULATOR_SEED", _integer(0, 2**31), "a whole number from 0", 7),
            log_format=_read(values, "TT_LOG_FORMAT", _one_of("text", "json"), "text or json", "text"),
            log_level=_read(
                values,
                "TT_LOG_LEVEL",
                _one_of("debug", "info", "warning", "error"),
                "debug, info, warning or error",
                "warning",
            ),
        )


KNOWN_VARIABLES: Final = frozenset(
    {
        "TT_ENV",
        "TT_API_URL",
        "TT_LIST",
        "TT_WATCHLIST",
        "TT_DATA_DIR",
        "TT_METASTOCK_BY_CONTENT",
        "TT_METASTOCK_DIR",
        "TT_METASTOCK_SYMBOL_MAP",
        "TT_METASTOCK_ADJUSTMENT",
        "TT_RESCALE_CANDLES",
        "TT_EARNINGS_FILE",
        "TT_HISTORY_START",
        "TT_MAX_CONCURRENCY",
        "TT_MIN_COVERAGE",
        "TT_CALENDAR_AWARE_TTL",
        "TT_ANNUALIZATION_SESSIONS",
        "TT_LOOKBACK_SESSIONS",
        "TT_SIMULATOR_SEED",
        "TT_LOG_FORMAT",
        "TT_LOG_LEVEL",
        *SECRET_VARIABLES,
        *(f"TT_TTL_{name.upper()}" for name in DEFAULT_TTLS),
    }
)


def _read_dotenv(file: Path) -> Mapping[str, str | None]:
    try:
        return dotenv_values(file) if file.is_file() else {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} cannot be read: {error}") from error


def _refuse_unknown(values: Mapping[str, str]) -> None:
    # A misspelt TT_TTL_SYMBOL that is silently ignored would leave the user with a TTL that nobody chose.
    unknown = sorted(name for name in values if name.startswith(_PREFIX) and name not in KNOWN_VARIABLES)
    if unknown:
        raise ConfigError(f"{unknown[0]} is not a setting; known ones are {', '.join(sorted(KNOWN_VARIABLES))}")


def _refuse_credentials(values: Mapping[str, str], has_secret: Mapping[str, bool]) -> None:
    own = {"TT_CLIENT_SECRET": SIMULATOR_CLIENT_SECRET, "TT_REFRESH_TOKEN": SIMULATOR_REFRESH_TOKEN}
    for name, is_set in has_secret.items():
        if is_set and values[name] != own[name]:
            raise ConfigError(
                f"TT_ENV is 'simulator' and {name} is set; the simulator never runs beside real credentials: unset one"
            )


def _read(values: Mapping[str, str], name: str, parse: Callable[[str], T], accepts: str, default: T) -> T:
    if name not in values:
        return default
    try:
        return parse(values[name])
    except ValueError:
        # Without its cause, and without what stands before an @ in a URL: either may hold a password.
        raise InvalidValueError(name, re.sub(r"//.*@", "//***@", values[name]), accepts) from None


E_ = TypeVar("E_", bound=StrEnum)


def _choice(values: Mapping[str, str], name: str, enum: type[E_], *, default: E_ | None) -> E_ | None:
    accepts = ", ".join(member.value for member in enum)
    return _read(values, name, lambda text: enum(text.lower()), accepts, default)


def _one_of(*words: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text.lower() not in words:
            raise ValueError(text)
        return text.lower()

    return parse


def _integer(least: int, most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        number = int(text)
        if not least <= number <= most:
            raise ValueError(text)
        return number

    return parse


def _share(text: str) -> float:
    number = float(text)
    if not 0.0 <= number <= 1.0:
        raise ValueError(text)
    return number


def _boolean(text: str) -> bool:
    match text.lower():
        case "true" | "1" | "yes" | "on":
            return True
        case "false" | "0" | "no" | "off":
            return False
        case _:
            raise ValueError(text)


def _url(text: str) -> str:
    parts = urlsplit(text)
    is_web = parts.scheme in {"http", "https"} and bool(parts.hostname)
    # Reading the port raises ValueError for one that cannot be.
    if not is_web or parts.port == 0 or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError(text)
    return text.rstrip("/")


def _universe(text: str) -> str:
    if text not in {"1", "2", "3"} and not Path(text).is_file():
        raise ValueError(text)
    return text


def _folder(text: str) -> Path:
    path = Path(text).expanduser()
    if not path.is_dir():
        raise ValueError(text)
    return path


def _file(text: str) -> Path:
    path = Path(text).expanduser()
    if not path.is_file():
        raise ValueError(text)
    return path


def _history_start(text: str) -> date:
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text) is None:
        raise ValueError(text)
    day = date.fromisoformat(text)
    if not FIRST_DATE + timedelta(days=31) <= day:
        raise ValueError(text)
    return day
