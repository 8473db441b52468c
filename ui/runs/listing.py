"""Which of the stored runs the page shows: those that are searched for, a part at a time."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import streamlit as st

from mmcore.store import Run, RunFilter, RunState, UnreadableRun
from ui import session

ON_A_PAGE = 50


@dataclass(frozen=True)
class Part:
    """So many of the runs that are searched for, newest first, after the first ``offset``."""

    which: RunFilter = field(default_factory=RunFilter)
    offset: int = 0

    def runs(self) -> list[Run]:
        """Those that can be read."""
        return session.store().runs(self.which, limit=ON_A_PAGE, offset=self.offset)

    def unreadable(self) -> list[UnreadableRun]:
        """Those that cannot."""
        return session.store().unreadable(self.which, limit=ON_A_PAGE, offset=self.offset)

    def states(self) -> dict[str, RunState]:
        """The state of each, as it is now, by its id."""
        found = session.store().summaries(self.which, limit=ON_A_PAGE, offset=self.offset)
        return {run.id: run.state for run in found}


def choose(stored: int) -> Part:
    """The part that the visitor wants to see; of a few runs all."""
    if stored <= ON_A_PAGE:
        return Part()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        text = st.text_input(
            "Search",
            key="runs_search",
            persist_state="session",
            help="Words of a run's name or note, or the first digits of its id. All of them must occur.",
        )
        states = st.multiselect(
            "State",
            list(RunState),
            format_func=str.capitalize,
            key="runs_states",
            persist_state="session",
            placeholder="All states",
            help="Runs in one of these states.",
        )
    which = RunFilter(text=text, states=states or None)
    parts = math.ceil(session.store().count(which) / ON_A_PAGE)
    number = st.pagination(parts, key=f"runs_page_{parts}") if parts > 1 else 1
    return Part(which, ON_A_PAGE * (number - 1))


def draw_place(part: Part, shown: int) -> None:
    """Which of all runs that are searched for these are."""
    found = session.store().count(part.which)
    st.caption(f"Runs {part.offset + 1:,} to {part.offset + shown:,} of {found:,}.")
