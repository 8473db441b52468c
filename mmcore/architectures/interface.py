"""What every architecture is to the rest of the project: fields, named tensors, and a function to logits.

An architecture is one file here, and one line in ``__init__.py``. The file holds a frozen dataclass: its fields are
the form's, :meth:`ModelConfig.shapes` names its tensors, :meth:`ModelConfig.logits` is its forward pass, and
:meth:`ModelConfig.forward_stages` the same for one context, step by step. Torch is imported inside the methods that
compute, so that a form or a command line knows every architecture without it.

Tensors are called as in the field's reference code, as far as one name for all architectures allows, and without
dots, which PyTorch has no parameters with. Matrices are ``W…`` (in, out), applied as ``x @ W`` like the lecture's, so
PyTorch's ``weight`` is their transpose; biases ``b…``; a number at the end is the layer, from 1.

====================================== ====================================================================
``C``                                  embedding table; nanoGPT's ``wte``
``W1 b1 W2 b2 …``, ``W``               the lecture's layers; the direct connections of Bengio et al. (2003)
``bn_gain1 bn_bias1``, ``ln_gain1 …``  normalising over batch or layer; the lecture's ``bngain``, ``bnbias``
``bn_running_mean1 bn_running_var1``   statistics that are kept with the parameters and not trained
``W_ih b_ih W_hh b_hh``                input to hidden, hidden to hidden; ``nn.GRU``'s ``weight_ih_l0`` …
``wpe``                                position embeddings
``ln1_gain1 ln2_gain1 lnf_gain …``     nanoGPT's ``h.0.ln_1``, ``h.0.ln_2``, ``ln_f``
``W_attn1``, ``W_attn_proj1``          ``h.0.attn.c_attn``, ``h.0.attn.c_proj``
``W_fc1``, ``W_mlp_proj1``             ``h.0.mlp.c_fc``, ``h.0.mlp.c_proj``
``W_lm_head b_lm_head``                from the last vector to logits; ``lm_head``
====================================== ====================================================================

Weight decay pulls matrices and tables towards zero, and leaves vectors alone: biases, gains, running statistics.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from ..fields import Config, choice

if TYPE_CHECKING:
    import torch
    from torch import Tensor

OUTPUT_SCALE = 0.1  # of the usual 1/√fan_in: first logits near 0, first loss near ln V

Shapes = dict[str, tuple[int, ...]]
Parameters = Mapping[str, "Tensor"]
Weights = Mapping[str, tuple[str, "Tensor"]]  # by name: the letters of the shape, and the values
Stages = Generator["Stage", None, "Tensor"]  # a part of a forward pass; what it hands on is its last result


def is_weight(shape: tuple[int, ...]) -> bool:
    """Whether weight decay applies to a tensor: to those of two dimensions, as in nanoGPT."""
    return len(shape) >= 2


def is_statistic(name: str) -> bool:
    """Whether a tensor is a running statistic, kept with the parameters but not trained."""
    return "running" in name


def starts_at_one(name: str) -> bool:
    """Whether a tensor's first values are 1: of gains, and of running variances."""
    return "gain" in name or "running_var" in name


def hidden_shapes(normalisation: str, layer: int, fan_in: int, fan_out: int) -> Shapes:
    """The tensors of a hidden layer: weights and a bias, which comes after normalising where there is that."""
    beside = {
        "none": ("b",),
        "layer": ("ln_bias", "ln_gain"),
        "batch": ("bn_bias", "bn_gain", "bn_running_mean", "bn_running_var"),
    }
    return {f"W{layer}": (fan_in, fan_out)} | {f"{name}{layer}": (fan_out,) for name in beside[normalisation]}


@dataclasses.dataclass(frozen=True)
class Stage:
    """One intermediate result of a forward pass: its name in the code, what it is, how it is made, and its value.

    Parameters
    ----------
    letters : the shape in letters, such as "T, D"
    value : a list where one character's result goes into the next one's, so that each has a gradient of its own
    kind : what can be said of such a value, whichever architecture it comes from
    weights : the tensors, or parts of them, that it is made with beside earlier results
    """

    name: str
    title: str
    formula: str  # LaTeX: what it is called, " = ", and how it is made; further lines say what that is made with
    letters: str
    value: Tensor | Sequence[Tensor]
    kind: str
    weights: Weights = dataclasses.field(default_factory=dict)


class ModelConfig(Config):
    """Which model: one architecture's settings. :func:`~mmcore.model_config` makes one from its fields."""

    title: ClassVar[str]  # on screen
    samplers: ClassVar[tuple[str, ...]] = ("examples", "contexts")  # of TrainConfig, that make sense here
    rows_at_once: ClassVar[int] = 1_024  # contexts to evaluate together: 8,192 leave the cache, at half the speed
    architecture: str
    context_size: int  # T

    if TYPE_CHECKING:  # every architecture is a dataclass
        __dataclass_fields__: ClassVar[dict[str, Any]]

        def __init__(self, **fields: Any) -> None: ...

    def __post_init__(self) -> None:
        choice("architecture", self.architecture, (type(self).architecture,))
        super().__post_init__()

    @classmethod
    def _called(cls) -> str:
        return "ModelConfig"

    def shapes(self, vocab_size: int) -> Shapes:
        """Every tensor of the model and its shape, in the order the forward pass uses them."""
        raise NotImplementedError

    def logits(self, p: Parameters, contexts: Tensor, training: torch.Generator | None = None) -> Tensor:
        """Unnormalised scores (B, V) of what follows contexts (B, T).

        Parameters
        ----------
        p : the tensors of :meth:`shapes`
        training : given while training, to draw dropout masks from; statistics are updated only then
        """
        raise NotImplementedError

    def forward_stages(self, p: Parameters, ids: Tensor) -> Iterator[Stage]:
        """The forward pass of one context, ids (T,), written out: from the ids to the logits (V,), which come last.

        No batch, no dropout and no shortcut: every result on the way is a stage that the logits depend on.
        """
        raise NotImplementedError

    def spread(self, name: str, shape: tuple[int, ...]) -> float:
        """Standard deviation of a weight's first values: 1/√fan_in, a tenth of it at the output; 1 for embeddings."""
        if name == "C":
            return 1.0
        return (OUTPUT_SCALE if name in ("W", "W_lm_head") else 1.0) / math.sqrt(shape[0])

    @property
    def weight_names(self) -> list[str]:
        """The tensors that weight decay applies to."""
        return [name for name, shape in self.shapes(1).items() if is_weight(shape)]

    def parameters(self, vocab_size: int) -> int:
        """How many numbers training adjusts."""
        shapes = self.shapes(vocab_size)
        return sum(math.prod(shape) for name, shape in shapes.items() if not is_statistic(name))

    @property
    def reuse(self) -> float:
        """How many times a forward pass goes over the parameters for one context; for guessing times."""
        return 1.0

    def activations(self, length: float, *, training: bool) -> float:
        """About how many numbers a forward pass holds for a context that fills ``length`` places, logits aside."""
        return sum(shape[1] for name, shape in self.shapes(1).items() if is_weight(shape) and name not in ("C", "wpe"))

    def tables(self, vocab_size: int) -> int:
        """How many numbers training keeps whose count depends on the vocabulary, beside parameters and logits."""
        return 0

    def plain_lines(self) -> list[str]:
        """Plain torch from tensors ``p`` and the ids of T boundaries and the word so far to ``logits`` (V,)."""
        raise NotImplementedError

    def summary(self) -> str:
        """The settings in a few words."""
        parts = [setting.summarised(getattr(self, name)) for name, setting in self.settings().items()]
        return ", ".join([self.title, *filter(None, parts)])


def look_up(p: Parameters, ids: Tensor, letter: str) -> Stages:
    """The first stages of every model with an embedding table: ids, and their rows of C."""
    yield Stage("ids", "Context as ids", r"\text{ids}", letter, ids, "ids")
    rows = p["C"][ids]
    formula, weights = r"\text{rows} = C[\text{ids}]", {"C": ("V, D", p["C"])}
    yield Stage("rows", "Rows of C", formula, f"{letter}, D", rows, "rows", weights)
    return rows
