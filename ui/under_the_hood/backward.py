"""What is said of a step on the way back, by its kind, whichever architecture it comes from."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from mmcore.dataset import Vocab, show_symbol
from mmcore.trace import SATURATED
from ui.under_the_hood.step import MEMORY, by_character, character_at, in_general, row_lengths, step_before, value_of

if TYPE_CHECKING:
    from mmcore.trace import Trace, TraceStep


def sentence(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    """What happens at a step, with this example's own numbers; of a kind unknown here, their range."""
    if step.local is not None and step.kind == "sums":
        return _through_the_activation(step, trace, vocab)
    return SENTENCES.get(step.kind, _by_character if by_character(step) else in_general)(step, trace, vocab)


def _size(step: TraceStep) -> str:
    value = value_of(step).ravel()
    largest = value[np.abs(value).argmax()]
    if not largest:
        return "All are 0: to first order, nothing here changes the loss."
    return f"The largest in magnitude is {largest:+.4g}."


def _through_the_logarithm(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    target, gradient = show_symbol(vocab.symbols[trace.target]), value_of(step)[trace.target]
    return (
        f"Only the right answer, {target}, enters the loss: the gradient is −1 / p = {gradient:.4f} there and 0 "
        "elsewhere."
    )


def _through_the_softmax(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    value, target = value_of(step), show_symbol(vocab.symbols[trace.target])
    return (
        f"Softmax and logarithm together leave p − y: {target} is pulled up by {-value[trace.target]:.4f}, the "
        f"others are pushed down by their probabilities. The row sums to {value.sum():.1e}, so what one gains the "
        "others lose."
    )


def _through_the_activation(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    local = np.asarray(step.local, dtype=np.float64)
    if step_before(step, trace).kind == "relu":
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
    sizes = np.abs(value_of(step))
    small = int((sizes < 0.01 * sizes.max()).sum())
    below = f" {small} of {sizes.size} are below a hundredth of that in magnitude." if small else ""
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
    touched = [show_symbol(vocab.symbols[i]) for i in np.flatnonzero(np.abs(value_of(step)).sum(1))]
    if not touched:
        return "The gradient of every row is zero."
    if len(touched) == 1:
        return f"Only the row of {touched[0]} has a gradient. That of all other rows is zero."
    return (
        f"Only the rows of characters that were read ({', '.join(touched)}) have a gradient; one that stands there "
        "more than once collects the sum. The gradient of all other rows is zero."
    )


def _by_character(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    sizes = row_lengths(step)
    most, least = int(sizes.argmax()), int(sizes.argmin())
    if len(sizes) == 1 or sizes[most] == sizes[least]:
        return _size(step)
    return (
        f"The gradient is longest at {character_at(step, most, trace, vocab)}, {sizes[most]:.4g}, "
        f"and shortest at {character_at(step, least, trace, vocab)}, {sizes[least]:.4g}."
    )


def _left(step: TraceStep) -> str:
    """How much of the last character's gradient the first one gets."""
    sizes = row_lengths(step)
    return f"{100 * sizes[0] / sizes[-1]:.3g} %" if sizes[-1] else "nothing"


def _carried(trace: Trace) -> str:
    """What becomes of the gradient of memory on the way back: of the cell, which carries it, where there is one."""
    memory = [one for one in trace.steps if one.kind in MEMORY]
    carrier = next((one for one in memory if one.kind == "cell"), memory[0])
    first, last = row_lengths(carrier)[[0, -1]]
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
        f"step{'' if steps == 1 else 's'} back in time{''.join(f'; {other}' for other in beside)}. {_carried(trace)}"
    )


def _of_attention(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    value, seen = value_of(step), np.tri(step.shape[1], dtype=bool)
    if len(seen) == 1:
        return "One character has been read: all attention is on it whatever the scores are, so their gradient is 0."
    assert step.forward is not None, "the weights that it is the gradient of"
    mean = (np.asarray(step.forward, dtype=np.float64) * value).sum(axis=2, keepdims=True)
    change = np.where(seen, value - mean, np.inf)  # of the loss, as a row's weights all go to one place
    head, row, at = (int(i) for i in np.unravel_index(change.argmin(), change.shape))
    unused = "" if value[:, :-1].any() else " Only the last character's weights count: the others' results go unread."
    return (
        f"To first order, the loss falls fastest if head {head + 1} at {character_at(step, row, trace, vocab)} moves "
        f"attention to {character_at(step, at, trace, vocab)}: {change[head, row, at]:+.4g} for all of it. The "
        f"estimate holds for small moves.{unused}"
    )


SENTENCES: dict[str, Callable[[TraceStep, Trace, Vocab], str]] = {
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
