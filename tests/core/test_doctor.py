"""No rule fires on a healthy run; each fires on a run made ill, and what it prescribes heals."""

from __future__ import annotations

import pandas as pd
import pytest

from mmcore.config import PRESETS, ModelConfig, RunConfig, TrainConfig
from mmcore.data import Corpus, Dataset
from mmcore.doctor import RULES, Facts, Finding, examine, gather
from mmcore.ngram import NGram
from mmcore.training import Pace, TrainingDiverged, TrainState, train

QUICK = PRESETS["quick"]


def examined(config: RunConfig, dataset: Dataset, **known: int) -> dict[str, Finding]:
    """Train and let the doctor look."""
    state, steps, error = TrainState(config.model, config.train, dataset.vocab.size), [], None
    try:
        for step in train(state, dataset, pace=Pace(every=max(1, config.train.max_steps // 20))):
            steps.append(step)
    except TrainingDiverged as problem:
        error = str(problem)
    columns = ("step", "train_loss", "val_loss")
    history = pd.DataFrame([{name: getattr(step, name) for name in columns} for step in steps], dtype="float64")
    bigram = NGram(dataset.train, 1).loss(dataset.val)
    facts = gather(config, history, dataset, state.model, error=error, bigram_loss=bigram, **known)
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


def test_opening_the_test_split_is_found_once_training_went_on(names: Corpus, small: Dataset) -> None:
    short = config(max_steps=5)
    assert "test_opened" not in examined(short, small, test_openings=1)
    finding = examined(short, small, test_openings=2, later_runs=3)["test_opened"]
    assert "2 times" in finding.number
    assert finding.mended.split.split_seed == short.split.split_seed + 1


def test_every_rule_is_tested() -> None:
    assert len(RULES) == len({*ILL, "gap", "test_opened"})


def test_a_run_without_a_curve_has_no_finding(small: Dataset) -> None:
    empty = pd.DataFrame({"step": [], "train_loss": [], "val_loss": []})
    assert examine(gather(config(), empty, small, None)) == []
    assert TrainConfig()
