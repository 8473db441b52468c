"""What a step of a pass says and draws, for every architecture."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch

from mmcore import Vocab
from mmcore.architectures import model_config
from mmcore.architectures.interface import ModelConfig
from mmcore.model import Model
from mmcore.trace import Trace, TraceStep, backward_trace, forward_trace
from tests.models import SMALL, every, shaken
from ui.kit import plots
from ui.under_the_hood import step_plots
from ui.under_the_hood.backward import SENTENCES as BACKWARD
from ui.under_the_hood.backward import sentence as backward_sentence
from ui.under_the_hood.forward import SENTENCES as FORWARD
from ui.under_the_hood.forward import sentence as forward_sentence
from ui.under_the_hood.step import MEMORY, by_character
from ui.under_the_hood.subject import example_titles

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
            sentence = (forward_sentence if forward else backward_sentence)(step, trace, VOCAB)
            assert len(sentence) > 20 and sentence[-1] == ".", step.name
            assert not re.search(r"\bnan\b|\binf\b", sentence), sentence
            assert step.kind in FORWARD or step.kind in BACKWARD or not forward, "said in general only"


@every
def test_every_step_is_drawn_with_its_title_axes_and_numbers(config: ModelConfig) -> None:
    for trace, forward in passes(shaken(config, VOCAB.size)):
        for step in (step for step in trace.steps if step.shape and step.kind not in ("ids", "attention")):
            for one in (step, *step.weights):
                drawn = step_plots.values(one, trace, VOCAB, "light")
                assert drawn.layout.xaxis.title.text and drawn.layout.yaxis.title.text and drawn.layout.title.text
                trace_of = drawn.data[0]
                shown = np.array(trace_of.z if one.value.ndim == 2 else trace_of.y)
                assert np.allclose(shown, one.value, rtol=1e-6, atol=1e-7), one.name
                assert len(set(trace_of.x)) == one.shape[-1], "two places with one name are one place"
                if one.value.ndim == 2:
                    assert len(set(trace_of.y)) == one.shape[0]
            if not forward and by_character(step):
                assert len(step_plots.lengths(step, trace, VOCAB, "dark").data[0].y) == len(step.value)


def test_rows_are_named_by_what_was_read() -> None:
    context = CONTEXTS[0]
    assert plots.labels("L", 4, context, VOCAB) == ["1: .", "2: a", "3: b", "4: b"]
    assert plots.labels("T/2", 4, context, VOCAB) == ["1: ..", "2: ..", "3: .a", "4: bb"]
    assert plots.labels("T/8", 1, context, VOCAB) == ["1: .....abb"]
    assert plots.axis("T/4") == "Characters fused" and plots.axis("quux") == "quux"


@pytest.mark.parametrize(("name", "said"), [("gru", "All that is remembered"), ("lstm", "What the cell shows")])
@pytest.mark.parametrize("context", [[0, 0, 0, 1, 2, 2], [0] * 6])
def test_a_state_says_where_it_moved_most(name: str, said: str, context: list[int]) -> None:
    trace = forward_trace(shaken(SMALL[name], VOCAB.size), context, 3)
    h = trace["h"]
    moved = [np.linalg.norm(now - before) for before, now in zip((0 * h[0], *h), h, strict=False)]
    most = int(np.argmax(moved))
    sentence = forward_sentence(next(step for step in trace.steps if step.name == "h"), trace, VOCAB)
    assert sentence.startswith(f"{said} of what was read, 16 numbers")
    assert (
        f"at {'.abb'[most]} ({most + 1}): by {moved[most]:.4f}, to a length of {np.linalg.norm(h[most]):.4f}"
        in sentence
    )


def test_a_position_shows_its_context_and_of_many_boundaries_one() -> None:
    assert example_titles("ab", VOCAB, 3) == ["... → a", "..a → b", ".ab → ."]
    assert example_titles("ab", VOCAB, 16) == [". → a", ".a → b", ".ab → ."]
    assert example_titles("a" * 9, VOCAB, 9)[-2:] == [".aaaaaaaa → a", "aaaaaaaaa → ."]


@pytest.mark.parametrize("context", [[0, 0, 0, 1, 2, 2], [0] * 6])
def test_a_gate_says_where_it_is_most_open_if_there_is_a_choice(context: list[int]) -> None:
    trace = forward_trace(shaken(SMALL["gru"], VOCAB.size), context, 3)
    step = next(step for step in trace.steps if step.name == "z")
    shares = 100 * np.asarray(step.value, dtype=np.float64).mean(axis=1)
    most, least = int(shares.argmax()), int(shares.argmin())
    where = f"; the most at {'.abb'[most]} ({most + 1}), {shares[most]:.1f} %, "
    where += f"the least at {'.abb'[least]} ({least + 1}), {shares[least]:.1f} %"
    sentence = f"Shares between 0 and 1, one for each unit: {shares.mean():.1f} % on average"
    assert forward_sentence(step, trace, VOCAB) == f"{sentence}{where if len(shares) > 1 else ''}."


def test_a_kind_no_one_has_words_for_says_its_range() -> None:
    trace = forward_trace(shaken(SMALL["rnn"], VOCAB.size), CONTEXTS[0][-6:], 3)
    step = replace(trace.steps[2], kind="from another planet")
    low, high = step.value.min(), step.value.max()
    assert forward_sentence(step, trace, VOCAB) == f"96 numbers between {low:+.4g} and {high:+.4g}."
    back = backward_sentence(step, trace, VOCAB)
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
    assert said in backward_sentence(step, trace, VOCAB)


def test_attention_moves_to_where_the_loss_falls_most() -> None:
    value, weights = np.zeros((2, 3, 3)), np.full((2, 3, 3), 1 / 3) * np.tri(3)
    value[1, 2] = [0.5, -0.25, 0.05]
    value[0, 1] = [0.1, -0.1, -9.0]  # what comes later cannot be attended to
    step = TraceStep("dattention1", "", "", "heads, L, L", value, "attention", forward=weights)
    trace = Trace((step,), (0, 1, 2), 1, 1.0)
    moved = "To first order, the loss falls fastest if head 2 at b (3) moves attention to a (2): -0.35 for all of it."
    assert backward_sentence(step, trace, VOCAB).startswith(moved)
    only = "Only the last character's weights count"
    assert only not in backward_sentence(step, trace, VOCAB)
    value[0] = 0
    assert only in backward_sentence(step, trace, VOCAB)


@pytest.mark.parametrize("forward", [True, False])
def test_scores_that_overflowed_are_drawn_as_they_are(forward: bool) -> None:
    step = TraceStep("attention1", "Attention weights", "", "heads, L, L", np.full((2, 3, 3), np.nan), "attention")
    drawn = step_plots.heads(step, Trace((step,), (0, 1, 2), 1, 1.0), VOCAB, "light", forward)
    assert len(drawn) == 2 and np.isnan(drawn[0].data[0].z).all()


def test_the_stream_is_told_from_what_is_added() -> None:
    model = shaken(SMALL["transformer"], VOCAB.size)
    trace = forward_trace(model, [0, 0, 0, 1, 2, 2], 3)
    step = next(step for step in trace.steps if step.name == "a2")
    added, before = trace["a2"][-1] - trace["s1"][-1], trace["s1"][-1]
    length = math.sqrt(float(before @ before))
    sentence = forward_sentence(step, trace, VOCAB)
    assert "output of the attention layer is added" in sentence
    assert f"a vector of length {np.linalg.norm(added):.4f} is added to one of length {length:.4f}." in sentence
    thought = next(step for step in trace.steps if step.name == "s2")
    assert "feed-forward layer is added" in forward_sentence(thought, trace, VOCAB)
    place = model.tensors["wpe"][3].norm().item()
    step = next(step for step in trace.steps if step.name == "s0")
    assert f"the position's one of {place:.4f}" in forward_sentence(step, trace, VOCAB)


# ---- true, not only said: numbers and names in the sentences against the pass itself

ODD = {
    "mlp-context-1": model_config(context_size=1, embedding_dim=3, hidden_sizes=(5,)),
    "mlp-one-unit": model_config(embedding_dim=2, hidden_sizes=(1,)),
    "mlp-direct": model_config(embedding_dim=3, hidden_sizes=(), direct=True),
    "mlp-relu": model_config(embedding_dim=3, hidden_sizes=(6, 5), activation="relu"),
    "lstm-one-unit": model_config(architecture="lstm", context_size=4, embedding_dim=2, hidden_size=1),
    "transformer-context-1": model_config(
        architecture="transformer", context_size=1, embedding_dim=4, layers=1, heads=2
    ),
}
ALL = SMALL | ODD
every_odd = pytest.mark.parametrize("config", ALL.values(), ids=ALL)
NUMBER = r"([+-]\d+(?:\.\d+)?(?:e[+-]\d+)?)"


@cache
def said(config: ModelConfig) -> tuple[tuple[Trace, TraceStep, str, bool], ...]:
    """Every sentence of some passes of a model, with the step it is of."""
    found = []
    for seed in range(2):
        for trace, forward in passes(shaken(config, VOCAB.size, seed)):
            say = forward_sentence if forward else backward_sentence
            found += [(trace, step, say(step, trace, VOCAB), forward) for step in trace.steps]
    return tuple(found)


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
    model = shaken(model_config(embedding_dim=3, hidden_sizes=(5,)), VOCAB.size)
    forward, backward = (pass_of(model, [0, 1, 2], 3) for pass_of in (forward_trace, backward_trace))
    p = {name: tensor.numpy() for name, tensor in model.tensors.items()}

    def loss(x: np.ndarray) -> float:
        logits = np.tanh(x @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"]
        return float(np.log(np.exp(logits).sum()) - logits[3])

    x, dx = forward["x"], backward["dx"]
    assert loss(x) == pytest.approx(forward.loss)
    assert loss(x - 1e-3 * dx) < loss(x) < loss(x + 1e-3 * dx)
    sentence = backward_sentence(next(step for step in backward.steps if step.name == "dx"), backward, VOCAB)
    assert "points where the loss grows, so a small step against it lowers the loss" in sentence
    assert "should have been" not in sentence


def test_a8_two_sentences_on_one_lstm_never_disagree() -> None:
    """Whether memory is carried is judged by the cell alone, and that is what the numbers of the cell say."""
    verdicts = set()
    for seed in range(40):
        model = shaken(SMALL["lstm"], VOCAB.size, seed)
        trace = backward_trace(model, [0, 1, 2, 3, 4, 1 + seed % 6], seed % 7)
        states = [step for step in trace.steps if step.kind in MEMORY]
        spoken = {backward_sentence(step, trace, VOCAB).split(". ", 1)[1] for step in states}
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
    config = model_config(architecture="transformer", context_size=5, embedding_dim=6, layers=1, heads=2)
    model = shaken(config, VOCAB.size, seed)
    context = [0, 1 + seed % 6, 2, 3, 1]
    forward, backward = (pass_of(model, context, 3) for pass_of in (forward_trace, backward_trace))
    p = model.tensors
    rows, weights = torch.from_numpy(forward["rows"]), torch.from_numpy(forward["attention1"])

    def loss(attention: torch.Tensor) -> float:
        norm = torch.nn.functional.layer_norm
        s = rows + p["wpe"][:5]
        v = (norm(s, (6,)) * p["ln1_gain1"] + p["ln1_bias1"]) @ p["W_attn1"] + p["b_attn1"]
        v = v.unflatten(1, (3, 2, -1)).permute(1, 2, 0, 3)[2]
        s = s + (attention @ v).transpose(0, 1).flatten(1) @ p["W_attn_proj1"] + p["b_attn_proj1"]
        x = norm(s, (6,)) * p["ln2_gain1"] + p["ln2_bias1"]
        s = s + torch.nn.functional.gelu(x @ p["W_fc1"] + p["b_fc1"]) @ p["W_mlp_proj1"] + p["b_mlp_proj1"]
        logits = (norm(s[-1], (6,)) * p["lnf_gain"] + p["lnf_bias"]) @ p["W_lm_head"] + p["b_lm_head"]
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
    sentence = backward_sentence(step, backward, VOCAB)
    assert f"head {head + 1} at {read[row]} moves attention to {read[at]}: " in sentence
    number = re.search(rf"{NUMBER} for all of it", sentence)
    assert number and float(number[1]) == pytest.approx(rates[head, row, at], rel=1e-3, abs=1e-6)


def of_kind(config: ModelConfig, *kinds: str, forward: bool = True) -> list[tuple[Trace, TraceStep, str]]:
    """The sentences of some kinds of steps; the model must have them."""
    found = [
        (trace, step, sentence)
        for trace, step, sentence, there in said(config)
        if step.kind in kinds and there == forward
    ]
    assert found, f"no such step: {', '.join(kinds)}"
    return found


def earlier(trace: Trace, step: TraceStep) -> TraceStep:
    return trace.steps[trace.names.index(step.name) - 1]


def read(trace: Trace, of: int) -> list[str]:
    """The characters read, as a sentence calls them."""
    symbols = [VOCAB.symbols[i] or "." for i in trace.context[len(trace.context) - of :]]
    return [f"{symbol} ({place})" for place, symbol in enumerate(symbols, start=1)]


def matched(pattern: str, sentence: str) -> re.Match[str]:
    match = re.search(pattern, sentence)
    assert match is not None, sentence
    return match


@pytest.mark.parametrize("name", ["mlp-batch", "mlp-layer", "wavenet", "transformer", "transformer-context-1"])
def test_a_normalisation_says_what_the_spread_was_and_is(name: str) -> None:
    for trace, step, sentence in of_kind(ALL[name], "normalised"):
        before, value = np.asarray(earlier(trace, step).value, dtype=np.float64), step.value
        before = before[-1] if before.ndim > value.ndim else before
        was, now = matched(r"deviation of ([\d.]+) before and have ([\d.]+) now", sentence).groups()
        assert float(was) == pytest.approx(before.std(), abs=6e-5)
        assert float(now) == pytest.approx(value.std(), abs=6e-5)
        assert ("as training kept them" in sentence) == (name in ("mlp-batch", "wavenet")), "running statistics or not"


def test_a_stream_of_rms_says_its_roots_and_the_length_that_is_left() -> None:
    model = shaken(SMALL["transformer-rms"], VOCAB.size)
    trace = forward_trace(model, [0, 0, 0, 1, 2, 2], 3)
    steps = {step.name: step for step in trace.steps}
    was, now = (np.sqrt((trace[name][-1] ** 2).mean()) for name in ("places", "s0"))
    assert f"that root was {was:.4f} before and is {now:.4f} now." in forward_sentence(steps["s0"], trace, VOCAB)
    assert now == pytest.approx(1, abs=1e-3) and abs(was - 1) > 0.1
    added, before = np.linalg.norm(trace["a1"][-1] - trace["s0"][-1]), np.linalg.norm(trace["s0"][-1])
    sentence = forward_sentence(steps["a1"], trace, VOCAB)
    assert f"length {added:.4f} is added to one of length {before:.4f}." in sentence, "what was normalised"
    assert f"of length {np.linalg.norm(trace['s2'][-1]):.4f}, is all" in forward_sentence(steps["h"], trace, VOCAB)
    assert np.allclose(trace["logits"], trace["h"] @ model.tensors["W_lm_head"].numpy())


@pytest.mark.parametrize("name", ["mlp", "mlp-context-1", "mlp-one-unit", "mlp-relu", "mlp-layer", "wavenet"])
def test_an_activation_counts_what_it_did(name: str) -> None:
    for trace, step, sentence in of_kind(ALL[name], "tanh", "relu", "gelu"):
        h = np.asarray(step.value, dtype=np.float64)
        z = torch.from_numpy(np.asarray(earlier(trace, step).value)).requires_grad_()
        torch.nn.functional.gelu(z).sum().backward() if step.kind == "gelu" else getattr(
            z, step.kind
        )().sum().backward()
        assert z.grad is not None
        slope = z.grad.numpy()
        count, size = map(int, matched(r"(\d+) of (\d+) outputs", sentence).groups())
        passed = {"tanh": slope < 1 - 0.97**2, "relu": slope == 0, "gelu": h < 0}[step.kind]
        assert (count, size) == (passed.sum(), h.size)
        if step.kind == "gelu":
            assert float(matched(rf"the lowest is {NUMBER}", sentence)[1]) == pytest.approx(h.min(), abs=6e-5)


@pytest.mark.parametrize("name", ["mlp", "mlp-context-1", "mlp-one-unit", "mlp-relu"])
def test_a11_a_unit_of_relu_is_inactive_and_not_saturated(name: str) -> None:
    for trace, step, sentence in of_kind(ALL[name], "sums", forward=False):
        count, size = map(int, matched(r"(\d+) of (\d+) units", sentence).groups())
        if "relu" in name:
            assert "saturated" not in sentence and "their gradient is exactly 0" in sentence
            assert count == (np.asarray(step.local) == 0).sum() and not step.value[np.asarray(step.local) == 0].any()
        else:
            outgoing = np.asarray(trace[step.name.replace("z", "h")])
            with np.errstate(invalid="ignore", divide="ignore"):
                share = np.asarray(step.value) / outgoing
            assert count == (share < 1 - 0.97**2).sum() and "less than 6 %: they are saturated" in sentence
        assert size == step.value.size


@every_odd
def test_a11_rows_that_were_not_read_have_no_gradient_and_are_not_said_to_stay(config: ModelConfig) -> None:
    for trace, step, sentence in of_kind(config, "table", forward=False):
        assert "stay" not in sentence, "AdamW moves them, and so does weight decay"
        rows = np.abs(np.asarray(step.value)).sum(axis=1)
        named = {VOCAB.symbols[i] or "." for i in np.flatnonzero(rows)}
        if not named:
            assert sentence == "The gradient of every row is zero."
            continue
        listed = re.search(r"\((.+?)\)", sentence) or matched("row of (.) has", sentence)
        assert set(listed[1].split(", ")) == named
        assert named <= {VOCAB.symbols[i] or "." for i in trace.context}


@pytest.mark.parametrize("name", ["transformer", "transformer-context-1"])
def test_a11_attention_says_who_is_attended_to_most_and_what_was_read(name: str) -> None:
    for trace, step, sentence in of_kind(ALL[name], "attention"):
        last = np.asarray(step.value)[:, -1]
        names = read(trace, last.shape[1])
        if len(names) == 1:
            assert f"Only one character has been read, {names[0]}: all its attention is on itself" in sentence
            assert last == pytest.approx(1)
            continue
        heads = re.findall(r"head (\d) attends most to (. \(\d\)), ([\d.]+) %", sentence)
        assert [(int(head), who) for head, who, _ in heads] == [
            (head, names[shares.argmax()]) for head, shares in enumerate(last, start=1)
        ]
        assert [float(share) for *_, share in heads] == pytest.approx((100 * last.max(axis=1)).tolist(), abs=0.051)


@pytest.mark.parametrize(
    ("name", "renewed"),
    [
        ("rnn", "computed again at every character"),
        ("gru", "the share z, "),
        ("lstm", "computed again at every character"),
        ("lstm-one-unit", "1 number, computed again"),
    ],
)
def test_a_state_says_how_it_is_renewed(name: str, renewed: str) -> None:
    for trace, step, sentence in of_kind(ALL[name], "state"):
        assert renewed in sentence
        if name == "gru":
            h, old = step.value, np.vstack([0 * step.value[:1], step.value[:-1]])
            z, n = trace["z"], trace["n"]
            assert np.allclose(h, z * old + (1 - z) * n), "kept by the share z, which is what is said"
            assert float(matched(r"z, ([\d.]+) % on average", sentence)[1]) == pytest.approx(100 * z.mean(), abs=0.051)


@pytest.mark.parametrize("name", ["lstm", "lstm-one-unit"])
def test_a_cell_says_how_long_it_was_and_is(name: str) -> None:
    for _, step, sentence in of_kind(ALL[name], "cell"):
        first, last = matched(
            r"length is ([\d.]+) after the first character and ([\d.]+) after the last", sentence
        ).groups()
        sizes = np.sqrt((np.asarray(step.value) ** 2).sum(axis=1))
        assert (float(first), float(last)) == pytest.approx((sizes[0], sizes[-1]), abs=6e-5)


@every_odd
def test_what_the_model_ends_with_is_told_of_its_own_numbers(config: ModelConfig) -> None:
    """Logits, softmax, loss, and the way back through both."""
    for trace, step, sentence in of_kind(config, "logits", "p", "loss"):
        logits = torch.from_numpy(np.asarray(trace["logits"]))
        p, target = logits.softmax(0), VOCAB.symbols[trace.target]
        if step.kind == "logits":
            best, score, right = matched(
                rf"Highest: (.) with {NUMBER}; the right answer, {target}, has {NUMBER}", sentence
            ).groups()
            assert best == (VOCAB.symbols[int(logits.argmax())] or ".")
            assert (float(score), float(right)) == pytest.approx(
                (logits.max().item(), logits[trace.target].item()), abs=6e-5
            )
        elif step.kind == "p":
            share, place = matched(r"gets ([\d.]+) % and is in place (\d) of 7", sentence).groups()
            assert float(share) == pytest.approx(100 * p[trace.target].item(), abs=6e-3)
            assert int(place) == (p.argsort(descending=True) == trace.target).nonzero().item() + 1
        else:
            loss = torch.nn.functional.cross_entropy(logits[None], torch.tensor([trace.target])).item()
            assert float(matched(r"= ([\d.]+) nats", sentence)[1]) == pytest.approx(loss, abs=1e-6)
            assert float(matched(r"costs ln 7 = ([\d.]+)\.", sentence)[1]) == pytest.approx(math.log(7), abs=6e-5)
    for trace, step, sentence in of_kind(config, "logits", "p", forward=False):
        p = 1 / -np.asarray(trace["dp"])[trace.target]
        told = float(matched(r"−1 / p = -([\d.]+) there" if step.kind == "p" else r"up by ([\d.]+)", sentence)[1])
        assert told == pytest.approx(1 / p if step.kind == "p" else 1 - p, abs=6e-5)


@every_odd
def test_where_a_gradient_is_longest_and_shortest_is_so(config: ModelConfig) -> None:
    for _, step, sentence, forward in said(config):
        if forward or "The gradient is longest" not in sentence:
            continue
        sizes = np.sqrt((np.asarray(step.value) ** 2).sum(axis=1))
        (most, long), (least, short) = re.findall(
            r"(?:longest|shortest) at (.+? \(\d\)), ([-\d.e]+?)(?=,? and|\.$)", sentence
        )
        assert (float(long), float(short)) == pytest.approx((sizes.max(), sizes.min()), rel=1e-3)
        assert (most[-2:-1], least[-2:-1]) == (str(sizes.argmax() + 1), str(sizes.argmin() + 1))
