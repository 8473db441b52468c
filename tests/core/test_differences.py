"""What tells runs apart: settings, losses, names; and their curves on the same axes."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mmcore import Run, RunConfig, RunStore, SplitConfig, TrainConfig, corpus_from_words
from mmcore.architectures import model_config
from mmcore.curves import COUNTED, seen, smoothed
from mmcore.differences import distinct_names, losses_table, settings_table
from mmcore.store import Progress, RunState, SavedWeights

TINY = model_config(context_size=2, embedding_dim=2, hidden_sizes=(4, 4))
GRU = model_config(architecture="gru", context_size=2, embedding_dim=2, hidden_size=8)
WORDS = ["emma", "ava", "zoë", "mia", "ann"]


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(str(tmp_path / "store.sqlite"))


@pytest.fixture
def config(store: RunStore) -> RunConfig:
    return RunConfig(corpus_sha256=store.add_corpus(corpus_from_words(WORDS, "five")), model=TINY)


def ended(store: RunStore, config: RunConfig, name: str, **losses: float) -> Run:
    run = store.create(config, name=name, token="mine")
    store.finish(run.id, "mine", RunState.FINISHED, Progress(saved=SavedWeights(weights=b"w", losses=losses)))
    return store.run(run.id)


def differing(runs: list[Run]) -> dict[str, list[str]]:
    """The settings in which they differ: title -> the runs' values."""
    table = settings_table(runs)
    return {row[0]: list(row[2:]) for row in table[~table["same"]].itertuples(index=False)}


def test_only_what_differs_is_told_apart_in_the_words_of_the_form(store: RunStore, config: RunConfig) -> None:
    other = config.replace(
        train=TrainConfig(optimizer="sgd", batch_size=32, threads=2), split=SplitConfig(split_seed=1)
    )
    first, second, third = ended(store, config, "a"), ended(store, other, "b"), ended(store, config, "c")
    assert differing([first, second, third]) == {
        "Optimiser": ["AdamW", "SGD", "AdamW"],
        "Batch size": ["256", "32", "256"],
        "Threads": ["1", "2", "1"],
        "Split seed": ["42", "1", "42"],
    }
    assert differing([first, third]) == {}
    table = settings_table([first, third])
    assert {"Context size", "Learning rate", "Corpus", "Architecture"} <= set(table["setting"])
    settings = [part.settings() for part in (config.model, config.train, config.split)]
    assert len(table) == sum(map(len, settings)) + 4, "each once, and architecture, corpus, files, first weights"


def test_what_one_architecture_lacks_is_a_dash_and_hidden_units_are_one_row(store: RunStore, config: RunConfig) -> None:
    gru = config.replace(model=GRU)
    found = differing([ended(store, config, "mlp"), ended(store, gru, "gru")])
    assert found["Architecture"] == ["MLP", "GRU"]
    assert found["Hidden units"] == ["4 × 4", "8"]
    assert found["Activation"] == ["tanh", "–"] and found["State dropout"] == ["–", "0"]
    assert "Dropout" not in found and "Context size" not in found
    wider = config.replace(model=TINY.replace(hidden_sizes=(8,)))
    assert differing([ended(store, wider, "x"), ended(store, config, "y")]) == {
        "Hidden units (per layer)": ["8", "4 × 4"]
    }


def test_two_corpora_of_one_name_are_told_apart(store: RunStore, config: RunConfig) -> None:
    sha256 = store.add_corpus(corpus_from_words([*WORDS, "lea"], "five"))
    runs = [ended(store, config, "a"), ended(store, config.replace(corpus_sha256=sha256), "b")]
    assert differing(runs) == {"Corpus": [f"five ({config.corpus_sha256[:8]})", f"five ({sha256[:8]})"]}


def test_losses_stand_beside_each_other_and_the_test_split_stays_sealed(store: RunStore, config: RunConfig) -> None:
    first = ended(store, config, "a", train_loss=2.0, val_loss=2.25, test_loss=2.5)
    second = ended(store, config, "b", train_loss=1.5, val_loss=2.5, test_loss=2.75)
    table = losses_table([first, second])
    assert list(table["id"]) == [first.id, second.id] and list(table["name"]) == ["a", "b"]
    assert list(table["val_loss_more"]) == [0, 0.25] and list(table["train_loss_more"]) == [0, -0.5]
    assert table["val_loss_unseen"].isna().all() and "test_loss" not in table
    store.open_test(second.id)
    table = losses_table([store.run(run.id) for run in (first, second)], test=True)
    assert math.isnan(table["test_loss"][0]) and table["test_loss"][1] == 2.75
    assert losses_table([]).empty


def test_runs_of_one_name_get_their_ids(store: RunStore, config: RunConfig) -> None:
    runs = [ended(store, config, name) for name in ("same", "same", "other")]
    assert list(distinct_names(runs).values()) == [f"same · {runs[0].id}", f"same · {runs[1].id}", "other"]


def test_a_value_counts_half_after_a_half_life() -> None:
    impulse = pd.Series([0.0] * 200 + [1.0] + [0.0] * 10)
    smooth = smoothed(impulse, 5)
    assert smooth[205] / smooth[200] == pytest.approx(0.5)
    assert smoothed(impulse, 0).equals(impulse)
    with pytest.raises(ValueError, match="half_life must be at least 0 points, got -1"):
        smoothed(impulse, -1)


def test_smoothing_keeps_constants_and_gaps_and_begins_where_the_curve_does() -> None:
    gaps = pd.Series([2.0, np.nan, 2.0, np.nan, np.nan, 2.0])
    assert smoothed(gaps, 3).equals(gaps)
    falling = pd.Series([4.0, 3.0, 2.0, 1.0])
    assert smoothed(falling, 2)[0] == 4.0 and (smoothed(falling, 2)[1:] > falling[1:]).all()
    with_gaps = pd.Series([4.0, np.nan, 3.0, np.nan, 2.0, 1.0])
    assert smoothed(with_gaps, 2).dropna().tolist() == smoothed(falling, 2).tolist(), "a gap is no point"


def test_every_sampler_says_what_it_counts() -> None:
    assert set(COUNTED) == set(TrainConfig.settings()["sampler"].options)  # type: ignore[attr-defined]
    assert seen(pd.Series([0, 10]), TrainConfig(batch_size=32)).tolist() == [0, 320]
