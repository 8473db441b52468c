"""One step of a pass, forward or back, for the screen: what it says and what it draws. Pure functions.

What can be said of a step hangs on its kind, whichever architecture it comes from; of a kind unknown here, its range.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from mmcore import Vocab, show_symbol
from mmcore.architectures.interface import is_statistic
from mmcore.trace import SATURATED
from ui.kit import plots
from ui.kit.theme import SURFACES, Role, Theme, color, figure_layout

if TYPE_CHECKING:
    from mmcore.trace import Trace, TraceStep

MEMORY = ("state", "cell")  # kinds that go from one character to the next
SHARES = ("gate", "attention")  # kinds whose values are from 0 to 1
NAMED_HEADS = 4  # of many, whose favourite a sentence tells
WRITTEN = 8  # characters up to which a head's shares are written into its cells

Numbers = NDArray[np.float64]
Say = Callable[["TraceStep", "Trace", Vocab], str]


def shape_text(step: TraceStep) -> str:
    """``(T, D) = (3, 10)``; a single number says so."""
    if not step.shape:
        return "one number"
    return f"({step.letters}) = ({', '.join(map(str, step.shape))})"


def forward_sentence(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    """What happens at a forward step, with this example's own numbers."""
    return FORWARD.get(step.kind, _in_general)(step, trace, vocab)


def backward_sentence(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    """What happens at a backward step, with this example's own numbers."""
    if step.local is not None and step.kind == "sums":
        return _through_the_activation(step, trace, vocab)
    return BACKWARD.get(step.kind, _by_character if by_character(step) else _in_general)(step, trace, vocab)


def by_character(step: TraceStep) -> bool:
    """Whether a step has a row for each character read, or each pair of neighbours."""
    return len(step.shape) == 2 and step.letters[0] in "LT" and step.kind not in ("weights", "table")


# ---- numbers and names in sentences


def _value(step: TraceStep) -> Numbers:
    return np.asarray(step.value, dtype=np.float64)


def _sizes(step: TraceStep) -> Numbers:
    """The length of each row."""
    return np.asarray(np.linalg.norm(_value(step), axis=1), dtype=np.float64)


def _before(step: TraceStep, trace: Trace, *kinds: str) -> TraceStep:
    """The step before this one; of some kinds, the last of them."""
    earlier = trace.steps[: trace.names.index(step.name)]
    return next(one for one in reversed(earlier) if not kinds or one.kind in kinds)


def _character(step: TraceStep, row: int, trace: Trace, vocab: Vocab) -> str:
    """A row of a step by what was read: ``m (3)``."""
    names = plots.labels(step.letters.split(", ")[-2], step.shape[-2], trace.context, vocab)
    place, symbol = names[row].split(": ", 1)
    return f"{symbol} ({place})"


def _largest(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    """The place of the number that is largest in magnitude, and the number."""
    value = _value(step)
    *row, unit = np.unravel_index(np.abs(value).argmax(), value.shape)
    where = f" at {_character(step, int(row[0]), trace, vocab)}" if row and len(value) > 1 else ""
    return f"unit {unit}{where}: {value[(*row, unit)]:+.4f}"


def _in_general(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    value = _value(step)
    return f"{value.size:,} numbers between {value.min():+.4g} and {value.max():+.4g}."


# ---- forward


def _ids(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    said = "Each character of the context is looked up in the vocabulary; the boundary, drawn as a dot, is 0."
    if not (unread := len(trace.context) - len(step.value)):
        return said
    left_out = "the one before it is" if unread == 1 else f"the {unread} before it are"
    return f"{said} A boundary begins a word, and reading begins there: {left_out} left out."


def _rows(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    return "Each id picks its row of the embedding table: the same character gives the same row wherever it stands."


def _joined(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    return f"The rows are laid end to end, one vector of {step.value.size} numbers. From here on, position counts."


def _sums(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    pairs = ", the same weights for every pair of neighbours" if step.value.ndim == 2 else ""
    bias = " plus its bias" if any(weight.name.startswith("b") for weight in step.weights) else ""
    return (
        f"A unit's pre-activation is a weighted sum of its inputs{bias}{pairs}. The largest in magnitude is that of "
        f"{_largest(step, trace, vocab)}."
    )


def _normalised(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    value, before = _value(step), _value(_before(step, trace))
    before = before[-1] if before.ndim > value.ndim else before
    of = (
        "each unit's, as training kept them"
        if any(is_statistic(one.name) for one in step.weights)
        else "over its units"
    )
    return (
        f"Subtract the mean and divide by the standard deviation ({of}), then multiply by each unit's learned gain and "
        f"add its learned bias. These numbers had a standard deviation of {before.std():.4f} before and have "
        f"{value.std():.4f} now."
    )


def _tanh(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    stuck = int((np.abs(_value(step)) > SATURATED).sum())
    return (
        f"The activation tanh is applied to each pre-activation. Here {stuck} of {step.value.size} outputs are beyond "
        f"±{SATURATED:g}, where tanh is almost flat and passes back less than 6 % of a gradient."
    )


def _relu(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    silent = int((step.value == 0).sum())
    return (
        "The activation ReLU is applied to each pre-activation: what is below 0 becomes 0. "
        f"{silent} of {step.value.size} outputs are 0 and pass back no gradient."
    )


def _gelu(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    value = _value(step)
    return (
        "The activation GELU is applied to each pre-activation: large ones pass, negative ones are held near 0. "
        f"{int((value < 0).sum())} of {value.size} outputs are below 0; the lowest is {value.min():+.4f}."
    )


def _gate(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    opened = 100 * _value(step).mean(axis=1)
    most, least = int(opened.argmax()), int(opened.argmin())
    said = f"Shares between 0 and 1, one for each unit: {opened.mean():.1f} % on average"
    if len(opened) == 1:
        return f"{said}."
    return (
        f"{said}; the most at {_character(step, most, trace, vocab)}, {opened[most]:.1f} %, "
        f"the least at {_character(step, least, trace, vocab)}, {opened[least]:.1f} %."
    )


def _candidate(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    return (
        "What each character would write into memory, between −1 and 1. "
        f"The largest in magnitude is that of {_largest(step, trace, vocab)}."
    )


def _state(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    states = _value(step)
    moved = np.linalg.norm(np.diff(states, axis=0, prepend=np.zeros_like(states[:1])), axis=1)
    most = int(moved.argmax())
    only = "What the cell shows" if any(one.kind == "cell" for one in trace.steps) else "All that is remembered"
    numbers = "1 number" if states.shape[1] == 1 else f"{states.shape[1]} numbers"
    return (
        f"{only} of what was read, {numbers}, {_renewed(trace)}. The state moves "
        f"most at {_character(step, most, trace, vocab)}: by {moved[most]:.4f}, to a length of "
        f"{_sizes(step)[most]:.4f}. Only the last row goes on to the logits."
    )


def _renewed(trace: Trace) -> str:
    """How a state comes out of the one before it."""
    kept = next((one for one in trace.steps if one.name == "z" and one.kind == "gate"), None)
    if kept is None:
        return "computed again at every character"
    return f"updated at every character: the share z, {100 * _value(kept).mean():.1f} % on average, is kept"


def _cell(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    sizes = _sizes(step)
    return (
        "The previous cell times the forget gate, plus the candidate times the input gate; no activation bounds it. "
        f"Its length is {sizes[0]:.4f} after the first character and {sizes[-1]:.4f} after the last. The largest "
        f"number in magnitude is that of {_largest(step, trace, vocab)}."
    )


def _place(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    rows = _value(_before(step, trace))
    character, place = np.linalg.norm(rows[-1]), np.linalg.norm(_value(step)[-1] - rows[-1])
    return (
        "A learned row for the position is added, so that a character has another vector at another position. For the "
        f"last character, its own row has a length of {character:.4f}, the position's one of {place:.4f}."
    )


def _attention(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    last = _value(step)[:, -1]  # (heads, L)
    if last.shape[1] == 1:
        only = _character(step, 0, trace, vocab)
        return f"Each row sums to 1. Only one character has been read, {only}: all its attention is on itself."
    favourite = last.argmax(axis=1)
    heads = [
        f"head {head + 1} attends most to {_character(step, int(at), trace, vocab)}, {100 * last[head, at]:.1f} %"
        for head, at in enumerate(favourite[:NAMED_HEADS])
    ]
    return (
        "Every character attends to itself and to those before it; its attention weights, a row, sum to 1. From the "
        f"last character, {'; '.join(heads)}."
    )


def _mixed(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    return (
        "Each head takes the average of the characters' values, weighted by its attention weights; the heads' results "
        f"are concatenated. The largest number in magnitude is that of {_largest(step, trace, vocab)}."
    )


def _stream(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    before = _value(_before(step, trace, "stream", "place"))[-1]
    added = np.linalg.norm(_value(step)[-1] - before)
    layer = "attention" if _before(step, trace).kind == "mixed" else "feed-forward"
    return (
        f"A residual connection: the output of the {layer} layer is added to the stream. For the last character, a "
        f"vector of length {added:.4f} is added to one of length {np.linalg.norm(before):.4f}."
    )


def _logits(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    value, target = _value(step), show_symbol(vocab.symbols[trace.target])
    best = int(value.argmax())
    return (
        f"One score for each character. Highest: {show_symbol(vocab.symbols[best])} with {value[best]:+.4f}; "
        f"the right answer, {target}, has {value[trace.target]:+.4f}."
    )


def _softmax(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    value, target = _value(step), show_symbol(vocab.symbols[trace.target])
    rank = int((value > value[trace.target]).sum()) + 1
    return (
        f"Exponentials, divided by their sum: they add up to {value.sum():.6f}. The right answer, {target}, gets "
        f"{100 * value[trace.target]:.2f} % and is in place {rank} of {value.size}."
    )


def _loss(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    probability, known = float(trace["p"][trace.target]), len(vocab.symbols)
    return (
        f"Loss = −ln {probability:.6g} = {trace.loss:.6f} nats. Giving all {known} characters the same probability "
        f"costs ln {known} = {math.log(known):.4f}."
    )


FORWARD: dict[str, Say] = {
    "ids": _ids,
    "rows": _rows,
    "joined": _joined,
    "sums": _sums,
    "normalised": _normalised,
    "tanh": _tanh,
    "relu": _relu,
    "gelu": _gelu,
    "gate": _gate,
    "candidate": _candidate,
    "state": _state,
    "cell": _cell,
    "place": _place,
    "attention": _attention,
    "mixed": _mixed,
    "stream": _stream,
    "logits": _logits,
    "p": _softmax,
    "loss": _loss,
}


# ---- backward


def _size(step: TraceStep) -> str:
    value = _value(step).ravel()
    largest = value[np.abs(value).argmax()]
    if not largest:
        return "All are 0: to first order, nothing here changes the loss."
    return f"The largest in magnitude is {largest:+.4g}."


def _through_the_logarithm(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    target = show_symbol(vocab.symbols[trace.target])
    return (
        f"Only the right answer, {target}, enters the loss: the gradient is −1 / p = {_value(step)[trace.target]:.4f} "
        "there and 0 elsewhere."
    )


def _through_the_softmax(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    value, target = _value(step), show_symbol(vocab.symbols[trace.target])
    return (
        f"Softmax and logarithm together leave p − y: {target} is pulled up by {-value[trace.target]:.4f}, the "
        f"others are pushed down by their probabilities. The row sums to {value.sum():.1e}, so what one gains the "
        "others lose."
    )


def _through_the_activation(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    local = np.asarray(step.local, dtype=np.float64)
    if _before(step, trace).kind == "relu":
        return (
            f"Times the local derivative, 1 where a unit is active and 0 where it is not. {int((local == 0).sum())} of "
            f"{local.size} units are inactive here: their gradient is exactly 0."
        )
    blocked = int((local < 1 - SATURATED**2).sum())
    return (
        f"Times the local derivative, between {local.min():.4f} and {local.max():.4f} here. "
        f"{blocked} of {local.size} units pass back less than 6 %: they are saturated."
    )


def _of_outputs(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    return f"The sum of the gradients of everything that a unit feeds, each times the weight between. {_size(step)}"


def _of_sums(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    sizes = np.abs(_value(step))
    small = int((sizes < 0.01 * sizes.max()).sum())
    below = f" {small} of {sizes.size} are below a hundredth of that in magnitude." * (small > 0)
    return f"{_size(step)}{below}"


def _of_bias(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    return f"A bias is added as it is, so its gradient is that of what it is added to. {_size(step)}"


def _of_weights(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    return f"Every input times every output's gradient: an outer product. {_size(step)}"


def _of_joined(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    return (
        f"The {step.value.size} numbers of x: the gradient points where the loss grows, so a small step against it "
        f"lowers the loss. {_size(step)}"
    )


def _of_rows(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    if any(one.kind == "joined" for one in trace.steps):
        return "The same numbers, cut back into one row for each position."
    return _by_character(step, trace, vocab)


def _of_table(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    touched = [show_symbol(vocab.symbols[i]) for i in np.flatnonzero(np.abs(_value(step)).sum(1))]
    if not touched:
        return "The gradient of every row is zero."
    if len(touched) == 1:
        return f"Only the row of {touched[0]} has a gradient. That of all other rows is zero."
    return (
        f"Only the rows of characters that were read ({', '.join(touched)}) have a gradient; one that stands there "
        "more than once collects the sum. The gradient of all other rows is zero."
    )


def _by_character(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    sizes = _sizes(step)
    most, least = int(sizes.argmax()), int(sizes.argmin())
    if len(sizes) == 1 or sizes[most] == sizes[least]:
        return _size(step)
    return (
        f"The gradient is longest at {_character(step, most, trace, vocab)}, {sizes[most]:.4g}, "
        f"and shortest at {_character(step, least, trace, vocab)}, {sizes[least]:.4g}."
    )


def _left(step: TraceStep) -> str:
    """How much of the last character's gradient the first one gets."""
    sizes = _sizes(step)
    return f"{100 * sizes[0] / sizes[-1]:.3g} %" if sizes[-1] else "nothing"


def _carried(trace: Trace) -> str:
    """What becomes of the gradient of memory on the way back: of the cell, which carries it, where there is one."""
    memory = [one for one in trace.steps if one.kind in MEMORY]
    carrier = next((one for one in memory if one.kind == "cell"), memory[0])
    first, last = _sizes(carrier)[[0, -1]]
    what = (
        "vanishes on the way back: less than a tenth of it is left"
        if first < 0.1 * last
        else "grows on the way back"
        if first > last
        else "shrinks on the way back, but a tenth of it or more is left"
        if first < last
        else "is as long at the first character as at the last"
    )
    return f"Memory goes through the cell, and its gradient {what}." if carrier.kind == "cell" else f"It {what}."


def _through_time(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    if len(step.value) == 1:
        return f"One character has been read, so nothing goes back through time. {_size(step)}"
    if not step.value.any():
        return _size(step)
    steps = len(step.value) - 1
    beside = [f"of {one.name}, {_left(one)}" for one in trace.steps if one.kind in MEMORY and one.name != step.name]
    return (
        f"Of {step.name} at the last character, {_left(step)} of the length is left at the first, {steps} "
        f"step{'s' * (steps > 1)} back in time{''.join(f'; {other}' for other in beside)}. {_carried(trace)}"
    )


def _of_attention(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    value, seen = _value(step), np.tri(step.shape[1], dtype=bool)
    if len(seen) == 1:
        return "One character has been read: all attention is on it whatever the scores are, so their gradient is 0."
    assert step.forward is not None, "the weights that it is the gradient of"
    mean = (np.asarray(step.forward, dtype=np.float64) * value).sum(axis=2, keepdims=True)
    change = np.where(seen, value - mean, np.inf)  # of the loss, as a row's weights all go to one place
    head, row, at = (int(i) for i in np.unravel_index(change.argmin(), change.shape))
    unused = "" if value[:, :-1].any() else " Only the last character's weights count: the others' results go unread."
    return (
        f"To first order, the loss falls fastest if head {head + 1} at {_character(step, row, trace, vocab)} moves "
        f"attention to {_character(step, at, trace, vocab)}: {change[head, row, at]:+.4g} for all of it. The estimate "
        f"holds for small moves.{unused}"
    )


BACKWARD: dict[str, Say] = {
    "p": _through_the_logarithm,
    "logits": _through_the_softmax,
    "tanh": _of_outputs,
    "relu": _of_outputs,
    "sums": _of_sums,
    "normalised": _of_sums,
    "bias": _of_bias,
    "weights": _of_weights,
    "joined": _of_joined,
    "rows": _of_rows,
    "table": _of_table,
    "state": _through_time,
    "cell": _through_time,
    "attention": _of_attention,
}


# ---- charts


def values(step: TraceStep, trace: Trace, vocab: Vocab, theme: Theme, title: str | None = None) -> go.Figure:
    """A step's values: bars for a vector, a heatmap for a matrix."""
    letters, title = step.letters.split(", "), title or f"{step.name}: {step.title}"
    names = [plots.labels(k, n, trace.context, vocab) for k, n in zip(letters, step.shape, strict=True)]
    if len(names) == 2:
        shares = step.kind in SHARES and not step.name.startswith("d")
        return plots.heatmap(step.value, names[0], names[1], title, letters, theme, shares=shares)
    marked = trace.target if letters == ["V"] else None
    return plots.bars(step.value, names[0], title, plots.axis(letters[0]), theme, marked=marked)


def weight(tensor: TraceStep, trace: Trace, vocab: Vocab, theme: Theme, forward: bool) -> go.Figure:
    """What a step is made with; on the way back, how the loss changes with it."""
    shape, says = " × ".join(map(str, tensor.shape)), "as this run has learned it" if forward else "its gradient"
    return values(tensor, trace, vocab, theme, f"{tensor.name}, {shape}, {says}")


def heads(step: TraceStep, trace: Trace, vocab: Vocab, theme: Theme, forward: bool) -> list[go.Figure]:
    """Attention weights, a small heatmap each head; or how the loss changes with them. What comes later stays blank."""
    names, value = plots.labels("L", step.shape[1], trace.context, vocab), _value(step)
    tables = np.where(np.tri(len(names), dtype=bool), value, np.nan)
    top = float(np.abs(np.tril(value)).max()) or 1.0
    drawn = []
    for number, table in enumerate(tables, start=1):
        best = int(table[-1].argmax())
        most = f"attends most to {names[best].split(': ', 1)[1]}, {100 * table[-1, best]:.0f} %"
        title = f"Head {number} {most}" if forward else f"Head {number}, gradient"
        drawn.append(_head(table, names, title, theme, None if forward else top))
    return drawn


def _head(table: Numbers, names: list[str], title: str, theme: Theme, top: float | None) -> go.Figure:
    """``top``: of the colours for a gradient; None for shares."""
    shade = {"zmin": 0.0, "zmax": 1.0, "colorscale": list(SURFACES[theme].scale)}
    figure = go.Figure(
        go.Heatmap(
            x=names,
            y=names,
            z=table,
            **(shade if top is None else {"zmin": -top, "zmax": top, "colorscale": plots.diverging(theme)}),
            texttemplate=("%{z:.0%}" if top is None else "%{z:.2f}") if len(names) <= WRITTEN else None,
            textfont={"size": 11},
            hovertemplate="%{y} attends to %{x}<br>%{z:.9g}<extra></extra>",
            hoverongaps=False,
            showscale=False,
            xgap=1,
            ygap=1,
        )
    )
    layout = figure_layout(title, x="Attended to", y="Attending", theme=theme, height=280)
    figure.update_layout(layout, margin_t=48, title_font_size=14)
    small = {"type": "category", "showgrid": False, "tickfont_size": 11, "tickangle": 0}
    small["dtick"] = plots.every(len(names), names)
    return figure.update_xaxes(small).update_yaxes(small, autorange="reversed")


def lengths(step: TraceStep, trace: Trace, vocab: Vocab, theme: Theme) -> go.Figure:
    """How long the gradient is at each character; that of a state beside that of its cell."""
    shown = [one for one in trace.steps if one.kind in MEMORY] if step.kind in MEMORY else [step]
    letter = step.letters.split(", ")[0]
    names = plots.labels(letter, len(step.value), trace.context, vocab)
    roles: tuple[Role, ...] = ("accent", "validation")
    figure = go.Figure()
    for one, role in zip(shown, roles, strict=False):
        figure.add_bar(
            x=names,
            y=_sizes(one),
            name=one.name,
            marker={"color": color(role, theme), "pattern": {"shape": "/" if one is not shown[0] else ""}},
            hovertemplate="%{x}<br>length %{y:.9g}<extra>%{fullData.name}</extra>",
        )
    named, each = (
        " and ".join(one.name for one in shown),
        "character" if letter in ("L", "T") else "group of characters",
    )
    title = f"How long {named} {'is' if len(shown) == 1 else 'are'} at each {each}"
    layout = figure_layout(title, x=plots.axis(letter), y="Length of the gradient", theme=theme, height=300)
    figure.update_layout(layout, bargap=0.2, showlegend=len(shown) > 1)
    return figure.update_xaxes(type="category", tickangle=0, tickfont_size=11, dtick=plots.every(len(names), names))
