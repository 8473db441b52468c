"""One hidden unit: which contexts drive it highest and lowest, and what it is worth."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from mmcore import trace
from mmcore.dataset import Dataset, Vocab
from mmcore.evaluation import evaluate
from mmcore.model import Model
from ui.kit import linked
from ui.kit.symbols import context_text
from ui.neurons.layer import Seen

LISTED = 12  # contexts at either end


def draw(run_id: str, step: int, layer: int, seen: Seen, model: Model, dataset: Dataset, val_loss: float) -> None:
    """A unit of the layer, as the visitor chooses it."""
    units = seen.report.outputs.shape[1]
    with st.container(horizontal=True, gap="medium"):
        key = f"neurons_unit_{layer}_{units}"
        unit = st.number_input(
            "Unit",
            0,
            units - 1,
            linked.keep("unit", key, 0, linked.whole(0, units - 1)),
            key=key,
            width=160,
            help=f"From 0 to {units - 1}, as in the chart above.",
        )
        without = loss_without(run_id, step, layer, unit, model, dataset)
        st.metric(
            "Validation loss without it",
            f"{without:.4f}",
            f"{without - val_loss:+.4f}",
            delta_color="inverse",
            help="Its output is 0 on every example; everything else is as it was learned.",
            width="content",
        )
    found = extremes(seen.contexts, seen.report.outputs[:, unit], dataset.vocab)
    for place, title, part in zip(
        st.columns(2, gap="medium"),
        ("Highest outputs", "Lowest outputs"),
        (found.head(LISTED), found.tail(LISTED)[::-1]),
        strict=True,
    ):
        place.markdown(f"**{title}**")
        columns = {"output": st.column_config.NumberColumn("output, h", format="%.4f")}
        place.dataframe(part, hide_index=True, column_config=columns, height="content", alt=f"{title} of unit {unit}")
    st.caption(f"Of the {len(found):,} different contexts among the {len(seen.contexts):,} examples above.")


@st.cache_data(show_spinner=False, max_entries=256)
def loss_without(run_id: str, step: int, layer: int, unit: int, _model: Model, _dataset: Dataset) -> float:
    """The exact validation loss with a unit switched off, kept per weights."""
    return evaluate(trace.without_unit(_model, layer, unit), _dataset.val).loss


def extremes(contexts: NDArray[np.int64], outputs: NDArray[np.floating], vocab: Vocab) -> pd.DataFrame:
    """Columns ``context, output``: each different context once, the highest output first."""
    _, first = np.unique(contexts, axis=0, return_index=True)
    order = first[np.argsort(-outputs[first], kind="stable")]
    shown = [context_text(row, vocab) for row in contexts[order].tolist()]
    return pd.DataFrame({"context": shown, "output": outputs[order]})
