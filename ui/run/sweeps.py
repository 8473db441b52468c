"""A stored sweep in few words: how many of its runs are in which state, and what it is doing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from mmcore.store import RunState, RunSummary, StoredSweep, SweepState
from mmcore.sweeps import Sweep


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How many runs of a sweep are in which state."""

    of: int  # that it is to have
    done: int
    running: int
    waiting: int  # in the queue
    failed: int
    cut_short: int  # stopped or interrupted, and can go on
    to_begin: int  # that no one has queued yet

    @property
    def left(self) -> int:
        """How many may still end."""
        return self.running + self.waiting + self.cut_short + self.to_begin

    def said(self) -> str:
        """In words; what there is none of is left out."""
        counts = {"running": self.running, "waiting": self.waiting, "failed": self.failed}
        counts |= {"cut short": self.cut_short, "to begin": self.to_begin}
        rest = [f"{count:,} {word}" for word, count in counts.items() if count]
        return ", ".join([f"{self.done:,} of {self.of:,} runs done", *rest])


def of(sweep: Sweep, runs: Sequence[RunSummary]) -> Progress:
    """The progress of a sweep with these runs."""
    count = Counter(run.state for run in runs)
    return Progress(
        of=max(sweep.run_count, len(runs)),
        done=count[RunState.FINISHED],
        running=count[RunState.RUNNING] + count[RunState.STOPPING],
        waiting=count[RunState.QUEUED],
        failed=count[RunState.FAILED],
        cut_short=count[RunState.STOPPED] + count[RunState.INTERRUPTED],
        to_begin=max(0, sweep.run_count - len(runs)),
    )


Color = Literal["gray", "primary", "red"]


def state(stored: StoredSweep) -> tuple[str, str, Color]:
    """What a sweep is doing: a word, its icon, its colour."""
    if stored.error:
        return "Ended by an error", ":material/error:", "red"
    words: dict[SweepState, tuple[str, str, Color]] = {
        SweepState.ACTIVE: ("Running", ":material/play_arrow:", "primary"),
        SweepState.FINISHED: ("Finished", ":material/check:", "primary"),
        SweepState.STOPPED: ("Stopped", ":material/stop:", "gray"),
    }
    return words[stored.state]


def moves(stored: StoredSweep, progress: Progress) -> bool:
    """Whether it may look otherwise in a second without anyone doing anything."""
    return stored.state is SweepState.ACTIVE or progress.running + progress.waiting > 0
