"""The embedding maps of two of the runs, the second turned onto the first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import streamlit as st

from mmcore import embedding
from mmcore.differences import distinct_names
from mmcore.store import Run
from ui import session
from ui.kit import linked, symbols
from ui.kit.theme import Theme
from ui.run import procrustes
from ui.run.embedding_map import Coloring

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

SIDES = {
    "left": "The run that stays as it is.",
    "right": "The run that is moved, turned, mirrored and stretched onto the left one.",
}


def draw(runs: Sequence[Run], theme: Theme) -> None:
    """The section, behind a click: it loads weights."""
    linked.keep("maps", "maps", False, linked.flag())
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
    stays = _choose("left", left, offered, names)
    moves = _choose("right", right, [run_id for run_id in offered if run_id != stays], names)
    first, second = by_id[stays], by_id[moves]
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


def _choose(side: str, place: DeltaGenerator, offered: Sequence[str], names: Mapping[str, str]) -> str:
    """The id of the run whose map is on one side."""
    key = f"map_{side}"
    shown = linked.keep(side, key, offered[0], linked.one_of(offered, "one of the runs compared"))
    title, at = f"{side.title()} map", offered.index(shown)
    return place.selectbox(title, offered, at, key=key, format_func=names.__getitem__, help=SIDES[side])
