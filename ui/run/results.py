"""What a run leaves behind: its losses, its last words, what it cost; and whether it learned anything."""

from __future__ import annotations

import streamlit as st

from mmcore import cost
from mmcore.cost import amount
from mmcore.doctor import learned_nothing
from mmcore.store import LIVE, Run
from ui import pages, session
from ui.kit.text import LOSSES, nats
from ui.run import curves


def draw_short(run: Run) -> None:
    """A run that is over in a few lines: its losses, its last words, and the way to the rest."""
    with st.container(horizontal=True, gap="medium"):
        for name, label in LOSSES.items():
            if name in run.losses:
                st.metric(label, nats(run.losses[name]), width="content")
    for step, words in curves.telling_samples(session.store().samples(run.id))[:1]:
        with st.container(gap=None):
            st.caption(f"Sampled at step {step:,}")
            st.text(words)
    pages.TRAIN.link("Open this run", {"run": run.id}, icon=":material/open_in_new:")


def draw_summary(run: Run) -> None:
    """Exact losses of the saved weights, in three units, and what they cost."""
    st.markdown("**Result**")
    table = curves.loss_table(run.losses)  # without an index, whose heading would be empty
    st.table(table, border="horizontal", alt="Losses of the saved weights", hide_index=True)
    size = session.vocab(run.config.corpus_sha256).size
    size_and_steps = f"{run.config.model.parameters(size):,} parameters, {run.weights_step or 0:,} steps"
    room = amount(session.store().stored([run.id])[run.id])
    st.caption(
        f"{size_and_steps}, {cost.duration(run.seconds)}, {room} in the store. Loss in nats and bits per character, "
        f"exact over the whole split. The test split stays sealed; the page {pages.SPLITS.title} can open it."
    )


def in_vain(run: Run) -> bool:
    """Whether a run has ended and a model that knows nothing does better."""
    size = session.vocab(run.config.corpus_sha256).size
    return run.state not in LIVE and learned_nothing(run.losses.get("train_loss"), size)
