"""Runs: everything that was trained, newest first; select, compare, tag, open, name, note, take home, remove."""

import streamlit as st

from mmcore.store import LIVE, RunFilter, RunState
from ui import pages, session, terms, visitor
from ui.run import workers
from ui.runs import actions, card, deleted, listing, selection, size, table, transfer

st.title(pages.RUNS.title)
st.markdown(
    "Every training is kept with its settings, curve, samples and weights: the lecture's notes of what was tried. "
    "Tick one row to see what can be done with that run, several to compare them."
)
store = session.store()
deleted.draw_undo()
if not store.summaries(limit=1):
    st.info("Train a first model, which takes seconds, and it appears here.", title="No run yet")
    pages.TRAIN.link()
    transfer.draw()
    deleted.draw_bin()
    terms.stop()

part = listing.choose()
runs, states = part.runs(), part.states()
card.draw_unreadable(part.unreadable())
if not runs:
    searched = part.which != RunFilter()
    st.info("Change the search or the filter above." if searched else "None can be read.", title="No run")
    deleted.draw_bin()
    terms.stop()
actions.draw(part.which, part.found)
current = visitor.current_run() or runs[0]
table.draw(runs, store.stored(states), tags=bool(store.tags()))
with st.container(horizontal=True, vertical_alignment="center"):
    if part.found > listing.ON_A_PAGE:
        listing.draw_place(part, len(states))
    said = visitor.usage().said()
    st.caption(f"Yours: {said['waiting']}, {said['stored']}.")
    workers.draw(waiting=RunState.QUEUED in states.values())
with st.container(horizontal=True, vertical_alignment="center"):
    size.draw()
    transfer.draw(current, part.which)
    deleted.draw_bin()


@st.fragment(run_every=1 if set(LIVE) & set(states.values()) else None)
def refresh() -> None:
    """Draw the page again when a run has changed its state; not at every step, which would close what is open."""
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
if len(selection.ids()) <= 1:
    card.draw(current)
pages.LESSONS.link(
    f"On {pages.LESSONS.title}: goals that your runs may have reached, and three experiments, a click each"
)
