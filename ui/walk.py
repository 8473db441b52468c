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
from mmcore.trace import SATURATED
from ui import hood
from ui.theme import SURFACES, Role, Theme, color, figure_layout

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
    names = hood.labels(step.letters.split(", ")[-2], step.shape[-2], trace.context, vocab)
    place, symbol = names[row].split(": ", 1)
    return f"{symbol} ({place})"


def _largest(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    """The place of the largest number, and the number."""
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
    what = "two neighbours, the same way for every two" if step.value.ndim == 2 else "all the numbers before it"
    bias = " and adds its bias" if any(weight.name.startswith("b") for weight in step.weights) else ""
    return f"Every unit weighs {what}{bias}. The largest sum is that of {_largest(step, trace, vocab)}."


def _normalised(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    value, before = _value(step), _value(_before(step, trace))
    before = before[-1] if before.ndim > value.ndim else before
    return (
        "Less a mean, over a standard deviation; times the gain, plus the bias that were learned for each unit. The "
        f"spread of these numbers was σ = {before.std():.4f} and is {value.std():.4f} now."
    )


def _tanh(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    stuck = int((np.abs(_value(step)) > SATURATED).sum())
    return (
        f"The sums are bent. Here {stuck} of {step.value.size} outputs are beyond ±{SATURATED:g}, where tanh is "
        "almost flat and next to no gradient comes back."
    )


def _relu(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    return f"The sums are bent. {int((step.value == 0).sum())} of {step.value.size} outputs are 0."


def _gelu(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    value = _value(step)
    return (
        f"The sums are bent: large ones pass, negative ones are held near 0. {int((value < 0).sum())} of {value.size} "
        f"outputs are below 0, none below {value.min():+.4f}."
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
        f"The strongest is {_largest(step, trace, vocab)}."
    )


def _state(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    states = _value(step)
    moved = np.linalg.norm(np.diff(states, axis=0, prepend=np.zeros_like(states[:1])), axis=1)
    most = int(moved.argmax())
    only = "What the cell shows" if any(one.kind == "cell" for one in trace.steps) else "All that is remembered"
    return (
        f"{only} of what was read, {states.shape[1]} numbers made anew at every character. They move "
        f"most at {_character(step, most, trace, vocab)}: by {moved[most]:.4f}, to a length of "
        f"{_sizes(step)[most]:.4f}. Only the last row goes on to the logits."
    )


def _cell(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    sizes = _sizes(step)
    return (
        "Multiplied by the forget gate and added to, and squeezed by nothing: its length is "
        f"{sizes[0]:.4f} after the first character and {sizes[-1]:.4f} after the last. The largest number is "
        f"{_largest(step, trace, vocab)}."
    )


def _place(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    rows = _value(_before(step, trace))
    character, place = np.linalg.norm(rows[-1]), np.linalg.norm(_value(step)[-1] - rows[-1])
    return (
        "A row for the place is added, so that the same character is another vector in another place. For the last one "
        f"the character's row is {character:.4f} long, its place's {place:.4f}."
    )


def _attention(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    last = _value(step)[:, -1]  # (heads, L)
    if last.shape[1] == 1:
        return "Each row sums to 1. Only the boundary has been read: it can look at nothing but itself."
    favourite = last.argmax(axis=1)
    heads = [
        f"head {head + 1} looks most at {_character(step, int(at), trace, vocab)}, {100 * last[head, at]:.1f} %"
        for head, at in enumerate(favourite[:NAMED_HEADS])
    ]
    return (
        "Every character looks at itself and what stands before it; each row sums to 1. From the last character, "
        f"{'; '.join(heads)}."
    )


def _mixed(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    return (
        "Each head's values, as much of each character's as it looks at it; the heads stand side by side. "
        f"The largest number is {_largest(step, trace, vocab)}."
    )


def _stream(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    before = _value(_before(step, trace, "stream", "place"))[-1]
    added = np.linalg.norm(_value(step)[-1] - before)
    return (
        "What was found is added, so that nothing is lost on the way. For the last character: "
        f"{added:.4f} long, to a stream of {np.linalg.norm(before):.4f}."
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
        f"Loss = −ln {probability:.6g} = {trace.loss:.6f} nats. A model that knows nothing would pay "
        f"ln {known} = {math.log(known):.4f}."
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
    largest = np.abs(_value(step)).max()
    return f"The largest is {largest:.4g}." if largest else "All are 0: nothing here made a difference to the loss."


def _through_the_logarithm(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    target = show_symbol(vocab.symbols[trace.target])
    return (
        f"Only the right answer, {target}, enters the loss: −1 / p there is {_value(step)[trace.target]:.4f}, "
        "0 elsewhere."
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
    blocked = int((local < 1 - SATURATED**2).sum())
    return (
        f"Times the local derivative, between {local.min():.4f} and {local.max():.4f} here. "
        f"{blocked} of {local.size} units let through less than 6 %: they are saturated."
    )


def _of_outputs(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    return f"Each unit collects the gradients of everything it feeds, by its outgoing weights. {_size(step)}"


def _of_sums(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    sizes = np.abs(_value(step))
    small = int((sizes < 0.01 * sizes.max()).sum())
    hardly = f" {small} of {sizes.size} are below a hundredth of that: what makes these hardly learns." * (small > 0)
    return f"{_size(step)}{hardly}"


def _of_bias(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    return f"A bias is added as it is, so its gradient is the gradient of the sum. {_size(step)}"


def _of_weights(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    return f"Every input times every output's gradient: an outer product. {_size(step)}"


def _of_joined(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    return f"What the {step.value.size} numbers of x should have been more of. {_size(step)}"


def _of_rows(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    if any(one.kind == "joined" for one in trace.steps):
        return "The same numbers, cut back into one row for each position."
    return _by_character(step, trace, vocab)


def _of_table(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    touched = [show_symbol(vocab.symbols[i]) for i in np.flatnonzero(np.abs(_value(step)).sum(1))]
    if len(touched) == 1:
        return f"Only the row of {touched[0]} gets a gradient. All other rows stay where they are."
    return (
        f"Only the rows of the context's characters ({', '.join(touched) or 'none'}) get a gradient; one that stands "
        "twice collects both. All other rows stay where they are."
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


def _through_time(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    if len(step.value) == 1:
        return f"One character has been read, so nothing goes back through time. {_size(step)}"
    sizes, steps = _sizes(step), len(step.value) - 1
    beside = [f"of {one.name}, {_left(one)}" for one in trace.steps if one.kind in MEMORY and one.name != step.name]
    what = (
        "It vanishes on the way back: what stands first hardly learns from this answer."
        if sizes[0] < 0.1 * sizes[-1]
        else "It grows on the way back."
        if sizes[0] > sizes[-1]
        else "What stands first still learns from this answer."
    )
    return (
        f"Of {step.name} at the last character, {_left(step)} of the length is left at the first, {steps} "
        f"step{'s' * (steps > 1)} back in time{''.join(f'; {other}' for other in beside)}. {what}"
    )


def _of_attention(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    value, seen = _value(step), np.tri(step.shape[1], dtype=bool)
    if len(seen) == 1:
        return "One character has been read, and gets all attention whatever the scores are: there is nothing to learn."
    better, worse = np.where(seen, value, np.inf), np.where(seen, value, -np.inf)
    gained = better.min(axis=2) - worse.max(axis=2)  # (heads, L): by moving all attention within a row
    head, row = (int(i) for i in np.unravel_index(gained.argmin(), gained.shape))
    to, off = (
        _character(step, int(at), trace, vocab) for at in (better[head, row].argmin(), worse[head, row].argmax())
    )
    unused = (
        "" if value[:, :-1].any() else " Only the last character's looks count: nobody reads what the others found."
    )
    return (
        f"Most would be gained if head {head + 1} at {_character(step, row, trace, vocab)} looked at {to} instead of "
        f"{off}: {gained[head, row]:+.4g} for a whole share of 1.{unused}"
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
    names = [hood.labels(k, n, trace.context, vocab) for k, n in zip(letters, step.shape, strict=True)]
    if len(names) == 2:
        shares = step.kind in SHARES and not step.name.startswith("d")
        return hood.heatmap(step.value, names[0], names[1], title, letters, theme, shares=shares)
    marked = trace.target if letters == ["V"] else None
    return hood.bars(step.value, names[0], title, hood.axis(letters[0]), theme, marked=marked)


def weight(tensor: TraceStep, trace: Trace, vocab: Vocab, theme: Theme, forward: bool) -> go.Figure:
    """What a step is made with; on the way back, how the loss changes with it."""
    shape, says = " × ".join(map(str, tensor.shape)), "as this run has learned it" if forward else "its gradient"
    return values(tensor, trace, vocab, theme, f"{tensor.name}, {shape}, {says}")


def heads(step: TraceStep, trace: Trace, vocab: Vocab, theme: Theme, forward: bool) -> list[go.Figure]:
    """Who looks at whom, a small heatmap each head; or how the loss changes with it. What comes later stays blank."""
    names, value = hood.labels("L", step.shape[1], trace.context, vocab), _value(step)
    tables = np.where(np.tri(len(names), dtype=bool), value, np.nan)
    top = float(np.abs(np.tril(value)).max()) or 1.0
    drawn = []
    for number, table in enumerate(tables, start=1):
        best = int(table[-1].argmax())
        looks = f"looks most at {names[best].split(': ', 1)[1]}, {100 * table[-1, best]:.0f} %"
        title = f"Head {number} {looks}" if forward else f"Head {number}, gradient"
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
            **(shade if top is None else {"zmin": -top, "zmax": top, "colorscale": hood.diverging(theme)}),
            texttemplate=("%{z:.0%}" if top is None else "%{z:.2f}") if len(names) <= WRITTEN else None,
            textfont={"size": 11},
            hovertemplate="%{y} looks at %{x}<br>%{z:.9g}<extra></extra>",
            hoverongaps=False,
            showscale=False,
            xgap=1,
            ygap=1,
        )
    )
    layout = figure_layout(title, x="Looked at", y="Looking", theme=theme, height=280)
    figure.update_layout(layout, margin_t=48, title_font_size=14)
    small = {"type": "category", "showgrid": False, "tickfont_size": 11, "tickangle": 0}
    small["dtick"] = hood.every(len(names), names)
    return figure.update_xaxes(small).update_yaxes(small, autorange="reversed")


def lengths(step: TraceStep, trace: Trace, vocab: Vocab, theme: Theme) -> go.Figure:
    """How long the gradient is at each character; that of a state beside that of its cell."""
    shown = [one for one in trace.steps if one.kind in MEMORY] if step.kind in MEMORY else [step]
    letter = step.letters.split(", ")[0]
    names = hood.labels(letter, len(step.value), trace.context, vocab)
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
    layout = figure_layout(title, x=hood.axis(letter), y="Length of the gradient", theme=theme, height=300)
    figure.update_layout(layout, bargap=0.2, showlegend=len(shown) > 1)
    return figure.update_xaxes(type="category", tickangle=0, tickfont_size=11, dtick=hood.every(len(names), names))
