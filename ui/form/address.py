"""A run's settings in an address, and back: what a link carries to a server that does not have the run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mmcore.architectures import ARCHITECTURES, ModelConfig
from mmcore.architectures.mlp import MLPConfig
from mmcore.config import RunConfig, SplitConfig, TrainConfig
from mmcore.fields import Config, Setting, Sizes, choice, require
from mmcore.presets import PRESETS, preset_for
from ui.form.settings import read_config, values_of

FIXED = "fixed"  # how many words of the corpus are train, validation and test, where files say so
ORIGIN = "origin"  # of a branch: whose weights it began with
NO_CORPUS = "0" * 64


@dataclass(frozen=True)
class Linked:
    """What an address says: values of the form's fields, and a sentence about each that made no sense."""

    values: dict[str, Any]
    wrong: list[str]


def query_of(config: RunConfig) -> dict[str, str]:
    """Every setting of a run as an address has it, by its field."""
    query = {"architecture": config.model.architecture}
    for part in (config.model, config.train, config.split):
        query |= {name: _written(setting, getattr(part, name)) for name, setting in _settings(type(part)).items()}
    if config.split.fixed:
        query[FIXED] = ",".join(map(str, config.split.fixed))
    return query


def in_address(query: Mapping[str, str]) -> dict[str, str]:
    """The parameters that are settings; none where no architecture is named."""
    known = {"architecture", FIXED, ORIGIN}
    parts: list[type[Config]] = [*ARCHITECTURES.values(), TrainConfig, SplitConfig]
    known.update(name for part in parts for name in part.settings())
    return {name: text for name, text in query.items() if name in known} if "architecture" in query else {}


def read(query: Mapping[str, str]) -> Linked:
    """The settings of an address; what is missing or makes no sense is as in the architecture's preset."""
    wrong: list[str] = []
    architecture = query["architecture"]
    try:
        choice("architecture", architecture, ARCHITECTURES)
    except ValueError as error:
        architecture = MLPConfig.architecture
        wrong.append(_instead(error, architecture))
    preset = PRESETS[preset_for(architecture)]
    usual = RunConfig(corpus_sha256=NO_CORPUS, model=preset.model, train=preset.train)
    values = values_of(usual.model, usual.train, usual.split)
    for name, setting in _all_settings(usual.model).items():
        if name in query:
            _take(name, setting, query[name], values, wrong)
    try:
        values |= {FIXED: _fixed(query[FIXED])} if FIXED in query else {}
        read_config(values, NO_CORPUS)
    except ValueError as error:  # each may be, and not together
        return Linked(values_of(usual.model, usual.train, usual.split), [*wrong, _instead(error, preset.title)])
    return Linked(values, wrong)


def _all_settings(model: ModelConfig) -> dict[str, Setting]:
    return _settings(type(model)) | _settings(TrainConfig) | _settings(SplitConfig)


def _settings(part: type[ModelConfig | TrainConfig | SplitConfig]) -> dict[str, Setting]:
    return {name: setting for name, setting in part.settings().items() if setting.on_form}


def _written(setting: Setting, value: Any) -> str:
    """As :meth:`Setting.read` reads it, and every digit of it."""
    return repr(value) if isinstance(value, float) else setting.written(value)


def _take(name: str, setting: Setting, text: str, values: dict[str, Any], wrong: list[str]) -> None:
    try:
        value = setting.read(name, text)
    except ValueError as error:
        wrong.append(_instead(error, str(values[name])))
    else:
        values[name] = setting.written(value) if isinstance(setting, Sizes) else value


def _fixed(text: str) -> tuple[int, ...]:
    parts = text.split(",")
    valid = all(part.isdecimal() and len(part) < 10 for part in parts)
    require(valid, FIXED, "three numbers of words with commas between", text)
    return tuple(map(int, parts))


def _instead(error: ValueError, usual: str) -> str:
    return f"In the address, {error}. Using {usual}."
