"""A run in plain words: why its first loss is what it is, and where validation turned."""

from __future__ import annotations

import dataclasses

import streamlit as st

from mmcore.dataset import Vocab
from mmcore.diagnosis import RISE, FirstLoss, Turn, turning_point
from mmcore.store import Run
from ui import pages, session
from ui.kit.nouns import fit
from ui.kit.text import nats, plain

CALM = 0.1  # nats above ln V up to which a start counts as knowing nothing


@st.cache_data(show_spinner="Looking at the start …", max_entries=128)
def first_loss(run_id: str, _run: Run) -> FirstLoss:
    """The run's model before its first update, kept per run; its loss is the curve's, exact over all train examples."""
    from mmcore.diagnosis import first_loss

    store = session.store()
    start, losses = first_loss(_run.config, session.run_dataset(_run), store.start(run_id)), store.history(run_id)
    exact = losses.loc[losses["step"] == 0, "train_loss"].dropna()
    return dataclasses.replace(start, loss=float(exact.iloc[0])) if len(exact) else start


def first_loss_sentence(start: FirstLoss, vocab: Vocab) -> str:
    """Why the first loss is what it is."""
    vocab_size, noun = vocab.size, vocab.noun
    uniform = f"ln {vocab_size} = {start.uniform:.4f}, what giving all {vocab_size} {noun}s the same chance costs"
    over = start.loss - start.uniform
    where = "next to" if abs(over) <= CALM else "above" if over > 0 else "below"
    said = (
        f"**Before the first update the loss is {nats(start.loss)}**, {where} {uniform}. One example's logits differ "
        f"by σ = {start.spread:.3g}, so softmax gives the likeliest {noun} {100 * start.favourite:.1f} % on "
        f"average (of {start.examples:,} train examples)"
    )
    if over <= CALM:
        return f"{said}; the same chance for all would be {100 / vocab_size:.1f} %."
    sure = ": the model is overconfident" if start.overconfident else ""
    return (
        f"{said}, and that is the right one in {100 * start.right:.1f} %{sure}. A loss above ln {vocab_size} means "
        "that the right answers get less than the same chance for all would give them, in the geometric mean."
    )


def curve(turn: Turn, parameters: int, examples: int) -> str:
    """Whether validation rose while train fell, and what that means."""
    size = f"The model has {parameters:,} parameters for {examples:,} train examples."
    if turn.overfits:
        return (
            f"**Validation loss was lowest, {turn.best_val:.4f}, at step {turn.best_step:,}; by step "
            f"{turn.last_step:,} it rose to {turn.last_val:.4f} while train loss fell from {turn.best_train:.4f} to "
            f"{turn.last_train:.4f}.** That is overfitting: what was learned in between lowers the mean loss of the "
            f"train words and raises that of the validation words. {size}"
        )
    if turn.last_val - turn.best_val <= RISE:
        apart = turn.last_val - turn.last_train
        return (
            f"**Validation loss ended at {turn.last_val:.4f}, within {RISE:g} of its lowest, and train loss at "
            f"{turn.last_train:.4f}, at step {turn.last_step:,}**: {abs(apart):.4f} apart. {size}"
        )
    return (
        f"**Validation loss was lowest, {nats(turn.best_val)}, at step {turn.best_step:,}**, and ended at "
        f"{nats(turn.last_val)}; but train loss went up too, from {nats(turn.best_train)} to {nats(turn.last_train)}. "
        "That is no overfitting, which would have lowered train loss."
    )


def turn_sentence(run: Run) -> str | None:
    """The run's curve in a sentence; None where too little of it was measured."""
    turn = turning_point(session.store().history(run.id))
    if turn is None:
        return None
    dataset = session.run_dataset(run)
    said = curve(turn, run.config.model.parameters(dataset.vocab.size), len(dataset.train))
    return fit(said, dataset.vocab.tokens)


def draw(run: Run) -> None:
    """A run that has ended, in plain words."""
    start, vocab = first_loss(run.id, run), session.vocab(run.config.corpus_sha256)
    with st.container(border=True):
        st.markdown("**In plain words**")
        if origin := run.config.origin:
            st.markdown(f"It began with the weights that another run had at step {origin.step:,}.")
        st.markdown(plain_bold(first_loss_sentence(start, vocab)))
        if said := turn_sentence(run):
            st.markdown(plain_bold(said))
        pages.UNDER_THE_HOOD.link("Look inside")


def plain_bold(text: str) -> str:
    """Text as it is, apart from its bold parts."""
    return "**".join(plain(part) for part in text.split("**"))
