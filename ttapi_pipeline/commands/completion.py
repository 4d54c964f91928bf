# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""`tt completion`: the script that has a shell complete the words of `tt`. The words themselves: see `completers`."""

from __future__ import annotations

import argparse
import sys
from typing import Final

from ttapi_pipeline.commands.exit_codes import OK
from ttapi_pipeline.commands.json_output import print_json
from ttapi_pipeline.commands.parsers import CommandParser, one_of

_SHELLS: Final = ("bash", "zsh", "fish")
_FOR_ZSH: Final = "(( ${+functions[compdef]} )) || { autoload -Uz compinit && compinit }\n"

EXAMPLES: Final = {
    "tt completion bash >> ~/.bashrc": "for every new bash",
    "tt completion zsh >> ~/.zshrc": "for every new zsh",
    "tt completion fish > ~/.config/fish/completions/tt.fish": "for fish",
}


def add_options(parser: CommandParser) -> None:
    """Give the command its options and its help."""
    parser.explain(
        "Print the script that has a shell complete commands, options, datasets, columns and stored symbols.",
        examples=EXAMPLES,
    )
    parser.add_argument("shell", type=one_of(_SHELLS, what="shell"), choices=_SHELLS, help="whose script")
    parser.add_argument("--json", action="store_true", help="print it in a JSON object")


def run(options: argparse.Namespace) -> int:
    """Print the script."""
    from argcomplete.shell_integration import shellcode

    first, rest = shellcode(["tt"], shell=options.shell).lstrip("\n").split("\n", 1)
    # The first line tells zsh what it is. In a start file, the completions of zsh may not be loaded yet.
    script = f"{first}\n{_FOR_ZSH if options.shell == 'zsh' else ''}{rest}"
    if options.json:
        print_json({"shell": options.shell, "script": script})
    else:
        sys.stdout.write(script)
    return OK


def answer(parser: CommandParser) -> None:
    """Answer a script's question for words, and end the process then."""
    import argcomplete

    argcomplete.autocomplete(parser, always_complete_options=False)
