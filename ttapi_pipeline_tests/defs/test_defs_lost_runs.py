# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Runs that die: whichever moment it was, their slot is free, they have failed with a reason, and others go on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.events import EngineEventData
from dagster._core.storage.event_log import SqlEventLogStorage
from dagster._core.storage.runs.schema import RunsTable
from dagster._core.test_utils import freeze_time
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ttapi_pipeline.core.processes import ProcessIdentity, this_process
from ttapi_pipeline.defs.automation.jobs import BROKER_POOL
from ttapi_pipeline.defs.dagster_internals import claim_slot, event_files, fail_run, pool_state
from ttapi_pipeline.defs.operations import pools
from ttapi_pipeline.defs.operations.held_runs import hold_run, is_held, process_of, process_tags, release_run, why_lost
from ttapi_pipeline.defs.operations.lost_runs import end_lost_runs, lost_runs
from ttapi_pipeline.defs.operations.pools import broker_turn, free_orphaned_slots, queue_in_words
from ttapi_pipeline.defs.operations.retention import prune
from ttapi_pipeline_tests.support.examples import examples
from ttapi_pipeline_tests.support.flips import BLOCK, put_bytes
from ttapi_pipeline_tests.support.held import holder, job, kill, lock_file, started_run

LONG_AGO = datetime(2026, 11, 22, 11, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    """A real one, in files. Each test has runs of its own."""
    overrides = {"telemetry": {"enabled": False}, "concurrency": {"pools": {"default_limit": 1}}}
    with dg.DagsterInstance.local_temp(str(tmp_path_factory.mktemp("home")), overrides=overrides) as made:
        yield made


def status(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dg.DagsterRunStatus:
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    return found.status


def reason_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
    """What the run's own log says of its failure."""
    (entry,) = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.RUN_FAILURE)
    return entry.message


class TestWhoIsGone:
    def test_a_run_lives_as_long_as_one_of_its_processes(self, instance: dg.DagsterInstance) -> None:
        run = started_run(instance, **process_tags())
        file = lock_file(instance, run.run_id)
        with holder(file) as parent, holder(file) as child:
            kill(child)
            assert why_lost(instance, run) is None
            kill(parent)
            assert why_lost(instance, run) == f"its process is gone: {process_of(run)}"
        assert end_lost_runs(instance) == [run.run_id]
        assert status(instance, run) is dg.DagsterRunStatus.FAILURE
        assert str(process_of(run)) in reason_of(instance, run)

    def test_the_repetition_of_a_run_is_not_where_the_run_was(self, instance: dg.DagsterInstance) -> None:
        """Dagster copies the tags of a run to the one that repeats it, which is starting while somebody looks."""
        process = subprocess.Popen(["true"])
        gone = replace(this_process(), pid=process.pid)
        process.wait()
        lost = started_run(instance, **process_tags(gone))
        repeated = started_run(instance, **process_tags(gone, run_id=lost.run_id))
        assert process_of(repeated) is None
        assert why_lost(instance, lost) == f"its process is gone: {gone}"
        assert why_lost(instance, repeated) is None
        assert end_lost_runs(instance) == [lost.run_id]
        fail_run(instance, repeated, "the test is over")

    @pytest.mark.parametrize("has_lock", [True, False])
    @pytest.mark.parametrize("block", [0, 1])
    def test_it_ends_and_goes_although_the_file_of_its_events_is_damaged(
        self, instance: dg.DagsterInstance, block: int, has_lock: bool
    ) -> None:
        with freeze_time(LONG_AGO):
            run = started_run(instance)
        events = event_files(instance, run.run_id)[0]
        if has_lock:
            with holder(lock_file(instance, run.run_id)) as process:
                kill(process)
        put_bytes(events, events.read_bytes()[: block * BLOCK] + b"\xa5" * 2 * BLOCK)
        assert end_lost_runs(instance) == [run.run_id]
        assert status(instance, run) is dg.DagsterRunStatus.FAILURE
        assert reason_of(instance, run)
        put_bytes(events, events.read_bytes()[: block * BLOCK] + b"\xa5" * 2 * BLOCK)
        prune(instance, before=datetime.now(UTC) + timedelta(days=1))
        assert not instance.has_run(run.run_id)
        assert not events.exists()

    def test_it_is_lost_although_the_id_of_its_process_is_that_of_a_living_one(
        self, instance: dg.DagsterInstance
    ) -> None:
        """Process 1 of a container that was killed, while process 1 of the next one is alive."""
        run = started_run(instance, **process_tags(replace(this_process(), host="container", pid_namespace="pid:[1]")))
        with holder(lock_file(instance, run.run_id)) as process:
            kill(process)
        assert list(lost_runs(instance)) == [run.run_id]
        assert end_lost_runs(instance) == [run.run_id]

    @pytest.mark.skipif(not Path("/proc").is_dir(), reason="this system has no /proc")
    def test_what_followed_the_output_of_its_steps_goes_with_it(
        self, instance: dg.DagsterInstance, tmp_path: Path
    ) -> None:
        run, other = started_run(instance), started_run(instance)
        followers = []
        for each in (run, other):
            log = tmp_path / each.run_id / "compute_logs" / "abc.err"
            log.parent.mkdir(parents=True)
            log.touch()
            # As Dagster starts it; see `dagster._core.execution.compute_logs`.
            followers.append(subprocess.Popen(["tail", "-F", "-c", "+0", str(log)]))
        try:
            hold_run(instance, other.run_id)
            with holder(lock_file(instance, run.run_id)) as process:
                kill(process)
            assert end_lost_runs(instance) == [run.run_id]
            assert followers[0].wait(timeout=30) == -signal.SIGTERM
            assert followers[1].poll() is None
        finally:
            release_run(other.run_id)
            for follower in followers:
                follower.kill()
                follower.wait()
            end_lost_runs(instance)

    def test_this_process_holds_a_run_until_it_is_over(self, instance: dg.DagsterInstance) -> None:
        first, second = started_run(instance), started_run(instance)
        hold_run(instance, first.run_id)
        found = instance.get_run_by_id(first.run_id)
        assert found is not None
        noted = process_of(found)
        assert noted is not None
        assert noted == replace(this_process(), since=noted.since)
        assert is_held(instance, first.run_id)
        assert why_lost(instance, found) is None
        fail_run(instance, found, "for the test")
        hold_run(instance, second.run_id)
        assert not is_held(instance, first.run_id)
        release_run(second.run_id)
        assert end_lost_runs(instance) == [second.run_id]

    def test_an_id_that_was_given_again_is_not_the_process_of_the_run(self, instance: dg.DagsterInstance) -> None:
        with freeze_time(LONG_AGO):
            run = started_run(instance)
            instance.report_engine_event("Executing steps in process", run, EngineEventData.in_process(os.getpid()))
        now = started_run(instance)
        instance.report_engine_event("Executing steps in process", now, EngineEventData.in_process(os.getpid()))
        assert why_lost(instance, now) is None
        assert why_lost(instance, run) is not None
        instance.report_engine_event("step", run, EngineEventData.in_process(os.getpid()))
        # The same id, by an event of a process of the run that is alive.
        assert why_lost(instance, run) is None
        for each in (run, now):
            instance.delete_run(each.run_id)

    def test_a_run_that_no_process_took_up_is_lost_after_a_minute(self, instance: dg.DagsterInstance) -> None:
        with freeze_time(datetime.now(UTC) - timedelta(minutes=2)):
            old = started_run(instance)
        new = started_run(instance)
        assert why_lost(instance, old) == "it started, and no process took it up"
        assert why_lost(instance, new) is None
        for each in (old, new):
            instance.delete_run(each.run_id)

    def test_a_run_that_was_made_and_never_started_is_lost_after_ten_minutes(
        self, instance: dg.DagsterInstance
    ) -> None:
        made = instance.create_run_for_job(job)
        assert why_lost(instance, made) is None
        with instance.run_storage.connect() as connection:  # type: ignore[attr-defined]
            before = (datetime.now(UTC) - timedelta(minutes=11)).replace(tzinfo=None)
            connection.execute(
                RunsTable.update().where(RunsTable.c.run_id == made.run_id).values(create_timestamp=before)
            )
        assert why_lost(instance, made) == "it was made, and never started"
        instance.delete_run(made.run_id)

    def test_of_a_process_that_cannot_be_seen_nothing_is_said(self) -> None:
        ours = this_process()
        process = subprocess.Popen([sys.executable, "-I", "-S", "-c", ""])
        process.wait()
        assert ours.is_gone() is False
        assert replace(ours, pid=process.pid).is_gone() is True
        assert replace(ours, started="1").is_gone() is True
        for unseen in ({"host": "elsewhere"}, {"boot": "another"}, {"pid_namespace": "pid:[1]"}, {"boot": ""}):
            assert replace(ours, pid=process.pid, **unseen).is_gone() is None

    def test_without_local_events_the_tags_decide(self) -> None:
        """As on Postgres: no file of a run lies anywhere."""
        gone = replace(this_process(), started="1")
        with dg.DagsterInstance.ephemeral() as elsewhere:
            for tags, is_lost in (
                (process_tags(gone), True),
                (process_tags(), False),
                (process_tags(replace(gone, host="elsewhere")), False),
                ({}, False),
            ):
                assert (why_lost(elsewhere, started_run(elsewhere, **tags)) is not None) is is_lost

    @given(st.text(max_size=60) | st.builds(lambda pid: f'{{"pid": {pid}}}', st.integers()))
    def test_a_note_that_is_damaged_is_no_identity(self, text: str) -> None:
        assert ProcessIdentity.from_json(text) is None

    def test_a_note_tells_the_process(self) -> None:
        ours = this_process()
        assert ProcessIdentity.from_json(ours.to_json()) == ours


class TestPool:
    """What a run has in the queue when it is killed, and what the next one finds."""

    @pytest.fixture(autouse=True)
    def quick(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(pools, "_ASK_SECONDS", 0.01)
        monkeypatch.setattr(pools, "_LOOK_SECONDS", 0.05)

    def dead_run(self, instance: dg.DagsterInstance) -> str:
        """A run whose lock nobody holds."""
        run = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags=process_tags())
        lock_file(instance, run.run_id).touch()
        return run.run_id

    @hypothesis_settings(max_examples=examples(500) // 20)
    @given(
        leftovers=st.lists(
            st.sampled_from(["claimed", "assigned", "pending", "nobody's turn", "deleted", "ended"]),
            min_size=1,
            max_size=3,
        )
    )
    def test_whatever_killed_runs_left_the_next_one_has_its_turn(
        self, instance: dg.DagsterInstance, leftovers: list[str]
    ) -> None:
        storage = instance.event_log_storage
        assert isinstance(storage, SqlEventLogStorage)
        dead = []
        for leftover in leftovers:
            run_id = self.dead_run(instance)
            dead.append(run_id)
            claim_slot(instance, BROKER_POOL, run_id, "accounts")
            if leftover == "assigned":
                # Killed after its turn came and before it took the slot, or while it gave the slot back.
                storage._free_concurrency_slots(run_id, "accounts")
            elif leftover == "nobody's turn":
                storage._free_concurrency_slots(run_id, "accounts")
                storage._remove_pending_steps(run_id, "accounts")
            elif leftover == "deleted":
                instance.run_storage.delete_run(run_id)
            elif leftover == "ended":
                run = instance.get_run_by_id(run_id)
                assert run is not None
                fail_run(instance, run, "for the test")
        living, said = started_run(instance, **process_tags()), list[str]()
        with broker_turn(instance, living.run_id, "symbols", said.append):
            assert pool_state(instance, BROKER_POOL).claimed == ((living.run_id, "symbols"),)
        assert said == []
        assert pool_state(instance, BROKER_POOL).run_ids == set()
        end_lost_runs(instance)
        for run_id in dead:
            run = instance.get_run_by_id(run_id)
            assert run is None or run.status is dg.DagsterRunStatus.FAILURE

    def test_it_waits_for_a_living_one_says_for_which_and_goes_on_when_that_one_dies(
        self, instance: dg.DagsterInstance
    ) -> None:
        ahead = started_run(instance, **process_tags(replace(this_process(), pid=4711)))
        said: list[str] = []
        with holder(lock_file(instance, ahead.run_id)) as process:
            assert claim_slot(instance, BROKER_POOL, ahead.run_id, "daily_candles")
            behind = started_run(instance, **process_tags())

            def say(words: str) -> None:
                said.append(words)
                said.extend(queue_in_words(instance))
                # The next look finds it.
                kill(process)

            with broker_turn(instance, behind.run_id, "symbols", say) as has_waited:
                assert has_waited
        run = instance.get_run_by_id(ahead.run_id)
        assert run is not None
        words = f"run {ahead.run_id[:8]}, which fetches daily_candles ({process_of(run)})"
        assert said[:2] == [f"waiting for {words}", f"its turn: {words}"]
        assert said[2].startswith("waits for ")
        assert said[2].endswith(f"s: run {behind.run_id[:8]}, which fetches symbols ({process_of(behind)})")
        assert run.status is dg.DagsterRunStatus.FAILURE
        assert pool_state(instance, BROKER_POOL).run_ids == set()

    def test_an_interrupt_while_it_waits_ends_it_and_leaves_no_place_in_the_queue(
        self, instance: dg.DagsterInstance
    ) -> None:
        ahead, behind = started_run(instance), started_run(instance)
        with holder(lock_file(instance, ahead.run_id)):
            assert claim_slot(instance, BROKER_POOL, ahead.run_id, "daily_candles")

            def interrupt(_: str) -> None:
                raise dg.DagsterExecutionInterruptedError

            turn = broker_turn(instance, behind.run_id, "symbols", interrupt)
            with pytest.raises(dg.DagsterExecutionInterruptedError), turn:
                pytest.fail("it had no turn")
            assert pool_state(instance, BROKER_POOL).run_ids == {ahead.run_id}
        assert free_orphaned_slots(instance) == [ahead.run_id]

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_a_signal_that_comes_in_the_middle_of_the_garbage_collector_is_not_lost(
        self, instance: dg.DagsterInstance, number: signal.Signals
    ) -> None:
        """What a handler raises there, Python ignores."""
        ahead, behind = started_run(instance), started_run(instance)
        before = signal.getsignal(number)

        class Collected: ...

        def say(_: str) -> None:
            collected = Collected()
            watched = weakref.ref(collected, lambda _: signal.raise_signal(number))
            del collected
            assert watched() is None

        with holder(lock_file(instance, ahead.run_id)):
            assert claim_slot(instance, BROKER_POOL, ahead.run_id, "daily_candles")
            turn = broker_turn(instance, behind.run_id, "symbols", say)
            with pytest.raises(dg.DagsterExecutionInterruptedError), turn:
                pytest.fail("it had no turn")
            assert signal.getsignal(number) is before
            assert pool_state(instance, BROKER_POOL).run_ids == {ahead.run_id}
        free_orphaned_slots(instance)

    def test_never_two_at_a_time(self, instance: dg.DagsterInstance) -> None:
        """Four threads with connections of their own, as four processes have them."""
        inside: list[str] = []
        crowded: list[list[str]] = []

        def work() -> None:
            with dg.DagsterInstance.from_ref(instance.get_ref()) as own:
                run_id = started_run(own).run_id
                for step in ("accounts", "symbols"):
                    with broker_turn(own, run_id, step, lambda _: None):
                        inside.append(run_id)
                        crowded.append(list(inside))
                        inside.remove(run_id)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert [len(each) for each in crowded] == [1] * 8
        assert pool_state(instance, BROKER_POOL).run_ids == set()
