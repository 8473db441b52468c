"""No rule fires on a healthy run; each fires on a run made ill, and what it prescribes heals."""

from __future__ import annotations

import dataclasses

import pandas as pd
import pytest

from mmcore.checkpoint import Checkpoint, TensorUpdate, checkpoint_steps
from mmcore.config import FAMILIES, PRESETS, ModelConfig, RunConfig, TrainConfig
from mmcore.data import Corpus, Dataset, build_dataset
from mmcore.doctor import RULES, Facts, Finding, examine, gather
from mmcore.ngram import NGram
from mmcore.training import Pace, TrainingDiverged, TrainState, train

QUICK = PRESETS["quick"]


def examined(config: RunConfig, dataset: Dataset, **known: int) -> dict[str, Finding]:
    """Train and let the doctor look."""
    state, steps, error = TrainState(config.model, config.train, dataset.vocab.size), [], None
    kept, at = list[Checkpoint](), frozenset(checkpoint_steps(config.train.max_steps))
    try:
        for step in train(state, dataset, pace=Pace(every=max(1, config.train.max_steps // 20), at=at)):
            steps.append(step)
            kept += [Checkpoint(step=step.step, weights=b"", updates=step.updates)] if step.updates else []
    except TrainingDiverged as problem:
        error = str(problem)
    columns = ("step", "train_loss", "val_loss")
    history = pd.DataFrame([{name: getattr(step, name) for name in columns} for step in steps], dtype="float64")
    bigram = NGram(dataset.train, 1).loss(dataset.val)
    facts = gather(config, history, dataset, state.model, error=error, checkpoints=kept, bigram_loss=bigram, **known)
    return {finding.rule: finding for finding in examine(facts)}


def config(model: ModelConfig | None = None, **changes: object) -> RunConfig:
    quick = QUICK.train.replace(max_steps=400).replace(**changes)
    return RunConfig(corpus_sha256="0" * 64, model=model or QUICK.model, train=quick)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_quick_run_is_healthy(dataset: Dataset, seed: int) -> None:
    assert examined(config(max_steps=QUICK.train.max_steps, seed=seed), dataset) == {}


LECTURE = ModelConfig(init="lecture")
ILL: dict[str, RunConfig] = {
    "divergence": config(optimizer="sgd", schedule="constant", learning_rate=30.0),
    "first_loss": config(LECTURE),
    "saturation": config(LECTURE),
    "dead_units": config(learning_rate=1.0),
    "updates_large": config(learning_rate=0.2),
    "updates_small": config(learning_rate=2e-6),
    "plateau": config(optimizer="sgd", learning_rate=1e-4),
}


@pytest.mark.parametrize("rule", list(ILL))
def test_each_rule_fires_on_an_ill_run_and_its_mended_run_heals(dataset: Dataset, rule: str) -> None:
    found = examined(ILL[rule], dataset)
    assert rule in found
    finding = found[rule]
    assert finding.mended != ILL[rule]
    assert any(character.isdigit() for character in finding.number)
    again = finding
    for _ in range(3):  # a rate far too high takes more than one tenth
        healed = examined(again.mended, dataset)
        if rule not in healed:
            return
        again = healed[rule]
    pytest.fail(f"{rule} is still there after three prescriptions: {again.number}")


@pytest.mark.parametrize(
    ("first", "last", "found"),
    [
        (3.297, 3.30, False),  # stopped before it began
        (3.297, 3.36, True),  # worse than knowing nothing, and than its start
        (27.0, 9.0, False),  # bad, and on its way
        (2.0, 2.3, False),
        (2.0, 2.6, True),
    ],
)
def test_divergence_is_a_rise_that_matters(first: float, last: float, found: bool) -> None:
    facts = Facts(config=config(), vocab_size=27, first_loss=first, train_loss=last)
    assert ("divergence" in {finding.rule for finding in examine(facts)}) == found


def test_what_a_divergence_did_to_units_is_not_treated_apart() -> None:
    thrown = Facts(config=config(), vocab_size=27, first_loss=3.3, train_loss=400.0, saturation=1.0)
    assert {finding.rule for finding in examine(thrown)} == {"divergence"}
    started_so = dataclasses.replace(thrown, config=config(LECTURE), start_saturation=0.7)
    assert "saturation" in {finding.rule for finding in examine(started_so)}


@pytest.mark.parametrize(("train_loss", "found"), [(1.5, True), (34_581.0, False)])
def test_what_learnt_nothing_has_learnt_nothing_by_heart(train_loss: float, found: bool) -> None:
    facts = Facts(config=config(), vocab_size=27, train_loss=train_loss, val_loss=train_loss + 200)
    assert ("gap" in {finding.rule for finding in examine(facts)}) == found


def test_overfitting_is_found_and_mended(small: Dataset) -> None:
    ill = config(max_steps=1_500, weight_decay=0.0)
    finding = examined(ill, small)["gap"]
    before = float(finding.number.split()[2].rstrip(","))
    healed = examined(finding.mended, small).get("gap")
    after = 0.0 if healed is None else float(healed.number.split()[2].rstrip(","))
    assert after < before


def test_a_hot_relu_run_has_dead_units(dataset: Dataset) -> None:
    found = examined(config(ModelConfig(activation="relu"), learning_rate=0.5), dataset)
    assert "dead_units" in found and "saturation" not in found


def test_a_run_thrown_out_of_its_valley_is_not_told_to_take_longer_steps(dataset: Dataset) -> None:
    found = examined(config(ModelConfig(hidden_sizes=(100,), activation="relu"), learning_rate=1.0), dataset)
    assert "dead_units" in found
    assert {finding.mended.train.learning_rate for finding in found.values()} == {0.1}


@pytest.mark.parametrize(
    ("updates", "lowest", "rate"),
    [({}, None, 2), ({}, 2.4, 0.002), ({"W1": 0.05}, None, 0.002), ({"W1": 1e-4}, 3.0, 2)],
)
def test_a_loss_that_stands_still_asks_for_longer_steps_only_where_they_are_short(
    updates: dict[str, float], lowest: float | None, rate: float
) -> None:
    losses = {"first_loss": 3.3, "middle_loss": 2.83, "train_loss": 2.83, "lowest_loss": lowest, "bigram_loss": 2.5}
    facts = Facts(config=config(), vocab_size=27, updates=updates, **losses)
    found = {finding.rule: finding for finding in examine(facts)}
    assert found["plateau"].mended.train.learning_rate == pytest.approx(rate)


@pytest.mark.parametrize("architecture", FAMILIES)
def test_what_is_prescribed_against_overfitting_is_what_the_remedy_says(architecture: str) -> None:
    ill = config(ModelConfig(architecture=architecture), sampler="examples")
    finding = examine(Facts(config=ill, vocab_size=27, train_loss=1.0, val_loss=3.0))[0]
    smaller = finding.mended.model.parameters(27) < ill.model.parameters(27)
    assert finding.rule == "gap" and finding.mended.train.patience > 0
    assert smaller == ("smaller model" in finding.remedy) == (architecture != "bigram")


def test_a_model_that_is_small_already_is_not_made_larger() -> None:
    ill = config(ModelConfig(hidden_sizes=(4, 40)))
    mended = examine(Facts(config=ill, vocab_size=27, train_loss=1.0, val_loss=3.0))[0].mended.model
    assert mended.to_dict()["hidden_sizes"] == [4, 10]


def test_opening_the_test_split_is_found_once_training_went_on(names: Corpus, small: Dataset) -> None:
    short = config(max_steps=5)
    assert "test_opened" not in examined(short, small, test_openings=1)
    finding = examined(short, small, test_openings=2, later_runs=3)["test_opened"]
    assert "2 times" in finding.number
    assert finding.mended.split.split_seed == short.split.split_seed + 1


HEALTHY = {  # by preset, with as many steps as show the middle of a schedule
    "blink": 400,
    "lecture": 600,
    "seed-notes": 600,
    "bigram": 300,
    "wavenet": 60,
    "gru": 80,
}


@pytest.mark.parametrize("name", list(HEALTHY))
def test_the_updates_of_every_family_are_healthy(name: str, names: Corpus) -> None:
    preset = PRESETS[name]
    train_config = preset.train.replace(max_steps=HEALTHY[name])
    whole = RunConfig(corpus_sha256="0" * 64, model=preset.model, train=train_config)
    dataset = build_dataset(names.words[:3_000], whole.split, preset.model.context_size)
    assert not {"updates_large", "updates_small"} & set(examined(whole, dataset))


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(("rule", "rate", "mended"), [("updates_large", 0.2, 0.02), ("updates_small", 2e-6, 2e-4)])
def test_updates_out_of_proportion_are_found_at_every_seed(
    dataset: Dataset, seed: int, rule: str, rate: float, mended: float
) -> None:
    finding = examined(config(learning_rate=rate, seed=seed), dataset)[rule]
    assert "update : W2 = " in finding.number
    assert finding.mended.train.learning_rate == pytest.approx(mended)


def test_updates_are_judged_by_the_middle_of_training(small: Dataset) -> None:
    def found(ratios: dict[int, float]) -> set[str]:
        kept = [
            Checkpoint(step=step, weights=b"", updates={"W1": TensorUpdate(ratio, 0, 0)})
            for step, ratio in ratios.items()
        ]
        empty = pd.DataFrame({"step": [], "train_loss": [], "val_loss": []})
        return {finding.rule for finding in examine(gather(config(), empty, small, None, checkpoints=kept))}

    assert found({1: 0.9, 50: 0.01, 60: 0.02, 100: 1e-7}) == set()
    assert found({1: 0.01, 50: 0.1, 60: 0.1, 100: 0.01}) == {"updates_large"}
    assert found({1: 0.01, 50: 1e-5, 60: 1e-5, 100: 0.01}) == {"updates_small"}
    assert found({1: 0.9, 100: 0.9}) == set()  # nothing is known about the middle
    assert found({1: 0.9, 50: float("nan"), 100: 0.9}) == set()


def test_every_rule_is_tested() -> None:
    assert len(RULES) == len(
        {rule.partition("_small")[0].partition("_large")[0] for rule in ILL} | {"gap", "test_opened"}
    )


def test_a_run_without_a_curve_has_no_finding(small: Dataset) -> None:
    empty = pd.DataFrame({"step": [], "train_loss": [], "val_loss": []})
    assert examine(gather(config(), empty, small, None)) == []
    assert TrainConfig()
