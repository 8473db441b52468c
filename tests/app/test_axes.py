"""What stands on a logarithmic axis stands where its data is: plotly takes an annotation's place as a logarithm."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

import ui
from mmcore.checkpoint import Checkpoint, TensorUpdate
from tests.app.elements import astray
from ui.embeddings import film
from ui.lessons import goals
from ui.sweep import fronts, looks
from ui.train import finder
from ui.under_the_hood import checkpoints, stable_softmax, updates

RATES = np.logspace(-4, 2, 61)


def one_update(rate: float) -> go.Figure:
    return updates.step_curve(RATES, 2.5 + RATES, rate, 2.5, 0.3, "light")


def kept_steps() -> go.Figure:
    sizes = {name: TensorUpdate(2e-4, 0.0, 1.0) for name in ("C", "W1")}
    kept = [Checkpoint(step=step, weights=b"", updates=sizes) for step in (1, 10, 100)]
    return checkpoints.update_ratios(kept, ["C", "W1"], "light")


def film_curve() -> go.Figure:
    curve = pd.DataFrame({"step": [0, 1, 50], "train_loss": [3.3, 3.0, 2.4], "val_loss": [3.3, 3.1, 2.5]})
    frames = film.Frames([0, 1, 7, 50], 2, np.zeros((4, 5, 2)), [[]] * 4, curve)
    return film.curve_figure(frames, "light")


def fronts_of_a_sweep() -> go.Figure:
    costs = {"parameters": [100, 200, 9_000], "seconds": [1.0, 2.0, 3.0]}
    rows = {"name": ["a", "b", "c"], "val_loss": [2.3, 2.2, 2.1], "val_loss_error": [0.1, 0.1, 0.1]}
    return fronts.figure(pd.DataFrame(rows | costs), "parameters", "light")


def far_apart() -> go.Figure:
    plot = go.Figure(go.Scatter(x=[0.001, 0.1], y=[2.1, 2.2]))
    looks.scale_x(plot, [0.001, 0.1])
    return plot


def goals_of_lessons() -> go.Figure:
    return goals.losses_by_cost([], "seconds", "light")


CHARTS: dict[str, Callable[[], go.Figure]] = {
    "step_curve": lambda: one_update(0.1),
    "update_ratios": kept_steps,
    "curve": lambda: stable_softmax.curve(
        pd.DataFrame({"scale": [1.0, 10, 100], "naive": [1, 2, np.inf], "stable": [1, 2, 3.0]}), "light"
    ),
    "curve_figure": film_curve,
    "chart": lambda: finder.chart(RATES[RATES < 1], RATES[RATES < 1], RATES[RATES < 1], 0.1, "light"),
    "figure": fronts_of_a_sweep,
    "losses_by_cost": goals_of_lessons,
    "scale_x": far_apart,
}


def logarithmic() -> set[str]:
    """Functions of the screen that ask for a logarithmic axis whatever they are given."""
    trees = [ast.parse(path.read_text("utf-8")) for path in Path(next(iter(ui.__path__))).rglob("*.py")]
    functions = [node for tree in trees for node in tree.body if isinstance(node, ast.FunctionDef)]
    return {f.name for f in functions if "type='log'" in ast.unparse(f)}


@pytest.mark.parametrize("name", sorted(CHARTS))
def test_a15_no_annotation_stretches_a_logarithmic_axis(name: str) -> None:
    assert astray(CHARTS[name]()) == []


def test_a15_every_chart_with_a_logarithmic_axis_is_looked_at() -> None:
    assert logarithmic() == CHARTS.keys()


@pytest.mark.parametrize("rate", [1e-4, 0.1, 1.0, 100.0])
def test_a15_the_chosen_rate_is_written_where_its_line_stands(rate: float) -> None:
    figure = one_update(rate)
    (note,) = [note for note in figure.layout.annotations if note.text.startswith("chosen")]
    (line,) = [shape for shape in figure.layout.shapes if shape.xref == "x"]
    assert 10**note.x == pytest.approx(line.x0) == pytest.approx(rate)
    assert astray(figure) == []


def test_an_annotation_at_its_value_is_noticed() -> None:
    figure = go.Figure(go.Scatter(x=[1, 100], y=[1, 2])).update_xaxes(type="log")
    assert astray(figure.add_annotation(x=2, y=1, text="right")) == []
    assert astray(figure.add_annotation(x=100, y=1, text="wrong")) == ["wrong"]
