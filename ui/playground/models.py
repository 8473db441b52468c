"""Playground's models: trained now, remembered, compared with the one before."""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor, CancelledError
from typing import TYPE_CHECKING

import plotly.graph_objects as go
import streamlit as st

from mmcore import RunConfig, show_symbol
from mmcore.cost import accept
from mmcore.playground import BudgetTooSmall, Play
from mmcore.presets import PRESETS, preset_for
from ui import pages, session, visitor
from ui.form import settings
from ui.kit import plots
from ui.kit.theme import SURFACES, Theme, figure_layout, marker

if TYPE_CHECKING:
    from mmcore import Artifact
from ui.playground.sliders import BUDGETS, Asked, Value, values_of, written

REMEMBERED = 12


# ---- training


def remembered() -> list[Play]:
    """The visitor's last dozen models, newest last."""
    plays: list[Play] = st.session_state.setdefault("plays", [])
    return plays


def current(asked: Asked) -> tuple[Play | None, Exception | None]:
    """The model that was asked for, trained now unless it is the one on screen; or the reason why there is none.

    A script that waits here ends as soon as the visitor moves on; the newer request then replaces this one.
    """
    if st.session_state.get("play_asked") == asked:
        return st.session_state.get("play"), st.session_state.get("play_error")
    known = [play for play in remembered() if asked.budget is None and play.config == asked.config]
    play, error = (known[-1], None) if known else _train(with_steps_kept(asked))
    if play is not None and not known:
        st.session_state["plays"] = [*remembered(), play][-REMEMBERED:]
    if play is not None:
        st.session_state["play_before"] = st.session_state.get("play")
        st.session_state["play"] = play
    st.session_state["play_asked"], st.session_state["play_error"] = asked, error
    return st.session_state.get("play"), error


def with_steps_kept(asked: Asked) -> Asked:
    """The request with the steps of the model on screen, where both come from the same time budget."""
    before: Asked | None = st.session_state.get("play_asked")
    play: Play | None = st.session_state.get("play")
    if asked.budget is None or play is None or before is None or before.budget != asked.budget:
        return asked
    config = asked.config
    return Asked(config.replace(train=config.train.replace(max_steps=play.step)), asked.budget)


def _train(asked: Asked) -> tuple[Play | None, Exception | None]:
    from mmcore.playground import request

    try:
        accept(asked.config, session.corpus(asked.config.corpus_sha256).report)
    except ValueError as problem:
        return None, problem
    try:
        return session.on_worker(request, session.store().url, asked.config, asked.budget, doing="Training …"), None
    except CancelledError:
        return None, ValueError("This model was withdrawn before it was trained. Move a slider to ask again.")
    except BrokenExecutor:
        return None, ValueError("The worker ended before this model was trained: it needed too much time or memory.")
    except Exception as problem:
        return None, problem


def more_time(problem: Exception | None, budget: float | None) -> float | None:
    """The next time budget that may be enough, where one on the slider is."""
    least = 1.5 * problem.needed if isinstance(problem, BudgetTooSmall) else 2 * (budget or math.inf)
    return next((more for more in BUDGETS if more >= least), None)


def allow(seconds: float) -> None:
    """Move the slider of the time budget."""
    st.session_state["play_budget"] = seconds


def too_little(play: Play, asked: Asked, bigram_loss: float) -> str | None:
    """That a time budget was too small to learn more than counting pairs knows, where it was."""
    loss, title = play.losses["val_loss"], play.config.model.title
    if asked.budget is None or play.config.model.context_size == 1 or loss < bigram_loss:
        return None
    return (
        f"{title}: {play.step:,} updates from a budget of {asked.budget:g} s end at {loss:.4f}. Counting pairs "
        f"reaches {bigram_loss:.4f}. Allow more seconds, or train these settings as a run."
    )


def train_as_run(config: RunConfig) -> None:
    """Train these settings for as many steps as their preset does, as a run, on its own page."""
    preset = PRESETS[preset_for(config.model.architecture)]
    if visitor.start_run(config.replace(train=config.train.replace(max_steps=preset.train.max_steps))):
        pages.TRAIN.open()


# ---- comparing


def comparable(now: Play, before: Play) -> bool:
    """Whether a difference in loss is one of settings: the same number of updates, or that number alone changed."""
    old, new = values_of(before.config), values_of(now.config)
    return now.step == before.step or old | {"steps": 0} == new | {"steps": 0}


def change(name: str, now: Play, before: Play | None) -> str | None:
    """How a loss changed, for a metric's arrow; None if there is nothing to compare with, or nothing to see of it."""
    if before is None or not comparable(now, before) or math.isnan(before.losses.get(name, math.nan)):
        return None
    said = f"{now.losses[name] - before.losses[name]:+.4f}"
    return said if float(said) else None


def difference(now: Play, before: Play | None) -> str:
    """The settings in which two models differ, and whether their losses compare, in a few words."""
    if before is None:
        return f"Trained in {now.seconds:.2f} s."
    seconds = f"Trained in {now.seconds:.2f} s, the one before in {before.seconds:.2f} s."
    changed = "Compared with the setting before"
    if now.step == before.step:
        return f"{changed}, both after {now.step:,} updates: {_changes(now, before)}. {seconds}"
    if comparable(now, before):
        return f"{changed}: {_changes(now, before)}. {seconds}"
    return (
        f"Not compared with the setting before ({_changes(now, before)}): its number of updates was another. To "
        f"compare the two, choose the steps by number. {seconds}"
    )


def _changes(now: Play, before: Play) -> str:
    old, new = values_of(before.config), values_of(now.config)
    if old["architecture"] != new["architecture"]:
        steps = f", steps {before.step:,} → {now.step:,}" if now.step != before.step else ""
        return f"{before.config.model.title} → {now.config.model.title}{steps}"
    parts = [f"{name.replace('_', ' ')} {_said(old[name])} → {_said(new[name])}" for name in new]
    return (
        ", ".join(part for part, name in zip(parts, new, strict=True) if old[name] != new[name]) or "the same settings"
    )


def _said(value: Value) -> str:
    return ("off", "on")[value] if isinstance(value, bool) else written(value)


def following(artifact: Artifact, ids: Sequence[int], theme: Theme) -> go.Figure:
    """What the model expects after single characters: all there is to a model that looks no further."""
    import numpy as np

    from mmcore.evaluation import log_probabilities

    contexts = np.zeros((len(ids), artifact.config.model.context_size), dtype=np.int64)
    contexts[:, -1] = ids
    names = [show_symbol(artifact.vocab.symbols[i]) for i in ids]
    shares = log_probabilities(artifact.model, contexts).exp().numpy()[:, ids]
    figure = plots.heatmap(shares, names, names, "Probability of each next character", ["V", "V"], theme)
    figure.update_traces(
        zmin=0,
        colorscale=list(SURFACES[theme].scale),
        colorbar={"thickness": 10, "title": {"text": ""}},
        hovertemplate="after %{y}, %{x}<br>probability %{z:.6f}<extra></extra>",
    )
    return figure.update_xaxes(title="Next character").update_yaxes(title="Character")


def strip(plays: Sequence[Play], shown: Play | None, theme: Theme) -> go.Figure:
    """The remembered settings as points, their place in the list as ``customdata``."""
    figure = go.Figure(
        layout=figure_layout("Your last settings", x="Parameters", y="Validation loss", theme=theme, height=240)
    )
    several = len({play.config.model.architecture for play in plays}) > 1
    for name, chosen in (("earlier", False), ("shown", True)):
        ids = [i for i, play in enumerate(plays) if (play is shown) == chosen]
        figure.add_scatter(
            x=[plays[i].parameters for i in ids],
            y=[plays[i].losses["val_loss"] for i in ids],
            customdata=ids,
            text=[plays[i].config.model.title for i in ids],
            textposition="top center",
            hovertext=[f"{settings.describe(plays[i].config)}<br>{plays[i].step:,} steps" for i in ids],
            mode="markers+text" if several else "markers",
            name=name,
            marker=marker("accent" if chosen else "reference", theme, 11),
            hovertemplate="%{hovertext}<br>%{x:,} parameters<br>validation loss %{y:.4f}<extra></extra>",
        )
    most = max(play.parameters for play in plays)
    losses = [play.losses["val_loss"] for play in plays]
    room = 0.03 + 0.15 * several * (max(losses) - min(losses))  # for the names above the points
    figure.update_xaxes(range=[0, 1.15 * most], tickformat=",d")
    figure.update_yaxes(range=[min(losses) - 0.03, max(losses) + room], tickformat=".2f")
    return figure
