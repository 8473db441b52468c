"""Multi-layer perceptron over the embeddings of the context, side by side."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from ..fields import Flag, Sizes, require
from .interface import OUTPUT_SCALE, ModelConfig, Parameters, Shapes, Stage, Stages, hidden_shapes, look_up
from .settings import ACTIVATION, CONTEXT_SIZE, DROPOUT, EMBEDDING_DIM, INIT, NORMALISATION

if TYPE_CHECKING:
    from torch import Generator, Tensor

HIDDEN_SIZES = Sizes(
    title="Hidden units (per layer)",
    help="Units of the hidden layer, the lecture's 200. For several layers, one number each: `256, 256`. "
    "Empty: no hidden layer, which needs direct connections.",
    unit="units",
    low=1,
    high=4096,
    most=8,
    stops=(10, 20, 32, 50, 64, 100, 128, 150, 200, 300, 400),
    summary="hidden {title}",
)
DIRECT = Flag(
    title="Direct connections",
    help="The paper's matrix W, straight from the embeddings to the logits, past the hidden layer. "
    "The lecture leaves it out.",
    stops=(False, True),
    summary="direct connections",
    usual=False,
    more=True,
)

GAIN = {"tanh": 5 / 3, "relu": math.sqrt(2), "gelu": math.sqrt(2)}


@dataclass(frozen=True, kw_only=True)
class MLPConfig(ModelConfig):
    """The multi-layer perceptron of Bengio et al. (2003), equation 1: ``y = b + Wx + U tanh(d + Hx)``.

    Y. Bengio, R. Ducharme, P. Vincent, C. Jauvin, "A Neural Probabilistic Language Model", JMLR 3. Here ``x`` holds
    the rows of ``C`` for the context's characters, side by side; H, d are ``W1, b1``; U, b are ``W2, b2``; ``W``
    (optional) are the direct connections. More hidden layers may follow the first. A normalised layer has
    ``bn_gain1, bn_bias1`` or ``ln_gain1, ln_bias1`` in place of ``b1``.
    """

    title = "MLP"

    architecture: str = "mlp"
    context_size: int = CONTEXT_SIZE.field(3)
    embedding_dim: int = EMBEDDING_DIM.field(10)
    hidden_sizes: tuple[int, ...] = HIDDEN_SIZES.field((200,))
    activation: str = ACTIVATION.field("tanh")
    normalisation: str = NORMALISATION.field("none")
    init: str = INIT.field("scaled")
    direct: bool = DIRECT.field(False)
    dropout: float = DROPOUT.field(0.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        require(bool(self.hidden_sizes) or self.direct, "hidden_sizes", "non-empty unless direct is on", ())

    @property
    def output(self) -> int:
        """Number of the last layer, which gives the logits."""
        return len(self.hidden_sizes) + 1

    def shapes(self, vocab_size: int) -> Shapes:
        width = self.context_size * self.embedding_dim
        shapes: Shapes = {"C": (vocab_size, self.embedding_dim)}
        sizes = (width, *self.hidden_sizes)
        for layer, (fan_in, fan_out) in enumerate(pairwise(sizes), start=1):
            shapes |= hidden_shapes(self.normalisation, layer, fan_in, fan_out)
        if self.hidden_sizes:
            shapes[f"W{self.output}"] = (sizes[-1], vocab_size)
        shapes[f"b{self.output}"] = (vocab_size,)
        if self.direct:
            shapes["W"] = (width, vocab_size)
        return shapes

    def tables(self, vocab_size: int) -> int:
        first = sum(self.hidden_sizes[:1]) + (vocab_size if self.direct else 0)
        return self.context_size * vocab_size * first  # a row for each character at each place

    def activations(self, length: float, *, training: bool) -> float:
        return super().activations(length, training=training) * (1 if self.normalisation == "none" else 2)

    def spread(self, name: str, shape: tuple[int, ...]) -> float:
        if name == "C":
            return 1.0
        scale = OUTPUT_SCALE if name in ("W", f"W{self.output}") else GAIN[self.activation]
        return scale / math.sqrt(shape[0])

    def logits(self, p: Parameters, contexts: Tensor, training: Generator | None = None) -> Tensor:
        from .layers import activate, biased, dropout

        x = h = p["C"][contexts].flatten(1)  # (B, T·D)
        for layer in range(1, len(self.hidden_sizes) + 1):
            z = biased(self.normalisation, h @ p[f"W{layer}"], p, layer, training)
            h = dropout(activate(self.activation, z), self.dropout, training)  # (B, H)
        output = len(self.hidden_sizes) + 1
        logits = p[f"b{output}"]
        if self.hidden_sizes:
            logits = h @ p[f"W{output}"] + logits
        if self.direct:
            logits = logits + x @ p["W"]
        return logits

    def forward_stages(self, p: Parameters, ids: Tensor) -> Iterator[Stage]:
        rows = yield from look_up(p, ids, "T")
        x = h = rows.flatten()
        yield Stage("x", "Rows side by side", r"x = [\,C_{i_1};\ \dots;\ C_{i_T}\,]", "T·D", x, "joined")
        for layer in range(1, self.output):
            said, letters = ("x", "T·D, H") if layer == 1 else (f"h_{layer - 1}", "H, H")
            h = yield from hidden_layer(p, layer, h, said, ("H", letters), self.normalisation, self.activation)
        output, logits, terms = self.output, p[f"b{self.output}"], [f"b_{self.output}"]
        weights = {f"b{output}": ("V", logits)}
        if self.direct:
            logits, terms = x @ p["W"] + logits, ["x W", *terms]
            weights = {"W": ("T·D, V", p["W"])} | weights
        if self.hidden_sizes:
            logits, terms = h @ p[f"W{output}"] + logits, [f"h_{output - 1} W_{output}", *terms]
            weights = {f"W{output}": ("H, V", p[f"W{output}"])} | weights
        formula = r"\text{logits} = " + " + ".join(terms)
        yield Stage("logits", "Logits", formula, "V", logits, "logits", weights)

    def plain_lines(self) -> list[str]:
        layers = range(1, self.output)
        terms = ([f"h @ p['W{self.output}']"] if layers else []) + (["x @ p['W']"] if self.direct else [])
        return [
            f"x = h = p['C'][ids[-{self.context_size}:]].flatten()",
            *(line for n in layers for line in plain_layer(n, "h", self.normalisation, self.activation)),
            f"logits = {' + '.join(terms)} + p['b{self.output}']",
        ]


def plain_layer(layer: int, inputs: str, kind: str, activation: str) -> list[str]:
    """A hidden layer in plain torch, from the variable ``inputs`` to ``h``."""
    from .layers import EPSILON

    function = {"gelu": "torch.nn.functional.gelu"}.get(activation, f"torch.{activation}")
    weighted = f"{inputs} @ p['W{layer}']"
    if kind == "none":
        return [f"h = {function}({weighted} + p['b{layer}'])"]
    if kind == "layer":
        norm, normalised = "ln", "torch.nn.functional.layer_norm(z, z.shape[-1:])"
    else:
        variance = f"p['bn_running_var{layer}'] + {EPSILON}"
        norm, normalised = "bn", f"(z - p['bn_running_mean{layer}']) / ({variance}).sqrt()"
    return [f"z = {weighted}", f"h = {function}({normalised} * p['{norm}_gain{layer}'] + p['{norm}_bias{layer}'])"]


BENT = {"tanh": r"\tanh(", "relu": r"\max(0, ", "gelu": r"\text{GELU}("}


def hidden_layer(
    p: Parameters, layer: int, inputs: Tensor, said: str, letters: tuple[str, str], kind: str, activation: str
) -> Stages:
    """The stages of a hidden layer: pre-activations, normalised if they are, and activations.

    Parameters
    ----------
    said : the inputs in LaTeX
    letters : of the results' shape, and of the weights'
    kind : of normalisation
    """
    from .layers import activate, biased

    W, bias, *norm = hidden_shapes(kind, layer, 0, 0)
    z, weights = inputs @ p[W], {W: (letters[1], p[W])}
    title, bent = f"Pre-activations of layer {layer}", f"z_{layer}"
    if kind == "none":
        z, weights = biased(kind, z, p, layer, None), weights | {bias: ("H", p[bias])}
        yield Stage(f"z{layer}", title, f"z_{layer} = {said} W_{layer} + b_{layer}", letters[0], z, "sums", weights)
    else:
        yield Stage(f"z{layer}", title, f"z_{layer} = {said} W_{layer}", letters[0], z, "sums", weights)
        z, bent = biased(kind, z, p, layer, None), rf"\text{{norm}}_{layer}"
        over = "running, of each unit" if kind == "batch" else "of this layer here"
        formula = rf"{bent} = \frac{{z_{layer} - \mu}}{{\sigma}} \odot \text{{gain}}_{layer} + \text{{bias}}_{layer}"
        formula += "\n" + rf"\mu, \sigma \text{{: {over}}}"
        weights = {name: ("H", p[name]) for name in (*norm, bias)}
        yield Stage(f"norm{layer}", f"Layer {layer}, normalised", formula, letters[0], z, "normalised", weights)
    h, formula = activate(activation, z), f"h_{layer} = {BENT[activation]}{bent})"
    yield Stage(f"h{layer}", f"Output of hidden layer {layer}", formula, letters[0], h, activation)
    return h
