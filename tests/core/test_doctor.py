"""A remedy is a claim: it is trained on several corpora, and must lower the exact validation loss; health raises none.

``benchmarks/doctor.py`` has the cases, and measures them on more corpora.
"""

from __future__ import annotations

import dataclasses

import pandas as pd
import pytest

from benchmarks.doctor import CORPORA, ILL, LARGE, Examined, run
from mmcore.architectures import ARCHITECTURES, model_config
from mmcore.architectures.interface import ModelConfig
from mmcore.checkpoint import Checkpoint, TensorUpdate
from mmcore.config import RunConfig, TrainConfig
from mmcore.dataset import Dataset
from mmcore.diagnosis import Turn
from mmcore.doctor import CAUSES, RULES, Facts, Finding, examine, gather, looked_at
from mmcore.presets import PRESETS, preset_for

THREE = ("3,000 names", "4,000 in Greek letters", "squares")
ELSEWHERE = {  # where the case is healthy on one of the three
    "AdamW, rate 1": ("names", *THREE[:2]),
    "AdamW, 20 steps": ("numbers in words", *THREE[:2]),
    "lecture's start": ("syllables", *THREE[:2]),
    "1 hidden unit": ("numbers in words", *THREE[:2]),
}
BENCHMARKED = {"AdamW, rate 0.2", "AdamW, rate 1e-3", "AdamW, decay 3", "SGD, 400 steps", "SGD, rate 10"}  # only
BENCHMARKED |= {"SGD, rate 30, constant"}
CASES = [(case, corpus) for case in ILL if case not in BENCHMARKED for corpus in ELSEWHERE.get(case, THREE)]


@pytest.mark.parametrize(("case", "corpus"), CASES)
def test_what_a_remedy_claims_is_so(case: str, corpus: str) -> None:
    """A3, A4: it is found, following it lowers validation, and the same is not prescribed again."""
    words, (rule, model, training) = CORPORA[corpus](), ILL[case]
    before = run(words, model, training)
    assert rule in before.findings
    for finding in before.findings.values():
        assert any(character.isdigit() for character in finding.number)
        after = run(words, finding.mended.model, finding.mended.train)
        assert after.val_loss < before.val_loss
        assert finding.rule not in after.findings


@pytest.mark.parametrize("corpus", ["single letters", "syllables"])
@pytest.mark.parametrize("case", ["AdamW, rate 0.2", "AdamW, 20 steps", "AdamW, rate 1e-3", "AdamW, decay 3"])
def test_odd_settings_that_cost_nothing_are_left_alone(case: str, corpus: str) -> None:
    """A3: dead units and long updates that do not matter on words as simple as these."""
    _, model, training = ILL[case]
    assert run(CORPORA[corpus](), model, training).findings == {}


FAST = {  # updates that show the middle of training and end as a whole run does
    "quick": 800,
    "blink": 600,
    "bigram": 600,
}


@pytest.mark.parametrize("corpus", LARGE)
@pytest.mark.parametrize("name", FAST)
def test_a_healthy_preset_raises_nothing(name: str, corpus: str) -> None:
    """A3."""
    preset = PRESETS[name]
    words = LARGE[corpus]()[:12_000]
    assert run(words, preset.model, preset.train.replace(max_steps=FAST[name])).findings == {}


def config(model: ModelConfig | None = None, **changes: object) -> RunConfig:
    quick = PRESETS["quick"].train.replace(max_steps=400).replace(**changes)
    return RunConfig(corpus_sha256="0" * 64, model=model or model_config(), train=quick)


def found(facts: Facts) -> dict[str, Finding]:
    return {finding.rule: finding for finding in examine(facts)}


@pytest.mark.parametrize(
    ("changes", "loss", "rule"),
    [
        ({"learning_rate": 1e-5, "max_steps": 2_000}, 3.165, "rate_small"),
        ({"optimizer": "sgd", "learning_rate": 1e-3, "max_steps": 5_000}, 2.993, "rate_small"),
        ({"weight_decay": 10.0, "max_steps": 2_000}, 2.549, "weight_decay"),
    ],
)
def test_worse_than_counting_is_found(changes: dict[str, object], loss: float, rule: str) -> None:
    """A4: the three runs that were told "Nothing found"."""
    counted = {"unigram_loss": 2.827, "bigram_loss": 2.472}
    facts = Facts(config=config(**changes), vocab_size=27, steps=2_000, train_loss=loss, val_loss=loss, **counted)
    assert set(found(facts)) == {rule}
    assert f"{loss:.4f}" in found(facts)[rule].number and "counting pairs reaches 2.4720" in found(facts)[rule].number


def test_worse_than_counting_without_a_cause_is_sent_to_a_preset() -> None:
    losses = {"train_loss": 2.9, "val_loss": 2.9, "bigram_loss": 2.472}
    odd = Facts(config=config(model_config(dropout=0.9)), vocab_size=27, steps=400, **losses)
    assert found(odd)["underfitting"].mended.model == PRESETS["quick"].model
    preset = PRESETS["quick"]
    same = RunConfig(corpus_sha256="0" * 64, model=preset.model, train=preset.train)
    assert examine(Facts(config=same, vocab_size=27, steps=5_000, **losses)) == []


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("schedule", ["constant", "one-cycle"])
@pytest.mark.parametrize("corpus", THREE)
def test_what_is_advised_after_a_divergence_does_not_diverge(optimizer: str, schedule: str, corpus: str) -> None:
    """B5: not from 900 to 90, which diverges too, and the rate named is the one that was typed."""
    training = TrainConfig(optimizer=optimizer, schedule=schedule, learning_rate=900.0, weight_decay=0.1, max_steps=300)
    facts = Facts(config=config().replace(train=training), vocab_size=27, diverged=True)
    finding = found(facts)["divergence"]
    assert finding.number == "learning rate 900"
    after: Examined = run(CORPORA[corpus](), finding.mended.model, finding.mended.train)
    assert after.val_loss < 3 and "divergence" not in after.findings


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_divergence_at_the_usual_rate_is_told_a_smaller_one(architecture: str) -> None:
    model = model_config(architecture=architecture)
    train = PRESETS[preset_for(architecture)].train
    ill = RunConfig(corpus_sha256="0" * 64, model=model, train=train)
    mended = found(Facts(config=ill, vocab_size=27, diverged=True))["divergence"].mended
    assert mended.train.learning_rate == pytest.approx(train.learning_rate / 10)


@pytest.mark.parametrize(
    ("first", "last", "divergence"),
    [
        (3.297, 3.30, False),  # stopped before it began
        (3.297, 3.36, True),  # worse than knowing nothing, and than its start
        (27.0, 9.0, False),  # bad, and on its way
        (2.0, 2.3, False),
        (2.0, 2.6, True),
    ],
)
def test_divergence_is_a_rise_that_matters(first: float, last: float, divergence: bool) -> None:
    facts = Facts(config=config(), vocab_size=27, first_loss=first, train_loss=last)
    assert ("divergence" in found(facts)) == divergence


def test_what_a_divergence_did_is_not_treated_apart() -> None:
    turn = Turn(best_step=9, best_val=2.0, best_train=2.0, last_step=90, last_val=400.0, last_train=1.9)
    losses = {"first_loss": 3.3, "train_loss": 400.0, "val_loss": 400.0, "bigram_loss": 2.5}
    thrown = Facts(config=config(), vocab_size=27, steps=90, saturation=1.0, turn=turn, **losses)
    assert set(found(thrown)) == {"divergence"}


def test_a_run_that_was_stopped_early_is_to_train_to_its_end() -> None:
    facts = Facts(config=config(max_steps=5_000), vocab_size=27, steps=20, train_loss=2.9, val_loss=2.9)
    finding = found(dataclasses.replace(facts, bigram_loss=2.5))["steps"]
    assert finding.remedy == "Train all 5,000 steps" and finding.mended == facts.config


def test_only_a_rise_of_validation_is_called_overfitting() -> None:
    """A14: the summary says "was at no step lower" of the same curve, and both look at one turning point."""
    still = Turn(best_step=90, best_val=2.5, best_train=1.2, last_step=90, last_val=2.5, last_train=1.2)
    facts = Facts(config=config(), vocab_size=27, steps=90, train_loss=1.2, val_loss=2.5, turn=still)
    assert examine(facts) == []
    risen = dataclasses.replace(still, best_step=50, best_val=2.3, best_train=1.5)
    finding = found(dataclasses.replace(facts, turn=risen))["overfitting"]
    assert "validation loss 2.3000 at step 50, 2.5000 at step 90" in finding.number
    assert (finding.mended.train.patience, finding.mended.train.check_every) == (5, 10)
    followed = dataclasses.replace(facts, turn=risen, config=finding.mended)
    assert "overfitting" not in found(followed)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_no_remedy_is_impossible_in_any_architecture(architecture: str) -> None:
    """Each is a config of its own that its checks let pass."""
    for optimizer, rate, decay in [("sgd", 900.0, 0.0), ("adamw", 1e-6, 0.0), ("sgd", 0.1, 1.0), ("adamw", 3.0, 10.0)]:
        model = model_config(architecture=architecture)
        train = PRESETS[preset_for(architecture)].train
        train = train.replace(optimizer=optimizer, learning_rate=rate, weight_decay=decay)
        ill = RunConfig(corpus_sha256="0" * 64, model=model, train=train)
        facts = Facts(config=ill, vocab_size=27, steps=train.max_steps, train_loss=3.2, val_loss=3.2, bigram_loss=2.5)
        (finding,) = examine(facts)
        assert finding.mended != ill


def test_dead_units_are_counted_on_what_was_looked_at(small: Dataset) -> None:
    """A10: not "every one of 2,000 examples" of a corpus that has fewer."""
    words = ["emma", "olivia", "ava", "isabella", "sophia", "mia", "zoe", "amelia", "rex", "max"] * 12
    training = TrainConfig(max_steps=400, learning_rate=1.0, weight_decay=0.1)
    facts = run(words, model_config(), training).facts
    assert 0 < facts.looked_at < 2_000 and facts.dead
    told = dataclasses.replace(facts, val_loss=9.0, train_loss=9.0, first_loss=10.0, turn=None, bigram_loss=2.0)
    assert f"units stuck on all of {facts.looked_at:,} examples looked at" in found(told)["rate_large"].number


def test_opening_the_test_split_is_found_once_training_went_on() -> None:
    """A2."""
    opened = Facts(config=config(), vocab_size=27, test_openings=2)
    assert examine(opened) == []
    finding = found(dataclasses.replace(opened, later_runs=3))["test_opened"]
    assert "opened 2 times, and 3 runs on the same split begun or continued after that" in finding.number
    assert finding.mended.split.split_seed == config().split.split_seed + 1


def test_updates_are_judged_by_the_middle_of_training(small: Dataset) -> None:
    def updates(ratios: dict[int, float]) -> dict[str, float]:
        kept = [
            Checkpoint(step=step, weights=b"", updates={"W1": TensorUpdate(ratio, 0, 0)})
            for step, ratio in ratios.items()
        ]
        empty = pd.DataFrame({"step": [], "train_loss": [], "val_loss": []})
        return dict(gather(config(), empty, small, None, checkpoints=kept).updates)

    assert updates({1: 0.9, 50: 0.01, 60: 0.02, 100: 1e-7}) == {"W1": pytest.approx(0.015)}
    assert updates({1: 0.9, 100: 0.9}) == {}  # nothing is known about the middle
    assert updates({1: 0.9, 50: float("nan"), 100: 0.9}) == {}


def test_every_rule_has_a_case() -> None:
    causes = {"rate_small", "weight_decay", "steps", "rate_large", "capacity"}
    assert {rule for rule, _, _ in ILL.values()} == causes | {"divergence", "first_loss", "overfitting"}
    assert len(causes) == len(CAUSES) and len(RULES) == 5, "beside these, what the test split was opened for"


def test_a_run_without_a_curve_has_no_finding(small: Dataset) -> None:
    empty = pd.DataFrame({"step": [], "train_loss": [], "val_loss": []})
    assert examine(gather(config(), empty, small, None)) == []
    assert "overfitting" in looked_at(config())
