# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Where alerts go in tests: a web server that takes what is posted, and a mail server that takes what is sent."""

from __future__ import annotations

import email
import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Webhook:
    """Takes JSON at any path, in a thread of its own.

    Attributes:
        url: For Apprise, with a password and a token in its path.
        status: What it answers.
        posted: The documents so far, also those that it has not accepted.
    """

    url: str = ""
    status: int = 200
    posted: list[dict[str, Any]] = field(default_factory=list)

    @property
    def titles(self) -> list[str]:
        return [each["title"] for each in self.posted]


@contextmanager
def webhook() -> Iterator[Webhook]:
    """Listens on a free port of this machine for the length of the block."""
    hook = Webhook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            hook.posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(hook.status, "said canary-token-in-path canary-password")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hook.url = f"json://user:canary-password@127.0.0.1:{server.server_port}/canary-token-in-path"
    with _serving(server):
        yield hook


@dataclass
class MailServer:
    """Speaks as much SMTP as a mail of one part needs, without encryption.

    Attributes:
        url: For Apprise, with a password.
        mails: What came so far.
        receivers: Addresses that mails went to.
    """

    url: str = ""
    mails: list[Message] = field(default_factory=list)
    receivers: list[str] = field(default_factory=list)


@contextmanager
def mail_server() -> Iterator[MailServer]:
    """Listens on a free port of this machine for the length of the block."""
    sink = MailServer()

    class Handler(socketserver.StreamRequestHandler):
        def say(self, line: str) -> None:
            self.wfile.write(f"{line}\r\n".encode())

        def handle(self) -> None:
            self.say("220 sink")
            while line := self.rfile.readline():
                match line.decode().strip().upper().split(" ")[0]:
                    case "EHLO" | "HELO":
                        self.say("250 sink")
                    case "RCPT":
                        sink.receivers.append(line.decode().partition("<")[2].partition(">")[0])
                        self.say("250 yes")
                    case "DATA":
                        self.say("354 go on")
                        lines = []
                        while (read := self.rfile.readline()) not in {b".\r\n", b""}:
                            lines.append(read)
                        sink.mails.append(email.message_from_bytes(b"".join(lines), policy=default))
                        self.say("250 taken")
                    case "QUIT":
                        self.say("221 bye")
                        return
                    case _:
                        self.say("250 yes")

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    port = server.server_address[1]
    sink.url = f"mailto://127.0.0.1:{port}?from=pipeline@example.test&to=trader@example.test,desk@example.test"
    with _serving(server):
        yield sink


@contextmanager
def _serving(server: socketserver.TCPServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
