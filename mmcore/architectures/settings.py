"""The settings that several architectures have: what each means, whichever architecture has it."""

from __future__ import annotations

from ..fields import Choice, Real, Whole

CONTEXT_SIZE = Whole(
    title="Context size",
    help="How many preceding characters the model sees when it predicts the next one: the lecture's `block_size`, "
    "n − 1 in the paper. With 1 the model can know no more than a bigram does.",
    unit="characters",
    low=1,
    high=64,
    stops=(1, 2, 3, 4, 5, 6, 7, 8, 12, 16),
    summary="context {value}",
)
EMBEDDING_DIM = Whole(
    title="Embedding dimension",
    help="How many numbers stand for one character: the columns of the lookup table `C`. "
    "The lecture begins with 2, which can be drawn as they are, and ends with 10.",
    unit="numbers",
    low=1,
    high=1024,
    stops=(1, 2, 3, 5, 10, 16, 24, 32, 48, 64),
    summary="dimension {value}",
)
HIDDEN_SIZE = Whole(
    title="Hidden units",
    help="How many numbers the model keeps of what it has read: the length of its hidden state.",
    unit="units",
    low=1,
    high=4096,
    stops=(10, 20, 32, 50, 64, 100, 128, 150, 200, 300, 400),
    summary="hidden {value}",
)
ACTIVATION = Choice(
    title="Activation",
    help="The function applied to a hidden layer's pre-activations: tanh in the paper and the lecture; ReLU "
    "is 0 below zero; GELU is smooth and close to 0 there.",
    options={"tanh": "tanh", "relu": "ReLU", "gelu": "GELU"},
    stops=("tanh", "relu", "gelu"),
    summary="{title}",
    usual="tanh",
    more=True,
)
NORMALISATION = Choice(
    title="Normalisation",
    help="Before an activation: subtract the mean, divide by the standard deviation, then a learned gain "
    "and bias. *Batch*: over the batch, as in the lecture series' third part, by running statistics once trained. "
    "*Layer*: over each example's units.",
    options={"none": "None", "batch": "Batch", "layer": "Layer"},
    stops=("none", "batch", "layer"),
    summary="{value} normalisation",
    usual="none",
    more=True,
)
INIT = Choice(
    title="Initialisation",
    help="Where the parameters start. *Lecture*: all drawn from N(0, 1), so the first loss is far above ln V. "
    "*Scaled*: divided by √fan-in and a small output layer, so the first loss is about ln V.",
    options={"scaled": "Scaled", "lecture": "Lecture, all N(0, 1)"},
    stops=("scaled", "lecture"),
    summary="{value} initialisation",
    usual="scaled",
    more=True,
)
DROPOUT = Real(
    title="Dropout",
    help="Share of hidden activations set to 0 at random in every update, against overfitting. 0: none.",
    low=0,
    high=0.95,
    stops=(0.0, 0.1, 0.2, 0.3, 0.4, 0.5),
    summary="dropout {value}",
    usual=0,
    more=True,
)
STATE_DROPOUT = Real(
    title="State dropout",
    help="Share of what each character adds to the state, set to 0 at random; what the state already holds "
    "stays. Against overfitting, beside dropout. 0: none.",
    low=0,
    high=0.95,
    stops=(0.0, 0.1, 0.2, 0.3, 0.4, 0.5),
    summary="state dropout {value}",
    usual=0,
    more=True,
)
