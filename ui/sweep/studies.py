"""Optuna's own figures: every setting at once in parallel coordinates, and which axes matter most."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go
import streamlit as st

from mmcore.fields import Whole
from ui.kit import chart
from ui.kit.theme import SURFACES, Theme, color, figure_layout
from ui.sweep.found import Found, count

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution

FEWEST = 8  # settings from which on these figures say something
TREES_SEED = 1  # of the random forest behind the importances: the same losses, the same figures


def worth_showing(found: Found) -> bool:
    """Whether there are at least two axes that vary and enough settings with different losses."""
    varied = [i for i in range(len(found.axis_names)) if len({key[i] for key in found.means}) > 1]
    return len(varied) > 1 and len(found.means) >= FEWEST and len({mean.mean for mean in found.means.values()}) > 1


def draw_parallel(found: Found, sweep_id: str, theme: Theme) -> None:
    """A line a setting through its value on each axis."""
    figure = parallel(found, theme)
    alt = f"Parallel coordinates of {count(len(found.means), 'setting')}: validation loss and each axis"
    chart.draw(figure, f"sweep_parallel_{sweep_id}", alt)
    st.caption(
        "Each line is a setting, from its mean validation loss on the left through its value on each axis; the lowest "
        "loss has the strongest colour. Drag along an axis to keep only the lines through that part."
    )


def draw_importances(found: Found, sweep_id: str, theme: Theme) -> None:
    """How much of the differences in loss goes back to each axis."""
    figure = importances(found, theme)
    values = dict(zip(figure.data[0].y, figure.data[0].x, strict=True))
    alt = "Importance of each axis: " + ", ".join(f"{name} {value:.2f}" for name, value in values.items())
    chart.draw(figure, f"sweep_importances_{sweep_id}", alt)
    st.caption(
        f"Share of the variance of the loss that each axis explains (fANOVA on a random forest, from "
        f"{count(len(found.means), 'setting')}). It holds for the values tried here only."
    )


def study(found: Found) -> Study:
    """The finished settings as an Optuna study, which its figures read; its values are mean validation losses."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    made = optuna.create_study(direction="minimize")
    distributions = {name: _distribution(found, name) for name in found.axis_names}
    for key, mean in found.means.items():
        params = {name: _value(found, name, value) for name, value in zip(found.axis_names, key, strict=True)}
        made.add_trial(optuna.create_trial(params=params, distributions=distributions, value=mean.mean))
    return made


def _distribution(found: Found, name: str) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    at = found.axis_names.index(name)
    values = [key[at] for key in found.means]
    if not found.is_number(name):
        return CategoricalDistribution(list(dict.fromkeys(found.said(name, value) for value in values)))
    log = next(axis for axis in found.sweep.axes if axis.name == name).log
    if isinstance(found.settings[name], Whole):
        return IntDistribution(min(values), max(values), log=log)
    return FloatDistribution(min(values), max(values), log=log)


def _value(found: Found, name: str, value: Any) -> Any:
    return value if found.is_number(name) else found.said(name, value)


def parallel(found: Found, theme: Theme) -> go.Figure:
    """``optuna.visualization.plot_parallel_coordinate`` in the app's look."""
    from optuna.visualization import plot_parallel_coordinate

    figure = plot_parallel_coordinate(study(found), params=found.axis_names, target_name="Validation loss")
    surface = SURFACES[theme]
    (lines,) = figure.data
    titles = {name: found.settings[name].title for name in found.axis_names}
    for dimension in lines.dimensions:
        dimension.label = titles.get(dimension.label, dimension.label)
    lines.update(
        line={"colorscale": list(surface.scale), "reversescale": True, "showscale": False},
        labelfont={"color": surface.text, "size": 12},
        tickfont={"color": surface.text, "size": 11},
        rangefont={"color": surface.muted, "size": 11},
        labelangle=-12,
    )
    layout = figure_layout("Every setting at once", x="", y="", theme=theme, height=440)
    return figure.update_layout(layout, margin={"t": 110, "l": 48, "r": 48, "b": 24})


def importances(found: Found, theme: Theme) -> go.Figure:
    """``optuna.visualization.plot_param_importances`` in the app's look."""
    from optuna.importance import FanovaImportanceEvaluator
    from optuna.visualization import plot_param_importances

    evaluator = FanovaImportanceEvaluator(seed=TREES_SEED)
    figure = plot_param_importances(study(found), evaluator=evaluator, target_name="Validation loss")
    (bars,) = figure.data
    titles = [found.settings[name].title for name in bars.y]
    bars.update(
        y=titles,
        marker={"color": color("accent", theme)},
        hovertext=[f"{title}: {value:.6f}" for title, value in zip(titles, bars.x, strict=True)],
        hovertemplate="%{hovertext}<extra></extra>",
        textfont={"color": SURFACES[theme].text},
    )
    layout = figure_layout("Importance of each axis", x="Share of the variance of the loss", y="", theme=theme)
    return figure.update_layout(layout, margin_t=48, height=150 + 44 * len(titles), showlegend=False)
