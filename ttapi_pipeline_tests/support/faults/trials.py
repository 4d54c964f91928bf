# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Runs a writer under a fault and judges what it told, what it left, and whether the next run mends it."""

from __future__ import annotations

import errno
import os
import shutil
import signal
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from ttapi_pipeline_tests.support.faults.library import Action, Event, Fault, Operation, read_events
from ttapi_pipeline_tests.support.faults.power import Disk, Kept
from ttapi_pipeline_tests.support.faults.server import Server, document_of
from ttapi_pipeline_tests.support.faults.writer import DROPPED, View, Writer
from ttapi_pipeline_tests.support.folders import copy_with_links

_NAMES: Final = frozenset(
    {
        Operation.OPEN,
        Operation.RENAME,
        Operation.LINK,
        Operation.SYMLINK,
        Operation.UNLINK,
        Operation.MKDIR,
        Operation.RMDIR,
        Operation.ATTRIBUTES,
    }
)
_CONTENT: Final = frozenset({Operation.WRITE, Operation.TRUNCATE, Operation.SYNC, Operation.CLOSE})

LASTING: Final[Mapping[int, Collection[Operation]]] = {
    # A full disk still lets go of files.
    errno.ENOSPC: frozenset(
        {
            Operation.OPEN,
            Operation.WRITE,
            Operation.TRUNCATE,
            Operation.LINK,
            Operation.SYMLINK,
            Operation.MKDIR,
            Operation.SYNC,
        }
    ),
    errno.EIO: _NAMES | _CONTENT,
    # A file that is open stays open.
    errno.EACCES: _NAMES,
}
"""What fails from the first error on, by the error."""

_ONCE: Final[Mapping[int, Collection[Operation]]] = {
    errno.ENOSPC: (_NAMES | _CONTENT) - {Operation.UNLINK, Operation.RMDIR},
    errno.EIO: _NAMES | _CONTENT,
    errno.EACCES: _NAMES,
}
"""What can fail once, by the error."""


def faults_at(number: int, event: Event) -> Iterator[Fault]:
    """Every fault that an event can have."""
    if event.operation is not Operation.CLOSE:
        # Before it is closed and after, a file is the same.
        yield Fault(number, Action.KILL)
    if event.operation is Operation.WRITE and event.length > 1:
        yield Fault(number, Action.TEAR)
        yield Fault(number, Action.SHORT, errno.ENOSPC, LASTING[errno.ENOSPC])
    for error, operations in _ONCE.items():
        if event.operation in operations:
            yield Fault(number, Action.FAIL, error)
        if event.operation in LASTING[error]:
            yield Fault(number, Action.FAIL, error, LASTING[error])


class Trials:
    """The trials of one writer.

    Args:
        server: Has the writer.
        writer: Whose runs are disturbed.
        scratch: An empty folder.
    """

    def __init__(self, server: Server, writer: Writer, scratch: Path) -> None:
        self._server, self._writer, self._scratch = server, writer, scratch.resolve()
        self._judged: set[tuple[str, int]] = set()

    @cached_property
    def start(self) -> Path:
        """The folder that each run starts from a copy of."""
        folder = self._scratch / "start"
        folder.mkdir()
        self._server.do("prepare", self._writer.name, folder)
        return folder

    @cached_property
    def _learned(self) -> Mapping[str, Any]:
        record = str(self._scratch / "record")
        _, told = self._server.do("learn", self._writer.name, self._undisturbed, record=record)
        return told

    @cached_property
    def _undisturbed(self) -> Path:
        return self.copy(self.start, "undisturbed")

    @cached_property
    def disk(self) -> Disk:
        """The disk at the start of the undisturbed run."""
        return Disk(self._undisturbed)

    @cached_property
    def events(self) -> Sequence[Event]:
        """The events of an undisturbed run, with the marks between them."""
        # The disk is looked at before the run.
        assert self.disk is not None
        assert self._learned
        return list(read_events(self._scratch / "record"))

    @cached_property
    def views(self) -> Sequence[View]:
        """What a reader sees before the run, and after each thing that it acknowledges."""
        _, told = self._server.do("watch", self._writer.name, self.copy(self.start, "watched"))
        marks = [event for event in self.events if event.operation is Operation.MARK]
        assert len(told["views"]) == len(marks) + 1
        return list(told["views"])

    @property
    def last(self) -> View:
        """What a reader sees in the end."""
        assert self.events
        return dict(self._learned["view"])

    def faults(self) -> Sequence[Fault]:
        """Every fault at every point."""
        counted = [event for event in self.events if event.operation is not Operation.MARK]
        return [fault for number, event in enumerate(counted, 1) for fault in faults_at(number, event)]

    def copy(self, folder: Path, name: str) -> Path:
        """A copy of a folder, in place of the one of that name."""
        target = self._scratch / name
        shutil.rmtree(target, ignore_errors=True)
        copy_with_links(folder, target)
        return target

    def disturb(self, fault: Fault) -> Sequence[str]:
        """Run with a fault: a sentence for everything that must not be."""
        folder, acknowledged = self.copy(self.start, "disturbed"), self._scratch / "acknowledged"
        acknowledged.write_bytes(b"")
        status, told = self._server.do(
            "disturb",
            self._writer.name,
            folder,
            fault=document_of(fault),
            acknowledged=str(acknowledged),
        )
        count = acknowledged.stat().st_size
        found = [
            *self._judge_end(fault, status, told, folder, count),
            *self.judge_left(folder, count, had_error=bool(told)),
        ]
        return [f"{self._writer.name}, {fault}, {self._name_of(fault)}: {each}" for each in found]

    def lose_power(self, after: int, kept: Kept) -> Sequence[str]:
        """Have the disk lose power after so many events: a sentence for everything that must not be."""
        disk = self.disk.copy()
        before = self.events[:after]
        for event in before:
            disk.apply(event)
        folder = self._scratch / "powerless"
        shutil.rmtree(folder, ignore_errors=True)
        state = disk.write(folder, kept)
        acknowledged = sum(event.operation is Operation.MARK for event in before)
        if (state, acknowledged) in self._judged:
            return []
        self._judged.add((state, acknowledged))
        found = self.judge_left(folder, acknowledged, guesses=self._writer.guesses)
        return [f"{self._writer.name}, power lost after event {after}, {kept}: {each}" for each in found]

    def judge_left(
        self, folder: Path, acknowledged: int, *, had_error: bool = False, guesses: Collection[str] = ()
    ) -> Iterator[str]:
        """Judge what an interrupted run left in a folder: as it is, repaired, and after the next run."""
        if self._writer.is_repaired and not had_error:
            mended = self.copy(folder, "mended")
            before = _contents(mended)
            _, told = self._server.do("mend", self._writer.name, mended)
            if told["error"]:
                yield f"repair fails: {told['error']['sentence']}"
            else:
                if told["left"]:
                    yield f"repair leaves {told['left']}"
                if _contents(mended) != before and not told["problems"]:
                    yield "repair changes files and says nothing"
                yield from self._judge_view("after repair", told["view"], acknowledged, guesses)
        _, told = self._server.do("examine", self._writer.name, folder)
        yield from self._judge_view("the next process", told["view"], acknowledged, guesses)
        if told["error"]:
            yield f"the next run fails: {told['error']['trace']}"
        elif told["next_view"] != self.last:
            yield f"the next run gives {told['next_view']} instead of {self.last}"
        files, expected = set(told["files"]), set(self._learned["files"])
        if files != expected:
            yield f"after the next run, {sorted(files - expected)} are left and {sorted(expected - files)} are missing"

    def _judge_end(
        self, fault: Fault, status: int, told: Mapping[str, Any], folder: Path, acknowledged: int
    ) -> Iterator[str]:
        is_kill = fault.action in {Action.KILL, Action.TEAR}
        if status == -signal.SIGKILL:
            if not is_kill:
                yield "the process was killed"
            return
        if told["error"]:
            yield from _judge_error(told["error"], fault, folder, self._writer.reasons)
            yield from self._judge_view("a reader after the error", told["view"], acknowledged, ())
            if told["again"]:
                yield f"the same process fails again: {told['again']['trace']}"
            elif told["view_again"] != self.last:
                yield f"the second run of the process gives {told['view_again']} instead of {self.last}"
        elif told["view"] != self.last and not self._writer.is_silent:
            yield f"the run ends well with {told['view']} instead of {self.last}"

    def _judge_view(self, who: str, view: View, acknowledged: int, guesses: Collection[str]) -> Iterator[str]:
        for name, seen in view.items():
            whole = {each[name] for each in self.views}
            kept = {each[name] for each in self.views[acknowledged:]}
            if seen == DROPPED and name in guesses:
                continue
            if seen not in whole:
                yield f"{who} sees of {name}: {seen}"
            elif seen not in kept and name not in guesses and not self._writer.is_silent:
                yield f"{who} has lost {name}: {seen}, although {acknowledged} were acknowledged"

    def _name_of(self, fault: Fault) -> str:
        counted = [event for event in self.events if event.operation is not Operation.MARK]
        event = counted[fault.at - 1]
        return f"{event.operation.name.lower()} {Path(event.other or event.path).name}"


def _judge_error(error: Mapping[str, str], fault: Fault, folder: Path, reasons: Collection[str]) -> Iterator[str]:
    sentence = error["sentence"]
    has_reason = any(words in sentence for words in (os.strerror(fault.error), *reasons))
    if error["kind"] != "TTError":
        yield f"a bare {error['kind']}: {error['trace']}"
    elif "\n" in sentence or str(folder) not in sentence or not has_reason:
        yield f"the error does not name file and reason in a line: {sentence}"
    elif "; " not in sentence:
        yield f"the error names no way out: {sentence}"


def _contents(folder: Path) -> Mapping[str, bytes]:
    """Every file but locks, which are written by whoever looks."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".lock"
    }
