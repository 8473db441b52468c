"""Runs that begin with the weights of others: what they begin with, that they can be repeated, and whose they are."""

from __future__ import annotations

import dataclasses
import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
import torch

from mmcore.architectures import model_config
from mmcore.config import Origin, RunConfig, SplitConfig, TrainConfig
from mmcore.corpus import corpus_from_words
from mmcore.dataset import build_dataset
from mmcore.diagnosis import first_loss, longer
from mmcore.doctor import Facts, examine
from mmcore.experiments import by_config
from mmcore.export import artifact
from mmcore.export.artifact import plain_torch
from mmcore.jobs import execution, run_inline
from mmcore.presets import PRESETS, preset_of
from mmcore.schedules import learning_rate_at
from mmcore.store import Run, RunFilter, RunState, RunStore
from mmcore.store.digest import digest
from mmcore.sweeps import Axis, Sweep
from mmcore.training import Step
from tests.databases import STORES, Databases
from tests.models import SMALL

WORDS = ["emma", "olivia", "ava", "mia", "anna", "ella", "liam", "noah", "zoe", "amelia", "bob", "eve"] * 2
TRAIN = TrainConfig(max_steps=12, batch_size=8)
CHANGED = TRAIN.replace(max_steps=8, learning_rate=0.005, schedule="constant", seed=7)
SHA = "0" * 64
ORIGIN = Origin(run_id="abc", step=4, weights_sha256="f" * 64)


@pytest.fixture
def store(database: Databases) -> Iterator[RunStore]:
    opened = RunStore(database("runs"))
    yield opened
    opened.close()


@pytest.fixture
def make(store: RunStore) -> Callable[..., Run]:
    """Trains a small run."""
    sha256 = store.add_corpus(corpus_from_words(WORDS, "names"))

    def trained(model: str = "mlp-batch", train: TrainConfig = TRAIN) -> Run:
        return run_inline(store, store.create(RunConfig(corpus_sha256=sha256, model=SMALL[model], train=train)).id)

    return trained


@pytest.fixture
def parent(make: Callable[..., Run]) -> Run:
    return make()


def flat(store: RunStore, run: Run) -> torch.Tensor:
    return artifact.load(store.weights(run.id) or b"").model.flat


def weights(store: RunStore, run: Run, step: int) -> bytes:
    return next(checkpoint.weights for checkpoint in store.checkpoints(run.id) if checkpoint.step == step)


# ---- what it begins with


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("step", [5, 12])
def test_a_branch_begins_with_the_weights_of_that_step(
    store: RunStore, make: Callable[..., Run], name: str, step: int
) -> None:
    parent = make(name)
    optimizer = "sgd" if step == 5 else "adamw"
    branch = run_inline(store, store.branch(parent.id, step, CHANGED.replace(optimizer=optimizer)).id)
    assert (branch.state, branch.step) == (RunState.FINISHED, 8)
    assert weights(store, branch, 0) == weights(store, parent, step) == store.start(branch.id)
    assert weights(store, branch, 0) != weights(store, parent, 0)
    losses = [store.history(run.id).set_index("step").train_loss for run in (parent, branch)]
    assert np.isnan(losses[0].get(step, np.nan)) or losses[0][step] == losses[1][0]


def test_the_same_branch_twice_has_the_same_weights(store: RunStore, parent: Run) -> None:
    twice = [run_inline(store, store.branch(parent.id, 5, CHANGED).id) for _ in range(2)]
    other = run_inline(store, store.branch(parent.id, 5, CHANGED.replace(seed=8)).id)
    later = run_inline(store, store.branch(parent.id, 6, CHANGED).id)
    assert torch.equal(*(flat(store, run) for run in twice))
    assert not any(torch.equal(flat(store, twice[0]), flat(store, run)) for run in (other, later, parent))


def test_the_optimiser_begins_afresh(store: RunStore, parent: Run) -> None:
    """A branch of the very weights that a run was drawn from its seed is that run."""
    branch = run_inline(store, store.branch(parent.id, 0, parent.config.train).id)
    assert torch.equal(flat(store, branch), flat(store, parent))


def test_a_branch_that_pauses_goes_on_as_if_it_had_not(
    store: RunStore, parent: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run_inline(store, store.branch(parent.id, 5, CHANGED).id)
    monkeypatch.setattr(execution, "TICK_SECONDS", 0.0)
    run = store.branch(parent.id, 5, CHANGED)

    def cut(step: Step) -> None:
        if step.step >= 3:
            store.request_stop(run.id)

    store.request_stop(run.id)  # before it began
    store.continue_run(run.id)
    assert run_inline(store, run.id, cut).state is RunState.STOPPED
    store.continue_run(run.id)
    assert torch.equal(flat(store, run_inline(store, run.id)), flat(store, whole))


def test_an_interrupted_branch_that_saved_nothing_begins_with_its_weights_again(store: RunStore, parent: Run) -> None:
    run = store.branch(parent.id, 5, CHANGED, token="mine")
    store.finish(run.id, "mine", RunState.INTERRUPTED)
    store.continue_run(run.id)
    whole = run_inline(store, store.branch(parent.id, 5, CHANGED).id)
    assert torch.equal(flat(store, run_inline(store, run.id)), flat(store, whole))


def test_weights_that_are_not_those_of_the_origin_are_refused(store: RunStore, parent: Run) -> None:
    run = store.branch(parent.id, 5, CHANGED)
    with store._write() as db:
        db.execute(sa.text("UPDATE checkpoints SET weights = :weights WHERE kind = 'start'"), {"weights": b"0"})
    failed = run_inline(store, run.id)
    assert failed.state is RunState.FAILED
    assert failed.error == f"first weights must be those of step 5 of run {parent.id}, got 'others'"


# ---- whose it is


def test_a_branch_outlives_its_parent_and_can_be_repeated(store: RunStore, parent: Run) -> None:
    run, whole = (store.branch(parent.id, 5, CHANGED, name=name) for name in ("Slower", "Before"))
    run_inline(store, whole.id)
    store.delete(parent.id)
    store.empty_bin()
    sibling = store.create(run.config.replace(train=CHANGED), name="Again")
    for one in (run, sibling):
        assert torch.equal(flat(store, run_inline(store, one.id)), flat(store, whole))
    for one in (run, sibling, whole):
        store.delete(one.id)
    store.empty_bin()
    with pytest.raises(ValueError, match=f"step must be one whose weights run {parent.id} keeps, got 5"):
        store.create(run.config)


def test_ancestry_is_told_upwards_and_downwards(store: RunStore, parent: Run) -> None:
    child = run_inline(store, store.branch(parent.id, 5, CHANGED).id)
    grandchild = store.branch(child.id, 8)
    assert child.name == f"{parent.name}, from step 5" and grandchild.config.train == CHANGED
    told = [(found.origin.step, found.run and found.run.id) for found in store.ancestors(grandchild.config.origin)]
    assert told == [(8, child.id), (5, parent.id)] and store.ancestors(parent.config.origin) == []
    assert [run.id for run in store.runs(RunFilter(parent=parent.id))] == [child.id]
    store.delete(parent.id)
    told = [(found.origin.step, found.run and found.run.id) for found in store.ancestors(grandchild.config.origin)]
    assert told == [(8, child.id), (5, None)]


def test_the_weights_it_begins_with_take_room_and_are_not_collected(store: RunStore, parent: Run) -> None:
    run, same = store.branch(parent.id, 5, CHANGED), store.create(parent.config)
    size, stored = len(store.start(run.id) or b""), store.stored([run.id, same.id])
    assert size == 4 * flat(store, parent).numel()
    assert stored[run.id] - stored[same.id] == size + 1_000
    ended = run_inline(store, run.id)
    before = store.stored([run.id])[run.id]
    store.collect([run.id], limit=0)
    assert store.start(run.id) and store.stored([run.id])[run.id] < before
    assert store.kept_steps(ended.id) == [8], "the last ones, not those it began with"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"model": SMALL["mlp"]}, "normalisation must be batch, as in the run it starts from, got 'none'"),
        ({"model": SMALL["rnn"]}, "architecture must be mlp, as in the run it starts from, got 'rnn'"),
        ({"split": SplitConfig(split_seed=7)}, "split_seed must be 42, as in the run it starts from, got 7"),
        ({"origin": ORIGIN}, "step must be one whose weights run abc keeps, got 4"),
    ],
)
def test_what_weights_do_not_fit_is_refused_and_left_as_it_was(
    store: RunStore, parent: Run, changes: dict[str, Any], sentence: str
) -> None:
    config = parent.config.replace(origin=store.origin(parent.id, 5)).replace(**changes)
    with pytest.raises(ValueError, match=re.escape(sentence)):
        store.create(config)
    for step in (3_000, -1):
        with pytest.raises(ValueError, match=f"step must be one whose weights run {parent.id} keeps, got {step:,}"):
            store.branch(parent.id, step)
    assert store.count() == 1


def test_dropout_may_change(store: RunStore, parent: Run) -> None:
    run = run_inline(store, store.branch(parent.id, 12, model=parent.config.model.replace(dropout=0.5)).id)
    assert run.state is RunState.FINISHED and run.config.train == parent.config.train


# ---- never taken for a run from scratch


def test_its_config_comes_back_and_says_nothing_where_there_is_no_origin() -> None:
    plain = RunConfig(corpus_sha256=SHA)
    branch = plain.replace(origin=ORIGIN)
    for config in (plain, branch):
        assert RunConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert "origin" not in plain.to_dict() and branch != plain
    for wrong in ({"run_id": ""}, {"run_id": "x" * 33}, {"step": -1}, {"step": True}, {"weights_sha256": "F" * 64}):
        with pytest.raises(ValueError, match=f"^{next(iter(wrong))} must be "):
            ORIGIN.replace(**wrong)
    with pytest.raises(ValueError, match="Origin must be a table of fields"):
        RunConfig.from_dict(plain.to_dict() | {"origin": 5})


def test_digests_of_runs_from_before_there_were_branches_stay(tmp_path: Path) -> None:
    with closing(sqlite3.connect(f"file:{STORES / 'schema-4.sqlite'}?mode=ro&immutable=1", uri=True)) as database:
        rows = database.execute("SELECT config, config_digest FROM runs").fetchall()
    assert rows
    for text, known in rows:
        config = RunConfig.from_dict(json.loads(text))
        assert digest(config) == known
        branches = [config.replace(origin=ORIGIN.replace(step=step)) for step in (4, 5)]
        assert len({known, *map(digest, branches)}) == 3


def test_a_branch_is_neither_a_preset_nor_the_run_of_its_settings(store: RunStore, make: Callable[..., Run]) -> None:
    parent = make("mlp")
    branch = store.branch(parent.id, 12)
    quick = RunConfig(corpus_sha256=SHA, model=PRESETS["quick"].model, train=PRESETS["quick"].train)
    assert preset_of(quick) == "quick" and preset_of(quick.replace(origin=ORIGIN)) is None
    assert by_config([branch, parent])[parent.config].id == parent.id
    assert [run.id for run in store.runs(RunFilter(configs=[parent.config]))] == [parent.id]
    assert [run.id for run in store.runs(RunFilter(configs=[branch.config]))] == [branch.id]
    unnamed = store.create(branch.config)
    assert unnamed.name == f"{parent.name}, from step 12"
    store.delete(parent.id)
    sweep = Sweep(base=parent.config, axes=(Axis(name="learning_rate", values=(TRAIN.learning_rate,)),))
    kept = store.create_sweep(sweep, name="Rates")
    added = store.add_to_sweep(kept.id, [(parent.config, "Mine")], known=0)
    assert added and added[0] not in (branch.id, unnamed.id)


def test_a_sweep_may_begin_with_kept_weights(store: RunStore, parent: Run) -> None:
    base = parent.config.replace(origin=store.origin(parent.id, 5))
    sweep = Sweep(base=base, axes=(Axis(name="learning_rate", values=(0.01, 0.02)),))
    assert Sweep.from_dict(json.loads(json.dumps(sweep.to_dict()))) == sweep
    kept = store.create_sweep(sweep, name="Rates")
    wanted = [(sweep.config(setting, 1), sweep.said(setting)) for setting in sweep.grid()]
    added = store.add_to_sweep(kept.id, wanted, known=0)
    assert added and [store.start(run_id) for run_id in added] == [weights(store, parent, 5)] * 2


def test_its_file_knows_the_origin_and_is_used_like_any_other(store: RunStore, parent: Run, tmp_path: Path) -> None:
    branch = run_inline(store, store.branch(parent.id, 5, CHANGED).id)
    content = store.weights(branch.id) or b""
    assert artifact.load(content).config.origin == store.origin(parent.id, 5)
    assert artifact.load(store.weights(parent.id) or b"").config.origin is None
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    namespace: dict[str, Any] = {}
    exec(plain_torch(branch.config.model, str(path)), namespace)
    assert torch.equal(namespace["p"]["C"], artifact.load(content).model.tensors["C"])


# ---- what is said of it


def test_the_first_loss_is_that_of_the_weights_it_began_with(store: RunStore, parent: Run) -> None:
    branch = run_inline(store, store.branch(parent.id, 5, CHANGED).id)
    dataset = build_dataset(WORDS, SplitConfig(), branch.config.model.context_size)
    drawn, begun = (first_loss(branch.config, dataset, start) for start in (None, store.start(branch.id)))
    assert begun.loss == pytest.approx(store.history(branch.id).train_loss[0], abs=1e-5)
    assert abs(drawn.loss - begun.loss) > 0.01


def test_a_first_loss_that_was_not_drawn_is_no_finding() -> None:
    lecture = RunConfig(corpus_sha256=SHA, model=model_config(init="lecture"))
    facts = Facts(config=lecture, vocab_size=27, first_loss=20.0, train_loss=2.0, val_loss=2.0)
    assert [finding.rule for finding in examine(facts)] == ["first_loss"]
    assert examine(dataclasses.replace(facts, config=lecture.replace(origin=ORIGIN))) == []


@pytest.mark.parametrize(
    ("changes", "rule", "stays"),
    [
        ({"first_loss": 2.0, "train_loss": 9.0}, "divergence", True),
        ({"test_openings": 1, "later_runs": 1}, "test_opened", False),
        ({"val_loss": 2.9, "train_loss": 2.9, "bigram_loss": 2.4, "steps": 2_000}, "capacity", False),
    ],
)
def test_a_remedy_begins_with_the_same_weights_where_they_may_be_used(
    changes: dict[str, Any], rule: str, stays: bool
) -> None:
    """Not where another model or split is prescribed: its test words may be ones that the weights were trained on."""
    config = RunConfig(corpus_sha256=SHA, model=model_config(hidden_sizes=(2,)), origin=ORIGIN)
    finding = next(f for f in examine(Facts(config=config, vocab_size=27, **changes)) if f.rule == rule)
    assert finding.mended.origin == (ORIGIN if stays else None)
    assert finding.remedy.endswith(", from scratch") is not stays


def test_more_steps_are_announced_with_the_rate_that_they_go_on_at() -> None:
    for schedule, in_words in (
        ("one-cycle", "goes on at 0.0125, where step 21 of 40 has it"),
        ("constant", "at 0.02, "),
    ):
        train = TrainConfig(max_steps=20, schedule=schedule)
        told = longer(train, 20, 40)
        assert told.startswith("40 steps in all") and in_words in told
        assert f"{learning_rate_at(train.replace(max_steps=40), 20):.3g}" in told


def test_a_branch_goes_to_another_store_with_its_first_weights(
    store: RunStore, parent: Run, tmp_path: Path, database: Databases
) -> None:
    run = store.branch(parent.id, 5, CHANGED)
    ended = run_inline(store, run.id)
    store.export_runs([run.id], tmp_path / "runs.sqlite")
    other = RunStore(database("other"))
    assert list(other.import_runs(tmp_path / "runs.sqlite").imported) == [run.id]
    assert other.start(run.id) == store.start(run.id) is not None
    assert [found.id for found in other.runs(RunFilter(parent=parent.id))] == [run.id]
    other.continue_run(run.id, max_steps=ended.step + 5)
    store.continue_run(run.id, max_steps=ended.step + 5)
    assert torch.equal(flat(other, run_inline(other, run.id)), flat(store, run_inline(store, run.id)))
    other.close()
