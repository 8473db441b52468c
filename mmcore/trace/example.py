"""One example through the model and back, every number on the way kept: what training does, slowly.

``forward_trace`` is the architecture's own stages (:meth:`ModelConfig.forward_stages`) and the loss.
``backward_trace`` goes back over it: for a perceptron with every derivative written out, on purpose without the
shortcuts of :mod:`mmcore.backprop`, else by autograd.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..architectures.interface import Stage, is_statistic
from ..architectures.mlp import MLPConfig
from ..backprop import Backprop
from ..fields import require
from ..model import Model


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


def perceptron(model: Model) -> MLPConfig:
    """The configuration of such a model; ``ValueError`` for any other."""
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
    stages = [*model.forward_stages(_checked(model, context, target))]
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
    forward, p, config = forward_trace(model, context, target), model.tensors, perceptron(model)
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
    config = perceptron(model)
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
