"""Which hidden layer of a perceptron is looked at; the same on every page."""

from __future__ import annotations

import streamlit as st

from mmcore import trace
from mmcore.model import Model
from ui.kit import linked


def sizes(model: Model) -> tuple[int, ...]:
    """Hidden units of each layer of a perceptron whose derivatives are written out; none of any other model."""
    return trace.perceptron(model).hidden_sizes if trace.can_trace(model) else ()


def choose(layers: int) -> int:
    """A hidden layer, counted from 1."""
    key = f"hidden_layer_{layers}"
    return st.number_input(
        "Hidden layer",
        1,
        layers,
        linked.keep("layer", key, 1, linked.whole(1, layers)),
        key=key,
        persist_state="session",
        width=160,
        help="Counted from the input.",
    )
