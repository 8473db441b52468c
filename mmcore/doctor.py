"""What is wrong with a run, with the number behind it and the settings that mend it.

A rule looks at :class:`Facts` and answers with a :class:`Finding` or nothing. A remedy is a claim: the run that it
starts ends with a lower validation loss, and the same remedy is not prescribed to it again. The tests train every
remedy on several corpora, and ``benchmarks/doctor.py`` measures them beside healthy runs. So a run that counting the
same contexts does not beat by much is left alone, however odd its units or updates: there is nothing to be gained.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .checkpoint import Checkpoint
from .config import RunConfig, TrainConfig
from .diagnosis import SAMPLED, Turn, first_model, turning_point
from .ngram import counting_loss, uniform_loss
from .presets import PRESETS, calmer_rate, preset_for, usual_rate

if TYPE_CHECKING:
    from .dataset import Dataset
    from .model import Model

ABOVE_UNIFORM = 0.05  # nats above ln V that a run ends at for nothing; an untrained scaled start is within 0.02
FIRST_LOSS = 1.0  # nats above ln V; scaled starts are within 0.02 of it, the lecture's 20 above
SATURATED = 0.8  # share of tanh outputs; a healthy run ends between 0.3 and 0.7
DEAD = 0.01  # share of the units
LARGE_UPDATE = 8e-2  # std of an update ÷ std of the tensor that it changes most; up to 5e-2 with the presets
MIDDLE = (0.1, 0.8)  # of the steps done: after the first moments, before a schedule ends at 0
BEHIND = 0.05  # nats above Kneser-Ney: less is not worth a remedy
SEVERE = 0.02  # nats above counting characters or pairs: less is within reach of a bigram model's own noise

# By optimiser. SGD's steps shrink with the gradient, so it bears larger rates, needs more of them, and weight decay,
# which does not shrink, soon outweighs its gradient.
SLOW = {"adamw": 5, "sgd": 20}  # times below the usual rate
HOT = {"adamw": 6, "sgd": 30}  # times above it
FEW = {"adamw": 200, "sgd": 2_000}  # updates
ENOUGH = {"adamw": 400, "sgd": 4_000}
STRONG = {"adamw": 2.0, "sgd": 0.01}  # weight decay
WEAKER = {"adamw": 1.0, "sgd": 0.001}
APART = 0.1  # nats between validation and train; the quick preset ends at 0.07
NARROW, WIDE = 8, 32  # hidden units
CHECKS = 5  # of validation until the step where it was lowest, and as many in vain after it


def learned_nothing(train_loss: float | None, vocab_size: int) -> bool:
    """Whether a run ended worse than a model that gives every symbol the same chance; unknown is no."""
    return train_loss is not None and train_loss > uniform_loss(vocab_size) + ABOVE_UNIFORM


@dataclass(frozen=True, kw_only=True)
class Facts:
    """All that the rules look at. None where a run has no such number."""

    config: RunConfig
    vocab_size: int
    steps: int = 0  # updates made
    first_loss: float | None = None  # train loss before the first update
    train_loss: float | None = None
    val_loss: float | None = None
    turn: Turn | None = None
    unigram_loss: float | None = None  # validation losses of counting characters, pairs, and as long contexts
    bigram_loss: float | None = None
    counting_loss: float | None = None
    diverged: bool = False
    start_saturation: float | None = None  # share of the first hidden layer's outputs, before the first update
    saturation: float | None = None
    units: int = 0
    dead: int = 0
    looked_at: int = 0  # examples that those were seen on
    updates: Mapping[str, float] = field(default_factory=dict)  # median ratio in the middle of training, by weight
    test_openings: int = 0
    later_runs: int = 0  # of the same corpus and split, begun or continued after the test split was first opened


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
    return [_possible(finding, facts) for rule in RULES if (finding := rule(facts)) is not None]


def _possible(finding: Finding, facts: Facts) -> Finding:
    """The remedy for a branch: from the same weights again, where they fit a mended model and have not seen its words.

    A split drawn anew puts words into test that the weights were trained on.
    """
    mended = finding.mended
    if mended.origin is None or (mended.model, mended.split) == (facts.config.model, facts.config.split):
        return finding
    return replace(finding, remedy=f"{finding.remedy}, from scratch", mended=mended.replace(origin=None))


def gather(
    config: RunConfig,
    history: pd.DataFrame,
    dataset: Dataset,
    model: Model | None,
    *,
    diverged: bool = False,
    checkpoints: Sequence[Checkpoint] = (),
    unigram_loss: float | None = None,
    bigram_loss: float | None = None,
    test_openings: int = 0,
    later_runs: int = 0,
) -> Facts:
    """The facts of a run that has ended: from its curve, its updates, and its hidden units on some train examples."""
    curve, val = history.dropna(subset=["train_loss"]), history["val_loss"].dropna()
    losses, known = curve["train_loss"], len(curve) > 0
    facts = Facts(
        config=config,
        vocab_size=dataset.vocab.size,
        steps=int(history["step"].iloc[-1]) if len(history) else 0,
        first_loss=float(losses.iloc[0]) if known and curve["step"].iloc[0] == 0 else None,
        train_loss=float(losses.iloc[-1]) if known else None,
        val_loss=float(val.iloc[-1]) if len(val) else None,
        turn=turning_point(history),
        unigram_loss=unigram_loss,
        bigram_loss=bigram_loss,
        diverged=diverged,
        test_openings=test_openings,
        later_runs=later_runs,
        updates=_typical_updates(checkpoints, config.model.weight_names),
        **_units(config, dataset, model),
    )
    doubtful = facts.val_loss is not None and any(cause(facts) for cause in CAUSES)
    return replace(facts, counting_loss=counting_loss(dataset.train, dataset.val)) if doubtful else facts


def _typical_updates(checkpoints: Sequence[Checkpoint], names: Sequence[str]) -> dict[str, float]:
    """The median update ÷ weights of each weight tensor over the middle of training; empty where nothing is known."""
    done = checkpoints[-1].step if checkpoints else 0
    middle = [c.updates for c in checkpoints if c.updates and MIDDLE[0] * done <= c.step <= MIDDLE[1] * done]
    recorded = [name for name in names if name in middle[0]] if middle else []
    ratios = {name: float(np.median([updates[name].ratio for updates in middle])) for name in recorded}
    return {name: ratio for name, ratio in ratios.items() if math.isfinite(ratio)}


def looked_at(config: RunConfig) -> list[str]:
    """What a run is examined for, in words: hidden units only where :mod:`trace` writes their outputs out."""
    model, units = config.model.to_dict(), list[str]()
    if _writes_out(config):
        units = ["dead units", "saturation"] if model["activation"] == "tanh" else ["dead units"]
    start = ["divergence", "the first loss against ln V", "validation beside counting characters and pairs"]
    end = ["learning rate", "weight decay", "steps", *units, "updates beside the weights", "overfitting"]
    return [*start, *end, "whether the test split was opened before training was over"]


def _writes_out(config: RunConfig) -> bool:
    from .backprop import Backprop

    return Backprop.handles(config.model) and bool(config.model.hidden_sizes)


def _units(config: RunConfig, dataset: Dataset, model: Model | None) -> dict[str, Any]:
    """What the first hidden layer does now and did before the first update, which the seed brings back."""
    from .trace import neuron_report

    if model is None or not _writes_out(config):
        return {}
    contexts, _ = dataset.train.drawn(min(SAMPLED, len(dataset.train)))
    now = neuron_report(model, contexts)
    tanh = now.activation == "tanh"
    drawn = tanh and config.origin is None
    start = neuron_report(first_model(config, dataset.vocab.size), contexts).saturated if drawn else None
    facts: dict[str, Any] = {"start_saturation": start, "saturation": now.saturated if tanh else None}
    return facts | {"units": now.outputs.shape[1], "dead": len(now.dead), "looked_at": len(contexts)}


# ---- rules


def _diverged(facts: Facts) -> Finding | None:
    rose = _rose(facts)
    if not (facts.diverged or rose):
        return None
    rate, calm = facts.config.train.learning_rate, calmer_rate(facts.config.model, facts.config.train)
    number = f"learning rate {rate:g}"
    if rose:
        number = f"train loss {facts.first_loss:.4f} → {facts.train_loss:.4g}, {number}"
    return Finding(
        rule="divergence",
        title="The run diverged",
        number=number,
        reason="Steps so long jump across the valley and land higher on the other side, further each time.",
        remedy=f"Train with learning rate {calm:g}",
        mended=_train(facts, learning_rate=calm),
    )


def _rose(facts: Facts) -> bool:
    """Whether the train loss ended above its start by more than a stop in mid-air explains."""
    if facts.first_loss is None or facts.train_loss is None:
        return False
    room = 0.0 if learned_nothing(facts.train_loss, facts.vocab_size) else 0.5
    return facts.train_loss > facts.first_loss + room


def _first_loss(facts: Facts) -> Finding | None:
    best = uniform_loss(facts.vocab_size)
    wild = getattr(facts.config.model, "init", "scaled") == "lecture"  # other architectures have no choice
    wild &= facts.config.origin is None  # a branch does not begin with weights that were drawn
    if facts.first_loss is None or facts.first_loss <= best + FIRST_LOSS or not wild:
        return None
    number = f"first loss {facts.first_loss:.4f}, ln {facts.vocab_size} = {best:.4f}"
    if facts.start_saturation is not None:
        number += f"; {_percent(facts.start_saturation)} of tanh outputs beyond ±0.97 before the first update"
    mended = facts.config.replace(model=facts.config.model.replace(init="scaled"))
    stop = _overfits(facts) or _apart(facts)  # else what is gained at the start is lost to overfitting
    return Finding(
        rule="first_loss",
        title="The start is confidently wrong",
        number=number,
        reason="A model that knows nothing should give every character the same chance. Large output weights make it "
        "sure of the wrong ones, and the first updates only undo that.",
        remedy="Train with the scaled initialisation" + (", and stop when validation gets no better" if stop else ""),
        mended=mended.replace(train=_stopping(facts)) if stop else mended,
    )


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _fit(facts: Facts) -> Finding | None:
    """The likeliest cause of a run that learned less than it could."""
    if facts.val_loss is None or facts.diverged or _rose(facts) or _overfits(facts):
        return None
    causes = (found for cause in CAUSES if (found := cause(facts)))
    if _severe(facts):
        return next(causes, _untold(facts))
    behind = facts.counting_loss is not None and facts.val_loss > facts.counting_loss + BEHIND
    return next(causes, None) if behind else None


def _overfits(facts: Facts) -> bool:
    return facts.turn is not None and facts.turn.overfits and facts.turn.best_step > 0


def _stopping(facts: Facts) -> TrainConfig:
    """Early stopping that cannot end before the step where validation was lowest, and that looks there."""
    train = facts.config.train
    steps = facts.turn.best_step if facts.turn and _overfits(facts) else train.max_steps // 4
    return train.replace(patience=CHECKS, check_every=max(1, steps // CHECKS))


def _apart(facts: Facts) -> bool:
    """Whether the run has begun to fit its train words more than others."""
    return facts.train_loss is not None and facts.val_loss is not None and facts.val_loss > facts.train_loss + APART


def _severe(facts: Facts) -> bool:
    """Whether counting characters or pairs does better, on train too: a memorised corpus is another matter."""
    counted = [loss for loss in (facts.unigram_loss, facts.bigram_loss) if loss is not None]
    losses = [loss for loss in (facts.train_loss, facts.val_loss) if loss is not None]
    return bool(counted and losses) and min(losses) > min(counted) + SEVERE


def _ended(facts: Facts) -> str:
    """The validation loss at the end beside what counting reaches."""
    named = {"Kneser-Ney": facts.counting_loss}
    if _severe(facts):
        named = {"counting characters": facts.unigram_loss, "counting pairs": facts.bigram_loss} | named
    counted = [f"{what} reaches {loss:.4f}" for what, loss in named.items() if loss is not None]
    return ", ".join([f"validation loss {facts.val_loss:.4f} after {facts.steps:,} steps", *counted])


def _one_setting(
    facts: Facts, rule: str, title: str, reason: str, field: str, value: float, signs: Sequence[str] = ()
) -> Finding:
    """A finding whose remedy is another value of one setting of training."""
    name, own = field.replace("_", " "), getattr(facts.config.train, field)
    return Finding(
        rule=rule,
        title=title,
        number="; ".join([_ended(facts), f"{name} {own:g}", *signs]),
        reason=reason,
        remedy=f"Train with {name} {value:g}",
        mended=_train(facts, **{field: value}),
    )


def _slow(facts: Facts) -> Finding | None:
    train, usual = facts.config.train, _usual(facts)
    if train.learning_rate >= usual / SLOW[train.optimizer]:
        return None
    reason = "With steps this short the run ends near where it began."
    return _one_setting(facts, "rate_small", "The learning rate is small", reason, "learning_rate", usual)


def _held(facts: Facts) -> Finding | None:
    train = facts.config.train
    if train.weight_decay < STRONG[train.optimizer]:
        return None
    decay = min(train.weight_decay / 10, WEAKER[train.optimizer])
    reason = "Every update draws the weights towards 0, and the gradient no longer outweighs it."
    return _one_setting(facts, "weight_decay", "Weight decay is strong", reason, "weight_decay", decay)


def _short(facts: Facts) -> Finding | None:
    train = facts.config.train
    few, cut = FEW[train.optimizer], not train.patience and facts.steps < train.max_steps / 2
    if facts.steps >= few and not cut:
        return None
    all_steps = cut and train.max_steps >= few
    steps = train.max_steps if all_steps else max(10 * train.max_steps, ENOUGH[train.optimizer])
    return Finding(
        rule="steps",
        title="The run is short",
        number=_ended(facts),
        reason="It was stopped long before its end." if cut else "So few updates end before the loss has settled.",
        remedy=f"Train all {steps:,} steps" if all_steps else f"Train {steps:,} steps",
        mended=facts.config.replace(train=train.replace(max_steps=steps, patience=0)),
    )


def _hot(facts: Facts) -> Finding | None:
    train, usual, signs = facts.config.train, _usual(facts), _signs(facts)
    highest = HOT[train.optimizer] * usual
    if train.learning_rate <= highest or not (signs or _severe(facts)):
        return None
    rate = min(max(train.learning_rate / 10, usual), highest)
    reason = "What one batch has taught, the long steps of the next ones overwrite."
    return _one_setting(facts, "rate_large", "The learning rate is large", reason, "learning_rate", rate, signs)


def _signs(facts: Facts) -> list[str]:
    """What long steps have done to the weights and the hidden units."""
    signs = []
    name = max(facts.updates, key=lambda name: facts.updates[name], default="")
    if name and facts.updates[name] > LARGE_UPDATE:
        signs.append(f"update : {name} = {facts.updates[name]:.2g} in the middle of training")
    if facts.dead > DEAD * facts.units:
        signs.append(f"{facts.dead} of {facts.units} units stuck on all of {facts.looked_at:,} examples looked at")
    if (facts.saturation or 0.0) > SATURATED:
        signs.append(f"{_percent(facts.saturation or 0.0)} of tanh outputs beyond ±0.97")
    return signs


def _narrow(facts: Facts) -> Finding | None:
    fields = facts.config.model.to_dict()
    sizes = fields.get("hidden_sizes") or [fields.get("hidden_size", NARROW)]
    if min(sizes) >= NARROW:
        return None
    wide = [max(size, WIDE) for size in sizes]
    change = {"hidden_sizes": tuple(wide)} if "hidden_sizes" in fields else {"hidden_size": wide[0]}
    return Finding(
        rule="capacity",
        title="There are few hidden units",
        number=f"{_ended(facts)}; {', '.join(map(str, sizes))} hidden unit{'' if sizes == [1] else 's'}",
        reason="All that the context says has to pass through them.",
        remedy=f"Train with {' and '.join(map(str, wide))} hidden units",
        mended=facts.config.replace(model=facts.config.model.replace(**change)),
    )


CAUSES: tuple[Callable[[Facts], Finding | None], ...] = (_slow, _held, _short, _hot, _narrow)
"""What may keep a run from learning, in the order in which it is to be mended."""


def _untold(facts: Facts) -> Finding | None:
    """A run that counting beats, and no single setting says why."""
    preset = PRESETS[preset_for(facts.config.model.architecture)]
    mended = facts.config.replace(
        model=preset.model, train=preset.train.replace(seed=facts.config.train.seed), origin=None
    )
    if mended == facts.config:
        return None
    return Finding(
        rule="underfitting",
        title="Counting does better",
        number=_ended(facts),
        reason="No single setting stands out.",
        remedy=f"Train the preset {preset.title}",
        mended=mended,
    )


def _gap(facts: Facts) -> Finding | None:
    """The mended run makes the same updates, and keeps the weights of the step where validation was lowest."""
    turn = facts.turn
    if turn is None or not _overfits(facts) or facts.config.train.patience or facts.diverged or _rose(facts):
        return None
    return Finding(
        rule="overfitting",
        title="The run overfits",
        number=f"validation loss {turn.best_val:.4f} at step {turn.best_step:,}, {turn.last_val:.4f} at step "
        f"{turn.last_step:,}, while train loss fell from {turn.best_train:.4f} to {turn.last_train:.4f}",
        reason="What was learned after that step fits the train words better and the validation words worse.",
        remedy="Stop when validation gets no better",
        mended=facts.config.replace(train=_stopping(facts)),
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
        number=f"opened {times}, and {later} on the same split begun or continued after that",
        reason="What is chosen after looking at the test split is chosen by it, and its loss is no longer a test.",
        remedy=f"Train on a fresh split, split seed {seed}",
        mended=facts.config.replace(split=facts.config.split.replace(split_seed=seed, fixed=())),
    )


def _usual(facts: Facts) -> float:
    return usual_rate(facts.config.model, facts.config.train)


def _train(facts: Facts, **changes: float) -> RunConfig:
    return facts.config.replace(train=facts.config.train.replace(**changes))


RULES: tuple[Callable[[Facts], Finding | None], ...] = (_diverged, _first_loss, _fit, _gap, _test_opened)
