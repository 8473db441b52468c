"""What is wrong with a run, with the number behind it and the settings that mend it.

A rule looks at :class:`Facts` and answers with a :class:`Finding` or nothing. The limits were set on runs of the
bundled names: no rule fires on the quick preset, each fires on a run made ill on purpose (see the tests).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .checkpoint import Checkpoint
from .config import RunConfig
from .ngram import uniform_loss

if TYPE_CHECKING:
    from .data import Dataset
    from .model import Model

ABOVE_UNIFORM = 0.05  # nats above ln V that a run ends at for nothing; an untrained scaled start is within 0.02
FIRST_LOSS = 1.0  # nats above ln V; scaled starts are within 0.02 of it, the lecture's 20 above
SATURATED_START, SATURATED_END = 0.5, 0.8  # shares of tanh outputs; a healthy run ends between 0.3 and 0.7
DEAD = 0.01  # share of the units
GAP = 0.2  # nats between validation and train; the quick preset ends at 0.07
STUCK = 0.01  # nats that the second half of a run should gain, where the bigram is not yet beaten
# Std of an update ÷ std of the tensor that it changes most: 2e-3 to 5e-2 in healthy runs of all presets.
LARGE_UPDATE, SMALL_UPDATE, GOOD_UPDATE = 8e-2, 3e-4, 1e-2
MIDDLE = (0.1, 0.8)  # of the steps done: after the first moments, before a schedule ends at 0
SAMPLED = 2_000  # train examples that the hidden units are looked at on


def learnt_nothing(train_loss: float | None, vocab_size: int) -> bool:
    """Whether a run ended worse than a model that gives every symbol the same chance; unknown is no."""
    return train_loss is not None and train_loss > uniform_loss(vocab_size) + ABOVE_UNIFORM


@dataclass(frozen=True, kw_only=True)
class Facts:
    """All that the rules look at. None where a run has no such number."""

    config: RunConfig
    vocab_size: int
    first_loss: float | None = None  # train loss before the first update
    middle_loss: float | None = None  # at half of the steps done
    lowest_loss: float | None = None  # of the train losses along the way
    train_loss: float | None = None
    val_loss: float | None = None
    bigram_loss: float | None = None  # validation loss of counting pairs
    diverged: bool = False
    start_saturation: float | None = None  # share of the first hidden layer's outputs, before the first update
    saturation: float | None = None
    units: int = 0
    dead: int = 0
    updates: Mapping[str, float] = field(default_factory=dict)  # median ratio in the middle of training, by weight
    test_openings: int = 0
    later_runs: int = 0  # of the same corpus and split, made after the test split was first opened


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is wrong: what, the number behind it, why it matters, and the settings that mend it."""

    rule: str
    title: str
    number: str
    reason: str
    remedy: str
    mended: RunConfig


def examine(facts: Facts) -> list[Finding]:
    """The findings of all rules, gravest first; an empty list is a clean bill of health."""
    return [finding for rule in RULES if (finding := rule(facts)) is not None]


def gather(
    config: RunConfig,
    history: pd.DataFrame,
    dataset: Dataset,
    model: Model | None,
    *,
    error: str | None = None,
    checkpoints: Sequence[Checkpoint] = (),
    bigram_loss: float | None = None,
    test_openings: int = 0,
    later_runs: int = 0,
) -> Facts:
    """The facts of a run that has ended: from its curve, its updates, and its hidden units on some train examples."""
    curve = history.dropna(subset=["train_loss"])
    losses, steps = curve["train_loss"].to_numpy(), curve["step"].to_numpy()
    known = len(losses) > 0
    middle = float(losses[np.searchsorted(steps, steps[-1] / 2)]) if len(losses) > 4 else None
    val = history["val_loss"].dropna()
    return Facts(
        config=config,
        vocab_size=dataset.vocab.size,
        first_loss=float(losses[0]) if known and steps[0] == 0 else None,
        middle_loss=middle,
        lowest_loss=float(losses.min()) if known else None,
        train_loss=float(losses[-1]) if known else None,
        val_loss=float(val.iloc[-1]) if len(val) else None,
        bigram_loss=bigram_loss,
        diverged=bool(error) and "finite number" in str(error),
        test_openings=test_openings,
        later_runs=later_runs,
        updates=_typical_updates(checkpoints),
        **_units(config, dataset, model),
    )


def _typical_updates(checkpoints: Sequence[Checkpoint]) -> dict[str, float]:
    """The median update ÷ weights of each weight tensor over the middle of training; empty where nothing is known."""
    done = checkpoints[-1].step if checkpoints else 0
    middle = [c.updates for c in checkpoints if c.updates and MIDDLE[0] * done <= c.step <= MIDDLE[1] * done]
    names = [name for name in middle[0] if name[0].isupper()] if middle else []
    ratios = {name: float(np.median([updates[name].ratio for updates in middle])) for name in names}
    return {name: ratio for name, ratio in ratios.items() if math.isfinite(ratio)}


def looked_at(config: RunConfig) -> list[str]:
    """What a run is examined for, in words: hidden units only where :mod:`trace` writes their outputs out."""
    model, units = config.model.to_dict(), list[str]()
    if _writes_out(config):
        units = ["dead units", "saturation"] if model["activation"] == "tanh" else ["dead units"]
    start = ["divergence", "the first loss against ln V"]
    end = ["updates beside the weights", "standing still", "the gap between train and validation"]
    return [*start, *units, *end, "whether the test split was opened before training was over"]


def _writes_out(config: RunConfig) -> bool:
    from .backprop import Backprop

    return Backprop.handles(config.model) and bool(config.model.hidden_sizes)


def _units(config: RunConfig, dataset: Dataset, model: Model | None) -> dict[str, Any]:
    """What the first hidden layer does now and did before the first update, which the seed brings back."""
    from .model import Model as Perceptron
    from .trace import neuron_report

    if model is None or not _writes_out(config):
        return {}
    rows = np.random.default_rng(0).integers(len(dataset.train), size=min(SAMPLED, len(dataset.train)))
    contexts = dataset.train.contexts[rows]
    fresh = Perceptron(config.model, dataset.vocab.size, seed=config.train.seed)
    now = neuron_report(model, contexts)
    tanh = now.activation == "tanh"
    start = neuron_report(fresh, contexts).saturated if tanh else None
    facts: dict[str, Any] = {"start_saturation": start, "saturation": now.saturated if tanh else None}
    return facts | {"units": now.outputs.shape[1], "dead": len(now.dead)}


# ---- rules


def _diverged(facts: Facts) -> Finding | None:
    rose = False
    if facts.first_loss is not None and facts.train_loss is not None:
        room = 0.0 if learnt_nothing(facts.train_loss, facts.vocab_size) else 0.5
        rose = facts.train_loss > facts.first_loss + room
    if not (facts.diverged or rose):
        return None
    rate = facts.config.train.learning_rate
    number = f"learning rate {rate:g}"
    if rose:
        number = f"train loss {facts.first_loss:.4f} → {facts.train_loss:.4g}, {number}"
    return Finding(
        rule="divergence",
        title="The run diverged",
        number=number,
        reason="Steps so long jump across the valley and land higher on the other side, further each time.",
        remedy=f"Train with a tenth of the learning rate, {rate / 10:g}",
        mended=_train(facts, learning_rate=rate / 10),
    )


def _wild(facts: Facts) -> bool:
    """Whether the run started from the lecture's N(0, 1); families without the choice do not."""
    return getattr(facts.config.model, "init", "scaled") == "lecture"


def _first_loss(facts: Facts) -> Finding | None:
    best = uniform_loss(facts.vocab_size)
    if facts.first_loss is None or facts.first_loss <= best + FIRST_LOSS or not _wild(facts):
        return None
    return Finding(
        rule="first_loss",
        title="The start is confidently wrong",
        number=f"first loss {facts.first_loss:.4f}, ln {facts.vocab_size} = {best:.4f}",
        reason="A model that knows nothing should give every character the same chance. Large output weights make it "
        "sure of the wrong ones, and the first updates only undo that.",
        remedy="Train with the scaled initialisation",
        mended=facts.config.replace(model=facts.config.model.replace(init="scaled")),
    )


def _saturation(facts: Facts) -> Finding | None:
    start, end = facts.start_saturation or 0.0, facts.saturation or 0.0
    if start <= SATURATED_START and end <= SATURATED_END:
        return None
    at_start = start > SATURATED_START and _wild(facts)
    if _diverged(facts) and not at_start:
        return None  # it comes of the long steps
    decay = max(0.1, 3 * facts.config.train.weight_decay)
    model = facts.config.model.replace(init="scaled")
    return Finding(
        rule="saturation",
        title="tanh is saturated",
        number=f"{100 * start:.1f} % of outputs beyond ±0.97 before the first update, {100 * end:.1f} % now",
        reason="Where tanh is flat, 1 − h² is near 0 and next to no gradient comes back through it.",
        remedy="Train with the scaled initialisation" if at_start else f"Train with weight decay {decay:g}",
        mended=facts.config.replace(model=model) if at_start else _train(facts, weight_decay=decay),
    )


def _dead(facts: Facts) -> Finding | None:
    if not facts.units or facts.dead <= DEAD * facts.units:
        return None
    rate = facts.config.train.learning_rate / 10
    return Finding(
        rule="dead_units",
        title="Hidden units are dead",
        number=f"{facts.dead} of {facts.units} units are stuck on every one of {SAMPLED:,} examples",
        reason="A unit that is stuck whatever it sees says nothing and gets no gradient to change. Steps too long "
        "throw units there.",
        remedy=f"Train with a tenth of the learning rate, {rate:g}",
        mended=_train(facts, learning_rate=rate),
    )


def _updates(facts: Facts) -> Finding | None:
    if not facts.updates or facts.diverged:
        return None
    name = max(facts.updates, key=lambda name: facts.updates[name])
    ratio, rate = facts.updates[name], facts.config.train.learning_rate
    if SMALL_UPDATE <= ratio <= LARGE_UPDATE:
        return None
    number = f"update : {name} = {ratio:.1e} in the middle of training, in healthy runs about 10⁻³ to 10⁻²"
    if ratio > LARGE_UPDATE:
        return Finding(
            rule="updates_large",
            title="Updates throw the weights about",
            number=number,
            reason=f"Every update changes {name} by {100 * ratio:.0f} % of its spread: what one batch has taught it, "
            "the next ones overwrite.",
            remedy=f"Train with a tenth of the learning rate, {rate / 10:g}",
            mended=_train(facts, learning_rate=rate / 10),
        )
    factor = 10 ** round(math.log10(GOOD_UPDATE / max(ratio, 1e-9)))
    other = min(rate * factor, 1e3)
    return Finding(
        rule="updates_small",
        title="Updates hardly move the weights",
        number=number,
        reason="Not even the tensor that changes most gets anywhere at this pace: the run ends near where it began.",
        remedy=f"Train with learning rate {other:g}",
        mended=_train(facts, learning_rate=other),
    )


def _long(facts: Facts) -> bool:
    """Whether updates are known to be no shorter than they should be."""
    return max(facts.updates.values(), default=0.0) >= GOOD_UPDATE


def _plateau(facts: Facts) -> Finding | None:
    numbers = (facts.middle_loss, facts.train_loss, facts.bigram_loss, facts.first_loss)
    if None in numbers or facts.diverged:
        return None
    middle, end, bigram, first = (float(n) for n in numbers if n is not None)
    if not math.isfinite(end) or end <= bigram or middle - end >= STUCK or end > first + 0.5:
        return None
    lowest = end if facts.lowest_loss is None else min(end, facts.lowest_loss)
    slow = first - lowest < 0.5 and not _long(facts)  # it has hardly left its start
    rate = facts.config.train.learning_rate
    other = min(rate * 100, 1e3) if slow else rate / 10
    return Finding(
        rule="plateau",
        title="The loss stands still, too high",
        number=f"train loss {middle:.4f} at half time, {end:.4f} at the end; counting pairs reaches {bigram:.4f}",
        reason="Steps are too short to get anywhere." if slow else "Steps are too long to get down into the valley.",
        remedy=f"Train with learning rate {other:g}",
        mended=_train(facts, learning_rate=other),
    )


def _smaller(fields: Mapping[str, Any]) -> dict[str, Any]:
    """A quarter of the hidden units or half of the layers, and dropout, where a family has them."""
    changes: dict[str, Any] = {}
    if "hidden_sizes" in fields:
        changes["hidden_sizes"] = tuple(min(size, max(8, size // 4)) for size in fields["hidden_sizes"])
    if "hidden_size" in fields:
        changes["hidden_size"] = min(fields["hidden_size"], max(8, fields["hidden_size"] // 4))
    if "layers" in fields:
        changes["layers"] = max(1, fields["layers"] // 2)
    if "dropout" in fields and any(changes.values()):
        changes["dropout"] = max(fields["dropout"], 0.2)
    return changes


def _gap(facts: Facts) -> Finding | None:
    if facts.train_loss is None or facts.val_loss is None or not facts.val_loss - facts.train_loss > GAP:
        return None
    if learnt_nothing(facts.train_loss, facts.vocab_size):  # by heart or otherwise
        return None
    config = facts.config
    model = config.model.replace(**_smaller(config.model.to_dict()))
    every = max(1, config.train.max_steps // 20)
    stop = "top when validation gets no better"
    return Finding(
        rule="gap",
        title="It learned its words by heart",
        number=f"validation loss {facts.val_loss:.4f}, train loss {facts.train_loss:.4f}: "
        f"{facts.val_loss - facts.train_loss:.4f} apart",
        reason="There are enough parameters to store the train words, which helps on no other word.",
        remedy=f"S{stop}" if model == config.model else f"Train a smaller model with dropout, and s{stop}",
        mended=config.replace(model=model, train=config.train.replace(patience=3, check_every=every)),
    )


def _test_opened(facts: Facts) -> Finding | None:
    if not facts.test_openings or not facts.later_runs:
        return None
    seed = facts.config.split.split_seed + 1
    times = "once" if facts.test_openings == 1 else f"{facts.test_openings} times"
    later = "1 run" if facts.later_runs == 1 else f"{facts.later_runs} runs"
    return Finding(
        rule="test_opened",
        title="The test split was opened, and training went on",
        number=f"opened {times}, and {later} on the same split {'was' if facts.later_runs == 1 else 'were'} made after "
        "that",
        reason="What is chosen after looking at the test split is chosen by it, and its loss is no longer a test.",
        remedy=f"Train on a fresh split, split seed {seed}",
        mended=facts.config.replace(split=facts.config.split.replace(split_seed=seed)),
    )


def _train(facts: Facts, **changes: float) -> RunConfig:
    return facts.config.replace(train=facts.config.train.replace(**changes))


RULES: tuple[Callable[[Facts], Finding | None], ...] = (
    _diverged,
    _first_loss,
    _dead,
    _saturation,
    _updates,
    _plateau,
    _gap,
    _test_opened,
)
