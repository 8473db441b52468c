"""Sweep: many runs over settings × seeds; define it, watch it, ask it which settings are best."""

import streamlit as st

from mmcore.store import RunFilter, StoredSweep
from ui import pages, session, terms, visitor
from ui.kit.theme import current_theme
from ui.run import sweeps
from ui.sweep import change, choose, define, progress, results

st.title(pages.SWEEP.title, anchor=False)
stored = visitor.current_sweep()
if stored is None:
    st.markdown("Say what varies, and the workers train each setting with each seed, all on the same split.")
choose.draw(stored)
if stored is None:
    define.draw(visitor.current_corpus())
    terms.stop()

found = sweeps.of(stored.config, session.store().summaries(RunFilter(sweep=stored.id)))
choose.heading(stored)


@st.fragment(run_every=progress.tick(stored, found))
def watch(shown: StoredSweep, before: sweeps.Progress) -> None:
    stored, runs, found = progress.look(shown, before)
    progress.draw(stored, runs, found)
    results.draw(stored, runs, current_theme())


change.draw_more(stored)
watch(stored, found)
