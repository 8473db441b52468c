"""What can be done with a stored sweep: stop it, let it go on, add to it, rename, copy, delete."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

import streamlit as st

from mmcore.fields import Setting
from mmcore.limits import MAX_NAME
from mmcore.store import StoredSweep, SweepState
from mmcore.store.sweeps import MAX_QUESTION
from mmcore.sweeps import MINUTES, SETTINGS, Axis, Sweep, axis_settings, read_axis, read_seeds
from ui import pages, session, visitor
from ui.kit.nouns import fit_settings
from ui.kit.text import plain
from ui.run.sweeps import Progress
from ui.sweep import axes, define
from ui.sweep.define import counted

SEEDS = define.SEEDS_HELP


def draw_buttons(stored: StoredSweep, found: Progress) -> None:
    """Stop or go on, whichever it can. To be called inside a fragment."""
    if stored.state is SweepState.ACTIVE:
        st.button(
            "Stop",
            icon=":material/stop:",
            key="stop_sweep",
            on_click=visitor.stop_sweep,
            args=(stored.id,),
            help="No more runs begin; those that run or wait are stopped and keep what they have learned.",
        )
    elif stored.state is SweepState.STOPPED or found.cut_short:
        st.button(
            "Go on",
            icon=":material/play_arrow:",
            key="resume_sweep",
            on_click=visitor.resume_sweep,
            args=(stored.id,),
            help="Runs that were cut short go on from their saved state; then those that are left begin.",
        )


def draw_more(stored: StoredSweep) -> None:
    """Everything else: add, name, copy, delete. Outside of a fragment, which would close a popover."""
    with st.container(horizontal=True):
        with st.popover("Add runs", icon=":material/add:", key="add_to_sweep"):
            _draw_add(stored)
        with st.popover("Name and question", icon=":material/edit:", key="describe_sweep"):
            _draw_words(stored)
        st.button(
            "Copy to a new sweep",
            icon=":material/content_copy:",
            key="copy_sweep",
            on_click=_copy,
            args=(stored,),
            help="Fills the form with this definition, to change something and start another.",
        )
        if st.button("Delete", icon=":material/delete:", key="delete_sweep", help="The sweep; its runs stay."):
            _confirm_deletion(stored)


# ---- add


def _draw_add(stored: StoredSweep) -> None:
    """Fields for more seeds, values or settings; what is there already stays."""
    sweep, more = stored.config, dict[str, Any]()
    seeds = st.text_input(
        "More seeds", key=f"more_seeds_{stored.id}", placeholder=f"beside {axes.written_seeds(sweep.seeds)}", help=SEEDS
    )
    if sweep.method != "grid":
        more["settings_to_try"] = st.number_input(
            SETTINGS.title,
            sweep.settings_to_try,
            int(SETTINGS.high),
            key=f"more_settings_{stored.id}",
            help="How many it tries in all.",
        )
    if sweep.minutes:
        more["minutes"] = st.number_input(
            MINUTES.title,
            sweep.minutes,
            float(MINUTES.high),
            step=MINUTES.step,
            format="%g",
            key=f"more_minutes_{stored.id}",
            help=MINUTES.help,
        )
    tokens = session.corpus(sweep.base.corpus_sha256).tokens
    possible = fit_settings(axis_settings(sweep.base), tokens)
    typed = {axis.name: _draw_values(stored, axis, possible[axis.name]) for axis in sweep.axes if not axis.is_range}
    try:
        wider = widened(sweep, seeds, typed).replace(**more)
    except ValueError as problem:
        st.error(plain(problem))
        wider = sweep
    count = wider.run_count - sweep.run_count
    st.button(
        f"Add {counted(count, 'run')}" if count else "Add",
        type="primary",
        disabled=wider == sweep,
        key="add_runs",
        on_click=_add,
        args=(stored.id, wider),
        help="They begin as soon as a worker is free.",
    )


def _draw_values(stored: StoredSweep, axis: Axis, setting: Setting) -> tuple[Any, ...]:
    """More values of an axis, typed or chosen."""
    key, label = f"more_{axis.name}_{stored.id}", f"More values of {setting.title[0].lower()}{setting.title[1:]}"
    if axes.is_typed(setting):
        text = st.text_input(
            label, key=key, placeholder=f"beside {axes.written(axis, setting)}", help=axes.how(setting) + setting.help
        )
        return (text,) if text.strip() else ()
    others = [v for v in axes.options(stored.config.base, axis.name, setting) if v not in axis.values]
    return tuple(st.multiselect(label, others, format_func=setting.said, key=key, help=setting.help))


def widened(sweep: Sweep, seeds: str, values: Mapping[str, tuple[Any, ...]]) -> Sweep:
    """A sweep with more seeds, and more values of its axes, typed as text or as they are."""
    possible, found = axis_settings(sweep.base), []
    for axis in sweep.axes:
        new: tuple[Any, ...] = values.get(axis.name, ())
        if new and axes.is_typed(possible[axis.name]):
            new = read_axis(axis.name, possible[axis.name], ", ".join(new)).values
        found.append(axis.replace(values=tuple(dict.fromkeys((*axis.values, *new)))))
    more = read_seeds(seeds)
    return sweep.replace(axes=tuple(found), seeds=tuple(dict.fromkeys((*sweep.seeds, *more))))


def _add(sweep_id: str, wider: Sweep) -> None:
    session.store().change_sweep(sweep_id, wider)
    for key in [key for key in st.session_state if str(key).startswith("more_")]:
        del st.session_state[key]  # what was typed is in the sweep now


# ---- words


def _draw_words(stored: StoredSweep) -> None:
    name, question = f"sweep_name_{stored.id}", f"sweep_question_{stored.id}"
    st.text_input(
        "Name", stored.name, key=name, on_change=_describe, args=(stored.id, "name", name), max_chars=MAX_NAME
    )
    st.text_area(
        "Question",
        stored.question,
        key=question,
        on_change=_describe,
        args=(stored.id, "question", question),
        max_chars=MAX_QUESTION,
        height=80,
    )


def _describe(sweep_id: str, what: str, key: str) -> None:
    try:
        session.store().describe_sweep(sweep_id, **{what: st.session_state[key]})
    except ValueError as problem:
        visitor.refuse(problem)


# ---- copy and delete


def _copy(stored: StoredSweep) -> None:
    define.fill(stored.config, stored.name, stored.question)
    visitor.choose_corpus(stored.config.base.corpus_sha256)
    visitor.close_sweep()


@st.dialog("Delete this sweep?")
def _confirm_deletion(stored: StoredSweep) -> None:
    st.text(stored.name)
    st.markdown(
        f"Runs that wait or run are stopped. All its runs stay on the page {pages.RUNS.title}. This cannot be undone."
    )
    with st.container(horizontal=True):
        done = st.button(
            "Delete",
            type="primary",
            icon=":material/delete:",
            key="confirm_delete",
            on_click=_delete,
            args=(stored.id,),
        )
        if st.button("Keep", key="keep") or done:
            st.rerun()


def _delete(sweep_id: str) -> None:
    with contextlib.suppress(ValueError):  # the click before this one has, or another tab
        visitor.stop_sweep(sweep_id)
        session.store().delete_sweep(sweep_id)
    visitor.close_sweep()
