"""The training loop: parity with the lecture's, optimiser, schedules, samplers, continuing, early stopping."""

from __future__ import annotations

import dataclasses
import math
import random
import tracemalloc
from collections.abc import Sequence
from itertools import cycle, islice
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from mmcore import evaluation, samplers, training
from mmcore.architectures import model_config
from mmcore.architectures.interface import ModelConfig
from mmcore.backprop import Backprop
from mmcore.config import SplitConfig, TrainConfig
from mmcore.dataset import Dataset, Splits, Vocab, build_dataset
from mmcore.evaluation import Pieces, evaluate, evaluate_splits, expected_seconds
from mmcore.ngram import KneserNey, NGram
from mmcore.optimizer import BETA1, BETA2, EPSILON, update
from mmcore.sample import generate
from mmcore.samplers import SAMPLERS, ContextSampler, WordSampler
from mmcore.schedules import learning_rate_at
from mmcore.threads import torch_threads
from mmcore.train_state import TrainState
from mmcore.training import Pace, Step, TrainingDiverged, is_round, train

LECTURE = TrainConfig(batch_size=32, sampler="examples", optimizer="sgd", learning_rate=0.1, schedule="constant")
TINY = model_config(embedding_dim=4, hidden_sizes=(16,))


def trained(model: ModelConfig, config: TrainConfig, dataset: Dataset, pace: Pace | None = None) -> TrainState:
    state = TrainState(model, config, dataset.vocab.size)
    for _ in train(state, dataset, pace=pace):
        pass
    return state


def same_everywhere(words: Sequence[str], context_size: int) -> Dataset:
    """A dataset whose three splits are all of some words (a real split needs ten)."""
    return Dataset(Vocab.from_words(words), context_size, Splits(tuple(words), tuple(words), tuple(words)))


# ---- parity


def test_twenty_steps_are_the_lectures_loop(dataset: Dataset) -> None:
    state = TrainState(model_config(init="lecture"), LECTURE.replace(max_steps=20, seed=5), 27)
    steps = list(train(state, dataset, pace=Pace(every=1)))

    # The lecture's notebook: same draws of weights and rows, its forward pass, autograd, plain descent.
    g = torch.Generator().manual_seed(5)
    C = torch.randn((27, 10), generator=g)
    W1 = torch.randn((30, 200), generator=g)
    b1 = torch.randn(200, generator=g)
    W2 = torch.randn((200, 27), generator=g)
    b2 = torch.randn(27, generator=g)
    parameters = [C, W1, b1, W2, b2]
    for p in parameters:
        p.requires_grad = True
    Xtr, Ytr = torch.from_numpy(dataset.train.contexts), torch.from_numpy(dataset.train.targets)
    batches = TrainState(model_config(init="lecture"), LECTURE.replace(max_steps=20, seed=5), 27).generators["batches"]
    for step in steps[1:]:
        ix = torch.randint(0, Xtr.shape[0], (32,), generator=batches)
        emb = C[Xtr[ix]]
        h = torch.tanh(emb.view(-1, 30) @ W1 + b1)
        logits = h @ W2 + b2
        loss = F.cross_entropy(logits, Ytr[ix])
        for p in parameters:
            p.grad = None
        loss.backward()
        for p in parameters:
            assert p.grad is not None
            p.data += -0.1 * p.grad
        assert step.batch_loss == pytest.approx(loss.item(), rel=1e-5)
    for name, lectures in zip(("C", "W1", "b1", "W2", "b2"), parameters, strict=True):
        # In single precision this loop itself is 5e-5 away from what it gives in double.
        assert torch.allclose(state.model.get_parameter(name), lectures, rtol=0, atol=1e-4), name


@pytest.mark.parametrize("sampler", ["examples", "contexts"])
def test_training_with_pytorchs_gradients_is_the_same(small: Dataset, sampler: str) -> None:
    model = model_config(embedding_dim=4, hidden_sizes=(16, 8), direct=True, dropout=0.2)
    config = TrainConfig(max_steps=20, batch_size=16, sampler=sampler, optimizer="sgd", schedule="constant")
    by_hand, torchs = (TrainState(model, config, small.vocab.size) for _ in range(2))
    losses = [
        [step.batch_loss for step in train(state, small, pace=Pace(every=1), autograd=autograd)][1:]
        for state, autograd in ((by_hand, False), (torchs, True))
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    assert torch.allclose(by_hand.model.flat, torchs.model.flat, rtol=0, atol=1e-5)
    assert not torch.equal(torchs.model.flat, TrainState(model, config, small.vocab.size).model.flat)


def test_updates_are_torchs_adamw() -> None:
    config = TrainConfig(optimizer="adamw", weight_decay=0.05, learning_rate=0.03, schedule="one-cycle", max_steps=50)
    state = TrainState(model_config(hidden_sizes=(20, 10), direct=True), config, 27)
    flat = state.model.flat.double()
    decayed = flat[: state.model.decayed].clone().requires_grad_()
    biases = flat[state.model.decayed :].clone().requires_grad_()
    groups = [{"params": [decayed], "weight_decay": 0.05}, {"params": [biases], "weight_decay": 0.0}]
    reference = torch.optim.AdamW(groups, lr=0.03, betas=(BETA1, BETA2), eps=EPSILON)
    g = torch.Generator().manual_seed(0)
    for step in range(50):
        gradient = torch.randn(len(flat), generator=g) * 0.1 ** (step % 4)
        rate = learning_rate_at(config, step)
        for group in reference.param_groups:
            group["lr"] = rate
        decayed.grad, biases.grad = gradient[: len(decayed)].double(), gradient[len(decayed) :].double()
        reference.step()
        update(state, gradient, rate)
        state.step += 1
    expected = torch.cat([decayed.detach(), biases.detach()])
    assert torch.allclose(state.model.flat.double(), expected, rtol=0, atol=5e-6)


def test_sgd_decays_weights_and_the_embedding_but_not_biases() -> None:
    config = TrainConfig(optimizer="sgd", weight_decay=0.5, learning_rate=0.1)
    state = TrainState(model_config(init="lecture"), config, 27)
    before = {name: tensor.clone() for name, tensor in state.model.tensors.items()}
    update(state, torch.zeros_like(state.model.flat), 0.1)
    for name, tensor in state.model.tensors.items():
        expected = before[name] if name.startswith("b") else before[name] * (1 - 0.1 * 0.5)
        assert torch.equal(tensor, expected), name


# ---- schedules


def test_schedules_have_their_values() -> None:
    base = TrainConfig(max_steps=1_000, learning_rate=0.1)
    step = base.replace(schedule="step")
    assert [learning_rate_at(step, i) for i in (0, 499, 500, 999)] == pytest.approx([0.1, 0.1, 0.01, 0.01])
    lecture = base.replace(schedule="step", max_steps=200_000)
    assert [learning_rate_at(lecture, i) for i in (99_999, 100_000)] == pytest.approx([0.1, 0.01])
    constant = base.replace(schedule="constant")
    assert {learning_rate_at(constant, i) for i in (0, 500, 999)} == {0.1}
    linear = base.replace(schedule="linear")
    assert [learning_rate_at(linear, i) for i in (0, 250, 999)] == pytest.approx([0.1, 0.075, 0.0001])
    inverse = base.replace(schedule="inverse-time", decay_rate=0.01)
    assert [learning_rate_at(inverse, i) for i in (0, 100, 900)] == pytest.approx([0.1, 0.05, 0.01])


@pytest.mark.parametrize("max_steps", [1, 2, 7, 10, 1_000])
def test_one_cycle_climbs_to_its_peak_and_falls_to_almost_nothing(max_steps: int) -> None:
    config = TrainConfig(max_steps=max_steps, learning_rate=0.1, schedule="one-cycle")
    rates = [learning_rate_at(config, i) for i in range(max_steps)]
    assert all(0 < rate <= 0.1 for rate in rates)
    assert max(rates) == pytest.approx(0.1)
    peak = rates.index(max(rates))
    assert peak <= max(1, 0.2 * max_steps)
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)


def test_one_cycle_has_its_values() -> None:
    config = TrainConfig(max_steps=1_000, learning_rate=0.1, schedule="one-cycle")
    rates = [learning_rate_at(config, i) for i in (0, 99, 199, 200, 600, 800, 999)]
    assert rates == pytest.approx([0.0005, 0.05, 0.1, 0.1, 0.05, 0.025, 0.000125])


# ---- determinism


@pytest.mark.parametrize("sampler", ["examples", "contexts"])
def test_the_pace_and_the_watching_never_change_the_weights(small: Dataset, sampler: str) -> None:
    model, config = TINY.replace(dropout=0.2), TrainConfig(max_steps=60, batch_size=16, sampler=sampler)
    paces = [Pace(every=1), Pace(every=7), Pace(every=1_000), Pace(seconds=0, share=1), Pace(seconds=1e9, share=0)]
    paces += [Pace(seconds=1e9, early=0), Pace(seconds=1e9, early=1e9)]
    flats = [trained(model, config, small, pace).model.flat for pace in paces]
    assert all(torch.equal(flat, flats[0]) for flat in flats[1:])

    state = TrainState(model, config, small.vocab.size)
    for _ in train(state, small, pace=Pace(every=10)):
        generate(state.model, small.vocab, 3)
        evaluate(state.model, small.test)
    assert torch.equal(state.model.flat, flats[0])


def test_another_seed_gives_other_weights_and_other_batches(small: Dataset) -> None:
    first, second = (trained(TINY, TrainConfig(max_steps=5, seed=seed), small) for seed in (1, 2))
    assert not torch.equal(first.model.flat, second.model.flat)
    g1, g2 = first.generators["batches"], second.generators["batches"]
    assert not torch.equal(torch.rand(5, generator=g1), torch.rand(5, generator=g2))
    one = TrainState(TINY, TrainConfig(seed=1), 27).generators
    assert not torch.equal(torch.rand(5, generator=one["batches"]), torch.rand(5, generator=one["dropout"]))


def test_the_global_generator_is_left_alone(small: Dataset) -> None:
    before = torch.get_rng_state()
    state = trained(TINY.replace(dropout=0.3), TrainConfig(max_steps=10), small)
    evaluate(state.model, small.val)
    generate(state.model, small.vocab, 5)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_number_of_threads_is_the_callers(small: Dataset) -> None:
    with torch_threads(2):
        trained(TINY, TrainConfig(max_steps=3), small)
        assert torch.get_num_threads() == 2
    assert torch.get_num_threads() == 1


CONTINUED = {
    "sgd": LECTURE,
    "adamw": TrainConfig(batch_size=16),
    "adamw-examples-decay": TrainConfig(batch_size=16, sampler="examples", weight_decay=0.1),
    "early-stopping": TrainConfig(batch_size=16, patience=50, check_every=10),
}


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("config", CONTINUED.values(), ids=CONTINUED)
def test_a_continued_run_is_bit_identical(small: Dataset, config: TrainConfig, dropout: float) -> None:
    model, config = TINY.replace(dropout=dropout), config.replace(max_steps=60)
    whole = trained(model, config, small)

    first = TrainState(model, config, small.vocab.size)
    for step in train(first, small, pace=Pace(every=37)):
        if step.step == 37:
            break
    saved = first.tensors()
    first.model.flat.zero_()  # what was put away must not be a view of what goes on
    second = TrainState(model, config, small.vocab.size)
    second.load(saved)
    steps = list(train(second, small, pace=Pace(every=1_000)))
    assert [step.step for step in steps] == [37, 60]
    assert torch.equal(second.model.flat, whole.model.flat)
    assert {n: t.tolist() for n, t in second.tensors().items()} == {n: t.tolist() for n, t in whole.tensors().items()}


def test_a_state_that_does_not_fit_is_refused() -> None:
    config = TrainConfig()
    tensors = TrainState(TINY, config, 27).tensors()
    others = [
        TrainState(TINY, config.replace(optimizer="sgd"), 27),
        TrainState(TINY.replace(embedding_dim=5), config, 27),
    ]
    for other in others:
        with pytest.raises(ValueError, match="training state must fit its config"):
            other.load(tensors)
    for damage in ({"flat": tensors["flat"].double()}, {"moments": tensors["moments"][:1]}, {"extra": torch.zeros(1)}):
        with pytest.raises(ValueError, match="training state must fit its config"):
            TrainState(TINY, config, 27).load(tensors | damage)


# ---- losses that take long


def test_c2_the_first_losses_are_left_when_someone_asks(small: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TINY.__class__, "rows_at_once", 10)
    asked: list[int] = []

    def stop() -> bool:
        asked.append(len(asked))
        return len(asked) >= 5

    state = TrainState(TINY, TrainConfig(), small.vocab.size)
    first = next(train(state, small, pace=Pace(every=1), stop=stop))
    assert (first.step, first.losses) == (0, {})
    assert len(asked) == 5 < len(small.train.counts.contexts) / 10, "asked after every piece"


def test_c2_asking_changes_neither_weights_nor_losses(small: Dataset) -> None:
    config = TrainConfig(max_steps=40, batch_size=16, patience=2, check_every=10)
    states = [TrainState(TINY, config, small.vocab.size) for _ in range(2)]
    plain, asked = (
        [(step.step, step.losses) for step in train(state, small, pace=Pace(every=10), **extra)]
        for state, extra in zip(states, ({}, {"stop": lambda: False}), strict=True)
    )
    assert plain == asked
    assert torch.equal(states[0].model.flat, states[1].model.flat)


def test_c2_a_check_that_was_left_is_due_and_the_caller_asked_at_once(small: Dataset) -> None:
    state = TrainState(TINY, TrainConfig(max_steps=20, patience=1, check_every=5), small.vocab.size)
    steps = list(train(state, small, pace=Pace(every=50), stop=lambda: True))
    assert [step.step for step in steps] == [0, 5, 10, 15, 20] and not any(step.losses for step in steps)
    assert state.best is None and state.check_due
    (last,) = train(state, small, pace=Pace(every=50))
    assert not state.check_due and state.best_loss == last.val_loss


@pytest.mark.parametrize(("seconds", "known"), [(1.9, True), (600.0, False)])
def test_c2_long_losses_do_not_keep_the_first_update_waiting(
    small: Dataset, monkeypatch: pytest.MonkeyPatch, seconds: float, known: bool
) -> None:
    monkeypatch.setattr(training, "expected_seconds", lambda *_, **__: seconds)
    state = TrainState(TINY, TrainConfig(max_steps=30, batch_size=16), small.vocab.size)
    first, *between, last = train(state, small, pace=Pace(seconds=0.0))
    assert bool(first.losses) is known
    assert known or not any(step.losses for step in between), "not before its share of the time has passed"
    assert last.val_loss == evaluate(state.model, small.val).loss
    every = next(train(TrainState(TINY, TrainConfig(), small.vocab.size), small, pace=Pace(every=10)))
    assert every.losses, "the same curve on every machine"


def test_c2_long_losses_are_expected_to_take_long(small: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """The guess is the time of one piece times their number, by the quickest of three tries; not a constant."""
    now, waits = 0.0, cycle([5.0, 0.0, 1.0])

    def computed(pieces: Pieces, place: int) -> None:
        nonlocal now
        now += 0.001 * len(pieces.rows[place]) + next(waits)

    monkeypatch.setattr(evaluation, "time", SimpleNamespace(perf_counter=lambda: now))
    monkeypatch.setattr(Pieces, "log_probabilities", computed)
    model = TrainState(TINY, TrainConfig(), small.vocab.size).model
    assert expected_seconds(model, small) == pytest.approx(0.001 * len(small.shown.contexts))


# ---- samplers


def test_systematic_draws_hit_each_context_as_often_as_expected(dataset: Dataset) -> None:
    counts, size = dataset.train.counts, 500
    index = {tuple(context): i for i, context in enumerate(counts.contexts.tolist())}
    sampler = ContextSampler(dataset.train, size)
    expected = counts.totals * size / counts.examples
    g = torch.Generator().manual_seed(0)
    for _ in range(5):
        contexts, targets = sampler(g)
        drawn = torch.tensor([index[tuple(context)] for context in contexts.tolist()])
        hits = torch.bincount(drawn, minlength=len(expected)).numpy()
        assert contexts.shape == (size, 3) and targets.shape == (size, 27)
        assert ((hits >= expected - 1 - 1e-9) & (hits <= expected + 1 + 1e-9)).all()
        distributions = counts.following.dense(drawn.numpy()) / counts.totals[drawn][:, None]
        assert torch.allclose(targets, torch.from_numpy(distributions).float(), atol=1e-6)


@pytest.mark.parametrize("sampler", ["contexts", "words"])
def test_c1_targets_written_out_a_batch_at_a_time_are_those_of_a_whole_table(
    small: Dataset, monkeypatch: pytest.MonkeyPatch, sampler: str
) -> None:
    table = SAMPLERS[sampler](small.train, 32)
    monkeypatch.setattr(samplers, "DENSE", 0)
    batches = SAMPLERS[sampler](small.train, 32)
    for seed in range(5):
        g, h = (torch.Generator().manual_seed(seed) for _ in range(2))
        assert torch.equal(table(g)[1], batches(h)[1])


def test_c1_what_is_counted_takes_memory_for_what_occurs() -> None:
    """Contexts × symbols would be 347 MB here for a table of single-precision numbers."""
    draw = random.Random(1)
    words = ["".join(chr(0x4E00 + draw.randrange(5_000)) for _ in range(4)) for _ in range(6_000)]
    data = build_dataset(words, SplitConfig(), 3)
    tracemalloc.start()
    try:
        assert len(data.train.counts.contexts) * data.vocab.size > 86e6
        ContextSampler(data.train, 64)(torch.Generator())
        WordSampler(data.train, 64)(torch.Generator())
        NGram(data.train, 1).loss(data.val)
        KneserNey(data.train, 3).loss(data.val)
        assert tracemalloc.get_traced_memory()[1] < 40e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("sampler", ["examples", "contexts"])
def test_batch_gradients_are_unbiased(small: Dataset, sampler: str) -> None:
    model = TrainState(model_config(hidden_sizes=(20,), init="lecture"), TrainConfig(), small.vocab.size).model
    full = Backprop(model, len(small.train))
    full(torch.from_numpy(small.train.contexts), torch.from_numpy(small.train.targets))
    draw, g = SAMPLERS[sampler](small.train, 64), torch.Generator().manual_seed(1)
    backprop, average = Backprop(model, 64), torch.zeros_like(full.gradient)
    batches = 1_500
    for _ in range(batches):
        backprop(*draw(g))
        average += backprop.gradient / batches
    error = (average - full.gradient).norm() / full.gradient.norm()
    assert error < 0.05


def test_contexts_have_less_noise_than_examples(small: Dataset) -> None:
    model = TrainState(model_config(hidden_sizes=(20,)), TrainConfig(), small.vocab.size).model
    noise = {}
    for name in ("examples", "contexts"):
        make = SAMPLERS[name]
        draw, g, backprop = make(small.train, 64), torch.Generator().manual_seed(1), Backprop(model, 64)
        gradients = []
        for _ in range(100):
            backprop(*draw(g))
            gradients.append(backprop.gradient.clone())
        noise[name] = torch.stack(gradients).var(0).sum().item()
    assert noise["contexts"] < 0.7 * noise["examples"]


# ---- what a run says


def test_steps_go_from_the_untrained_model_to_the_last(small: Dataset) -> None:
    state = TrainState(TINY, TrainConfig(max_steps=25), small.vocab.size)
    steps = list(train(state, small, pace=Pace(every=10)))
    assert [step.step for step in steps] == [0, 10, 20, 25]
    assert steps[0].batch_loss is None
    assert steps[0].train_loss == pytest.approx(math.log(small.vocab.size), abs=0.05)
    assert steps[0].learning_rate == learning_rate_at(state.config, 0)
    assert steps[-1].learning_rate == learning_rate_at(state.config, 24)
    assert steps[-1].val_loss == evaluate(state.model, small.val).loss
    assert steps[-1].val_loss_unseen == evaluate(state.model, small.val_unseen).loss
    assert [step.seconds for step in steps] == sorted(step.seconds for step in steps)
    every = list(train(TrainState(TINY, TrainConfig(max_steps=25), small.vocab.size), small, pace=Pace(every=1)))
    losses = [step.batch_loss for step in every if step.batch_loss is not None]
    assert steps[1].batch_loss == pytest.approx(sum(losses[:10]) / 10)
    assert steps[-1].batch_loss == pytest.approx(sum(losses[20:]) / 5)


def test_a_clocked_pace_reports_the_first_and_the_last_step_exactly(small: Dataset) -> None:
    state = TrainState(TINY, TrainConfig(max_steps=50), small.vocab.size)
    steps = list(train(state, small, pace=Pace(seconds=0, share=0, early=0)))
    assert [step.step for step in steps] == list(range(51)), "a step at every opportunity"
    assert [step.step for step in steps if step.train_loss is not None] == [0, 50], "no time to evaluate in between"


def test_exact_losses_come_at_round_steps_on_every_machine(small: Dataset) -> None:
    """However slow: here no share of the time is left for losses by the clock."""
    state = TrainState(TINY, TrainConfig(max_steps=70), small.vocab.size)
    steps = list(train(state, small, pace=Pace(share=0, early=1e9)))
    assert [step.step for step in steps if step.losses] == [0, 1, 2, 5, 10, 20, 50, 70]
    assert [step for step in range(100_001) if is_round(step)] == [
        digit * 10**power for power in range(5) for digit in (1, 2, 5)
    ] + [100_000]


def test_round_steps_wait_too_where_losses_take_long(small: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "expected_seconds", lambda *_, **__: 600.0)
    state = TrainState(TINY, TrainConfig(max_steps=30), small.vocab.size)
    _, *between, last = train(state, small, pace=Pace())
    assert {1, 2, 5, 10, 20} <= {step.step for step in between} and not any(step.losses for step in between)
    assert last.losses


def test_a_pace_without_first_losses_measures_them_when_their_share_of_the_time_has_passed(small: Dataset) -> None:
    state = TrainState(TINY, TrainConfig(max_steps=50), small.vocab.size)
    first, *between, last = train(state, small, pace=Pace(seconds=0, share=0, first=0, early=0))
    assert not first.losses and not any(step.losses for step in between)
    assert last.losses == evaluate_splits(state.model, small, test=False)


def test_a_step_is_immutable() -> None:
    step = Step(step=1, learning_rate=0.1, seconds=0.0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        step.step = 2  # type: ignore[misc]
    assert all(value is None or isinstance(value, (int, float)) for value in dataclasses.astuple(step))


@pytest.mark.parametrize("values", [{"every": 0}, {"seconds": -1.0}, {"share": 2.0}, {"first": -1.0}, {"early": -1.0}])
def test_an_impossible_pace_is_refused(values: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=f"^{next(iter(values))} must be "):
        Pace(**values)  # type: ignore[arg-type]


def test_break_stops_and_leaves_a_usable_state(small: Dataset) -> None:
    state = TrainState(TINY, TrainConfig(max_steps=1_000), small.vocab.size)
    for step in train(state, small, pace=Pace(every=5)):
        if step.step >= 10:
            break
    assert state.step == 10
    assert [step.step for step in islice(train(state, small, pace=Pace(every=5)), 3)] == [10, 15, 20]


def test_a_run_reproduces_its_recorded_loss(dataset: Dataset) -> None:
    steps = list(train(TrainState(model_config(), TrainConfig(max_steps=10), 27), dataset))
    assert steps[-1].val_loss == pytest.approx(GOLDEN, abs=2e-4), (
        "The loss after ten steps of the default config at seed 1 has changed. If you meant to change the "
        "initialisation, the batches, the optimiser or the defaults, results published before can no longer be "
        "reproduced: record the new value and say so in the commit. If you did not mean to, you have found a bug."
    )


GOLDEN = 2.5712


def test_three_words_are_learned_by_heart() -> None:
    """All that cannot be known is which word it is: ln 3, once in each word's characters."""
    dataset = same_everywhere(["anna", "bob", "eve"], 3)
    state = trained(TINY, TrainConfig(max_steps=300, batch_size=13), dataset)
    achievable = 3 * math.log(3) / len(dataset.train)
    loss = evaluate(state.model, dataset.train).loss
    assert achievable - 1e-6 <= loss < achievable + 0.01
    assert {sample.word for sample in generate(state.model, dataset.vocab, 60)} == {"anna", "bob", "eve"}


# ---- ends


def test_early_stopping_keeps_the_best_weights(small: Dataset) -> None:
    config = TrainConfig(max_steps=4_000, batch_size=64, schedule="constant", patience=3, check_every=20)
    config = config.replace(learning_rate=0.03)
    state = TrainState(model_config(hidden_sizes=(50,)), config, small.vocab.size)
    steps = list(train(state, small, pace=Pace(every=20)))
    last, checks = steps[-1], [step.val_loss for step in steps[1:-1] if step.val_loss is not None]
    assert last.step < 4_000, "400 names are overfitted long before that"
    assert last.val_loss == evaluate(state.model, small.val).loss == min(checks)
    best = checks.index(min(checks))
    assert last.step == 20 * (best + 1 + 3), "three checks without a better loss"


def test_early_stopping_looks_at_the_last_step_too(small: Dataset) -> None:
    """Still improving when the steps run out: the best weights are the last, not those of the last check."""
    config = TrainConfig(max_steps=35, batch_size=64, patience=3, check_every=20)
    plain = trained(TINY, config.replace(patience=0), small)
    assert torch.equal(trained(TINY, config, small).model.flat, plain.model.flat)


def test_a_rate_far_too_high_ends_with_advice_and_finite_weights(small: Dataset) -> None:
    config = LECTURE.replace(learning_rate=1e3, max_steps=500)
    for pace in (Pace(every=1), Pace(every=1_000)):
        state = TrainState(TINY.replace(activation="relu"), config, small.vocab.size)
        with pytest.raises(TrainingDiverged) as error:
            list(train(state, small, pace=pace))
        assert 0 < error.value.step < 500
        assert error.value.learning_rate == 1e3
        for part in (f"step {error.value.step}", "learning_rate 1000.", "Try a learning_rate of 0.1."):
            assert part in str(error.value)
        assert state.model.flat.isfinite().all()
        assert math.isfinite(evaluate(state.model, small.train).loss)
        assert state.step == error.value.step - 1, "the step that the kept weights are from"


def test_the_last_update_cannot_spoil_a_run_unseen(small: Dataset) -> None:
    model, config = TINY.replace(activation="relu"), LECTURE.replace(learning_rate=900)
    with pytest.raises(TrainingDiverged) as error:
        trained(model, config.replace(max_steps=500), small, Pace(every=1))
    state = TrainState(model, config.replace(max_steps=error.value.step), small.vocab.size)
    with pytest.raises(TrainingDiverged):
        list(train(state, small))
    assert state.model.flat.isfinite().all()
