"""What a step of a pass says and draws, for every architecture."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

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
        ((0.02, 0.5, 1.0), "It vanishes on the way back: less than a tenth of it is left"),
        ((0.5, 0.5, 1.0), "It shrinks on the way back, but a tenth of it or more is left"),
        ((4.0, 0.5, 1.0), "400 % of the length is left at the first, 2 steps back in time. It grows"),
        ((0.0, 0.0, 0.0), "All are 0"),
        ((1.0,), "One character has been read"),
    ],
)
def test_how_much_gradient_is_left_is_said(sizes: tuple[float, ...], said: str) -> None:
    step = TraceStep("dh", "State", "", "L, H", np.outer(sizes, [0.6, 0.8]), "state")
    trace = Trace((step,), (0, 1, 2), 1, 1.0)
    assert said in walk.backward_sentence(step, trace, VOCAB)


def test_attention_moves_to_where_the_loss_falls_most() -> None:
    value, weights = np.zeros((2, 3, 3)), np.full((2, 3, 3), 1 / 3) * np.tri(3)
    value[1, 2] = [0.5, -0.25, 0.05]
    value[0, 1] = [0.1, -0.1, -9.0]  # what comes later cannot be attended to
    step = TraceStep("dattention1", "", "", "heads, L, L", value, "attention", forward=weights)
    trace = Trace((step,), (0, 1, 2), 1, 1.0)
    moved = "To first order, the loss falls fastest if head 2 at b (3) moves attention to a (2): -0.35 for all of it."
    assert walk.backward_sentence(step, trace, VOCAB).startswith(moved)
    only = "Only the last character's weights count"
    assert only not in walk.backward_sentence(step, trace, VOCAB)
    value[0] = 0
    assert only in walk.backward_sentence(step, trace, VOCAB)


@pytest.mark.parametrize("forward", [True, False])
def test_scores_that_overflowed_are_drawn_as_they_are(forward: bool) -> None:
    step = TraceStep("attention1", "Attention weights", "", "heads, L, L", np.full((2, 3, 3), np.nan), "attention")
    drawn = walk.heads(step, Trace((step,), (0, 1, 2), 1, 1.0), VOCAB, "light", forward)
    assert len(drawn) == 2 and np.isnan(drawn[0].data[0].z).all()


def test_the_stream_is_told_from_what_is_added() -> None:
    model = shaken(SMALL["transformer"], VOCAB.size)
    trace = forward_trace(model, [0, 0, 0, 1, 2, 2], 3)
    step = next(step for step in trace.steps if step.name == "a2")
    added, before = trace["a2"][-1] - trace["s1"][-1], trace["s1"][-1]
    length = math.sqrt(float(before @ before))
    sentence = walk.forward_sentence(step, trace, VOCAB)
    assert "output of the attention layer is added" in sentence
    assert f"a vector of length {np.linalg.norm(added):.4f} is added to one of length {length:.4f}." in sentence
    thought = next(step for step in trace.steps if step.name == "s2")
    assert "feed-forward layer is added" in walk.forward_sentence(thought, trace, VOCAB)
    place = model.tensors["P"][3].norm().item()
    step = next(step for step in trace.steps if step.name == "s0")
    assert f"the position's one of {place:.4f}" in walk.forward_sentence(step, trace, VOCAB)


# ---- true, not only said: numbers and names in the sentences against the pass itself

ODD = {
    "mlp-context-1": ModelConfig(context_size=1, embedding_dim=3, hidden_sizes=(5,)),
    "mlp-one-unit": ModelConfig(embedding_dim=2, hidden_sizes=(1,)),
    "mlp-direct": ModelConfig(embedding_dim=3, hidden_sizes=(), direct=True),
    "mlp-relu": ModelConfig(embedding_dim=3, hidden_sizes=(6, 5), activation="relu"),
    "lstm-one-unit": ModelConfig(architecture="lstm", context_size=4, embedding_dim=2, hidden_size=1),
    "transformer-context-1": ModelConfig(
        architecture="transformer", context_size=1, embedding_dim=4, layers=1, heads=2
    ),
}
ALL = SMALL | ODD
every_odd = pytest.mark.parametrize("config", ALL.values(), ids=ALL)
NUMBER = r"([+-]\d[\d.]*(?:e[+-]\d+)?)"


def said(config: ModelConfig, seeds: int = 3) -> Iterator[tuple[Trace, TraceStep, str, bool]]:
    """Every sentence of some passes of a model, with the step it is of."""
    for seed in range(seeds):
        for trace, forward in passes(shaken(config, VOCAB.size, seed)):
            for step in trace.steps:
                say = walk.forward_sentence if forward else walk.backward_sentence
                yield trace, step, say(step, trace, VOCAB), forward


@every_odd
def test_a6_what_is_called_largest_in_magnitude_is(config: ModelConfig) -> None:
    found = 0
    for _, step, sentence, _ in said(config):
        assert "largest sum" not in sentence and "The largest is" not in sentence
        if match := re.search(rf"largest (?:number )?in magnitude is.*?{NUMBER}\.(?= |$)", sentence):
            number, value = float(match[1]), np.asarray(step.value, dtype=np.float64)
            nearest = value.ravel()[np.abs(value - number).argmin()]
            assert number == pytest.approx(nearest, rel=1e-3, abs=1e-4), "a number of this step, with its sign"
            assert abs(number) == pytest.approx(np.abs(value).max(), rel=1e-3, abs=1e-4)
            if unit := re.search(r"unit (\d+)", sentence):
                assert np.abs(value[..., int(unit[1])]).max() == np.abs(value).max()
            found += 1
    assert found or config.architecture == "bigram"


def test_a5_a_gradient_points_where_the_loss_grows() -> None:
    """The numbers of x changed by it raise the loss, changed against it they lower it."""
    model = shaken(ModelConfig(embedding_dim=3, hidden_sizes=(5,)), VOCAB.size)
    forward, backward = (pass_of(model, [0, 1, 2], 3) for pass_of in (forward_trace, backward_trace))
    p = {name: tensor.numpy() for name, tensor in model.tensors.items()}

    def loss(x: np.ndarray) -> float:
        logits = np.tanh(x @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"]
        return float(np.log(np.exp(logits).sum()) - logits[3])

    x, dx = forward["x"], backward["dx"]
    assert loss(x) == pytest.approx(forward.loss)
    assert loss(x - 1e-3 * dx) < loss(x) < loss(x + 1e-3 * dx)
    sentence = walk.backward_sentence(next(step for step in backward.steps if step.name == "dx"), backward, VOCAB)
    assert "points where the loss grows, so a small step against it lowers the loss" in sentence
    assert "should have been" not in sentence


def test_a8_two_sentences_on_one_lstm_never_disagree() -> None:
    """Whether memory is carried is judged by the cell alone, and that is what the numbers of the cell say."""
    verdicts = set()
    for seed in range(40):
        model = shaken(SMALL["lstm"], VOCAB.size, seed)
        trace = backward_trace(model, [0, 1, 2, 3, 4, 1 + seed % 6], seed % 7)
        states = [step for step in trace.steps if step.kind in walk.MEMORY]
        spoken = {walk.backward_sentence(step, trace, VOCAB).split(". ", 1)[1] for step in states}
        assert len(states) == 2 and len(spoken) == 1
        sizes = np.linalg.norm(trace["dc"], axis=1)
        share = sizes[0] / sizes[-1]
        what = "vanishes" if share < 0.1 else "grows" if share > 1 else "shrinks"
        assert spoken.pop().startswith(f"Memory goes through the cell, and its gradient {what}")
        verdicts.add(what)
    assert len(verdicts) > 1, "weights that tell the cases apart"


@pytest.mark.parametrize("seed", range(8))
def test_a9_the_move_of_attention_is_the_best_one_to_first_order(seed: int) -> None:
    """No move of a small share within any row of any head lowers the loss faster, by autograd through the move."""
    config = ModelConfig(architecture="transformer", context_size=5, embedding_dim=6, layers=1, heads=2)
    model = shaken(config, VOCAB.size, seed)
    context = [0, 1 + seed % 6, 2, 3, 1]
    forward, backward = (pass_of(model, context, 3) for pass_of in (forward_trace, backward_trace))
    p = model.tensors
    rows, weights = torch.from_numpy(forward["rows"]), torch.from_numpy(forward["attention1"])

    def loss(attention: torch.Tensor) -> float:
        norm = torch.nn.functional.layer_norm
        s = rows + p["P"][:5]
        v = (norm(s, (6,)) * p["gain_attend1"] + p["b_attend1"]) @ p["Wqkv1"] + p["bqkv1"]
        v = v.unflatten(1, (3, 2, -1)).permute(1, 2, 0, 3)[2]
        s = s + (attention @ v).transpose(0, 1).flatten(1) @ p["Wmix1"] + p["bmix1"]
        x = norm(s, (6,)) * p["gain_think1"] + p["b_think1"]
        s = s + torch.nn.functional.gelu(x @ p["Wup1"] + p["bup1"]) @ p["Wdown1"] + p["bdown1"]
        logits = (norm(s[-1], (6,)) * p["gain_last"] + p["b_last"]) @ p["W"] + p["b"]
        return float(torch.logsumexp(logits, 0) - logits[3])

    assert loss(weights) == pytest.approx(forward.loss, abs=1e-10)
    rates = {}
    for head in range(2):
        for row in range(5):
            for at in range(row + 1):
                moved = []
                for share in (1e-5, -1e-5):
                    nudged = weights.clone()
                    nudged[head, row] *= 1 - share
                    nudged[head, row, at] += share
                    moved.append(loss(nudged))
                rates[head, row, at] = (moved[0] - moved[1]) / 2e-5
    head, row, at = min(rates, key=rates.__getitem__)
    step = next(step for step in backward.steps if step.name == "dattention1")
    read = [f"{VOCAB.symbols[i] or '.'} ({place})" for place, i in enumerate(context, start=1)]
    sentence = walk.backward_sentence(step, backward, VOCAB)
    assert f"head {head + 1} at {read[row]} moves attention to {read[at]}: " in sentence
    number = re.search(rf"{NUMBER} for all of it", sentence)
    assert number and float(number[1]) == pytest.approx(rates[head, row, at], rel=1e-3, abs=1e-6)
