"""The losses of each split with their intervals, and what the gap between them says."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from mmcore.dataset import Dataset, Examples, Vocab
from mmcore.evaluation import bootstrap_interval, evaluate, word_losses
from mmcore.model import Model
from mmcore.store import Run
from ui import session
from ui.kit.nouns import fit
from ui.kit.text import nats
from ui.kit.theme import Role, Theme, color, figure_layout, line, marker

if TYPE_CHECKING:
    from mmcore import Artifact

Part = tuple[str, Role, Examples]


LABEL = 32  # px, of the two lines of a label above the figure
NEAR = 0.24  # of the axis: on a phone, labels that are nearer to each other would overlap


@dataclass(frozen=True, kw_only=True)
class SplitLoss:
    """One split's exact loss, in three units, with its 95 % interval over words."""

    title: str
    role: Role
    loss: float
    low: float
    high: float
    perplexity: float
    bits: float
    words: int
    examples: int


def measure(run_id: str, artifact: Artifact, dataset: Dataset, *, test: bool) -> dict[str, SplitLoss]:
    """Every split's loss, by its title, top to bottom; test only if it is open."""
    parts = split_parts(dataset, test=test)
    return {part[0]: _measured(run_id, artifact.step, *part, artifact.model) for part in parts}


@st.cache_data(show_spinner="Measuring …", max_entries=128)
def _measured(run_id: str, step: int, title: str, role: Role, _examples: Examples, _model: Model) -> SplitLoss:
    """Kept per run and step: resampling the train words takes a second."""
    losses = evaluate(_model, _examples)
    low, high = bootstrap_interval(*word_losses(_model, _examples))
    return SplitLoss(
        title=title,
        role=role,
        loss=losses.loss,
        low=low,
        high=high,
        perplexity=losses.perplexity,
        bits=losses.bits_per_char,
        words=len(_examples.words),
        examples=losses.examples,
    )


def split_parts(dataset: Dataset, *, test: bool) -> list[Part]:
    """(title, role, examples) of the splits to compare, top to bottom; test only if it is open."""
    parts: list[Part] = [
        ("Train", "train", dataset.train),
        ("Validation", "validation", dataset.val),
        ("Validation, unseen words", "validation", dataset.val_unseen),
    ]
    if test:
        parts += [("Test", "test", dataset.test), ("Test, unseen words", "test", dataset.test_unseen)]
    return [part for part in parts if len(part[2])]


def draw_cards(run: Run, found: Mapping[str, SplitLoss], unsealed: set[str], vocab: Vocab) -> None:
    """A card each split; that of a sealed test split offers to open it."""
    with st.grid(3):
        for title in ("Train", "Validation", "Test"):
            with st.container(border=True, height="stretch"):
                if title in found:
                    _draw_card(found[title], found.get(f"{title}, unseen words"), vocab)
                else:
                    _draw_sealed(run, unsealed)
                if title == "Test":
                    times = "once" if run.test_openings == 1 else f"{run.test_openings:,} times"
                    st.caption(f"Opened {times}." if run.test_openings else "Never opened.")


def _draw_card(whole: SplitLoss, unseen: SplitLoss | None, vocab: Vocab) -> None:
    st.metric(f"{whole.title} loss", nats(whole.loss), help=f"Exact, over every example; nats per {vocab.noun}.")
    st.caption(f"95 % interval {nats(whole.low)} to {nats(whole.high)}")
    st.markdown(f"Perplexity **{nats(whole.perplexity, 3)}**  \nBits per {vocab.noun} **{nats(whole.bits, 3)}**")
    st.markdown(f"Examples **{whole.examples:,}**  \n{vocab.item.capitalize()}s **{whole.words:,}**")
    if unseen is not None:
        share = unseen.words / whole.words
        items = f"{vocab.item}s"
        st.markdown(f"Loss on unseen {items} **{nats(unseen.loss)}**  \n{100 * share:.1f} % of its {items}")


def _draw_sealed(run: Run, unsealed: set[str]) -> None:
    st.metric("Test loss", "Sealed", help="Computed and stored, but shown nowhere until it is opened here.")
    st.caption(
        "A test figure is only honest while nothing was chosen by it. Open it when all choices are made; "
        "the run remembers how often that was done."
    )
    if st.button("Open the test split", icon=":material/lock_open:", help="Shows it until you reload, and counts."):
        session.store().open_test(run.id)
        unsealed.add(run.id)
        st.rerun()


def draw_gap(train: SplitLoss, val: SplitLoss, tokens: str, *, learned: bool) -> None:
    """How far validation is above train, and what that says; nothing of a run that learned nothing."""
    st.metric(
        "Validation − train",
        f"{val.loss - train.loss:+.4f}" if abs(val.loss) < 1e6 else nats(val.loss - train.loss),
        help=fit("Nats per character; the lecture compares the two.", tokens),
    )
    said = gap(train.loss, val.loss, (val.low, val.high))
    st.markdown(fit(said if learned else "This run learned nothing that could carry over to other words.", tokens))


def gap(train_loss: float, val_loss: float, interval: tuple[float, float]) -> str:
    """What the generalisation gap says, in one sentence; ``interval`` is that of the validation loss."""
    difference = val_loss - train_loss
    if interval[0] <= train_loss <= interval[1]:
        return (
            f"Validation differs from train by {difference:+.4f} nats per character, which is within the interval of "
            "the validation loss: no gap that this split could show. A larger model may still do better (underfitting)."
        )
    if difference < 0:
        return f"Validation is {nats(-difference)} nats per character below train: this split happens to be easier."
    return (
        f"Validation is {nats(difference)} nats per character above train: its perplexity is "
        f"{100 * (math.exp(min(difference, 700)) - 1):.1f} % higher. "
        "That part of what was learned holds for the train words only."
    )


def split_losses(rows: Sequence[SplitLoss], references: Mapping[str, float], theme: Theme) -> go.Figure:
    """Each split's loss with its interval, top to bottom, and validation losses of reference models as lines."""
    figure = go.Figure()
    for row in rows:
        arms = {"type": "data", "symmetric": False, "array": [row.high - row.loss], "arrayminus": [row.loss - row.low]}
        figure.add_scatter(
            x=[row.loss],
            y=[row.title.replace(", ", ",<br>")],  # two lines: on a phone every pixel beside them counts
            mode="markers",
            marker=marker(row.role, theme, size=11),
            error_x=arms | {"color": color(row.role, theme), "thickness": 2, "width": 6},
            customdata=[[row.low, row.high]],
            hovertemplate="%{y}<br>%{x:.6f} nats per character<br>95 %: %{customdata[0]:.6f} to %{customdata[1]:.6f}"
            "<extra></extra>",
            showlegend=False,
        )
    ends = [*(row.low for row in rows), *(row.high for row in rows), *references.values()]
    lines = lines_above(list(references.values()), NEAR * (max(ends) - min(ends)))
    for (name, loss), above in zip(references.items(), lines, strict=True):
        figure.add_vline(
            loss,
            line=line("reference", theme),
            annotation={
                "text": f"{name[:1].upper()}{name[1:]}<br>{loss:.3f}",
                "font": {"size": 12, "color": color("reference", theme)},
                "yref": "paper",
                "y": 1,
                "yanchor": "bottom",
                "yshift": LABEL * above,
                "xanchor": "center",
            },
        )
    layout = figure_layout("Loss of each split", x="Loss (nats per character)", y="", theme=theme)
    higher = LABEL * max(lines, default=0)
    figure.update_layout(layout, height=190 + 46 * len(rows) + higher, margin_t=92 + higher, margin_r=24)
    figure.update_layout(title={"yref": "container", "y": 1, "yanchor": "top", "pad": {"t": 12}})
    room = 0.08 * (max(ends) - min(ends))
    figure.update_xaxes(range=[min(ends) - room, max(ends) + room])
    figure.update_yaxes(autorange="reversed", type="category")
    return figure


def lines_above(places: Sequence[float], near: float) -> list[int]:
    """On which line above a figure, from 0, the label of each place stands: nothing on its line is nearer to it."""
    ends: list[float] = []  # the last place on each line
    found = [0] * len(places)
    for i in sorted(range(len(places)), key=places.__getitem__):
        found[i] = next((above for above, end in enumerate(ends) if places[i] - end >= near), len(ends))
        ends[found[i] : found[i] + 1] = [places[i]]
    return found


def draw_table(rows: Sequence[SplitLoss]) -> None:
    """Every figure."""
    table = pd.DataFrame([asdict(row) for row in rows]).drop(columns="role")
    shown = table.rename(columns={"title": "split", "low": "95 % from", "high": "to"})
    figures = {
        name: st.column_config.NumberColumn(format="%.4f") for name in ("loss", "95 % from", "to", "perplexity", "bits")
    }
    st.dataframe(shown, hide_index=True, column_config=figures, alt="Every figure of this page")
