"""Are the gradients right? Computed again by ways that share no code."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from mmcore import trace
from ui.under_the_hood.subject import Subject, choose_examples


def draw(subject: Subject) -> None:
    """How far the ways are apart at most, and each tensor's gradient by each."""
    table = trace.gradient_check(subject.model, *choose_examples(subject, "check"))
    worst = table[["hand_autograd", "autograd_numeric"]].max()
    by_hand = table["exact"].notna().any()
    formulas = "the formulas of the view Backward" if trace.can_trace(subject.model) else "formulas for whole batches"
    st.markdown(
        (f"By hand: {formulas}, as training uses them. " if by_hand else "")
        + f"Autograd: PyTorch's{'' if by_hand else ', as training uses them'}. Central differences: "
        r"$(\text{loss}(w + \varepsilon) - \text{loss}(w - \varepsilon)) / 2\varepsilon$ with $\varepsilon = 10^{-5}$, "
        "for up to 64 numbers of each tensor, the largest gradients among them. All in float64."
    )
    with st.container(horizontal=True, gap="medium"):
        if by_hand:
            st.metric("By hand against autograd, at most", f"{worst['hand_autograd']:.1e}", width="content")
        st.metric("Autograd against differences, at most", f"{worst['autograd_numeric']:.1e}", width="content")
    st.dataframe(
        as_shown(table),
        hide_index=True,
        column_config={
            "tensor": "Tensor",
            "shape": "Shape",
            "largest": st.column_config.NumberColumn("Largest |gradient|", format="%.4e"),
            "equal": st.column_config.TextColumn("By hand = autograd", help="Exact: equal to the last bit."),
            "hand_autograd": st.column_config.NumberColumn("Max difference", format="%.1e", help="By hand − autograd."),
            "autograd_numeric": st.column_config.NumberColumn("To central differences", format="%.1e"),
            "nudged": st.column_config.NumberColumn("Numbers nudged"),
        },
        alt="Gradients, each way",
    )


def as_shown(table: pd.DataFrame) -> pd.DataFrame:
    """The gradient check in words a reader can compare: columns as on screen, by hand only where there is that."""
    shown = table.assign(equal=table["exact"].map({True: "exact", False: "rounding"}))
    by_hand = ["equal", "hand_autograd"] if table["exact"].notna().any() else []
    return shown[["tensor", "shape", "largest", *by_hand, "autograd_numeric", "nudged"]]
