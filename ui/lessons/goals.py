"""Goals on Lessons: the lowest validation loss for a cost, with the visitor's runs beside what there is to beat."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from mmcore import frontier
from mmcore.config import RunConfig, SplitConfig
from mmcore.cost import duration
from mmcore.frontier import COSTS, GOALS, NOISE, Goal, Point, Reference, Standing
from ui import pages, session, visitor
from ui.form import settings
from ui.kit.text import nats, plain
from ui.kit.theme import PLOTLY_CONFIG, Role, Theme, color, figure_layout, guide, line, marker
from ui.run.embedding_map import BELOW

TITLES = {"parameters": "Parameters", "seconds": "Seconds", "steps": "Updates"}
AXES = {"parameters": "Parameters", "seconds": "Training time (seconds)", "steps": "Updates"}
MOST = 500  # runs that are drawn beside the front: those with the lowest losses
MEASURED, PUBLISHED = "Presets and records", "Published"


def draw(theme: Theme) -> None:
    """One cost at a time: its chart, how near the visitor is to each of its goals, and where to begin."""
    st.header("Goals", anchor=False)
    st.markdown(
        "How low can the validation loss on the lecture's names go for what it costs? A goal is reached where a run "
        "with settings of your own is lower than every preset and record within the same limit, by more than "
        f"{NOISE:g}: that much another seed may change. A preset as it is does not count."
    )
    cost = st.segmented_control(
        "What it costs",
        list(TITLES),
        default="parameters",
        required=True,
        format_func=TITLES.__getitem__,
        key="goal_cost",
        persist_state="session",
        help="Parameters of the model, seconds of training, or updates. Each has three limits.",
    )
    own, cost = own_points(), str(cost)
    standings = [frontier.standing(goal, own) for goal in GOALS if goal.cost == cost]
    figure = losses_by_cost(own, cost, theme)
    count = "1 run" if len(own) == 1 else f"{len(own):,} runs"
    alt = f"Validation loss against {COSTS[cost]}: {count} of yours, the presets and published figures"
    st.plotly_chart(figure, theme=None, config=PLOTLY_CONFIG, key=f"goals_{cost}", alt=alt)
    st.caption(measure(own, cost))
    with st.grid(3, min_column_width=260):
        for standing in standings:
            _draw_goal(standing)
    with st.expander("All figures", icon=":material/table:"):
        _draw_table(own, cost)


def own_points() -> list[Point]:
    """The visitor's runs that may count, and those that nobody in particular owns, as from the command line."""
    store, owners = session.store(), (None, visitor.identity())
    results = store.results(frontier.comparable(session.bundled_sha256()))
    size = session.vocab(session.bundled_sha256()).size
    return frontier.points(store, (result for result in results if result.owner in owners), size)


# ---- one goal


def _draw_goal(standing: Standing) -> None:
    goal = standing.goal
    with st.container(border=True, height="stretch"):
        state = ":material/check_circle: Reached" if standing.reached else ":material/pending: Open"
        st.markdown(f"**At most {goal.said()}** · {state}")
        st.markdown(f"{to_beat(standing)}\n\n{so_far(standing)}")
        if standing.best and standing.reached:
            pages.TRAIN.link("Open this run", {"run": standing.best.run_id})
        else:
            st.caption(goal.hint)
            about = f"Fills the form on {pages.TRAIN.title}: {settings.describe(_start(goal))}."
            if st.button(
                "Start here", icon=":material/arrow_forward:", key=f"goal_{goal.cost}_{goal.limit:g}", help=about
            ):
                _open(goal)


def to_beat(standing: Standing) -> str:
    """The bar, and what has it."""
    return f"To beat: **{nats(standing.bar)}** ({plain(standing.holder)})."


def so_far(standing: Standing) -> str:
    """The visitor's lowest within the limit, against the bar."""
    best, lead = standing.best, standing.lead
    if best is None or lead is None:
        return "No run of yours is within this limit yet."
    yours = f"Yours: **{nats(best.val_loss)}** ({plain(best.name)}; {spent(best, standing.goal.cost)}), "
    if lead <= 0:
        return f"{yours}{-lead:.4f} higher."
    verdict = "more" if standing.reached else "no more"
    return f"{yours}{lead:.4f} lower: {verdict} than another seed may change."


def spent(point: Point, cost: str) -> str:
    """What a run cost, in the measure of a goal."""
    return f"{point.seconds:.2f} s" if cost == "seconds" else f"{point.cost(cost):,.0f} {COSTS[cost]}"


def _start(goal: Goal) -> RunConfig:
    return frontier.config_of(goal, session.bundled_sha256())


def _open(goal: Goal) -> None:
    """Train with the goal's first settings in its form, on the names and the split that count."""
    visitor.choose_corpus(session.bundled_sha256())
    st.session_state["mended"] = settings.values_of(goal.model, goal.train, SplitConfig())
    pages.TRAIN.open()


# ---- the chart


def losses_by_cost(own: Sequence[Point], cost: str, theme: Theme) -> go.Figure:
    """Validation loss against a cost: the visitor's runs and their front, what was measured, what was published."""
    layout = figure_layout(
        f"Validation loss by {AXES[cost].partition(' (')[0].lower()}",
        x=AXES[cost],
        y="Loss (nats per character)",
        theme=theme,
        height=460,
    )
    figure = go.Figure(layout=layout)
    for name, found, role in ((MEASURED, frontier.measured(), "train"), (PUBLISHED, frontier.published(), "test")):
        if known := [reference for reference in found if reference.cost(cost) is not None]:
            _add_references(figure, known, cost, name, role, theme)  # type: ignore[arg-type]
    _add_own(figure, own, cost, theme)
    for goal in (goal for goal in GOALS if goal.cost == cost):
        figure.add_vline(goal.limit, line=guide("reference", theme))
        label = {"text": f"{goal.limit:,g}", "x": math.log10(goal.limit), "y": 1, "yref": "paper", "yanchor": "bottom"}
        figure.add_annotation(label, showarrow=False, font={"size": 12, "color": color("reference", theme)})
    figure.update_layout(margin_t=64, legend=BELOW)
    figure.update_yaxes(range=list(shown_losses(own)))
    return figure.update_xaxes(type="log", dtick=1, tickformat=",~g")


def shown_losses(own: Sequence[Point]) -> tuple[float, float]:
    """The losses that the chart begins with: down to the lowest, up to the highest there is to compare with."""
    known = [loss for found in (*frontier.measured(), *frontier.published()) for loss in found.val_losses]
    low, high = min([*known, *(point.val_loss for point in own)]), max(known)
    return low - 0.05 * (high - low), high + 0.05 * (high - low)


def _add_references(
    figure: go.Figure, found: Sequence[Reference], cost: str, name: str, role: Role, theme: Theme
) -> None:
    middles = [reference.val_loss for reference in found]
    figure.add_scatter(
        x=[reference.cost(cost) for reference in found],
        y=middles,
        mode="markers",
        name=name,
        marker=marker(role, theme, 9),
        error_y={
            "array": [max(reference.val_losses) - y for reference, y in zip(found, middles, strict=True)],
            "arrayminus": [y - min(reference.val_losses) for reference, y in zip(found, middles, strict=True)],
            "color": color(role, theme),
            "thickness": 1,
            "width": 3,
        },
        customdata=[[reference.title, costs(reference), reference.differs or reference.source] for reference in found],
        hovertemplate="<b>%{customdata[0]}</b><br>%{y:.4f} nats per character<br>%{customdata[1]}"
        "<br>%{customdata[2]}<extra>%{fullData.name}</extra>",
    )


def _add_own(figure: go.Figure, own: Sequence[Point], cost: str, theme: Theme) -> None:
    best = frontier.front(own, cost)
    on_it = {point.run_id for point in best}
    others = sorted((point for point in own if point.run_id not in on_it), key=lambda point: point.val_loss)[:MOST]
    parts: tuple[tuple[str, Sequence[Point], Role, int], ...] = (
        ("Your other runs", others, "batch", 8),
        ("Your Pareto front", best, "accent", 12),
    )
    for name, found, role, size in parts:
        if found:
            figure.add_scatter(
                x=[point.cost(cost) for point in found],
                y=[point.val_loss for point in found],
                mode="lines+markers" if found is best else "markers",
                line=line(role, theme) | {"shape": "hv"},
                name=name,
                marker=marker(role, theme, size),
                customdata=[[point.name, costs(point)] for point in found],
                hovertemplate="<b>%{customdata[0]}</b><br>%{y:.4f} nats per character<br>%{customdata[1]}"
                "<extra>%{fullData.name}</extra>",
            )


def costs(of: Point | Reference) -> str:
    """All that a result cost, as far as it is known."""
    parts = [f"{of.parameters:,} parameters"]
    parts += [f"{of.steps:,} updates"] if of.steps is not None else []
    return ", ".join([*parts, *([duration(of.seconds)] if of.seconds is not None else [])])


def measure(own: Sequence[Point], cost: str) -> str:
    """What is compared, and where the measure differs."""
    seeds = min(len(reference.val_losses) for reference in frontier.measured())
    said = ["Dotted: the limits. Yours: your runs on the lecture's names with the default split that have ended."]
    highest = shown_losses(own)[1]
    if above := sum(point.val_loss > highest for point in own):
        said.append(
            f"{above} of them {'has a higher loss and is' if above == 1 else 'have higher losses and are'} not shown."
        )
    if len(own) > MOST:
        said.append(f"Beside the front, the {MOST} with the lowest losses are drawn.")
    said.append(f"{MEASURED}: the presets and this project's shortest trainings, median and range of {seeds} seeds.")
    if cost == "seconds":
        said.append(
            "Their seconds were measured on one core of a 2-core machine and include building the dataset; yours are "
            "by the clock of this machine."
        )
    known = [reference for reference in frontier.published() if reference.cost(cost) is not None]
    for differs in dict.fromkeys(reference.differs for reference in known):
        titles = [reference.title.split(",")[0] for reference in known if reference.differs == differs]
        said.append(f"{PUBLISHED} ({', '.join(dict.fromkeys(titles))}): measured {differs}.")
    return " ".join(said)


def _draw_table(own: Sequence[Point], cost: str) -> None:
    best: list[Point | Reference] = [*frontier.front(own, cost)]
    rows = [_row(found, kind) for kind, some in _kinds(best).items() for found in some]
    losses = {name: st.column_config.NumberColumn(format="%.4f") for name in ("Validation", "Lowest", "Highest")}
    counts = {name: st.column_config.NumberColumn(format="localized") for name in ("Parameters", "Updates")}
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        column_config=losses | counts | {"Seconds": st.column_config.NumberColumn(format="%.2f")},
        alt="Your Pareto front, presets, records and published figures: losses, costs and sources",
    )


def _kinds(best: Sequence[Point | Reference]) -> dict[str, Sequence[Point | Reference]]:
    return {"Yours, on the front": best, "Preset or record": frontier.measured(), "Published": frontier.published()}


def _row(found: Point | Reference, kind: str) -> dict[str, object]:
    losses = (found.val_loss,) if isinstance(found, Point) else found.val_losses
    return {
        "Result": found.name if isinstance(found, Point) else found.title,
        "Whose": kind,
        "Validation": found.val_loss,
        "Lowest": min(losses),
        "Highest": max(losses),
        "Parameters": found.parameters,
        "Updates": math.nan if found.steps is None else found.steps,
        "Seconds": math.nan if found.seconds is None else found.seconds,
        "Source": "" if isinstance(found, Point) else found.source,
        "Measured otherwise": "" if isinstance(found, Point) else found.differs,
    }
