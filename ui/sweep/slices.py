"""Loss along one axis, a line for each value of another, with error bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from mmcore.paired import Key, Mean
from ui.kit.live.figure import live_figure
from ui.kit.nouns import fitted
from ui.kit.theme import Theme
from ui.sweep.found import AVERAGE, LOSS, Found, count, lowered, with_error
from ui.sweep.heatmap import choose_fixed
from ui.sweep.looks import MOST_LINES, error_bars, head, line_look, scale_x, show_losses

Point = tuple[Any, Mean, int]  # value along the axis, loss, how many settings it is averaged over


def draw(found: Found, sweep_id: str, theme: Theme) -> None:
    """Choose the axis and the lines; the figure."""
    along, lines, fixed = _choose(found, sweep_id)
    series = points(found, along, lines, fixed)
    if not series:
        st.info("Nothing has finished at these values yet.")
        return
    shown = dict(list(series.items())[:MOST_LINES])
    about = f"Validation loss along {lowered(found.settings[along].title)}"
    alt = about + (f", a line for each {lowered(found.settings[lines].title)}" if lines else "")
    plot = figure(found, along, lines, shown, theme)
    above = show_losses(plot, [mean.mean for made in shown.values() for _, mean, _ in made])
    live_figure(fitted(plot, found.tokens), f"sweep_slices_{sweep_id}", alt)
    st.caption(_legend(found, fixed, series) + above)


def _choose(found: Found, sweep_id: str) -> tuple[str, str | None, dict[str, Any]]:
    """The axis to go along, what makes lines, and what all else is held at."""
    names, titles = found.axis_names, found.settings
    if len(names) == 1:
        return names[0], None, {}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        along = st.selectbox(
            "Along",
            names,
            format_func=lambda name: titles[name].title,
            key=f"sweep_along_{sweep_id}",
            help="The axis from left to right.",
        )
        possible = [axis.name for axis in found.listed if axis.name != along]
        lines = st.selectbox(
            "A line for each",
            [*possible, ""],
            format_func=lambda name: titles[name].title if name else "None",
            key=f"sweep_lines_{sweep_id}_{along}",
            help="Another axis, a line for each of its values.",
        )
        return along, lines or None, choose_fixed(found, {along, lines}, f"sweep_slices_{sweep_id}")


def points(found: Found, along: str, lines: str | None, fixed: dict[str, Any]) -> dict[str, list[Point]]:
    """Name of each line -> its points, in the order of the axis. Settings of a range are points of their own."""
    names = found.axis_names
    values = {axis.name: axis.values for axis in found.sweep.axes}
    series: dict[str, list[Point]] = {}
    for value in values[lines] if lines else (AVERAGE,):
        at = {**fixed, **({lines: value} if lines else {})}
        groups: dict[Any, list[Key]] = {}
        for key in found.keys(at):
            groups.setdefault(key[names.index(along)], []).append(key)
        order = sorted(groups) if found.is_number(along) else [v for v in values[along] if v in groups]
        made = [(v, mean, len(groups[v])) for v in order if (mean := found.mean_at(groups[v]))]
        if made:
            series[found.said(lines, value) if lines else ""] = made
    return series


def figure(
    found: Found, along: str, lines: str | None, series: Mapping[str, Sequence[Point]], theme: Theme
) -> go.Figure:
    """Each line's means with their standard errors; points without a line where values were drawn from a range."""
    title = found.settings[along].title
    by = f" and {lowered(found.settings[lines].title)}" if lines else ""
    plot = go.Figure(layout=head(f"Validation loss by {lowered(title)}{by}", found.title(along), LOSS, theme, 440))
    number = found.is_number(along)
    drawn = next(axis for axis in found.sweep.axes if axis.name == along).is_range
    for order, (name, made) in enumerate(series.items()):
        look = line_look(order, theme)
        name_of = f"{title} %{{customdata[0]}}" + (f", {lowered(found.settings[lines].title)} {name}" if lines else "")
        plot.add_scatter(
            x=[value if number else found.said(along, value) for value, _, _ in made],
            y=[mean.mean for _, mean, _ in made],
            mode="markers" if drawn else "lines+markers",
            name=f"{found.settings[lines].title} {name}" if lines else "",
            showlegend=bool(lines),
            error_y=error_bars([mean for _, mean, _ in made], look["line"]["color"]),
            customdata=[[found.said(along, v), with_error(mean, 6), count(mean.seeds, "seed")] for v, mean, _ in made],
            hovertemplate=f"{name_of}<br>%{{customdata[1]}} nats per character<br>%{{customdata[2]}}<extra></extra>",
            **look,
        )
    if not number:
        return plot.update_xaxes(type="category", tickangle=0)
    values = [value for made in series.values() for value, _, _ in made]
    scale_x(plot, values)
    return plot


def _legend(found: Found, fixed: dict[str, Any], series: Mapping[str, Sequence[Point]]) -> str:
    several = len(found.sweep.seeds) > 1
    said = "Points: means over seeds. Arms: one standard error each way." if several else "Points: one seed each."
    averages = [found.settings[name].title for name, value in fixed.items() if value is AVERAGE]
    if averages and max(settings for made in series.values() for _, _, settings in made) > 1:
        said += f" Averaged over {', '.join(map(lowered, averages))}."
    return said + (f" The first {MOST_LINES} of {len(series)} lines." if len(series) > MOST_LINES else "")
