"""``evaluate`` and ``sample``: what a weights file is used for."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..corpus import BUNDLED_NAMES, corpus_from_words, read_words
from ..dataset import split_words
from ..fields import require
from ..losses import LOSSES, SHOWN
from ..reading import Reading, read_corpus
from ..symbols import UNKNOWN

if TYPE_CHECKING:
    from ..export.artifact import Artifact
from .app import AsJson, Data, ModelFile, OpenTest, app, sentences
from .output import finite, print_losses
from .settings import changed
from .words import example_counts, say_reading

# ---- evaluate and sample


@app.command()
@sentences
def evaluate(
    model: ModelFile,
    data: Data = BUNDLED_NAMES,
    lowercase: Annotated[
        bool | None,
        typer.Option("--lowercase/--no-lowercase", help="Lower-case the words.", show_default="as its own were"),
    ] = None,
    split_seed: Annotated[int | None, typer.Option(show_default="the one it was trained with")] = None,
    open_test: OpenTest = False,
    as_json: AsJson = False,
) -> None:
    """Exact losses of a model: on the splits of its own words, or one loss on any other list."""
    from ..dataset import Dataset
    from ..export.artifact import load

    artifact = load(model)
    small = not artifact.vocab.has_capitals if lowercase is None else lowercase
    how = Reading(lowercase=small, tokens=artifact.vocab.tokens)
    corpus = read_corpus(data, how)
    say_reading(corpus.report)
    if UNKNOWN in artifact.vocab.stoi:  # rare words were read so
        known = [artifact.vocab.decode(artifact.vocab.encode(word)) for word in corpus.words]
        corpus = corpus_from_words(known, corpus.name, artifact.vocab.tokens)
    if corpus.sha256 != artifact.config.corpus_sha256:
        require(split_seed is None, "split_seed", "left out for words that are not the model's own", split_seed)
        require(not open_test, "open_test", "left out for words that are not the model's own", open_test)
        _evaluate_list(artifact, corpus.words, as_json)
        return
    split = changed(artifact.config.split, {"split_seed": split_seed})
    dataset = Dataset(artifact.vocab, artifact.config.model.context_size, split_words(corpus.words, split))
    values = _losses(artifact, dataset, open_test)
    if split != artifact.config.split:
        trained = artifact.config.split.split_seed
        typer.echo(f"Warning: the model was trained at split seed {trained}; it knows words of every split.", err=True)
        values = {name: value for name, value in values.items() if not name.endswith("_unseen")}
    if as_json:
        losses = {name: finite(loss) for name, (loss, _) in values.items()}
        facts = {
            "splits": example_counts(dataset.splits, artifact.vocab.tokens),
            "split_seed": None if split.fixed else split.split_seed,
        }
        typer.echo(json.dumps(losses | facts | {"same_corpus": True}))
        return
    print_losses(
        {name.replace("_loss", "").replace("_", ", "): value for name, value in values.items()},
        "split",
        artifact.vocab.noun,
    )


def _evaluate_list(artifact: Artifact, words: tuple[str, ...], as_json: bool) -> None:
    """One loss over a list that is not the model's own, which has no splits, and how many of it are known."""
    from ..dataset import build_examples
    from ..evaluation import evaluate as exact

    item = artifact.vocab.item
    losses = exact(artifact.model, build_examples(words, artifact.vocab, artifact.config.model.context_size))
    trained = _trained_on(artifact, words)
    if as_json:
        facts = {"words": len(words), "trained_words": trained, "same_corpus": False}
        typer.echo(json.dumps({"loss": finite(losses.loss), "examples": losses.examples} | facts))
        return
    print_losses({f"all {item}s": (losses.loss, losses.examples)}, "list", artifact.vocab.noun)
    told = f"this {item}" if len(words) == 1 else f"these {len(words):,} {item}s"
    if trained is None:
        typer.echo(f"Of {told} it is not known how many the model was trained on: its file does not say.")
    else:
        typer.echo(f"Of {told} the model was trained on {trained:,}.")


def _trained_on(artifact: Artifact, words: tuple[str, ...]) -> int | None:
    """How many words are in the model's train split, if its file or the bundled names tell."""
    from ..export.artifact import word_hashes

    if artifact.trained_words is None:
        with contextlib.suppress(ValueError):  # an installation without the bundled names
            bundled = read_words(BUNDLED_NAMES)
            if bundled.sha256 == artifact.config.corpus_sha256:
                train = split_words(bundled.words, artifact.config.split).train
                artifact = dataclasses.replace(artifact, trained_words=word_hashes(train))
    return artifact.trained_on(words)


def _losses(artifact: Artifact, dataset: Any, open_test: bool) -> dict[str, tuple[float, int]]:
    """Loss and number of examples by name; the test split is not even looked at unless opened."""
    from ..evaluation import evaluate as exact

    parts = {name: name.replace("_loss", "") for name in (LOSSES if open_test else SHOWN)}
    measured = {name: exact(artifact.model, getattr(dataset, part)) for name, part in parts.items()}
    return {name: (losses.loss, losses.examples) for name, losses in measured.items() if losses.examples}


@app.command()
@sentences
def sample(
    model: ModelFile,
    n: Annotated[int, typer.Option("-n", "--number", help="How many words.")] = 20,
    seed: Annotated[int, typer.Option(help="The same seed gives the same words.")] = 0,
    temperature: Annotated[float, typer.Option(help="Below 1 plays safe, above 1 takes risks; 0 is argmax.")] = 1.0,
    top_k: Annotated[int | None, typer.Option(help="Draw from the k most likely symbols only.")] = None,
    prefix: Annotated[str, typer.Option(help="What every word starts with.")] = "",
    max_length: Annotated[int, typer.Option(help="Symbols at most; a word that is cut there is reported.")] = 100,
) -> None:
    """Draw words from a model, one a line."""
    from ..export.artifact import load
    from ..sample import generate

    artifact = load(model)
    vocab = artifact.vocab
    if (typed := vocab.typed(prefix)) != prefix:
        typer.echo(f"The prefix is read as {typed!r}, cleaned as the model's words were.", err=True)
    wishes: dict[str, Any] = {"temperature": temperature, "top_k": top_k, "prefix": prefix, "max_length": max_length}
    words = generate(artifact.model, vocab, n, sample_seed=seed, **wishes)
    for drawn in words:
        typer.echo(drawn.word)
    if cut := sum(not drawn.ended for drawn in words):
        typer.echo(
            f"Warning: {cut:,} of {n:,} {vocab.item}s were cut at {max_length:,} {vocab.noun}s (--max-length).",
            err=True,
        )
