"""Every setting as an option of a command, and the configs that the options given make.

Which settings there are and what they mean is the configs' to say (:class:`~mmcore.fields.Setting`).
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeVar

import typer

from ..architectures import ARCHITECTURES, ModelConfig
from ..config import SplitConfig, TrainConfig
from ..fields import Choice, Config, Flag, Line, Real, Setting, Sizes, require
from ..reading import Reading
from .app import one_of

Given = Mapping[str, Any]  # by option; None where it was not given
C = TypeVar("C", SplitConfig, TrainConfig, Reading)
Command = TypeVar("Command", bound=Callable[..., None])


def option_name(name: str, setting: Setting) -> str:
    """The option of a field: sizes of several layers are given one by one, as the size of a single one is."""
    return name.removesuffix("s") if isinstance(setting, Sizes) else name


def options() -> dict[str, Setting]:
    """Every option and what it sets: those of the architectures, of training, and of the split."""
    found: dict[str, Setting] = {}
    owners: list[type[Config]] = [*ARCHITECTURES.values(), TrainConfig, SplitConfig]
    for owner in owners:
        for name, setting in owner.settings().items():
            option = option_name(name, setting)
            found[option] = setting if isinstance(setting, Sizes) else _joined(found.get(option, setting), setting)
    return found


def _joined(first: Setting, other: Setting) -> Setting:
    """What an option means that several architectures have: as the first says it, with the words of all."""
    if isinstance(first, Choice) and isinstance(other, Choice):
        return dataclasses.replace(first, options={**first.options, **other.options})
    return first


READING = {name: one for name, one in Reading.settings().items() if name not in ("lowercase", "deduplicate")}
"""What ``train`` can be told of a text, beside what it has options for already."""


def with_settings(command: Command) -> Command:
    """Give a command an option for every setting, in the place of its ``**given``."""
    return with_options(command, options())


def with_text_settings(command: Command) -> Command:
    """The same, and those of how a text is read."""
    return with_options(command, options() | READING)


def with_reading(command: Command) -> Command:
    """Give a command an option for everything that can be said of a text."""
    return with_options(command, Reading.settings())


def with_options(command: Command, found: Mapping[str, Setting]) -> Command:
    """Give a command an option for each of some settings, in the place of its ``**given``."""
    parameters = inspect.signature(command, eval_str=True).parameters.values()
    own = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for parameter in parameters
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD
    ]
    types = {name: _type(name, setting) for name, setting in found.items()}
    made = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
        for name, annotation in types.items()
    ]
    command.__signature__ = inspect.Signature([*own, *made])  # type: ignore[attr-defined]
    command.__annotations__ = {**command.__annotations__, **types}
    return command


def _type(name: str, setting: Setting) -> Any:
    """What typer makes an option of."""
    help, dashed = setting.first_sentence, name.replace("_", "-")
    if isinstance(setting, Sizes):
        several = "Once a layer, or a list as in 200,100; none for no hidden layer."
        return Annotated[list[str] | None, typer.Option(help=f"{setting.title.partition(' (')[0]}. {several}")]
    if isinstance(setting, Flag):
        return Annotated[bool | None, typer.Option(f"--{dashed}/--no-{dashed}", help=help)]
    if isinstance(setting, Line):
        return Annotated[str | None, typer.Option(help=help)]
    if isinstance(setting, Choice):
        return Annotated[str | None, typer.Option(metavar=one_of(*setting.options), help=help)]
    kind: Any = float if isinstance(setting, Real) else int
    return Annotated[kind | None, typer.Option(help=help)]


def changed(config: C, given: Given) -> C:
    """A config with the fields for which an option was given."""
    return config.replace(**{name: given[name] for name in config.settings() if given.get(name) is not None})


def changed_model(config: ModelConfig, given: Given) -> ModelConfig:
    """A model's config with what was given; ``ValueError`` for an option that its architecture does not have."""
    own = {option_name(name, setting): (name, setting) for name, setting in config.settings().items()}
    fields: dict[str, Any] = {}
    for option in {option for architecture in ARCHITECTURES.values() for option in _options_of(architecture)}:
        value = given.get(option)
        if value is None or value == []:
            continue
        if option not in own:
            got = ", ".join(value) if isinstance(value, list) else value
            raise ValueError(f"{option} must be left out for {config.title}, got {got}")
        name, setting = own[option]
        fields[name] = _sizes(value, setting, config.title) if isinstance(value, list) else value
    return config.replace(**fields)


def _options_of(architecture: type[ModelConfig]) -> list[str]:
    return [option_name(name, setting) for name, setting in architecture.settings().items()]


def _sizes(options: list[str], setting: Setting, title: str) -> tuple[int, ...] | int:
    """``["200", "100,50"]`` as ``(200, 100, 50)``, ``["none"]`` as ``()``; one number where there is one layer."""
    parts = [part.strip() for option in options for part in option.split(",")]
    for part in parts if parts != ["none"] else []:
        require(part.isdecimal() and len(part) < 10, "hidden_size", "whole numbers as in 200,100, or none", part)
    sizes = () if parts == ["none"] else tuple(map(int, parts))
    if isinstance(setting, Sizes):
        return sizes
    require(len(sizes) == 1, "hidden_size", f"one number for {title}", sizes)
    return sizes[0]
