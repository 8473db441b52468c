"""What is said of a step on the way forward, by its kind, whichever architecture it comes from."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from mmcore.architectures.interface import is_statistic
from mmcore.dataset import Vocab, show_symbol
from mmcore.trace import SATURATED
from ui.under_the_hood.step import character_at, in_general, largest, row_lengths, step_before, value_of

if TYPE_CHECKING:
    from mmcore.trace import Trace, TraceStep

NAMED_HEADS = 4  # of many, whose favourite a sentence tells


def sentence(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    """What happens at a step, with this example's own numbers; of a kind unknown here, their range."""
    return SENTENCES.get(step.kind, in_general)(step, trace, vocab)


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
        f"{largest(step, trace, vocab)}."
    )


def _normalised(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    value, before = value_of(step), value_of(step_before(step, trace))
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
    stuck = int((np.abs(value_of(step)) > SATURATED).sum())
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
    value = value_of(step)
    return (
        "The activation GELU is applied to each pre-activation: large ones pass, negative ones are held near 0. "
        f"{int((value < 0).sum())} of {value.size} outputs are below 0; the lowest is {value.min():+.4f}."
    )


def _gate(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    opened = 100 * value_of(step).mean(axis=1)
    most, least = int(opened.argmax()), int(opened.argmin())
    said = f"Shares between 0 and 1, one for each unit: {opened.mean():.1f} % on average"
    if len(opened) == 1:
        return f"{said}."
    return (
        f"{said}; the most at {character_at(step, most, trace, vocab)}, {opened[most]:.1f} %, "
        f"the least at {character_at(step, least, trace, vocab)}, {opened[least]:.1f} %."
    )


def _candidate(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    return (
        "What each character would write into memory, between −1 and 1. "
        f"The largest in magnitude is that of {largest(step, trace, vocab)}."
    )


def _state(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    states = value_of(step)
    moved = np.linalg.norm(np.diff(states, axis=0, prepend=np.zeros_like(states[:1])), axis=1)
    most = int(moved.argmax())
    only = "What the cell shows" if any(one.kind == "cell" for one in trace.steps) else "All that is remembered"
    numbers = "1 number" if states.shape[1] == 1 else f"{states.shape[1]} numbers"
    return (
        f"{only} of what was read, {numbers}, {_renewed(trace)}. The state moves "
        f"most at {character_at(step, most, trace, vocab)}: by {moved[most]:.4f}, to a length of "
        f"{row_lengths(step)[most]:.4f}. Only the last row goes on to the logits."
    )


def _renewed(trace: Trace) -> str:
    """How a state comes out of the one before it."""
    kept = next((one for one in trace.steps if one.name == "z" and one.kind == "gate"), None)
    if kept is None:
        return "computed again at every character"
    return f"updated at every character: the share z, {100 * value_of(kept).mean():.1f} % on average, is kept"


def _cell(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    sizes = row_lengths(step)
    return (
        "The previous cell times the forget gate, plus the candidate times the input gate; no activation bounds it. "
        f"Its length is {sizes[0]:.4f} after the first character and {sizes[-1]:.4f} after the last. The largest "
        f"number in magnitude is that of {largest(step, trace, vocab)}."
    )


def _place(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    rows = value_of(step_before(step, trace))
    character, place = np.linalg.norm(rows[-1]), np.linalg.norm(value_of(step)[-1] - rows[-1])
    return (
        "A learned row for the position is added, so that a character has another vector at another position. For the "
        f"last character, its own row has a length of {character:.4f}, the position's one of {place:.4f}."
    )


def _rms(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    was, now = (np.sqrt((value_of(one)[-1] ** 2).mean()) for one in (step_before(step, trace), step))
    return (
        "Each character's vector is divided by the root of the mean of its squares; nothing is learned in it. For the "
        f"last character, that root was {was:.4f} before and is {now:.4f} now."
    )


def _last(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    length = np.linalg.norm(value_of(step))
    return f"The last character's vector, of length {length:.4f}, is all that the logits are made of."


def _attention(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    last = value_of(step)[:, -1]  # (heads, L)
    if last.shape[1] == 1:
        only = character_at(step, 0, trace, vocab)
        return f"Each row sums to 1. Only one character has been read, {only}: all its attention is on itself."
    favourite = last.argmax(axis=1)
    heads = [
        f"head {head + 1} attends most to {character_at(step, int(at), trace, vocab)}, {100 * last[head, at]:.1f} %"
        for head, at in enumerate(favourite[:NAMED_HEADS])
    ]
    return (
        "Every character attends to itself and to those before it; its attention weights, a row, sum to 1. From the "
        f"last character, {'; '.join(heads)}."
    )


def _mixed(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    return (
        "Each head takes the average of the characters' values, weighted by its attention weights; the heads' results "
        f"are concatenated. The largest number in magnitude is that of {largest(step, trace, vocab)}."
    )


def _stream(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    before = value_of(step_before(step, trace, "stream", "rms", "place"))[-1]
    added = np.linalg.norm(value_of(step)[-1] - before)
    layer = "attention" if step_before(step, trace).kind == "mixed" else "feed-forward"
    return (
        f"A residual connection: the output of the {layer} layer is added to the stream. For the last character, a "
        f"vector of length {added:.4f} is added to one of length {np.linalg.norm(before):.4f}."
    )


def _logits(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    value, target = value_of(step), show_symbol(vocab.symbols[trace.target])
    best = int(value.argmax())
    return (
        f"One score for each character. Highest: {show_symbol(vocab.symbols[best])} with {value[best]:+.4f}; "
        f"the right answer, {target}, has {value[trace.target]:+.4f}."
    )


def _softmax(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    value, target = value_of(step), show_symbol(vocab.symbols[trace.target])
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


SENTENCES: dict[str, Callable[[TraceStep, Trace, Vocab], str]] = {
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
    "rms": _rms,
    "last": _last,
    "attention": _attention,
    "mixed": _mixed,
    "stream": _stream,
    "logits": _logits,
    "p": _softmax,
    "loss": _loss,
}
