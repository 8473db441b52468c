"""How far a sweep is: its runs by state, what is left, how long that takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import streamlit as st

from mmcore import cost
from mmcore.store import ENDED, Run, RunFilter, RunState, RunSummary, StoredSweep, SweepState
from mmcore.sweeps import Sweep
from ui import session
from ui.kit.text import plain
from ui.sweep import estimate


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


def state(stored: StoredSweep, progress: Progress) -> tuple[str, str, Color]:
    """What a sweep is doing: a word, its icon, its colour."""
    if not progress.left:
        return "Done", ":material/check:", "primary"
    if stored.state is SweepState.STOPPED:
        return (
            ("Ended by an error", ":material/error:", "red") if stored.error else ("Stopped", ":material/stop:", "gray")
        )
    return "Running", ":material/play_arrow:", "primary"


def moves(stored: StoredSweep, progress: Progress) -> bool:
    """Whether it may look otherwise in a second without anyone doing anything."""
    begins = stored.state is SweepState.ACTIVE and progress.to_begin > 0
    return begins or progress.running + progress.waiting > 0


def tick(stored: StoredSweep, progress: Progress) -> float | None:
    """How often a fragment should look at a sweep: less often where there is much to read."""
    return 1 + progress.of // 500 if moves(stored, progress) else None


def look(shown: StoredSweep, before: Progress) -> tuple[StoredSweep, list[Run], Progress]:
    """A sweep, its runs and its progress as they are now, for a fragment; reruns the page where it looks otherwise."""
    try:
        stored = session.store().sweep(shown.id)
    except ValueError:  # deleted, in another tab
        st.rerun()
    runs = session.store().runs(RunFilter(sweep=stored.id))
    now = of(stored.config, runs)
    if (state(stored, now), moves(stored, now)) != (state(shown, before), moves(shown, before)):
        st.rerun()
    return stored, runs, now


def draw(stored: StoredSweep, runs: Sequence[Run], progress: Progress) -> None:
    """The state, a bar, the counts and the time left; why it stopped by itself."""
    ended = progress.done + progress.failed
    said = progress.said()
    if moves(stored, progress) and stored.state is SweepState.ACTIVE:
        said += f", about {cost.duration(time_left(stored.config, runs, progress).seconds)} left"
    st.progress(ended / progress.of, text=said)
    seconds = cost.duration(sum(run.seconds for run in runs))
    spent = f"{seconds} of training so far"
    if stored.config.minutes:
        spent = f"{seconds} of {stored.config.minutes:g} min of training"
    st.caption(f"{spent}.")
    if stored.error:
        st.error(plain(stored.error))


def time_left(sweep: Sweep, runs: Sequence[Run], progress: Progress) -> cost.Estimate:
    """Until the last of its runs ends, at the speed of those that have ended."""
    size = session.vocab(sweep.base.corpus_sha256).size
    over = [run for run in runs if run.state in ENDED][: session.EARLIER]
    earlier = [(run.config, run.step, run.seconds) for run in over] or session.earlier_runs()
    part = sum(1 - run.step / run.max_steps for run in runs if run.state not in (RunState.FINISHED, RunState.FAILED))
    spent = sum(run.seconds for run in runs)
    return estimate.time_of(sweep, part + progress.to_begin, size, earlier, spent=spent)
