"""``train``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..architectures import ARCHITECTURES
from ..config import RunConfig, SplitConfig
from ..corpus import BUNDLED_NAMES
from ..cost import accept
from ..dataset import Vocab, split_words
from ..fields import require
from ..presets import PRESETS, Preset, preset_for
from ..store import Run, RunStore, new_token

if TYPE_CHECKING:
    from ..training import Step
from .app import AsJson, Data, Lowercase, Out, app, one_of, sentences
from .output import check_writable, conclude, progress_bar
from .settings import changed, changed_model, with_settings
from .words import example_counts, read_data


@app.command()
@with_settings
@sentences
def train(
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
    name: Annotated[str | None, typer.Option(help="Of the run; the preset's if not given.")] = None,
    out: Out = None,
    as_json: AsJson = False,
    **given: Any,
) -> None:
    """Train a model, as a run in the store. Options that are given override the preset's."""
    start = chosen_preset(preset, architecture)
    check_writable(out)
    corpus, fixed = read_data(data, val_data, test_data, lowercase=lowercase)
    config = RunConfig(
        corpus_sha256=corpus.sha256,
        split=changed(SplitConfig(), given).replace(fixed=fixed),
        model=changed_model(start.model, given),
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


def _trained(store: RunStore, config: RunConfig, name: str | None, show: Callable[[Step], None]) -> Run:
    """Create a run, claimed from the start so that no running app takes it, and train it here."""
    from ..jobs import run_inline

    token = new_token()
    run = store.create(config, name=name, token=token)
    return run_inline(store, run.id, show, token)
