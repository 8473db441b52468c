"""Imported by a worker, has it write down every point of a curve in a file, when it has it and before it is stored.

A line a point, ``RUN TIME STEP``, in a file of the folder ``DRILL_POINTS`` for each process.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from mmcore.jobs.execution import Training
from mmcore.training import Step

FOLDER = "DRILL_POINTS"


def write_points_down(folder: Path) -> None:
    """From now on, for all runs of this process and of those forked from it."""
    usual = Training.tick

    def tick(training: Training, step: Step) -> bool:
        write: Any = training.write  # RunStore.record of a run
        with (folder / str(os.getpid())).open("a") as log:
            log.write(f"{write.args[0]} {time.time()} {step.step}\n")
        return usual(training, step)

    Training.tick = tick  # type: ignore[method-assign]


if FOLDER in os.environ:
    write_points_down(Path(os.environ[FOLDER]))
