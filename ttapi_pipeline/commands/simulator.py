# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""`tt simulator`: runs the local exchange, or writes MetaStock files of its market.

The exchange as a program, with its options, is `simulator.program`. Neither reads the project's settings.
"""

from __future__ import annotations

import argparse
import sys
from datetime import date
from typing import Final

from ttapi_pipeline.commands.exit_codes import OK, WRONG_USAGE
from ttapi_pipeline.commands.json_output import print_json
from ttapi_pipeline.commands.parsers import CommandParser
from ttapi_pipeline.core.arguments import accepting
from ttapi_pipeline.core.clock import SYSTEM_CLOCK
from ttapi_pipeline.core.errors import TTError
from ttapi_pipeline.core.symbology import canonical_symbol
from ttapi_pipeline.core.variables import path_of

_DATE: Final = accepting(date.fromisoformat, "a date such as 2026-01-31")

EXAMPLES: Final = {
    "tt simulator": "on http://127.0.0.1:8787, until Ctrl-C",
    "tt simulator --port 0 --seed 8 --json": "another market, on any free port",
    "tt simulator metastock ~/metastock --symbols AAPL KO": "MetaStock files of the same market",
}


def add_options(parser: CommandParser) -> None:
    """Give the command its options and its help, which are those of the simulator's own program."""
    from ttapi_pipeline.simulator import program

    program.add_options(parser)
    parser.explain(parser.description or "", examples=EXAMPLES, notes=parser.epilog or "")
    parser.set_defaults(run_simulator=program.run)
    files = parser.add_subparsers(metavar="[metastock]").add_parser(
        "metastock",
        help="write MetaStock files of the same market instead",
        description="Write MetaStock ASCII files of the simulated market.",
    )
    files.set_defaults(run_simulator=_write_files)
    files.add_argument("folder", type=accepting(path_of, "a path"), help="a folder that is new or empty")
    # Without a default of its own: it would replace a --seed in front of the word "metastock".
    files.add_argument("--seed", type=int, default=argparse.SUPPRESS)
    files.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="say what was written as JSON")
    files.add_argument("--first", type=_DATE, help="first session, YYYY-MM-DD")
    files.add_argument("--last", type=_DATE, help="last session; by default 30 before the last closed one")
    files.add_argument("--raw", action="store_true", help="prices as traded, not adjusted for the splits of the market")
    files.add_argument(
        "--split",
        action="append",
        default=[],
        type=accepting(_split, "SYMBOL:DATE:RATIO, such as AAPL:2026-06-15:20"),
        metavar="SYMBOL:DATE:RATIO",
        help="leave a split in the files that the market does not have, such as AAPL:2026-06-15:20; repeatable",
    )
    files.add_argument(
        "--symbols",
        nargs="+",
        type=accepting(canonical_symbol, "symbols such as AAPL or BRK/B"),
        help="by default 95%% of the S&P 500",
    )


def run(options: argparse.Namespace) -> int:
    """Serve until a signal, or write the files; 0 afterwards, 2 for wrong usage."""
    code: int = options.run_simulator(options)
    return code


def _split(text: str) -> tuple[str, date, float]:
    symbol, day, ratio = text.rsplit(":", 2)
    if not 0.001 <= float(ratio) <= 1000:
        raise ValueError(text)
    return canonical_symbol(symbol), date.fromisoformat(day), float(ratio)


def _write_files(options: argparse.Namespace) -> int:
    from ttapi_pipeline.simulator.market.market import Market
    from ttapi_pipeline.simulator.market.metastock_files import (
        DEFAULT_FIRST,
        default_last,
        metastock_symbols,
        splits_of_market,
        write_metastock_files,
    )

    first = options.first or DEFAULT_FIRST
    last = options.last or default_last(SYSTEM_CLOCK.now())
    market = Market(options.seed)
    try:
        symbols = options.symbols or metastock_symbols(market)
        unadjusted = {
            symbol: list(splits) for symbol, splits in splits_of_market(market, symbols).items() if options.raw
        }
        for symbol, day, ratio in options.split:
            unadjusted.setdefault(symbol, []).append((day, ratio))
        files = write_metastock_files(
            market, options.folder, first=first, last=last, symbols=symbols, unadjusted=unadjusted
        )
    except (TTError, KeyError) as error:
        sys.stderr.write(f"error: {error}\n")
        return WRONG_USAGE
    if options.json:
        print_json({"folder": str(options.folder), "files": files, "first": str(first), "last": str(last)})
    else:
        sys.stdout.write(f"{files} files in {options.folder}, simulated, {first} to {last}\n")
    return OK
