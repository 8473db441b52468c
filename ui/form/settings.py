"""A run's settings as values of the form's fields, and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from mmcore.architectures import architecture_of
from mmcore.config import RunConfig, SplitConfig, TrainConfig
from mmcore.fields import Config, Sizes


def values_of(*configs: Config) -> dict[str, Any]:
    """Some configs as values of the form's fields: what it does not show is left out."""
    values: dict[str, Any] = {}
    for config in configs:
        settings = config.settings()
        values |= {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}  # type: ignore[arg-type]
        values |= {name: settings[name].written(values[name]) for name in settings if isinstance(settings[name], Sizes)}
        for hidden in (name for name, setting in settings.items() if not setting.on_form):
            del values[hidden]
    return values


def read_config(values: Mapping[str, Any], corpus_sha256: str) -> RunConfig:
    """The run that the form's values describe; ``ValueError`` with the sentence to show if there is none."""
    model, settings = architecture_of(values), architecture_of(values).settings()
    fields = {name: values[name] for name in settings}
    fields |= {name: settings[name].read(name, fields[name]) for name in settings if isinstance(settings[name], Sizes)}
    train = {name: values[name] for name in values_of(TrainConfig())}
    split = {name: values[name] for name in values_of(SplitConfig()) if values[name] is not None}
    return RunConfig(
        corpus_sha256=corpus_sha256, split=SplitConfig(**split), model=model(**fields), train=TrainConfig(**train)
    )


def describe(config: RunConfig) -> str:
    """A run's settings in one line."""
    said = f"{describe_any_seed(config)}, seed {config.train.seed}"
    return f"{said}, from step {config.origin.step:,} of run {config.origin.run_id}" if config.origin else said


def describe_any_seed(config: RunConfig) -> str:
    """The settings of several runs that differ in their seeds only, in one line."""
    model, train = config.model, config.train
    optimizer = train.settings()["optimizer"].said(train.optimizer)
    return f"{model.summary()}, {optimizer} {train.learning_rate:g}, batch {train.batch_size:,}"
