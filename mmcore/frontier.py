"""Goals: the lowest validation loss for so many parameters, seconds or updates, and how near a visitor's runs come.

What there is to beat was measured once and lies in ``frontier.json``, which ``python -m benchmarks.frontier`` writes:
every preset over five seeds, this project's speed records, and published figures. No torch here.
"""

from __future__ import annotations

import contextlib
import json
import re
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import Any

from .architectures import model_config
from .architectures.interface import ModelConfig
from .config import Origin, RunConfig, SplitConfig, TrainConfig
from .fields import require
from .fronts import pareto
from .presets import PRESETS, preset_of
from .store import RunFilter, RunResult, RunState, RunStore

NOISE = 0.01  # nats: what another seed may change, by the spread over seeds in benchmarks/PARITY.md
RECORDED = Path(__file__).parent / "frontier.json"
_SEED = re.compile(r'(?<="seed": )\d+')  # in settings as they are stored
COSTS = {"parameters": "parameters", "seconds": "seconds", "steps": "updates"}
"""What a loss may cost, and how that is said."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """One run: its validation loss, and what that cost."""

    run_id: str
    name: str
    val_loss: float  # exact, nats per character
    parameters: int
    seconds: float
    steps: int
    preset: str | None  # whose settings it has, with whatever seed

    def cost(self, of: str) -> float:
        """One of :data:`COSTS`."""
        return float(getattr(self, of))


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A result to compare with: of some settings over seeds, or a published one."""

    title: str
    source: str
    parameters: int
    steps: int | None  # None where that is not known, as are seconds
    seconds: float | None = None  # median over the seeds, of one core
    val_losses: tuple[float, ...]  # one a seed; a published figure alone
    differs: str = ""  # how it was measured otherwise than a visitor's runs

    @property
    def val_loss(self) -> float:
        """The median."""
        return statistics.median(self.val_losses)

    def cost(self, of: str) -> float | None:
        """One of :data:`COSTS`."""
        found = getattr(self, of)
        return None if found is None else float(found)


@dataclass(frozen=True, kw_only=True)
class Goal:
    """A limit on one cost, and settings within it to begin with."""

    cost: str  # of COSTS
    limit: float
    model: ModelConfig
    train: TrainConfig
    hint: str  # what to try

    def said(self) -> str:
        """The limit in words, as ``5,000 parameters``."""
        return f"{self.limit:,g} {COSTS[self.cost]}"


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How near a visitor's runs come to a goal."""

    goal: Goal
    bar: float  # the loss to beat by more than NOISE
    holder: str  # what has it
    best: Point | None  # the visitor's lowest within the limit; a preset as it is does not count

    @property
    def lead(self) -> float | None:
        """How much lower the visitor's loss is than the bar."""
        return None if self.best is None else self.bar - self.best.val_loss

    @property
    def reached(self) -> bool:
        """Whether that is more than another seed's noise."""
        return self.lead is not None and self.lead > NOISE


@cache
def measured() -> tuple[Reference, ...]:
    """The presets, and the speed records of this project: all on the bundled names and the default split."""
    return tuple(
        Reference(
            title=row["title"],
            source=row["source"],
            parameters=row["parameters"],
            steps=row["steps"],
            seconds=statistics.median(run["seconds"] for run in row["runs"]),
            val_losses=tuple(run["val_loss"] for run in row["runs"]),
        )
        for row in recorded()["measured"]
    )


@cache
def published() -> tuple[Reference, ...]:
    """Figures that others have published; they set no bar, for their words are not quite these."""
    return tuple(Reference(**row | {"val_losses": tuple(row["val_losses"])}) for row in recorded()["published"])


@cache
def recorded() -> dict[str, Any]:
    """The file as it is."""
    found: dict[str, Any] = json.loads(RECORDED.read_text(encoding="utf-8"))
    return found


def comparable(corpus_sha256: str) -> RunFilter:
    """The runs that may count: on the bundled names, whose hash this is, with the default split, and over."""
    over = (RunState.FINISHED, RunState.STOPPED)
    return RunFilter(states=over, corpus_sha256=corpus_sha256, split=SplitConfig())


def points(store: RunStore, results: Iterable[RunResult], vocab_size: int) -> list[Point]:
    """Results as points, with what they cost in all; those whose settings cannot be read are left out.

    A run that was continued counts all its training, and a branch also that of the weights it began with. A branch of
    a run that is not there any more is left out: what it cost is not known.
    """
    found, before = [], cache(partial(_spent_before, store))
    for result in results:
        with contextlib.suppress(ValueError, TypeError, KeyError, AttributeError):  # of another version, or damaged
            parameters, preset, origin = _described(_SEED.sub("0", result.config), vocab_size)
            steps, seconds = before(origin)
            costs = {"parameters": parameters, "steps": result.step + steps, "seconds": result.seconds + seconds}
            point = Point(run_id=result.id, name=result.name, val_loss=result.val_loss, preset=preset, **costs)  # type: ignore[arg-type]
            found.append(point)
    return found


@lru_cache(maxsize=2**14)
def _described(settings: str, vocab_size: int) -> tuple[int, str | None, Origin | None]:
    """How many parameters, of which preset, and what it is a branch of: the same for all seeds of a run's settings."""
    config = RunConfig.from_dict(json.loads(settings))
    return config.model.parameters(vocab_size), preset_of(config), config.origin


def _spent_before(store: RunStore, origin: Origin | None) -> tuple[int, float]:
    """Updates and seconds behind the weights that a branch begins with; ``ValueError`` where nobody knows any more."""
    steps, seconds = 0, 0.0
    for ancestor in store.ancestors(origin):
        run, step = ancestor.run, ancestor.origin.step
        if run is None:
            raise ValueError(f"origin must be in the store, got run {ancestor.origin.run_id}")
        curve, origin = store.history(run.id), run.config.origin
        steps, seconds = steps + step, seconds + float(curve.seconds[curve.step <= step].max())
    require(origin is None, "origin", "one whose ancestors are all known", origin)
    return steps, seconds


def front(found: Sequence[Point], cost: str) -> list[Point]:
    """Those that none of the others beats, the cheapest first; of several that are equal the one with the first id."""
    best = pareto([point.cost(cost) for point in found], [point.val_loss for point in found])
    chosen = sorted((point for point, on_it in zip(found, best, strict=True) if on_it), key=lambda point: point.run_id)
    of_cost = {point.cost(cost): point for point in reversed(chosen)}
    return [of_cost[each] for each in sorted(of_cost)]


def standing(goal: Goal, own: Sequence[Point]) -> Standing:
    """Where the visitor is with a goal.

    The bar is the lowest loss within the limit of a preset or a record, with whichever seed, recorded or in a run of
    the visitor's: on a faster machine a preset may come within a limit of seconds that it misses elsewhere.
    """
    bars = [(min(ref.val_losses), _holder(ref)) for ref in measured() if _within(ref.cost(goal.cost), goal)]
    there = [point for point in own if _within(point.cost(goal.cost), goal)]
    bars += [(point.val_loss, f"{PRESETS[point.preset].title}, your run") for point in there if point.preset]
    bar, holder = min(bars)
    best = min((point for point in there if not point.preset), key=lambda point: point.val_loss, default=None)
    return Standing(goal=goal, bar=bar, holder=holder, best=best)


def _within(cost: float | None, goal: Goal) -> bool:
    return cost is not None and cost <= goal.limit


def _holder(reference: Reference) -> str:
    return f"{reference.title}, best of {len(reference.val_losses)} seeds"


def config_of(goal: Goal, corpus_sha256: str) -> RunConfig:
    """The run to begin a goal with."""
    return RunConfig(corpus_sha256=corpus_sha256, model=goal.model, train=goal.train)


_QUICK, _BLINK, _GRU = (PRESETS[name] for name in ("quick", "blink", "gru"))
GOALS: tuple[Goal, ...] = (
    Goal(
        cost="parameters",
        limit=1_000,
        model=model_config(context_size=1, embedding_dim=4, hidden_sizes=(20,)),
        train=_QUICK.train.replace(max_steps=1_000),
        hint="This begins with one character of context, all that a table of pairs sees. What would a second one cost?",
    ),
    Goal(
        cost="parameters",
        limit=5_000,
        model=model_config(embedding_dim=2, hidden_sizes=(100,)),
        train=_QUICK.train.replace(max_steps=1_000),
        hint="This begins with the lecture's first model: two numbers a character. Fewer units would pay for more.",
    ),
    Goal(
        cost="parameters",
        limit=20_000,
        model=model_config(context_size=4, embedding_dim=4),
        train=_QUICK.train.replace(max_steps=1_000),
        hint="Longer contexts, longer training, or an architecture that uses its weights again at every character.",
    ),
    Goal(
        cost="seconds",
        limit=0.5,
        model=_BLINK.model,
        train=_BLINK.train.replace(max_steps=600),
        hint="Fewer parameters make an update faster, a larger batch makes it better. What is the best mix?",
    ),
    Goal(
        cost="seconds",
        limit=5,
        model=_BLINK.model,
        train=_BLINK.train.replace(max_steps=1_000),
        hint="Ten times as long: more updates, more units, more context, and something against overfitting.",
    ),
    Goal(
        cost="seconds",
        limit=60,
        model=_GRU.model,
        train=_GRU.train.replace(max_steps=1_500),
        hint="A minute holds a wide MLP or a recurrent network, and both can overfit in it.",
    ),
    Goal(
        cost="steps",
        limit=200,
        model=_QUICK.model,
        train=_QUICK.train.replace(max_steps=200),
        hint="Every update counts: try larger batches, a higher learning rate, more numbers a character.",
    ),
    Goal(
        cost="steps",
        limit=2_000,
        model=_GRU.model,
        train=_GRU.train.replace(max_steps=600),
        hint="An update may take as long as it likes: whole words at a time, wide layers, much dropout.",
    ),
    Goal(
        cost="steps",
        limit=20_000,
        model=_GRU.model.replace(state_dropout=0.1),
        train=_GRU.train.replace(max_steps=4_000),
        hint="With so many updates a model overfits: dropout, weight decay and early stopping decide.",
    ),
)
