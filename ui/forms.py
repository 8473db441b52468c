"""The settings of a run as a form, and what they will cost: parameters and time.

Every field is a widget with the key ``form_<field>`` and no default: its value is put into the session state
first, by :func:`fill`, so that a preset or an earlier run can fill the form. Limits are not repeated here: the
config classes check, and their sentence is what the visitor reads.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from mmcore.architectures import FAMILIES
from mmcore.architectures.interface import ACTIVATIONS, INITS, NORMALISATIONS, ModelConfig, is_statistic
from mmcore.config import OPTIMIZERS, SCHEDULES, RunConfig, SplitConfig, TrainConfig
from mmcore.cost import Cost, amount
from mmcore.fields import quoted
from mmcore.presets import PRESETS, Preset, preset_for
from mmcore.store import Run
from ui.curves import duration

NAMES: dict[str, str] = {
    "tanh": "tanh",
    "relu": "ReLU",
    "gelu": "GELU",
    "none": "None",
    "batch": "Batch",
    "layer": "Layer",
    "scaled": "Scaled",
    "lecture": "Lecture, all N(0, 1)",
    "sgd": "SGD",
    "adamw": "AdamW",
    "constant": "Constant",
    "step": "Step, a tenth in the second half",
    "one-cycle": "One-cycle",
    "inverse-time": "Inverse time, ε₀ / (1 + r·t)",
    "examples": "Examples",
    "contexts": "Contexts",
    "words": "Words",
}
"""Choices as they are called on screen."""

HELP: dict[str, str] = {
    "preset": "A named starting point. It fills every field below; change any of them afterwards.",
    "architecture": "What stands between the context and the logits, from a table to a transformer. Choosing one fills "
    "the form with its preset; it has fields of its own.",
    "context_size": "How many preceding characters the model sees when it predicts the next one: the lecture's "
    "`block_size`, n − 1 in the paper.",
    "embedding_dim": "How many numbers stand for one character: the columns of the lookup table `C`. "
    "The lecture begins with 2, which can be drawn as they are, and ends with 10.",
    "hidden_sizes": "Units of the hidden layer, the lecture's 200. For several layers, one number each: `256, 256`. "
    "Empty: no hidden layer, which needs direct connections.",
    "hidden_size": "How many numbers the model keeps of what it has read: the length of its hidden state.",
    "layers": "How many blocks follow one another: each is an attention layer, then a feed-forward layer.",
    "heads": "How many attention patterns a layer computes in parallel, each on its own part of the "
    "embedding dimension.",
    "normalisation": "Before an activation: subtract the mean, divide by the standard deviation, then a learned gain "
    "and bias. *Batch*: over the batch, as in the lecture series' third part, by running statistics once trained. "
    "*Layer*: over each example's units.",
    "max_steps": "How many times the parameters are updated: forward, backward, update. The lecture does 200,000.",
    "learning_rate": "How far one update goes against the gradient. The lecture looks for it between 0.001 and 1 and "
    "settles on 0.1 for SGD. AdamW wants less, about 0.02.",
    "batch_size": "How many examples one update averages over: the lecture's minibatch of 32. With batches from "
    "*Contexts* it counts contexts, with *Words* whole words. More is less noisy and slower.",
    "activation": "The function applied to a hidden layer's pre-activations: tanh in the paper and the lecture; ReLU "
    "is 0 below zero; GELU is smooth and close to 0 there.",
    "init": "Where the parameters start. *Lecture*: all drawn from N(0, 1), so the first loss is far above ln V. "
    "*Scaled*: divided by √fan-in and a small output layer, so the first loss is about ln V.",
    "direct": "The paper's matrix W, straight from the embeddings to the logits, past the hidden layer. "
    "The lecture leaves it out.",
    "dropout": "Share of hidden activations set to 0 at random in every update, against overfitting. 0: none.",
    "state_dropout": "Share of what each character adds to the state, set to 0 at random; what the state already holds "
    "stays. Against overfitting, beside dropout. 0: none.",
    "sampler": "*Examples*: rows drawn at random, as in the lecture. *Contexts*: every distinct context that occurs, "
    "with all characters that follow it at once: the same expected gradient with less noise. *Words*: whole words, "
    "every character predicted and what begins alike read once, for models that read from left to right.",
    "optimizer": "What turns a gradient into an update. *SGD*: `p.data += -lr * p.grad`, as in the lecture. "
    "*AdamW*: along a running mean of the gradients, divided for each parameter by the root of a running mean of their "
    "squares.",
    "schedule": "How the learning rate changes. *Step* is the lecture's decay from 0.1 to 0.01; *one-cycle* climbs, "
    "then falls to zero; *inverse time* is the paper's ε₀ / (1 + r·t).",
    "decay_rate": "r of the inverse-time schedule, per update. The paper uses 10⁻⁸ per example. "
    "Other schedules ignore it.",
    "weight_decay": "Pulls weights and C towards zero in every update, as the paper does with 10⁻⁴. Not the biases.",
    "patience": "Early stopping: how many checks in a row may pass without a better validation loss. The best "
    "weights are kept. 0: never stop early.",
    "check_every": "Updates between two checks of early stopping.",
    "seed": "Of initialisation, batches and dropout: on one machine, the same seed and settings give the same weights, "
    "bit for bit.",
    "split_seed": "Of the shuffle before the words are cut into train, validation and test. The lecture uses 42.",
    "train_fraction": "Share of the words to train on: 80 % in the lecture.",
    "val_fraction": "Share of the words to choose settings by: 10 % in the lecture, where it is called dev. "
    "The rest is the test split.",
    "fixed": "Which words are in which split was said when the run was made. Drawing shuffles all of them together.",
    "deduplicate": "Keep each word once before splitting, so that no validation word also occurs in train. "
    "Data shows how many do without it.",
}

# ---- values


def parse_hidden(text: str) -> tuple[int, ...]:
    """Hidden units per layer from what someone typed: ``"256, 256"`` is ``(256, 256)``, nothing is no layer."""
    parts = text.replace(",", " ").split()
    try:
        return tuple(int(part) for part in parts)
    except ValueError:
        raise ValueError(f"hidden_sizes must be whole numbers with commas between, got {quoted(text)}") from None


def values_of(*configs: ModelConfig | TrainConfig | SplitConfig) -> dict[str, Any]:
    """Some configs as values of the form's fields; ``threads`` is not one of them."""
    values: dict[str, Any] = {}
    for config in configs:
        values |= asdict(config)
    if "hidden_sizes" in values:
        values["hidden_sizes"] = ", ".join(map(str, values["hidden_sizes"]))
    values.pop("threads", None)
    return values


def read_config(values: Mapping[str, Any], corpus_sha256: str) -> RunConfig:
    """The run that the form's values describe; ``ValueError`` with the sentence to show if there is none."""
    model = {name: values[name] for name in values_of(ModelConfig(architecture=values["architecture"]))}
    if "hidden_sizes" in model:
        model["hidden_sizes"] = parse_hidden(model["hidden_sizes"])
    train = {name: values[name] for name in values_of(TrainConfig())}
    split = {name: values[name] for name in values_of(SplitConfig()) if values[name] is not None}
    return RunConfig(
        corpus_sha256=corpus_sha256, split=SplitConfig(**split), model=ModelConfig(**model), train=TrainConfig(**train)
    )


def preset_of(config: RunConfig) -> str | None:
    """The preset whose settings these are, whatever the seed and the split; None for settings of one's own."""
    for name, preset in PRESETS.items():
        if preset.model == config.model and preset.train.replace(seed=config.train.seed) == config.train:
            return name
    return None


def describe(config: RunConfig) -> str:
    """A run's settings in one line."""
    model, train = config.model, config.train
    training = f"{NAMES[train.optimizer]} {train.learning_rate:g}, batch {train.batch_size:,}, seed {train.seed}"
    return f"{model.summary()}, {training}"


# ---- cost

FEW_STEPS = 20  # of a run that was stopped at once, most of the time went into its start


@dataclass(frozen=True)
class Estimate:
    """How long a run may take."""

    seconds: float
    measured: bool  # from the speed of an earlier run on this server; otherwise a rough guess

    def __str__(self) -> str:
        time = duration(self.seconds)
        return f"about {time} at the speed of earlier runs" if self.measured else f"roughly {time}, a guess"


def expected_time(config: RunConfig, vocab_size: int, earlier: Sequence[tuple[RunConfig, int, float]]) -> Estimate:
    """Expected training time, from the earlier run that is most like it.

    Parameters
    ----------
    earlier : config, steps done and seconds of runs of the same store; few steps or under 0.3 s say too little.
    """
    work = _step_work(config, vocab_size)
    best, closest = 1.0, math.inf
    for other, steps, seconds in earlier:
        theirs = _step_work(other, vocab_size)
        distance = abs(math.log(work / theirs)) + (other.train.sampler != config.train.sampler)
        if steps >= FEW_STEPS and seconds > 0.3 and distance < closest:
            best, closest = seconds / steps / theirs, distance
    return Estimate(best * work * config.train.max_steps, measured=closest < math.inf)


def expected_times(
    configs: Sequence[RunConfig], vocab_size: int, earlier: Sequence[tuple[RunConfig, int, float]], at_once: int
) -> Estimate:
    """Expected time until the last of several runs ends, so many at once; see :func:`expected_time`."""
    each = [expected_time(config, vocab_size, earlier) for config in configs]
    seconds = [estimate.seconds for estimate in each]
    return Estimate(max(sum(seconds) / at_once, *seconds), measured=all(estimate.measured for estimate in each))


def _step_work(config: RunConfig, vocab_size: int) -> float:
    """Rough seconds of one update on one core of 2020: fixed costs, the parameters, the batch through them."""
    parameters, batch = config.model.parameters(vocab_size), config.train.batch_size
    normalising = sum(name.startswith("gain") or is_statistic(name) for name in config.model.shapes(vocab_size))
    touched = 8 if config.train.optimizer == "adamw" else 3  # times an update goes over the parameters
    fixed = 1e-4 + 5e-5 * normalising  # small operations, each of which takes as long as it takes to ask for it
    return fixed + 4e-10 * touched * parameters + 1.5e-10 * batch * parameters * config.model.reuse


def room(cost: Cost) -> str:
    """What a run needs beside time, in a few words."""
    return f"about {amount(cost.memory, 2)} of memory, {amount(cost.stored, 2)} in the store"


def parameter_table(config: ModelConfig, vocab_size: int) -> pd.DataFrame:
    """Columns ``Tensor, Shape, Parameters``, a row a tensor."""
    rows = [(name, " × ".join(map(str, shape)), math.prod(shape)) for name, shape in config.shapes(vocab_size).items()]
    return pd.DataFrame(rows, columns=["Tensor", "Shape", "Parameters"])


def finished_runs(runs: Sequence[Run]) -> list[tuple[RunConfig, int, float]]:
    """What :func:`expected_time` learns from: the newest runs that are over."""
    return [(run.config, run.step, run.seconds) for run in runs if run.ended is not None][:20]


# ---- the form


def fill(values: Mapping[str, Any]) -> None:
    """Put values into the form; allowed in a callback and before the form is drawn."""
    for name, value in values.items():
        st.session_state[f"form_{name}"] = value


def settings() -> dict[str, Any]:
    """What the form holds now, by field."""
    model = ModelConfig(architecture=st.session_state["form_architecture"])
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
    family = FAMILIES[st.session_state["form_architecture"]]
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
        list(FAMILIES),
        format_func=lambda name: FAMILIES[name].title,
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
