"""The lecture's arc in ten steps, two beyond it, and two of its exercises. Words; the page only draws them."""

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
    """One step: what to look at, a prediction to make first, the answer, and where its evidence is."""

    name: str  # in addresses and in the store
    title: str
    look: str
    question: str
    choices: tuple[str, ...]
    right: int  # which choice
    whys: tuple[str, ...]  # why a choice is wrong; of the right one, why it is right
    page: str
    evidence: str  # key of the container on that page which shows it
    state: Mapping[str, Any] = field(default_factory=dict)  # what the page's controls should show
    preset: str = ""  # that the form should hold
    first: str = ""  # what has to be done before an answer can be checked

    def verdict(self, choice: int) -> str:
        """Whether a choice is right, and why or why not."""
        if choice == self.right:
            return f"**Right.** {self.whys[choice]}"
        return f"**No.** {self.whys[choice]} It is: {self.choices[self.right]}. {self.whys[self.right]}"


LESSONS: tuple[Lesson, ...] = (
    Lesson(
        name="window",
        title="From names to examples",
        look="The table is the sliding window: a few characters in, the next one out. Type other words.",
        question="How many examples does the name emma give?",
        choices=("4", "5", "16"),
        right=1,
        whys=(
            "The end of the word is predicted too.",
            "One for each letter, and one for the end of the word. The first context is all boundary.",
            "Each position gives one example, not one with each other position.",
        ),
        page="data",
        evidence="evidence_window",
    ),
    Lesson(
        name="lookup",
        title="The lookup table C",
        look="Each character has a row of numbers. The check beside the map takes the product instead of the row.",
        question="What is a one-hot vector times C?",
        choices=("The sum of all rows", "One row of C", "A column of C"),
        right=1,
        whys=(
            "All rows but one are multiplied by 0.",
            "The row of the character whose place holds the 1: a linear layer without a bias, done by indexing.",
            "The vector stands left of C, so it weighs rows.",
        ),
        page="embeddings",
        evidence="evidence_one_hot",
    ),
    Lesson(
        name="forward",
        title="Forward, to the loss",
        look="Go from the characters to the loss with Next, one operation at a time.",
        question="What is the loss of a model that gives all 27 characters the same probability?",
        choices=("0", "1", "3.2958", "27"),
        right=2,
        whys=(
            "A loss of 0 takes probability 1 for every right answer.",
            "A loss of 1 takes probability 1/e = 0.37 for the right answer.",
            "−ln(1/27) = ln 27 = 3.2958. A first loss far above it means that much of the probability is on wrong "
            "characters.",
            "The loss is the logarithm of 27, not 27.",
        ),
        page="under_the_hood",
        evidence="evidence_view",
        state={"hood_view": "Forward", "hood_Forward": "ids"},
    ),
    Lesson(
        name="softmax",
        title="Softmax, safely",
        look="One example's logits are scaled up until the plain formula breaks.",
        question="What changes if 100 is added to every logit?",
        choices=("Nothing", "Every probability grows", "The largest wins"),
        right=0,
        whys=(
            "The factor e¹⁰⁰ cancels. That is why the maximum may be taken off first, and must be.",
            "Probabilities add up to 1, so they cannot all grow.",
            "Logits compete by their differences, which stay the same; a factor would sharpen them.",
        ),
        page="under_the_hood",
        evidence="evidence_view",
        state={"hood_view": "Stable softmax"},
    ),
    Lesson(
        name="backward",
        title="Backward, by hand",
        look="The view shows the gradient of the logits: p − y. Go on with Next, back to every weight.",
        question="What do the gradients of one example's logits add up to?",
        choices=("1", "0", "The loss"),
        right=1,
        whys=(
            "p adds up to 1, but y, which is taken away, does too.",
            "They are p − y, and both add up to 1. What the right answer gains, the others lose.",
            "The loss depends on the right answer's probability alone, and no gradient adds up to it.",
        ),
        page="under_the_hood",
        evidence="evidence_view",
        state={"hood_view": "Backward", "hood_Backward": "dlogits"},
    ),
    Lesson(
        name="update",
        title="One update",
        look="One step against the gradient, at a learning rate of 100. Then try smaller ones with the slider.",
        question="What does a learning rate of 100 do to the loss of a batch?",
        choices=("Lowers it faster", "Raises it", "Nothing"),
        right=1,
        whys=(
            "The gradient is the slope where the weights are; so far away it says nothing.",
            "The gradient predicts small steps only. Compare the predicted change with what happened.",
            "The gradient is not 0, so the weights move, and by a hundred times as much as it is long.",
        ),
        page="under_the_hood",
        evidence="evidence_view",
        state={"hood_view": "Update", "update_which": "A batch", "hood_rate": 2.0},
    ),
    Lesson(
        name="rate",
        title="Find a learning rate",
        look="The form holds the lecture's SGD. Press Range test: the rate climbs from 0.001 to 1 while the loss is "
        "watched.",
        question="For the lecture's SGD, where is the bottom of the valley?",
        choices=("Near 0.001", "Near 0.1", "Near 1"),
        right=1,
        whys=(
            "There the loss has hardly begun to fall: steps that small learn slowly.",
            "The lecture's choice. AdamW divides by the size of recent gradients and wants less.",
            "There the loss climbs or jumps: the steps are too large to follow the slope.",
        ),
        page="train",
        evidence="evidence_finder",
        state={"finder": True},
        preset="lecture",
        first="Press *Range test* first, below the form.",
    ),
    Lesson(
        name="splits",
        title="Train, validation, test",
        look="The loss on words that the model was trained on, beside that on words it was not.",
        question="Train loss falls while validation loss rises. What is happening?",
        choices=("Underfitting", "Overfitting", "Divergence"),
        right=1,
        whys=(
            "A model that underfits has a high train loss, which more training lowers.",
            "What it still learns holds for the train words only. Use a smaller or regularised model.",
            "Where training diverges, train loss rises too.",
        ),
        page="splits",
        evidence="evidence_splits",
    ),
    Lesson(
        name="embeddings",
        title="What the embeddings learned",
        look="Every character, where training put it. Play shows how it got there.",
        question="Which characters tend to end up near each other?",
        choices=("Neighbours in the alphabet", "Vowels", "Rare letters only"),
        right=1,
        whys=(
            "The model is never told the order of the alphabet: ids are only row numbers.",
            "More often than chance: similar characters follow them. Nobody told the model what a vowel is.",
            "Rare letters get few updates, and stay near where they began.",
        ),
        page="embeddings",
        evidence="evidence_map",
    ),
    Lesson(
        name="sampling",
        title="Sample new names",
        look="The temperature is 0: of the tree one path is left. Draw other words, then raise the temperature.",
        question="What does temperature 0 give?",
        choices=("Nonsense", "The same name every time", "Only names from train"),
        right=1,
        whys=(
            "The likeliest character at every step is the most careful choice, not the wildest.",
            "The likeliest character at every step. Higher temperatures dare more.",
            "Nothing keeps a model to the names it has seen.",
        ),
        page="generate",
        evidence="evidence_words",
        state={"temperature": 0.0},
    ),
    Lesson(
        name="guess",
        title="You against the model",
        look="Guess a hidden word letter by letter. The models guess the same letters; below it is who is ahead.",
        question="Which character of a word costs a model most?",
        choices=("The first", "Those in the middle", "The end"),
        right=0,
        whys=(
            "Nothing has been said yet: all it can know is how often words begin with each letter.",
            "What has been said narrows down what comes next.",
            "After a whole word, the end is one of few things that can come.",
        ),
        page="lessons",
        evidence="evidence_guessing",
        first="Guess one word first, or let it be shown.",
    ),
    Lesson(
        name="microgpt",
        title="From this MLP to microgpt",
        look="Each run of this experiment changes one thing, from the lecture's MLP to a GPT in one file.",
        question="What does microgpt do that the lecture's MLP does not?",
        choices=("It looks characters up in a table", "It weighs what it has read", "It has more parameters"),
        right=1,
        whys=(
            "Both begin with a row of numbers for each character.",
            "Attention: how much each character before counts depends on what it is. The MLP has fixed weights for "
            "each place.",
            "It has a third of the parameters: the same few weights serve every place.",
        ),
        page="lessons",
        evidence="evidence_experiments",
        state={"experiment": "microgpt"},
    ),
)
BY_NAME = {lesson.name: lesson for lesson in LESSONS}


@dataclass(frozen=True)
class Challenge:
    """An exercise of the lecture, and how far the visitor's runs have come."""

    title: str
    task: str
    done: bool
    evidence: str


BEGIN_WITH = "lecture"  # the preset to start a challenge from; as it is, it passes none


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
