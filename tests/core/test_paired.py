"""Two settings compared seed by seed, means over seeds, and the winner."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmcore import Run, RunConfig, RunState, RunStore, TrainConfig, corpus_from_words
from mmcore.architectures import model_config
from mmcore.paired import (
    COVERAGE,
    averaged,
    coverage,
    interval,
    mean_of,
    paired_difference,
    runs_by_setting,
    val_losses,
    winner,
    without_loss,
)
from mmcore.sweeps import Axis, Sweep

losses_by_seed = st.dictionaries(st.integers(1, 12), st.floats(1.5, 4), max_size=8)


def test_the_mean_and_its_standard_error_by_hand() -> None:
    found = mean_of([2.0, 2.1, 2.3])
    assert found and found.seeds == 3
    assert found.mean == pytest.approx(6.4 / 3)
    # Deviations −0.4/3, −0.1/3, 0.5/3: squares sum to 0.42/9; s² = 0.21/9; error = s / √3.
    assert found.error == pytest.approx(math.sqrt(0.21 / 9 / 3))
    single = mean_of([2.0])
    assert single and single.mean == 2.0 and math.isnan(single.error)
    assert mean_of([]) is None


def test_the_difference_is_over_the_seeds_that_both_have() -> None:
    found = paired_difference({1: 2.0, 2: 2.1, 3: 2.2, 5: 9.0}, {1: 2.3, 2: 2.2, 3: 2.4, 4: 0.1})
    assert found.seeds == (1, 2, 3) and found.pairs == 3
    assert found.mean == pytest.approx((-0.3 - 0.1 - 0.2) / 3)
    # Of three values every resample is known: the extreme ones, all −0.3 or all −0.1, have 1 chance in 27 each, more
    # than the 2.5 % that the interval leaves out on a side.
    assert (found.low, found.high) == pytest.approx((-0.3, -0.1))
    assert not found.undecided


@pytest.mark.parametrize("pairs", [0, 1, 2])
def test_of_fewer_than_three_pairs_there_is_no_interval(pairs: int) -> None:
    losses = dict.fromkeys(range(pairs), 2.0)
    found = paired_difference(losses, {seed: loss + 0.1 for seed, loss in losses.items()})
    assert math.isnan(found.low) and math.isnan(found.high) and not found.undecided
    assert math.isnan(found.mean) if pairs == 0 else found.mean == pytest.approx(-0.1)


@given(losses_by_seed, losses_by_seed)
def test_the_difference_turns_round_with_its_settings(a: dict[int, float], b: dict[int, float]) -> None:
    there, back = paired_difference(a, b), paired_difference(b, a)
    assert there.seeds == back.seeds == tuple(sorted(a.keys() & b.keys()))
    if there.pairs >= 3:
        assert there.mean == pytest.approx(-back.mean)
        assert there.low == pytest.approx(-back.high) and there.high == pytest.approx(-back.low)
        differences = [a[seed] - b[seed] for seed in there.seeds]
        slack = 1e-9
        assert min(differences) - slack <= there.low <= there.mean + slack
        assert there.mean - slack <= there.high <= max(differences) + slack
        assert there == paired_difference(a, b), "the same losses, the same interval"


def test_a_difference_common_to_all_seeds_is_found_whatever_the_seeds_do() -> None:
    noise = {seed: 2 + 0.5 * math.sin(seed) for seed in range(5)}
    found = paired_difference({seed: loss - 0.01 for seed, loss in noise.items()}, noise)
    assert (found.mean, found.low, found.high) == pytest.approx((-0.01, -0.01, -0.01))


@pytest.mark.parametrize("pairs", [3, 5, 10])
def test_the_interval_holds_the_true_difference_as_often_as_is_said(pairs: int) -> None:
    rng, experiments, true = np.random.default_rng(pairs), 2_000, 0.02
    common = rng.normal(2, 0.1, (experiments, pairs))  # what the seed does to both
    a, b = common + rng.normal(true, 0.01, common.shape), common + rng.normal(0, 0.01, common.shape)
    low, high = interval(a, b)
    held = float(((low <= true) & (true <= high)).mean())
    assert held == pytest.approx(COVERAGE[pairs], abs=0.025)
    assert coverage(pairs) == COVERAGE[pairs] and coverage(11) == COVERAGE[10] and coverage(500) == COVERAGE[20]


def test_an_average_is_over_the_seeds_that_all_settings_have() -> None:
    assert averaged([{1: 2.0, 2: 3.0}, {2: 4.0, 3: 9.0}]) == {2: 3.5}
    assert averaged([]) == {} == averaged([{1: 2.0}, {}])


SHA = "0" * 64
MODEL = model_config(context_size=2, embedding_dim=2, hidden_sizes=(4,))
BASE = RunConfig(corpus_sha256=SHA, model=MODEL, train=TrainConfig(max_steps=20, batch_size=8))
SWEEP = Sweep(base=BASE, axes=(Axis(name="context_size", values=(1, 2, 3)),), seeds=(1, 2))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    """A queued run of each setting with each seed, from a store."""
    store = RunStore(str(tmp_path_factory.mktemp("paired") / "store.sqlite"))
    sha256 = store.add_corpus(corpus_from_words(["emma", "olivia", "ava", "mia"] * 5, "names"))
    sweep = SWEEP.replace(base=BASE.replace(corpus_sha256=sha256))
    runs = [store.create(sweep.config(setting, seed)) for setting in sweep.grid() for seed in sweep.seeds]
    store.close()
    return [dataclasses.replace(run, config=run.config.replace(corpus_sha256=SHA)) for run in runs]


def ended(run: Run, loss: float | None, state: RunState = RunState.FINISHED) -> Run:
    return dataclasses.replace(run, state=state, losses={} if loss is None else {"val_loss": loss})


def test_runs_are_found_by_setting_and_seed(made: list[Run]) -> None:
    first = ended(made[0], 2.5)
    again = dataclasses.replace(made[0], id="again", state=RunState.FAILED)
    longer = BASE.train.replace(max_steps=40, seed=2)
    changed = dataclasses.replace(made[1], config=made[1].config.replace(train=longer))
    found = runs_by_setting(SWEEP, [again, changed, first, *made[2:]])
    assert list(found) == [(1,), (2,), (3,)]
    assert found[1,] == {1: first}, "the finished one of two alike, and none that was trained longer"
    assert sorted(found[2,]) == [1, 2]
    fewer = runs_by_setting(SWEEP.replace(axes=(Axis(name="context_size", values=(3,)),), seeds=(2,)), made)
    assert fewer == {(3,): {2: made[5]}}
    drawn = SWEEP.replace(method="random", settings_to_try=3)
    assert list(runs_by_setting(drawn, made[2:][::-1])) == [(2,), (3,)], "in the order of their first runs"


def test_a_run_that_diverged_or_is_not_over_has_no_loss(made: list[Run]) -> None:
    runs = {1: ended(made[0], 2.5), 2: ended(made[1], None, RunState.FAILED), 3: ended(made[2], math.inf)}
    runs |= {4: made[3], 5: ended(made[4], 2.4, RunState.STOPPED)}
    assert val_losses(runs) == {1: 2.5}
    assert without_loss(runs) == [2, 3]


def test_the_winner_has_every_seed_and_the_lowest_mean(made: list[Run]) -> None:
    losses = (2.5, 2.7, 2.4, 2.6, 2.0, None)  # the third's only seed is lucky, or its other one diverged
    states = [RunState.FINISHED if loss else RunState.FAILED for loss in losses]
    runs = [ended(run, loss, state) for run, loss, state in zip(made, losses, states, strict=True)]
    found = winner(SWEEP, runs_by_setting(SWEEP, runs))
    assert found and found.key == (2,) and (found.complete, found.settings) == (2, 3)
    assert found.val.mean == pytest.approx(2.5) and found.val.error == pytest.approx(0.1)
    assert found.runs == {1: runs[2], 2: runs[3]}
    assert winner(SWEEP, runs_by_setting(SWEEP, runs[4:])) is None


def test_the_winner_is_chosen_without_the_test_split(made: list[Run]) -> None:
    runs = [ended(run, 2.5 + 0.1 * i) for i, run in enumerate(made)]
    opened = [dataclasses.replace(run, losses=run.losses | {"test_loss": 9.0 - i}) for i, run in enumerate(runs)]
    sealed, unsealed = (winner(SWEEP, runs_by_setting(SWEEP, some)) for some in (runs, opened))
    assert sealed and unsealed and sealed.key == unsealed.key == (1,)
