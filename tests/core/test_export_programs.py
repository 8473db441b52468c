"""What other programs make of a run: onnxruntime and TensorBoard's event reader."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from mmcore.architectures import model_config
from mmcore.architectures.interface import ModelConfig
from mmcore.config import RunConfig, TrainConfig
from mmcore.corpus import Corpus
from mmcore.dataset import Vocab
from mmcore.export import FORMATS
from mmcore.export.artifact import Artifact
from mmcore.export.onnx_graph import onnx_bytes
from tests.exported import trained
from tests.models import SMALL, shaken

VOCAB = Vocab.from_words(["abcdefghij"])
MODELS = SMALL | {
    "mlp-relu": model_config(context_size=5, embedding_dim=3, hidden_sizes=(9,), activation="relu"),
    "mlp-direct": model_config(context_size=4, embedding_dim=3, hidden_sizes=(), direct=True),
}


def contexts(size: int) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """Of words shorter than the context, and longer: then without a boundary."""
    rows = np.random.default_rng(size).integers(1, VOCAB.size, (60, size))
    for row, length in enumerate(range(60)):
        rows[row, : max(0, size - length % (size + 1))] = 0
    return rows


@pytest.mark.parametrize("name", MODELS)
def test_onnxruntime_computes_the_same_logits(name: str) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    config: ModelConfig = MODELS[name]
    model = shaken(config, VOCAB.size, seed=len(name)).copy(torch.float32)
    artifact = Artifact(
        model, VOCAB, RunConfig(corpus_sha256="ab" * 32, model=config, train=TrainConfig(sampler="examples")), {}, 1
    )
    session = onnxruntime.InferenceSession(onnx_bytes(artifact))
    assert json.loads(session.get_modelmeta().custom_metadata_map["vocab"]) == list(VOCAB.symbols)
    ids = contexts(config.context_size)
    (logits,) = session.run(["logits"], {"contexts": ids})
    expected = model(torch.from_numpy(ids)).detach().numpy()
    assert logits.shape == expected.shape and np.abs(logits - expected).max() < 1e-5
    assert np.abs(expected - expected[::-1]).max() > 0.01, "contexts must matter"


def test_tensorboard_reads_the_curve(names: Corpus, tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    run = trained(model_config(hidden_sizes=(8,)), names.words[:100])
    for name, content in FORMATS["tensorboard"].files(run).items():
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(content)
        found = accumulator.EventAccumulator(str((tmp_path / name).parent))
    found.Reload()
    for tag, column in (
        ("loss/batch", "batch_loss"),
        ("loss/validation", "val_loss"),
        ("learning rate", "learning_rate"),
    ):
        points = run.curve[["step", column]].dropna()
        events = found.Scalars(tag)
        assert [event.step for event in events] == points["step"].tolist()
        assert np.allclose([event.value for event in events], points[column])
