"""The embedding maps of two of the runs, the second turned onto the first."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from mmcore import embedding
from mmcore.differences import distinct_names
from mmcore.store import Run
from ui import session
from ui.kit import symbols
from ui.kit.theme import Theme
from ui.run import procrustes
from ui.run.embedding_map import Coloring


def draw(runs: Sequence[Run], theme: Theme) -> None:
    """The section, behind a click: it loads weights."""
    opened = st.expander("Embeddings side by side", icon=":material/scatter_plot:", key="maps", on_change="rerun")
    if opened.open:
        with opened:
            _draw(runs, theme)


def with_table(runs: Sequence[Run]) -> list[Run]:
    """The runs that have saved an embedding table."""
    sizes = {run.id: session.vocab(run.config.corpus_sha256).size for run in runs}
    return [run for run in runs if run.weights_step is not None and "C" in run.config.model.shapes(sizes[run.id])]


def _draw(runs: Sequence[Run], theme: Theme) -> None:
    names, offered = distinct_names(runs), [run.id for run in with_table(runs)]
    by_id = {run.id: run for run in runs}
    if len(offered) < 2:
        st.info("Two of the runs must have saved an embedding table.", icon=":material/info:")
        return
    left, right = st.columns(2)
    ids = [
        place.selectbox(label, offered, number, format_func=names.__getitem__, key=f"map_{number}", help=help)
        for number, (place, label, help) in enumerate(
            [
                (left, "Left map", "The run that stays as it is."),
                (right, "Right map", "The run that is moved, turned, mirrored and stretched onto the left one."),
            ]
        )
    ]
    first, second = (by_id[run_id] for run_id in ids)
    artifacts = session.artifact(first), session.artifact(second)
    if artifacts[0] is None or artifacts[1] is None:  # deleted meanwhile
        st.rerun()
    if artifacts[0].vocab.symbols != artifacts[1].vocab.symbols:
        st.info("These two have different vocabularies: their maps have no points in common.")
        return
    vocab = artifacts[0].vocab
    shown = symbols.shown(session.corpus(first.config.corpus_sha256), vocab)
    tables = [artifact.model.tensors["C"].numpy()[shown] for artifact in artifacts if artifact]
    listed = [vocab.symbols[i] for i in shown]
    look: Coloring = {"groups": [embedding.character_class(symbol) for symbol in listed]}
    procrustes.draw((first, second), tables[0], tables[1], listed, look, theme)
