"""Playground's settings: sliders, their values in the address, and what they ask for.

Which settings have a slider, and where it stops, is the configs' to say (:class:`mmcore.fields.Setting`). A slider
moves the size of one hidden layer, so the list of sizes and the size of a state share a name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from mmcore import RunConfig
from mmcore.architectures import ARCHITECTURES, ModelConfig, architecture_of
from mmcore.architectures.mlp import MLPConfig
from mmcore.config import TrainConfig
from mmcore.corpus import Corpus
from mmcore.fields import Setting, Sizes, cut
from mmcore.playground import KEPT, Play
from mmcore.presets import PRESETS, preset_for
from ui.form.widgets import slider
from ui.kit.nouns import fit_settings

Value = Any  # of a setting
BUDGETS = (0.3, 0.5, 0.7, 1.0, 2.0, 4.0)
MOST = 1_000_000  # steps, and the highest seed
FIRST = ("weight_decay",)  # beside those that the form shows first
# Of slower architectures, whose presets take minutes: sizes to begin with, and a rate that gets far in few updates.
AT_MOST = {"context_size": 8, "embedding_dim": 16, "hidden_size": 64, "layers": 1}
RATE = 0.03
WORDS = 128  # of a batch, at most: twice as many updates of half as many words end lower in a second
STEPS = 300  # the same for all architectures, so that their losses compare; half a second or so for an MLP
HELP = {
    "architecture": "What stands between the context and the logits. Each has sliders of its own, and starts small.",
    "seconds": "How long the first training takes, dataset and drawing included. The next ones keep its number of "
    f"steps, to be compared with it, where that takes between a quarter and {KEPT} times as long.",
    "mode": "A fixed number makes losses comparable: each model gets as many updates. With a time budget, the measured "
    "speed decides how many there are, and the number stays while you move other sliders.",
    "steps": "Updates that every model gets. The number goes into the address, so that whoever opens it gets the same "
    "model.",
}


@dataclass(frozen=True)
class Asked:
    """A request: a config, and the time budget that sets its steps, if one does."""

    config: RunConfig
    budget: float | None


# ---- settings of each architecture


def model_sliders(architecture: str) -> dict[str, tuple[str, Setting]]:
    """Slider -> field of an architecture and what it means, for the fields that have a slider."""
    settings = ARCHITECTURES[architecture].settings()
    return {
        name.removesuffix("s") if isinstance(setting, Sizes) else name: (name, setting)
        for name, setting in settings.items()
        if setting.stops
    }


def train_sliders() -> dict[str, Setting]:
    """The settings of training that have a slider."""
    return {name: setting for name, setting in TrainConfig.settings().items() if setting.stops}


def setting_of(name: str, architecture: str) -> Setting:
    """What a slider sets."""
    own = model_sliders(architecture)
    return own[name][1] if name in own else train_sliders()[name]


def every_slider() -> set[str]:
    """The names of all sliders of all architectures."""
    return {name for architecture in ARCHITECTURES for name in model_sliders(architecture)} | train_sliders().keys()


def start_values(architecture: str) -> dict[str, Value]:
    """Where the sliders of an architecture stand at first: its preset, small enough to be trained while one waits."""
    preset = PRESETS[preset_for(architecture)]
    values = _slider_values(preset.model)
    for name, most in AT_MOST.items():
        if model_sliders(architecture).get(name, ("", None))[0] == name:
            values[name] = min(most, values[name])
    # So short a training memorises nothing.
    values |= dict.fromkeys(values.keys() & {"dropout", "state_dropout"}, 0.0)
    return values | {
        "learning_rate": max(RATE, preset.train.learning_rate),
        "weight_decay": 0.0,
        "seed": 1,
        "steps": STEPS,  # 0: as many as the time budget allows
        "sampler": preset.train.sampler,
        "compiled": preset.train.compiled,
    }


def start_train(architecture: str) -> TrainConfig:
    """How an architecture is trained here, but for what the sliders set: as by its preset, in batches of few words."""
    train = PRESETS[preset_for(architecture)].train
    return train.replace(batch_size=min(WORDS, train.batch_size)) if train.sampler == "words" else train


def _slider_values(model: ModelConfig) -> dict[str, Value]:
    values: dict[str, Value] = {"architecture": model.architecture}
    for name, (field, setting) in model_sliders(model.architecture).items():
        value = getattr(model, field)
        values[name] = value[0] if isinstance(setting, Sizes) and value else value
    return values


def read_model(values: Mapping[str, Value]) -> ModelConfig:
    """The model that slider values describe; ``ValueError`` if there is none."""
    fields = {
        field: (values[name],) if isinstance(setting, Sizes) else values[name]
        for name, (field, setting) in model_sliders(values["architecture"]).items()
    }
    return architecture_of(values)(**fields)


def options(name: str, architecture: str) -> tuple[Value, ...]:
    """What an architecture allows on a slider, the others where they start."""
    if name == "sampler":
        return ARCHITECTURES[architecture].samplers
    stops = setting_of(name, architecture).stops
    if name not in model_sliders(architecture):
        return stops
    start = start_values(architecture)

    def allowed(value: Value) -> bool:
        try:
            read_model(start | {name: value})
        except ValueError:
            return False
        return True

    return tuple(value for value in stops if allowed(value))


# ---- sliders and address


def start(query: Mapping[str, str]) -> str | None:
    """Give the sliders their first values in a session, from the address; a sentence about what made no sense."""
    if "play_architecture" in st.session_state:
        return None
    values, wrong = read_address(query)
    fill(values)
    return wrong


def read_address(query: Mapping[str, str]) -> tuple[dict[str, Value], str | None]:
    """Slider values from an address's parameters, and a sentence that names the first that made no sense.

    An address without an architecture is from before there were others: it means an MLP.
    """
    wrong: list[str] = []
    architecture = query.get("architecture", MLPConfig.architecture)
    if architecture not in ARCHITECTURES:
        wrong.append(_made_no_sense("architecture", tuple(ARCHITECTURES), architecture, MLPConfig.architecture))
        architecture = MLPConfig.architecture
    values = start_values(architecture)
    for name in (name for name in values if name in query and name != "architecture"):
        allowed = None if name in ("seed", "steps") else options(name, architecture)
        value = _number(query[name]) if allowed is None else _stop(name, query[name], architecture)
        if value is not None and (allowed is None or value in allowed):
            values[name] = value
        else:
            wrong.append(_made_no_sense(name, allowed, query[name], written(values[name])))
    return values, wrong[0] if wrong else None


def _made_no_sense(name: str, allowed: tuple[Value, ...] | None, got: str, instead: str) -> str:
    rule = f"from 0 to {MOST:,}" if allowed is None else "one of " + ", ".join(map(written, allowed))
    return f"{name} in the address must be {rule}, got {cut(repr(got))}. Using {instead}."


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) < 10 and int(text) <= MOST else None


def _stop(name: str, text: str, architecture: str) -> Value | None:
    """The value of a slider in an address; None if it is none."""
    setting = setting_of(name, architecture)
    try:
        value = setting.read(name, text)
    except ValueError:
        return None
    return value[0] if isinstance(setting, Sizes) and len(value) == 1 else value


def written(value: Value) -> str:
    """A setting as the address has it."""
    if isinstance(value, bool):
        return str(int(value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def fill(values: Mapping[str, Value]) -> None:
    """Put values on the sliders; allowed in a callback and before they are drawn."""
    for name, value in values.items():
        st.session_state[f"play_{name}"] = value
    st.session_state["play_mode"] = "Number" if values.get("steps") else "Time budget"
    st.session_state["play_steps"] = int(values.get("steps") or STEPS)


def values_of(config: RunConfig) -> dict[str, Value]:
    """A config as slider values, steps included."""
    train = config.train
    values = _slider_values(config.model) | {name: getattr(train, name) for name in train_sliders()}
    return values | {"seed": train.seed, "steps": train.max_steps}


def _take_architecture() -> None:
    """Begin where the chosen architecture does; what is no matter of the model stays."""
    values = start_values(st.session_state["play_architecture"])
    for name in values.keys() - {"seed", "steps", "compiled"}:
        st.session_state[f"play_{name}"] = values[name]


def draw_sliders(corpus: Corpus) -> Asked | ValueError:
    """The controls; what they ask for, or why nothing can be made of them."""
    architecture = st.selectbox(
        "Architecture",
        list(ARCHITECTURES),
        key="play_architecture",
        format_func=lambda name: ARCHITECTURES[name].title,
        on_change=_take_architecture,
        help=HELP["architecture"],
        persist_state="session",
    )
    every = {name: setting for name, (_, setting) in model_sliders(architecture).items()} | train_sliders()
    settings = fit_settings(every, corpus.tokens)
    first = [name for name, setting in settings.items() if not setting.more or name in FIRST]
    chosen: dict[str, Value] = {"architecture": architecture}
    for name in first:
        chosen[name] = slider(name, settings[name], options(name, architecture))
    seed_help = TrainConfig.settings()["seed"].help
    seed = st.number_input("Seed", 0, MOST, key="play_seed", help=seed_help, persist_state="session")
    steps, budget = _draw_steps()
    with st.expander("More settings", icon=":material/tune:"):
        for name in (name for name in settings if name not in first):
            chosen[name] = slider(name, settings[name], options(name, architecture))
    try:
        model = read_model(chosen)
        train = start_train(architecture).replace(
            max_steps=steps, seed=int(seed), **{name: chosen[name] for name in train_sliders()}
        )
    except ValueError as error:
        return error
    return Asked(RunConfig(corpus_sha256=corpus.sha256, model=model, train=train), budget)


def _draw_steps() -> tuple[int, float | None]:
    """Where the number of steps comes from; the steps, and the time budget if it decides."""
    mode = st.segmented_control(
        "Steps from",
        ("Number", "Time budget"),
        key="play_mode",
        required=True,
        help=HELP["mode"],
        persist_state="session",
    )
    if mode == "Time budget":
        seconds: float = st.select_slider(
            "Seconds", BUDGETS, 0.5, key="play_budget", help=HELP["seconds"], persist_state="session"
        )
        return 1, seconds
    return int(st.number_input("Steps", 1, MOST, key="play_steps", help=HELP["steps"], persist_state="session")), None


def write_address(play: Play) -> None:
    """Make the address say how to get this model again, and nothing of another architecture's settings."""
    values = values_of(play.config)
    for name in every_slider() - values.keys():
        st.query_params.pop(name, None)
    for name, value in values.items():
        st.query_params[name] = written(value)
