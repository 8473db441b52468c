"""Configs: what is refused and in which words, round trips, shapes and parameter counts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mmcore.architectures import ARCHITECTURES, model_config
from mmcore.architectures.mlp import MLPConfig
from mmcore.config import RunConfig, SplitConfig, TrainConfig
from mmcore.presets import PRESETS, preset_for

SHA = "0123456789abcdef" * 4
Config = type[SplitConfig] | type[MLPConfig] | type[TrainConfig] | type[RunConfig]

REFUSED: list[tuple[Config, dict[str, Any], str]] = [
    (SplitConfig, {"split_seed": -1}, "split_seed must be a whole number from 0 to 9,223,372,036,854,775,807, got -1"),
    (SplitConfig, {"split_seed": 2**63}, "split_seed must be a whole number"),
    (SplitConfig, {"split_seed": 1.0}, "split_seed must be a whole number"),
    (SplitConfig, {"train_fraction": 0}, "train_fraction must be a number above 0 and at most 1, got 0"),
    (SplitConfig, {"val_fraction": 0.0}, "val_fraction must be a number above 0 and at most 1, got 0.0"),
    (SplitConfig, {"train_fraction": float("nan")}, "train_fraction must be a number"),
    (SplitConfig, {"train_fraction": "0.8"}, "train_fraction must be a number above 0 and at most 1, got '0.8'"),
    (SplitConfig, {"fixed": (3, 1)}, "fixed must be three numbers of words, or nothing, got (3, 1)"),
    (SplitConfig, {"fixed": (3, 0, 1)}, "fixed must be a whole number from 1"),
    (SplitConfig, {"fixed": "321"}, "fixed must be three numbers of words, or nothing, got '321'"),
    (
        SplitConfig,
        {"fixed": (3, 1, 1), "split_seed": 7},
        "split_seed must be left out where files fix the split, got 7",
    ),
    (SplitConfig, {"train_fraction": 0.9}, "train_fraction + val_fraction must be below 1, so that a test split"),
    (MLPConfig, {"context_size": 0}, "context_size must be a whole number from 1 to 64, got 0"),
    (MLPConfig, {"context_size": 65}, "context_size must be a whole number from 1 to 64, got 65"),
    (MLPConfig, {"context_size": True}, "context_size must be a whole number from 1 to 64, got True"),
    (MLPConfig, {"context_size": "3"}, "context_size must be a whole number from 1 to 64, got '3'"),
    (MLPConfig, {"context_size": None}, "context_size must be a whole number from 1 to 64, got None"),
    (MLPConfig, {"embedding_dim": 0}, "embedding_dim must be a whole number from 1 to 1,024, got 0"),
    (MLPConfig, {"embedding_dim": 1025}, "embedding_dim must be a whole number from 1 to 1,024, got 1025"),
    (MLPConfig, {"hidden_sizes": (0,)}, "hidden_sizes must be a whole number from 1 to 4,096, got 0"),
    (MLPConfig, {"hidden_sizes": (8, 4097)}, "hidden_sizes must be a whole number from 1 to 4,096, got 4097"),
    (MLPConfig, {"hidden_sizes": 200}, "hidden_sizes must be a list of numbers, got 200"),
    (MLPConfig, {"hidden_sizes": (9,) * 9}, "hidden_sizes must be at most 8 layers, got (9,"),
    (MLPConfig, {"hidden_sizes": ()}, "hidden_sizes must be non-empty unless direct is on, got ()"),
    (MLPConfig, {"activation": "elu"}, "activation must be one of tanh, relu, gelu, got 'elu'"),
    (MLPConfig, {"activation": ["tanh"]}, "activation must be one of tanh, relu, gelu, got ['tanh']"),
    (MLPConfig, {"direct": 1}, "direct must be true or false, got 1"),
    (MLPConfig, {"dropout": 1.0}, "dropout must be a number from 0 to 0.95, got 1.0"),
    (MLPConfig, {"dropout": -0.1}, "dropout must be a number from 0 to 0.95, got -0.1"),
    (MLPConfig, {"init": "zeros"}, "init must be one of scaled, lecture, got 'zeros'"),
    (TrainConfig, {"max_steps": 0}, "max_steps must be a whole number from 1 to 100,000,000, got 0"),
    (TrainConfig, {"batch_size": 0}, "batch_size must be a whole number from 1 to 65,536, got 0"),
    (TrainConfig, {"sampler": "names"}, "sampler must be one of examples, contexts, words, got 'names'"),
    (TrainConfig, {"optimizer": "adam"}, "optimizer must be one of sgd, adamw, got 'adam'"),
    (TrainConfig, {"learning_rate": 0.0}, "learning_rate must be a number above 0 and at most 1000, got 0.0"),
    (TrainConfig, {"learning_rate": float("inf")}, "learning_rate must be a number above 0 and at most 1000, got inf"),
    (TrainConfig, {"learning_rate": 10**400}, "learning_rate must be a number above 0 and at most 1000, got 10000"),
    (TrainConfig, {"schedule": "cosine"}, "schedule must be one of constant, step, one-cycle, linear, inverse-time"),
    (TrainConfig, {"decay_rate": -1.0}, "decay_rate must be a number from 0 to 1000, got -1.0"),
    (TrainConfig, {"weight_decay": 11}, "weight_decay must be a number from 0 to 10, got 11"),
    (TrainConfig, {"patience": -1}, "patience must be a whole number from 0 to 1,000,000, got -1"),
    (TrainConfig, {"check_every": 0}, "check_every must be a whole number from 1 to 100,000,000, got 0"),
    (TrainConfig, {"seed": -1}, "seed must be a whole number from 0 to"),
    (TrainConfig, {"threads": 0}, "threads must be a whole number from 1 to 256, got 0"),
    (RunConfig, {"corpus_sha256": "abc"}, "corpus_sha256 must be 64 hexadecimal digits, got 'abc'"),
    (RunConfig, {"corpus_sha256": SHA.upper()}, "corpus_sha256 must be 64 hexadecimal digits, got"),
    (RunConfig, {"corpus_sha256": 5}, "corpus_sha256 must be 64 hexadecimal digits, got 5"),
    (RunConfig, {"corpus_sha256": SHA, "model": 3}, "ModelConfig must be a table of fields, got 3"),
]


@pytest.mark.parametrize(("cls", "values", "sentence"), REFUSED)
def test_invalid_values_are_refused(cls: Config, values: dict[str, Any], sentence: str) -> None:
    for make in (lambda: cls(**values), lambda: cls.from_dict(values)):
        with pytest.raises(ValueError) as error:
            make()
        assert str(error.value).startswith(sentence)


@pytest.mark.parametrize(
    ("cls", "values", "sentence"),
    [
        (TrainConfig, {"step": 3}, "TrainConfig fields must be among batch_size, check_every, "),
        (MLPConfig, {"hidden": 3, "zeta": 1}, "ModelConfig fields must be among activation, "),
        (RunConfig, {"corpus_sha256": SHA, "train": {"lr": 1}}, "TrainConfig fields must be among "),
        (RunConfig, {}, "RunConfig fields must be at least corpus_sha256, got []"),
        (RunConfig, [1], "RunConfig must be a table of fields, got [1]"),
    ],
)
def test_unknown_and_missing_fields_are_refused(cls: Config, values: Any, sentence: str) -> None:
    with pytest.raises(ValueError) as error:
        cls.from_dict(values)
    assert str(error.value).startswith(sentence)


def test_a_run_config_survives_json() -> None:
    config = RunConfig(
        corpus_sha256=SHA,
        split=SplitConfig(split_seed=7, train_fraction=0.7, val_fraction=0.2, deduplicate=True),
        model=model_config(context_size=5, hidden_sizes=(64, 32), direct=True, dropout=0.25, activation="relu"),
        train=TrainConfig(optimizer="sgd", schedule="inverse-time", patience=3, seed=2**63 - 1),
    )
    values = config.to_dict()
    assert values == json.loads(json.dumps(values)), "to_dict must hold JSON's own types only"
    again = RunConfig.from_dict(json.loads(json.dumps(values)))
    assert again == config
    assert hash(again) == hash(config)
    assert again.model.hidden_sizes == (64, 32)


def test_replace_checks_like_a_new_config() -> None:
    assert model_config().replace(context_size=5).context_size == 5
    with pytest.raises(ValueError, match="context_size must be"):
        model_config().replace(context_size=0)


def test_the_lecture_model_has_its_parameter_count() -> None:
    config = model_config(context_size=3, embedding_dim=10, hidden_sizes=(200,))
    assert config.parameters(27) == 11_897
    assert config.shapes(27) == {"C": (27, 10), "W1": (30, 200), "b1": (200,), "W2": (200, 27), "b2": (27,)}


def test_shapes_of_deeper_direct_and_hiddenless_models() -> None:
    deep = model_config(context_size=2, embedding_dim=4, hidden_sizes=(16, 8), direct=True)
    assert deep.shapes(5) == {
        "C": (5, 4), "W1": (8, 16), "b1": (16,), "W2": (16, 8), "b2": (8,), "W3": (8, 5), "b3": (5,), "W": (8, 5),
    }  # fmt: skip
    none = model_config(context_size=2, embedding_dim=4, hidden_sizes=(), direct=True)
    assert none.shapes(5) == {"C": (5, 4), "b1": (5,), "W": (8, 5)}
    assert none.parameters(5) == 20 + 5 + 40


def test_presets_are_the_lectures_settings() -> None:
    assert list(PRESETS)[:6] == ["quick", "blink", "best", "lecture", "lecture-first", "seed-notes"]
    lecture = PRESETS["lecture"]
    assert (lecture.model.context_size, lecture.model.embedding_dim, lecture.model.hidden_sizes) == (3, 10, (200,))
    assert (lecture.train.max_steps, lecture.train.batch_size, lecture.train.learning_rate) == (200_000, 32, 0.1)
    assert (lecture.train.optimizer, lecture.train.schedule, lecture.train.sampler) == ("sgd", "step", "examples")
    first = PRESETS["lecture-first"].model
    assert (first.embedding_dim, first.hidden_sizes) == (2, (100,))
    notes = PRESETS["seed-notes"].train
    assert (notes.learning_rate, notes.schedule) == (0.01, "constant")
    assert PRESETS["quick"].train.optimizer == "adamw"


def test_an_architecture_starts_from_a_preset_of_its_own_and_not_from_five_minutes() -> None:
    assert PRESETS["best-of-all"].model.architecture == "gru"
    assert preset_for("gru") == "gru" and preset_for("mlp") == "quick"
    assert {preset_for(name) for name in ARCHITECTURES} < set(PRESETS)


def test_a_fixed_split_is_written_without_what_has_no_say_in_it() -> None:
    fixed = SplitConfig(fixed=(3, 2, 1))
    assert fixed.to_dict() == {"fixed": [3, 2, 1]}
    assert SplitConfig.from_dict(fixed.to_dict()) == fixed
    assert set(SplitConfig().to_dict()) == {"split_seed", "train_fraction", "val_fraction", "deduplicate"}
