"""Where training put each character, and which characters it takes for alike."""

import numpy as np
import streamlit as st

from mmcore import embedding
from ui import pages, session
from ui.embeddings import two_runs, views
from ui.kit import plots, symbols
from ui.kit.theme import PLOTLY_CONFIG, current_theme
from ui.run import embedding_map
from ui.run.picker import trained_run

theme = current_theme()

st.title(pages.EMBEDDINGS.title, anchor=False)
st.markdown(
    "Each character is a row of the embedding table, the lecture's `C`: a point that training moves. "
    "Characters that are followed by much the same characters tend to end up near each other."
)
run, artifact = trained_run()
if "C" not in artifact.model.tensors:
    st.info(f"{run.config.model.title} has no embedding table: a character is a row of probabilities, not a point.")
    st.stop()
# Of a large vocabulary all below is about its most frequent symbols, the places in a list of which are not their ids.
ids = symbols.shown(session.corpus(run.config.corpus_sha256), artifact.vocab)
C, listed = artifact.model.tensors["C"].numpy(), tuple(artifact.vocab.symbols[i] for i in ids)
table = C[ids]
if said := symbols.left_out(ids, artifact.vocab):
    st.caption(f"{said} Maps, neighbours and the comparison are among these.")
dimensions = table.shape[1]
pictures = views.embedding_views(dimensions)
title_of = {symbol: symbols.symbol_title(symbol) for symbol in listed}

with st.container(horizontal=True, vertical_alignment="bottom"):
    view = st.segmented_control(
        "View",
        pictures,
        default=pictures[0],
        required=True,
        key=f"view_{dimensions}",
        persist_state="session",
        help="Raw axes where the table has up to 3 columns, else the plane of most variance (PCA); t-SNE on request.",
    )
    coloring = st.selectbox(
        "Colour by",
        list(views.COLORINGS),
        key="coloring",
        persist_state="session",
        width=260,
        help="What the model was never told: does it show in where it put the characters?",
    )
    wanted = ""
    if coloring == views.SET:
        help_set = "Any characters; they are told from the rest."
        wanted = st.text_input("Characters of the set", "aeiouy", key="wanted", width=260, help=help_set)
        wanted = artifact.vocab.typed(wanted)


@st.cache_data(show_spinner="Computing the t-SNE map …", max_entries=32)
def tsne(table: object, seed: int) -> np.ndarray:
    """Kept per table and seed."""
    return embedding.tsne(table, seed)


@st.cache_data(show_spinner=False, max_entries=16)
def positions(sha256: str, vocab: tuple[str, ...]) -> object:
    """Where each symbol occurs in the run's corpus."""
    return embedding.positions(session.corpus(sha256).words, artifact.vocab)


if view == "PCA":
    points, axes = embedding.plane(table)
elif view == "t-SNE":
    seed = st.number_input("Map seed", 0, 2**31 - 1, 0, width=260, help="Groups that only one seed shows are chance.")
    points, axes = tsne(table, seed), ["t-SNE 1", "t-SNE 2"]
else:
    points, axes = table, [f"Dimension {i}" for i in range(dimensions)]
where = positions(run.config.corpus_sha256, artifact.vocab.symbols).iloc[ids]
look = views.coloring(coloring, listed, where, wanted)
figure = embedding_map.embedding(points, listed, axes, title="Characters in the embedding table", theme=theme, **look)

chart_key = f"embedding_{run.id}_{st.session_state.get('embedding_picks', 0)}"


def clicked() -> None:
    """Take the character clicked on as the one looked at."""
    found = st.session_state[chart_key].selection.points
    if found:
        st.session_state["embedding_symbol"] = listed[plots.clicked_id(found[0])]


def picked() -> None:
    """Drop the chart's own selection, which is another character's now."""
    st.session_state["embedding_picks"] = st.session_state.get("embedding_picks", 0) + 1


map_side, detail = st.columns([3, 2], gap="large")
with map_side:
    st.plotly_chart(
        figure,
        theme=None,
        config=PLOTLY_CONFIG,
        key=chart_key,
        on_select=clicked,
        selection_mode="points",
        alt="Map of the embedding table; choose a character below to read its neighbours",
    )
    st.caption(
        "Axes of t-SNE have no unit, and distances between its groups no meaning."
        if view == "t-SNE"
        else "Drag to turn it; choose a character from the list."
        if len(axes) == 3
        else "Click a character for its neighbours and its row. Height only keeps letters apart."
        if len(axes) == 1
        else "Click a character for its neighbours and its row."
    )
with detail:
    if st.session_state.get("embedding_symbol") not in listed:
        st.session_state["embedding_symbol"] = listed[min(1, len(listed) - 1)]
    symbol = st.selectbox(
        "Character",
        listed,
        key="embedding_symbol",
        format_func=title_of.get,
        on_change=picked,
        help="The character looked at; clicking one on the map chooses it too.",
    )
    metric = st.segmented_control(
        "Neighbours by",
        embedding.METRICS,
        default="cosine",
        required=True,
        format_func=str.capitalize,
        key="metric",
        persist_state="session",
        help="Cosine compares directions, Euclidean distance compares places. Both use all dimensions, not the map.",
    )
    index = listed.index(symbol)
    nearest = embedding.neighbours(table, index, metric)
    nearest.insert(0, "character", [title_of[listed[i]] for i in nearest["id"]])
    nearest["id"] = [ids[i] for i in nearest["id"]]
    closeness = "cosine similarity" if metric == "cosine" else "distance"
    columns = {"closeness": st.column_config.NumberColumn(closeness, format="%.6f"), "id": "id"}
    st.dataframe(
        nearest, hide_index=True, column_config=columns, height=248, alt=f"Nearest neighbours of {title_of[symbol]}"
    )
    if said := views.vowel_sentence(table, listed, metric):
        st.caption(said)
    st.plotly_chart(
        views.table_row(table[index], symbol, theme), theme=None, config=PLOTLY_CONFIG, key="row", alt="Row of C"
    )
    difference = embedding.one_hot_difference(C, ids[index])
    st.markdown(
        f"One-hot check: the vector with a 1 at id {ids[index]}, times `C`, differs from row {ids[index]} by at most "
        f"**{difference:g}**."
    )
    st.caption("Looking a character up is a matrix product with a one-hot vector: a linear layer without a bias.")

st.divider()
two_runs.draw(run, artifact, ids, metric, look, theme)
