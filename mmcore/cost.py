"""What a run will need: memory while it trains and is evaluated, and room in the store. No torch here.

Estimates from a config and what the corpus's report counts, so that a run which cannot end well is refused before
it begins. They are rather too high than too low: what a batch holds in common is counted for each of its contexts.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .architectures.interface import ModelConfig, is_statistic
from .checkpoint import COUNT, FLOAT, affordable
from .config import RunConfig
from .corpus import CorpusReport

MAX_FILE_BYTES = 512 * 2**20  # of a weights file that will be read again
MAX_HEADER_BYTES = 8 * 2**20  # of what stands before its numbers: as Python objects up to thirty times as much
MAX_ROW_BYTES = 10**9  # SQLite's limit of a row, as it is compiled by default; PostgreSQL's of a value is 2**30
MEMORY_SHARE = 0.5  # of the machine's, that one run may take
PROCESS = 350 * 2**20  # Python and torch themselves
CONTEXT = 700  # bytes for a distinct context: what follows it, and where it stands among the others
CURVE = 2**18  # a curve, its samples and the row of a run at their longest
CGROUP = Path("/sys/fs/cgroup")
MEMORY_LIMITS = ("memory.max", "memory/memory.limit_in_bytes")  # of a container, there


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Bytes that a run needs: of memory by what takes them, and in the store."""

    model: int  # weights, gradients, the optimiser's moments, and what a save copies
    batch: int  # activations and their gradients
    evaluation: int
    corpus: int
    file: int  # of weights
    row: int  # weights and training state
    film: int  # checkpoints along the way
    start: int  # weights of another run that it begins with

    @property
    def memory(self) -> int:
        """In all."""
        return PROCESS + self.model + max(self.batch, self.evaluation) + self.corpus

    @property
    def stored(self) -> int:
        """In the store once it has ended."""
        return self.row + self.film + self.start + CURVE


def estimate(config: RunConfig, report: CorpusReport, checkpoints: int = COUNT) -> Cost:
    """What a run on a corpus will need, about."""
    model, train, V, T = config.model, config.train, len(report.characters) + 1, config.model.context_size
    examples = report.kept + sum(report.characters.values())
    length = min(T, examples / report.kept)  # of a context that begins with its word, of a word and its boundary
    predicted = length if train.sampler == "words" else 1
    made, seen = (model.activations(length, training=training) for training in (True, False))
    numbers = sum(map(math.prod, model.shapes(V).values()))
    saved = numbers * (2 + 2 * (train.optimizer == "adamw") + (train.patience > 0))
    # Weights, moments, gradient and the last finite weights; then a save copies weights and state more than once.
    model_numbers = 5 * saved + 2 * model.tables(V)
    return Cost(
        model=FLOAT.itemsize * model_numbers,
        batch=int(FLOAT.itemsize * train.batch_size * (4 * made + 4 * predicted * V)),
        evaluation=int(FLOAT.itemsize * min(model.rows_at_once, examples) * (2 * seen + 3 * V)),
        corpus=examples * (16 * T + 100) + CONTEXT * min(examples, V**T) + 100 * report.kept,
        file=FLOAT.itemsize * numbers,
        row=FLOAT.itemsize * saved,
        film=FLOAT.itemsize * numbers * affordable(numbers, checkpoints),
        start=FLOAT.itemsize * numbers * (config.origin is not None),
    )


def accept(config: RunConfig, report: CorpusReport, checkpoints: int = COUNT) -> Cost:
    """The estimate of a run; ``ValueError`` with the figure and what to lower where it needs more than there is."""
    cost, smaller = estimate(config, report, checkpoints), _sizes(config.model)
    _within(cost.file, MAX_FILE_BYTES, "weights", smaller)
    _within(cost.row, MAX_ROW_BYTES, "weights and training state together", smaller)
    largest = max(("model", "batch", "evaluation", "corpus"), key=lambda part: int(getattr(cost, part)))
    lower = {"model": smaller, "batch": f"batch_size ({config.train.batch_size:,})"}
    place = f"context_size ({config.model.context_size})"
    _within(cost.memory, int(MEMORY_SHARE * memory_limit()), "memory", lower.get(largest, place), " on this machine")
    return cost


def _within(needed: int, limit: int, what: str, lower: str, where: str = "") -> None:
    if needed > limit:
        rule = f"{what} must be at most {amount(limit)} for a run{where}"
        raise ValueError(f"{rule}, got about {amount(needed)} for these settings: lower {lower}")


def _sizes(model: ModelConfig) -> str:
    """The settings that decide how large a model is, with what they are."""
    sizes = {name: getattr(model, name, None) for name in ("hidden_sizes", "hidden_size", "layers", "embedding_dim")}
    said = [f"{name} ({str(size).strip('(),')})" for name, size in sizes.items() if size]
    return " or ".join(said) or "the number of distinct characters"


def amount(count: float, digits: int = 3) -> str:
    """A number of bytes as people say it; fewer digits for a guess."""
    count = float(f"{count:.{digits}g}")
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:g} {unit}"
        count /= 1000
    return f"{count:g} GB"


def memory_limit() -> int:
    """Bytes of memory that this machine, or the container this runs in, has."""
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    files = [CGROUP / name for name in MEMORY_LIMITS]
    told = [file.read_text().strip() for file in files if file.is_file()]
    return min([physical, *(int(limit) for limit in told if limit.isdecimal())])


def duration(seconds: float) -> str:
    """Seconds as someone would say them: ``1.3 s``, ``42 s``, ``3 min 5 s``, ``2 h 10 min``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600:,} h {whole % 3600 // 60} min"


# ---- time

FEW_STEPS = 20  # of a run that was stopped at once, most of the time went into its start


@dataclass(frozen=True)
class Estimate:
    """How long a run may take."""

    seconds: float
    measured: bool  # from the speed of an earlier run on this server; otherwise a rough guess

    def __str__(self) -> str:
        time = duration(self.seconds)
        about, roughly = ("less than 0.1 s",) * 2 if time == "0.0 s" else (f"about {time}", f"roughly {time}")
        return f"{about} at the speed of earlier runs" if self.measured else f"{roughly}, a guess"


def expected_time(config: RunConfig, vocab_size: int, earlier: Sequence[tuple[RunConfig, int, float]]) -> Estimate:
    """Expected training time, from the earlier run that is most like it.

    Parameters
    ----------
    earlier : config, steps done and seconds of runs of the same store; few steps or under 0.3 s say too little.
    """
    work = _step_work(config, vocab_size)
    best, closest = 1.0, math.inf
    for other, steps, seconds in earlier:
        theirs = _step_work(other, vocab_size)
        distance = abs(math.log(work / theirs)) + (other.train.sampler != config.train.sampler)
        distance += other.train.compiled != config.train.compiled
        if steps >= FEW_STEPS and seconds > 0.3 and distance < closest:
            best, closest = seconds / steps / theirs, distance
    return Estimate(best * work * config.train.max_steps, measured=closest < math.inf)


def expected_times(
    configs: Sequence[RunConfig], vocab_size: int, earlier: Sequence[tuple[RunConfig, int, float]], at_once: int
) -> Estimate:
    """Expected time until the last of several runs ends, so many at once; see :func:`expected_time`."""
    each = [expected_time(config, vocab_size, earlier) for config in configs]
    seconds = [estimate.seconds for estimate in each]
    return Estimate(max(sum(seconds) / at_once, *seconds), measured=all(estimate.measured for estimate in each))


def _step_work(config: RunConfig, vocab_size: int) -> float:
    """Rough seconds of one update on one core of 2020: fixed costs, the parameters, the batch through them."""
    parameters, batch = config.model.parameters(vocab_size), config.train.batch_size
    normalising = sum("gain" in name or is_statistic(name) for name in config.model.shapes(vocab_size))
    touched = 8 if config.train.optimizer == "adamw" else 3  # times an update goes over the parameters
    fixed = 1e-4 + 5e-5 * normalising  # small operations, each of which takes as long as it takes to ask for it
    return fixed + 4e-10 * touched * parameters + 1.5e-10 * batch * parameters * config.model.reuse
