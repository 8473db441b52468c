"""Is the doctor right? ``python -m benchmarks.doctor``: every remedy on every corpus, and healthy presets on seven.

With names of presets behind it, those only, added to what is recorded. The tests train the same cases on fewer corpora.
"""

from __future__ import annotations

import functools
import json
import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import pandas as pd
import torch

from benchmarks.report import RESULTS, read
from mmcore import (
    BUNDLED_NAMES,
    PRESETS,
    Dataset,
    ModelConfig,
    Pace,
    RunConfig,
    TrainConfig,
    TrainingDiverged,
    TrainState,
    build_dataset,
    read_words,
    train,
)
from mmcore.architectures import model_config
from mmcore.checkpoint import Checkpoint, checkpoint_steps
from mmcore.doctor import Facts, Finding, examine, gather
from mmcore.evaluation import evaluate
from mmcore.ngram import NGram

POINTS = 20  # of a curve
GREEK = str.maketrans("abcdefghijklmnopqrstuvwxyz", "αβγδεφηιθκλμνξοπρστυχψωϊϋζ")
ONES = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen"]
ONES += ["fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"]
TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]


def spoken(number: int) -> str:
    """A number from 1 to 99,999 in English words."""
    if number < 20:
        return ONES[number - 1]
    if number < 100:
        return TENS[number // 10 - 2] + (f"-{spoken(number % 10)}" if number % 10 else "")
    unit, name = (100, " hundred") if number < 1_000 else (1_000, " thousand")
    return spoken(number // unit) + name + (f" {spoken(number % unit)}" if number % unit else "")


def roman(number: int) -> str:
    """A number from 1 to 3,999 in Roman numerals."""
    digits = ""
    for value, five, ten, one in ((1_000, "", "", "m"), (100, "d", "m", "c"), (10, "l", "c", "x"), (1, "v", "x", "i")):
        digit = number // value % 10
        few = one * (digit % 5)
        digits += one + (ten if digit > 5 else five) if digit % 5 == 4 else five * (digit >= 5) + few
    return digits


def names() -> list[str]:
    """The bundled ones."""
    return list(read_words(BUNDLED_NAMES).words)


def syllables() -> list[str]:
    """One to four syllables, each drawn by itself: nothing is to be learned from the one before."""
    draw = random.Random(0).choice
    return ["".join(draw("ptkmnslr") + draw("aeiou") for _ in range(draw((1, 2, 3, 4)))) for _ in range(4_000)]


CORPORA: dict[str, Callable[[], list[str]]] = {
    "names": names,
    "3,000 names": lambda: names()[:3_000],
    "4,000 in Greek letters": lambda: [name.translate(GREEK) for name in names()[:4_000]],
    "numbers in words": lambda: [spoken(number) for number in range(1, 4_001)],
    "squares": lambda: [str(number**2) for number in range(1, 5_000)],
    "syllables": syllables,
    "single letters": lambda: random.Random(0).choices("abcdefghijklmnopqrstuvwxyz", k=2_000),
}
LARGE: dict[str, Callable[[], list[str]]] = {  # large or simple enough for the presets not to overfit
    "names": names,
    "in Greek letters": lambda: [name.translate(GREEK) for name in names()],
    "reversed": lambda: [name[::-1] for name in names()],
    "numbers in words": lambda: [spoken(number) for number in range(1, 20_001)],
    "dates": lambda: [str(date(1960, 1, 1) + timedelta(day)) for day in range(20_000)],
    "Roman numerals": lambda: [roman(number) for number in range(1, 4_000)],
    "single letters": lambda: random.Random(0).choices("abcdefghijklmnopqrstuvwxyz", k=20_000),
}

_SHORT = TrainConfig(max_steps=400, weight_decay=0.1)
_SGD = TrainConfig(max_steps=400, optimizer="sgd", learning_rate=0.1)
ILL: dict[str, tuple[str, ModelConfig, TrainConfig]] = {  # the rule that is to find it
    "AdamW, rate 1": ("rate_large", model_config(), _SHORT.replace(learning_rate=1.0)),
    "AdamW, rate 0.2": ("rate_large", model_config(), _SHORT.replace(learning_rate=0.2)),
    "ReLU, rate 0.5": ("rate_large", model_config(activation="relu"), _SHORT.replace(learning_rate=0.5)),
    "AdamW, rate 1e-5": ("rate_small", model_config(), _SHORT.replace(learning_rate=1e-5)),
    "AdamW, rate 1e-3": ("rate_small", model_config(), _SHORT.replace(learning_rate=1e-3)),
    "SGD, rate 1e-3": ("rate_small", model_config(), _SGD.replace(learning_rate=1e-3)),
    "AdamW, 20 steps": ("steps", model_config(), _SHORT.replace(max_steps=20)),
    "SGD, 20 steps": ("steps", model_config(), _SGD.replace(max_steps=20)),
    "SGD, 400 steps": ("steps", model_config(), _SGD),
    "AdamW, decay 10": ("weight_decay", model_config(), _SHORT.replace(weight_decay=10.0)),
    "AdamW, decay 3": ("weight_decay", model_config(), _SHORT.replace(weight_decay=3.0)),
    "SGD, decay 0.1": ("weight_decay", model_config(), _SGD.replace(weight_decay=0.1)),
    "1 hidden unit": ("capacity", model_config(hidden_sizes=(1,)), _SHORT),
    "lecture's start": ("first_loss", model_config(init="lecture"), _SHORT),
    "2,000 steps, no decay": ("overfitting", model_config(), TrainConfig()),
    "SGD, rate 900": ("divergence", model_config(), _SGD.replace(learning_rate=900.0)),
    "SGD, rate 30, constant": ("divergence", model_config(), _SGD.replace(learning_rate=30.0, schedule="constant")),
    "SGD, rate 10": ("divergence", model_config(), _SGD.replace(learning_rate=10.0)),
}
HEALTHY = ("quick", "blink", "best", "bigram", "wavenet", "rnn", "gru", "lstm", "transformer")


@dataclass(frozen=True)
class Examined:
    """A run and what the doctor says of it."""

    facts: Facts
    val_loss: float  # exact, of the last finite weights
    findings: dict[str, Finding]


@functools.lru_cache(maxsize=16)
def dataset(words: tuple[str, ...], context_size: int) -> Dataset:
    """Words with the default split."""
    return build_dataset(words, RunConfig(corpus_sha256="0" * 64).split, context_size)


def examined(config: RunConfig, data: Dataset, **known: int) -> Examined:
    """Train and let the doctor look."""
    state, steps, diverged = TrainState(config.model, config.train, data.vocab.size), [], False
    kept, at = list[Checkpoint](), frozenset(checkpoint_steps(config.train.max_steps))
    try:
        for step in train(state, data, pace=Pace(every=max(1, config.train.max_steps // POINTS), at=at)):
            steps.append(step)
            kept += [Checkpoint(step=step.step, weights=b"", updates=step.updates)] if step.updates else []
    except TrainingDiverged:
        diverged = True
    columns = ("step", "train_loss", "val_loss")
    history = pd.DataFrame([{name: getattr(step, name) for name in columns} for step in steps], dtype="float64")
    unigram, bigram = (NGram(data.train, order).loss(data.val) for order in (0, 1))
    counted = {"unigram_loss": unigram, "bigram_loss": bigram}
    facts = gather(config, history, data, state.model, diverged=diverged, checkpoints=kept, **counted, **known)
    found = {finding.rule: finding for finding in examine(facts)}
    return Examined(facts, evaluate(state.model, data.val).loss, found)


def run(words: Sequence[str], model: ModelConfig, training: TrainConfig) -> Examined:
    """Some settings on some words."""
    data = dataset(tuple(words), model.context_size)
    return examined(RunConfig(corpus_sha256="0" * 64, model=model, train=training), data)


def remedies() -> list[dict[str, object]]:
    """Each case on each corpus; all that is found is followed, one remedy at a time."""
    rows: list[dict[str, object]] = []
    for case, (_, model, training) in ILL.items():
        for corpus, words in CORPORA.items():
            before = run(words(), model, training)
            row = {"case": case, "corpus": corpus, "before": before.val_loss}
            rows += [row | followed(finding, words()) for finding in before.findings.values()] or [row]
            print(rows[-1], flush=True)
    return rows


def followed(finding: Finding, words: Sequence[str]) -> dict[str, object]:
    """What became of a run that did as it was told."""
    after = run(words, finding.mended.model, finding.mended.train)
    again = finding.rule in after.findings
    return {"rule": finding.rule, "remedy": finding.remedy, "after": after.val_loss, "again": again}


def health(presets: Sequence[str] = HEALTHY) -> list[dict[str, object]]:
    """What is found in presets that nothing should be found in."""
    rows: list[dict[str, object]] = []
    for name in presets:
        for corpus, words in LARGE.items():
            found = run(words(), PRESETS[name].model, PRESETS[name].train)
            row: dict[str, object] = {"preset": name, "corpus": corpus, "val_loss": found.val_loss}
            rows.append(row | {"found": list(found.findings)})
            print(rows[-1], flush=True)
    return rows


if __name__ == "__main__":
    torch.set_num_threads(1)
    presets = sys.argv[1:]
    result = read("doctor") if presets else {"remedies": remedies(), "health": []}
    kept = [row for row in result["health"] if row["preset"] not in presets]
    result["health"] = kept + health(presets or HEALTHY)
    (RESULTS / "doctor.json").write_text(json.dumps(result, indent=1) + "\n")
