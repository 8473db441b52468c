"""Where the time of one update goes, op by op, and how costs grow with the problem."""

from __future__ import annotations

import itertools
import random
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from mmcore import (
    BUNDLED_NAMES,
    PRESETS,
    Dataset,
    ModelConfig,
    SplitConfig,
    TrainConfig,
    TrainState,
    build_dataset,
    evaluate_splits,
    generate,
    learning_rate_at,
    read_words,
)
from mmcore.backprop import gradients_of
from mmcore.training import SAMPLERS, update

PRODUCTS = ("mm", "addmm", "bmm", "matmul")


def median_seconds(function: Callable[[], object], times: int = 200, warm_up: int = 20) -> float:
    """Median time of one call."""
    for _ in range(warm_up):
        function()
    marks = [time.perf_counter()]
    for _ in range(times):
        function()
        marks.append(time.perf_counter())
    return statistics.median(after - before for before, after in itertools.pairwise(marks))


def peak_gflops(size: int = 1024) -> float:
    """Matrix multiplication at its best on this machine, one thread, float32."""
    a, b, out = torch.randn(size, size), torch.randn(size, size), torch.empty(size, size)
    return 2 * size**3 / median_seconds(lambda: torch.mm(a, b, out=out), 15, 3) / 1e9


def one_step(model: ModelConfig, config: TrainConfig, dataset: Dataset) -> Callable[[], None]:
    """One update of training, as ``train()`` does it."""
    state = TrainState(model, config, dataset.vocab.size)
    sample, gradients = (
        SAMPLERS[config.sampler](dataset.train, config.batch_size),
        gradients_of(state.model, config.batch_size),
    )

    def step() -> None:
        contexts, targets = sample(state.generators["batches"])
        gradients(contexts, targets, state.generators["dropout"])
        update(state, gradients.gradient, learning_rate_at(config, 1))

    return step


class _Clock(TorchDispatchMode):
    """Times every operation that reaches the CPU kernels, by name and shapes."""

    def __init__(self) -> None:
        super().__init__()
        self.times: dict[tuple[str, str], list[float]] = defaultdict(list)
        self.order = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        began = time.perf_counter()
        result = func(*args, **(kwargs or {}))
        took = time.perf_counter() - began
        shapes = " · ".join("×".join(map(str, a.shape)) for a in args if isinstance(a, torch.Tensor))
        self.times[func.overloadpacket.__name__, shapes].append(took)
        return result


def _clock_overhead(times: int = 2_000) -> float:
    """Seconds that :class:`_Clock` adds to every operation."""
    small = torch.zeros(1)
    plain = median_seconds(lambda: small.add_(1), times)
    with _Clock() as clock:
        for _ in range(times):
            small.add_(1)
    (clocked,) = clock.times.values()
    return statistics.median(clocked) - plain


def step_table(model: ModelConfig, config: TrainConfig, steps: int = 300) -> dict[str, Any]:
    """An update's time by operation: microseconds, share, and for matrix products GFLOP/s against the peak.

    What the clock itself adds to an operation is measured on one that does next to nothing, and taken off.
    """
    dataset = build_dataset(read_words(BUNDLED_NAMES), SplitConfig(), model.context_size)
    step = one_step(model, config, dataset)
    total = median_seconds(step, steps)
    with _Clock() as clock:
        for _ in range(steps):
            step()
    peak, overhead, rows = peak_gflops(), _clock_overhead(), []
    for (name, shapes), times in clock.times.items():
        calls = len(times) / steps
        seconds = max(0.0, statistics.median(times) - overhead) * calls
        row: dict[str, Any] = {"op": name, "shapes": shapes, "calls": calls, "microseconds": seconds * 1e6}
        if name in PRODUCTS and seconds:
            row["gflops"] = _flops(shapes) * calls / seconds / 1e9
            row["share_of_peak"] = row["gflops"] / peak
        rows.append(row)
    rows.sort(key=lambda row: -row["microseconds"])
    attributed = sum(row["microseconds"] for row in rows)
    return {"step_microseconds": total * 1e6, "attributed_microseconds": attributed, "peak_gflops": peak, "ops": rows}


def _flops(shapes: str) -> float:
    left, right = [[int(n) for n in part.split("×")] for part in shapes.split(" · ")][-2:]
    batch = max(shape[0] if len(shape) == 3 else 1 for shape in (left, right))
    return 2 * batch * left[-2] * left[-1] * right[-1]


def growth() -> dict[str, list[dict[str, Any]]]:
    """How an update and the dataset grow with context size, hidden units, corpus size and vocabulary."""
    words = read_words(BUNDLED_NAMES).words
    tables: dict[str, list[dict[str, Any]]] = {"context_size": [], "hidden_size": [], "corpus": [], "vocabulary": []}
    for context_size in (1, 2, 3, 4, 5, 8, 16):
        tables["context_size"].append(
            {"context_size": context_size} | _cost(words, ModelConfig(context_size=context_size))
        )
    for hidden in (50, 100, 200, 400, 800):
        tables["hidden_size"].append({"hidden_size": hidden} | _cost(words, ModelConfig(hidden_sizes=(hidden,))))
    for lines in (10_000, 100_000, 1_000_000):
        tables["corpus"].append({"lines": lines} | _cost(more_words(words, lines), ModelConfig()))
    for extra in (0, 100, 1_000):
        tables["vocabulary"].append({"extra_symbols": extra} | _cost(_more_symbols(words, extra), ModelConfig()))
    tables["threads"] = threads(words)
    return tables


def threads(words: Sequence[str]) -> list[dict[str, Any]]:
    """An update with one and with two threads, for a small and a large model."""
    rows = []
    dataset = build_dataset(words, SplitConfig(), PRESETS["best"].model.context_size)
    for name in ("quick", "best"):
        preset = PRESETS[name]
        model = preset.model.replace(context_size=dataset.context_size)
        for count in (1, 2):
            torch.set_num_threads(count)
            step = median_seconds(one_step(model, preset.train, dataset), 200)
            rows.append({"model": preset.title, "threads": count, "step_microseconds": step * 1e6})
    torch.set_num_threads(1)
    return rows


def more_words(words: Sequence[str], lines: int) -> list[str]:
    """A corpus of any size, drawn from a model trained for a moment."""
    from mmcore import train

    data = build_dataset(words, SplitConfig(), 3)
    state = TrainState(ModelConfig(), TrainConfig(max_steps=500), data.vocab.size)
    for _step in train(state, data):
        pass
    drawn: list[str] = []
    while len(drawn) < lines:
        samples = generate(state.model, data.vocab, 10_000, sample_seed=len(drawn))
        drawn += [sample.word for sample in samples if sample.word]
    return drawn[:lines]


def _more_symbols(words: Sequence[str], extra: int) -> list[str]:
    """The words with some letters replaced by ``extra`` new symbols."""
    rng = random.Random(0)
    symbols = [chr(0x4E00 + i) for i in range(extra)]
    return [word[:-1] + rng.choice(symbols) if extra and rng.random() < 0.5 else word for word in words]


def _cost(words: Sequence[str], model: ModelConfig) -> dict[str, Any]:
    began = time.perf_counter()
    dataset = build_dataset(words, SplitConfig(), model.context_size)
    examples = len(dataset.train)
    built = time.perf_counter()
    distinct = len(dataset.train.counts.contexts)
    compacted = time.perf_counter()
    step = median_seconds(one_step(model, TrainConfig(), dataset), 100)
    state = TrainState(model, TrainConfig(), dataset.vocab.size)
    _ = (dataset.val.counts, dataset.val_unseen.counts, dataset.test.counts, dataset.test_unseen.counts)
    start = time.perf_counter()
    evaluate_splits(state.model, dataset, test=True)
    return {
        "examples": examples,
        "distinct_contexts": distinct,
        "vocab_size": dataset.vocab.size,
        "build_seconds": built - began,
        "compact_seconds": compacted - built,
        "step_microseconds": step * 1e6,
        "evaluate_all_seconds": time.perf_counter() - start,
    }
