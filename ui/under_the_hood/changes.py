"""What a single hidden unit, or a single weight, is worth: change it, and see what changes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from mmcore import trace
from mmcore.evaluation import evaluate, log_probabilities
from mmcore.model import Model
from mmcore.sample import generate
from ui.kit import chart, linked, plots
from ui.run import hidden_layer
from ui.under_the_hood.subject import Subject


def draw(subject: Subject) -> None:
    """A unit switched off, where there are hidden units; and a weight shifted."""
    if subject.hidden_sizes:
        st.header("Switch a unit off", anchor=False)
        _switch_a_unit_off(subject)
    st.header("Shift a weight", anchor=False)
    _shift_a_weight(subject)


def _switch_a_unit_off(subject: Subject) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        layer = hidden_layer.choose(len(subject.hidden_sizes))
        last = subject.hidden_sizes[layer - 1] - 1
        key = f"hood_unit_{layer}"
        shown = linked.keep("unit", key, 0, linked.whole(0, last))
        unit = st.number_input("Unit", 0, last, shown, key=key, width=160, help="Its output becomes 0.")
    off = trace.without_unit(subject.model, layer, unit)
    loss = evaluate(off, subject.dataset.val).loss
    change = f"{loss - subject.val_loss:+.6f}"
    st.metric("Validation loss without it", f"{loss:.6f}", change, delta_color="inverse")
    _draw_both(subject, off, ("With", "Without"), "hood_without", "Probabilities with and without the unit")


def _shift_a_weight(subject: Subject) -> None:
    model, names = subject.model, list(subject.model.tensors)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        at = names.index(linked.keep("tensor", "hood_shift", names[-1], linked.one_of(names)))
        tensor = st.selectbox("Tensor", names, at, key="hood_shift", width=160, help="Where the number is.")
        place = _choose_place(tensor, tuple(model.tensors[tensor].shape))
        shown = linked.keep("add", "hood_delta", 1.0, linked.real(-5, 5))
        delta = st.slider("Add", -5.0, 5.0, shown, 0.1, key="hood_delta", width=320, help="0 leaves it as it is.")
    other = trace.shifted(model, tensor, place, delta)
    was, now = (one.tensors[tensor][place].item() for one in (model, other))
    loss = evaluate(other, subject.dataset.val).loss
    with st.container(horizontal=True, gap="medium"):
        name = f"{tensor}[{', '.join(map(str, place))}]"
        st.metric(name, f"{now:.4f}", f"{now - was:+.4f}", delta_color="off", width="content")
        change = f"{loss - subject.val_loss:+.6f}"
        st.metric("Validation loss with it", f"{loss:.6f}", change, delta_color="inverse", width="content")
    _draw_both(subject, other, ("Before", "After"), "hood_shifted", "Probabilities before and after the shift")
    written = [[s.word for s in generate(one, subject.vocab, 10, sample_seed=1)] for one in (model, other)]
    words = pd.DataFrame(dict(zip(("Before", "After"), written, strict=True)))
    st.dataframe(words, hide_index=True, width=420, alt="Names with the same sample seed, before and after the shift")


def _choose_place(tensor: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Of one number in a tensor."""
    place = []
    for axis, length in enumerate(shape):
        title, key = ("Row", "Column", "Layer")[axis] if len(shape) > 1 else "Index", f"hood_shift_{tensor}_{axis}"
        shown = linked.keep(f"at_{title.lower()}", key, 0, linked.whole(0, length - 1))
        at = st.number_input(title, 0, length - 1, shown, key=key, width=140, help=f"From 0 to {length - 1}.")
        place.append(at)
    return tuple(place)


def _draw_both(subject: Subject, other: Model, names: tuple[str, str], key: str, alt: str) -> None:
    """What the model and the changed one expect after the context."""
    context = np.array([subject.context])
    before, after = (log_probabilities(one, context)[0].exp().numpy() for one in (subject.model, other))
    chart.draw(
        plots.two_bars(before, after, names, subject.vocab, subject.theme), key, alt, tokens=subject.vocab.tokens
    )
