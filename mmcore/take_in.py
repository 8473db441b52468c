"""A weights file as a run of the store, the way back from ``take_home``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .dataset import build_dataset
from .fields import require
from .losses import SHOWN, without_sealed

if TYPE_CHECKING:
    from .dataset import Dataset
    from .export.artifact import Artifact
    from .store import Run, RunState, RunStore
    from .store.points import Progress

SAMPLES, SAMPLE_SEED = 8, 1  # as a worker draws them


def take_in(store: RunStore, content: bytes, *, name: str | None = None, owner: str | None = None) -> Run:
    """Keep a ``.safetensors`` file, made here or by hand, as a run that goes on where the file says.

    Its losses are computed anew; of its curve and checkpoints nothing is known, and the optimiser's moments begin at 0.

    Raises
    ------
    ValueError
        With the first thing that does not fit: in the file, or to its words, which must be in the store.
    """
    from .export.artifact import load
    from .store import new_token

    artifact = load(content)
    config, step = artifact.config, artifact.step
    require(step <= config.train.max_steps, "step", f"at most max_steps, {config.train.max_steps:,}", step)
    known = set(store.corpora()["sha256"])
    require(config.corpus_sha256 in known, "corpus", "in the store, to be judged by", config.corpus_sha256)
    data = build_dataset(store.corpus(config.corpus_sha256), config.split, config.model.context_size)
    require(artifact.vocab == data.vocab, "vocab", "that of the corpus", artifact.vocab.symbols)
    progress = _progress(artifact, data)
    token = new_token()
    run = store.create(config, name=name, owner=owner, token=token)
    store.finish(run.id, token, _state(artifact), progress)
    return store.run(run.id)


def _state(artifact: Artifact) -> RunState:
    """Where it can be continued, stopped; early stopping ends a run before its last step."""
    from .store import RunState

    train = artifact.config.train
    return RunState.FINISHED if artifact.step == train.max_steps or train.patience else RunState.STOPPED


def _progress(artifact: Artifact, data: Dataset) -> Progress:
    """What a worker would have written at the end."""
    from safetensors.torch import save

    from .evaluation import evaluate_splits
    from .export.artifact import Artifact
    from .sample import drawn_words
    from .schedules import learning_rate_at
    from .store.points import Progress, SavedWeights
    from .train_state import TrainState
    from .training import Step

    config, model, step = artifact.config, artifact.model, artifact.step
    state = TrainState(config.model, config.train, data.vocab.size)
    state.model.flat.copy_(model.flat)
    state.step = step
    losses = evaluate_splits(model, data, test=True)
    kept = Artifact(model, data.vocab, config, without_sealed(losses), step, data.cleaning)
    saved = SavedWeights(weights=kept.to_bytes(), train_state=save(state.tensors()), losses=losses)
    train, val, unseen = (losses.get(name) for name in SHOWN)
    point = Step(
        step=step,
        learning_rate=learning_rate_at(config.train, min(step, config.train.max_steps - 1)),
        seconds=0.0,
        train_loss=train,
        val_loss=val,
        val_loss_unseen=unseen,
    )
    words = drawn_words(model, data.vocab, SAMPLES, SAMPLE_SEED)
    return Progress(points=[point], samples=(step, words), saved=saved)
