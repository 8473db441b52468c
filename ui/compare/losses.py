"""The exact losses of several runs, split by split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from mmcore.cost import duration
from mmcore.differences import distinct_names, losses_table
from mmcore.store import Run
from ui import pages, session
from ui.kit import chart
from ui.kit.nouns import fit
from ui.kit.text import LOSSES, counted, nats, plain
from ui.kit.theme import Role, Theme, color, figure_layout
from ui.run.embedding_map import BELOW

TEST = {"test_loss": "Test loss", "test_loss_unseen": "Test loss on unseen words"}
LOOKS: dict[str, tuple[Role, str]] = {  # colour and pattern of a bar
    "val_loss": ("validation", ""),
    "val_loss_unseen": ("validation", "/"),
    "train_loss": ("train", ""),
    "test_loss": ("test", ""),
    "test_loss_unseen": ("test", "/"),
}


def draw(runs: Sequence[Run], theme: Theme) -> None:
    """The section."""
    st.header("Losses", anchor=False)
    if warning := unlike(runs):
        st.warning(warning)
    test = any(run.test_openings for run in runs)
    table, names = losses_table(runs, test=test), distinct_names(runs)
    if said := lowest(table, names):
        st.markdown(said)
    titles = titles_of(table, test)
    if not titles:
        st.info("None of these runs has saved weights yet.", icon=":material/info:")
        return
    _draw_table(runs, table, titles, names)
    figure = bars(table, titles, names, theme)
    tokens = session.tokens(run.config for run in runs)
    chart.draw(figure, "compare_losses", "Exact losses of each run, a bar for each split", tokens=tokens)
    st.caption(fit("Exact, over every example of the split; nats per character.", tokens) + seal(runs))


def titles_of(table: pd.DataFrame, test: bool) -> dict[str, str]:
    """The losses that one of the runs has, validation first."""
    titles = LOSSES | (TEST if test else {})
    return {name: titles[name] for name in LOOKS if name in titles and table[name].notna().any()}


def seal(runs: Sequence[Run]) -> str:
    """Whose test split has been opened."""
    opened = [run for run in runs if run.test_openings]
    if not opened:
        return f" The test split of all of them is sealed; the page {pages.SPLITS.title} can open it."
    if len(opened) == len(runs):
        return " The test split of all of them has been opened: no choice should be made by it any more."
    return f" The test split of {counted(len(runs) - len(opened), 'run')} is sealed, and not shown."


def unlike(runs: Sequence[Run]) -> str:
    """Why losses cannot be compared as they are; nothing where they can."""
    if len({run.config.corpus_sha256 for run in runs}) > 1:
        return "These runs are on different corpora: their losses are of other words, and not to be ranked."
    if len({run.config.split for run in runs}) > 1:
        return "These runs split their corpus differently: their validation losses are of other words."
    return ""


def lowest(table: pd.DataFrame, names: Mapping[str, str]) -> str:
    """Which run has the lowest validation loss, and by how much."""
    ranked = table.dropna(subset=["val_loss"]).sort_values("val_loss", kind="stable")
    if len(ranked) < 2:
        return ""
    best, second = ranked.iloc[0], ranked.iloc[1]
    if best["val_loss"] == second["val_loss"]:
        return f"The lowest validation loss, {nats(best['val_loss'])}, is that of several runs."
    apart = nats(second["val_loss"] - best["val_loss"])
    said = f"Lowest validation loss: **{plain(names[best['id']])}**, {nats(best['val_loss'])}, {apart} below the next"
    return f"{said}. Each is one run with one seed: another seed would move it."


def _draw_table(runs: Sequence[Run], table: pd.DataFrame, titles: Mapping[str, str], names: Mapping[str, str]) -> None:
    shown = pd.DataFrame({"Run": list(names.values())})
    columns: dict[str, Any] = {"Run": st.column_config.TextColumn(pinned=True, width="medium")}
    unit = fit("Nats per character.", session.tokens(run.config for run in runs))
    for name, title in titles.items():
        shown[title] = table[name]
        columns[title] = st.column_config.NumberColumn(format="%.4f", help=unit)
        if len(runs) > 1 and table[f"{name}_more"].iloc[1:].notna().any():
            shown[f"{title} − first"] = table[f"{name}_more"].where(table.index > 0)
            help = "How much higher or lower than the first run's."
            columns[f"{title} − first"] = st.column_config.NumberColumn("− first", format="%+.4f", help=help)
    sizes = [session.vocab(run.config.corpus_sha256).size for run in runs]
    shown["Parameters"] = [run.config.model.parameters(size) for run, size in zip(runs, sizes, strict=True)]
    shown["Steps"] = [run.step for run in runs]
    shown["Time"] = [duration(run.seconds) for run in runs]
    columns |= {name: st.column_config.NumberColumn(format="localized") for name in ("Parameters", "Steps")}
    alt = "Losses of each run and how far from the first's"
    st.dataframe(shown, hide_index=True, column_config=columns, alt=alt, placeholder="–", height="content")


def bars(table: pd.DataFrame, titles: Mapping[str, str], names: Mapping[str, str], theme: Theme) -> go.Figure:
    """A group of bars for each run, top to bottom in the runs' order, a bar a split."""
    figure = go.Figure()
    labels = [name if len(name) <= 28 else f"{name[:27]}…" for name in names.values()]
    places = list(range(len(labels)))
    for name, title in titles.items():
        role, pattern = LOOKS[name]
        figure.add_bar(
            y=places,
            x=table[name],
            orientation="h",
            name=title,
            marker={"color": color(role, theme), "pattern": {"shape": pattern, "solidity": 0.4}},
            text=["" if pd.isna(loss) else nats(loss) for loss in table[name]],
            textposition="outside",
            cliponaxis=False,
            textfont={"size": 11},
            customdata=list(names.values()),
            hovertemplate="%{customdata}<br>%{x:.6f} nats per character<extra>%{fullData.name}</extra>",
        )
    layout = figure_layout("Losses by split", x="Loss (nats per character)", y="", theme=theme)
    figure.update_layout(layout, height=150 + len(labels) * (16 + 20 * len(titles)), bargap=0.2, margin_t=48)
    figure.update_layout(legend=BELOW | {"traceorder": "normal"})
    longest = table[list(titles)].max(axis=None)
    figure.update_xaxes(range=[0, 1.15 * longest])  # with room for the figures
    return figure.update_yaxes(autorange="reversed", tickvals=places, ticktext=labels)
