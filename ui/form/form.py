"""The settings of a run as a form.

Every field is a widget with the key ``form_<field>`` and no default: its value is put into the session state
first, by :func:`fill`, so that a preset or an earlier run can fill the form. Limits are not repeated here: the
config classes check, and their sentence is what the visitor reads.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import streamlit as st

from mmcore.architectures import ARCHITECTURES, model_config
from mmcore.architectures.interface import ACTIVATIONS, INITS, NORMALISATIONS
from mmcore.config import OPTIMIZERS, SCHEDULES, RunConfig, SplitConfig, TrainConfig
from mmcore.presets import PRESETS, Preset, preset_for
from ui.form.named import HELP, NAMES
from ui.form.settings import preset_of, read_config, values_of

# ---- the form


def fill(values: Mapping[str, Any]) -> None:
    """Put values into the form; allowed in a callback and before the form is drawn."""
    for name, value in values.items():
        st.session_state[f"form_{name}"] = value


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


def draw(corpus_sha256: str) -> RunConfig | ValueError:
    """Draw the form; its config, or what is wrong with it."""
    _keep_what_was_typed()
    try:
        config: RunConfig | ValueError = read_config(settings(), corpus_sha256)
    except ValueError as error:
        config = error
    _name_preset(preset_of(config) if isinstance(config, RunConfig) else None)
    with st.container(key="unseen"):
        st.number_input("Answer", 0, key="answer", label_visibility="collapsed")
    family = ARCHITECTURES[st.session_state["form_architecture"]]
    fields = [field.name for field in dataclasses.fields(family)]
    _draw_main(fields)
    with st.expander("More settings", icon=":material/tune:"):
        _draw_model(fields)
        _draw_training(family.samplers)
        _draw_split()
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
# with says which changes it has.


@dataclass
class _Refill:
    """Values on their way to the browser, and what it shows until they arrive."""

    number: int
    before: dict[str, Any]
    values: dict[str, Any]
    sent: bool = False

    def has_arrived(self) -> bool:
        """Whether what the browser has sent now was sent after the values had arrived."""
        return self.sent and _answered(self.number)


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
    st.session_state["form_refill"] = _Refill(_send_number(), before, dict(values))
    fill(values)


def _outdated(name: str) -> bool:
    """Whether a choice only seems to change, because the browser has not heard of the last one."""
    refill: _Refill | None = st.session_state.get("form_refill")
    return refill is not None and not refill.has_arrived() and st.session_state[f"form_{name}"] == refill.before[name]


def _keep_what_was_typed() -> None:
    """Merge what the browser sent with values that it does not have yet."""
    refill: _Refill | None = st.session_state.get("form_refill")
    if refill is not None and refill.has_arrived():
        del st.session_state["form_refill"]
    elif refill is not None and refill.sent:
        came = {name: st.session_state.get(f"form_{name}") for name in refill.values}
        refill.values |= {name: value for name, value in came.items() if value != refill.before[name]}
        refill.number = _send_number()
        fill(refill.values)  # and so the browser is sent them all, once more
    elif refill is not None:
        refill.sent = True


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


def _key(name: str) -> dict[str, Any]:
    return {"key": f"form_{name}", "help": HELP[name], "persist_state": "session"}


def _choice(label: str, name: str, options: Sequence[str]) -> None:
    st.selectbox(label, options, format_func=lambda option: NAMES[option], **_key(name))


_whole: Callable[..., Any] = partial(st.number_input, step=1)
_real: Callable[..., Any] = partial(st.number_input, format="%g")


# A field that some architecture has is drawn for those that have it, by one of these.
_SIZES: dict[str, Callable[[str], object]] = {
    "context_size": lambda name: _whole("Context size", **_key(name)),
    "embedding_dim": lambda name: _whole("Embedding dimension", **_key(name)),
    "hidden_sizes": lambda name: st.text_input("Hidden units (per layer)", live=True, placeholder="none", **_key(name)),
    "hidden_size": lambda name: _whole("Hidden units", **_key(name)),
    "layers": lambda name: _whole("Layers", **_key(name)),
    "heads": lambda name: _whole("Heads", **_key(name)),
}
_SHAPE: dict[str, Callable[[str], object]] = {
    "activation": lambda name: _choice("Activation", name, ACTIVATIONS),
    "normalisation": lambda name: _choice("Normalisation", name, NORMALISATIONS),
    "init": lambda name: _choice("Initialisation", name, INITS),
    "dropout": lambda name: _real("Dropout", step=0.1, **_key(name)),
    "state_dropout": lambda name: _real("State dropout", step=0.1, **_key(name)),
}


def _draw_main(fields: Sequence[str]) -> None:
    st.selectbox(
        "Preset",
        list(PRESETS),
        index=None,
        format_func=lambda name: PRESETS[name].title,
        on_change=_take_preset,
        placeholder="Your own settings",
        **_key("preset"),
    )
    chosen = PRESETS.get(st.session_state["form_preset"] or "")
    st.caption(chosen.note if chosen else "Changed from the presets. Choose one to go back to it.")
    st.selectbox(
        "Architecture",
        list(ARCHITECTURES),
        format_func=lambda name: ARCHITECTURES[name].title,
        on_change=_take_architecture,
        **_key("architecture"),
    )
    with st.grid(2, min_column_width=140, vertical_alignment="bottom"):
        for name in (name for name in _SIZES if name in fields):
            _SIZES[name](name)
        _whole("Steps", **_key("max_steps"))
        _real("Learning rate", step=0.01, **_key("learning_rate"))
        _whole("Batch size", **_key("batch_size"))


def _draw_model(fields: Sequence[str]) -> None:
    shape = [name for name in _SHAPE if name in fields]
    if not shape:
        return
    st.markdown("**Model**")
    with st.grid(2, min_column_width=130, vertical_alignment="bottom"):
        for name in shape:
            _SHAPE[name](name)
    if "direct" in fields:
        st.checkbox("Direct connections", **_key("direct"))


def _draw_training(samplers: Sequence[str]) -> None:
    st.markdown("**Training**")
    with st.grid(2, min_column_width=130, vertical_alignment="bottom"):
        _choice("Batches from", "sampler", samplers)
        _choice("Optimiser", "optimizer", OPTIMIZERS)
        _choice("Schedule", "schedule", SCHEDULES)
        _real("Decay rate r", step=1e-4, **_key("decay_rate"))
        _real("Weight decay", step=1e-4, **_key("weight_decay"))
        _whole("Seed", **_key("seed"))
        _whole("Early stopping patience", **_key("patience"))
        _whole("Check every (steps)", **_key("check_every"))


def _draw_split() -> None:
    st.markdown("**Split**")
    if fixed := st.session_state.get("form_fixed"):
        train, val, test = (f"{count:,}" for count in fixed)
        st.markdown(f"Fixed by files: {train} train, {val} validation and {test} test words.")
        st.button("Draw a split instead", on_click=fill, args=({"fixed": ()},), key="draw_split", help=HELP["fixed"])
        return
    with st.grid(2, min_column_width=130, vertical_alignment="bottom"):
        _real("Train fraction", step=0.05, **_key("train_fraction"))
        _real("Validation fraction", step=0.05, **_key("val_fraction"))
        _whole("Split seed", **_key("split_seed"))
    st.checkbox("De-duplicate before splitting", **_key("deduplicate"))
