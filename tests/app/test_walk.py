"""What a step of a pass says and draws, for every architecture."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import numpy as np
import pytest

from mmcore import Vocab
from mmcore.config import ModelConfig
from mmcore.model import Model
from mmcore.trace import Trace, TraceStep, backward_trace, forward_trace
from tests.core.test_families import SMALL, every, shaken
from ui import hood, walk

VOCAB = Vocab(("", *"abcdef"))
CONTEXTS = ([0, 0, 0, 0, 0, 1, 2, 2], [0] * 8, [3, 1, 4, 1, 5, 2, 6, 5])


def passes(model: Model) -> list[tuple[Trace, bool]]:
    """Forward and back, with three characters read, none, and no boundary in sight."""
    size = model.config.context_size
    contexts = [context[-size:] for context in CONTEXTS]
    return [
        (pass_of(model, context, 3), pass_of is forward_trace)
        for context in contexts
        for pass_of in (forward_trace, backward_trace)
    ]


@every
def test_every_step_says_something_true_in_numbers(config: ModelConfig) -> None:
    for trace, forward in passes(shaken(config, VOCAB.size)):
        for step in trace.steps:
            sentence = (walk.forward_sentence if forward else walk.backward_sentence)(step, trace, VOCAB)
            assert len(sentence) > 20 and sentence[-1] == ".", step.name
            assert not re.search(r"\bnan\b|\binf\b", sentence), sentence
            assert step.kind in walk.FORWARD or step.kind in walk.BACKWARD or not forward, "said in general only"


@every
def test_every_step_is_drawn_with_its_title_axes_and_numbers(config: ModelConfig) -> None:
    for trace, forward in passes(shaken(config, VOCAB.size)):
        for step in (step for step in trace.steps if step.shape and step.kind not in ("ids", "attention")):
            for one in (step, *step.weights):
                drawn = walk.values(one, trace, VOCAB, "light")
                assert drawn.layout.xaxis.title.text and drawn.layout.yaxis.title.text and drawn.layout.title.text
                trace_of = drawn.data[0]
                shown = np.array(trace_of.z if one.value.ndim == 2 else trace_of.y)
                assert np.allclose(shown, one.value, rtol=1e-6, atol=1e-7), one.name
                assert len(set(trace_of.x)) == one.shape[-1], "two places with one name are one place"
                if one.value.ndim == 2:
                    assert len(set(trace_of.y)) == one.shape[0]
            if not forward and walk.by_character(step):
                assert len(walk.lengths(step, trace, VOCAB, "dark").data[0].y) == len(step.value)


def test_rows_are_named_by_what_was_read() -> None:
    context = CONTEXTS[0]
    assert hood.labels("L", 4, context, VOCAB) == ["1: .", "2: a", "3: b", "4: b"]
    assert hood.labels("T/2", 4, context, VOCAB) == ["1: ..", "2: ..", "3: .a", "4: bb"]
    assert hood.labels("T/8", 1, context, VOCAB) == ["1: .....abb"]
    assert hood.axis("T/4") == "Characters fused" and hood.axis("quux") == "quux"


@pytest.mark.parametrize(("name", "said"), [("gru", "All that is remembered"), ("lstm", "What the cell shows")])
@pytest.mark.parametrize("context", [[0, 0, 0, 1, 2, 2], [0] * 6])
def test_a_state_says_where_it_moved_most(name: str, said: str, context: list[int]) -> None:
    trace = forward_trace(shaken(SMALL[name], VOCAB.size), context, 3)
    h = trace["h"]
    moved = [np.linalg.norm(now - before) for before, now in zip((0 * h[0], *h), h, strict=False)]
    most = int(np.argmax(moved))
    sentence = walk.forward_sentence(next(step for step in trace.steps if step.name == "h"), trace, VOCAB)
    assert sentence.startswith(f"{said} of what was read, 16 numbers")
    assert (
        f"at {'.abb'[most]} ({most + 1}): by {moved[most]:.4f}, to a length of {np.linalg.norm(h[most]):.4f}"
        in sentence
    )


def test_a_position_shows_its_context_and_of_many_boundaries_one() -> None:
    assert hood.example_titles("ab", VOCAB, 3) == ["... → a", "..a → b", ".ab → ."]
    assert hood.example_titles("ab", VOCAB, 16) == [". → a", ".a → b", ".ab → ."]
    assert hood.example_titles("a" * 9, VOCAB, 9)[-2:] == [".aaaaaaaa → a", "aaaaaaaaa → ."]


@pytest.mark.parametrize("context", [[0, 0, 0, 1, 2, 2], [0] * 6])
def test_a_gate_says_where_it_is_most_open_if_there_is_a_choice(context: list[int]) -> None:
    trace = forward_trace(shaken(SMALL["gru"], VOCAB.size), context, 3)
    step = next(step for step in trace.steps if step.name == "z")
    shares = 100 * np.asarray(step.value, dtype=np.float64).mean(axis=1)
    most, least = int(shares.argmax()), int(shares.argmin())
    where = f"; the most at {'.abb'[most]} ({most + 1}), {shares[most]:.1f} %, "
    where += f"the least at {'.abb'[least]} ({least + 1}), {shares[least]:.1f} %"
    sentence = f"Shares between 0 and 1, one for each unit: {shares.mean():.1f} % on average"
    assert walk.forward_sentence(step, trace, VOCAB) == f"{sentence}{where if len(shares) > 1 else ''}."


def test_a_kind_no_one_has_words_for_says_its_range() -> None:
    trace = forward_trace(shaken(SMALL["rnn"], VOCAB.size), CONTEXTS[0][-6:], 3)
    step = replace(trace.steps[2], kind="from another planet")
    low, high = step.value.min(), step.value.max()
    assert walk.forward_sentence(step, trace, VOCAB) == f"96 numbers between {low:+.4g} and {high:+.4g}."
    back = walk.backward_sentence(step, trace, VOCAB)
    sizes = np.linalg.norm(step.value, axis=1)
    assert f"longest at {'.abb'[sizes.argmax()]} ({sizes.argmax() + 1}), {sizes.max():.4g}" in back


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ((0.02, 0.5, 1.0), "Of dh at the last character, 2 % of the length is left at the first, 2 steps back"),
        ((0.02, 0.5, 1.0), "It vanishes on the way back"),
        ((0.5, 0.5, 1.0), "still learns"),
        ((4.0, 0.5, 1.0), "400 % of the length is left at the first, 2 steps back in time. It grows"),
        ((0.0, 0.0, 0.0), "nothing of the length is left"),
        ((1.0,), "One character has been read"),
    ],
)
def test_how_much_gradient_is_left_is_said(sizes: tuple[float, ...], said: str) -> None:
    step = TraceStep("dh", "State", "", "L, H", np.outer(sizes, [0.6, 0.8]), "state")
    trace = Trace((step,), (0, 1, 2), 1, 1.0)
    assert said in walk.backward_sentence(step, trace, VOCAB)


def test_attention_moves_to_where_the_loss_falls_most() -> None:
    value = np.zeros((2, 3, 3))
    value[1, 2] = [0.5, -0.25, 0.1]
    value[0, 1] = [0.1, -0.1, -9.0]  # what comes later cannot be looked at
    step = TraceStep("dattention1", "Who looks", "", "heads, L, L", value, "attention")
    trace = Trace((step,), (0, 1, 2), 1, 1.0)
    gained = "Most would be gained if head 2 at b (3) looked at a (2) instead of . (1): -0.75 for a whole share of 1."
    assert walk.backward_sentence(step, trace, VOCAB) == gained
    value[0] = 0
    only = " Only the last character's looks count: nobody reads what the others found."
    assert walk.backward_sentence(step, trace, VOCAB) == gained + only


@pytest.mark.parametrize("forward", [True, False])
def test_scores_that_overflowed_are_drawn_as_they_are(forward: bool) -> None:
    step = TraceStep("attention1", "Who looks", "", "heads, L, L", np.full((2, 3, 3), np.nan), "attention")
    drawn = walk.heads(step, Trace((step,), (0, 1, 2), 1, 1.0), VOCAB, "light", forward)
    assert len(drawn) == 2 and np.isnan(drawn[0].data[0].z).all()


def test_the_stream_is_told_from_what_is_added() -> None:
    model = shaken(SMALL["transformer"], VOCAB.size)
    trace = forward_trace(model, [0, 0, 0, 1, 2, 2], 3)
    step = next(step for step in trace.steps if step.name == "a2")
    added, before = trace["a2"][-1] - trace["s1"][-1], trace["s1"][-1]
    said = f"{np.linalg.norm(added):.4f} long, to a stream of {math.sqrt(float(before @ before)):.4f}"
    assert said in walk.forward_sentence(step, trace, VOCAB)
    place = model.tensors["P"][3].norm().item()
    step = next(step for step in trace.steps if step.name == "s0")
    assert f"its place's {place:.4f}" in walk.forward_sentence(step, trace, VOCAB)
