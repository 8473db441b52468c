"""The settings of a run as a form.

Every field is a widget with the key ``form_<field>`` and no default: its value is put into the session state
first, by :func:`fill`, so that a preset or an earlier run can fill the form. Which fields there are, what they are
called and what they may be is the configs' to say (:class:`mmcore.fields.Setting`), and their sentence is what the
visitor reads where a value is none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from mmcore.architectures import ARCHITECTURES, ModelConfig, model_config
from mmcore.config import RunConfig, SplitConfig, TrainConfig
from mmcore.fields import Config, Flag
from mmcore.presets import PRESETS, Preset, preset_for, preset_of
from ui.form.settings import read_config, values_of
from ui.form.widgets import draw as draw_setting
from ui.kit.nouns import fit, fit_settings


def fill(values: Mapping[str, Any]) -> None:
    """Put values into the form; allowed in a callback and before the form is drawn."""
    for name, value in values.items():
        st.session_state[f"form_{name}"] = value


def fill_preset(name: str) -> None:
    """Put a preset's settings into the form, with the default split."""
    preset = PRESETS[name]
    fill(values_of(preset.model, preset.train, SplitConfig()))


def settings() -> dict[str, Any]:
    """What the form holds now, by field."""
    model = model_config(architecture=st.session_state["form_architecture"])
    return {name: st.session_state.get(f"form_{name}") for name in values_of(model, TrainConfig(), SplitConfig())}


def start(config: RunConfig | None) -> None:
    """Give the form its first values in a session: a run's settings, or the quick preset."""
    if "form_architecture" not in st.session_state:
        preset = PRESETS["quick"]
        parts = (config.model, config.train, config.split) if config else (preset.model, preset.train, SplitConfig())
        fill(values_of(*parts))


def draw(corpus_sha256: str, tokens: str) -> RunConfig | ValueError:
    """Draw the form for a corpus whose symbols are `tokens`; its config, or what is wrong with it."""
    _keep_what_was_typed()
    try:
        config: RunConfig | ValueError = read_config(settings(), corpus_sha256)
    except ValueError as error:
        config = error
    _name_preset(preset_of(config) if isinstance(config, RunConfig) else None)
    with st.container(key="unseen"):
        st.number_input("Answer", 0, key="answer", label_visibility="collapsed")
    model = ARCHITECTURES[st.session_state["form_architecture"]]
    _draw_main(model, tokens)
    with st.expander("More settings", icon=":material/tune:"):
        _draw_more("Model", model, tokens)
        _draw_more("Training", TrainConfig, tokens, {"sampler": model.samplers})
        _draw_split(tokens)
    return config


def _take_preset() -> None:
    preset = PRESETS.get(st.session_state["form_preset"])
    if preset and not _outdated("preset") and not _renamed():
        _fill_from(preset)


def _take_architecture() -> None:
    if not _outdated("architecture"):
        _fill_from(PRESETS[preset_for(st.session_state["form_architecture"])])


def _fill_from(preset: Preset) -> None:
    values = values_of(preset.model, preset.train)
    refill({name: value for name, value in values.items() if name != "seed"})


# Between a choice and the moment its values arrive in the browser, the browser still sends the values from before,
# and what was typed meanwhile. A field that comes back as it was is then not a wish, and one that differs is. With
# each change that the server makes, a number goes into a field that nobody sees: the number that the browser answers
# with says which changes it has. A busy server reads a choice and what was typed after it at one time.


@dataclass
class _Refill:
    """Values on their way to the browser, and what it shows until they arrive."""

    before: dict[str, Any]
    values: dict[str, Any]
    number: int | None = None  # of the change, once it is drawn

    def has_arrived(self) -> bool:
        """Whether what the browser has sent now was sent after the values had arrived."""
        return self.number is not None and _answered(self.number)


def _answered(number: int) -> bool:
    return bool(st.session_state.get("answer", number) >= number)


def _send_number() -> int:
    """The number of the server's next change, put where the browser answers with it."""
    number: int = st.session_state.get("form_changes", 0) + 1
    st.session_state["form_changes"] = st.session_state["answer"] = number
    return number


def refill(values: Mapping[str, Any]) -> None:
    """Put values into a form that is on screen, in a callback; what is typed until they arrive there, stays."""
    before = {name: st.session_state.get(f"form_{name}") for name in [*values, "preset"]}
    shown = _shown()
    typed = {name: before[name] for name in values if before[name] != shown.get(name, before[name])}
    st.session_state["form_refill"] = _Refill(before, {**values, **typed})
    fill(st.session_state["form_refill"].values)


def _shown() -> dict[str, Any]:
    """What the browser showed before what it sends now was typed."""
    refill: _Refill | None = st.session_state.get("form_refill")
    read: dict[str, Any] = st.session_state.get("form_read", {})
    return {**read, **refill.values} if refill is not None and refill.has_arrived() else read


def _outdated(name: str) -> bool:
    """Whether a choice only seems to change, because the browser has not heard of the last one."""
    refill: _Refill | None = st.session_state.get("form_refill")
    return refill is not None and not refill.has_arrived() and st.session_state[f"form_{name}"] == refill.before[name]


def _keep_what_was_typed() -> None:
    """Merge what the browser sent with values that it does not have yet."""
    refill: _Refill | None = st.session_state.get("form_refill")
    came = settings()
    put_now = refill.before if refill is not None and refill.number is None else {}  # here is what the browser had
    st.session_state["form_read"] = came | put_now
    if refill is not None and refill.has_arrived():
        del st.session_state["form_refill"]
    elif refill is not None:
        refill.values |= {name: came[name] for name in refill.values if came.get(name) != refill.before[name]}
        refill.number = _send_number()
        fill(refill.values)  # and so the browser is sent them all, once more


def _name_preset(name: str | None) -> None:
    """Show which preset the settings are; a change is on its way to the browser, as values are."""
    shown = st.session_state.get("form_preset")
    st.session_state["form_preset"] = name
    if name != shown:
        st.session_state["form_named"] = (_send_number(), shown)


def _renamed() -> bool:
    """Whether a preset only seems to be chosen, because the browser has not heard that the settings are another now."""
    number, shown = st.session_state.get("form_named", (0, None))
    return st.session_state["form_preset"] == shown and not _answered(number)


PRESET_HELP = "A named starting point. It fills every field below; change any of them afterwards."
ARCHITECTURE_HELP = (
    "What stands between the context and the logits, from a table to a transformer. Choosing one fills the form with "
    "its preset; it has fields of its own."
)
FIXED_HELP = "Which words are in which split was said when the run was made. Drawing shuffles all of them together."


def _draw_main(model: type[ModelConfig], tokens: str) -> None:
    st.selectbox(
        "Preset",
        list(PRESETS),
        index=None,
        format_func=lambda name: PRESETS[name].title,
        on_change=_take_preset,
        placeholder="Your own settings",
        key="form_preset",
        help=PRESET_HELP,
        persist_state="session",
    )
    chosen = PRESETS.get(st.session_state["form_preset"] or "")
    st.caption(fit(chosen.note, tokens) if chosen else "Changed from the presets. Choose one to go back to it.")
    st.selectbox(
        "Architecture",
        list(ARCHITECTURES),
        format_func=lambda name: ARCHITECTURES[name].title,
        on_change=_take_architecture,
        key="form_architecture",
        help=ARCHITECTURE_HELP,
        persist_state="session",
    )
    with st.grid(2, min_column_width=140, vertical_alignment="bottom"):
        for name, setting in fit_settings(model.settings() | TrainConfig.settings(), tokens).items():
            if setting.on_form and not setting.more:
                draw_setting(name, setting)


def _draw_more(
    title: str, owner: type[Config], tokens: str, options: Mapping[str, Sequence[str]] | None = None
) -> None:
    """The less usual settings of a part of the run: those with a line each in a grid, then those to tick."""
    every = fit_settings(owner.settings(), tokens)
    settings = {name: setting for name, setting in every.items() if setting.on_form and setting.more}
    if not settings:
        return
    st.markdown(f"**{title}**")
    with st.grid(2, min_column_width=130, vertical_alignment="bottom"):
        for name, setting in settings.items():
            if not isinstance(setting, Flag):
                draw_setting(name, setting, (options or {}).get(name))
    for name, setting in settings.items():
        if isinstance(setting, Flag):
            draw_setting(name, setting)


def _draw_split(tokens: str) -> None:
    fixed = st.session_state.get("form_fixed")
    if not fixed:
        _draw_more("Split", SplitConfig, tokens)
        return
    st.markdown("**Split**")
    train, val, test = (f"{count:,}" for count in fixed)
    st.markdown(fit(f"Fixed by files: {train} train, {val} validation and {test} test words.", tokens))
    st.button(
        "Draw a split instead", on_click=fill, args=({"fixed": ()},), key="draw_split", help=fit(FIXED_HELP, tokens)
    )
