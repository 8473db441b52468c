"""The moments of a run whose weights were kept: choosing one, and what is computed over all of them, cached."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
import torch

from mmcore import Checkpoint, Run, evaluate, restore, trace
from ui import session

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mmcore import Artifact, Model
    from mmcore.trace import Histograms, NeuronHistory

ROWS = 512  # train examples that histories are computed on, the same at every moment
BATCH = 256  # of them, for gradients


def choose(run: Run, artifact: Artifact, kept: list[Checkpoint]) -> tuple[Model, int]:
    """The model at the moment that the visitor chooses, and its step; the last weights at first."""
    steps = sorted({artifact.step, *(checkpoint.step for checkpoint in kept)})
    if len(steps) == 1:
        st.caption("Its weights along the way were not kept, so this is its only moment.")
        return artifact.model, artifact.step
    step = st.select_slider(
        "Moment of training (step)",
        steps,
        artifact.step,
        key=f"moment_{run.id}",
        persist_state="session",
        format_func=lambda step: f"{step:,}",
        help="Everything below shows the weights of this step.",
    )
    if step == artifact.step:
        return artifact.model, step
    return restore(artifact.model, next(checkpoint for checkpoint in kept if checkpoint.step == step)), step


@st.cache_data(show_spinner=False, max_entries=256)
def val_loss(run_id: str, step: int, _run: Run, _model: Model) -> float:
    """The exact validation loss of a moment."""
    return evaluate(_model, session.run_dataset(_run).val).loss


@st.cache_data(show_spinner="Looking at every moment …", max_entries=32)
def neurons(
    run_id: str, steps: tuple[int, ...], layer: int, _run: Run, _like: Model, _kept: list[Checkpoint]
) -> NeuronHistory:
    """What a hidden layer did at every kept moment, on the same train examples."""
    contexts, _ = examples(_run, ROWS)
    return trace.neuron_history([restore(_like, checkpoint) for checkpoint in _kept], contexts, layer)


@st.cache_data(show_spinner="Looking at every moment …", max_entries=32)
def gradients(
    run_id: str, steps: tuple[int, ...], _run: Run, _like: Model, _kept: list[Checkpoint]
) -> dict[str, Histograms]:
    """How large each tensor's gradients are at every kept moment, on the same batch."""
    contexts, targets = (torch.from_numpy(part) for part in examples(_run, BATCH))
    return trace.gradient_history([restore(_like, checkpoint) for checkpoint in _kept], contexts, targets)


def examples(run: Run, rows: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Always the same train examples: contexts and targets."""
    train = session.run_dataset(run).train
    drawn = np.random.default_rng(0).integers(len(train), size=rows)
    return train.contexts[drawn], train.targets[drawn]
