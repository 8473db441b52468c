"""What settings and their choices are called on screen."""

from __future__ import annotations

NAMES: dict[str, str] = {
    "tanh": "tanh",
    "relu": "ReLU",
    "gelu": "GELU",
    "none": "None",
    "batch": "Batch",
    "layer": "Layer",
    "scaled": "Scaled",
    "lecture": "Lecture, all N(0, 1)",
    "sgd": "SGD",
    "adamw": "AdamW",
    "constant": "Constant",
    "step": "Step, a tenth in the second half",
    "one-cycle": "One-cycle",
    "inverse-time": "Inverse time, ε₀ / (1 + r·t)",
    "examples": "Examples",
    "contexts": "Contexts",
    "words": "Words",
}
"""Choices as they are called on screen."""

HELP: dict[str, str] = {
    "preset": "A named starting point. It fills every field below; change any of them afterwards.",
    "architecture": "What stands between the context and the logits, from a table to a transformer. Choosing one fills "
    "the form with its preset; it has fields of its own.",
    "context_size": "How many preceding characters the model sees when it predicts the next one: the lecture's "
    "`block_size`, n − 1 in the paper.",
    "embedding_dim": "How many numbers stand for one character: the columns of the lookup table `C`. "
    "The lecture begins with 2, which can be drawn as they are, and ends with 10.",
    "hidden_sizes": "Units of the hidden layer, the lecture's 200. For several layers, one number each: `256, 256`. "
    "Empty: no hidden layer, which needs direct connections.",
    "hidden_size": "How many numbers the model keeps of what it has read: the length of its hidden state.",
    "layers": "How many blocks follow one another: each is an attention layer, then a feed-forward layer.",
    "heads": "How many attention patterns a layer computes in parallel, each on its own part of the "
    "embedding dimension.",
    "normalisation": "Before an activation: subtract the mean, divide by the standard deviation, then a learned gain "
    "and bias. *Batch*: over the batch, as in the lecture series' third part, by running statistics once trained. "
    "*Layer*: over each example's units.",
    "max_steps": "How many times the parameters are updated: forward, backward, update. The lecture does 200,000.",
    "learning_rate": "How far one update goes against the gradient. The lecture looks for it between 0.001 and 1 and "
    "settles on 0.1 for SGD. AdamW wants less, about 0.02.",
    "batch_size": "How many examples one update averages over: the lecture's minibatch of 32. With batches from "
    "*Contexts* it counts contexts, with *Words* whole words. More is less noisy and slower.",
    "activation": "The function applied to a hidden layer's pre-activations: tanh in the paper and the lecture; ReLU "
    "is 0 below zero; GELU is smooth and close to 0 there.",
    "init": "Where the parameters start. *Lecture*: all drawn from N(0, 1), so the first loss is far above ln V. "
    "*Scaled*: divided by √fan-in and a small output layer, so the first loss is about ln V.",
    "direct": "The paper's matrix W, straight from the embeddings to the logits, past the hidden layer. "
    "The lecture leaves it out.",
    "dropout": "Share of hidden activations set to 0 at random in every update, against overfitting. 0: none.",
    "state_dropout": "Share of what each character adds to the state, set to 0 at random; what the state already holds "
    "stays. Against overfitting, beside dropout. 0: none.",
    "sampler": "*Examples*: rows drawn at random, as in the lecture. *Contexts*: every distinct context that occurs, "
    "with all characters that follow it at once: the same expected gradient with less noise. *Words*: whole words, "
    "every character predicted and what begins alike read once, for models that read from left to right.",
    "optimizer": "What turns a gradient into an update. *SGD*: `p.data += -lr * p.grad`, as in the lecture. "
    "*AdamW*: along a running mean of the gradients, divided for each parameter by the root of a running mean of their "
    "squares.",
    "schedule": "How the learning rate changes. *Step* is the lecture's decay from 0.1 to 0.01; *one-cycle* climbs, "
    "then falls to zero; *inverse time* is the paper's ε₀ / (1 + r·t).",
    "decay_rate": "r of the inverse-time schedule, per update. The paper uses 10⁻⁸ per example. "
    "Other schedules ignore it.",
    "weight_decay": "Pulls weights and C towards zero in every update, as the paper does with 10⁻⁴. Not the biases.",
    "patience": "Early stopping: how many checks in a row may pass without a better validation loss. The best "
    "weights are kept. 0: never stop early.",
    "check_every": "Updates between two checks of early stopping.",
    "seed": "Of initialisation, batches and dropout: on one machine, the same seed and settings give the same weights, "
    "bit for bit.",
    "split_seed": "Of the shuffle before the words are cut into train, validation and test. The lecture uses 42.",
    "train_fraction": "Share of the words to train on: 80 % in the lecture.",
    "val_fraction": "Share of the words to choose settings by: 10 % in the lecture, where it is called dev. "
    "The rest is the test split.",
    "fixed": "Which words are in which split was said when the run was made. Drawing shuffles all of them together.",
    "deduplicate": "Keep each word once before splitting, so that no validation word also occurs in train. "
    "Data shows how many do without it.",
}
