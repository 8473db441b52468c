"""Weights files written by released versions still open, whatever their tensors are called now."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mmcore.architectures import ARCHITECTURES, model_config
from mmcore.architectures.old_names import renamed
from mmcore.corpus import BUNDLED_NAMES, corpus_from_words, read_words
from mmcore.dataset import build_dataset
from mmcore.evaluation import evaluate_splits
from mmcore.export.artifact import load

FILES = Path(__file__).parent / "artifacts"
# Losses on the first 400 bundled names, as the version that wrote the file gave them.
LOSSES = {
    "format-1-bigram": (2.207980965295684, 2.265716177511039),
    "format-1-mlp": (2.6068203705039252, 2.533751911342804),
    "format-1-mlp-odd": (2.2744172019966995, 2.3034436901227133),  # two layers, batch normalisation, direct, context 5
    "format-1-rnn": (2.672813550567457, 2.629472878586322),
    "format-1-gru": (2.88001718899358, 2.841504674116184),
    "format-1-lstm": (2.853694497157758, 2.8082162568490006),
    "format-1-wavenet": (3.1009355997019274, 3.0895999903168625),
    "format-1-transformer": (2.783328723779974, 2.7403107806765283),
}
LOSSES |= {name.replace("format-1", "format-2"): losses for name, losses in LOSSES.items()}  # the same weights


def test_every_kept_file_is_tested() -> None:
    assert {path.stem for path in FILES.glob("*.safetensors")} == LOSSES.keys()


@pytest.mark.parametrize("name", LOSSES)
def test_a_file_of_an_earlier_version_gives_the_losses_it_gave(name: str) -> None:
    artifact = load(FILES / f"{name}.safetensors")
    corpus = corpus_from_words(read_words(BUNDLED_NAMES).words[:400], "names")
    assert artifact.config.corpus_sha256 == corpus.sha256
    dataset = build_dataset(corpus, artifact.config.split, artifact.config.model.context_size)
    losses = evaluate_splits(artifact.model, dataset, test=False)
    assert (losses["train_loss"], losses["val_loss"]) == pytest.approx(LOSSES[name], rel=1e-6)


@pytest.mark.parametrize("name", [name for name in LOSSES if name.startswith("format-1")])
def test_a_file_of_an_earlier_version_holds_the_numbers_of_todays(name: str) -> None:
    older, newer = (load(FILES / f"{name.replace('format-1', form)}.safetensors") for form in ("format-1", "format-2"))
    assert torch.equal(older.model.flat, newer.model.flat) and older.config == newer.config
    assert load(older.to_bytes()).model.flat.equal(newer.model.flat)


def test_no_name_of_today_was_another_tensors_before() -> None:
    """So a name is known for an old or a new one wherever it stands."""
    normalised = [{"normalisation": kind, "direct": True} for kind in ("none", "batch", "layer")]
    configs = [config() for config in ARCHITECTURES.values()] + [model_config(**fields) for fields in normalised]
    for config in configs:
        names, shapes = renamed(config), config.shapes(27)
        assert list(names.values()) == list(shapes)
        assert all(names.get(name, name) == name for name in shapes)
