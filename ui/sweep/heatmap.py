"""The heatmap of two axes: mean and standard error in each cell, and a cell's runs at a click."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from mmcore.paired import Key, Mean, without_loss
from mmcore.store import Run
from mmcore.sweeps import Axis
from ui import pages
from ui.kit import plots
from ui.kit.live.figure import live_figure
from ui.kit.text import nats, plain
from ui.kit.theme import SURFACES, Theme
from ui.sweep.found import AVERAGE, Found, count, lowered, with_error
from ui.sweep.looks import head, readable

WRITTEN = 8  # columns up to which a phone has room for a cell's mean
ERRORS = 6  # and for its standard error
MOST_WRITTEN = 400  # cells
MOST_COMPARED = 20  # runs
CONTRAST = 3.0  # colours end where a loss is so many times as far above the lowest as the median is


@dataclass(frozen=True)
class Cell:
    """Where two axes meet."""

    row: Any
    column: Any
    keys: tuple[Key, ...]  # its settings: several where other axes are averaged
    mean: Mean | None
    runs: tuple[Run, ...]
    failed: int
    wanted: int  # runs that it will have


def draw(found: Found, sweep_id: str, theme: Theme) -> None:
    """Choose the two axes and what the others are held at; the figure; the runs of one cell."""
    rows, columns, fixed = _choose(found, sweep_id)
    table = cells(found, rows, columns, fixed)
    places = {f"{row},{column}": cell for (row, column), cell in _placed(found, rows, columns, table).items()}
    chart_key, cell_key = f"sweep_heatmap_{sweep_id}_{rows}_{columns}", f"sweep_cell_{sweep_id}_{rows}_{columns}"

    def clicked(place: str) -> None:
        st.session_state[cell_key] = place

    live_figure(
        figure(found, rows, columns, table, theme), chart_key, _alt(found, rows, columns, table), on_click=clicked
    )
    st.caption(_legend(found, fixed, rows, columns))
    chosen = st.selectbox(
        "Runs of a cell",
        list(places),
        index=None,
        format_func=lambda place: cell_name(found, rows, columns, places[place]),
        key=cell_key,
        placeholder="Click a cell, or choose one here",
        help="The runs behind one cell, a seed each.",
    )
    if chosen is not None:
        draw_runs(places[chosen].runs)


def _choose(found: Found, sweep_id: str) -> tuple[str, str, dict[str, Any]]:
    """The axes of rows and columns, and a value or the average for each other one."""
    names = [axis.name for axis in found.listed]
    if len(found.sweep.axes) == 2:
        return names[0], names[1], {}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        title = found.settings
        rows = st.selectbox(
            "Rows", names, format_func=lambda name: title[name].title, key=f"sweep_rows_{sweep_id}", help="Down."
        )
        left = [name for name in names if name != rows]
        columns = st.selectbox(
            "Columns",
            left,
            format_func=lambda name: title[name].title,
            key=f"sweep_columns_{sweep_id}_{rows}",
            help="Across.",
        )
        return rows, columns, choose_fixed(found, {rows, columns}, f"sweep_heatmap_{sweep_id}")


def choose_fixed(found: Found, shown: set[str], key: str) -> dict[str, Any]:
    """For each axis that a figure does not show: one of its values, or the average over all."""
    fixed: dict[str, Any] = {}
    for axis in found.sweep.axes:
        if axis.name not in shown:
            fixed[axis.name] = AVERAGE if axis.is_range else _fixed_value(found, axis, f"{key}_{axis.name}")
    return fixed


def _fixed_value(found: Found, axis: Axis, key: str) -> Any:
    if len(axis.values) == 1:
        return axis.values[0]
    names = ["Average", *(found.said(axis.name, value) for value in axis.values)]
    at = st.selectbox(
        found.settings[axis.name].title,
        range(len(names)),
        format_func=names.__getitem__,
        key=key,
        help="One value, or for each seed the average over all of them.",
    )
    return axis.values[at - 1] if at else AVERAGE


def cells(found: Found, rows: str, columns: str, fixed: dict[str, Any]) -> list[Cell]:
    """Every pair of values of two axes, row by row; one that has no setting is left out."""
    values = {axis.name: axis.values for axis in found.sweep.axes}
    down, across = found.axis_names.index(rows), found.axis_names.index(columns)
    groups: dict[tuple[Any, Any], list[Key]] = {}
    for key in found.keys(fixed):
        groups.setdefault((key[down], key[across]), []).append(key)
    pairs = itertools.product(values[rows], values[columns])
    return [_cell(found, row, column, groups[row, column]) for row, column in pairs if (row, column) in groups]


def _cell(found: Found, row: Any, column: Any, keys: Sequence[Key]) -> Cell:
    runs = tuple(run for key in keys for _, run in sorted(found.runs[key].items()))
    failed = sum(len(without_loss(found.runs[key])) for key in keys)
    return Cell(row, column, tuple(keys), found.mean_at(keys), runs, failed, len(keys) * len(found.sweep.seeds))


def _placed(found: Found, rows: str, columns: str, table: Sequence[Cell]) -> dict[tuple[int, int], Cell]:
    values = {axis.name: list(axis.values) for axis in found.sweep.axes}
    return {(values[rows].index(cell.row), values[columns].index(cell.column)): cell for cell in table}


def cell_name(found: Found, rows: str, columns: str, cell: Cell) -> str:
    """A cell in words, as ``Context size 3, embedding dimension 10``."""
    titles = found.settings
    down = f"{titles[rows].title} {found.said(rows, cell.row)}"
    return f"{down}, {lowered(titles[columns].title)} {found.said(columns, cell.column)}"


def figure(found: Found, rows: str, columns: str, table: Sequence[Cell], theme: Theme) -> go.Figure:
    """Loss by colour, the lowest most striking; the numbers in the cells where there is room, and on hover."""
    values = {axis.name: list(axis.values) for axis in found.sweep.axes}
    placed = _placed(found, rows, columns, table)
    losses = np.full((len(values[rows]), len(values[columns])), np.nan)
    for at, cell in placed.items():
        losses[at] = cell.mean.mean if cell.mean else np.nan
    low, high = colour_range(losses)
    across = [found.said(columns, value) for value in values[columns]]
    down = [found.said(rows, value) for value in values[rows]]
    chart = go.Figure()
    chart.add_heatmap(
        x=across,
        y=down,
        z=losses,
        zmin=low,
        zmax=high,
        colorscale=list(SURFACES[theme].scale),
        reversescale=True,
        xgap=2,
        ygap=2,
        hoverinfo="skip",
        showscale=len(across) > WRITTEN,  # where the numbers are in the cells, they need the room on a phone
        colorbar={"thickness": 10, "title": {"text": "Loss"}, "tickformat": ".3~f"},
    )
    _add_points(chart, found, (rows, columns), placed, (down, across))
    title = f"Validation loss by {lowered(found.settings[rows].title)} and {lowered(found.settings[columns].title)}"
    height = int(np.clip(150 + 48 * len(down), 280, 760))
    layout = head(title, found.title(columns), found.title(rows), theme, height)
    chart.update_layout(layout, clickmode="event+select", dragmode="pan", showlegend=False)
    chart.update_layout(annotations=_texts(placed, len(across), (low, high), theme))
    shared = {"type": "category", "showgrid": False, "tickangle": 0}
    chart.update_xaxes(shared, categoryarray=across, dtick=plots.every(len(across), across))
    return chart.update_yaxes(shared, categoryarray=down, autorange="reversed", dtick=plots.every(len(down)))


def colour_range(losses: np.ndarray[Any, np.dtype[np.float64]]) -> tuple[float, float]:
    """The losses at which the colours begin and end: one run that diverged must not make all others look alike."""
    known = losses[~np.isnan(losses)]
    if not known.size:
        return 0.0, 1.0
    low = float(known.min())
    high = min(float(known.max()), low + CONTRAST * (float(np.median(known)) - low))
    return low, high if high > low else max(float(known.max()), low + 1e-6)


def _add_points(
    chart: go.Figure,
    found: Found,
    names: tuple[str, str],
    placed: Mapping[tuple[int, int], Cell],
    labels: tuple[list[str], list[str]],
) -> None:
    """A point that no one sees on each cell: its hover, and what a click finds."""
    chart.add_scatter(
        x=[labels[1][column] for _, column in placed],
        y=[labels[0][row] for row, _ in placed],
        mode="markers",
        marker={"symbol": "square", "size": 30, "opacity": 0},
        selected={"marker": {"opacity": 0}},
        unselected={"marker": {"opacity": 0}},
        customdata=[f"{row},{column}" for row, column in placed],
        hovertext=[f"{cell_name(found, *names, cell)}<br>{found.fit(cell_hover(cell))}" for cell in placed.values()],
        hovertemplate="%{hovertext}<extra></extra>",
    )


def _texts(
    placed: Mapping[tuple[int, int], Cell], columns: int, ends: tuple[float, float], theme: Theme
) -> list[dict[str, Any]]:
    """Annotations, because a click on a point would fade its text; none where there is no room."""
    if columns > WRITTEN or len(placed) > MOST_WRITTEN:
        return []
    low, high = ends
    shown = {}
    for at, cell in placed.items():
        shade = float(np.clip((high - cell.mean.mean) / (high - low), 0, 1)) if cell.mean else 0.0
        shown[at] = (cell_text(cell, errors=columns <= ERRORS), readable(shade, theme))
    return [
        {"x": column, "y": row, "text": text, "showarrow": False, "font": {"size": 11, "color": ink}}
        for (row, column), (text, ink) in shown.items()
    ]


def cell_text(cell: Cell, *, errors: bool = True) -> str:
    """What is written in a cell: mean and standard error, or what is missing."""
    if cell.mean is None:
        return "failed" if cell.failed == cell.wanted else "…"
    mean = nats(cell.mean.mean, 3)
    return mean if cell.mean.seeds < 2 or not errors else f"{mean}<br>±{nats(cell.mean.error, 3)}"


def cell_hover(cell: Cell) -> str:
    """A cell's exact numbers, and how much of it there is."""
    parts = [f"{with_error(cell.mean, 6)} nats per character"] if cell.mean else ["no loss yet"]
    done = sum(run.state == "finished" for run in cell.runs)
    parts.append(f"{done} of {count(cell.wanted, 'run')} finished")
    if cell.failed:
        parts.append(f"{cell.failed} failed or diverged")
    if len(cell.keys) > 1:
        parts.append(f"average of {len(cell.keys)} settings")
    return "<br>".join(parts)


def _legend(found: Found, fixed: dict[str, Any], rows: str, columns: str) -> str:
    seeds = count(len(found.sweep.seeds), "seed")
    said = f"Mean over {seeds} ± standard error; …: not finished yet. "
    if len(found.sweep.seeds) == 1:
        said = "One seed each; …: not finished yet. "
    averages = [found.settings[name].title for name, value in fixed.items() if value is AVERAGE]
    if averages:
        said += f"Averaged over {', '.join(map(lowered, averages))}. "
    return said + "The lowest loss has the strongest colour."


def _alt(found: Found, rows: str, columns: str, table: Sequence[Cell]) -> str:
    known = [cell for cell in table if cell.mean]
    about = f"Heatmap of the validation loss, {len(known)} of {len(table)} cells filled"
    if not known:
        return about
    best = min(known, key=lambda cell: cell.mean.mean if cell.mean else np.inf)
    return f"{about}; lowest {with_error(best.mean)} at {cell_name(found, rows, columns, best)}" if best.mean else about


def draw_runs(runs: Sequence[Run]) -> None:
    """A link to each run, and one to all of them side by side."""
    if not runs:
        st.caption("None of its runs has been started yet.")
        return
    with st.container(horizontal=True, gap="small"):
        for run in runs:
            said = nats(run.losses["val_loss"]) if "val_loss" in run.losses else str(run.state)
            pages.TRAIN.link(plain(f"Seed {run.config.train.seed}: {said}"), {"run": run.id})
        compare = pages.BY_NAME.get("compare")
        if compare is not None and 1 < len(runs) <= MOST_COMPARED:
            compare.link("Compare them", {"runs": ",".join(run.id for run in runs)})
