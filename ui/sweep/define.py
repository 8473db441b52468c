"""A new sweep: from which settings, what varies, how its settings are picked, and what all of it will take.

Every field is a widget with the key ``sweep_<field>`` and no default, as in the form of a run: a sweep that is copied
fills them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import streamlit as st

from mmcore.config import RunConfig
from mmcore.corpus import Corpus
from mmcore.fields import Setting, require
from mmcore.limits import MAX_NAME
from mmcore.presets import PRESETS
from mmcore.store.sweeps import MAX_QUESTION
from mmcore.sweeps import (
    MAX_AXES,
    METHOD,
    MINUTES,
    SETTINGS,
    SWEEP_SEED,
    Axis,
    Sweep,
    axis_settings,
    read_axis,
    read_seeds,
)
from ui import pages, session, visitor
from ui.form import form, settings, trained_on
from ui.kit.nouns import fit_settings
from ui.kit.text import plain
from ui.run import picker
from ui.sweep import axes, estimate

BASES = {"form": f"Settings on {pages.TRAIN.title}", "preset": "A preset", "run": "A run"}
COPIED = {"copied": "The sweep copied"}
FIRST: dict[str, Any] = {"preset": "blink", "method": "grid", "seeds": "1 to 3"}
FIRST |= {"settings_to_try": 20, "sweep_seed": 1, "minutes": 0.0}
FIRST_AXES = ("context_size", "embedding_dim")
LOG_HELP = "From 0.001 to 0.01 as often as from 0.01 to 0.1. Off: evenly, so that most values are large."
SEEDS_HELP = (
    "Each setting is trained once with each of these seeds: `1 to 3`, or a list such as `1, 2, 5`. All settings have "
    "the same seeds and the same split, so that two of them can be compared seed by seed."
)


T = TypeVar("T")


def draw(corpus: Corpus) -> None:
    """The form, what it amounts to, and the button that starts it."""
    filled = "form_architecture" in st.session_state  # the form on Train
    for field, value in {"from": "form" if filled else "preset", **FIRST}.items():
        st.session_state.setdefault(f"sweep_{field}", value)
    what, how = st.columns(2, gap="large")
    with what:
        st.markdown("**What varies**")
        base = _tried(lambda: _draw_base(corpus))
        varied = None if base is None else _draw_axes(base, corpus.tokens)
        trained_on.draw(corpus)
    with how:
        st.markdown("**How it is tried**")
        picked = _draw_method()
        seeds = _tried(_draw_seeds)
        sweep = None
        if base is not None and varied is not None and seeds is not None:
            fields = {"base": base, "axes": varied, "seeds": seeds, **picked}
            sweep = _tried(lambda: Sweep(**fields))
        name, question = _draw_words(sweep)
        _draw_start(sweep, corpus, name, question)


def _tried(read: Callable[[], T]) -> T | None:
    """What is read, or None after the sentence that says what is wrong with it."""
    try:
        return read()
    except ValueError as problem:
        st.error(plain(problem))
        return None


def fill(sweep: Sweep, name: str, question: str) -> None:
    """Put a sweep into the form; allowed in a callback."""
    possible = axis_settings(sweep.base)
    values: dict[str, Any] = {"copied": sweep.base, "from": "copied", "method": sweep.method, "name": name}
    values |= {"question": question, "axes": [axis.name for axis in sweep.axes], "minutes": sweep.minutes}
    values |= {"seeds": axes.written_seeds(sweep.seeds), "sweep_seed": sweep.sweep_seed}
    values |= {"settings_to_try": sweep.settings_to_try}
    for axis in sweep.axes:
        setting = possible[axis.name]
        field = _field(axis.name, setting, sweep.method)
        values[field] = axes.written(axis, setting) if axes.is_typed(setting) else list(axis.values)
        values[f"log_{axis.name}"] = axis.log
    for field, value in values.items():
        st.session_state[f"sweep_{field}"] = value


# ---- what varies


def _draw_base(corpus: Corpus) -> RunConfig:
    """The settings that no axis sets."""
    copied: RunConfig | None = st.session_state.get("sweep_copied")
    runs = {run.id: run for run in session.store().runs(limit=picker.OFFERED)}
    bases = {name: said for name, said in BASES.items() if name != "run" or runs} | (COPIED if copied else {})
    if st.session_state["sweep_from"] not in bases:
        st.session_state["sweep_from"] = "form"
    kind = st.segmented_control(
        "Starting from",
        list(bases),
        required=True,
        format_func=bases.__getitem__,
        key="sweep_from",
        persist_state="session",
        help=f"All settings but those that vary: as the form on the page {pages.TRAIN.title} has them now, as a preset "
        "has them, or as a stored run has them.",
    )
    if kind == "preset":
        base = _draw_preset(corpus.sha256)
    elif kind == "run":
        chosen = st.selectbox(
            "Run",
            list(runs),
            format_func=lambda run_id: picker.title(runs[run_id]),
            key="sweep_run",
            help=f"The newest {picker.OFFERED} runs.",
        )
        base = runs[chosen].config.replace(corpus_sha256=corpus.sha256)
    elif kind == "copied" and copied is not None:
        base = copied.replace(corpus_sha256=corpus.sha256)
    else:
        latest = session.store().latest()
        form.start(latest.config if latest else None)
        base = settings.read_config(form.settings(), corpus.sha256)
    session.splits(corpus.sha256, base.split)
    st.caption(plain(settings.describe_any_seed(base)))
    return base


def _draw_preset(corpus_sha256: str) -> RunConfig:
    name = st.selectbox(
        "Preset",
        list(PRESETS),
        format_func=lambda name: PRESETS[name].title,
        key="sweep_preset",
        persist_state="session",
        help=form.PRESET_HELP.partition(".")[0] + ".",
    )
    return RunConfig(corpus_sha256=corpus_sha256, model=PRESETS[name].model, train=PRESETS[name].train)


def _draw_axes(base: RunConfig, tokens: str) -> tuple[Axis, ...] | None:
    """What varies, and the values of each; None after saying what is wrong."""
    possible = fit_settings(axis_settings(base), tokens)
    first = [name for name in FIRST_AXES if name in possible]
    chosen = [name for name in st.session_state.get("sweep_axes", first) if name in possible]
    st.session_state["sweep_axes"] = chosen
    names = st.multiselect(
        "Settings that vary",
        list(possible),
        format_func=lambda name: possible[name].title,
        max_selections=MAX_AXES,
        key="sweep_axes",
        persist_state="session",
        placeholder="Choose one to three",
        help="Every combination of their values is a setting of the sweep. Presets vary alone: they set all others.",
    )
    if not names:
        st.info("Choose what is to vary.")
        return None
    found = [_tried(lambda name=name: _draw_axis(base, name, possible[name])) for name in names]  # type: ignore[misc]
    return None if None in found else tuple(axis for axis in found if axis is not None)


def _field(name: str, setting: Setting, method: str) -> str:
    """The field that holds an axis's values: of a grid's others than of those that may have ranges."""
    return f"{'values' if method == 'grid' or not axes.is_typed(setting) else 'ranges'}_{name}"


def _draw_axis(base: RunConfig, name: str, setting: Setting) -> Axis:
    """The values of one axis."""
    method = str(st.session_state["sweep_method"])
    key = f"sweep_{_field(name, setting, method)}"
    if not axes.is_typed(setting):
        options = axes.options(base, name, setting)
        st.session_state[key] = [
            v for v in st.session_state.get(key, axes.values(base, name, setting).values) if v in options
        ]
        values = st.multiselect(
            setting.title, options, format_func=setting.said, key=key, persist_state="session", help=setting.help
        )
        return Axis(name=name, values=tuple(values)).checked(setting)
    start = axes.values(base, name, setting) if method == "grid" else axes.in_range(base, name, setting)
    st.session_state.setdefault(key, axes.written(start, setting))
    text = st.text_input(
        f"{setting.title} ({setting.unit})" if setting.unit and "(" not in setting.title else setting.title,
        key=key,
        persist_state="session",
        help=axes.how(setting, method) + setting.help,
    )
    axis = read_axis(name, setting, text)
    if not axis.is_range:
        return axis
    require(method != "grid", f"values of {name}", "a list in a grid, such as 1, 2, 4", text)
    if axis.low is not None and axis.low > 0:
        st.session_state.setdefault(f"sweep_log_{name}", axes.wide(axis))
        log = st.checkbox("Draw on a logarithmic axis", key=f"sweep_log_{name}", persist_state="session", help=LOG_HELP)
        return axis.replace(log=log)
    return axis


# ---- how it is tried


def _draw_method() -> dict[str, Any]:
    """How settings are picked, and when to stop: fields of a sweep."""
    fields: dict[str, Any] = {
        "method": st.segmented_control(
            METHOD.title,
            list(METHOD.options),
            required=True,
            format_func=METHOD.said,
            key="sweep_method",
            persist_state="session",
            help=METHOD.help,
        )
    }
    with st.grid(2, min_column_width=150, vertical_alignment="bottom"):
        if fields["method"] != "grid":
            for name, setting in (("settings_to_try", SETTINGS), ("sweep_seed", SWEEP_SEED)):
                fields[name] = st.number_input(
                    setting.title, step=1, key=f"sweep_{name}", persist_state="session", help=setting.help
                )
        fields["minutes"] = st.number_input(
            MINUTES.title,
            step=MINUTES.step,
            format="%g",
            key="sweep_minutes",
            persist_state="session",
            help=MINUTES.help,
        )
    return fields


def _draw_seeds() -> tuple[int, ...]:
    return read_seeds(st.text_input("Seeds", key="sweep_seeds", persist_state="session", help=SEEDS_HELP))


# ---- start


def _draw_words(sweep: Sweep | None) -> tuple[str, str]:
    """What the sweep is called, and what it is to answer."""
    suggested = suggestion(sweep) if sweep else "Sweep"
    name = st.text_input(
        "Name",
        key="sweep_name",
        persist_state="session",
        max_chars=MAX_NAME,
        placeholder=suggested,
        help="Empty: the one suggested.",
    )
    question = st.text_input(
        "Question",
        key="sweep_question",
        persist_state="session",
        max_chars=MAX_QUESTION,
        placeholder="What should this sweep answer?",
        help="In your own words; it stands above the results.",
    )
    return name or suggested, question


def suggestion(sweep: Sweep) -> str:
    """A name for a sweep: what it varies."""
    first, *others = [axis_settings(sweep.base)[axis.name].title for axis in sweep.axes]
    return " × ".join([first, *(title[0].lower() + title[1:] for title in others)])


def _draw_start(sweep: Sweep | None, corpus: Corpus, name: str, question: str) -> None:
    plan = _tried(lambda: estimate.plan(sweep, corpus)) if sweep else None
    if sweep and plan:
        settings, seeds = counted(sweep.setting_count, "setting"), counted(len(sweep.seeds), "seed")
        st.markdown(f"{settings} × {seeds} = **{counted(sweep.run_count, 'run')}**")
        st.caption(f"{plan} Yours: {visitor.usage().said()['stored']}.")
    if (
        st.button("Start the sweep", type="primary", icon=":material/play_arrow:", key="start_sweep", disabled=not plan)
        and sweep
        and (started := visitor.start_sweep(sweep, name, question))
    ):
        visitor.open_sweep(started.id)
        st.rerun()


def counted(count: int, word: str) -> str:
    """A number of things: ``1 run``, ``108 runs``."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"
