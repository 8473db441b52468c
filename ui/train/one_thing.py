"""Change one thing: one other setting than a run has, and train again, so that the difference is of that setting."""

from __future__ import annotations

import streamlit as st

from mmcore.config import RunConfig, TrainConfig
from mmcore.cost import accept
from mmcore.fields import Setting
from mmcore.store import Run
from ui import session, visitor
from ui.form import settings
from ui.form.widgets import draw as draw_setting
from ui.kit.text import plain
from ui.run.changes import changes


def draw(run: Run) -> None:
    """A button that opens the choice of a setting, its new value, and the button that trains."""
    with st.popover("Change one thing", icon=":material/tune:", key="one_thing"):
        known = _settings(run.config)
        name = st.selectbox(
            "Setting",
            list(known),
            format_func=lambda name: known[name].title,
            key=f"one_{run.id}",
            help="All others stay as they are in this run, the seed too.",
        )
        form, values = f"one_{run.id}", settings.values_of(run.config.model, run.config.train, run.config.split)
        st.session_state.setdefault(f"{form}_{name}", values[name])
        draw_setting(name, known[name], run.config.model.samplers if name == "sampler" else None, form)
        try:
            config = changed(run.config, name, st.session_state[f"{form}_{name}"])
            accept(config, session.corpus(config.corpus_sha256).report)
        except ValueError as error:
            st.error(plain(str(error)))
            return
        said = changes(run.config, config)
        st.caption(plain(f"Changed: {said}." if said else "Nothing is changed yet."))
        st.button(
            "Train with this change",
            type="primary",
            icon=":material/play_arrow:",
            disabled=not said,
            on_click=_train,
            args=(run,),
            key="one_train",
        )


def _settings(config: RunConfig) -> dict[str, Setting]:
    """The settings of a run that can be changed, those of training first."""
    known = TrainConfig.settings() | config.model.settings()
    return {name: setting for name, setting in known.items() if setting.on_form}


def changed(config: RunConfig, name: str, value: object) -> RunConfig:
    """A run's settings with another value of one; a branch keeps its first weights where they still fit."""
    values = settings.values_of(config.model, config.train, config.split) | {name: value}
    new = settings.read_config(values, config.corpus_sha256).replace(split=config.split)
    return new.replace(origin=config.origin if new.model == config.model else None)


def _train(run: Run) -> None:
    """Train it now, as it is changed when the button is pressed, with its settings in the form."""
    name = st.session_state[f"one_{run.id}"]
    try:
        config = changed(run.config, name, st.session_state[f"one_{run.id}_{name}"])
    except ValueError as problem:
        visitor.refuse(problem)
        return
    if visitor.start_run(config) is not None:
        st.session_state["mended"] = settings.values_of(config.model, config.train, config.split)
