"""The same model in other libraries: ``python -m benchmarks.peers [NODE_FOLDER]``.

The program *autograd + AdamW* of :mod:`benchmarks.contestants` (its model, batch size, schedule, optimiser and number
of updates for the lecture's loss), written with JAX, ``torch.compile``, tfjs and micrograd. All begin with the same
weights and see the same batches, so they have to end with the same validation loss. What is compiled ahead counts once
and is told apart; the dataset is handed to them and does not count. Everything on one core, beside ``ours`` and
*autograd + AdamW*, in turn for each seed.

Needs requirements-peers.txt, and for tfjs Node with NODE_FOLDER/node_modules: ``npm install @tensorflow/tfjs@4.22.0
@tensorflow/tfjs-backend-wasm@4.22.0`` there. What is not installed is left out, and said.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from benchmarks.contestants import CONTEXT, HIDDEN, Net, competent, ours
from benchmarks.speed import COMPETENT, OURS, OURS_MODEL, RESULTS, SEEDS, SPLIT_SEED
from mmcore import BUNDLED_NAMES, Dataset, SplitConfig, build_dataset, read_words

KEPT = RESULTS / "peers.json"
SETTINGS = COMPETENT["lecture"]
BETAS, EPSILON = (0.9, 0.99), 1e-8
SCALAR_EXAMPLES = 4  # that micrograd is timed on
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Lesson:
    """What every peer is given: first weights, examples, and for each update its rows and learning rate."""

    data: Dataset
    seed: int

    @cached_property
    def net(self) -> Net:
        """PyTorch's own modules, with the weights that all begin with."""
        torch.manual_seed(self.seed)
        return Net(self.data.vocab.size, SETTINGS.dim)

    @cached_property
    def weights(self) -> dict[str, Floats]:
        """C (V, d), W1 (3d, 200), b1, W2 (200, V), b2."""
        net = self.net
        found = {"C": net.embedding.weight, "W1": net.hidden.weight.T, "b1": net.hidden.bias}
        found |= {"W2": net.output.weight.T, "b2": net.output.bias}
        return {name: tensor.detach().numpy().copy() for name, tensor in found.items()}

    @cached_property
    def rows(self) -> NDArray[np.int32]:
        """Which examples each update sees (steps, batch)."""
        shape = (SETTINGS.steps, SETTINGS.batch_size)
        return np.random.default_rng(self.seed).integers(0, len(self.data.train), shape, dtype=np.int32)

    @cached_property
    def rates(self) -> Floats:
        """The one-cycle schedule (steps,), as PyTorch counts it."""
        dummy = torch.optim.SGD([torch.zeros(1)], lr=1.0)
        cycle = torch.optim.lr_scheduler.OneCycleLR(
            dummy, SETTINGS.learning_rate, SETTINGS.steps, pct_start=0.1, cycle_momentum=False
        )
        rates = []
        for _ in range(SETTINGS.steps):
            rates.append(cycle.get_last_lr()[0])
            dummy.step()
            cycle.step()
        return np.array(rates, dtype=np.float32)


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a peer took, and where it ended."""

    seconds: float  # training and an exact validation loss
    compiling: float = 0.0  # seconds, once, not among the others
    val_loss: float | None = None
    note: str = ""


def with_jax(lesson: Lesson) -> Found:
    """All updates as one compiled loop."""
    import jax
    import jax.numpy as jnp

    Weights = dict[str, Any]

    def loss(p: Weights, x: Any, y: Any) -> Any:
        hidden = jnp.tanh(p["C"][x].reshape(len(x), -1) @ p["W1"] + p["b1"])
        log_p = jax.nn.log_softmax(hidden @ p["W2"] + p["b2"])
        return -jnp.take_along_axis(log_p, y[:, None], axis=1).mean()

    def update(state: Any, given: Any) -> Any:
        p, m, v = state
        rows, rate, t = given
        gradient = jax.grad(loss)(p, X[rows], Y[rows])
        first, second = BETAS
        m = jax.tree.map(lambda m, g: first * m + (1 - first) * g, m, gradient)
        v = jax.tree.map(lambda v, g: second * v + (1 - second) * g * g, v, gradient)
        scale = jnp.sqrt(1 - second**t) / (1 - first**t)
        p = jax.tree.map(
            lambda p, m, v: p - rate * scale * m / (jnp.sqrt(v) + EPSILON * jnp.sqrt(1 - second**t)), p, m, v
        )
        return (p, m, v), None

    @jax.jit
    def learn(p: Weights, rows: Any, rates: Any) -> Weights:
        zeros = jax.tree.map(jnp.zeros_like, p)
        steps = jnp.arange(1, len(rates) + 1, dtype=jnp.float32)
        (p, _, _), _ = jax.lax.scan(update, (p, zeros, zeros), (rows, rates, steps))
        return p

    train, val = lesson.data.train, lesson.data.val
    X, Y = jnp.asarray(train.contexts), jnp.asarray(train.targets)
    X_val, Y_val = jnp.asarray(val.contexts), jnp.asarray(val.targets)
    weights = {name: jnp.asarray(value) for name, value in lesson.weights.items()}
    given = (weights, jnp.asarray(lesson.rows), jnp.asarray(lesson.rates))
    began = time.perf_counter()
    learned, measured = learn.lower(*given).compile(), jax.jit(loss).lower(weights, X_val, Y_val).compile()
    compiled = time.perf_counter()
    val_loss = float(measured(learned(*given), X_val, Y_val))
    return Found(seconds=time.perf_counter() - compiled, compiling=compiled - began, val_loss=val_loss)


def with_torch_compile(lesson: Lesson) -> Found:
    """PyTorch's modules through its compiler."""
    train, val = lesson.data.train, lesson.data.val
    X, Y, X_val, Y_val = map(torch.from_numpy, (train.contexts, train.targets, val.contexts, val.targets))
    net = lesson.net
    compiled_loss: Callable[..., Any] = torch.compile(lambda x, y: F.cross_entropy(net(x), y), dynamic=False)
    rows = torch.from_numpy(lesson.rows).long()
    began = time.perf_counter()
    compiled_loss(X[rows[0]], Y[rows[0]]).backward()
    with torch.no_grad():
        compiled_loss(X_val, Y_val)
    compiled = time.perf_counter()
    optimizer = torch.optim.AdamW(net.parameters(), lr=1.0, betas=BETAS, weight_decay=0.0, fused=True)
    for chosen, rate in zip(rows, lesson.rates.tolist(), strict=True):
        optimizer.param_groups[0]["lr"] = rate
        optimizer.zero_grad()
        compiled_loss(X[chosen], Y[chosen]).backward()
        optimizer.step()
    with torch.no_grad():
        val_loss = compiled_loss(X_val, Y_val).item()
    return Found(seconds=time.perf_counter() - compiled, compiling=compiled - began, val_loss=val_loss)


def with_tfjs(lesson: Lesson, folder: Path) -> Found:
    """tfjs with WebAssembly, as a browser has it, in Node."""
    train, val = lesson.data.train, lesson.data.val
    with tempfile.TemporaryDirectory() as shared:
        arrays = {"X": train.contexts, "Y": train.targets, "X_val": val.contexts, "Y_val": val.targets}
        for name, values in (arrays | {"rows": lesson.rows}).items():
            (Path(shared) / name).write_bytes(np.ascontiguousarray(values, dtype=np.int32).tobytes())
        for name, numbers in (lesson.weights | {"rates": lesson.rates}).items():
            (Path(shared) / name).write_bytes(np.ascontiguousarray(numbers, dtype=np.float32).tobytes())
        sizes = (lesson.data.vocab.size, SETTINGS.dim, CONTEXT, HIDDEN, SETTINGS.batch_size)
        script = Path(__file__).with_name("peers.cjs")
        command = ["node", str(script), shared, *map(str, sizes)]
        environment = os.environ | {"NODE_PATH": str(folder / "node_modules")}
        said = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
    return Found(**json.loads(said.splitlines()[-1]))


def with_micrograd(lesson: Lesson) -> Found:
    """A few examples, number by number, and from them the time for all; it has no exponential, so this adds one."""
    from micrograd.engine import Value

    def exp(x: Any) -> Any:
        out = Value(math.exp(x.data), (x,), "exp")

        def backward() -> None:
            x.grad += out.data * out.grad

        out._backward = backward
        return out

    def log(x: Any) -> Any:
        out = Value(math.log(x.data), (x,), "log")

        def backward() -> None:
            x.grad += out.grad / x.data

        out._backward = backward
        return out

    def tanh(x: Any) -> Any:
        return 1 - 2 / (exp(2 * x) + 1)

    def linear(inputs: list[Any], weights: list[list[Any]], bias: list[Any]) -> list[Any]:
        return [sum((x * row[j] for x, row in zip(inputs, weights, strict=True)), own) for j, own in enumerate(bias)]

    p: dict[str, Any] = {
        name: [[Value(w) for w in row] for row in values.tolist()]
        if values.ndim == 2
        else [Value(w) for w in values.tolist()]
        for name, values in lesson.weights.items()
    }
    train = lesson.data.train
    began = time.perf_counter()
    for row in lesson.rows[0, :SCALAR_EXAMPLES].tolist():
        inputs = [number for symbol in train.contexts[row].tolist() for number in p["C"][symbol]]
        logits = linear([tanh(z) for z in linear(inputs, p["W1"], p["b1"])], p["W2"], p["b2"])
        loss = log(sum((exp(z) for z in logits), Value(0.0))) - logits[int(train.targets[row])]
        loss.backward()
    each = (time.perf_counter() - began) / SCALAR_EXAMPLES
    note = f"extrapolated from {SCALAR_EXAMPLES} examples, without its updates and its validation loss"
    return Found(seconds=each * lesson.rows.size, note=note)


def main() -> None:
    """Measure, print, keep."""
    core = min(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})  # and what is started from here
    torch.set_num_threads(1)
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    peers: dict[str, Callable[[Lesson], Found]] = {"JAX": with_jax, "torch.compile": with_torch_compile}
    if folder and shutil.which("node"):
        peers["tfjs"] = lambda lesson: with_tfjs(lesson, folder)
    peers["micrograd"] = with_micrograd
    words = read_words(BUNDLED_NAMES).words
    data = build_dataset(words, SplitConfig(split_seed=SPLIT_SEED), CONTEXT)
    ours(words[:2_000], 0, 0, OURS_MODEL, OURS["lecture"].replace(max_steps=5))  # pays for first calls
    rows: list[dict[str, Any]] = []
    for seed in SEEDS:
        mine = ours(words, seed, SPLIT_SEED, OURS_MODEL, OURS["lecture"])
        theirs = competent(words, seed, SPLIT_SEED, SETTINGS, loop=False)
        found = {
            result.name: Found(seconds=result.seconds - result.dataset_seconds, val_loss=result.val_loss)
            for result in (mine, theirs)
        }
        for name, peer in peers.items():
            torch.compiler.reset()
            try:
                found[name] = peer(Lesson(data, seed))
            except ImportError as missing:
                print(f"{name} is left out: {missing}", file=sys.stderr)
        rows += [{"name": name, "seed": seed} | vars(one) for name, one in found.items()]
        print(json.dumps(rows[-len(found) :]), flush=True)
        KEPT.write_text(json.dumps({"load": os.getloadavg()[0], "runs": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
