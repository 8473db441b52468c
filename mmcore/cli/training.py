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
from ..reading import Reading
from ..store import Run, RunStore, new_token

if TYPE_CHECKING:
    from ..training import Step
from .app import AsJson, Data, Lowercase, Out, app, one_of, sentences
from .output import check_writable, conclude, progress_bar
from .settings import changed, changed_model, with_text_settings
from .words import example_counts, read_data, stored_sha256

NOT_FIXED: tuple[int, ...] = ()  # the split is drawn


@app.command()
@with_text_settings
@sentences
def train(
    data: Data = BUNDLED_NAMES,
    val_data: Annotated[
        Path | None, typer.Option(help="A file of validation words: with --test-data, --data is the train split.")
    ] = None,
    test_data: Annotated[Path | None, typer.Option(help="A file of test words, with --val-data.")] = None,
    corpus: Annotated[
        str | None, typer.Option(metavar="SHA256", help="A stored corpus in place of --data, as corpora list shows it.")
    ] = None,
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
    how, store = changed(Reading(lowercase=lowercase), given), RunStore()
    if corpus:
        require(data == BUNDLED_NAMES and how == Reading(), "data", "left out for a stored corpus", str(data))
        words, fixed = store.corpus(stored_sha256(store, corpus)), NOT_FIXED
    else:
        words, fixed = read_data(data, val_data, test_data, how)
    config = RunConfig(
        corpus_sha256=words.sha256,
        split=changed(SplitConfig(), given).replace(fixed=fixed),
        model=changed_model(start.model, given),
        train=changed(start.train, given),
    )
    examples = example_counts(split_words(words.words, config.split), words.tokens)
    accept(config, words.report)
    store.add_corpus(words)
    with progress_bar(config.train.max_steps) as show:
        run = _trained(store, config, name, show)
    vocab_size = Vocab.of(words).size
    facts: dict[str, Any] = {"words": len(words.words), "lowercase": lowercase, "vocab_size": vocab_size}
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
