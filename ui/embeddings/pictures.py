"""The table as a picture: which projection and colours, and the map, on which a click chooses a character."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from mmcore import Run, embedding
from mmcore.dataset import Vocab
from mmcore.embedding import character_class, membership
from mmcore.symbols import WORDS
from ui import session, visitor
from ui.embeddings import film
from ui.embeddings.table import Table
from ui.kit import linked, plots
from ui.kit.nouns import fit
from ui.kit.theme import PLOTLY_CONFIG, Theme
from ui.run import embedding_map
from ui.run.embedding_map import Coloring

if TYPE_CHECKING:
    from mmcore import Artifact

CLASS, SET = "Vowel or consonant", "My own set"
PCA, TSNE = "PCA", "t-SNE"
MAX_SET, MOST_SEED = 1_000, 2**31 - 1
COLORINGS = {
    CLASS: None,
    "Frequency": "share",
    "Share as first letter": "first_share",
    "Share as last letter": "last_share",
    SET: None,
}


@dataclass(frozen=True)
class Picture:
    """Points (N, k), what their k axes are, and their colours."""

    projection: str
    points: NDArray[np.floating]
    axes: list[str]
    look: Coloring


def choose(table: Table, vocab: Vocab, sha256: str) -> Picture:
    """The table as the visitor wants to see it."""
    dimensions = table.rows.shape[1]
    offered = projections(dimensions)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        shown = linked.keep("view", f"view_{dimensions}", offered[0], linked.one_of(offered))
        projection = st.segmented_control(
            "View",
            offered,
            default=shown,
            required=True,
            key=f"view_{dimensions}",
            persist_state="session",
            help="Raw axes where the table has up to 3 columns, else the plane of most variance (PCA); t-SNE on "
            "request.",
        )
        names = [name for name in COLORINGS if name != CLASS or vocab.tokens != WORDS]
        key = "coloring" if vocab.tokens != WORDS else "coloring_of_words"
        shown = linked.keep("colour", key, names[0], linked.one_of(names))
        name = st.selectbox(
            "Colour by",
            names,
            names.index(shown),
            key=key,
            format_func=lambda name: fit(name, vocab.tokens),
            persist_state="session",
            width=260,
            help=fit("What the model was never told: does it show in where it put the characters?", vocab.tokens),
        )
        wanted: Sequence[str] = ""
        if name == SET:
            help_set = fit("Any characters; they are told from the rest.", vocab.tokens)
            title = fit("Characters of the set", vocab.tokens)
            shown = linked.keep("set", "wanted", "aeiouy", linked.line(MAX_SET))
            typed = st.text_input(title, shown, key="wanted", width=260, max_chars=MAX_SET, help=help_set)
            wanted = vocab.cutting.cut(vocab.typed(typed))
    where = positions(sha256).iloc[list(table.ids)]
    points, axes = project(table.rows, projection)
    return Picture(projection, points, axes, coloring(name, table.symbols, where, wanted))


def draw(run: Run, artifact: Artifact, table: Table, picture: Picture, theme: Theme) -> None:
    """The map, through time where that can be shown, and what can be done with it."""
    # A new chart for each choice made elsewhere: its own selection would be another character's.
    key = f"{run.id}_{picture.projection}_{st.session_state.get('embedding_picks', 0)}"
    kept = film.kept(run, artifact)
    if len(kept) > 1 and len(picture.axes) < 3 and picture.projection != TSNE:
        frames = film.develop(run.id, tuple(one.step for one in kept), list(table.ids), run, artifact, kept)
        film.play(
            frames,
            table.symbols,
            picture.look,
            step=artifact.step,
            key=f"film_{key}",
            on_step=lambda step: _open_step(run, step),
            on_symbol=_choose,
            tokens=artifact.vocab.tokens,
        )
        st.caption(fit(f"{hint(picture)} {film.explanation(frames)}", artifact.vocab.tokens))
        return

    key = f"embedding_{key}"

    def clicked() -> None:
        found = st.session_state[key].selection.points
        if found:
            _choose(table.symbols[plots.clicked_id(found[0])])

    title = fit("Characters in the embedding table", artifact.vocab.tokens)
    st.plotly_chart(
        embedding_map.embedding(picture.points, table.symbols, picture.axes, title=title, theme=theme, **picture.look),
        theme=None,
        config=PLOTLY_CONFIG,
        key=key,
        on_select=clicked,
        selection_mode="points",
        alt="Map of the embedding table; choose a character below to read its neighbours",
    )
    st.caption(fit(hint(picture), artifact.vocab.tokens))


def _choose(symbol: str) -> None:
    st.session_state["embedding_symbol"] = symbol


def _open_step(run: Run, step: int) -> None:
    final = run.weights_step
    if final is not None:
        visitor.open_step(step, final)


def project(rows: NDArray[np.floating], projection: str) -> tuple[NDArray[np.floating], list[str]]:
    """Points (N, k) and the names of the k axes."""
    if projection == PCA:
        return embedding.plane(rows)
    if projection == TSNE:
        shown = linked.keep("map_seed", "map_seed", 0, linked.whole(0, MOST_SEED))
        help_seed = "Groups that only one seed shows are chance."
        seed = st.number_input("Map seed", 0, MOST_SEED, shown, key="map_seed", width=260, help=help_seed)
        return tsne(rows, seed), ["t-SNE 1", "t-SNE 2"]
    return rows, [f"Dimension {i}" for i in range(rows.shape[1])]


def hint(picture: Picture) -> str:
    """What can be done with a map, what it shows, or what must not be read from it."""
    if picture.projection == TSNE:
        return "Axes of t-SNE have no unit, and distances between its groups no meaning."
    if len(picture.axes) == 3:
        return "Drag to turn it; choose a character from the list."
    what = "Click a character for its neighbours and its row."
    if len(picture.axes) == 1:
        return f"{what} Height only keeps letters apart."
    return f"{what} At the step shown: {', '.join(picture.axes)}." if picture.projection == PCA else what


@st.cache_data(show_spinner="Computing the t-SNE map …", max_entries=32)
def tsne(rows: NDArray[np.floating], seed: int) -> NDArray[np.float64]:
    """Kept per table and seed."""
    return embedding.tsne(rows, seed)


@st.cache_data(show_spinner=False, max_entries=16)
def positions(sha256: str) -> pd.DataFrame:
    """Where each symbol occurs in a corpus."""
    return embedding.positions(session.corpus(sha256).words, session.vocab(sha256))


def projections(dimensions: int) -> list[str]:
    """Which projections a table of so many columns allows, the plainest first."""
    raw = {1: "Raw axis", 2: "Raw axes", 3: "Raw axes in 3-D"}.get(dimensions)
    return ([raw] if raw else []) + ([PCA] if dimensions > 2 else []) + [TSNE]


def coloring(name: str, symbols: Sequence[str], positions: pd.DataFrame, wanted: Sequence[str]) -> Coloring:
    """The colours of a name; ``positions`` as from :func:`mmcore.embedding.positions`."""
    if name == CLASS:
        return {"groups": [character_class(symbol) for symbol in symbols]}
    if name == SET:
        return {"groups": membership(symbols, wanted)}
    return {"values": positions[COLORINGS[name]].tolist(), "value_title": name}
