"""Two runs' embedding tables side by side: the second turned onto the first, and the neighbours both agree on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from numpy.typing import NDArray

from mmcore import Run, cost, embedding, show_symbol
from mmcore.config import RunConfig
from ui import session, visitor
from ui.form import settings
from ui.kit.text import plain
from ui.kit.theme import PLOTLY_CONFIG, Theme, color, figure_layout
from ui.run import embedding_map, picker, progress

if TYPE_CHECKING:
    from mmcore import Artifact

SEEDS = 2**63
WANTED = "second_wanted"  # the run that the button has started, to be shown as soon as it can be
LISTED = 8  # characters that a sentence names before it says how many more there are


def draw(run: Run, artifact: Artifact, ids: Sequence[int], metric: str, look: Mapping[str, Any], theme: Theme) -> None:
    """The section: which second run, both maps, and what they have in common, of the symbols ``ids``.

    ``look`` is the first map's colouring, as from :func:`ui.tables.coloring`.
    """
    st.header("Two runs side by side", anchor=False)
    st.markdown(
        "Training starts from random numbers, so every run draws another map: turned, flipped, stretched. Who is near "
        "whom should stay, as far as it was learned from the words. How far do two runs agree, and how far by chance?"
    )
    runs = session.store().runs()
    offered, refused = candidates(run, runs)
    if not offered:
        _draw_empty(run, runs, refused)
        return
    most = len(ids) - 1
    which, how_many, again = st.columns([5, 2, 3], vertical_alignment="bottom")
    with which:
        second = _choose(offered)
    with how_many:
        count = st.number_input(
            "Neighbours compared (k)",
            1,
            most,
            min(5, most),
            key=f"neighbours_compared_{most}",
            persist_state="session",
            help="How many nearest neighbours of each character are looked for in the other run.",
        )
    with again:
        _draw_button(run, runs)
    _draw_waiting(run, runs)
    st.caption(plain(f"{differences(run.config, second.config)} {refusal(refused)}"))
    other = session.artifact(second)
    if other is None:  # deleted meanwhile
        st.rerun()
    symbols = [artifact.vocab.symbols[i] for i in ids]
    table, others = (trained.model.tensors["C"].numpy()[ids] for trained in (artifact, other))
    _draw_maps((run, second), table, others, symbols, look, theme)
    _draw_common(table, others, symbols, count, metric, theme)


# ---- which run


def candidates(run: Run, runs: Sequence[Run]) -> tuple[list[Run], Counter[str]]:
    """The runs that can be compared with ``run``, most alike first, and why how many others cannot."""
    symbols = session.vocab(run.config.corpus_sha256).symbols
    offered, refused = list[Run](), Counter[str]()
    for other in runs:
        vocab = session.vocab(other.config.corpus_sha256)
        if other.id == run.id:
            continue
        if vocab.symbols != symbols:
            refused["with another vocabulary"] += 1
        elif "C" not in other.config.model.shapes(vocab.size):
            refused["without an embedding table"] += 1
        elif other.state in progress.LIVE:
            refused["still in training"] += 1
        elif other.weights_step is None:
            refused["without saved weights"] += 1
        else:
            offered.append(other)
    return sorted(offered, key=lambda other: not alike(run.config, other.config)), refused


def alike(first: RunConfig, second: RunConfig) -> bool:
    """Whether two runs differ in nothing, or in the seed only."""
    return second.replace(train=second.train.replace(seed=first.train.seed)) == first


def next_seed(config: RunConfig, runs: Sequence[Run]) -> int:
    """The first seed after a run's own that no run like it has had."""
    used = {run.config.train.seed for run in runs if alike(config, run.config)} | {config.train.seed}
    return next(seed for i in range(1, len(used) + 1) if (seed := (config.train.seed + i) % SEEDS) not in used)


def differences(first: RunConfig, second: RunConfig) -> str:
    """In which settings two runs differ, in one sentence; what only one architecture has is part of its name."""
    ours, theirs = settings.said_of(first), settings.said_of(second)
    names = [name for name in ours if name in theirs and ours[name] != theirs[name]]
    found = [f"{name.replace('_', ' ')} ({ours[name]} → {theirs[name]})" for name in names]
    if first.corpus_sha256 != second.corpus_sha256:
        found.append("corpus")
    return f"They differ in {', '.join(found)}." if found else "Their settings are the same."


def refusal(refused: Counter[str]) -> str:
    """Why other runs cannot be chosen; nothing if all can."""
    return f"Not offered: {', '.join(f'{count:,} {why}' for why, count in refused.items())}." if refused else ""


def _choose(offered: Sequence[Run]) -> Run:
    by_id = {other.id: other for other in offered}
    if st.session_state.get(WANTED) in by_id:
        st.session_state["second_run"] = st.session_state.pop(WANTED)
    if st.session_state.get("second_run") not in by_id:
        st.session_state["second_run"] = offered[0].id
    chosen = st.selectbox(
        "Second run",
        list(by_id),
        key="second_run",
        persist_state="session",
        format_func=lambda run_id: picker.title(by_id[run_id]),
        help="Any run with the same vocabulary and an embedding table. Runs that differ in the seed only come first.",
    )
    return by_id[chosen]


def _train_again(config: RunConfig) -> None:
    if run := visitor.queue_run(config):
        st.session_state[WANTED] = run.id


def _draw_button(run: Run, runs: Sequence[Run], kind: str = "secondary") -> None:
    seed = next_seed(run.config, runs)
    st.button(
        f"Train the same with seed {seed}",
        type=kind,  # type: ignore[arg-type]
        icon=":material/play_arrow:",
        key="train_again",
        on_click=_train_again,
        args=(run.config.replace(train=run.config.train.replace(seed=seed)),),
        help="Other initial weights and batches, everything else as in this run, which stays as it is.",
    )


def _draw_empty(run: Run, runs: Sequence[Run], refused: Counter[str]) -> None:
    took = cost.duration(run.seconds)
    st.info(
        f"Train this run's settings once more with another seed, which took {took} the first time; both maps appear "
        f"here. {plain(refusal(refused))}",
        title="A second run is needed",
        icon=":material/info:",
    )
    _draw_button(run, runs, "primary")
    _draw_waiting(run, runs)


def _draw_waiting(run: Run, runs: Sequence[Run]) -> None:
    """The newest run like this one that is not over yet, as far as it is."""
    waiting = [other for other in runs if other.id != run.id and other.state in progress.LIVE]
    other = next((other for other in waiting if alike(run.config, other.config)), None)
    if other is None:
        return

    @st.fragment(run_every=progress.tick(other, 1))
    def watch() -> None:
        now, history = progress.look(other)
        with st.container(border=True):
            st.markdown(f"**{plain(other.name)}**, seed {other.config.train.seed}")
            progress.draw_status(now, history)
            progress.draw_buttons(now)

    watch()


# ---- the two maps


def onto(
    first: NDArray[np.floating], second: NDArray[np.floating]
) -> tuple[NDArray[np.float64], NDArray[np.float64], list[str]]:
    """Points of two tables in one plane, or on one line if one of them has a single column, and its axes.

    The second is moved, turned, mirrored and stretched to lie as near to the first as it can.
    """
    (points, axes), (others, _) = embedding.plane(first), embedding.plane(second)
    width = min(points.shape[1], others.shape[1])
    points = points[:, :width]
    return points, embedding.procrustes(others[:, :width], points, scaled=True), axes[:width]


def maps(
    first: NDArray[np.floating],
    second: NDArray[np.floating],
    symbols: Sequence[str],
    look: Mapping[str, Any],
    theme: Theme,
) -> tuple[go.Figure, go.Figure]:
    """Both tables' maps on the same axes."""
    points, others, axes = onto(first, second)
    both = np.concatenate([points, others])
    low, high = both.min(axis=0), both.max(axis=0)
    room = 0.07 * np.where(high > low, high - low, 1.0)
    turned = [f"{axis.split(' (')[0]} of the first run" for axis in axes]
    titles = ("The first run's characters", "The second run's, turned onto them")
    figures = []
    for where, names, title in zip((points, others), (axes, turned), titles, strict=True):
        figure = embedding_map.embedding(where, symbols, names, title=title, theme=theme, **look)
        figure.update_xaxes(range=[low[0] - room[0], high[0] + room[0]])
        if len(axes) == 2:
            figure.update_yaxes(range=[low[1] - room[1], high[1] + room[1]]).update_layout(height=460)
        figures.append(figure)
    return figures[0], figures[1]


def _draw_maps(
    runs: tuple[Run, Run],
    first: NDArray[np.floating],
    second: NDArray[np.floating],
    symbols: Sequence[str],
    look: Mapping[str, Any],
    theme: Theme,
) -> None:
    for side, run, figure in zip(st.columns(2), runs, maps(first, second, symbols, look, theme), strict=True):
        with side:
            st.caption(plain(settings.describe(run.config)))
            st.plotly_chart(
                figure,
                theme=None,
                config=PLOTLY_CONFIG,
                key=f"side_{run is runs[1]}",
                alt=f"Map of the {'second' if run is runs[1] else 'first'} run's embedding table",
            )


# ---- what they have in common


def chance(count: int, vocab_size: int) -> float:
    """The share of common neighbours that two unrelated tables have in the mean."""
    return count / (vocab_size - 1)


def by_character(common: pd.DataFrame, symbols: Sequence[str], count: int, theme: Theme) -> go.Figure:
    """Each character's share of common neighbours, largest first, and the share that chance gives.

    ``common``: columns ``id, share, common``, as from :func:`mmcore.embedding.common_neighbours`.
    """
    ranked = common.sort_values("share", ascending=False, kind="stable")
    expected = chance(count, len(symbols))
    listed = [", ".join(show_symbol(symbols[i]) for i in ids) or "none" for ids in ranked["common"]]
    figure = go.Figure(
        go.Bar(
            x=[show_symbol(symbols[i]) for i in ranked["id"]],
            y=ranked["share"],
            customdata=listed,
            marker_color=color("accent", theme),
            hovertemplate=f"<b>%{{x}}</b><br>%{{y:.0%}} of {count}: %{{customdata}}<extra></extra>",
        )
    )
    figure.add_hline(
        expected,
        line={"color": color("validation", theme), "dash": "dash", "width": 2},
        annotation={
            "text": f"by chance {100 * expected:.1f} %",
            "xanchor": "right",
            "x": 1,
            "yanchor": "bottom",
            "font": {"size": 12, "color": color("validation", theme)},
        },
    )
    title = f"Share of the {count} nearest neighbours in common" if count > 1 else "Nearest neighbour in common"
    layout = figure_layout(title, x="Character", y="Share in common", theme=theme, height=380)
    figure.update_layout(layout, margin_t=48, bargap=0.15)
    figure.update_yaxes(range=[0, 1.04], tickformat=".0%")
    return figure.update_xaxes(type="category", tickangle=0, tickfont_size=11, dtick=1 if len(symbols) <= 60 else None)


def verdict(common: pd.DataFrame, symbols: Sequence[str], count: int) -> str:
    """What the shares say: their mean beside chance, and which characters are stable."""
    mean, expected = common["share"].mean(), chance(count, len(symbols))
    said = (
        f"**{100 * mean:.1f} %** of the {count} nearest neighbours are the same in both runs; between unrelated tables "
        f"it would be {100 * expected:.1f} % by chance ({count} of {len(symbols) - 1})."
    )
    best, worst = common["share"].max(), common["share"].min()
    if best == worst:
        return said
    ends = []
    for share in (best, worst):
        ids = common["id"][common["share"] == share].tolist()
        names = ", ".join(plain(show_symbol(symbols[i])) for i in ids[:LISTED])
        more = f" and {len(ids) - LISTED:,} more" if len(ids) > LISTED else ""
        ends.append(f"**{names}**{more} with {round(share * count)} of {count}")
    return f"{said} Most stable: {ends[0]}. Least stable: {ends[1]}."


def _draw_common(
    first: NDArray[np.floating],
    second: NDArray[np.floating],
    symbols: Sequence[str],
    count: int,
    metric: str,
    theme: Theme,
) -> None:
    common = shared(first, second, count, metric)
    st.markdown(verdict(common, symbols, count))
    chart, listed = st.columns([3, 2], gap="large")
    with chart:
        st.plotly_chart(
            by_character(common, symbols, count, theme),
            theme=None,
            config=PLOTLY_CONFIG,
            key="in_common",
            alt="Share of common nearest neighbours by character, beside chance",
        )
    with listed:
        st.dataframe(
            pd.DataFrame(
                {
                    "character": [show_symbol(symbols[i]) for i in common["id"]],
                    "in common": [len(ids) for ids in common["common"]],
                    "which": [", ".join(show_symbol(symbols[i]) for i in ids) for ids in common["common"]],
                }
            ).sort_values("in common", ascending=False, kind="stable"),
            hide_index=True,
            height=340,
            alt="Common nearest neighbours of each character",
        )
        st.caption(f"Neighbours by {metric}, as chosen above, in all dimensions of each table; nearest first.")


@st.cache_data(show_spinner=False, max_entries=32)
def shared(first: object, second: object, count: int, metric: str) -> pd.DataFrame:
    """Kept per pair of tables, count and metric."""
    return embedding.common_neighbours(first, second, count, metric)  # type: ignore[arg-type]
