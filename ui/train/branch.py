"""Branch: a new run that begins with weights which another kept, under other settings of training."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from mmcore.architectures import ModelConfig
from mmcore.config import FREE_TO_CHANGE, RunConfig, TrainConfig
from mmcore.cost import accept, expected_time
from mmcore.fields import Setting, Whole
from mmcore.store import Run
from ui import session, visitor
from ui.form.widgets import draw as draw_setting
from ui.kit.text import nats, plain

ABOUT = (
    "A new run that begins with the weights of this one at a checkpoint. Its steps count from 0, its schedule is its "
    "own, and its optimiser starts afresh. The model, the corpus and the split stay as they are."
)


def draw(run: Run) -> None:
    """An expander: from which checkpoint, with which settings, and the button that trains the branch."""
    box = st.expander("Branch from a checkpoint", icon=":material/call_split:", key="branch", on_change="rerun")
    if not box.open:
        return
    with box:
        st.caption(ABOUT)
        kept = session.store().kept_steps(run.id)
        if not kept:
            st.info("It has saved no weights yet.")
            return
        step = _choose_step(run, kept)
        try:
            config = _choose_settings(run)
            accept(config, session.corpus(config.corpus_sha256).report)
        except ValueError as error:
            st.error(plain(str(error)))
            return
        expected = expected_time(config, session.vocab(config.corpus_sha256).size, session.earlier_runs())
        st.caption(f"{changes(run.config, config)} It takes {expected}.")
        if st.button("Train the branch", type="primary", icon=":material/call_split:", key="branch_train") and (
            visitor.branch_run(run.id, step, config.train, config.model)
        ):
            st.rerun()  # what is above shows the branch at the next script run


def _choose_step(run: Run, kept: list[int]) -> int:
    step = kept[0]
    if len(kept) > 1:
        step = st.select_slider(
            "Checkpoint (step)",
            kept,
            kept[-1],
            key=f"branch_step_{run.id}",
            persist_state="session",
            format_func=lambda step: f"{step:,}",
            help="The weights that the new run begins with.",
        )
    st.caption(loss_there(session.store().history(run.id), step))
    return step


def loss_there(history: pd.DataFrame, step: int) -> str:
    """The validation loss at a checkpoint, or at the measured step next to it."""
    measured = history.dropna(subset=["val_loss"])
    if measured.empty:
        return f"Step {step:,}; its validation loss was not measured."
    near = measured.loc[(measured["step"] - step).abs().idxmin()]
    if near["step"] == step:
        return f"Step {step:,}: validation loss {nats(near['val_loss'])}."
    return (
        f"Step {step:,}; measured next to it, at step {int(near['step']):,}: validation loss {nats(near['val_loss'])}."
    )


def free_settings(model: ModelConfig) -> dict[str, Setting]:
    """What a branch may have otherwise: training, and of the model what acts in training only."""
    own = {name: setting for name, setting in model.settings().items() if name in FREE_TO_CHANGE}
    return {name: setting for name, setting in (TrainConfig.settings() | own).items() if setting.on_form}


def _choose_settings(run: Run) -> RunConfig:
    """The settings typed; ``ValueError`` with the sentence to show where they are none."""
    model, form, settings = run.config.model, f"branch_{run.id}", free_settings(run.config.model)
    now = vars(model) | vars(run.config.train)
    for name in settings:
        st.session_state.setdefault(f"{form}_{name}", now[name])
    with st.grid(3, min_column_width=150, vertical_alignment="bottom"):
        for name, setting in settings.items():
            draw_setting(name, setting, model.samplers if name == "sampler" else None, form)
    values: dict[str, Any] = {name: st.session_state[f"{form}_{name}"] for name in settings}
    of_model = {name: values.pop(name) for name in FREE_TO_CHANGE & values.keys()}
    return run.config.replace(train=run.config.train.replace(**values), model=model.replace(**of_model))


def changes(before: RunConfig, after: RunConfig) -> str:
    """In which settings a branch differs from its run, in one sentence."""
    old, new = (vars(config.model) | vars(config.train) for config in (before, after))
    found = [
        f"{setting.title.lower()} {_said(setting, old[name])} → {_said(setting, new[name])}"
        for name, setting in free_settings(before.model).items()
        if old[name] != new[name]
    ]
    return f"Changed: {', '.join(found)}." if found else "No setting is changed."


def _said(setting: Setting, value: Any) -> str:
    return f"{value:,}" if isinstance(setting, Whole) else setting.said(value)
