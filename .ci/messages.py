# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Makes `docs/messages.md` of the errors in the code: ``python .ci/messages.py > docs/messages.md``.

What a message names each time, such as a file or a number, is shown as … . What to do about the frequent ones is
written by hand, in `docs/troubleshooting.md`.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from functools import cache
from pathlib import Path

from ttapi_pipeline.core import errors

PACKAGE = Path(errors.__file__).parents[1]
ERRORS = {
    name: error for name, error in vars(errors).items() if isinstance(error, type) and issubclass(error, errors.TTError)
}
HEAD = """<!-- SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors -->
<!-- SPDX-License-Identifier: MIT -->

# Every message

Every sentence in which the program says that something failed, by the kind of the error. Made from the code by `make
docs`; … stands for what a message names each time: a file, a symbol, a number, or what a server or the operating
system said. Most messages say what to do; more about the frequent ones is in [troubleshooting](troubleshooting.md).
"""


def template(node: ast.expr) -> str | None:
    """The text of an expression that makes a string, with … for what is put into it; None for another expression."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            words = "".join(template(part) or "…" for part in parts)
            return re.sub(r"…(?:\s*…)+", "…", words)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return f"{template(left) or '…'}{template(right) or '…'}"
    return None


@cache
def sources() -> tuple[ast.Module, ...]:
    """Every module of the package but those of the simulator, whose errors are those of another program."""
    paths = [path for path in sorted(PACKAGE.rglob("*.py")) if PACKAGE / "simulator" not in path.parents]
    return tuple(ast.parse(path.read_text(encoding="utf-8")) for path in paths)


@cache
def strings() -> set[str]:
    """Every string of the program as a template."""
    found = {template(node) for tree in sources() for node in ast.walk(tree) if isinstance(node, ast.expr)}
    return {each for each in found if each}


@cache
def messages() -> dict[str, set[str]]:
    """The templates of the messages of each class of errors."""
    found: dict[str, set[str]] = {name: set() for name in ERRORS}
    for tree in sources():
        for node in ast.walk(tree):
            match node:
                case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=arguments) if name in ERRORS:
                    found[name].update(words for each in arguments if (words := template(each)) and " " in words)
                case ast.ClassDef(name=name, body=body) if name in ERRORS:
                    # A message that the class itself makes of its arguments.
                    for call in (each for part in body for each in ast.walk(part) if isinstance(each, ast.Call)):
                        made = [
                            words for each in call.args if isinstance(each, ast.JoinedStr) and (words := template(each))
                        ]
                        found[name].update(words for words in made if " " in words)
    return found


def page() -> str:
    """The page, in Markdown."""
    parts = [HEAD]
    for name, texts in messages().items():
        if texts:
            about = (inspect.getdoc(ERRORS[name]) or "").partition("\n")[0]
            again = " The same command may succeed later." if ERRORS[name].retryable else ""
            lines = (f"- {code(text)}" for text in sorted(texts, key=lambda text: (text.lstrip("… :").lower(), text)))
            parts.append("\n".join([f"## {name}", "", f"{about}{again}", "", *lines, ""]))
    return "\n".join(parts)


def code(text: str) -> str:
    """The text as inline code, also where it has backticks."""
    return f"`` {text} ``" if "`" in text else f"`{text}`"


if __name__ == "__main__":
    sys.stdout.write(page())
