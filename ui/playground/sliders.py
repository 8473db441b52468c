"""Playground's settings: sliders, their values in the address, and what they ask for."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from mmcore import ModelConfig, RunConfig
from mmcore.architectures import ARCHITECTURES, model_config
from mmcore.architectures.interface import ACTIVATIONS, INITS, NORMALISATIONS
from mmcore.config import SAMPLERS
from mmcore.fields import quoted
from mmcore.playground import KEPT, Play
from mmcore.presets import PRESETS, preset_for
from ui.form import named

Value = int | float | str
BUDGETS = (0.3, 0.5, 0.7, 1.0, 2.0, 4.0)
OPTIONS: dict[str, tuple[Value, ...]] = {
    "architecture": tuple(ARCHITECTURES),
    "context_size": (1, 2, 3, 4, 5, 6, 7, 8, 12, 16),
    "embedding_dim": (1, 2, 3, 5, 10, 16, 24, 32, 48, 64),
    "hidden_size": (10, 20, 32, 50, 64, 100, 128, 150, 200, 300, 400),
    "layers": (1, 2, 3, 4),
    "heads": (1, 2, 4, 8),
    "learning_rate": (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1.0),
    "weight_decay": (0.0, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0),
    "dropout": (0.0, 0.1, 0.2, 0.3, 0.4, 0.5),
    "state_dropout": (0.0, 0.1, 0.2, 0.3, 0.4, 0.5),
    "activation": ACTIVATIONS,
    "normalisation": NORMALISATIONS,
    "init": INITS,
    "direct": (0, 1),
    "sampler": SAMPLERS,
}
LABELS = {
    "context_size": "Context size",
    "embedding_dim": "Embedding dimension",
    "hidden_size": "Hidden units",
    "layers": "Layers",
    "heads": "Heads",
    "learning_rate": "Learning rate",
    "weight_decay": "Weight decay",
    "dropout": "Dropout",
    "state_dropout": "State dropout",
    "activation": "Activation",
    "normalisation": "Normalisation",
    "init": "Initialisation",
    "direct": "Direct connections",
    "sampler": "Batches from",
}
SECOND = ("dropout", "state_dropout", "activation", "normalisation", "init", "direct", "sampler")  # less often moved
SLIDER_OF = {"hidden_sizes": "hidden_size"}  # one layer of them, so one number
# Of slower families, whose presets take minutes: sizes to begin with, and a rate that gets far in few updates.
AT_MOST = {"context_size": 8, "embedding_dim": 16, "hidden_size": 32, "layers": 1}
RATE = 0.03
HELP: dict[str, str] = named.HELP | {
    "architecture": "What stands between the context and the logits. Each has sliders of its own, and starts small.",
    "context_size": "How many preceding characters the model sees: the lecture's `block_size`. With 1 it "
    "can know no more than a bigram does.",
    "embedding_dim": "Columns of the lookup table `C`. At 2 the map beside is the table itself.",
    "hidden_size": "How many numbers the hidden layer, or the hidden state, has: 200 in the lecture.",
    "learning_rate": "Peak of the one-cycle schedule. Too small a rate learns little in this time; too large a one "
    "ends with a higher loss.",
    "weight_decay": "Pulls weights and C towards zero in every update. Not the biases.",
    "seed": "Of initialisation and batches. On one machine, the same seed and steps give the same model, bit for bit.",
    "seconds": "How long the first training takes, dataset and drawing included. The next ones keep its number of "
    f"steps, to be compared with it, where that takes between a quarter and {KEPT} times as long.",
    "steps": "Updates. From a time budget, the measured speed decides, and the number stays while you move other "
    "sliders; it goes into the address, so that whoever opens it gets the same model.",
}


@dataclass(frozen=True)
class Asked:
    """A request: a config, and the time budget that sets its steps, if one does."""

    config: RunConfig
    budget: float | None


# ---- settings of each architecture


def model_fields(architecture: str) -> dict[str, str]:
    """Slider -> field of an architecture's config, for the fields that have one."""
    fields = [field.name for field in dataclasses.fields(ARCHITECTURES[architecture])]
    sliders = {SLIDER_OF.get(name, name): name for name in fields}
    return {name: sliders[name] for name in LABELS if name in sliders}


def start_values(architecture: str) -> dict[str, Value]:
    """Where the sliders of an architecture stand at first: its preset, small enough to be trained while one waits."""
    preset = PRESETS[preset_for(architecture)]
    values = _slider_values(preset.model)
    for name, most in AT_MOST.items():
        if model_fields(architecture).get(name) == name:
            values[name] = min(most, int(values[name]))
    # Nothing is learnt by heart in so short a time.
    values |= dict.fromkeys(values.keys() & {"dropout", "state_dropout"}, 0.0)
    return values | {
        "learning_rate": max(RATE, preset.train.learning_rate),
        "weight_decay": 0.0,
        "seed": 1,
        "steps": 0,  # as many as the time budget allows
        "sampler": preset.train.sampler,
    }


def _slider_values(model: ModelConfig) -> dict[str, Value]:
    plain = model.to_dict()
    values: dict[str, Value] = {"architecture": model.architecture}
    for name, field in model_fields(model.architecture).items():
        value = plain[field]
        values[name] = int(value[0]) if isinstance(value, list) else int(value) if isinstance(value, bool) else value
    return values


def read_model(values: Mapping[str, Value]) -> ModelConfig:
    """The model that slider values describe; ``ValueError`` if there is none."""
    architecture = str(values["architecture"])
    kinds = {field.name: field.type for field in dataclasses.fields(ARCHITECTURES[architecture])}
    fields: dict[str, Any] = {"architecture": architecture}
    for name, field in model_fields(architecture).items():
        value = values[name]
        fields[field] = (value,) if field in SLIDER_OF else bool(value) if kinds[field] == "bool" else value
    return model_config(**fields)


def options(name: str, architecture: str) -> tuple[Value, ...]:
    """What an architecture allows on a slider, the others where they start."""
    if name == "sampler":
        return ARCHITECTURES[architecture].samplers
    if name not in model_fields(architecture):
        return OPTIONS[name]
    start = start_values(architecture)

    def allowed(value: Value) -> bool:
        try:
            read_model(start | {name: value})
        except ValueError:
            return False
        return True

    return tuple(value for value in OPTIONS[name] if allowed(value))


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
    architecture = query.get("architecture", model_config().architecture)
    values = start_values(architecture if architecture in ARCHITECTURES else model_config().architecture)
    wrong = None
    for name, default in list(values.items()):
        if name not in query:
            continue
        allowed = options(name, str(values["architecture"])) if name in OPTIONS else None
        try:
            value = type(default)(query[name])
            valid = value in allowed if allowed is not None else 0 <= value <= 1_000_000  # type: ignore[operator]
        except (ValueError, OverflowError):
            valid = False
        if valid:
            values[name] = value
        else:
            rule = "from 0 to 1,000,000" if allowed is None else "one of " + ", ".join(map(written, allowed))
            wrong = (
                wrong or f"{name} in the address must be {rule}, got {quoted(query[name])}. Using {written(default)}."
            )
    return values, wrong


def written(value: Value) -> str:
    """A setting as the address has it."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def fill(values: Mapping[str, Value]) -> None:
    """Put values on the sliders; allowed in a callback and before they are drawn."""
    for name, value in values.items():
        st.session_state[f"play_{name}"] = bool(value) if name == "direct" else value
    st.session_state["play_mode"] = "Number" if values.get("steps") else "Time budget"
    st.session_state["play_steps"] = int(values.get("steps") or 500)


def values_of(config: RunConfig) -> dict[str, Value]:
    """A config as slider values, steps included."""
    train = config.train
    values = _slider_values(config.model) | {"learning_rate": train.learning_rate, "weight_decay": train.weight_decay}
    return values | {"seed": train.seed, "steps": train.max_steps, "sampler": train.sampler}


def _take_architecture() -> None:
    """Begin where the chosen architecture does; the seed, and what the steps come from, stay."""
    values = start_values(st.session_state["play_architecture"])
    for name in values.keys() - {"seed", "steps"}:
        st.session_state[f"play_{name}"] = values[name]


def draw_sliders(corpus_sha256: str) -> Asked | ValueError:
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
    own = model_fields(architecture)
    names = [name for name in LABELS if name in own or name in ("learning_rate", "weight_decay")]
    chosen: dict[str, Any] = {"architecture": architecture}
    for name in (name for name in names if name not in SECOND):
        chosen[name] = _slider(name, architecture)
    seed = st.number_input("Seed", 0, 1_000_000, key="play_seed", help=HELP["seed"], persist_state="session")
    mode = st.segmented_control(
        "Steps from",
        ("Time budget", "Number"),
        key="play_mode",
        required=True,
        help=HELP["steps"],
        persist_state="session",
    )
    budget = None
    if mode == "Time budget":
        budget = st.select_slider(
            "Seconds", BUDGETS, 0.5, key="play_budget", help=HELP["seconds"], persist_state="session"
        )
        steps = 1
    else:
        steps = st.number_input("Steps", 1, 1_000_000, key="play_steps", help=HELP["steps"], persist_state="session")
    with st.expander("More settings", icon=":material/tune:"):
        for name in (name for name in SECOND if name in own or name == "sampler"):
            chosen[name] = _second(name, architecture)
    train = PRESETS[preset_for(architecture)].train.replace(
        max_steps=int(steps), seed=int(seed), **{name: chosen[name] for name in ("learning_rate", "weight_decay")}
    )
    try:
        model, train = read_model(chosen), train.replace(sampler=chosen["sampler"])
    except ValueError as error:
        return error
    return Asked(RunConfig(corpus_sha256=corpus_sha256, model=model, train=train), budget)


def _key(name: str) -> dict[str, Any]:
    return {"key": f"play_{name}", "help": HELP[name], "persist_state": "session"}


def _slider(name: str, architecture: str) -> Value:
    allowed = options(name, architecture)
    chosen: Value = st.select_slider(LABELS[name], allowed, format_func=written, **_key(name))
    return chosen


def _second(name: str, architecture: str) -> Value:
    """A setting of the second row: a slider for numbers, a box for words, a tick for yes or no."""
    if name == "direct":
        return int(st.checkbox(LABELS[name], **_key(name)))
    if isinstance(OPTIONS[name][0], float):
        return _slider(name, architecture)
    allowed = options(name, architecture)
    return str(st.selectbox(LABELS[name], allowed, format_func=lambda option: named.NAMES[option], **_key(name)))


def write_address(play: Play) -> None:
    """Make the address say how to get this model again, and nothing of another architecture's settings."""
    values = values_of(play.config)
    for name in OPTIONS.keys() - values.keys():
        st.query_params.pop(name, None)
    for name, value in values.items():
        st.query_params[name] = written(value)
