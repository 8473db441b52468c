"""The lecture's arc in ten steps and two of its exercises. Words and checks; the page only draws them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mmcore.config import RunConfig
from mmcore.store import Run

UNIFORM = 0.05  # nats that a start may be above ln V
FAR = 1.0  # that one of the lecture's is above it, at least


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """One step: what to look at, a prediction to make first, the answer, and where to see it."""

    title: str
    look: str
    question: str
    choices: tuple[str, ...]
    right: int  # which choice
    answer: str
    page: str
    button: str
    state: Mapping[str, Any] = field(default_factory=dict)  # what the page's controls should show


LESSONS: tuple[Lesson, ...] = (
    Lesson(
        title="From names to examples",
        look="Data shows the sliding window: a few characters in, the next one out.",
        question="How many examples does the name emma give?",
        choices=("4", "5", "16"),
        right=1,
        answer="Five: one for each letter, and one for the end of the word. The first context is all boundary.",
        page="data",
        button="See the window on Data",
    ),
    Lesson(
        title="The lookup table C",
        look="Embeddings shows C, a row of numbers for each character, and checks the lookup against a product.",
        question="What is a one-hot vector times C?",
        choices=("The sum of all rows", "One row of C", "A column of C"),
        right=1,
        answer="The row of the character that is 1. So it is a linear layer without a bias, done by indexing.",
        page="embeddings",
        button="See the one-hot check",
    ),
    Lesson(
        title="Forward, to the loss",
        look="Network goes from characters to the loss one operation at a time.",
        question="What is the loss of a model that gives all 27 characters the same probability?",
        choices=("0", "1", "3.2958", "27"),
        right=2,
        answer="−ln(1/27) = ln 27 = 3.2958. A first loss far above it means that much of the probability is on wrong "
        "characters.",
        page="under_the_hood",
        button="Walk forward",
        state={"hood_view": "Forward", "hood_Forward": "loss"},
    ),
    Lesson(
        title="Softmax, safely",
        look="The view Stable softmax scales one example's logits up until the plain formula breaks.",
        question="What changes if 100 is added to every logit?",
        choices=("Nothing", "Every probability grows", "The largest wins"),
        right=0,
        answer="Nothing: the factor cancels. That is why the maximum may be taken off first, and must be.",
        page="under_the_hood",
        button="Break the softmax",
        state={"hood_view": "Stable softmax"},
    ),
    Lesson(
        title="Backward, by hand",
        look="The view Backward spells out every local derivative.",
        question="What do the gradients of one example's logits add up to?",
        choices=("1", "0", "The loss"),
        right=1,
        answer="0: they are p − y, and both p and y add up to 1. What the right answer gains, the others lose.",
        page="under_the_hood",
        button="Walk backward",
        state={"hood_view": "Backward", "hood_Backward": "dlogits"},
    ),
    Lesson(
        title="One update",
        look="The view Update takes one step against the gradient, as far as you like.",
        question="What does a learning rate of 100 do to the loss of a batch?",
        choices=("Lowers it faster", "Raises it", "Nothing"),
        right=1,
        answer="Raises it: the gradient predicts small steps only. Compare the predicted change with what happened.",
        page="under_the_hood",
        button="Take a step",
        state={"hood_view": "Update", "update_which": "A batch"},
    ),
    Lesson(
        title="Find a learning rate",
        look="The finder on the page Run lets the rate climb from 0.001 to 1 and watches the loss.",
        question="For the lecture's SGD, where is the bottom of the valley?",
        choices=("Near 0.001", "Near 0.1", "Near 1"),
        right=1,
        answer="Near 0.1, the lecture's choice. AdamW divides by the size of recent gradients and wants less.",
        page="train",
        button="Open the finder",
        state={"finder": True},
    ),
    Lesson(
        title="Train, validation, test",
        look="Splits compares the loss on words the model trained on with the loss on words it did not.",
        question="Train loss falls while validation loss rises. What is happening?",
        choices=("Underfitting", "Overfitting", "Divergence"),
        right=1,
        answer="Overfitting: what it still learns holds for the train words only. Use a smaller or regularised model.",
        page="splits",
        button="Compare the splits",
    ),
    Lesson(
        title="What the embeddings learned",
        look="Embeddings draws every character where training put it.",
        question="Which characters tend to end up near each other?",
        choices=("Neighbours in the alphabet", "Vowels", "Rare letters only"),
        right=1,
        answer="Vowels, more often than chance: similar characters follow them. Embeddings counts it for your run. "
        "Nobody told the model what a vowel is.",
        page="embeddings",
        button="Look at the map",
    ),
    Lesson(
        title="Sample new names",
        look="Generate draws one character after another from the model's own probabilities.",
        question="What does temperature 0 give?",
        choices=("Nonsense", "The same name every time", "Only names from train"),
        right=1,
        answer="The likeliest character at every step, so the same name every time. Higher temperatures dare more.",
        page="generate",
        button="Sample at temperature 0",
        state={"temperature": 0.0},
    ),
)


@dataclass(frozen=True)
class Challenge:
    """An exercise of the lecture, and how far the visitor's runs have come."""

    title: str
    task: str
    done: bool
    evidence: str


def challenges(runs: Sequence[Run], first_losses: Mapping[str, float], sizes: Mapping[str, int]) -> list[Challenge]:
    """The exercises that are no goals, judged by the runs of the store. No preset as it is passes one.

    Parameters
    ----------
    first_losses : run id -> train loss before the first update
    sizes : run id -> vocabulary size
    """
    return [_uniform_start(runs, first_losses, sizes), _from_the_paper(runs)]


def _uniform_start(runs: Sequence[Run], first_losses: Mapping[str, float], sizes: Mapping[str, int]) -> Challenge:
    task = (
        "Train one model with the lecture's initialisation and with the scaled one, all else the same: one first loss "
        f"within {UNIFORM} of ln V, what a uniform guess costs, and the other {FAR:g} or more above it."
    )
    for alike in _alike_but_for_init(runs).values():
        over = [(first_losses[run.id] - math.log(sizes[run.id]), run) for run in alike if run.id in first_losses]
        near = next((run for above, run in over if abs(above) <= UNIFORM), None)
        far = next((run for above, run in over if above >= FAR), None)
        if near and far:
            said = f"“{far.name}” begins at {first_losses[far.id]:.4f}, “{near.name}” at {first_losses[near.id]:.4f}; "
            said += f"ln {sizes[near.id]} = {math.log(sizes[near.id]):.4f}."
            return Challenge("Start from ignorance", task, True, said)
    return Challenge("Start from ignorance", task, False, "No two runs show it yet.")


def _alike_but_for_init(runs: Sequence[Run]) -> dict[RunConfig, list[Run]]:
    """Runs by what they have in common beside the initialisation, as far as their models have a choice of it."""
    found: dict[RunConfig, list[Run]] = {}
    for run in runs:
        if "init" in run.config.model.settings():
            found.setdefault(run.config.replace(model=run.config.model.replace(init="scaled")), []).append(run)
    return found


def _from_the_paper(runs: Sequence[Run]) -> Challenge:
    task = "Try an idea of Bengio et al. (2003): direct connections, or their learning rate ε₀ / (1 + r·t)."
    for run in runs:
        direct, schedule = getattr(run.config.model, "direct", False), run.config.train.schedule
        if "val_loss" in run.losses and (direct or schedule == "inverse-time"):
            idea = "direct connections" if direct else "the paper's schedule"
            return Challenge("Read the paper", task, True, f"“{run.name}” tried {idea}: {run.losses['val_loss']:.4f}.")
    return Challenge("Read the paper", task, False, "No run has tried one yet.")
