"""How far a sweep is, while one watches: a bar, what is left, how long that takes."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from mmcore import cost
from mmcore.store import ENDED, Run, RunFilter, RunState, StoredSweep, SweepState
from mmcore.sweeps import Sweep
from ui import session
from ui.kit.text import plain
from ui.run.sweeps import Progress, moves, of
from ui.sweep import change, estimate


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
    if (stored, moves(stored, now)) != (shown, moves(shown, before)):
        st.rerun()
    return stored, runs, now


def draw(stored: StoredSweep, runs: Sequence[Run], progress: Progress) -> None:
    """The state, a bar, the counts and the time left; why it stopped by itself."""
    ended = progress.done + progress.failed
    said = progress.said()
    if stored.state is SweepState.ACTIVE and progress.left:
        said += f", about {cost.duration(time_left(stored.config, runs, progress).seconds)} left"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.progress(ended / progress.of, text=said)
        change.draw_buttons(stored, progress)
    spent, minutes = sum(run.seconds for run in runs), stored.config.minutes
    budget = f" of {minutes:g} min" if minutes else ""
    st.caption(f"{cost.duration(spent)}{budget} of training{' so far' if progress.left else ''}.")
    if stored.error:
        st.error(plain(stored.error))
    elif stored.state is SweepState.FINISHED and progress.to_begin:
        drawn = "No setting that has not been tried fits together."
        budget = f"The budget of {minutes:g} min is spent. Add runs has room for more."
        st.info(budget if minutes and spent >= 60 * minutes else drawn)


def time_left(sweep: Sweep, runs: Sequence[Run], progress: Progress) -> cost.Estimate:
    """Until the last of its runs ends, at the speed of those that have ended."""
    size = session.vocab(sweep.base.corpus_sha256).size
    over = [run for run in runs if run.state in ENDED][: session.EARLIER]
    earlier = [(run.config, run.step, run.seconds) for run in over] or session.earlier_runs()
    part = sum(1 - run.step / run.max_steps for run in runs if run.state not in (RunState.FINISHED, RunState.FAILED))
    spent = sum(run.seconds for run in runs)
    return estimate.time_of(sweep, part + progress.to_begin, size, earlier, spent=spent)
