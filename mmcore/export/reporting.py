"""A run in words and numbers for somebody else: a model card, and a lab report that training again can check."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..evaluation import bootstrap_interval, word_losses
from ..losses import SHOWN, nats
from ..ngram import NGram, counting_loss, uniform_loss
from ..sample import drawn_words
from ..version import __version__

if TYPE_CHECKING:
    from .trained import Trained

FORMAT = "makemore-lab/report/1"
SAMPLES, SAMPLE_SEED = 20, 0
TITLES = {"train_loss": "Train", "val_loss": "Validation", "val_loss_unseen": "Validation, unseen words"}


def report(trained: Trained) -> dict[str, Any]:
    """All that a report says, as plain JSON; test losses are not among it."""
    config, artifact, corpus = trained.config, trained.artifact, trained.corpus
    exact = ["train_loss", "val_loss"]
    curve = trained.curve.reindex(columns=["step", *exact])
    curve = curve[np.isfinite(curve[exact].astype(float)).all(axis=1)]
    return {
        "format": FORMAT,
        "version": __version__,
        "run": trained.run_id,
        "name": trained.name,
        "note": trained.note,
        "created": trained.created,
        "config": config.to_dict(),
        "corpus": {
            "name": corpus.name,
            "sha256": corpus.sha256,
            "words": len(corpus.words),
            "read": corpus.report.read_as,
        },
        "step": artifact.step,
        "parameters": config.model.parameters(artifact.vocab.size),
        "losses": {name: artifact.losses[name] for name in SHOWN if math.isfinite(artifact.losses.get(name, math.nan))},
        "intervals": intervals(trained),
        "references": references(trained),
        "curve": curve.to_dict("records"),
        "samples": drawn_words(artifact.model, artifact.vocab, SAMPLES, SAMPLE_SEED),
        "sample_seed": SAMPLE_SEED,
    }


def intervals(trained: Trained) -> dict[str, tuple[float, float]]:
    """95 % of the losses of train and validation if their words are drawn again: see ``bootstrap_interval``."""
    parts = {"train_loss": trained.dataset.train, "val_loss": trained.dataset.val}
    return {
        name: bootstrap_interval(*word_losses(trained.artifact.model, examples))
        for name, examples in parts.items()
        if math.isfinite(trained.artifact.losses.get(name, math.nan))
    }


def references(trained: Trained) -> dict[str, float]:
    """What models that only count reach on the same validation words."""
    data = trained.dataset
    counted = {"Uniform": uniform_loss(data.vocab.size), "Bigram": NGram(data.train, 1).loss(data.val)}
    return counted | {"Kneser-Ney": counting_loss(data.train, data.val)}


def report_json(trained: Trained) -> bytes:
    """What ``makemore-lab verify`` reads."""
    return (json.dumps(report(trained), ensure_ascii=False, indent=1, allow_nan=False) + "\n").encode()


def report_text(trained: Trained) -> bytes:
    """The same for people, in Markdown."""
    found, noun = report(trained), trained.artifact.vocab.noun
    lines = [
        f"# Lab report: {trained.name}",
        "",
        *([trained.note, ""] if trained.note else []),
        f"Run {trained.run_id} of {trained.created}, {found['step']:,} of {trained.config.train.max_steps:,} steps.",
        "",
        *_settings(trained),
        "",
        *_losses(found, noun),
        "",
        "## Curve",
        "",
        "| step | train | validation |",
        "| --- | --- | --- |",
        *(f"| {at['step']:,} | {nats(at['train_loss'])} | {nats(at['val_loss'])} |" for at in found["curve"]),
        "",
        *_samples(found),
        "",
        "## Checking it",
        "",
        f"The corpus, {found['corpus']['name']}, has the sha256 `{found['corpus']['sha256']}`. With `report.json` "
        "beside this file, `makemore-lab verify report.json` trains the model again and says of each figure whether it "
        "holds.",
    ]
    return ("\n".join(lines) + "\n").encode()


def model_card(trained: Trained) -> bytes:
    """What the model is, what it learned from, how good it is, and how to load it."""
    from .artifact import plain_torch

    found, vocab = report(trained), trained.artifact.vocab
    splits, known = trained.dataset.splits, " ".join(vocab.symbols[1:60]) + (" …" if vocab.size > 60 else "")
    loading = plain_torch(trained.config.model, "weights.safetensors", vocab.cutting.between)
    lines = [
        f"# {trained.name}",
        "",
        f"A language model that writes {vocab.item}s {vocab.noun} by {vocab.noun}: {trained.config.model.summary()}, "
        f"{found['parameters']:,} parameters, trained for {found['step']:,} steps with Makemore Lab {__version__}.",
        "",
        "## Data",
        "",
        f"{trained.corpus.name}: {len(splits.train):,} {vocab.item}s to train on, {len(splits.val):,} for validation, "
        f"{len(splits.test):,} kept back for a test. sha256 of the corpus `{trained.corpus.sha256}`.",
        "",
        f"{vocab.size:,} symbols, the boundary among them: {known}",
        "",
        *_losses(found, vocab.noun),
        "",
        *_samples(found),
        "",
        "## What it is for",
        "",
        f"To learn from. It repeats what its {vocab.item}s have in common, with their biases, and some of them as they "
        f"are. Whatever the corpus lacks, it does not know.",
        "",
        *_settings(trained),
        "",
        "## Loading it",
        "",
        "```python",
        loading.rstrip(),
        "```",
    ]
    return ("\n".join(lines) + "\n").encode()


def _settings(trained: Trained) -> list[str]:
    config = trained.config
    said = [
        f"| {setting.title} | {setting.said(getattr(part, name))} |"
        for part in (config.model, config.train, config.split)
        for name, setting in part.settings().items()
    ]
    return ["## Settings", "", "| | |", "| --- | --- |", f"| Architecture | {config.model.title} |", *said]


def _losses(found: dict[str, Any], noun: str) -> list[str]:
    rows = [
        f"| {TITLES[name]} | {nats(loss)} | {_between(found['intervals'].get(name))} |"
        for name, loss in found["losses"].items()
    ]
    rows += [f"| {name}, on validation | {nats(loss)} | |" for name, loss in found["references"].items()]
    astray = "" if found["losses"] else " Its own are no finite numbers: the training went astray."
    return [
        "## Losses",
        "",
        f"Nats per {noun}, lower is better; 95 % intervals by drawing the words again.{astray}",
        "",
        "| | loss | interval |",
        "| --- | --- | --- |",
        *rows,
    ]


def _between(interval: tuple[float, float] | None) -> str:
    return f"{nats(interval[0])} to {nats(interval[1])}" if interval else ""


def _samples(found: dict[str, Any]) -> list[str]:
    words = ", ".join(word or "(empty)" for word in found["samples"]) or "None: its scores are no finite numbers."
    return ["## Samples", "", f"The first {len(found['samples'])}, with sample seed {found['sample_seed']}:", "", words]
