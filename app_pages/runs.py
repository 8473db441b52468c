"""Runs: everything that was trained, newest first; open, name, note, take home, remove."""

import math

import streamlit as st

from mmcore.limits import MAX_NAME, MAX_NOTE
from mmcore.store import WORKING, RunFilter, RunState
from ui import pages, session, visitor
from ui.form import settings
from ui.kit.text import plain
from ui.run import doctor, downloads, progress, runs_table

ON_A_PAGE = 50

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


@st.dialog("Delete this run?")
def confirm_delete(run_id: str, what: str) -> None:
    """Ask before what cannot be undone."""
    st.text(what)
    st.markdown("Its curve, samples and weights go with it. This cannot be undone.")
    with st.container(horizontal=True):
        if st.button("Delete", type="primary", icon=":material/delete:", key="confirm_delete"):
            store.delete(run_id)
            visitor.close_run()
            st.rerun()
        if st.button("Keep", key="keep"):
            st.rerun()


which, page = RunFilter(), 1
if stored > ON_A_PAGE:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        text = st.text_input(
            "Search",
            key="runs_search",
            persist_state="session",
            help="Words of a run's name or note, or the beginning of its id. All of them must occur.",
        )
        wanted = st.multiselect(
            "State",
            list(RunState),
            format_func=str.capitalize,
            key="runs_states",
            persist_state="session",
            placeholder="All states",
            help="Runs in one of these states.",
        )
    which = RunFilter(text=text, states=wanted or None)
    parts = math.ceil(store.count(which) / ON_A_PAGE)
    if parts > 1:
        page = st.pagination(parts, key=f"runs_page_{parts}")
part = {"limit": ON_A_PAGE, "offset": ON_A_PAGE * (page - 1)}
runs, states = store.runs(which, **part), {run.id: run.state for run in store.summaries(which, **part)}

for unreadable in store.unreadable(which, **part):
    with st.container(border=True, key=f"unreadable_{unreadable.id}"):
        st.text(f"{unreadable}.")
        if st.button("Delete", icon=":material/delete:", key=f"delete_{unreadable.id}"):
            confirm_delete(unreadable.id, unreadable.name)
if not runs:
    st.info("Change the search or the state above." if which != RunFilter() else "None can be read.", title="No run")
    st.stop()


def choose() -> None:
    """Make the selected row the current run."""
    for row in st.session_state[table].selection.rows:
        visitor.open_run(runs[row].id)


current = visitor.current_run() or runs[0]
table = f"runs_{hash(tuple(run.id for run in runs))}"  # rows are selected by number: other rows, other table
st.dataframe(
    runs_table.runs_table(runs, settings.describe, progress.state_title, store.stored(states)),
    key=table,
    on_select=choose,
    selection_default={"selection": {"rows": [i for i, run in enumerate(runs) if run.id == current.id]}},
    selection_mode="single-row",
    hide_index=True,
    column_config={
        "Step": st.column_config.NumberColumn(format="localized"),
        "Name": st.column_config.TextColumn(pinned=True, width="medium"),
        "Train": st.column_config.NumberColumn("Train loss", format="%.4f", help="Nats per character."),
        "Validation": st.column_config.NumberColumn("Validation loss", format="%.4f", help="Nats per character."),
        "Unseen": st.column_config.NumberColumn(
            "On unseen words", format="%.4f", help="Validation loss on words that do not occur in train."
        ),
        "Stored": st.column_config.NumberColumn(
            "In the store", format="%.1f MB", help="Weights, training state, checkpoints, curve and samples."
        ),
        "Test": st.column_config.TextColumn(help=f"Sealed until it is opened on the page {pages.SPLITS.title}."),
        "Created": st.column_config.DatetimeColumn(format="D MMM, HH:mm"),
    },
    alt="Runs, newest first",
)
if stored > ON_A_PAGE:
    first = ON_A_PAGE * (page - 1) + 1
    st.caption(f"Runs {first:,} to {first + len(states) - 1:,} of {store.count(which):,}.")
said = visitor.usage().said()
st.caption(f"Yours: {said['waiting']}, {said['stored']}.")


@st.fragment(run_every=1 if set(progress.LIVE) & set(states.values()) else None)
def refresh() -> None:
    """Draw the page again when a run has changed its state; not at every step, which would close the dialog."""
    if {run.id: run.state for run in store.summaries(which, **part)} != states:
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


def rename(run_id: str) -> None:
    """Store the name that was typed; a bad one is answered under the field."""
    try:
        store.rename(run_id, st.session_state[f"name_{run_id}"])
    except ValueError as error:
        st.session_state["rename_error"] = str(error)


def annotate(run_id: str) -> None:
    """Store the note that was typed."""
    try:
        store.annotate(run_id, st.session_state[f"note_{run_id}"])
    except ValueError as error:  # the field's own limit can be bypassed
        visitor.refuse(error)


with st.container(border=True):
    progress.draw_heading(current)
    with st.container(horizontal=True):
        if st.button("Open", type="primary", icon=":material/open_in_new:", key="open"):
            pages.TRAIN.open({"run": current.id})
        progress.draw_buttons(current)
        busy = current.state in WORKING
        why = "Stop it first." if busy else None
        if st.button("Delete", icon=":material/delete:", key="delete", disabled=busy, help=why):
            confirm_delete(current.id, f"{current.name}, {settings.describe(current.config)}")
    name, note = st.columns(2)
    name.text_input(
        "Name", current.name, key=f"name_{current.id}", on_change=rename, args=(current.id,), max_chars=MAX_NAME
    )
    note.text_area(
        "Note",
        current.note,
        key=f"note_{current.id}",
        on_change=annotate,
        args=(current.id,),
        placeholder="What did this run show?",
        max_chars=MAX_NOTE,
        height=80,
    )
    if problem := st.session_state.pop("rename_error", None):
        st.error(plain(problem))
    if current.weights_step is not None:
        downloads.draw_downloads(current)
    if not busy and current.state not in progress.LIVE:
        asked = st.expander("Ask the doctor", icon=":material/stethoscope:", key="doctor", on_change="rerun")
        if asked.open:
            with asked:
                doctor.draw(current)

pages.LESSONS.link(f"On {pages.LESSONS.title}: three experiments, a click each")
