"""The training loop, as a generator: ``for step in train(...)`` runs it, ``break`` stops it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from .backprop import Autograd, Backprop, gradients_of
from .checkpoint import TensorUpdate
from .config import ModelConfig, TrainConfig, calmer_rate, require
from .contexts import ContextCounts, by_beginning
from .data import Dataset, Examples
from .evaluation import evaluate_parts, evaluate_splits, expected_seconds
from .family import is_statistic
from .layers import Levels, prefixes
from .model import Model, views

# Of Adam (Kingma & Ba 2015). Shorter memories than usual: runs here are short, and long ones lose nothing by it.
BETA1, BETA2, EPSILON = 0.85, 0.97, 1e-8
WARM_UP = 0.2  # share of a one-cycle schedule spent climbing to the learning rate
FIRST_SECONDS = 2.0  # that the exact losses before the first update may take
HEAD_START = 0.5  # seconds that count as passed when a run begins, so that its first moments can be evaluated
DENSE = 2**20  # cells of a table of targets that is kept whole: 4 MB, and a tenth of the time a batch
STEP_AT, STEP_FACTOR = 0.5, 0.1  # the lecture: half of the updates at 0.1, half at 0.01


@dataclass(frozen=True, kw_only=True)
class Step:
    """What training has to say at one moment. Numbers only; losses in nats per character."""

    step: int  # updates done
    learning_rate: float  # of the next update; after the last one, of the last
    seconds: float  # training and evaluating since this call began
    batch_loss: float | None = None  # mean over the updates since the last Step
    train_loss: float | None = None  # exact, as all below; None where this Step was not evaluated
    val_loss: float | None = None
    val_loss_unseen: float | None = None
    updates: Mapping[str, TensorUpdate] | None = None  # by tensor, of the update just done; at the steps of Pace.at

    @property
    def losses(self) -> dict[str, float]:
        """The exact losses, as far as they were measured."""
        named = {"train_loss": self.train_loss, "val_loss": self.val_loss, "val_loss_unseen": self.val_loss_unseen}
        return {name: loss for name, loss in named.items() if loss is not None}


@dataclass(frozen=True, kw_only=True)
class Pace:
    """When a training run reports. Never changes the weights.

    ``every`` updates if given: the same curve on every machine. Otherwise by the clock: often at first, when the
    loss falls, later every ``seconds``; evaluated as long as evaluations take no more than ``share`` of the time.
    At the steps ``at`` it reports too, on every machine, though without exact losses unless it is time for them.
    """

    every: int | None = None
    seconds: float = 0.2
    share: float = 0.2
    at: frozenset[int] = frozenset()
    losses: bool = True  # False: no exact losses at all, for a caller that only wants the speed or the weights

    def __post_init__(self) -> None:
        require(self.every is None or self.every >= 1, "every", "at least 1 update", self.every)
        require(self.seconds >= 0, "seconds", "at least 0", self.seconds)
        require(0 <= self.share <= 1, "share", "from 0 to 1", self.share)


class TrainingDiverged(RuntimeError):
    """The loss stopped being a finite number. The state holds the last weights whose loss was finite."""

    def __init__(self, step: int, learning_rate: float, calmer: float) -> None:
        self.step, self.learning_rate, self.calmer = step, learning_rate, calmer
        super().__init__(
            f"The loss was no longer a finite number at step {step:,} with learning_rate {learning_rate:g}. "
            f"Try a learning_rate of {calmer:g}."
        )

    def __reduce__(self) -> tuple[type[TrainingDiverged], tuple[int, float, float]]:
        return type(self), (self.step, self.learning_rate, self.calmer)  # it crosses processes


class TrainState:
    """A model in training and all that its next update depends on, so that it can be put away and continued.

    Randomness is explicit: initialisation, batches and dropout each draw from a generator of their own.
    """

    def __init__(self, model_config: ModelConfig, config: TrainConfig, vocab_size: int) -> None:
        self.config = config
        self.model = Model(model_config, vocab_size, seed=config.seed)
        self.moments = torch.zeros(2, self.model.flat.numel()) if config.optimizer == "adamw" else None
        self.generators = {
            name: torch.Generator().manual_seed((config.seed + offset) % 2**63)
            for name, offset in (("batches", 0x5EED_0001), ("dropout", 0x5EED_0002))
        }
        self.step = 0
        self.best: Tensor | None = None  # flat weights with the lowest validation loss at a check
        self.best_loss, self.checks_since_best = math.inf, 0

    def tensors(self) -> dict[str, Tensor]:
        """Everything that changes while training, as named tensors (copies)."""
        tensors = {"flat": self.model.flat, **{f"generator.{n}": g.get_state() for n, g in self.generators.items()}}
        tensors["progress"] = torch.tensor([self.step, self.best_loss, self.checks_since_best], dtype=torch.float64)
        if self.moments is not None:
            tensors["moments"] = self.moments
        if self.best is not None:
            tensors["best"] = self.best
        return {name: tensor.clone() for name, tensor in tensors.items()}

    def load(self, tensors: dict[str, Tensor]) -> None:
        """The inverse of :meth:`tensors`, for a state with the same configs; ``ValueError`` if they do not fit."""
        needed = {name: tensor for name, tensor in self.tensors().items() if name != "best"}
        needed |= {"best": self.model.flat} if "best" in tensors else {}
        shapes, got = ({n: (tuple(t.shape), t.dtype) for n, t in parts.items()} for parts in (needed, tensors))
        if shapes != got:
            raise ValueError(f"training state must fit its config ({shapes}), got {got}")
        self.model.flat.copy_(tensors["flat"])
        for name, generator in self.generators.items():
            generator.set_state(tensors[f"generator.{name}"])
        step, self.best_loss, since = tensors["progress"].tolist()
        self.step, self.checks_since_best = int(step), int(since)
        self.moments = tensors["moments"].clone() if self.moments is not None else None
        self.best = tensors["best"].clone() if "best" in tensors else None


def learning_rate_at(config: TrainConfig, step: int) -> float:
    """The learning rate of the update after ``step`` updates.

    ``step``: a tenth of it in the second half. ``one-cycle``: linear climb, then linear descent to zero
    (Smith & Topin 2018). ``inverse-time``: ε₀ / (1 + r·t), section 3.1 of Bengio et al. (2003).
    """
    rate, done = config.learning_rate, step / config.max_steps
    if config.schedule == "step":
        return rate if done < STEP_AT else rate * STEP_FACTOR
    if config.schedule == "inverse-time":
        return rate / (1 + config.decay_rate * step)
    if config.schedule == "one-cycle":
        climb = (step + 1) / max(1, WARM_UP * config.max_steps)
        return rate * min(1.0, climb, (1 - done) / (1 - WARM_UP))
    return rate


class Sampler(Protocol):
    """Draws batches: contexts (B, T) or beginnings of words, with targets as ids (B,) or distributions (B, V)."""

    def __call__(self, generator: torch.Generator) -> tuple[Tensor | Levels, Tensor]: ...


class ExampleSampler:
    """Examples drawn uniformly with replacement, as in the lecture."""

    def __init__(self, examples: Examples, batch_size: int) -> None:
        self.contexts, self.targets = torch.from_numpy(examples.contexts), torch.from_numpy(examples.targets)
        self.batch_size = batch_size

    def __call__(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        rows = torch.randint(len(self.targets), (self.batch_size,), generator=generator)
        return self.contexts[rows], self.targets[rows]


class _Targets:
    """What follows each distinct context, as distributions (B, V) that are written out for one batch at a time.

    After row M - 1 comes one of zeros, for what is no context.
    """

    def __init__(self, counts: ContextCounts) -> None:
        shares = counts.shares
        self.shares = replace(shares, starts=np.append(shares.starts, shares.starts[-1]))
        small = len(self.shares) * self.shares.width <= DENSE
        self.table = torch.from_numpy(self.shares.dense()) if small else None

    def __call__(self, rows: Tensor) -> Tensor:
        if self.table is not None:
            return self.table.index_select(0, rows)
        return torch.from_numpy(self.shares.dense(rows.numpy()))


class ContextSampler:
    """Distinct contexts drawn in proportion to their counts; the target is all that follows them.

    The expected gradient is that of examples, with less variance: the average over next characters is
    taken exactly instead of by drawing one (Rao–Blackwell). Draws are systematic, one random offset and
    B equally spaced places in the sorted examples, which spreads a batch over the whole corpus.
    """

    def __init__(self, examples: Examples, batch_size: int) -> None:
        counts = examples.counts
        self.contexts = torch.from_numpy(counts.contexts)
        self.targets = _Targets(counts)
        # Context of each example in the order of the contexts: drawing an example is drawing in proportion to counts.
        self.owner = torch.from_numpy(np.repeat(np.arange(len(counts.totals)), counts.totals.astype(np.int64)))
        self.spacing = counts.examples / batch_size
        self.points = torch.arange(batch_size, dtype=torch.float64) * self.spacing

    def __call__(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        offset = torch.rand(1, generator=generator, dtype=torch.float64) * self.spacing
        places = (self.points + offset).long().clamp_(max=len(self.owner) - 1)  # a sum of doubles may reach the end
        rows = self.owner[places]
        return self.contexts.index_select(0, rows), self.targets(rows)


class WordSampler:
    """Whole words, for models that read from left to right, each beginning of a word read once.

    Words are drawn one from each of B equal parts of the sorted list. All their beginnings are predicted, and as with
    :class:`ContextSampler` the target of one is all that follows it in train, not only in the word drawn. The loss is a
    ratio estimate, summed loss over the number of characters drawn, which varies: the expected gradient is that of
    examples only nearly, the more so the larger the batch. What of a word does not fit into the context is drawn by
    itself: a context with a target at its end only.
    """

    def __init__(self, examples: Examples, batch_size: int) -> None:
        counts, T = examples.counts, examples.contexts.shape[1]
        levels, ends = prefixes(torch.from_numpy(counts.contexts))
        sizes = [len(characters) for characters, _ in levels]
        self.starts = torch.tensor([0, *accumulate(sizes)])  # of each level
        self.characters = torch.cat([characters for characters, _ in levels])
        root = torch.full_like(levels[0][1], len(self.characters))  # above the first level; its own parent
        above = [parents + start for (_, parents), start in zip(levels[1:], self.starts[:-2], strict=True)]
        self.parents = torch.cat([root, *above, root[:1]])
        self.targets = _Targets(counts)
        self.contexts = torch.full_like(self.characters, len(ends))  # which each beginning is, or none
        self.contexts[ends] = torch.arange(len(ends))
        order = by_beginning(examples.contexts, examples.vocab_size)
        place = np.arange(len(examples)) - np.flatnonzero(np.diff(examples.word_index, prepend=-1))[examples.word_index]
        whole = (place == T - 1) | ((examples.targets == 0) & (place < T))  # the last of each word that fits
        rows = np.concatenate([order[whole[order]], np.flatnonzero(place >= T)])
        self.rows, self.words = ends[torch.from_numpy(counts.rows[rows])], int(whole.sum())
        self.spacing = len(rows) / batch_size
        self.points = torch.arange(batch_size, dtype=torch.float64) * self.spacing

    def __call__(self, generator: torch.Generator) -> tuple[Levels, Tensor]:
        offsets = torch.rand(len(self.points), generator=generator, dtype=torch.float64) * self.spacing
        places = (self.points + offsets).long().clamp_(max=len(self.rows) - 1)
        path = [self.rows[places]]
        for _ in range(len(self.starts) - 2):
            path.append(self.parents[path[-1]])
        nodes, which = torch.unique(torch.stack(path), return_inverse=True)
        which[1:, places >= self.words] = len(nodes)  # only their ends are predicted
        weights = torch.bincount(which.flatten(), minlength=len(nodes))[: len(nodes)]
        keep = nodes < len(self.characters)
        nodes, weights = nodes[keep], weights[keep]
        begins = torch.searchsorted(nodes, self.starts).tolist()
        parents = torch.searchsorted(nodes, self.parents[nodes])
        levels = [(self.characters[nodes[: begins[1]]], torch.zeros_like(nodes[: begins[1]]))]
        for before, begin, end in zip(begins, begins[1:], begins[2:], strict=False):
            if begin < end:
                levels.append((self.characters[nodes[begin:end]], parents[begin:end] - before))
        return levels, self.targets(self.contexts[nodes]) * (weights * len(nodes) / weights.sum())[:, None]


SAMPLERS: dict[str, Callable[[Examples, int], Sampler]] = {
    "examples": ExampleSampler,
    "contexts": ContextSampler,
    "words": WordSampler,
}


@torch.inference_mode()
def update(state: TrainState, gradient: Tensor, learning_rate: float) -> None:
    """One parameter update, in place: SGD, or AdamW (Loshchilov & Hutter 2019). Biases do not decay."""
    flat, config = state.model.flat, state.config
    if config.weight_decay:
        flat[: state.model.decayed].mul_(1 - learning_rate * config.weight_decay)
    if state.moments is None:
        flat.add_(gradient, alpha=-learning_rate)
        return
    mean, square = state.moments
    correction1, correction2 = 1 - BETA1 ** (state.step + 1), 1 - BETA2 ** (state.step + 1)
    mean.lerp_(gradient, 1 - BETA1)
    square.mul_(BETA2).addcmul_(gradient, gradient, value=1 - BETA2)
    scale = square.sqrt().div_(math.sqrt(correction2)).add_(EPSILON)
    flat.addcdiv_(mean, scale, value=-learning_rate / correction1)


class _Reporter:
    """Decides when to report and evaluate, and makes the Steps."""

    def __init__(self, state: TrainState, dataset: Dataset, pace: Pace, stop: Callable[[], bool]) -> None:
        self.state, self.dataset, self.pace, self.stop = state, dataset, pace, stop
        self.began = self.reported = time.perf_counter()
        self.evaluating = 0.0
        self.losses: list[float] = []

    def due(self) -> bool:
        """Whether it is time for a Step."""
        if self.pace.every is not None:
            return self.state.step % self.pace.every == 0
        now = time.perf_counter()
        return now - self.reported >= min(self.pace.seconds, 0.01 + 0.15 * (now - self.began))

    def affordable(self) -> bool:
        """Whether evaluating now keeps evaluations within their share of the time."""
        elapsed = time.perf_counter() - self.began + HEAD_START
        return self.pace.every is not None or self.evaluating <= self.pace.share * elapsed

    def quick(self) -> bool:
        """Whether the losses before the first update come at once; long ones wait their turn, as if just measured."""
        if self.pace.every is not None or not self.pace.losses or self.stop():
            return True
        expected = expected_seconds(self.state.model, self.dataset, tries=2)
        self.evaluating = expected if expected > FIRST_SECONDS else 0.0
        return not self.evaluating

    def step(self, *, evaluated: bool, due: bool = True) -> Step:
        start, state = time.perf_counter(), self.state
        exact: dict[str, Any] = {}
        if evaluated and self.pace.losses:
            exact = evaluate_splits(state.model, self.dataset, test=False, stop=self.stop)
        now = time.perf_counter()
        self.evaluating += now - start
        mean = sum(self.losses) / len(self.losses) if self.losses else None
        self.losses, self.reported = [], now if due else self.reported
        rate = learning_rate_at(state.config, min(state.step, state.config.max_steps - 1))
        return Step(step=state.step, learning_rate=rate, seconds=now - self.began, batch_loss=mean, **exact)


def train(
    state: TrainState,
    dataset: Dataset,
    *,
    pace: Pace | None = None,
    autograd: bool = False,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[Step]:
    """Train ``state`` in place; yields a :class:`Step` now, from time to time, and at the end.

    Between two Steps the state is the caller's: evaluate it, copy it, stop. The weights depend on the
    configs, the dataset, the machine and the number of threads, and on nothing else. Gradients are those
    derived by hand where there are some; with ``autograd`` they are PyTorch's, the same up to rounding.

    Parameters
    ----------
    stop : asked every fraction of a second while losses are computed, which may take minutes: if it says so, the
        Step comes at once and has none.

    Raises
    ------
    TrainingDiverged
        When a loss is not finite.
    """
    config, model = state.config, state.model
    torch.set_num_threads(config.threads)
    sample = SAMPLERS[config.sampler](dataset.train, config.batch_size)
    gradients = gradients_of(model, config.batch_size, autograd=autograd)
    dropout = state.generators["dropout"]
    report, finite = _Reporter(state, dataset, pace or Pace(), stop), _Finite(state)
    yield report.step(evaluated=report.quick())
    while state.step < config.max_steps:
        contexts, targets = sample(state.generators["batches"])
        loss = gradients(contexts, targets, dropout)  # forward, loss, backward
        finite.check(loss)
        finite.remember()
        update(state, gradients.gradient, learning_rate_at(config, state.step))
        state.step += 1
        report.losses.append(loss)
        if _stops_early(state, dataset, stop):
            break
        due, wanted = report.due(), state.step in report.pace.at
        if state.step < config.max_steps and (due or wanted):
            updates = _updates(model, finite.flat, gradients) if wanted else None
            step = report.step(evaluated=due and report.affordable(), due=due)
            finite.check(step.train_loss)
            yield replace(step, updates=updates)
    updates = _updates(model, finite.flat, gradients) if state.step in report.pace.at and report.losses else None
    if state.best is not None:
        model.flat.copy_(state.best)
    last = report.step(evaluated=True)
    finite.check(last.train_loss)  # the last update may have been the one that went too far
    yield replace(last, updates=updates)


def _updates(model: Model, before: Tensor, gradients: Autograd | Backprop) -> dict[str, TensorUpdate]:
    """What the update from the flat weights ``before`` did to each tensor, whatever optimiser made it."""
    old, found = views(before, model.config.shapes(model.vocab_size)), {}
    for name, tensor in model.tensors.items():
        if not is_statistic(name):
            spread, gradient = tensor.std(correction=0).item(), gradients.gradients[name]
            moved = (tensor - old[name]).std(correction=0).item()
            slope = gradient.std(correction=0).item()
            found[name] = TensorUpdate(moved / spread if spread else math.nan, gradient.mean().item(), slope)
    return found


class _Finite:
    """The last weights whose loss was a finite number, to go back to when one is not."""

    def __init__(self, state: TrainState) -> None:
        self.state, self.flat, self.step = state, state.model.flat.clone(), state.step

    def remember(self) -> None:
        self.flat.copy_(self.state.model.flat)
        self.step = self.state.step

    def check(self, loss: float | None) -> None:
        """Go back and raise :class:`TrainingDiverged` unless the loss is finite (or was not measured)."""
        if loss is None or math.isfinite(loss):
            return
        state, diverged_at = self.state, self.state.step
        state.model.flat.copy_(self.flat)
        state.step = self.step
        rate = state.config.learning_rate
        raise TrainingDiverged(diverged_at, rate, calmer_rate(state.model.config, state.config))


def _stops_early(state: TrainState, dataset: Dataset, stop: Callable[[], bool]) -> bool:
    """Early stopping: at a check, remember the weights if validation improved; true once patience is used up."""
    config = state.config
    if not config.patience or (state.step % config.check_every and state.step < config.max_steps):
        return False
    loss = evaluate_parts(state.model, {"val_loss": dataset.val}, stop).get("val_loss", math.nan)
    if math.isnan(loss) and stop():
        return False  # no check: the caller is asked at the next Step
    if loss < state.best_loss:
        state.best, state.best_loss, state.checks_since_best = state.model.flat.clone(), loss, 0
    else:
        state.checks_since_best += 1
    return state.checks_since_best >= state.config.patience
