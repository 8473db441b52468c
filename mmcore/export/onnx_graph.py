"""A model as an ONNX graph: contexts (B, T) of int64 ids to logits (B, V) of float32."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..architectures.layers import EPSILON
from ..version import __version__

if TYPE_CHECKING:
    from .artifact import Artifact

OPSET = 17  # the first with LayerNormalization
IR_VERSION = 8  # which goes with it


class Graph:
    """Nodes in the order they are computed. A value is its name; ``graph("Add", a, b)`` adds a node and names it."""

    def __init__(self, tensors: dict[str, NDArray[np.float32]]) -> None:
        self.nodes: list[Any] = []
        self.constants: dict[str, NDArray[Any]] = dict(tensors)

    def __call__(self, kind: str, *inputs: str, **attributes: Any) -> str:
        from onnx import helper

        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def constant(self, value: Any, dtype: type = np.int64) -> str:
        """The name of a constant."""
        array: NDArray[Any] = np.asarray(value, dtype=dtype)
        name = f"k{len(self.constants)}"
        self.constants[name] = array
        return name

    def number(self, value: float) -> str:
        """The name of a constant of one float."""
        return self.constant(value, np.float32)

    def rows(self, table: str, ids: str) -> str:
        """Rows of a table."""
        return self("Gather", table, ids, axis=0)

    def column(self, values: str, place: int) -> str:
        """One column of (B, T, …), without that dimension."""
        return self("Gather", values, self.constant(place), axis=1)

    def reshape(self, value: str, *shape: int) -> str:
        """The same numbers in another shape; 0 keeps a side, -1 is what is left."""
        return self("Reshape", value, self.constant(shape))

    def split(self, value: str, count: int, size: int) -> list[str]:
        """A value cut into equal parts along its last side."""
        ends = [self.constant([place * size]) for place in range(count + 1)]
        last = self.constant([-1])
        return [self("Slice", value, ends[part], ends[part + 1], last) for part in range(count)]

    def linear(self, x: str, weight: str, bias: str) -> str:
        """``x @ weight + bias``, without a bias that is not there."""
        product = self("MatMul", x, weight)
        return self("Add", product, bias) if bias in self.constants else product

    def activate(self, kind: str, x: str) -> str:
        """tanh, ReLU, or GELU by the error function."""
        if kind != "gelu":
            return self({"tanh": "Tanh", "relu": "Relu"}[kind], x)
        bent = self("Add", self("Erf", self("Div", x, self.number(2**0.5))), self.number(1))
        return self("Mul", self("Mul", x, bent), self.number(0.5))


def onnx_bytes(artifact: Artifact) -> bytes:
    """The file, checked by ONNX's own checker; its metadata are the vocabulary and the settings, as JSON."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    config, vocab = artifact.config.model, artifact.vocab
    graph = Graph({name: tensor.numpy() for name, tensor in artifact.model.tensors.items()})
    logits = BUILD[config.architecture](graph, config)
    graph.nodes.append(helper.make_node("Identity", [logits], ["logits"]))
    made = helper.make_graph(
        graph.nodes,
        "makemore",
        [helper.make_tensor_value_info("contexts", TensorProto.INT64, ["B", config.context_size])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["B", vocab.size])],
        [numpy_helper.from_array(np.asarray(value, order="C"), name) for name, value in graph.constants.items()],
    )
    opsets = [helper.make_opsetid("", OPSET)]
    names = {"producer_name": "makemore-lab", "producer_version": __version__}
    model = helper.make_model(made, opset_imports=opsets, ir_version=IR_VERSION, **names)
    facts = {"vocab": list(vocab.symbols), "config": artifact.config.to_dict()}
    helper.set_model_props(model, {name: json.dumps(value) for name, value in facts.items()})
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())


def _bigram(graph: Graph, config: Any) -> str:
    return graph.rows("W", graph.column("contexts", -1))


def _hidden(graph: Graph, config: Any, layer: int, x: str) -> str:
    """One hidden layer of an MLP or a WaveNet."""
    z = graph("MatMul", x, f"W{layer}")
    if config.normalisation == "none":
        z = graph("Add", z, f"b{layer}")
    elif config.normalisation == "layer":
        z = graph("LayerNormalization", z, f"ln_gain{layer}", f"ln_bias{layer}", axis=-1, epsilon=EPSILON)
    else:
        deviation = graph("Sqrt", graph("Add", f"bn_running_var{layer}", graph.number(EPSILON)))
        z = graph("Div", graph("Sub", z, f"bn_running_mean{layer}"), deviation)
        z = graph("Add", graph("Mul", z, f"bn_gain{layer}"), f"bn_bias{layer}")
    return graph.activate(config.activation, z)


def _mlp(graph: Graph, config: Any) -> str:
    x = h = graph.reshape(graph.rows("C", "contexts"), 0, config.context_size * config.embedding_dim)
    for layer in range(1, config.output):
        h = _hidden(graph, config, layer, h)
    terms = [graph("MatMul", h, f"W{config.output}")] if config.hidden_sizes else []
    terms += [graph("MatMul", x, "W")] if config.direct else []
    return _sum(graph, [*terms, f"b{config.output}"])


def _sum(graph: Graph, terms: Sequence[str]) -> str:
    total = terms[0]
    for term in terms[1:]:
        total = graph("Add", total, term)
    return total


def _wavenet(graph: Graph, config: Any) -> str:
    h, length, width = graph.rows("C", "contexts"), config.context_size, config.embedding_dim
    for layer in range(1, config.context_size.bit_length()):
        length //= 2
        h = _hidden(graph, config, layer, graph.reshape(h, 0, length, 2 * width))
        width = config.hidden_size
    return graph.linear(graph.column(h, 0), "W_lm_head", "b_lm_head")


def _recurrent(graph: Graph, config: Any, step: Callable[[Graph, Any, str, list[str]], list[str]], count: int) -> str:
    """Every place of a context in turn, with `count` states; a boundary begins a word, and makes those before it 0."""
    inputs = graph.rows(graph.linear("C", "W_ih", "b_ih"), "contexts")  # (B, T, gates · H)
    inside = graph("Cast", graph("Not", graph("Equal", "contexts", graph.constant(0))), to=1)  # (B, T) of 0 and 1
    first = graph("Slice", graph.column(inputs, 0), *map(graph.constant, ([0], [config.hidden_size], [1])))
    zero = graph("Mul", first, graph.number(0))  # (B, H), B being known by then only
    states = [zero] * count
    for place in range(config.context_size):
        known = graph("Unsqueeze", graph.column(inside, place), graph.constant([1]))  # (B, 1)
        states = step(graph, config, graph.column(inputs, place), [graph("Mul", state, known) for state in states])
    return graph.linear(states[0], "W_lm_head", "b_lm_head")


def _rnn_step(graph: Graph, config: Any, x: str, states: list[str]) -> list[str]:
    return [graph("Tanh", graph("Add", x, graph("MatMul", states[0], "W_hh")))]


def _gru_step(graph: Graph, config: Any, x: str, states: list[str]) -> list[str]:
    xr, xz, xn = graph.split(x, 3, config.hidden_size)
    hr, hz, hn = graph.split(graph.linear(states[0], "W_hh", "b_hh"), 3, config.hidden_size)
    r, z = graph("Sigmoid", graph("Add", xr, hr)), graph("Sigmoid", graph("Add", xz, hz))
    n = graph("Tanh", graph("Add", xn, graph("Mul", r, hn)))
    return [graph("Add", graph("Mul", z, states[0]), graph("Mul", graph("Sub", graph.number(1), z), n))]


def _lstm_step(graph: Graph, config: Any, x: str, states: list[str]) -> list[str]:
    h, c = states
    i, f, o, g = graph.split(graph("Add", x, graph("MatMul", h, "W_hh")), 4, config.hidden_size)
    kept = graph("Mul", graph("Sigmoid", graph("Add", f, graph.number(1))), c)
    c = graph("Add", kept, graph("Mul", graph("Sigmoid", i), graph("Tanh", g)))
    return [graph("Mul", graph("Sigmoid", o), graph("Tanh", c)), c]


def _transformer(graph: Graph, config: Any) -> str:
    T, D, heads = config.context_size, config.embedding_dim, config.heads
    start = _word_start(graph, T)  # (B, 1)
    places = graph.constant(range(T))
    depth = graph("Max", graph("Sub", places, start), graph.constant(0))  # (B, T), from the word's boundary on
    s = graph("Add", graph.rows("C", "contexts"), graph.rows("wpe", depth))
    s = _rms(graph, s) if config.normalisation == "rms" else s
    hidden = _hidden_places(graph, start, T)  # (B, 1, T, T): -1e9 where a character may not look
    for n in range(1, config.layers + 1):
        qkv = graph.linear(_read(graph, config, "ln1", n, s), f"W_attn{n}", f"b_attn{n}")
        q, k, v = (
            graph("Transpose", graph.reshape(part, 0, T, heads, D // heads), perm=[0, 2, 1, 3])
            for part in graph.split(qkv, 3, D)
        )
        scores = graph("MatMul", q, graph("Transpose", k, perm=[0, 1, 3, 2]))
        scores = graph("Add", graph("Div", scores, graph.number((D // heads) ** 0.5)), hidden)
        mixed = graph("MatMul", graph("Softmax", scores, axis=-1), v)
        mixed = graph.reshape(graph("Transpose", mixed, perm=[0, 2, 1, 3]), 0, T, D)
        s = graph("Add", s, graph.linear(mixed, f"W_attn_proj{n}", f"b_attn_proj{n}"))
        up = graph.linear(_read(graph, config, "ln2", n, s), f"W_fc{n}", f"b_fc{n}")
        up = graph.activate(config.activation, up)
        s = graph("Add", s, graph.linear(up, f"W_mlp_proj{n}", f"b_mlp_proj{n}"))
    h = graph.column(s, -1)
    h = h if config.normalisation == "rms" else _read(graph, config, "lnf", "", h)
    return graph.linear(h, "W_lm_head", "b_lm_head")


def _word_start(graph: Graph, T: int) -> str:
    """(B, 1): the place of the last boundary, or 0."""
    boundary = graph("Equal", "contexts", graph.constant(0))
    at = graph("Where", boundary, graph.constant(range(T)), graph.constant(0))
    return graph("ReduceMax", at, axes=[1], keepdims=1)


def _hidden_places(graph: Graph, start: str, T: int) -> str:
    """What is added to attention scores: much below 0 for what comes later, or before the word."""
    later = graph.constant(np.triu(np.full((T, T), -1e9), 1), np.float32)
    before = graph("Less", graph.constant(range(T)), start)  # (B, T)
    before = graph("Mul", graph("Cast", before, to=1), graph.number(-1e9))
    return graph("Add", graph("Unsqueeze", before, graph.constant([1, 2])), later)


def _read(graph: Graph, config: Any, name: str, n: int | str, s: str) -> str:
    """What a layer reads of the residual stream."""
    if config.normalisation == "rms":
        return _rms(graph, s)
    learned = [f"{name}_gain{n}", *([f"{name}_bias{n}"] if config.bias else [])]
    return graph("LayerNormalization", s, *learned, axis=-1, epsilon=EPSILON)


def _rms(graph: Graph, s: str) -> str:
    square = graph("ReduceMean", graph("Mul", s, s), axes=[-1], keepdims=1)
    return graph("Div", s, graph("Sqrt", graph("Add", square, graph.number(EPSILON))))


BUILD: dict[str, Callable[[Graph, Any], str]] = {
    "bigram": _bigram,
    "mlp": _mlp,
    "wavenet": _wavenet,
    "rnn": lambda graph, config: _recurrent(graph, config, _rnn_step, 1),
    "gru": lambda graph, config: _recurrent(graph, config, _gru_step, 1),
    "lstm": lambda graph, config: _recurrent(graph, config, _lstm_step, 2),
    "transformer": _transformer,
}
