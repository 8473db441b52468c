"""What a run leaves behind: a verdict, its losses, its last words, what it cost; and whether it learned anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import streamlit as st

from mmcore import RunConfig, cost
from mmcore.cost import amount
from mmcore.doctor import learned_nothing, looked_at
from mmcore.ngram import LONGEST
from mmcore.store import LIVE, Run
from ui import pages, session
from ui.kit.nouns import fit
from ui.kit.text import LOSSES, nats, plain
from ui.run import curves
from ui.run.references import KNESER_NEY, references

if TYPE_CHECKING:
    from mmcore.doctor import Finding

BESIDE = {  # count models that a run's losses stand beside
    "Bigram": "The validation loss of counting which character follows which.",
    KNESER_NEY: "The validation loss of counting contexts (interpolated Kneser-Ney), no longer than the model's and of "
    f"at most {LONGEST} characters.",
}


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


def draw_verdict(run: Run, found: Sequence[Finding]) -> None:
    """What a run came to, first: one sentence, its losses beside those of counting, the names it writes."""
    known = references(run.config)
    beside = {name: known[name] for name in BESIDE if name in known}
    fine = run.step and not found
    icon = ":material/check:" if fine else ":material/warning:" if found else ":material/info:"
    said = checked(run.config) if fine else None
    st.markdown(f"{icon} **{plain(verdict(run, found, beside))}**", help=said)
    if run.losses:
        with st.container(horizontal=True, gap="small"):
            for name, label in LOSSES.items():
                if name in run.losses:
                    st.metric(label, nats(run.losses[name]), width="content")
            tokens = session.vocab(run.config.corpus_sha256).tokens
            for name, loss in beside.items():
                st.metric(
                    name,
                    nats(loss),
                    width="content",
                    help=fit(BESIDE[name], tokens),
                )
    for step, words in curves.telling_samples(session.store().samples(run.id))[:1]:
        with st.container(gap=None):
            st.caption(f"Sampled at step {step:,}")
            st.text(words)


def verdict(run: Run, found: Sequence[Finding], beside: Mapping[str, float]) -> str:
    """The doctor's gravest finding, and how the validation loss compares with counting."""
    said = found[0].title if found else "No fault was found" if run.step else "Not one update was made"
    loss = run.losses.get("val_loss")
    if loss is None or not beside:
        return f"{said}."
    parts = [
        f"{nats(abs(loss - known))} {'below' if loss < known else 'above'} {name}" for name, known in beside.items()
    ]
    return f"{said}. Validation loss {nats(loss)}: {' and '.join(parts)}."


def checked(config: RunConfig) -> str:
    """What the doctor has looked at in a run."""
    *first, last = looked_at(config)
    tokens = session.vocab(config.corpus_sha256).tokens
    return fit(f"Looked at: {', '.join(first)}, and {last}.", tokens)


def draw_summary(run: Run) -> None:
    """Exact losses of the saved weights, in three units, and what they cost."""
    st.markdown("**Losses in three units**")
    table = curves.loss_table(run.losses)  # without an index, whose heading would be empty
    st.table(table, border="horizontal", alt="Losses of the saved weights", hide_index=True)
    vocab = session.vocab(run.config.corpus_sha256)
    size_and_steps = f"{run.config.model.parameters(vocab.size):,} parameters, {run.weights_step or 0:,} steps"
    room = amount(session.store().stored([run.id])[run.id])
    st.caption(
        f"{size_and_steps}, {cost.duration(run.seconds)}, {room} in the store. Loss in nats and bits per {vocab.noun}, "
        f"exact over the whole split. The test split stays sealed; the page {pages.SPLITS.title} can open it."
    )


def in_vain(run: Run) -> bool:
    """Whether a run has ended and a model that knows nothing does better."""
    size = session.vocab(run.config.corpus_sha256).size
    return run.state not in LIVE and learned_nothing(run.losses.get("train_loss"), size)
