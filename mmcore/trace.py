"""One example through the model and back, every number on the way kept: what training does, slowly.

``forward_trace`` is a model's own walk (:meth:`~mmcore.family.ModelConfig.walk`) and the loss. ``backward_trace`` goes
back over it: for a perceptron with every derivative written out, on purpose without the shortcuts of :mod:`backprop`,
else by autograd. ``gradient_check`` sets three independent ways to a gradient side by side.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from .backprop import Autograd, Backprop
from .config import require
from .families.mlp import MLPConfig
from .family import Stage, is_statistic
from .layers import activate
from .model import Model, cross_entropy

SATURATED = 0.97  # |tanh| beyond it passes back less than 6 % of a gradient: 1 − 0.97² = 0.0591
DECADES = 8.0  # of gradients that a histogram tells apart
ENTRIES = 64  # of each tensor that a gradient check nudges, where it does not nudge all
NUDGE = 1e-5  # of a central difference: its truncation and its rounding error are both near 1e-10 in float64


@dataclass(frozen=True)
class TraceStep:
    """One intermediate result: its name in the code, what it is, how it is made, and its value."""

    name: str
    title: str
    formula: str  # LaTeX
    letters: str  # the shape in letters, such as "T, D"
    value: NDArray[np.generic]
    kind: str  # of the stage, or of the one it is the gradient of: what can be said of it
    local: NDArray[np.generic] | None = field(default=None, repr=False)  # backward: the derivative multiplied in
    weights: tuple[TraceStep, ...] = field(default=(), repr=False)  # that it is made with; backward, their gradients
    forward: NDArray[np.generic] | None = field(default=None, repr=False)  # backward: what it is the gradient of

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape in numbers."""
        return tuple(self.value.shape)


@dataclass(frozen=True)
class Trace:
    """The steps of one pass, in the order in which they are computed."""

    steps: tuple[TraceStep, ...]
    context: tuple[int, ...]
    target: int
    loss: float  # nats

    def __getitem__(self, name: str) -> NDArray[np.generic]:
        """The value with a name, such as ``h1`` or ``dlogits``."""
        return next(step.value for step in self.steps if step.name == name)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the steps, first to last."""
        return tuple(step.name for step in self.steps)


def can_trace(model: Model) -> bool:
    """Whether a model is one whose derivatives are written out here: a perceptron, as in :class:`Backprop`."""
    return Backprop.handles(model.config)


def _perceptron(model: Model) -> MLPConfig:
    if not Backprop.handles(model.config):
        raise ValueError(f"model must be an MLP of tanh or ReLU without normalisation, got {model.config.summary()}")
    return model.config


def _checked(model: Model, context: Sequence[int], target: int) -> Tensor:
    ids, size, length = list(context), model.vocab_size, model.config.context_size
    require(len(ids) == length, "context", f"{length} ids", ids)
    require(all(0 <= i < size for i in ids), "context", f"ids from 0 to {size - 1}", ids)
    require(0 <= target < size, "target", f"an id from 0 to {size - 1}", target)
    return torch.tensor(ids)


@torch.no_grad()
def forward_trace(model: Model, context: Sequence[int], target: int) -> Trace:
    """The forward pass of one example, in the model's own precision.

    The model's own steps from ``ids`` to ``logits``, then ``p, loss``: for a perceptron ``ids, rows, x``, then
    ``z1, h1`` for each hidden layer, as in equation 1 of Bengio et al. (2003). Nothing is dropped.

    Parameters
    ----------
    context : T ids
    target : id of the character that comes next

    Raises
    ------
    ValueError
        For ids that do not fit.
    """
    steps = tuple(_step(stage, Tensor.detach) for stage in _to_the_loss(model, context, target))
    return Trace(steps, tuple(context), target, float(steps[-1].value))


def _to_the_loss(model: Model, context: Sequence[int], target: int) -> list[Stage]:
    """The model's own stages, then what all models have in common: softmax and loss."""
    stages = [*model.walk(_checked(model, context, target))]
    log_p = torch.log_softmax(_one(stages[-1]), 0)
    formula = r"p_v = \frac{e^{\text{logits}_v}}{\sum_u e^{\text{logits}_u}}"
    stages.append(Stage("p", "Softmax", formula, "V", log_p.exp(), "p"))
    formula = r"\text{loss} = -\ln p_{\text{target}}"
    return [*stages, Stage("loss", "Loss", formula, "", -log_p[target], "loss")]


def _one(stage: Stage) -> Tensor:
    assert isinstance(stage.value, Tensor), f"{stage.name} is made at once, not character by character"
    return stage.value


def _step(stage: Stage, of: Callable[[Tensor], Tensor]) -> TraceStep:
    """A stage as arrays: ``of`` its values, and of the tensors that made them."""
    value = of(stage.value) if isinstance(stage.value, Tensor) else torch.stack([of(part) for part in stage.value])
    weights = []
    for name, (letters, tensor) in stage.weights.items():
        title, kind = ("Table that is looked up", "table") if letters.startswith("V,") else ("Weights", "weights")
        weights.append(TraceStep(name, title, name, letters, of(tensor).numpy(), kind))
    return TraceStep(
        stage.name, stage.title, stage.formula, stage.letters, value.numpy(), stage.kind, weights=tuple(weights)
    )


def backward_trace(model: Model, context: Sequence[int], target: int) -> Trace:
    """The backward pass of one example: the gradient of its loss with respect to everything, last step first.

    For a perceptron ``dp, dlogits``, then for each layer from the output down its weights, bias and input, ``dx, drows,
    dC``; a step's ``local`` is the derivative that the chain rule multiplies in there: 1 − h² for tanh. For any other
    model the steps of the forward pass in reverse, each with the gradients of its ``weights``; last comes the table
    that characters are looked up in.
    """
    return (_by_hand if can_trace(model) else _by_autograd)(model, context, target)


def _by_autograd(model: Model, context: Sequence[int], target: int) -> Trace:
    *found, p, loss = _to_the_loss(model, context, target)
    dlogits, logarithm, softmax = _from_the_loss(_one(p).detach(), target)
    stages = [_without_statistics(stage) for stage in reversed(found) if stage.kind != "ids"]
    wanted = [tensor for stage in stages for tensor in _tensors(stage)]
    gradients = dict(zip(wanted, torch.autograd.grad(_one(stages[0]), wanted, dlogits), strict=True))
    steps, tables = [logarithm], []
    for stage in stages:
        step = _gradient(_step(stage, gradients.__getitem__))
        tables += [weight for weight in step.weights if weight.kind == "table"]
        weights = tuple(weight for weight in step.weights if weight.kind != "table")
        steps.append(replace(step, weights=weights, forward=_step(stage, Tensor.detach).value))
    steps[1] = replace(softmax, weights=steps[1].weights)
    return Trace((*steps, *tables), tuple(context), target, _one(loss).item())


def _without_statistics(stage: Stage) -> Stage:
    """Without those of its weights that have no gradient."""
    return replace(stage, weights={name: held for name, held in stage.weights.items() if not is_statistic(name)})


def _tensors(stage: Stage) -> list[Tensor]:
    values = [stage.value] if isinstance(stage.value, Tensor) else list(stage.value)
    return values + [tensor for _, tensor in stage.weights.values()]


def _gradient(step: TraceStep) -> TraceStep:
    """What holds a gradient, called so."""
    formula = rf"\frac{{\partial\,\text{{loss}}}}{{\partial\,{step.formula.split(' = ')[0]}}}"
    weights = tuple(_gradient(weight) for weight in step.weights)
    return replace(step, name=f"d{step.name}", formula=formula, weights=weights)


def _from_the_loss(p: Tensor, target: int) -> tuple[Tensor, TraceStep, TraceStep]:
    """The gradient of the logits, p − y, and the two steps that lead to it."""
    y = torch.zeros_like(p)
    y[target] = 1
    # A probability that is 0 in this precision has no finite 1 / p; dlogits does not need it.
    dp = torch.where(y > 0, -1 / p.clamp_min(torch.finfo(y.dtype).tiny), y)
    formula = r"\frac{\partial\,\text{loss}}{\partial p_v} = -\frac{y_v}{p_v}"
    logarithm = TraceStep("dp", "Through the logarithm", formula, "V", dp.numpy(), "p")
    d = p - y
    formula = r"\frac{\partial\,\text{loss}}{\partial\,\text{logits}} = p - y,\qquad \sum_v (p_v - y_v) = 0"
    softmax = TraceStep("dlogits", "Through the softmax", formula, "V", d.numpy(), "logits", y.numpy())
    return d, logarithm, softmax


@torch.no_grad()
def _by_hand(model: Model, context: Sequence[int], target: int) -> Trace:
    forward, p, config = forward_trace(model, context, target), model.tensors, _perceptron(model)
    value = {step.name: torch.from_numpy(np.asarray(step.value)) for step in forward.steps}
    out = config.output
    d, *steps = _from_the_loss(value["p"], target)
    dx = torch.zeros_like(value["x"])
    if config.direct:
        steps.append(_weight("dW", r"\partial W = x^\top\,\partial\text{logits}", value["x"], d, "T·D, V"))
        dx += p["W"] @ d
    upstream = r"\partial\text{logits}"
    for layer in range(out, 0, -1):
        letters = "V" if layer == out else "H"
        title = "Bias of the output layer" if layer == out else f"Bias of hidden layer {layer}"
        steps.append(TraceStep(f"db{layer}", title, rf"\partial b_{layer} = {upstream}", letters, d.numpy(), "bias"))
        if f"W{layer}" not in p:
            break
        before, inputs = (f"h{layer - 1}", f"h_{layer - 1}") if layer > 1 else ("x", "x")
        formula = rf"\partial W_{layer} = {inputs}^\top\,{upstream}"
        steps.append(_weight(f"dW{layer}", formula, value[before], d, f"{'H' if layer > 1 else 'T·D'}, {letters}"))
        below = p[f"W{layer}"] @ d
        if layer == 1:
            dx += below
            break
        formula = rf"\partial h_{layer - 1} = {upstream}\,W_{layer}^\top"
        title = f"Output of hidden layer {layer - 1}"
        steps.append(TraceStep(f"dh{layer - 1}", title, formula, "H", below.numpy(), config.activation))
        d, step = _through_activation(config.activation, layer - 1, value[before], below)
        steps.append(step)
        upstream = rf"\partial z_{layer - 1}"
    return Trace((*steps, *_into_the_table(model, forward.context, dx)), forward.context, target, forward.loss)


def _weight(name: str, formula: str, inputs: Tensor, d: Tensor, letters: str) -> TraceStep:
    """A weight matrix's gradient: every input times every output's gradient."""
    title = "Direct connections" if name == "dW" else f"Weights {name[1:]}"
    return TraceStep(name, title, formula, letters, torch.outer(inputs, d).numpy(), "weights")


def _through_activation(kind: str, layer: int, h: Tensor, dh: Tensor) -> tuple[Tensor, TraceStep]:
    local = 1 - h * h if kind == "tanh" else (h > 0).to(h.dtype)
    slope = rf"(1 - h_{layer}^2)" if kind == "tanh" else rf"[\,h_{layer} > 0\,]"
    formula = rf"\partial z_{layer} = \partial h_{layer} \odot {slope}"
    title = f"Through {kind if kind == 'tanh' else 'ReLU'} of layer {layer}"
    return dh * local, TraceStep(f"dz{layer}", title, formula, "H", (dh * local).numpy(), "sums", local.numpy())


def _into_the_table(model: Model, context: Sequence[int], dx: Tensor) -> list[TraceStep]:
    """From the concatenated embeddings back to the rows of C: a character that stands twice collects two."""
    config = _perceptron(model)
    after = r"\partial z_1\,W_1^\top" if config.hidden_sizes else ""
    direct = r"\partial\text{logits}\,W^\top" if config.direct else ""
    formula = r"\partial x = " + " + ".join(part for part in (after, direct) if part)
    drows = dx.view(len(context), -1)
    dC = torch.zeros_like(model.tensors["C"]).index_add_(0, torch.tensor(context), drows)
    cut = r"\partial\text{rows} = \partial x \text{ cut into } T \text{ rows}"
    collected = r"\partial C[c] = \sum_{t:\,i_t = c} \partial\text{rows}_t"
    return [
        TraceStep("dx", "Concatenated embeddings", formula, "T·D", dx.numpy(), "joined"),
        TraceStep("drows", "Rows of C, by position", cut, "T, D", drows.numpy(), "rows"),
        TraceStep("dC", "Embedding table", collected, "V, D", dC.numpy(), "table"),
    ]


def in_double(model: Model) -> Model:
    """The same model in float64, with weights of its own."""
    twin = type(model)(model.config, model.vocab_size, dtype=torch.float64)
    twin.flat.copy_(model.flat)
    return twin


def _trained(model: Model) -> list[tuple[str, Tensor]]:
    """The tensors that gradients change: running statistics have none, though the loss depends on them."""
    return [(name, tensor) for name, tensor in model.tensors.items() if not is_statistic(name)]


def gradient_check(
    model: Model, contexts: Tensor, targets: Tensor, *, entries: int | None = ENTRIES, nudge: float = NUDGE
) -> pd.DataFrame:
    """Every trained tensor's gradient in float64, three ways: by hand, by autograd, and by central differences.

    ``(loss(w + ε) − loss(w − ε)) / 2ε`` for ``entries`` numbers of each tensor, the largest gradient among them
    (None: all). Columns ``tensor, shape, largest, exact, hand_autograd, nudged, autograd_numeric``: the largest
    gradient, whether the first two are equal to the bit, and the largest differences. Where a model has no gradients
    derived by hand, those two columns are None and NaN.
    """
    require(nudge > 0, "nudge", "above 0", nudge)
    require(len(contexts) > 0, "contexts", "at least one row", len(contexts))
    twin = in_double(model)
    automatic = Autograd(twin)
    automatic(contexts, targets)
    hand = Backprop(twin, len(contexts)) if can_trace(twin) else None
    if hand is not None:
        hand(contexts, targets)
    rows = []
    for name, weights in _trained(twin):
        gradient = automatic.gradients[name]
        ids = _entries(gradient, entries)
        numeric = _central_differences(twin, contexts, targets, weights, ids, nudge)
        row: dict[str, object] = {"tensor": name, "shape": " × ".join(map(str, gradient.shape))}
        row |= {"largest": gradient.abs().max().item(), "exact": None, "hand_autograd": math.nan, "nudged": len(ids)}
        if hand is not None:
            row["exact"] = torch.equal(hand.gradients[name], gradient)
            row["hand_autograd"] = (hand.gradients[name] - gradient).abs().max().item()
        rows.append(row | {"autograd_numeric": (numeric - gradient.flatten()[ids]).abs().max().item()})
    return pd.DataFrame(rows)


def _entries(gradient: Tensor, count: int | None) -> Tensor:
    """Which entries to nudge: all, or the largest half and the rest evenly spaced."""
    size = gradient.numel()
    if count is None or count >= size:
        return torch.arange(size)
    largest = gradient.abs().flatten().topk((count + 1) // 2).indices
    ids: Tensor = torch.cat([largest, torch.linspace(0, size - 1, count // 2).long()]).unique()
    return ids


@torch.no_grad()
def _central_differences(
    model: Model, contexts: Tensor, targets: Tensor, weights: Tensor, ids: Tensor, nudge: float
) -> Tensor:
    flat, numeric = weights.view(-1), torch.empty(len(ids), dtype=torch.float64)
    for row, i in enumerate(ids.tolist()):
        kept = flat[i].item()
        losses = []
        for shifted in (kept + nudge, kept - nudge):
            flat[i] = shifted
            losses.append(cross_entropy(model(contexts), targets).item())
        flat[i] = kept
        numeric[row] = (losses[0] - losses[1]) / (2 * nudge)
    return numeric


@dataclass(frozen=True)
class Update:
    """One step of gradient descent on a batch: what it did to that batch's loss, and what the gradient predicts."""

    before: float
    after: float
    gradient_norm: float
    learning_rate: float
    p_before: NDArray[np.floating]  # (V,) mean probability of each next character
    p_after: NDArray[np.floating]

    @property
    def predicted(self) -> float:
        """The change of loss to first order, −η‖g‖²: right for a small step, and only for one."""
        return -self.learning_rate * self.gradient_norm**2


def one_update(model: Model, contexts: Tensor, targets: Tensor, learning_rate: float) -> Update:
    """``w ← w − η·gradient`` on a float64 copy of the model; the model itself stays as it is."""
    require(0 < learning_rate <= 1e6, "learning_rate", "above 0 and at most 1,000,000", learning_rate)
    twin = in_double(model)
    automatic = Autograd(twin)
    before = automatic(contexts, targets)
    with torch.no_grad():
        p_before = twin(contexts).softmax(1).mean(0).numpy()
        twin.flat.sub_(automatic.gradient, alpha=learning_rate)
        logits = twin(contexts)
        after, p_after = cross_entropy(logits, targets).item(), logits.softmax(1).mean(0).numpy()
    return Update(before, after, automatic.gradient.norm().item(), learning_rate, p_before, p_after)


@dataclass(frozen=True)
class Neurons:
    """What one hidden layer does on some examples."""

    sums: NDArray[np.floating]  # z, (B, H)
    outputs: NDArray[np.floating]  # h, (B, H)
    activation: str

    @property
    def unit_saturation(self) -> NDArray[np.float64]:
        """(H,): on which share of the examples each unit is stuck: |h| > 0.97 for tanh, h = 0 for ReLU."""
        stuck = np.abs(self.outputs) > SATURATED if self.activation == "tanh" else self.outputs <= 0
        return np.asarray(stuck.mean(axis=0), dtype=np.float64)

    @property
    def saturated(self) -> float:
        """The share over all units and examples."""
        return float(self.unit_saturation.mean())

    @property
    def dead(self) -> NDArray[np.int64]:
        """The units stuck on every example: next to no gradient reaches their weights."""
        return np.flatnonzero(self.unit_saturation == 1)


@torch.no_grad()
def neuron_report(model: Model, contexts: NDArray[np.int64], layer: int = 1) -> Neurons:
    """Pre-activations and outputs of a hidden layer (counted from 1) on (B, T) contexts; nothing is dropped."""
    config = _perceptron(model)
    require(1 <= layer < config.output, "layer", f"a hidden layer from 1 to {config.output - 1}", layer)
    require(len(contexts) > 0, "contexts", "at least one row", len(contexts))
    p = model.tensors
    h = p["C"][torch.from_numpy(contexts)].flatten(1)
    for number in range(1, layer + 1):
        z = h @ p[f"W{number}"] + p[f"b{number}"]
        h = activate(config.activation, z)
    return Neurons(z.numpy(), h.numpy(), config.activation)


@dataclass(frozen=True)
class Histograms:
    """How some numbers are spread at each of F moments: shares (F, bins) of them between edges (bins + 1,)."""

    shares: NDArray[np.float64]
    edges: NDArray[np.float64]


@dataclass(frozen=True)
class NeuronHistory:
    """What one hidden layer did on the same examples at each of F moments."""

    sums: Histograms  # z; the few beyond the outer edges count to the outer bins
    outputs: Histograms  # h
    saturated: NDArray[np.float64]  # (F,) share of the outputs
    dead: NDArray[np.float64]  # (F,) share of the units


def neuron_history(
    models: Sequence[Model], contexts: NDArray[np.int64], layer: int = 1, bins: int = 50
) -> NeuronHistory:
    """:func:`neuron_report` of one model at several moments of its training, with bins that fit all of them."""
    require(len(models) > 0, "models", "at least one", len(models))
    reports = [neuron_report(model, contexts, layer) for model in models]
    reach = max(float(np.quantile(np.abs(report.sums), 0.999)) for report in reports) or 1.0
    tanh = reports[0].activation == "tanh"
    top = 1.0 if tanh else max(float(report.outputs.max()) for report in reports) or 1.0
    return NeuronHistory(
        _histograms([report.sums for report in reports], -reach, reach, bins),
        _histograms([report.outputs for report in reports], -1.0 if tanh else 0.0, top, bins),
        np.array([report.saturated for report in reports]),
        np.array([len(report.dead) / report.outputs.shape[1] for report in reports]),
    )


def gradient_history(
    models: Sequence[Model], contexts: Tensor, targets: Tensor, bins: int = 50
) -> dict[str, Histograms]:
    """How large each tensor's gradients on one batch were at several moments: histograms of log₁₀ |gradient|.

    The bins of a tensor span :data:`DECADES` powers of ten below its largest gradient; what is smaller, 0 included,
    counts to the lowest.
    """
    require(len(models) > 0, "models", "at least one", len(models))
    sizes: dict[str, list[NDArray[np.floating]]] = {}
    for model in models:
        automatic = Autograd(model)
        automatic(contexts, targets)
        for name, gradient in automatic.gradients.items():
            if not is_statistic(name):
                tiny = gradient.abs().clamp_min(torch.finfo(gradient.dtype).tiny)
                sizes.setdefault(name, []).append(tiny.log10().numpy())
    tops = {name: max(float(size.max()) for size in found) for name, found in sizes.items()}
    return {name: _histograms(found, tops[name] - DECADES, tops[name], bins) for name, found in sizes.items()}


def _histograms(moments: Sequence[NDArray[np.floating]], low: float, high: float, bins: int) -> Histograms:
    counts = [torch.histc(torch.from_numpy(values).clamp(low, high), bins, low, high).numpy() for values in moments]
    shares = np.stack([count / values.size for count, values in zip(counts, moments, strict=True)])
    return Histograms(shares.astype(np.float64), np.linspace(low, high, bins + 1))


def shifted(model: Model, tensor: str, index: Sequence[int], delta: float) -> Model:
    """A copy with ``delta`` added to one number of one tensor."""
    require(tensor in model.tensors, "tensor", "one of " + ", ".join(model.tensors), tensor)
    shape = tuple(model.tensors[tensor].shape)
    fits = len(index) == len(shape) and all(0 <= at < size for at, size in zip(index, shape, strict=True))
    require(fits, "index", f"a place in {tensor}, of shape {shape}", tuple(index))
    require(math.isfinite(delta), "delta", "a finite number", delta)
    twin = type(model)(model.config, model.vocab_size, dtype=model.flat.dtype)
    twin.flat.copy_(model.flat)
    twin.tensors[tensor][tuple(index)] += delta
    return twin


def without_unit(model: Model, layer: int, unit: int) -> Model:
    """A copy with one hidden unit switched off: nothing it says reaches the next layer."""
    sizes = _perceptron(model).hidden_sizes
    require(1 <= layer <= len(sizes), "layer", f"a hidden layer from 1 to {len(sizes)}", layer)
    require(0 <= unit < sizes[layer - 1], "unit", f"from 0 to {sizes[layer - 1] - 1}", unit)
    twin = type(model)(model.config, model.vocab_size, dtype=model.flat.dtype)
    twin.flat.copy_(model.flat)
    twin.tensors[f"W{layer + 1}"][unit] = 0
    return twin


def stable_softmax_demo(logits: NDArray[np.floating], target: int, scales: Sequence[float]) -> pd.DataFrame:
    """The loss from ``logits · scale`` in float32, two ways that are the same on paper.

    ``naive``: −ln(exp(l_target) / Σ exp(l)). ``stable``: log-sum-exp with the maximum taken off first,
    ln Σ exp(l − max) + max − l_target. Columns ``scale, largest, naive, stable``; where exp overflows (its argument
    is above 88.72) or a probability underflows to 0, naive is not a number or infinite.
    """
    rows = []
    for scale in scales:
        scaled = (np.asarray(logits, dtype=np.float64) * scale).astype(np.float32)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            powers = np.exp(scaled)
            naive = -np.log(powers[target] / powers.sum())
        top = scaled.max()
        stable = np.log(np.exp(scaled - top).sum()) + top - scaled[target]
        rows.append({"scale": scale, "largest": float(top), "naive": float(naive), "stable": float(stable)})
    return pd.DataFrame(rows)


def update_ratios(model: Model, contexts: Tensor, targets: Tensor, learning_rate: float) -> pd.DataFrame:
    """How large one step of gradient descent is beside what it changes, for each trained tensor.

    Columns ``tensor, weights, gradient, ratio``: standard deviations, and η·std(gradient) / std(weights). The lecture's
    rule of thumb wants it near 10⁻³. NaN where all weights are equal, as biases that start at 0 are.
    """
    twin = in_double(model)
    automatic = Autograd(twin)
    automatic(contexts, targets)
    rows = []
    for name, weights in _trained(twin):
        spread, slope = (part.std(correction=0).item() for part in (weights, automatic.gradients[name]))
        ratio = learning_rate * slope / spread if spread else math.nan
        rows.append({"tensor": name, "weights": spread, "gradient": slope, "ratio": ratio})
    return pd.DataFrame(rows)


@torch.no_grad()
def losses_along_gradient(
    model: Model, contexts: Tensor, targets: Tensor, rates: Sequence[float]
) -> NDArray[np.float64]:
    """The batch's loss after one update from the same weights, for each learning rate."""
    twin = in_double(model)
    automatic, start = Autograd(twin), twin.flat.clone()
    with torch.enable_grad():
        automatic(contexts, targets)
    losses = []
    for rate in rates:
        torch.sub(start, automatic.gradient, alpha=rate, out=twin.flat)
        losses.append(cross_entropy(twin(contexts), targets).item())
    return np.array(losses)
