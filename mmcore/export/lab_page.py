"""A run as one web page without a network: it samples, explains and trains. Its parts are in ``web/``."""

from __future__ import annotations

import base64
import html
import json
import re
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..checkpoint import weights_of
from ..dataset import Examples, show_symbol
from ..losses import nats
from ..ngram import NGram
from .in_browser import NETWORK, described, source

if TYPE_CHECKING:
    from ..config import TrainConfig
    from .trained import Trained

PAGE = (*NETWORK, "lab.js")  # the page's own module
TRAINER = ("sampling.js", "train.js", "worker.js")  # what it starts to train
TRAINED_THERE = ("mlp", "bigram", "rnn")  # architectures whose gradients train.js has
STEPS, RATE, BATCH = 1_000, 0.02, 128
MAX_CONTEXTS = 100_000  # distinct ones that a page carries: at most a few MB, and trained on in minutes
MAX_SYMBOLS = 300  # that a map of them can show

Arrays = dict[str, NDArray[Any]]


def lab_page(trained: Trained) -> bytes:
    """The page."""
    data, arrays = page_data(trained)
    parts = {
        "title": html.escape(f"Makemore Lab: {trained.name}"),
        "style": source("lab.css"),
        "data": json.dumps(data | _packed(arrays), ensure_ascii=False).replace("<", "\\u003c"),
        "trainer": source(*TRAINER) if data["train"] else "",
        "script": source(*PAGE),
    }
    return re.sub(r"\{(\w+)\}", lambda place: parts[place[1]], source("lab.html")).encode()


def page_data(trained: Trained) -> tuple[dict[str, Any], Arrays]:
    """All that the page shows, as plain JSON and as arrays."""
    artifact, symbols = trained.artifact, trained.artifact.vocab.symbols
    arrays: Arrays = {"weights": np.frombuffer(weights_of(artifact.model), "<f4")}
    data = {
        "summary": f"{trained.config.model.summary()}; trained for {artifact.step:,} steps on "
        f"{len(trained.dataset.splits.train):,} {artifact.vocab.item}s.",
        "model": described(artifact.model),
        "symbols": symbols,
        "tokens": artifact.vocab.tokens,
        "between": artifact.vocab.cutting.between,
        "labels": [show_symbol(symbol) for symbol in symbols],
        "word": trained.dataset.splits.val[0],
        "about": _about(trained),
        "film": _film(trained, arrays),
        "train": _training(trained, arrays),
    }
    return data, arrays


def _packed(arrays: Arrays) -> dict[str, Any]:
    """Arrays one after the other, each at a multiple of four bytes: deflated, in base64, and which is where."""
    blob, directory = b"", []
    for name, array in arrays.items():
        directory.append([name, array.dtype.str[1:], len(blob), array.size])
        blob += array.tobytes()
        blob += bytes(-len(blob) % 4)
    return {"blob": base64.b64encode(zlib.compress(blob, 9)).decode(), "arrays": directory}


def _about(trained: Trained) -> list[tuple[str, str]]:
    config, losses, splits = trained.config, trained.artifact.losses, trained.dataset.splits
    item = trained.corpus.item
    parts = (config.model, config.train, config.split)
    said = [
        (setting.title, setting.said(getattr(part, name)))
        for part in parts
        for name, setting in part.settings().items()
    ]
    names = {"train_loss": "Train loss", "val_loss": "Validation loss", "val_loss_unseen": "Loss on unseen words"}
    return [
        ("Run", f"{trained.name}, {trained.run_id}"),
        *((title, f"{nats(losses[name])} nats per symbol") for name, title in names.items() if name in losses),
        ("Parameters", f"{config.model.parameters(trained.artifact.vocab.size):,}"),
        ("Corpus", f"{trained.corpus.name}: {len(splits.train):,} train, {len(splits.val):,} validation {item}s"),
        ("Corpus, sha256", config.corpus_sha256),
        ("Architecture", config.model.title),
        *said,
    ]


def _film(trained: Trained, arrays: Arrays) -> dict[str, Any] | None:
    """The embeddings at every checkpoint, in the plane in which the last ones spread most."""
    kept, model = trained.checkpoints, trained.artifact.model
    if not kept or "C" not in model.tensors or model.vocab_size > MAX_SYMBOLS:
        return None
    start, shape = described(model)["layout"]["C"]
    frames = [np.frombuffer(one.weights, "<f4")[start : start + shape[0] * shape[1]].reshape(shape) for one in kept]
    middle = frames[-1].mean(0)
    centred = frames[-1] - middle
    axes = np.linalg.svd(centred, full_matrices=False)[2][:2]  # (2, D), or (1, D)
    points = np.zeros((len(frames), shape[0], 2), "<f4")
    points[:, :, : len(axes)] = (np.stack(frames) - middle) @ axes.T
    arrays["film"] = points.ravel()
    share = np.var(centred @ axes.T, axis=0).sum() / max(1e-12, np.var(centred, axis=0).sum())
    said = f"The two directions in which the last embeddings spread most: {share:.0%} of their variance."
    return {"steps": [one.step for one in kept], "said": said}


def _training(trained: Trained, arrays: Arrays) -> dict[str, Any] | None:
    """What the page needs to train: contexts with what follows them, where its sliders start, and what to beat."""
    model, data = trained.config.model, trained.dataset
    if model.architecture not in TRAINED_THERE or len(data.train.counts.contexts) > MAX_CONTEXTS:
        return None
    for part in ("train", "val"):
        _add_examples(getattr(data, part), part, arrays)
    curve = trained.curve.dropna(subset=["val_loss"]) if "val_loss" in trained.curve else trained.curve.iloc[:0]
    fields = model.to_dict()
    return {
        "context": model.context_size,
        "config": fields | {name: value for name, (value, _) in _replaced(fields).items()},
        "note": " ".join(said for _, said in _replaced(fields).values()),
        "start": _start(fields, trained.config.train),
        "batch": BATCH,
        "curve": [[int(step), float(loss)] for step, loss in zip(curve["step"], curve["val_loss"], strict=True)],
        "bigram": NGram(data.train, 1).loss(data.val),
    }


def _replaced(fields: dict[str, Any]) -> dict[str, tuple[Any, str]]:
    """Settings that train.js does not have: what stands for each there, and what a reader is told."""
    replaced: dict[str, tuple[Any, str]] = {}
    if fields.get("normalisation", "none") != "none":
        replaced["normalisation"] = ("none", "Here without normalisation.")
    if fields.get("dropout"):
        replaced["dropout"] = (0.0, "Here without dropout.")
    if fields.get("activation") == "gelu":
        replaced["activation"] = ("relu", "Here with relu in place of gelu.")
    return replaced


def _start(fields: dict[str, Any], train: TrainConfig) -> dict[str, float]:
    """Where the sliders are at first, by setting."""
    shape = ("context_size", "embedding_dim") if "embedding_dim" in fields else ()
    start = {name: fields[name] for name in shape}
    if sizes := fields.get("hidden_sizes", [fields["hidden_size"]] if "hidden_size" in fields else []):
        start["hidden"] = sizes[0]
    rate = train.learning_rate if train.optimizer == "adamw" else RATE
    return start | {"rate": rate, "steps": STEPS}


def _add_examples(examples: Examples, part: str, arrays: Arrays) -> None:
    counts = examples.counts
    arrays[f"{part}_contexts"] = counts.contexts.astype("<u2").ravel()
    arrays[f"{part}_starts"] = counts.following.starts.astype("<u4")
    arrays[f"{part}_columns"] = counts.following.columns.astype("<u2")
    arrays[f"{part}_counts"] = counts.following.values.astype("<u4")
