"""The drill of benchmarks/drill.py, shortened: what is paused, killed, kept busy or without room goes on (E1, E2)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("playwright.sync_api")
from benchmarks import drill

if TYPE_CHECKING:
    from playwright.sync_api import Browser


def test_e1_runs_go_on_after_a_pause_longer_than_the_lease(tmp_path: Path) -> None:
    (server, *_) = drill.pauses(tmp_path, seconds=(7,), who=("server and workers",))
    assert server["finished"] == 2


def test_e1_trainings_from_the_command_line_end_on_a_busy_machine(tmp_path: Path) -> None:
    assert drill.busy(tmp_path, loops=2, trainings=2, steps=50)["finished"] == 2


def test_e2_on_a_full_disk_reads_and_training_go_on_and_it_is_said(tmp_path: Path, browser: Browser) -> None:
    figures = drill.full_disk(tmp_path, browser, seconds=1)
    if figures is None:
        pytest.skip("needs the right to mount a tmpfs")
    (warning,) = figures["on_screen"]
    assert warning.startswith("The disk that holds the store is full (") and "training goes on" in warning


def test_a_run_whose_worker_or_server_was_killed_ends_as_one_that_was_not(tmp_path: Path) -> None:
    figures = drill.killed(tmp_path, workers=1, servers=1)
    assert figures["workers"] + figures["servers"] == 2
