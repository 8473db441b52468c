"""A run's settings as values of the form's fields, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from mmcore.architectures import model_config
from mmcore.architectures.interface import ModelConfig
from mmcore.config import RunConfig, SplitConfig, TrainConfig
from mmcore.fields import quoted
from mmcore.presets import PRESETS
from ui.form.named import NAMES

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
    model = {name: values[name] for name in values_of(model_config(architecture=values["architecture"]))}
    if "hidden_sizes" in model:
        model["hidden_sizes"] = parse_hidden(model["hidden_sizes"])
    train = {name: values[name] for name in values_of(TrainConfig())}
    split = {name: values[name] for name in values_of(SplitConfig()) if values[name] is not None}
    return RunConfig(
        corpus_sha256=corpus_sha256, split=SplitConfig(**split), model=model_config(**model), train=TrainConfig(**train)
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
