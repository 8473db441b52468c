"""The map through time: every kept checkpoint is sent once, and played in the browser without asking again."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from numpy.typing import NDArray

from mmcore import Checkpoint, Run, embedding
from mmcore.checkpoint import weights_of
from ui import session
from ui.kit import theme
from ui.kit.live import LOAD_PLOTLY, PLOTLY_URL
from ui.kit.nouns import fit, fitted
from ui.run import embedding_map
from ui.run.embedding_map import Coloring

if TYPE_CHECKING:
    from mmcore import Artifact

HERE = Path(__file__).parent
WORDS, SAMPLE_SEED = 8, 1  # as while training, so that the last names are those of the Train page
WORK = 5e10  # multiplications to spend on exact losses: about a second of one core
ROOM = 0.06  # of the widest frame, around it
ZERO = 0.5  # where step 0 stands on a logarithmic axis
LOSSES = ("train_loss", "val_loss")

_component = st.components.v2.component(
    "film",
    html=(HERE / "film.html").read_text("utf-8"),
    css=(HERE / "film.css").read_text("utf-8"),
    js=LOAD_PLOTLY + (HERE / "film.js").read_text("utf-8"),
    isolate_styles=False,  # plotly.js puts its style sheet into the document, which a shadow root would not see
)


@dataclass(frozen=True)
class Frames:
    """What the film shows: a frame a checkpoint, and the curve that its losses are read from."""

    steps: list[int]
    dimensions: int  # of the embedding table
    points: NDArray[np.float64]  # (F, V, 1 or 2)
    words: list[list[str]]
    curve: pd.DataFrame  # step, train_loss, val_loss: exact

    @property
    def measured(self) -> list[bool]:
        """Whether a frame's losses were computed at its very step; else they are read between two that were."""
        known = set(self.curve["step"])
        return [step in known for step in self.steps]

    def losses(self, name: str) -> list[float]:
        """One loss at every frame, on the line through the measured ones."""
        at, known = np.log1p(self.steps), np.log1p(self.curve["step"])
        return [round(float(loss), 4) for loss in np.interp(at, known, self.curve[name])]


def kept(run: Run, artifact: Artifact) -> list[Checkpoint]:
    """Every checkpoint of a run, with that of an artifact among them: a run's result may lie between two."""
    found = session.store().checkpoints(run.id)
    if artifact.step in {checkpoint.step for checkpoint in found}:
        return found
    shown = Checkpoint(step=artifact.step, weights=weights_of(artifact.model))
    return sorted([*found, shown], key=lambda checkpoint: checkpoint.step)


@st.cache_data(show_spinner="Developing the film …", max_entries=32)
def develop(
    run_id: str, steps: tuple[int, ...], ids: list[int], _run: Run, _artifact: Artifact, _kept: list[Checkpoint]
) -> Frames:
    """Points of some symbols, names and losses at every checkpoint; kept per run and steps: its weights stay."""
    from mmcore import evaluate, restore
    from mmcore.sample import drawn_words

    models = [restore(_artifact.model, checkpoint) for checkpoint in _kept]
    points = embedding.film([model.tensors["C"].numpy()[ids] for model in models])
    words = [drawn_words(model, _artifact.vocab, WORDS, SAMPLE_SEED) for model in models]
    curve = session.store().history(run_id)[["step", *LOSSES]].dropna()
    dataset = session.run_dataset(_run)
    parts, config = (dataset.train, dataset.val), _artifact.model.config
    rows = sum(len(part.counts.totals) for part in parts)
    if len(models) * rows * _artifact.model.flat.numel() * config.reuse <= WORK:
        exact = [
            [step, *(evaluate(model, part).loss for part in parts)] for step, model in zip(steps, models, strict=True)
        ]
        curve = pd.concat([curve, pd.DataFrame(exact, columns=curve.columns)])
    curve = curve.drop_duplicates("step", keep="last").sort_values("step", ignore_index=True)
    return Frames(list(steps), _artifact.model.tensors["C"].shape[1], points, words, curve)


def explanation(frames: Frames) -> str:
    """How to read the map, and where the numbers beside it come from."""
    axes = {
        1: "The map is the table's only dimension; height only keeps the letters apart.",
        2: "The map shows the table as it is.",
    }
    turned = (
        f"Each frame is the plane of most variance of all {frames.dimensions} dimensions at that checkpoint, turned to "
        "fit the next, so that only what moves among the letters is seen to move."
    )
    losses = "Losses are exact" if all(frames.measured) else "Losses with ≈ lie between two exact ones"
    return f"{axes.get(frames.dimensions, turned)} {losses}; samples are drawn with the same sample seed at each."


def map_figure(frames: Frames, symbols: Sequence[str], look: Coloring, current: theme.Theme) -> go.Figure:
    """The last frame's map, with axes that hold every frame."""
    name, first = ("Dimension", 0) if frames.dimensions <= 2 else ("Direction", 1)
    axes = [f"{name} {first + i}" for i in range(frames.points.shape[2])]
    title = "Characters in the embedding table"
    figure = embedding_map.embedding(frames.points[-1], symbols, axes, title=title, theme=current, moving=True, **look)
    low, high = frames.points.min(axis=(0, 1)), frames.points.max(axis=(0, 1))
    room = ROOM * float((high - low).max())
    figure.update_xaxes(range=[low[0] - room, high[0] + room])
    if len(axes) == 2:
        figure.update_yaxes(range=[low[1] - room, high[1] + room])
    return figure


def curve_figure(frames: Frames, current: theme.Theme) -> go.Figure:
    """Both losses against the step, and the checkpoint shown as a line with markers (traces 2 to 4)."""
    title, x = "Loss while it learned", "Step (updates)"
    layout = theme.figure_layout(title, x=x, y="Loss (nats per character)", theme=current, height=340)
    figure = go.Figure(layout=layout)
    steps = frames.curve["step"].clip(lower=ZERO)
    roles: tuple[tuple[str, str, theme.Role], ...] = (
        ("train_loss", "Train", "train"),
        ("val_loss", "Validation", "validation"),
    )
    for column, name, role in roles:
        figure.add_scatter(
            x=steps,
            y=frames.curve[column],
            name=name,
            mode="lines+markers",
            line=theme.guide(role, current),
            marker=theme.marker(role, current, 6),
            customdata=frames.curve["step"],
            hovertemplate="step %{customdata:,}<br>%{y:.4f}<extra>%{fullData.name}</extra>",
        )
    figure.add_scatter(mode="lines", line=theme.line("reference", current), hoverinfo="skip", showlegend=False)
    for _, name, role in roles:
        figure.add_scatter(
            mode="markers",
            marker=theme.marker(role, current, 11),
            name=f"{name}, this checkpoint",
            showlegend=False,
            hoverinfo="skip",  # it may stand between two measured ones
        )
    low, high = frames.curve[list(LOSSES)].min().min(), frames.curve[list(LOSSES)].max().max()
    room = 0.05 * (high - low or 1.0)
    figure.update_yaxes(range=[low - room, high + room])
    powers = [10**k for k in range(len(str(frames.steps[-1])))]
    last = np.log10(max(frames.steps[-1], 1)) + 0.12
    figure.update_xaxes(type="log", range=[np.log10(ZERO) - 0.05, last], tickvals=[ZERO, *powers])
    return figure.update_xaxes(ticktext=["0", *(f"{power:,}" for power in powers)])


def play(
    frames: Frames,
    symbols: Sequence[str],
    look: Coloring,
    *,
    step: int,
    key: str,
    on_step: Callable[[int], None],
    on_symbol: Callable[[str], None],
    tokens: str,
) -> None:
    """Draw the map at a step, with controls that lead through the others.

    ``on_step`` is told where the film comes to rest, ``on_symbol`` which symbol is clicked; ``tokens``: what those are.
    """
    current = theme.current_theme()
    picture = fitted(map_figure(frames, symbols, look, current), tokens)
    curve = fitted(curve_figure(frames, current), tokens)

    def rested() -> None:
        if (frame := st.session_state[key].frame) is not None:
            on_step(frames.steps[frame])

    def clicked() -> None:
        if (place := st.session_state[key].symbol) is not None:
            on_symbol(symbols[place])

    frame = frames.steps.index(step)
    data = film_data(frames, picture, curve) | {"frame": frame, "labels": None}
    data["wrote"] = fit("Words it writes at this checkpoint", tokens)
    if picture.layout.yaxis.scaleanchor:  # a plane: where the film rests, labels are pushed apart
        span = max(float(np.ptp(axis.range)) for axis in (picture.layout.xaxis, picture.layout.yaxis))
        data["labels"] = embedding_map.labels(frames.points[frame], symbols, span, current)
    _component(key=key, data=data, on_frame_change=rested, on_symbol_change=clicked)


def film_data(frames: Frames, picture: go.Figure, curve: go.Figure) -> dict[str, Any]:
    """All that the browser needs, as JSON, but for the frame to show."""
    x, points = frames.points[:, :, 0], frames.points
    flat = points.shape[2] == 1  # the height only keeps the letters apart, and stays
    y = np.tile(embedding_map.stacked(points[-1, :, 0]), (len(points), 1)) if flat else points[:, :, 1]
    return {
        "map": _plain(picture),
        "curve": _plain(curve),
        "ids": [np.asarray(trace.customdata).tolist() for trace in picture.data],
        "x": x.round(5).tolist(),
        "y": y.round(5).tolist(),
        "steps": frames.steps,
        "places": [max(step, ZERO) for step in frames.steps],
        "losses": [frames.losses(name) for name in LOSSES],
        "measured": frames.measured,
        "words": frames.words,
        "span": list(curve.layout.yaxis.range),
        "config": theme.PLOTLY_CONFIG | {"responsive": False},  # the component watches its own width
        "plotly": PLOTLY_URL,
    }


def _plain(figure: go.Figure) -> dict[str, Any]:
    """A figure as JSON; its title goes above it, where a narrow screen can wrap it."""
    plain: dict[str, Any] = json.loads(figure.to_json())
    plain["title"] = plain["layout"].pop("title")["text"]
    plain["layout"]["margin"] = {"t": 8}
    return plain
