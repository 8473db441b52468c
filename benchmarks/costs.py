"""Where the time of one update goes, op by op, and how costs grow with the problem."""

from __future__ import annotations

import functools
import itertools
import random
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

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
from mmcore.architectures import model_config
from mmcore.backprop import gradients_of
from mmcore.optimizer import update
from mmcore.samplers import SAMPLERS

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


class _Clock(TorchFunctionMode):
    """Times every call of PyTorch as the step makes it, by name and shapes.

    What the mode itself costs lies between the calls, so it is in no call's time; a dispatch mode's would be.
    """

    def __init__(self) -> None:
        super().__init__()
        self.times: dict[tuple[str, str], list[float]] = defaultdict(list)
        self.products: dict[tuple[str, str], Callable[[], object]] = {}  # the last call of each, to repeat it

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        began = time.perf_counter()
        result = func(*args, **(kwargs or {}))
        took = time.perf_counter() - began
        shapes = " · ".join("×".join(map(str, a.shape)) for a in args if isinstance(a, torch.Tensor))
        key = _called(func), shapes
        self.times[key].append(took)
        if key[0] in PRODUCTS:
            self.products[key] = functools.partial(func, *args, **(kwargs or {}))
        return result


def _called(func: Any) -> str:
    """What a program writes to call it: ``addmm``, ``[]``, ``.T``."""
    if func.__name__ == "__get__":
        return f".{func.__self__.__name__}"
    return "[]" if func.__name__ == "__getitem__" else str(func.__name__)


def _clock_cost(times: int = 10_000) -> float:
    """Seconds between two looks at the clock with nothing between them."""
    return statistics.median(-(time.perf_counter() - time.perf_counter()) for _ in range(times))


def step_table(model: ModelConfig, config: TrainConfig, steps: int = 300) -> dict[str, Any]:
    """An update's time by operation: microseconds, share, and for matrix products GFLOP/s against the peak.

    Updates with and without the clock take turns, so that a change of the machine's speed is in both. A product's
    ``alone`` is its time when nothing but it runs, over and over: the peak for its shapes.
    """
    dataset = build_dataset(read_words(BUNDLED_NAMES), SplitConfig(), model.context_size)
    step = one_step(model, config, dataset)
    clock, whole = _Clock(), []
    for _ in range(steps):
        whole.append(median_seconds(step, 5, 2))
        with clock:
            step()
    total, peak, cost, rows = statistics.median(whole), peak_gflops(), _clock_cost(), []
    for (name, shapes), times in clock.times.items():
        calls = len(times) / steps
        seconds = (statistics.median(times) - cost) * calls
        row: dict[str, Any] = {"op": name, "shapes": shapes, "calls": calls, "microseconds": seconds * 1e6}
        if product := clock.products.get((name, shapes)):
            row["gflops"] = _flops(shapes) * calls / seconds / 1e9
            row["share_of_peak"] = row["gflops"] / peak
            with torch.inference_mode():
                row["alone_microseconds"] = median_seconds(product, 500) * calls * 1e6
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
            {"context_size": context_size} | _cost(words, model_config(context_size=context_size))
        )
    for hidden in (50, 100, 200, 400, 800):
        tables["hidden_size"].append({"hidden_size": hidden} | _cost(words, model_config(hidden_sizes=(hidden,))))
    for lines in (10_000, 100_000, 1_000_000):
        tables["corpus"].append({"lines": lines} | _cost(more_words(words, lines), model_config()))
    for extra in (0, 100, 1_000):
        tables["vocabulary"].append({"extra_symbols": extra} | _cost(_more_symbols(words, extra), model_config()))
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
    state = TrainState(model_config(), TrainConfig(max_steps=500), data.vocab.size)
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
