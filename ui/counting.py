"""Count models of a split, each fitted once for the server: what a network has to beat."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from mmcore.config import SplitConfig
from mmcore.ngram import LONGEST, ORDERS, KneserNey
from mmcore.ngram import baselines as count_baselines
from ui import session

QUICK = 60_000  # words that are counted within a second or two; a larger corpus is counted when asked for


@st.cache_resource(show_spinner=False, max_entries=64)
def baselines(sha256: str, split: SplitConfig) -> dict[str, float]:
    """Validation losses of what a network has to beat: uniform, unigram, bigram."""
    table = count_baselines(session.dataset(sha256, split, 1))  # they look at one character at most
    return dict(zip(table["model"], table["val_loss"], strict=True))


@st.cache_resource(show_spinner=False, max_entries=64)
def kneser_ney(sha256: str, split: SplitConfig, context_size: int) -> float:
    """The validation loss of counting contexts no longer than a network's."""
    return min(_val_loss(sha256, split, order) for order in range(1, min(LONGEST, context_size) + 1))


@st.cache_resource(show_spinner="Counting …", max_entries=40)
def fitted(sha256: str, split: SplitConfig, order: int) -> KneserNey:
    """The count model of an order, fitted on a corpus's train split."""
    return KneserNey(session.dataset(sha256, split, ORDERS[-1]).train, order)


@st.cache_resource(show_spinner=False, max_entries=256)
def _val_loss(sha256: str, split: SplitConfig, order: int) -> float:
    return fitted(sha256, split, order).loss(session.dataset(sha256, split, ORDERS[-1]).val)


def quick(sha256: str) -> bool:
    """Whether a corpus is small enough to be counted without being asked."""
    return len(session.corpus(sha256).words) <= QUICK


@st.cache_data(show_spinner="Counting …", max_entries=40)
def table(sha256: str, split: SplitConfig) -> pd.DataFrame:
    """Columns ``order, train_loss, val_loss, val_loss_unseen``; NaN where no validation word is unseen."""
    data = session.dataset(sha256, split, ORDERS[-1])
    rows = []
    for order in ORDERS:
        model, val_loss = fitted(sha256, split, order), _val_loss(sha256, split, order)
        row: dict[str, float] = {"order": order, "train_loss": model.loss(data.train), "val_loss": val_loss}
        unseen = data.val_unseen
        rows.append(row | {"val_loss_unseen": model.loss(unseen) if len(unseen) else np.nan})
    return pd.DataFrame(rows)


def best_order(sha256: str, split: SplitConfig) -> int:
    """Of the count model with the lowest validation loss."""
    losses = table(sha256, split)
    return int(losses.loc[losses["val_loss"].idxmin(), "order"])
