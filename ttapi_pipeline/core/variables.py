# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What is known of an environment variable: its name, how it is read, what it accepts, and what it means.

The table of all variables is the class `settings.Settings`, a variable per attribute; here are its columns and the
parsers. A parser takes a value without spaces around it, and raises ValueError for one that it does not accept.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import date, timedelta
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from ttapi_pipeline.core.errors import InvalidValueError
from ttapi_pipeline.core.extra_symbols import ALL, NONE, is_symbol, words_of
from ttapi_pipeline.core.privacy import STRUCK_OUT
from ttapi_pipeline.core.sessions import FIRST_DATE
from ttapi_pipeline.core.symbology import canonical_symbol
from ttapi_pipeline.core.ttl import ACCEPTED_DURATION, format_duration, parse_duration
from ttapi_pipeline.core.universes import SymbolList, lists_of

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)

PREFIX: Final = "TT_"
"""Every variable begins with it, and a name that begins with it is a variable of ours or a mistake."""

_METADATA_KEY: Final = "variable"


@dataclass(frozen=True, slots=True)
class Variable:
    """One row of the table.

    Attributes:
        name: Of the environment variable.
        parse: Text to value; raises ValueError.
        accepts: What `parse` accepts, in words that go on from "it accepts".
        default: The default as one would write it in a `.env` file; empty when nothing is set by default.
        meaning: What it is for, without a full stop.
        default_in_words: Where the default depends on something else: on what, and how.
        is_secret: Whether the value may not be shown.
    """

    name: str
    parse: Callable[[str], object]
    accepts: str
    default: str
    meaning: str
    default_in_words: str = ""
    is_secret: bool = False

    @property
    def is_path(self) -> bool:
        """Whether a value names a file or a folder, which may be relative."""
        return self.parse in {existing_folder, existing_file, folder, location, universe, extra}

    def read(self, text: str) -> Any:
        """The value of a text.

        Raises:
            InvalidValueError: The text is not what the variable accepts.
        """
        try:
            return self.parse(text)
        except _UnknownListError as error:
            raise InvalidValueError(self.name, text, f"{self.accepts}: {error}") from None
        except ValueError:
            # Without its cause, and without what stands before an @ in a URL: either may hold a password.
            shown = STRUCK_OUT if self.is_secret else re.sub(r"//.*@", "//***@", text)
            raise InvalidValueError(self.name, shown, self.accepts) from None


class _UnknownListError(ValueError):
    """One list of several is none; the message says which."""


def setting(
    name: str,
    parse: Callable[[str], T],
    *,
    accepts: str,
    default: T,
    meaning: str,
    default_in_words: str = "",
    is_secret: bool = False,
) -> T:
    """Declare an attribute of a dataclass that is read from a variable; the arguments are those of `Variable`.

    Returns:
        A dataclass field, whose default is the variable's. Typed as the value, as `dataclasses.field` is.
    """
    # A secret has no default to be shown: it is the simulator's own, or has to be set.
    shown = "" if is_secret or default_in_words else _as_text(default)
    variable = Variable(name, parse, accepts, shown, meaning, default_in_words, is_secret)
    return field(default=default, repr=not is_secret, metadata={_METADATA_KEY: variable})


def variables_of(settings: type[Any]) -> Mapping[str, Variable]:
    """The variables of a dataclass by attribute, in its order."""
    declared = {each.name: each.metadata.get(_METADATA_KEY) for each in fields(settings)}
    return MappingProxyType({name: variable for name, variable in declared.items() if variable is not None})


TTL_PREFIX: Final = f"{PREFIX}TTL_"


def ttl_variable(dataset: str, default: timedelta) -> Variable:
    """The variable of a dataset's TTL; the datasets and their own TTLs are in `datasets.registry`."""
    return Variable(
        f"{TTL_PREFIX}{dataset.upper()}",
        parse_duration,
        ACCEPTED_DURATION,
        format_duration(default),
        f"how long {dataset} stays fresh",
    )


def read_ttls(values: Mapping[str, str]) -> Mapping[str, timedelta]:
    """The TTLs that variables give, by dataset.

    Raises:
        InvalidValueError: A value is not a duration.
    """
    names = {name.removeprefix(TTL_PREFIX).lower(): name for name in values if name.startswith(TTL_PREFIX)}
    return MappingProxyType(
        {dataset: ttl_variable(dataset, timedelta(0)).read(values[name]) for dataset, name in names.items()}
    )


def _as_text(default: object) -> str:
    match default:
        case None:
            return ""
        case bool():
            return str(default).lower()
        case tuple():
            return ",".join(map(str, default))
        case _:
            return str(default)


def member_of(enum: type[E]) -> Callable[[str], E]:
    """Reads the value of an enumeration, in capital or small letters."""
    return lambda text: enum(text.lower())


def one_of(*words: str) -> Callable[[str], str]:
    """Reads one of the words, in capital or small letters; the result is in small letters."""

    def parse(text: str) -> str:
        if text.lower() not in words:
            raise ValueError(text)
        return text.lower()

    return parse


def integer(least: int, most: int) -> Callable[[str], int]:
    """Reads a whole number between two others, both included."""

    def parse(text: str) -> int:
        number = int(text)
        if not least <= number <= most:
            raise ValueError(text)
        return number

    return parse


_UNITS: Final = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_SIZE: Final = re.compile(r"(\d{1,15}(?:\.\d{1,3})?) ?([KMGT]?B|)", re.IGNORECASE)


def size(text: str) -> int:
    """A number of bytes, such as 750 MB."""
    found = _SIZE.fullmatch(text)
    if found is None:
        raise ValueError(text)
    return int(float(found[1]) * _UNITS[found[2].upper()])


def share(text: str) -> float:
    """A number from 0 to 1; NaN is not one."""
    number = float(text)
    if not 0.0 <= number <= 1.0:
        raise ValueError(text)
    return number


def multiplier(text: str) -> float:
    """A number above 0, and no infinity."""
    number = float(text)
    if not 0.0 < number < math.inf:
        raise ValueError(text)
    return number


def words(text: str) -> tuple[str, ...]:
    """Words between commas, in capital letters, at least one."""
    found = tuple(word.strip().upper() for word in text.split(",") if word.strip())
    if not found:
        raise ValueError(text)
    return found


def suffixes(text: str) -> str:
    """``auto``, ``none``, or suffixes between commas, in capital letters and without dots."""
    if text.lower() in {"auto", "none"}:
        return text.lower()
    found = [word.removeprefix(".") for word in words(text)]
    if not all(word.isascii() and word.isalpha() for word in found):
        raise ValueError(text)
    return ",".join(found)


def code_page(text: str) -> str:
    """The name of an encoding of text that Python knows."""
    try:
        b" ".decode(text, errors="replace")
    except LookupError as error:
        raise ValueError(text) from error
    return text.lower()


def boolean(text: str) -> bool:
    """True or false in one of the four usual spellings."""
    match text.lower():
        case "true" | "1" | "yes" | "on":
            return True
        case "false" | "0" | "no" | "off":
            return False
        case _:
            raise ValueError(text)


def web_url(text: str) -> str:
    """An http or https URL without credentials, query or fragment; a final slash is cut off."""
    parts = urlsplit(text)
    is_web = parts.scheme in {"http", "https"} and bool(parts.hostname)
    # Reading the port raises ValueError for one that cannot be.
    if not is_web or parts.port == 0 or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError(text)
    return text.rstrip("/")


def one_word(text: str) -> str:
    """A text without spaces and line ends in it: a file with more than one secret, say, is none of them."""
    if len(text.split()) != 1:
        raise ValueError(text)
    return text


def url(text: str) -> str:
    """A URL of any scheme, which may hold a password."""
    if re.fullmatch(r"[A-Za-z][\w+.-]*://\S*", text) is None:
        raise ValueError(text)
    return text


def urls(text: str) -> tuple[str, ...]:
    """URLs of any scheme between spaces, or between commas that are followed by another scheme; at least one."""
    # A comma may also stand within a URL, between the receivers of a mail.
    found = [each.strip() for each in re.split(r"\s+|,(?=\s*[A-Za-z][\w+.-]*://)", text) if each.strip()]
    if not found or not all(re.match(r"[A-Za-z][\w+.-]*://", each) for each in found):
        raise ValueError(text)
    return tuple(found)


def path_of(text: str) -> Path:
    """A path; a leading ~ is the home folder."""
    try:
        return Path(text).expanduser()
    except RuntimeError as error:  # ~somebody, of whom the system knows no home
        raise ValueError(text) from error


def absolute(text: str, folder: Path) -> str:
    """The value of a variable that names a file or a folder, relative to no current folder.

    Args:
        text: The value; a URL and a path from ~ on stay as they are.
        folder: A relative path is relative to it.
    """
    is_relative = text and "://" not in text and not text.startswith("~")
    return str(folder / text) if is_relative else text


def with_absolute_paths(values: Mapping[str, str], known: Iterable[Variable], folder: Path) -> Mapping[str, str]:
    """Variables with absolute paths in place of those that are relative to a folder; others stay as they are."""
    paths = {variable.name: variable for variable in known if variable.is_path}

    def changed(name: str, value: str) -> str:
        if name not in paths:
            return value
        text = value.strip()
        if paths[name].parse is universe:
            return ",".join(each if each in _NUMBERS else absolute(each, folder) for each in lists_of(text, folder))
        if paths[name].parse is extra:
            return ",".join(each if is_symbol(each) else absolute(each, folder) for each in words_of(text, folder))
        return absolute(text, folder)

    return {name: changed(name, value) for name, value in values.items()}


_NUMBERS: Final = frozenset(SymbolList)


def universe(text: str) -> str:
    """Numbers of lists and paths of files that exist, between commas; a leading ~ is the home folder."""
    lists = lists_of(text)
    if not lists:
        raise ValueError(text)
    return ",".join(each if each in _NUMBERS else _list_in_file(each, is_one_of=len(lists)) for each in lists)


def extra(text: str) -> str:
    """``all``, ``none``, or symbols and paths of files that exist, between commas, in order and once each."""
    if text.lower() in {ALL, NONE}:
        return text.lower()
    words = words_of(text)
    if not words or {ALL, NONE}.intersection(word.lower() for word in words):
        raise ValueError(text)
    found = [canonical_symbol(each) if is_symbol(each) else _list_in_file(each, is_one_of=2) for each in words]
    return ",".join(sorted(dict.fromkeys(found)))


def _list_in_file(text: str, *, is_one_of: int) -> str:
    try:
        return str(existing_file(text))
    except ValueError:
        if is_one_of == 1:
            raise
        raise _UnknownListError(f"there is no file {text!r}") from None


def location(text: str) -> str:
    """A local path or the URL of an object store, without a final slash; whether it exists is not looked at."""
    scheme, separator, place = text.partition("://")
    if separator and scheme != "file" and not place.strip("/"):
        raise ValueError(f"{text} names no bucket")
    return str(path_of(text)) if text.startswith("~") else text.rstrip("/") or "/"


def folder(text: str) -> Path:
    """A folder of this machine, which need not exist."""
    if "://" in text:
        raise ValueError(f"{text} is not a path")
    return path_of(text)


def existing_folder(text: str) -> Path:
    """A folder that exists; a leading ~ is the home folder."""
    path = path_of(text)
    if not path.is_dir():
        raise ValueError(text)
    return path


def existing_file(text: str) -> Path:
    """A file that exists; a leading ~ is the home folder."""
    path = path_of(text)
    if not path.is_file():
        raise ValueError(text)
    return path


def history_start(text: str) -> date:
    """A date as YYYY-MM-DD, a month or more after the first day of the packaged calendar."""
    # date.fromisoformat accepts 20100104 as well, and a week's date.
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text) is None:
        raise ValueError(text)
    day = date.fromisoformat(text)
    if not FIRST_DATE + timedelta(days=31) <= day:
        raise ValueError(text)
    return day
