"""For every test."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from tests.databases import Databases, databases, drop_template

# The only profile. Derandomised: the same examples on every run, so that a red suite is a change of ours and not luck.
settings.register_profile("suite", deadline=None, max_examples=40, derandomize=True)
settings.load_profile("suite")

torch.set_num_threads(1)  # tensors this small only lose time to threads

# SQLite waits for disks, for a failure of the machine that no test survives: folders of tests are in memory, if it has
# room for those of a whole suite.
MEMORY = Path("/dev/shm")
if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > 4 * 2**30:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))

# A shell that runs the suite in the background has Ctrl-C ignored, and what it starts inherits that; tests that press
# Ctrl-C mean an ordinary one.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Databases]:
    """Gives the URL of an empty store of a name."""
    with databases(tmp_path) as made:
        yield made


def pytest_sessionfinish() -> None:
    drop_template()
