"""``train``."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..architectures import ARCHITECTURES
from ..architectures.interface import ACTIVATIONS, INITS, NORMALISATIONS, ModelConfig
from ..config import OPTIMIZERS, SAMPLERS, SCHEDULES, RunConfig, SplitConfig
from ..corpus import BUNDLED_NAMES
from ..cost import accept
from ..dataset import Vocab, split_words
from ..fields import require
from ..presets import PRESETS, Preset, preset_for
from ..store import Run, RunStore, new_token

if TYPE_CHECKING:
    from ..training import Step
from .app import AsJson, Data, Lowercase, Out, app, changed, one_of, sentences
from .output import check_writable, conclude, progress_bar
from .words import example_counts, read_data

# ---- train


@app.command()
@sentences
def train(
    context: typer.Context,
    data: Data = BUNDLED_NAMES,
    val_data: Annotated[
        Path | None, typer.Option(help="A file of validation words: with --test-data, --data is the train split.")
    ] = None,
    test_data: Annotated[Path | None, typer.Option(help="A file of test words, with --val-data.")] = None,
    lowercase: Lowercase = True,
    preset: Annotated[
        str | None,
        typer.Option(
            metavar=one_of(*PRESETS), help="Where the settings start from.", show_default="quick, or the architecture's"
        ),
    ] = None,
    architecture: Annotated[
        str | None, typer.Option(metavar=one_of(*ARCHITECTURES), help="Which architecture.")
    ] = None,
    context_size: Annotated[int | None, typer.Option(help="Preceding characters the model sees.")] = None,
    embedding_dim: Annotated[int | None, typer.Option(help="Length of a character's vector.")] = None,
    hidden_size: Annotated[
        list[str] | None,
        typer.Option(help="Hidden units: once a layer, or a list as in 200,100; none for no hidden layer."),
    ] = None,
    activation: Annotated[str | None, typer.Option(metavar=one_of(*ACTIVATIONS))] = None,
    normalisation: Annotated[
        str | None, typer.Option(metavar=one_of(*NORMALISATIONS), help="Of hidden layers.")
    ] = None,
    layers: Annotated[int | None, typer.Option(help="Blocks of a transformer.")] = None,
    heads: Annotated[int | None, typer.Option(help="Attention patterns in parallel, of a transformer.")] = None,
    direct: Annotated[
        bool | None, typer.Option("--direct/--no-direct", help="Connect the embeddings to the output directly.")
    ] = None,
    dropout: Annotated[float | None, typer.Option(help="Share of hidden activations set to 0 while training.")] = None,
    state_dropout: Annotated[
        float | None, typer.Option(help="The same, of what a GRU or LSTM adds to its state.")
    ] = None,
    init: Annotated[str | None, typer.Option(metavar=one_of(*INITS))] = None,
    max_steps: Annotated[int | None, typer.Option(help="Updates.")] = None,
    batch_size: Annotated[int | None, typer.Option()] = None,
    sampler: Annotated[str | None, typer.Option(metavar=one_of(*SAMPLERS), help="Where batches come from.")] = None,
    optimizer: Annotated[str | None, typer.Option(metavar=one_of(*OPTIMIZERS))] = None,
    learning_rate: Annotated[float | None, typer.Option()] = None,
    schedule: Annotated[str | None, typer.Option(metavar=one_of(*SCHEDULES), help="Of the learning rate.")] = None,
    decay_rate: Annotated[float | None, typer.Option(help="Of the inverse-time schedule.")] = None,
    weight_decay: Annotated[float | None, typer.Option()] = None,
    patience: Annotated[
        int | None, typer.Option(help="Checks without a better validation loss before stopping; 0: never.")
    ] = None,
    check_every: Annotated[int | None, typer.Option(help="Updates between those checks.")] = None,
    threads: Annotated[int | None, typer.Option()] = None,
    seed: Annotated[int | None, typer.Option(help="Of initialisation, batches and dropout.")] = None,
    split_seed: Annotated[int | None, typer.Option(help="Of the split into train, validation and test.")] = None,
    train_fraction: Annotated[float | None, typer.Option()] = None,
    val_fraction: Annotated[float | None, typer.Option()] = None,
    deduplicate: Annotated[
        bool | None, typer.Option("--deduplicate/--no-deduplicate", help="Drop repeated words before splitting.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Of the run; the preset's if not given.")] = None,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Train a model, as a run in the store. Options that are given override the preset's."""
    start = chosen_preset(preset, architecture)
    given = dict(context.params) | model_options(start.model, context.params)
    check_writable(out)
    corpus, fixed = read_data(data, val_data, test_data, lowercase=lowercase)
    config = RunConfig(
        corpus_sha256=corpus.sha256,
        split=changed(SplitConfig(), given | {"fixed": fixed}),
        model=changed(start.model, given),
        train=changed(start.train, given),
    )
    examples = example_counts(split_words(corpus.words, config.split))
    accept(config, corpus.report)
    store = RunStore()
    store.add_corpus(corpus)
    with progress_bar(config.train.max_steps) as show:
        run = _trained(store, config, name, show)
    vocab_size = Vocab.from_words(corpus.words).size
    facts: dict[str, Any] = {"words": len(corpus.words), "lowercase": lowercase, "vocab_size": vocab_size}
    facts |= {"parameters": config.model.parameters(vocab_size), "splits": examples}
    conclude(store, run, facts, out, as_json)


def chosen_preset(preset: str | None, architecture: str | None) -> Preset:
    """Where the settings start from; ``ValueError`` for what there is not, or does not go together."""
    require(preset is None or preset in PRESETS, "preset", "one of " + ", ".join(PRESETS), preset)
    require(
        architecture is None or architecture in ARCHITECTURES,
        "architecture",
        "one of " + ", ".join(ARCHITECTURES),
        architecture,
    )
    if preset is None:
        return PRESETS[preset_for(architecture) if architecture else "quick"]
    own = PRESETS[preset].model.architecture
    require(architecture in (None, own), "architecture", f"{own} for the preset {preset}", architecture)
    return PRESETS[preset]


def model_options(config: ModelConfig, options: Mapping[str, Any]) -> dict[str, Any]:
    """The model's options that were given, by field; ``ValueError`` for one that this architecture does not have."""
    named = {name: options.get(name) for family in ARCHITECTURES.values() for name in names_of(family)}
    sizes = hidden_sizes(options["hidden_size"])
    several = "hidden_sizes" in names_of(type(config))
    require(several or sizes is None or len(sizes) == 1, "hidden_size", f"one number for {config.title}", sizes)
    named["hidden_sizes"] = sizes if several else None
    named["hidden_size"] = sizes[0] if sizes and not several else None
    given = {name: value for name, value in named.items() if value is not None}
    for name, value in given.items():
        require(name in names_of(type(config)), name, f"left out for {config.title}", value)
    return named


def names_of(family: type[ModelConfig]) -> list[str]:
    """The fields of an architecture."""
    return [field.name for field in dataclasses.fields(family)]


def hidden_sizes(options: list[str] | None) -> tuple[int, ...] | None:
    """``["200", "100,50"]`` as ``(200, 100, 50)``, ``["none"]`` as ``()``; None if the option was not given."""
    if not options:
        return None
    if options == ["none"]:
        return ()
    parts = [part.strip() for option in options for part in option.split(",")]
    for part in parts:
        require(part.isdecimal() and len(part) < 10, "hidden_size", "whole numbers as in 200,100, or none", part)
    return tuple(map(int, parts))


def _trained(store: RunStore, config: RunConfig, name: str | None, show: Callable[[Step], None]) -> Run:
    """Create a run, claimed from the start so that no running app takes it, and train it here."""
    from ..jobs import run_inline

    token = new_token()
    run = store.create(config, name=name, token=token)
    return run_inline(store, run.id, show, token)
