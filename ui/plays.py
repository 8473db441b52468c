"""Playground: its sliders, its address, asking the reserved worker, comparing with the setting before."""

from __future__ import annotations

import math
import secrets
from collections.abc import Mapping, Sequence
from concurrent.futures import CancelledError, Future, wait
from dataclasses import asdict, dataclass
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from mmcore import ModelConfig, RunConfig, TrainConfig
from mmcore.playground import Play
from ui import session
from ui.theme import Theme, figure_layout, marker

REMEMBERED = 12
BUDGETS = (0.3, 0.5, 0.7, 1.0)
OPTIONS: dict[str, tuple[int | float, ...]] = {
    "context_size": (1, 2, 3, 4, 5, 6, 7, 8),
    "embedding_dim": (1, 2, 3, 5, 10, 16, 24, 32, 48, 64),
    "hidden_size": (10, 20, 50, 100, 150, 200, 300, 400),
    "learning_rate": (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1.0),
    "weight_decay": (0.0, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0),
}
START: dict[str, int | float] = {
    "context_size": 3,
    "embedding_dim": 10,
    "hidden_size": 200,
    "learning_rate": 0.03,
    "weight_decay": 0.0,
    "seed": 1,
    "steps": 0,  # 0: as many as the time budget allows
}
HELP: dict[str, str] = {
    "context_size": "How many preceding characters the model sees: the lecture's `block_size`. With 1 it is a bigram.",
    "embedding_dim": "Columns of the lookup table `C`. At 2 the map beside is the table itself.",
    "hidden_size": "Units of the tanh layer, the lecture's 200.",
    "learning_rate": "Peak of the one-cycle schedule. Push it to the right to see training diverge.",
    "weight_decay": "Pulls weights and C towards zero in every update. Not the biases.",
    "seed": "Of initialisation and batches. The same seed and steps give the same model, bit for bit.",
    "seconds": "How long one training may take, dataset and drawing included.",
    "steps": "Updates. From a time budget, the measured speed decides; the number found goes into the address, "
    "so that whoever opens it gets the same model.",
}


@dataclass(frozen=True)
class Asked:
    """A request: a config, and the time budget that sets its steps, if one does."""

    config: RunConfig
    budget: float | None


# ---- sliders and address


def start(query: Mapping[str, str]) -> str | None:
    """Give the sliders their first values in a session, from the address; a sentence about what made no sense."""
    if "play_context_size" in st.session_state:
        return None
    values, wrong = read_address(query)
    fill(values)
    return wrong


def read_address(query: Mapping[str, str]) -> tuple[dict[str, int | float], str | None]:
    """Slider values from an address's parameters, and a sentence that names the first that made no sense."""
    values, wrong = dict(START), None
    for name, default in START.items():
        if name not in query:
            continue
        try:
            value = type(default)(query[name])
            allowed = value in OPTIONS[name] if name in OPTIONS else 0 <= value <= 1_000_000
        except (ValueError, OverflowError):
            allowed = False
        if allowed:
            values[name] = value
        else:
            rule = "one of " + ", ".join(f"{v:g}" for v in OPTIONS[name]) if name in OPTIONS else "from 0 to 1,000,000"
            wrong = wrong or f"{name} in the address must be {rule}, got {query[name]!r}. Using {default:g}."
    return values, wrong


def fill(values: Mapping[str, int | float]) -> None:
    """Put values on the sliders; allowed in a callback and before they are drawn."""
    for name, value in values.items():
        st.session_state[f"play_{name}"] = value
    st.session_state["play_mode"] = "Number" if values.get("steps") else "Time budget"
    st.session_state["play_steps"] = int(values.get("steps") or 500)


def values_of(config: RunConfig) -> dict[str, int | float]:
    """A config as slider values, steps included."""
    model, train = asdict(config.model), config.train
    values: dict[str, int | float] = {name: model[name] for name in ("context_size", "embedding_dim")}
    values |= {"hidden_size": model["hidden_sizes"][0], "learning_rate": train.learning_rate}
    return values | {"weight_decay": train.weight_decay, "seed": train.seed, "steps": train.max_steps}


def draw_sliders(corpus_sha256: str) -> Asked:
    """The controls; what they ask for."""
    labels = {"context_size": "Context size", "embedding_dim": "Embedding dimension", "hidden_size": "Hidden units"}
    labels |= {"learning_rate": "Learning rate", "weight_decay": "Weight decay"}
    chosen: dict[str, Any] = {
        name: st.select_slider(
            label,
            OPTIONS[name],
            key=f"play_{name}",
            help=HELP[name],
            format_func=lambda v: f"{v:g}",
            persist_state="session",
        )
        for name, label in labels.items()
    }
    seed = st.number_input("Seed", 0, 1_000_000, key="play_seed", help=HELP["seed"], persist_state="session")
    mode = st.segmented_control(
        "Steps from",
        ("Time budget", "Number"),
        key="play_mode",
        required=True,
        help=HELP["steps"],
        persist_state="session",
    )
    budget = None
    if mode == "Time budget":
        budget = st.select_slider(
            "Seconds", BUDGETS, 0.5, key="play_budget", help=HELP["seconds"], persist_state="session"
        )
        steps = 1
    else:
        steps = st.number_input("Steps", 1, 1_000_000, key="play_steps", help=HELP["steps"], persist_state="session")
    model = ModelConfig(
        context_size=chosen["context_size"],
        embedding_dim=chosen["embedding_dim"],
        hidden_sizes=(chosen["hidden_size"],),
    )
    train = TrainConfig(
        max_steps=int(steps),
        learning_rate=chosen["learning_rate"],
        weight_decay=chosen["weight_decay"],
        seed=int(seed),
    )
    return Asked(RunConfig(corpus_sha256=corpus_sha256, model=model, train=train), budget)


def write_address(play: Play) -> None:
    """Make the address say how to get this model again."""
    for name, value in values_of(play.config).items():
        st.query_params[name] = f"{value:g}" if isinstance(value, float) else str(value)


# ---- training


def remembered() -> list[Play]:
    """The visitor's last dozen models, newest last."""
    plays: list[Play] = st.session_state.setdefault("plays", [])
    return plays


def current(asked: Asked) -> tuple[Play | None, str | None]:
    """The model that was asked for, trained now unless it is the one on screen; or a sentence why there is none.

    A script that waits here ends as soon as the visitor moves on; the newer request then replaces this one.
    """
    if st.session_state.get("play_asked") == asked:
        return st.session_state.get("play"), st.session_state.get("play_error")
    known = [play for play in remembered() if asked.budget is None and play.config == asked.config]
    play, error = (known[-1], None) if known else _train(asked)
    if play is not None and not known:
        st.session_state["plays"] = [*remembered(), play][-REMEMBERED:]
    if play is not None:
        st.session_state["play_before"] = st.session_state.get("play")
        st.session_state["play"] = play
    st.session_state["play_asked"], st.session_state["play_error"] = asked, error
    return st.session_state.get("play"), error


def _train(asked: Asked) -> tuple[Play | None, str | None]:
    from mmcore.playground import request

    visitor: str = st.session_state.setdefault("visitor", secrets.token_hex(8))
    turns = session.turns()
    future: Future[Play] = turns.submit(visitor, request, session.store().url, asked.config, asked.budget)
    line = st.empty()
    while not wait([future], timeout=0.1).done:
        ahead = turns.ahead(visitor)
        # Writing to the page is also where Streamlit ends this script when the visitor has moved a slider.
        line.caption(f"Waiting for {ahead} other {'model' if ahead == 1 else 'models'} …" if ahead else "Training …")
    line.empty()
    try:
        return future.result(), None
    except CancelledError:
        return None, None
    except Exception as problem:
        return None, str(problem)


# ---- comparing


def change(now: float, before: float | None) -> str | None:
    """How a loss changed, for a metric's arrow; None if there is nothing to compare with."""
    return None if before is None or math.isnan(before) else f"{now - before:+.4f}"


def difference(now: Play, before: Play | None) -> str:
    """The settings in which two models differ, in a few words."""
    if before is None:
        return "Move a slider: the model is trained again from scratch."
    old, new = values_of(before.config), values_of(now.config)
    parts = [f"{name.replace('_', ' ')} {old[name]:g} → {new[name]:g}" for name in new if old[name] != new[name]]
    return "Compared with the setting before: " + (", ".join(parts) or "the same settings") + "."


def strip(plays: Sequence[Play], shown: Play | None, theme: Theme) -> go.Figure:
    """The remembered settings as points, their place in the list as ``customdata``."""
    figure = go.Figure(
        layout=figure_layout("Your last settings", x="Parameters", y="Validation loss", theme=theme, height=240)
    )
    for name, role, chosen in (("earlier", "reference", False), ("shown", "accent", True)):
        ids = [i for i, play in enumerate(plays) if (play is shown) == chosen]
        text = [", ".join(f"{k.replace('_', ' ')} {v:g}" for k, v in values_of(plays[i].config).items()) for i in ids]
        figure.add_scatter(
            x=[plays[i].parameters for i in ids],
            y=[plays[i].losses["val_loss"] for i in ids],
            customdata=ids,
            text=text,
            mode="markers",
            name=name,
            marker=marker("accent" if role == "accent" else "reference", theme, 11),
            hovertemplate="%{text}<br>%{x:,} parameters<br>validation loss %{y:.4f}<extra></extra>",
        )
    most = max(play.parameters for play in plays)
    losses = [play.losses["val_loss"] for play in plays]
    figure.update_xaxes(range=[0, 1.15 * most], tickformat=",d")
    figure.update_yaxes(range=[min(losses) - 0.03, max(losses) + 0.03], tickformat=".2f")
    return figure
