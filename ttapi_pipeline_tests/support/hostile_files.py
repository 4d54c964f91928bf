# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Folders that mean harm: each kind puts one absurdity beside a good file, small for every run or at full size.

`GOOD` has to be read whatever lies beside it.
"""

from __future__ import annotations

import os
import socket
import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

HEADER: Final = "<TICKER>,<DTYYYYMMDD>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>\n"
ROW: Final = "{},{},10,11,9,10.5,100\n"
DAYS: Final = ("20260102", "20260105", "20260106")
GOOD: Final = "GOOD"
GOOD_FILE: Final = "GOOD.txt"

ODD_TEXTS: Final = (
    "line\nfeed",
    "return\rhere",
    "\x1b[2J\x1b[31mred",
    "\x9b2Jc1",
    "\x07bell",
    "=cmd|'/C calc'!A0",
    "@SUM(1+1)",
    "-2+3",
    "+1",
    "＝1+1",
    "\t=1",
    "\u202egnp.exe",
    "\u2066isolate",
    "\u2028separator",
    "zero\u200bwidth",
    "a" * 245,
    "[bold]markup[/bold]",
    "%s %n {0}",
    "<script>alert(1)</script>",
    "日本語",
    "CON",
    "-rf",
)
"""What a name, a ticker or a cell may be; 245 letters and a suffix are as long as a file name may be."""


@dataclass(frozen=True)
class Sizes:
    """How large the absurdities are: bytes of text, bytes of a sparse file, files, folders in folders."""

    text: int
    sparse: int
    files: int
    depth: int


SMALL: Final = Sizes(text=100_000, sparse=1 << 20, files=300, depth=40)
FULL: Final = Sizes(text=1 << 30, sparse=20 << 30, files=50_000, depth=1_000)


def good_rows(ticker: str) -> str:
    return "".join(ROW.format(ticker, day) for day in DAYS)


def put_good(folder: Path) -> None:
    (folder / GOOD_FILE).write_text(good_rows(GOOD))


def _repeated(path: Path, head: bytes, part: bytes, size: int, tail: bytes = b"") -> None:
    block = part * max(1, min(size, 1 << 22) // len(part))
    with path.open("wb") as file:
        file.write(head)
        for _ in range(max(1, size // len(block))):
            file.write(block)
        file.write(tail)


def _line_without_an_end(folder: Path, sizes: Sizes, random: Random) -> None:
    letter = random.choice([b"9", b",", b"x", b'"', b" ", b";", "é".encode()])
    _repeated(folder / "LONG.txt", good_rows("LONG").encode(), letter, sizes.text)


def _first_line_without_an_end(folder: Path, sizes: Sizes, random: Random) -> None:
    letter = random.choice([b"9", b",", b"DATE,CLOSE,", b" ", b"\t"])
    _repeated(folder / "FIRST.txt", b"TICKER,DATE,CLOSE", letter, sizes.text)


def _line_ends(folder: Path, sizes: Sizes, random: Random) -> None:
    end = random.choice([b"\n", b"\r", b"\r\n", b" \n"])
    _repeated(folder / "ENDS.txt", good_rows("ENDS").encode(), end, sizes.text, good_rows("ENDS").encode())


def _sparse(folder: Path, sizes: Sizes, random: Random) -> None:
    names = ["HOLE.txt", "F1.DAT", "MASTER", "HOLE.csv"]
    for name in names:
        (folder / name).write_text(random.choice(["", good_rows("HOLE"), HEADER]))
        os.truncate(folder / name, sizes.sparse)


def _sparse_two_bytes_a_letter(folder: Path, sizes: Sizes, random: Random) -> None:
    (folder / "WIDE.txt").write_text(good_rows("WIDE"), encoding=random.choice(["utf-16", "utf-16-be"]))
    os.truncate(folder / "WIDE.txt", sizes.sparse)


def _zeros(folder: Path, sizes: Sizes, random: Random) -> None:
    text = bytearray(good_rows("ZERO").encode() * 9)
    for _ in range(random.randint(1, 9)):
        text[random.randrange(len(text))] = 0
    (folder / "ZERO.txt").write_bytes(text)
    (folder / "ALL.txt").write_bytes(bytes(min(sizes.text, 1 << 24)))


def _special_files(folder: Path, sizes: Sizes, random: Random) -> None:
    os.mkfifo(folder / "FIFO.txt")
    (folder / "ZEROS.txt").symlink_to("/dev/zero")
    (folder / "RANDOM.txt").symlink_to("/dev/urandom")
    (folder / "TERMINAL.txt").symlink_to("/dev/tty")
    # A file to look at whose every read is an input/output error.
    (folder / "BROKEN.txt").symlink_to("/proc/self/mem")
    (folder / "KERNEL.txt").symlink_to("/proc/kmsg")
    (folder / "CORE.txt").symlink_to("/proc/kcore")
    here = Path.cwd()
    with socket.socket(socket.AF_UNIX) as listener:
        # The address of a socket has 108 bytes at most.
        os.chdir(folder)
        try:
            listener.bind("SOCKET.txt")
        finally:
            os.chdir(here)


def _links(folder: Path, sizes: Sizes, random: Random) -> None:
    (folder / "itself.txt").symlink_to("itself.txt")
    (folder / "one.txt").symlink_to("other.txt")
    (folder / "other.txt").symlink_to("one.txt")
    (folder / "nowhere.txt").symlink_to(folder / "nowhere" / "at all")
    (folder / "loop").mkdir()
    (folder / "loop" / "back").symlink_to("..")
    (folder / "loop" / "up").symlink_to(folder.parent)
    (folder / "root").symlink_to("/")
    (folder / "passwd.txt").symlink_to("/etc/passwd")
    (folder / GOOD_FILE).with_suffix(".csv").symlink_to(GOOD_FILE)


def _names(folder: Path, sizes: Sizes, random: Random) -> None:
    for text in ODD_TEXTS:
        name = text.replace("/", "∕") + ".txt"
        content = random.choice([good_rows("ODD"), "no rows\n", f"{HEADER}"])
        (folder / name).write_text(content)
    (folder / "sub\n=1\x1b[1m").mkdir()
    (folder / "sub\n=1\x1b[1m" / "x.txt").write_text("DATE,CLOSE\n20260102,1\n")
    for encoded in (b"\xff\xfe.txt", b"\x80\x1b[1m.txt", b"bad\xc3\x28.csv"):
        (folder / os.fsdecode(encoded)).write_text("DATE,CLOSE\n20260102,1\n20260105,x\n")


def _cells(folder: Path, sizes: Sizes, random: Random) -> None:
    texts = [text.replace("\n", " ").replace("\r", " ") for text in ODD_TEXTS]
    rows = [ROW.format(text, day) for text in texts for day in DAYS]
    rows += [f"CELL,{day},{text},{text},9,{text},100\n" for text in texts for day in DAYS]
    rows += [f"CELL,{text},10,11,9,10,100\n" for text in texts]
    random.shuffle(rows)
    (folder / "CELLS.txt").write_text(good_rows("CELL") + "".join(rows))
    for at, text in enumerate(texts):
        (folder / f"H{at}.txt").write_text(f"TICKER,DATE,CLOSE,{text}\nCELL,20260102,10,1\n")
    (folder / "PERIOD.txt").write_text("TICKER,PER,DATE,CLOSE\nCELL,\x1b[1mD,20260102,10\n")


def _not_utf8(folder: Path, sizes: Sizes, random: Random) -> None:
    for at in range(8):
        (folder / f"N{at}.txt").write_bytes(good_rows("BYTES").encode() + random.randbytes(sizes.text // 8))
    (folder / "MARK.txt").write_bytes(b"\xef\xbb\xbf" + random.randbytes(999))
    (folder / "WIDE.txt").write_bytes(b"\xff\xfe" + random.randbytes(999))


def _deep(folder: Path, sizes: Sizes, random: Random) -> None:
    """Folders in folders, by a path that is longer than the system takes in one piece."""
    here = os.open(".", os.O_RDONLY)
    try:
        os.chdir(folder)
        name = random.choice(["d", "d" * 250])
        for _ in range(sizes.depth):
            os.mkdir(name)  # noqa: PTH102 - relative to where the process is
            os.chdir(name)
        Path("DEEP.txt").write_text(good_rows("DEEP"))
    finally:
        os.fchdir(here)
        os.close(here)


def _many(folder: Path, sizes: Sizes, random: Random) -> None:
    for at in range(sizes.files):
        (folder / f"E{at}.txt").touch()


def _absurd_rows(folder: Path, sizes: Sizes, random: Random) -> None:
    rows = (
        "ABSURD,99999999,10,11,9,10.5,100",
        "ABSURD,-0260102,10,11,9,10.5,100",
        "ABSURD,20260107,1e308,1e308,1e308,1e308,1e308",
        "ABSURD,20260107,10,11,9,1e400,100",
        "ABSURD,20260107,inf,-inf,nan,NaN,Infinity",
        "ABSURD,20260107,10,11,9," + "9" * 5_000 + ",100",
        "ABSURD,20260107,10,11,9,0x10,100",
        "ABSURD,20260107,10,11,9,١٠,100",
        "ABSURD" * 500 + ",20260107,10,11,9,10.5,100",
        "ABSURD,20260107" + ",1" * 5_000,
        ",,,,,,",
        '"ABSURD,20260107,10,11,9,10.5,100',
    )
    for at, row in enumerate(rows):
        (folder / f"R{at}.txt").write_text(good_rows(f"ABS{chr(65 + at)}") + row + "\n")


def _indexes(folder: Path, sizes: Sizes, random: Random) -> None:
    for at, size in enumerate((53, 192, 150)):
        name = ("MASTER", "EMASTER", "XMASTER")[at]
        for kind in range(4):
            part = folder / f"{name}{kind}"
            part.mkdir()
            records = bytearray(random.randbytes(size * random.choice([1, 3, 256])))
            head = bytes([255, 0, 255]) if size != 150 else b"\x5d\xfe\x58\x4d" + b"\xff" * 8
            records[: len(head)] = head if kind % 2 else records[: len(head)]
            (part / name).write_bytes(records)
            for number in (1, 255, 256, 65_535, 99_999):
                header = struct.pack("<HH", random.choice([0, 65_535]), random.choice([0, 1, 65_535]))
                content = header + random.randbytes(random.choice([0, 24, 28 * 7, 28 * 999]))
                (part / f"F{number}.DAT").write_bytes(content)


def bomb(size: int, *, head: bytes) -> bytes:
    """A stream of zlib that begins as text: whole blocks of `head`, then what unpacks to `size` bytes.

    A block that is not packed begins with its length and the complement of that: 0x403D is ``=@`` and two bytes that
    are one letter of UTF-8.
    """
    block = (head * (0x403D // len(head) + 1))[:0x403D]
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = b"".join(packer.compress(bytes(1 << 20)) for _ in range(max(1, size >> 20))) + packer.flush()
    return b"x\x010=@\xc2\xbf" + block + packed


def _packed(folder: Path, sizes: Sizes, random: Random) -> None:
    import gzip
    import zipfile

    text = good_rows("PACK").encode() * 99
    (folder / "PACK.txt.gz").write_bytes(gzip.compress(text))
    (folder / "PACKED.txt").write_bytes(gzip.compress(bytes(sizes.text)))
    (folder / "Z.txt").write_bytes(zlib.compress(bytes(sizes.text), 0))
    with zipfile.ZipFile(folder / "PACK.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("PACK.txt", bytes(sizes.text))
    rows = bomb(4 * sizes.text, head=good_rows("BOMB").encode())
    (folder / "BOMB.txt").write_bytes(HEADER.encode() + rows)
    (folder / "BOMB.csv").write_bytes(rows)


def _no_permission(folder: Path, sizes: Sizes, random: Random) -> None:
    (folder / "SECRET.txt").write_text(good_rows("SECRET"))
    (folder / "SECRET.txt").chmod(0)


def _tickers(folder: Path, sizes: Sizes, random: Random) -> None:
    """A ticker of its own on each row."""
    with (folder / "TICKERS.txt").open("w") as file:
        letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
        for at in range(min(sizes.text, 200 << 20) // 31):
            ticker = letters[at // 26**4 % 26] + "".join(letters[at // 26**place % 26] for place in range(4))
            file.write(ROW.format(ticker, DAYS[0]))


KINDS: Final[Mapping[str, Callable[[Path, Sizes, Random], None]]] = {
    function.__name__.removeprefix("_"): function
    for function in (
        _line_without_an_end,
        _first_line_without_an_end,
        _line_ends,
        _sparse,
        _sparse_two_bytes_a_letter,
        _zeros,
        _special_files,
        _links,
        _names,
        _cells,
        _not_utf8,
        _deep,
        _many,
        _absurd_rows,
        _indexes,
        _packed,
        _no_permission,
        _tickers,
    )
}
"""What may lie in a folder, by name; each is given the folder, the sizes and what chooses."""
