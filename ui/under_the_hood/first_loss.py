"""Why a run's first loss is what it is: the weights before the first update."""

from __future__ import annotations

import math

import numpy as np
import streamlit as st

from mmcore.dataset import show_symbol
from mmcore.diagnosis import FirstLoss, first_model
from mmcore.evaluation import log_probabilities
from ui import session
from ui.kit import chart, plots, symbols
from ui.kit.text import plain
from ui.run.in_words import first_loss, first_loss_sentence, plain_bold
from ui.under_the_hood.subject import Subject


def draw(subject: Subject) -> None:
    """What the first loss is made of, and the example as the model before it saw it."""
    run, vocab, target = subject.run, subject.vocab, subject.target
    start = first_loss(run.id, run)
    st.markdown(plain_bold(first_loss_sentence(start, vocab)))
    if reason := spread_reason(start):
        st.markdown(reason)
    with st.container(horizontal=True, gap="medium"):
        st.metric("First loss", f"{start.loss:.4f}", help="Over all train examples.", width="content")
        st.metric(f"ln {vocab.size}", f"{start.uniform:.4f}", width="content")
        st.metric("Spread of the logits, σ", f"{start.spread:.3g}", width="content")
    first = first_model(run.config, vocab.size, session.store().start(run.id))
    p = log_probabilities(first, np.array([subject.context]))[0].exp().numpy()
    names = [show_symbol(symbol) for symbol in vocab.symbols]
    title = "Probabilities before the first update"
    figure = plots.bars(p, names, title, "Character", subject.theme, marked=target, y="Probability")
    chart.draw(figure, "hood_start", title, tokens=vocab.tokens)
    name = "the model it began with" if run.config.origin else "the untrained model"
    answer, chance = show_symbol(vocab.symbols[target]), max(float(p[target]), 1e-45)
    st.markdown(
        plain(
            f"After {symbols.context_text(subject.context, vocab)} {name} gives the right answer, "
            f"{answer}, {100 * chance:.3g} %: it pays −ln {chance:.3g} = {-math.log(chance):.4f} nats."
        )
    )


def spread_reason(start: FirstLoss) -> str | None:
    """Where the spread of the logits comes from, where the last layer is a plain sum."""
    if not start.inputs:
        return None
    products = f"{start.inputs} · {start.input_size:.2f}² · {start.weight_size:.4f}²"
    bias, squared = "", ""
    if start.bias_size:
        bias, squared = f", and a bias (size {start.bias_size:.2f})", f" + {start.bias_size:.2f}²"
    return (
        f"A logit adds up {start.inputs:,} hidden outputs (size {start.input_size:.2f}), each times a weight (size "
        f"{start.weight_size:.4f}){bias}. Were all of these independent, logits would differ by "
        f"√({products}{squared}) = {start.expected_spread:.3g}. Smaller output weights make a smaller spread; that is "
        "what *scaled* does."
    )
