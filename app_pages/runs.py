"""Runs: everything that was trained, newest first; open, name, note, take home, remove."""

import streamlit as st

from mmcore.store import RunFilter, RunState
from ui import pages, session, visitor
from ui.run.progress import LIVE
from ui.runs import card, listing, table

st.title(pages.RUNS.title)
st.markdown(
    "Every training is kept with its settings, curve, samples and weights: the lecture's notes of what was tried. "
    "Choose a row to see what can be done with that run."
)
store = session.store()
stored = store.count()
if not stored:
    st.info("Train a first model, which takes seconds, and it appears here.", title="No run yet")
    pages.TRAIN.link()
    st.stop()

part = listing.choose(stored)
runs, states = part.runs(), part.states()
card.draw_unreadable(part.unreadable())
if not runs:
    searched = part.which != RunFilter()
    st.info("Change the search or the state above." if searched else "None can be read.", title="No run")
    st.stop()
current = visitor.current_run() or runs[0]
table.draw(runs, current, store.stored(states))
if stored > listing.ON_A_PAGE:
    listing.draw_place(part, len(states))
said = visitor.usage().said()
st.caption(f"Yours: {said['waiting']}, {said['stored']}.")


@st.fragment(run_every=1 if set(LIVE) & set(states.values()) else None)
def refresh() -> None:
    """Draw the page again when a run has changed its state; not at every step, which would close the dialog."""
    if part.states() != states:
        st.rerun()


refresh()
interrupted = store.summaries(RunFilter(states=[RunState.INTERRUPTED]))[::-1]
if len(interrupted) > 1:
    st.button(
        f"Continue all {len(interrupted)} interrupted runs",
        icon=":material/resume:",
        key="continue_all",
        help="Each goes on from the weights it saved last, oldest first.",
        on_click=visitor.continue_runs,
        args=(interrupted,),
    )
card.draw(current)
pages.LESSONS.link(f"On {pages.LESSONS.title}: three experiments, a click each")
