"""The second part of the plain PyTorch script: parameters and forward pass of one architecture, as text."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..architectures.interface import ModelConfig, is_statistic, is_weight, starts_at_one
from ..architectures.layers import EPSILON, MOMENTUM
from ..architectures.sequence import SequenceConfig
from ..train_state import generator_seed

if TYPE_CHECKING:
    from .trained import Trained

LECTURE = {  # what a tensor is there
    "C": "the lecture's lookup table",
    "W1": "the lecture's hidden layer",
    "W2": "the lecture's output layer",
    "W": "direct connections of Bengio et al. (2003); the lecture leaves them out",
    "bn_gain1": "bngain of the lecture series' part 3",
    "bn_bias1": "bnbias",
}


def parameters(trained: Trained) -> str:
    """Every tensor with its first values, drawn in the order of the forward pass."""
    config, seed = trained.config.model, trained.config.train.seed
    shapes = config.shapes(trained.artifact.vocab.size)
    lines = [f"g = torch.Generator().manual_seed({seed})  # for reproducibility"]
    if "wpe" in shapes:  # its tensors are numbered by layer
        lines += _in_a_loop(config, shapes)
        named = "list(p.values())"
    else:
        lines += [_tensor(config, name, shape) for name, shape in shapes.items()]
        named = "[" + ", ".join(name for name in shapes if not is_statistic(name)) + "]"
    return "\n".join(
        [
            *lines,
            f"parameters = {named}",
            "print(sum(q.nelement() for q in parameters))  # number of parameters in total",
            "for q in parameters:",
            "    q.requires_grad = True",
        ]
    )


def _tensor(config: ModelConfig, name: str, shape: tuple[int, ...]) -> str:
    said = f"  # {LECTURE[name]}" if name in LECTURE and config.architecture in ("mlp", "wavenet", "rnn") else ""
    return f"{name} = {_first_values(config, name, shape)}{said}"


def _first_values(config: ModelConfig, name: str, shape: tuple[int, ...]) -> str:
    size = ", ".join(map(str, shape))
    everything = getattr(config, "init", "scaled") == "lecture"
    if starts_at_one(name):
        return f"torch.ones({size})"
    if not is_weight(shape) and (not everything or is_statistic(name)):
        return f"torch.zeros({size})"
    spread = 1.0 if everything else config.spread(name, shape)
    drawn = f"torch.randn(({size}{',' if len(shape) == 1 else ''}), generator=g)"
    return drawn if spread == 1 else f"{drawn} * {spread!r}"


def _in_a_loop(config: Any, shapes: dict[str, tuple[int, ...]]) -> list[str]:
    """A transformer's tensors: those of a layer once, for all layers."""
    one_layer = config.replace(layers=1).shapes(shapes["C"][0])
    in_layer = {name[:-1]: shape for name, shape in one_layer.items() if name.endswith("1")}
    before = {name: shapes[name] for name in ("C", "wpe")}
    last = [name for name in one_layer if name not in before and not name.endswith("1")]
    return [
        "p = {}",
        *(f"p['{name}'] = {_first_values(config, name, shape)}" for name, shape in before.items()),
        f"for n in range(1, {config.layers + 1}):",
        *(f"    p[f'{name}{{n}}'] = {_first_values(config, name + '1', shape)}" for name, shape in in_layer.items()),
        *(f"p['{name}'] = {_first_values(config, name, shapes[name])}" for name in last),
    ]


def forward(trained: Trained) -> str:
    """``forward(X)``: contexts to logits."""
    config = trained.config.model
    lines = FORWARD[config.architecture](config)
    text = "\n".join([*_dropout(trained), *_batch_norm(config), *lines, *_loss(config)])
    return text if has_modes(config) else text.replace(", training=False", "")


def has_modes(config: ModelConfig) -> bool:
    """Whether the forward pass is another one while training."""
    drops = getattr(config, "dropout", 0) or getattr(config, "state_dropout", 0)
    return bool(drops) or getattr(config, "normalisation", "none") == "batch"


def _dropout(trained: Trained) -> list[str]:
    config = trained.config.model
    if not (getattr(config, "dropout", 0) or getattr(config, "state_dropout", 0)):
        return []
    return [
        f"g_dropout = torch.Generator().manual_seed({generator_seed(trained.config.train.seed, 'dropout')})",
        "",
        "def dropout(h, rate, training):",
        "    # silence some units while training; four decisions from one random 64-bit number",
        "    if not training:",
        "        return h",
        "    dropped = round(rate * 2**16)",
        "    bits = torch.empty((h.numel() + 3) // 4, dtype=torch.int64).random_(-(2**63), None, generator=g_dropout)",
        "    kept = bits.view(torch.int16)[: h.numel()].view(h.shape) >= dropped - 2**15",
        "    return h * kept * (2**16 / (2**16 - dropped))",
        "",
    ]


def _batch_norm(config: ModelConfig) -> list[str]:
    if getattr(config, "normalisation", "none") != "batch":
        return []
    return [
        "def batch_norm(z, mean, var, training):",
        "    # by the mean and variance of the batch while training, by the running ones afterwards, as in part 3",
        "    if not training:",
        f"        return (z - mean) / (var + {EPSILON}).sqrt()",
        "    rows = z.reshape(-1, z.shape[-1])",
        "    bnmeani, bnvari = rows.mean(0), rows.var(0, correction=0)",
        "    with torch.no_grad():",
        f"        mean += {MOMENTUM} * (bnmeani - mean)",
        f"        var += {MOMENTUM} * (bnvari * len(rows) / max(1, len(rows) - 1) - var)",
        f"    return (z - bnmeani) / (bnvari + {EPSILON}).sqrt()",
        "",
    ]


def _hidden(config: Any, layer: int, inputs: str) -> list[str]:
    """One hidden layer, from ``inputs`` to ``h``."""
    function = {"tanh": "torch.tanh", "relu": "torch.relu", "gelu": "F.gelu"}[config.activation]
    weighted = f"{inputs} @ W{layer}"
    if config.normalisation == "none":
        lines = [f"    h = {function}({weighted} + b{layer})"]
    elif config.normalisation == "layer":
        normed = f"F.layer_norm({weighted}, ({_width(config, layer)},))"
        lines = [f"    h = {function}({normed} * ln_gain{layer} + ln_bias{layer})"]
    else:
        normed = f"batch_norm({weighted}, bn_running_mean{layer}, bn_running_var{layer}, training)"
        lines = [f"    h = {function}({normed} * bn_gain{layer} + bn_bias{layer})"]
    return lines + ([f"    h = dropout(h, {config.dropout}, training)"] if config.dropout else [])


def _width(config: Any, layer: int) -> int:
    return int(config.hidden_sizes[layer - 1] if hasattr(config, "hidden_sizes") else config.hidden_size)


def _bigram(config: ModelConfig) -> list[str]:
    return [
        "def forward(X, training=False):",
        "    return W[X[:, -1]]  # a row of the table: log-counts, up to a constant",
    ]


def _mlp(config: Any) -> list[str]:
    width = config.context_size * config.embedding_dim
    lines = [
        "def forward(X, training=False):",
        f"    emb = C[X]  # (B, {config.context_size}, {config.embedding_dim}): embed the characters into vectors",
        f"    {'x = h' if config.direct else 'h'} = emb.view(-1, {width})  # concatenate the vectors",
    ]
    for layer in range(1, config.output):
        lines += _hidden(config, layer, "h")
    terms = [f"h @ W{config.output}"] if config.hidden_sizes else []
    terms += ["x @ W"] if config.direct else []
    return [*lines, f"    return {' + '.join(terms)} + b{config.output}  # logits"]


def _wavenet(config: Any) -> list[str]:
    lines = ["def forward(X, training=False):", "    h = C[X]  # (B, T, D)"]
    for layer in range(1, config.context_size.bit_length()):
        lines.append("    h = h.view(h.shape[0], h.shape[1] // 2, -1)  # FlattenConsecutive(2) of part 5")
        lines += _hidden(config, layer, "h")
    return [*lines, "    return h[:, 0] @ W_lm_head + b_lm_head  # logits"]


def _recurrent(config: Any, begin: str, step: list[str], state: str = "h") -> list[str]:
    """A pass over the tree, a length of beginnings after the other; ``step`` makes ``h`` from ``x`` and ``h``."""
    out = f"dropout(torch.cat(states), {config.dropout}, training)" if config.dropout else "torch.cat(states)"
    kept = [f"        {name} = {name}[parent[here] - first]" for name in ("h", "c")[: 1 + (state == "c")]]
    return [
        "def forward(part, ends, training=False):",
        "    last, parent, depth = part",
        f"    inputs = C @ W_ih + b_ih  # (V, {begin}): what each character adds; there are no others",
        f"    h = {'c = ' if state == 'c' else ''}torch.zeros(1, {config.hidden_size})",
        "    states, first = [], 0",
        "    for d in range(1, int(depth.max()) + 1):",
        "        here = (depth == d).nonzero()[:, 0]",
        *kept,
        *(f"        {line}" for line in step),
        "        states.append(h)",
        "        first = int(here[0])",
        f"    h = {out}",
        "    return h[ends] @ W_lm_head + b_lm_head  # logits",
    ]


def _rnn(config: Any) -> list[str]:
    return _recurrent(config, str(config.hidden_size), ["h = torch.tanh(inputs[last[here]] + h @ W_hh)"])


def _gru(config: Any) -> list[str]:
    new = "torch.tanh(xn + r * hn)"
    new = f"dropout({new}, {config.state_dropout}, training)" if config.state_dropout else new
    step = [
        "xr, xz, xn = inputs[last[here]].chunk(3, 1)",
        "hr, hz, hn = (h @ W_hh + b_hh).chunk(3, 1)",
        "r, z = torch.sigmoid(xr + hr), torch.sigmoid(xz + hz)",
        f"h = z * h + (1 - z) * {new}",
    ]
    return _recurrent(config, f"3 * {config.hidden_size}", step)


def _lstm(config: Any) -> list[str]:
    new = "torch.tanh(g_)"
    new = f"dropout({new}, {config.state_dropout}, training)" if config.state_dropout else new
    step = [
        "i, f, o, g_ = (inputs[last[here]] + h @ W_hh).chunk(4, 1)",
        f"c = torch.sigmoid(f + 1) * c + torch.sigmoid(i) * {new}",
        "h = torch.sigmoid(o) * torch.tanh(c)",
    ]
    return _recurrent(config, f"4 * {config.hidden_size}", step, "c")


def _transformer(config: Any) -> list[str]:
    D, heads = config.embedding_dim, config.heads
    rms, function = config.normalisation == "rms", {"tanh": "torch.tanh", "relu": "F.relu", "gelu": "F.gelu"}
    dropped = (lambda x: f"dropout({x}, {config.dropout}, training)") if config.dropout else (lambda x: x)
    up = f"{function[config.activation]}(linear('fc', n, norm('ln2', n, h)))"
    return [
        "def norm(name, n, x):",
        *(RMS_NORM if rms else LAYER_NORM_BIASED if config.bias else LAYER_NORM),
        "",
        "def linear(name, n, x):",
        "    return x @ p[f'W_{name}{n}']" + (" + p[f'b_{name}{n}']" if config.bias else ""),
        "",
        "def forward(part, ends, training=False):",
        "    last, parent, depth = part",
        "    above = [torch.arange(len(last))]  # each beginning, what it continues, and so on: (n, T)",
        "    for _ in range(int(depth.max()) - 1):",
        "        above.append(parent[above[-1]])",
        "    above = torch.stack(above, 1)",
        "    outside = torch.arange(above.shape[1]) >= depth[:, None]",
        "    h = p['C'][last] + p['wpe'][depth - 1]  # characters and positions",
        *(["    h = norm('', '', h)"] if rms else []),
        f"    for n in range(1, {config.layers + 1}):",
        f"        q, k, v = linear('attn', n, norm('ln1', n, h)).view(-1, 3, {heads}, {D // heads}).unbind(1)",
        f"        scores = (q[:, None] * k[above]).sum(3) / {D // heads} ** 0.5  # (n, T, heads)",
        "        weights = scores.masked_fill(outside[:, :, None], float('-inf')).softmax(1)",
        "        mixed = (weights[..., None] * v[above]).sum(1).flatten(1)",
        "        h = h + " + dropped("linear('attn_proj', n, mixed)"),
        "        h = h + " + dropped(f"linear('mlp_proj', n, {up})"),
        *([] if rms else ["    h = norm('lnf', '', h)"]),
        "    return h[ends] @ p['W_lm_head']" + (" + p['b_lm_head']" if config.bias else "") + "  # logits",
    ]


RMS_NORM = [f"    return x * (x.square().mean(-1, keepdim=True) + {EPSILON}).rsqrt()  # nothing learned"]
LAYER_NORM = ["    return F.layer_norm(x, x.shape[-1:]) * p[f'{name}_gain{n}']"]
LAYER_NORM_BIASED = [LAYER_NORM[0] + " + p[f'{name}_bias{n}']"]
FORWARD: dict[str, Callable[[Any], list[str]]] = {
    "bigram": _bigram,
    "mlp": _mlp,
    "rnn": _rnn,
    "gru": _gru,
    "lstm": _lstm,
    "wavenet": _wavenet,
    "transformer": _transformer,
}


def _loss(config: ModelConfig) -> list[str]:
    """The exact loss of a split, as the lecture's ``split_loss``; in pieces, which large models need."""
    if not isinstance(config, SequenceConfig):
        return [
            "",
            "@torch.no_grad()",
            "def split_loss(X, Y):",
            "    pieces = zip(X.split(4096), Y.split(4096))",
            "    return sum(F.cross_entropy(forward(x), y, reduction='sum').item() for x, y in pieces) / len(Y)",
        ]
    return [
        "",
        "@torch.no_grad()",
        "def split_loss(X, Y):",
        "    total = 0.0",
        "    for i in range(0, len(X), 4096):",
        "        x, y = X[i : i + 4096], torch.tensor(Y[i : i + 4096])",
        "        place, last, parent, depth = build_tree(set(x))",
        "        parent = parent[:-1].where(depth > 1, 0)",
        "        ends = torch.tensor([place[context] for context in x])",
        "        total += F.cross_entropy(forward((last, parent, depth), ends), y, reduction='sum').item()",
        "    return total / len(X)",
    ]
