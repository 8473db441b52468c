"""Processes: how much of a core one gets. Whether one lives is tested where runs depend on it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from mmcore import process
from mmcore.process import CoreShare, core_time, this_process
from tests.waiting import until

BUSY = "import os, sys; os.sched_setaffinity(0, {int(sys.argv[1])}); print(flush=True)\nwhile True: pass"


def name_of(pid: int) -> str:
    return f"{this_process().split(':')[0]}:{pid}:{process._started(pid)}"


@pytest.mark.skipif(core_time(this_process()) is None, reason="needs /proc/PID/schedstat")
def test_e6_processes_that_share_a_core_get_a_part_of_it() -> None:
    core = str(min(os.sched_getaffinity(0)))
    loops = [subprocess.Popen([sys.executable, "-c", BUSY, core], stdout=subprocess.PIPE) for _ in range(3)]
    try:
        for loop in loops:
            assert loop.stdout and loop.stdout.readline()
        share, found = CoreShare(name_of(loops[0].pid), least=0.5), list[float | None]()
        until(lambda: found.append(share.look()) or found[-1] is not None)
        assert found[-1] and found[-1] < 0.5  # a third, or less where others want this core too
    finally:
        for loop in loops:
            loop.kill()
            loop.communicate()
    assert share.look() is None


def test_e6_a_share_is_that_of_the_last_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    now, had, waited = 0.0, 5.0, 0.0
    monkeypatch.setattr(process, "core_time", lambda _: (had, waited))
    monkeypatch.setattr("mmcore.process.time.monotonic", lambda: now)
    share = CoreShare("x", seconds=10, least=2)
    assert share.look() is None
    now, had = 4, 9
    assert share.look() == 1
    now, had, waited = 14, 10, 9
    assert share.look() == 0.1  # of what came since 4
    now = 24  # paused: it wants no core
    assert share.look() is None
    assert len(share.readings) == 2


@pytest.mark.parametrize("worker", [None, "", "elsewhere:1:1", "{this}0"])
def test_e6_nothing_is_said_of_a_process_that_cannot_be_asked(worker: str | None) -> None:
    worker = worker and worker.format(this=this_process())
    assert core_time(worker) is None
    assert CoreShare(worker, least=0).look() is None
