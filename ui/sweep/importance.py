"""Which axes the loss depends on, as Optuna computes and draws it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go
import streamlit as st

from mmcore.fields import Whole
from mmcore.paired import Key
from ui.kit.live.figure import live_figure
from ui.kit.theme import SURFACES, Theme, color
from ui.sweep.found import Found, count
from ui.sweep.looks import head

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution

FEWEST = 8  # settings from which on it says something
MOST = 200  # that it looks at: with more it would take seconds
TREES = 32  # of the random forest: twice as many change the second decimal, and take twice as long
TREES_SEED = 1  # the same losses, the same figure


def worth_showing(found: Found) -> bool:
    """Whether at least two axes vary over enough settings, with losses that differ."""
    varied = [i for i in range(len(found.axis_names)) if len({key[i] for key in found.means}) > 1]
    return len(varied) > 1 and len(found.means) >= FEWEST and len({mean.mean for mean in found.means.values()}) > 1


def draw(found: Found, sweep_id: str, theme: Theme) -> None:
    """How much of the differences in loss goes back to each axis."""
    try:
        plot = _kept(found, sweep_id, tuple((key, mean.mean) for key, mean in found.means.items()), theme)
    except ImportError:
        st.info("Importances need Optuna and scikit-learn, which are not installed here.")
        return
    shares = dict(zip(plot.data[0].y, plot.data[0].x, strict=True))
    alt = "Importance of each axis: " + ", ".join(f"{name} {share:.2f}" for name, share in shares.items())
    live_figure(plot, f"sweep_importance_{sweep_id}", alt)
    st.caption(
        "The share of the variance of the loss that goes back to each axis: fANOVA (Hutter et al. 2014) on a random "
        f"forest, from {said_used(found)}. It holds for the values tried here."
    )


def used(found: Found) -> list[Key]:
    """The settings behind it: all of a few, else some from the lowest loss to the highest, evenly taken."""
    return list(found.means)[:: math.ceil(len(found.means) / MOST)]


def said_used(found: Found) -> str:
    """How many these are."""
    taken, all_ = len(used(found)), count(len(found.means), "setting")
    return f"all {all_} that have results" if taken == len(found.means) else f"{taken:,} of {all_}"


@st.cache_data(show_spinner="Computing importances …", max_entries=32)
def _kept(_found: Found, sweep_id: str, losses: tuple[tuple[Key, float], ...], theme: Theme) -> go.Figure:
    """Kept for these losses: the forest takes a second."""
    return figure(_found, theme)


def figure(found: Found, theme: Theme) -> go.Figure:
    """``optuna.visualization.plot_param_importances`` in the app's look."""
    from optuna.importance import FanovaImportanceEvaluator
    from optuna.visualization import plot_param_importances

    forest = FanovaImportanceEvaluator(n_trees=TREES, seed=TREES_SEED)
    plot = plot_param_importances(study(found), evaluator=forest)
    (bars,) = plot.data
    titles = [found.settings[name].title for name in bars.y]
    bars.update(
        y=titles,
        marker={"color": color("accent", theme)},
        customdata=list(bars.x),
        hovertemplate="%{y}: %{customdata:.6f}<extra></extra>",
        textfont={"color": SURFACES[theme].text},
    )
    layout = head("Importance of each axis", "Share of the variance of the loss", "", theme, 150 + 44 * len(titles))
    plot.update_layout(layout, showlegend=False)
    return plot.update_xaxes(range=[0, 1.2 * max(bars.x)])  # room for the number beside the longest bar


def study(found: Found) -> Study:
    """The finished settings as an Optuna study; its values are mean validation losses."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    made = optuna.create_study(direction="minimize")
    ways = {name: _distribution(found, i, name) for i, name in enumerate(found.axis_names)}
    for key in used(found):
        values: dict[str, Any] = {
            name: value if found.is_number(name) else found.said(name, value)
            for name, value in zip(found.axis_names, key, strict=True)
        }
        made.add_trial(optuna.create_trial(params=values, distributions=ways, value=found.means[key].mean))
    return made


def _distribution(found: Found, at: int, name: str) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    values = [key[at] for key in found.means]
    if not found.is_number(name):
        return CategoricalDistribution(list(dict.fromkeys(found.said(name, value) for value in values)))
    log = found.sweep.axes[at].log
    if isinstance(found.settings[name], Whole):
        return IntDistribution(min(values), max(values), log=log)
    return FloatDistribution(min(values), max(values), log=log)
