# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Binary MetaStock folders: the index files MASTER, EMASTER and XMASTER, and one F<n>.DAT or F<n>.MWD per security.

Only decoding is here. `careful` decides which rows are kept, and `indexes` which files belong together. All integers
are little-endian; numbers are 4-byte floats of Microsoft's binary format (MBF), with 24 bits of mantissa: about 7
digits. The layout follows the published readers atem, ms2txt and metastock2pd.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from ttapi_pipeline.core.errors import InvalidFormatError
from ttapi_pipeline.metastock.file_sizes import read_at_most

INDEX_NAMES: Final = ("MASTER", "EMASTER", "XMASTER")
"""In rising order of precedence: a later index has more fields and longer names."""

_DATA_FILE: Final = re.compile(r"F([1-9]\d{0,4})\.(?:DAT|MWD)", re.ASCII | re.IGNORECASE)
_XMASTER_MAGIC: Final = b"\x5d\xfe\x58\x4d"
_MOST_RECORDS: Final = 1 << 16
"""Of a file: its header counts them in two bytes."""
_MOST_INDEX_BYTES: Final = 192 * _MOST_RECORDS
_MOST_DATA_BYTES: Final = 8 * 4 * _MOST_RECORDS

# The bits in the order in which the fields stand in a record.
_FIELD_BITS: Final = (
    (1, "date"),
    (128, "time"),
    (32, "open"),
    (2, "high"),
    (4, "low"),
    (8, "close"),
    (16, "volume"),
    (64, "open_interest"),
)
_FIELDS_BY_COUNT: Final[Mapping[int, Sequence[str]]] = {
    5: ("date", "high", "low", "close", "volume"),
    6: ("date", "open", "high", "low", "close", "volume"),
    7: ("date", "open", "high", "low", "close", "volume", "open_interest"),
    8: ("date", "time", "open", "high", "low", "close", "volume", "open_interest"),
}
"""The fields by their number, for MASTER, which has no field bits."""


@dataclass(frozen=True, slots=True)
class Security:
    """A security as an index file describes it, with the form of its data file.

    Attributes:
        ticker: As the vendor spells it.
        period: One letter, upper case.
        fields: The role of each 4-byte number of a record, in order.
    """

    ticker: str
    period: str
    fields: Sequence[str]


def is_index(name: str) -> bool:
    """Whether a file of that name, without folders, is an index."""
    return name.upper() in INDEX_NAMES


def data_file_number(name: str) -> int | None:
    """The number of a data file, by its name without folders; None for another file."""
    match = _DATA_FILE.fullmatch(name)
    return None if match is None else int(match[1])


def read_index(path: Path) -> Mapping[int, Security]:
    """The securities of an index file, by the number of their data file.

    Raises:
        InvalidFormatError: The file is not an index of its name's kind.
        OSError: The file cannot be read.
    """
    content = read_at_most(path, _MOST_INDEX_BYTES + 1)
    if len(content) > _MOST_INDEX_BYTES:
        raise InvalidFormatError(f"{path.name} has more than {_MOST_INDEX_BYTES:,} bytes, as no index needs")
    return decode_index(path.name, content)


def decode_index(name: str, content: bytes) -> Mapping[int, Security]:
    """The same by name and content of the file.

    Raises:
        InvalidFormatError: It is not an index of its name's kind.
    """
    match name.upper():
        case "MASTER":
            size, read, count = 53, _master_record, content[0] if content else 0
        case "EMASTER":
            size, read, count = 192, _emaster_record, content[0] if content else 0
        case _:
            if not content.startswith(_XMASTER_MAGIC) or len(content) < 12:
                raise InvalidFormatError(f"{name} does not begin as one does")
            size, read, count = 150, _xmaster_record, int.from_bytes(content[10:12], "little")
    records = [content[start : start + size] for start in range(size, len(content), size)]
    if not content or len(content) % size or len(records) < count:
        raise InvalidFormatError(
            f"{name} has {len(content)} bytes, which are not {count + 1} or more records of {size}"
        )
    return dict(each for record in records[:count] if (each := read(record)) is not None)


def _master_record(record: bytes) -> tuple[int, Security] | None:
    fields = _FIELDS_BY_COUNT.get(record[4], ())
    return _security(record[0], record[36:50], record[33], fields)


def _emaster_record(record: bytes) -> tuple[int, Security] | None:
    return _security(record[2], record[11:25], record[60], _fields(record[7], record[6]))


def _xmaster_record(record: bytes) -> tuple[int, Security] | None:
    return _security(int.from_bytes(record[65:67], "little"), record[1:15], record[62], _fields(record[70], None))


def _fields(bits: int, count: int | None) -> Sequence[str]:
    fields = tuple(name for bit, name in _FIELD_BITS if bits & bit)
    # Some vendors leave the bits at 0, or set them for fewer fields than a record has.
    if count is not None and len(fields) != count:
        return _FIELDS_BY_COUNT.get(count, ())
    return fields


def _security(number: int, ticker: bytes, period: int, fields: Sequence[str]) -> tuple[int, Security] | None:
    text = ticker.split(b"\0")[0].decode("cp1252", errors="replace").strip()
    return (number, Security(text, chr(period).upper(), fields)) if number else None


def decode_mbf(words: npt.NDArray[np.uint32]) -> npt.NDArray[np.float64]:
    """Microsoft binary floats as IEEE ones: the exponent is the top byte with another bias, the sign is bit 23.

    An exponent of 0 is the number 0. Every MBF number fits; the smallest ones would not fit an IEEE single.
    """
    exponent = (words >> np.uint32(24)).astype(np.int32)
    mantissa = (words & np.uint32(0x007F_FFFF) | np.uint32(0x0080_0000)).astype(np.float64)
    # 0.1mmm… times 2 to the exponent less 128: the mantissa has 24 bits.
    magnitude = np.ldexp(mantissa, exponent - 152)
    signed = np.where(words & np.uint32(0x0080_0000), -magnitude, magnitude)
    return np.where(exponent == 0, 0.0, signed)


def read_records(path: Path) -> bytes:
    """The bytes of a data file.

    Raises:
        InvalidFormatError: There are more than its header can count.
        OSError: The file cannot be read.
    """
    content = read_at_most(path, _MOST_DATA_BYTES + 1)
    if len(content) > _MOST_DATA_BYTES:
        raise InvalidFormatError(
            f"it has more than {_MOST_DATA_BYTES:,} bytes, and a header counts {_MOST_RECORDS:,} records"
        )
    return content


def decode_records(content: bytes, security: Security) -> pl.DataFrame:
    """The records of a data file: ``date`` as text, YYYYMMDD where it is a date, and a float for each other field.

    Raises:
        InvalidFormatError: The content does not fit the index.
    """
    size = 4 * len(security.fields)
    if "date" not in security.fields or "close" not in security.fields:
        raise InvalidFormatError("its index names no date and close for it")
    if len(content) < size or len(content) % size:
        raise InvalidFormatError(f"it has {len(content)} bytes, which are no records of {size}")
    last = int.from_bytes(content[2:4], "little") - 1
    numbers = np.frombuffer(content, dtype="<u4").reshape(-1, len(security.fields))[1:]
    # The header says how many records count; after a deletion there may be others behind them.
    if not 0 <= last <= len(numbers):
        raise InvalidFormatError(f"its header says {last} records, and it has {len(numbers)}")
    values = decode_mbf(numbers[:last])
    return pl.DataFrame({name: values[:, at] for at, name in enumerate(security.fields)}).with_columns(
        date=_date_text(pl.col("date"))
    )


def _date_text(number: pl.Expr) -> pl.Expr:
    """Dates are (year - 1900) x 10000 + month x 100 + day: 1000101 is 2000-01-01."""
    is_whole = (number > 0) & (number < 8_100_000) & (number == number.floor())
    return (
        pl.when(is_whole)
        .then((number + 19_000_000).cast(pl.Int64, strict=False).cast(pl.String))
        .otherwise(number.cast(pl.String))
    )
