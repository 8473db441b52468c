"""What the words on screen mean, a sentence each; of a setting it is the first sentence of its help."""

from __future__ import annotations

from mmcore.architectures.settings import ACTIVATION, CONTEXT_SIZE, DROPOUT, EMBEDDING_DIM, INIT
from mmcore.architectures.transformer import HEADS
from mmcore.config import TrainConfig

_TRAIN = TrainConfig.settings()
SETTINGS = (
    CONTEXT_SIZE,
    EMBEDDING_DIM,
    ACTIVATION,
    INIT,
    DROPOUT,
    HEADS,
    *(_TRAIN[name] for name in ("learning_rate", "batch_size", "optimizer", "schedule", "weight_decay", "seed")),
)
WORDS = {
    "Architecture": "The form of a model: which tensors it has, and how it computes logits from a context.",
    "Attention weights": "How much of each character read so far goes into the vector of another; they sum to 1.",
    "Bigram": "A model that looks at the last character only.",
    "Boundary": "The symbol before the first character of a word and after its last, drawn as a dot.",
    "Checkpoint": "The weights of a run after one of its steps, kept so that pages can go back to them.",
    "Context": "The characters before the one to predict; what is missing at the start of a word is boundary.",
    "Dead": "Said of a hidden unit that passes back next to no gradient on any example, so that it learns nothing.",
    "Embedding table": "A learned row of numbers for each symbol of the vocabulary, called C.",
    "Gradient": "How much the loss changes with each parameter; an update goes against it.",
    "Hidden unit": "One number of a hidden layer: an activation of a weighted sum of the layer below.",
    "Kneser-Ney": "A model that counts contexts of several lengths and falls back on the shorter ones.",
    "Logits": "The model's scores for every symbol, before softmax makes probabilities of them.",
    "Loss": "The mean of −ln of the probability given to the right character, in nats per character; lower is better.",
    "Nats": "The unit of a loss with the natural logarithm; one nat is 1.4427 bits.",
    "One-hot": "A vector that is 1 for one symbol and 0 for all others; times C it gives that symbol's row.",
    "Overfitting": "Learning what holds for the train words only: train loss falls while validation loss rises.",
    "Parameters": "All numbers of a model that training changes.",
    "Perplexity": "The loss as a number of equally likely characters to choose among: e to the power of the loss.",
    "Pre-activation": "What goes into an activation: a weighted sum of inputs, plus a bias where there is one.",
    "Residual stream": "The vectors of a transformer, one a character read, to which every layer adds its output.",
    "Run": "One training with all its settings, its curve and its weights, kept in the store.",
    "Saturated": "Said of a unit whose activation is almost flat where it stands, so that little gradient passes.",
    "Softmax": "Exponentials divided by their sum: it makes probabilities of logits.",
    "Step": "One update of the parameters, after a batch has been read.",
    "Sweep": "Many runs: every setting to try, each with every seed.",
    "Temperature": "What logits are divided by before sampling; 0 takes the likeliest symbol, higher ones dare more.",
    "Test": "Words set aside to measure once, at the end; their loss stays sealed until you open it.",
    "Train": "Words that a model learns from.",
    "Unseen words": "Validation words that do not occur in train, so that no model can have memorised them.",
    "Validation": "Words that are not trained on, by whose loss settings are chosen; the lecture calls them dev.",
    "Vocabulary": "Every symbol that occurs in a corpus, and the boundary.",
}
GLOSSARY = dict(
    sorted(
        (WORDS | {setting.title.partition(" (")[0]: setting.first_sentence for setting in SETTINGS}).items(),
        key=lambda entry: entry[0].lower(),
    )
)
"""Term → sentence, in alphabetical order."""

_OF_WORDS = r"(?= (?:and|split|set|loss|words|examples|figure)\b)"
SPELLED = {term: f"{term}(?:e?s)?" for term in GLOSSARY} | {
    "Train": f"train{_OF_WORDS}|(?<=in )train",  # elsewhere it is what one does with a model
    "Test": f"test{_OF_WORDS}",
}
"""Term → how a page says it, as a regular expression of Python and of JavaScript, in either case."""
